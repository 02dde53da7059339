"""The census mapping interpreted path by path: for every row of the same TOML a search of the element by its path.

What most mapping tools do. Groups are searches too; each item gets its id, as the hub's do. With `extras` it keeps what
no row took and the spelling that the value would not give again, as the hub does; without them it loses both.
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

    def __init__(self, extras: bool) -> None:
        self.extras = extras
        self.taken: set[Any] = set()
        said = tomllib.loads(_FILE.read_text(encoding="utf-8"))
        self.fields = [_row(ours, given) for ours, given in said["fields"].items()]
        self.groups = {name: dict(group, name=name, rows=_rows(group)) for name, group in said["each"].items()}

    def translate(self, path: str) -> Iterator[bytes]:
        """A census file as lines of canonical JSON."""
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
        self.taken.clear()
        for row in self.fields:
            if row[1].startswith("@"):
                _put(record, row[0], row[2](head[row[1][1:]]))
            else:
                self._cell(element, record, *row)
        _number(record, record["source"].get("id", ""))
        self._items("", element, record, record, {})
        self._keep_rest(element, record)
        return record

    def _items(self, above: str, element: Any, item: Tree, record: Tree, ids: dict[str, str]) -> None:
        for group in self.groups.values():
            if group.get("in", "") != above:
                continue
            path = group["theirs"].replace("[]", "").replace(".", "/") if group["theirs"] != "." else "."
            for found in element.findall(path) if path != "." else [element]:
                made: Tree = {}
                for row in group["rows"]:
                    self._cell(found, made, *row)
                if not made and path == ".":
                    continue
                self._keep(group, made, item, record, ids)
                self._items(group["name"], found, made, record, {**ids, group["name"]: made["id"]})
                if path != ".":
                    self._keep_rest(found, made)
                    self.taken.add(found)

    def _cell(self, item: Any, made: Tree, ours: str, theirs: str, decode: _Decode, encode: _Encode) -> None:
        if theirs.endswith("[]"):
            cells = item.findall(theirs[:-2].replace(".", "/"))
            if cells:
                _put(made, ours, [decode(cell.text) for cell in cells])
                self.taken.update(cells)
            return
        if not self.extras:
            said = item.text if theirs == "." else item.findtext(theirs.replace(".", "/"))
            if said is not None:
                _put(made, ours, decode(said))
            return
        cell = item if theirs == "." else item.find(theirs.replace(".", "/"))
        if cell is not None:
            text = cell.text or ""
            value = decode(text)
            _put(made, ours, value)
            self.taken.add(cell)
            if encode(value) != text:
                _extra(made).setdefault("spell", {})[ours] = text

    def _keep_rest(self, element: Any, made: Tree) -> None:
        """Keep what no row took of an element."""
        if self.extras:
            left = self._left(element)
            if left:
                _extra(made)["rest"] = left

    def _left(self, element: Any) -> Tree:
        found: Tree = {f"@{name}": said for name, said in element.attrib.items()} if len(element.attrib) else {}
        for child in element:
            if child in self.taken:
                continue
            below: Any = self._left(child) if len(child) else child.text or ""
            if not below and len(child):
                continue
            if child.tag in found:
                held = found[child.tag]
                found[child.tag] = [*held, below] if type(held) is list else [held, below]
            else:
                found[child.tag] = below
        return found

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


_Decode = Callable[[str], Any]
_Encode = Callable[[Any], str]
_Row = tuple[str, str, _Decode, _Encode]


def _rows(group: Tree) -> list[_Row]:
    return [_row(ours, given) for ours, given in group["fields"].items()]


def _row(ours: str, given: Any) -> _Row:
    spec = {"theirs": given} if isinstance(given, str) else given
    return ours, spec["theirs"], *_codec(spec)


def _codec(spec: Tree) -> tuple[_Decode, _Encode]:
    if "codes" in spec:
        table = handwritten.codes(spec["codes"].removeprefix("cin/"))
        return table.__getitem__, {ours: theirs for theirs, ours in reversed(table.items())}.__getitem__
    name, _, words = spec.get("as", "text").partition("(")
    if name == "boolean":
        yes, no = (said.split("|") for said in re.findall(r'"([^"]*)"', words))
        return (dict.fromkeys(yes, True) | dict.fromkeys(no, False)).__getitem__, {
            True: yes[0],
            False: no[0],
        }.__getitem__
    return {"date": _day, "datetime": str, "integer": int, "upn": handwritten.upn, "text": str}[name], str


def _extra(made: Tree) -> Tree:
    """What an item keeps for its own system."""
    found: Tree = made.setdefault("extras", {}).setdefault("cin_census", {})
    return found


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
