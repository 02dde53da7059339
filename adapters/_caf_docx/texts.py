"""Texts of a form and their places in a tree: days as people write them, and paths that lead to one text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from hub.adapter import Tree

_MONTHS = [
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
]


def fold(text: str) -> str:
    """A heading without case, spaces, punctuation and the kinds of dashes and quotes."""
    return re.sub(r"[\W_]+", "", text.casefold().replace("&", "and"))


_OTHERS = re.compile(
    "(?:detailsof|about|the|birth|natural|step|foster|adoptive|other|grand)*"
    "(?:mother|mum|father|dad|(?:parents?(?:and|or)?)?carer|parent|guardian|partner|sibling|brother|sister"
    "|secondchild|(?:child|youngperson)[2-9])s*(?:details|information)?[0-9]*"
)


def names_another(title: str) -> bool:
    """Whether a title is of what is said of somebody who is not the child, such as `Mother's details`."""
    return _OTHERS.fullmatch(fold(title)) is not None


def plain(text: str) -> str:
    """A text as Word keeps it: one kind of line end."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def day(text: str) -> str:
    """A day as a person writes it, `27/03/2015`, `27.3.2015` or `27 March 2015`, in ISO form; anything else as it is.

    A year of two digits is not taken for one: nobody knows the century.
    """
    said = text.strip()
    found = re.fullmatch(r"(\d{1,2})\s*[/.-]\s*(\d{1,2})\s*[/.-]\s*(\d{4})", said)
    if found:
        parts = int(found[1]), int(found[2]), int(found[3])
    else:
        found = re.fullmatch(r"(\d{1,2})(?:st|nd|rd|th)?\s+([A-Za-z]{3,9})\.?,?\s+(\d{4})", said)
        months = [n for n, name in enumerate(_MONTHS, 1) if found and name.startswith(found[2].lower())]
        if not found or len(months) != 1:
            return said if re.fullmatch(r"\d{4}-\d\d-\d\d", said) else text
        parts = int(found[1]), months[0], int(found[3])
    return f"{parts[2]:04}-{parts[1]:02}-{parts[0]:02}" if 1 <= parts[1] <= 12 and 1 <= parts[0] <= 31 else text


def printed_day(text: str) -> str:
    """A day in ISO form as a person writes it, `27/03/2015`; anything else as it is."""
    found = re.fullmatch(r"(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", text)
    return f"{found[3]}/{found[2]}/{found[1]}" if found else text


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every text of a tree with its place: names with `/` between, places in a list as `[0]`."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from leaves(one, f"{path}/{escape(name)}" if path else escape(name))
    elif isinstance(value, list):
        for n, one in enumerate(value):
            yield from leaves(one, f"{path}/[{n}]")
    else:
        yield path, value


def escape(name: str) -> str:
    """A name as a step of a place."""
    name = name.replace("~", "~0").replace("/", "~1")
    return f"~2{name[1:]}" if name.startswith("[") else name or "~3"


def plant(tree: Tree, path: str, text: str) -> bool:
    """Put a text at a place as `leaves` gives it; False where something else stands in the way."""
    steps = path.split("/")
    at: Any = tree
    for step, after in zip(steps, [*steps[1:], ""], strict=True):
        made: Any = text if not after else [] if re.fullmatch(r"\[\d+\]", after) else {}
        if re.fullmatch(r"\[\d+\]", step):
            if not isinstance(at, list):
                return False
            n = min(int(step[1:-1]), len(at))
            if n == len(at):
                at.append(made)
            below = at[n]
        else:
            if not isinstance(at, dict):
                return False
            name = re.sub("^~2", "[", "" if step == "~3" else step).replace("~1", "/").replace("~0", "~")
            below = at.setdefault(name, made)
        if not after:
            return below is made
        at = below
    return False


def reach(scope: Any, name: str, base: str) -> tuple[Any, str]:
    """What stands below a tree at a name with points, and its place; None where nothing does."""
    value = scope
    for step in name.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value, "/".join([*([base] if base else []), *name.split(".")])


def is_said(item: Any, name: str) -> bool:
    """Whether an item has a text at a name, which may lead through a list."""
    if "[]." in name:
        above, _, below = name.partition("[].")
        value, _ = reach(item, above, "")
        return isinstance(value, list) and bool(value) and all(isinstance(o, dict) and is_said(o, below) for o in value)
    value, _ = reach(item, name.removesuffix("[]"), "")
    texts = value if isinstance(value, list) and name.endswith("[]") else [value]
    return bool(texts) and all(isinstance(one, str) for one in texts)
