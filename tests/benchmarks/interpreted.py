"""The census mapping interpreted path by path: for every row of the same TOML a search of the element by its path.

What most mapping tools do. Groups are searches too; each item gets its id, as the hub's do. No extras, no spellings.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from datetime import date
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson
from lxml import etree

from tests.benchmarks import handwritten

Tree = dict[str, Any]

_FILE = Path(__file__).parents[2] / "mappings" / "cin_census" / "child.toml"
_STEP = re.compile(r"([^.\[]+)(?:\[([^\]]*)\])?")


class Interpreter:
    """Rows as they stand in the file, walked for each record."""

    def __init__(self) -> None:
        said = tomllib.loads(_FILE.read_text(encoding="utf-8"))
        self.fields = [_row(ours, given) for ours, given in said["fields"].items()]
        self.groups = {name: dict(group, name=name, rows=_rows(group)) for name, group in said["each"].items()}

    def translate(self, path: str) -> Iterator[bytes]:
        """A census file as lines of canonical JSON, without extras."""
        head = {}
        for _, element in etree.iterparse(
            path, tag=("Child", "ReferenceDate"), remove_comments=True, remove_pis=True, resolve_entities=False
        ):
            if element.tag == "ReferenceDate":
                head["as_of"] = element.text
                continue
            yield orjson.dumps(self._child(element, head))
            element.clear()
            while element.getprevious() is not None:
                del element.getparent()[0]

    def _child(self, element: Any, head: Tree) -> Tree:
        record: Tree = {"source": {"link": "cin_census", "edition": "2025"}}
        for ours, theirs, decode in self.fields:
            text = head.get(theirs[1:]) if theirs.startswith("@") else element.findtext(theirs.replace(".", "/"))
            if text is not None:
                _put(record, ours, decode(text))
        _number(record, record["source"].get("id", ""))
        self._items("", element, record, record, {})
        return record

    def _items(self, above: str, element: Any, item: Tree, record: Tree, ids: dict[str, str]) -> None:
        for group in self.groups.values():
            if group.get("in", "") != above:
                continue
            path = group["theirs"].replace("[]", "").replace(".", "/") if group["theirs"] != "." else "."
            for found in element.findall(path) if path != "." else [element]:
                made: Tree = {}
                for ours, theirs, decode in group["rows"]:
                    self._cell(found, made, ours, theirs, decode)
                if not made and path == ".":
                    continue
                self._keep(group, made, item, record, ids)
                self._items(group["name"], found, made, record, {**ids, group["name"]: made["id"]})

    def _cell(self, found: Any, made: Tree, ours: str, theirs: str, decode: Callable[[str], Any]) -> None:
        if theirs.endswith("[]"):
            texts = [one.text for one in found.findall(theirs[:-2].replace(".", "/"))]
            if texts:
                _put(made, ours, [decode(text) for text in texts])
            return
        text = found.text if theirs == "." else found.findtext(theirs.replace(".", "/"))
        if text is not None:
            _put(made, ours, decode(text))

    def _keep(self, group: Tree, made: Tree, item: Tree, record: Tree, ids: dict[str, str]) -> None:
        home = record if group["ours"].startswith("/") else item
        *steps, last = group["ours"].lstrip("/").split(".")
        for step in steps:
            home = home.setdefault(step, {})
        ((name, wanted),) = _steps(last)
        made.update(wanted)
        for cell, value in group.get("on", {}).items():
            made[cell] = ids[value.partition(".")[0] if "." in value else group["in"]]
        home.setdefault(name, []).append(made)
        key = [_get(made, path) for path in group["key"]]
        made["id"] = _mint(record["source"].get("id", ""), group["name"], ids.get(group.get("in", ""), ""), key)


def _rows(group: Tree) -> list[tuple[str, str, Callable[[str], Any]]]:
    return [_row(ours, given) for ours, given in group["fields"].items()]


def _row(ours: str, given: Any) -> tuple[str, str, Callable[[str], Any]]:
    spec = {"theirs": given} if isinstance(given, str) else given
    return ours, spec["theirs"], _decoder(spec)


def _decoder(spec: Tree) -> Callable[[str], Any]:
    if "codes" in spec:
        return handwritten.codes(spec["codes"].removeprefix("cin/")).__getitem__
    name, _, words = spec.get("as", "text").partition("(")
    if name == "boolean":
        yes, no = re.findall(r'"([^"]*)"', words)
        said = dict.fromkeys(yes.split("|"), True) | dict.fromkeys(no.split("|"), False)
        return said.__getitem__
    return {"date": _day, "datetime": str, "integer": int, "upn": handwritten.upn, "text": str}[name]


def _day(text: str) -> str:
    date.fromisoformat(text)
    return text


def _put(tree: Tree, path: str, value: Any) -> None:
    """Set a value at a path of ours, making parts, and items that pass a filter, on the way."""
    *above, last = _steps(path)
    for name, wanted in above:
        if not wanted:
            tree = tree.setdefault(name, {})
            continue
        items = tree.setdefault(name, [])
        found = next((one for one in items if all(one.get(k) == v for k, v in wanted.items())), None)
        if found is None:
            items.append(found := dict(wanted))
        tree = found
    tree[last[0]] = value


@cache
def _steps(path: str) -> list[tuple[str, dict[str, str]]]:
    """The names of a path of ours, each with what its filter wants."""
    found = [step.groups(default="") for step in _STEP.finditer(path)]
    return [(name, dict(test.split("=") for test in tests.split(",") if test)) for name, tests in found]


def _get(tree: Tree, path: str) -> Any:
    for name in path.split("."):
        tree = tree.get(name, {})
    return tree


def _number(record: Tree, child: str) -> None:
    for item in record.get("person", {}).get("identifiers", ()):
        item["id"] = _mint(child, "identifiers", "", [item["use"]])


def _mint(child: str, group: str, above: str, key: list[Any]) -> str:
    return "hub-" + blake2b(f"{child}|{group}|{above}|{key}".encode(), digest_size=10).hexdigest()
