"""Which option of a question is ticked: crosses, ticks and boxes as people make them, in one cell or in several."""

from __future__ import annotations

import re

from adapters._caf_docx.layout import Line

TICK = re.compile(
    r"\[\s*[xX\u2713\u2714]\s*\]|\(\s*[xX]\s*\)|[\u2611\u2612\u2713\u2714\u2717\u2718\u221a\u00d7]|(?<!\w)[xX](?!\w)"
)
EMPTY = re.compile(r"\[\s*\]|\(\s*\)|[\u2610\u25a1\u25a2\u274f\u2751]")


def is_of_ticks(line: Line, text: str) -> bool:
    """Whether a cell holds nothing but options and marks."""
    _, rest = tokens_of(line, [text])
    return not rest


def tokens_of(line: Line, answers: list[str]) -> tuple[list[bool | str], bool]:
    """The marks (True: ticked) and options of cells in their order, an empty cell between options being an empty box;
    and whether there is any other text."""
    tokens: list[bool | str] = []
    rest = False
    for text in answers:
        if not text.strip() and len(answers) > 1:
            tokens.append(False)
            continue
        while text := text.lstrip(" \t\n/,;.|"):
            found = TICK.match(text) or EMPTY.match(text)
            option = _option(line, text)
            if found and (option is None or found.end() > option[0]):
                tokens.append(EMPTY.match(text) is None)
                text = text[found.end() :]
            elif option is not None:
                tokens.append(option[1])
                text = text[option[0] :]
            else:
                rest = True
                text = re.sub(r"^(\w+|\W)", "", text)
    return tokens, rest


def _option(line: Line, text: str) -> tuple[int, str] | None:
    """The option that a text begins with, the longest, and where it ends."""
    found = None
    for label, value in line.options:
        match = re.match(r"\s+".join(map(re.escape, label.split())) + r"(?!\w)", text, re.IGNORECASE)
        if match and (found is None or match.end() > found[0]):
            found = match.end(), value
    return found


def paired(tokens: list[bool | str], marks: list[int], options: list[int]) -> list[tuple[int, int]] | None:
    """Each mark with its option; None where it cannot be told whether boxes stand before or behind."""
    before = [(mark, mark + 1) for mark in marks if mark + 1 in options]
    behind = [(mark, mark - 1) for mark in marks if mark - 1 in options]
    fits_before, fits_behind = len(before) == len(marks), len(behind) == len(marks)
    if fits_before and fits_behind and len(marks) < len(options):
        return None
    if fits_before and fits_behind:
        return before if isinstance(tokens[0], bool) else behind
    return before if fits_before else behind if fits_behind else None
