"""The coverage as one HTML page that needs no network: all systems side by side, and what is lost between any two."""

from __future__ import annotations

import json
from html import escape
from importlib import resources
from itertools import groupby
from typing import Any

from hub.model import ChildRecord, fields

HOW = {
    "both": ("●", "both ways"),
    "part": ("◐", "some items"),
    "reads": ("◁", "only read"),
    "writes": ("▷", "only written"),
    "older": ("◌", "older editions"),
    "withheld": ("✕", "not carried"),
    "nothing": ("\N{MINUS SIGN}", "nothing"),
}
"""How a system stands to a field: the sign and the word for it."""

WHAT = {
    "carries": ("●", "carried"),
    "narrows": ("◐", "in part"),
    "loses": ("✕", "lost"),
    "silent": ("\N{MINUS SIGN}", "not said"),
}
"""What becomes of a field between two systems: the sign and the word for it."""


def page(found: dict[str, Any], a: str = "", b: str = "") -> str:
    """The page for a table of `hub.coverage.table`; a and b: the systems that it shows first."""
    template = (resources.files("hub.coverage") / "page.html").read_text("utf-8")
    columns = [n for n, one in enumerate(found["systems"]) if not one["whole"]]
    names = [found["systems"][n] for n in columns]
    parts = {
        "HEAD": "".join(f'<th scope="col" title="{escape(one["title"])}">{escape(one["name"])}</th>' for one in names),
        "SYSTEMS": "".join(
            f"<div><dt>{escape(one['name'])}</dt><dd>{escape(one['title'])}</dd></div>" for one in found["systems"]
        ),
        "LEGEND": "".join(_sign(key, HOW) for key in HOW),
        "LEGEND2": "".join(_sign(key, WHAT) for key in WHAT),
        "BODY": "".join(_group(name, list(held), names) for name, held in groupby(found["fields"], key=_top)),
        "COUNT": str(len(found["fields"])),
        "DATA": _data(found, a, b),
    }
    for name, text in parts.items():
        template = template.replace(f"<!--{name}-->", text)
    return template


def _top(one: dict[str, Any]) -> str:
    return str(one["path"]).split(".")[0].removesuffix("[]")


def _sign(key: str, words: dict[str, tuple[str, str]]) -> str:
    sign, word = words[key]
    return f'<span class="mark {key}"><i aria-hidden="true">{sign}</i> {word}</span>'


def _group(name: str, held: list[dict[str, Any]], names: list[dict[str, Any]]) -> str:
    """A part of the record: its heading, then a row a field, with a line where a new list or part of it begins."""
    meaning = next((one.leaf.meaning for one in fields(ChildRecord) if one.name == name), "")
    rows = [
        f'<tr class="part"><th colspan="{len(names) + 1}" scope="rowgroup">{escape(_words(name))}'
        f" <small>{escape(meaning)}</small></th></tr>"
    ]
    above = name
    for one in held:
        inside = str(one["path"]).rpartition(".")[0].replace("[]", "")
        if inside != above and inside:
            title = " / ".join(_words(step) for step in inside.split("."))
            rows.append(f'<tr class="inner"><th colspan="{len(names) + 1}" scope="rowgroup">{escape(title)}</th></tr>')
        above = inside or above
        rows.append(_row(one, names))
    return f'<tbody data-part="{escape(name)}">{"".join(rows)}</tbody>'


def _row(one: dict[str, Any], names: list[dict[str, Any]]) -> str:
    path = str(one["path"])
    marks = " <b>critical</b>" if one["critical"] else ""
    marks += f" <em>codes: {escape(one['codes'])}</em>" if one["codes"] else ""
    cells = "".join(_state(one["systems"][system["name"]], system["name"]) for system in names)
    label, meaning = _words(path.rpartition(".")[2]), str(one["meaning"]).replace("`", "")
    field = f"<strong>{escape(label)}</strong>{marks}<span>{escape(meaning)}</span><code>{escape(path)}</code>"
    return f'<tr data-path="{escape(path)}"><th scope="row">{field}</th>{cells}</tr>'


def _state(one: dict[str, Any], system: str) -> str:
    cells = f'<span class="detail"><code>{escape(", ".join(one["cells"]))}</code></span>' if one["cells"] else ""
    detail = f'<span class="detail">{escape(one["detail"])}</span>' if one["detail"] else ""
    return f'<td data-system="{escape(system)}">{_sign(one["how"], HOW)}{cells}{detail}</td>'


def _words(name: str) -> str:
    text = name.removesuffix("[]").replace("_", " ")
    return text[:1].upper() + text[1:]


def _data(found: dict[str, Any], a: str, b: str) -> str:
    """What the page's script needs: for each pair its fields' outcomes, each distinct note once."""
    notes: dict[tuple[str, ...], int] = {}
    pairs: dict[str, list[list[int]]] = {}
    order = list(WHAT)
    for one, others in found["pairs"].items():
        for other, outcomes in others.items():
            pairs[f"{one}>{other}"] = [
                [order.index(said["what"]), notes.setdefault(tuple(said["notes"]), len(notes))]
                for said in outcomes.values()
            ]
    data = {
        "systems": [one["name"] for one in found["systems"]],
        "words": list(WHAT.values()),
        "keys": order,
        "cells": [{name: held["cells"] for name, held in one["systems"].items()} for one in found["fields"]],
        "notes": [list(note) for note in notes],
        "pairs": pairs,
        "from": a,
        "to": b,
    }
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


__all__ = ["page"]
