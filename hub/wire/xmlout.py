"""Trees as XML text: the opposite of `hub.wire.xml`, which says what a tree of XML is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from hub.errors import RecordError

Tree = dict[str, Any]
Plan = dict[str, tuple[str, bool, Any]]
"""What an element may hold, in order: by tag, the key in the tree, whether a list, and its own plan (None: text)."""

_START = (
    "A-Za-z_\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c\u200d\u2070-\u218f"
    "\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd"
)
_NAME = rf"(?:\{{([^{{}}\s]*)\}})?([{_START}][{_START}0-9.\-\u00b7]*)"  # takes long to compile: when it is asked
_XML = "http://www.w3.org/XML/1998/namespace"
_SPECIAL = re.compile("[&<>\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_IMPOSSIBLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_IN_ATTRIBUTE = _ESCAPES | str.maketrans({'"': "&quot;", "\n": "&#10;", "\t": "&#9;"})


def element(name: str, tree: Tree, plan: Plan, attributes: str = "") -> str:
    """The element as text without layout: children in the plan's order, unknown ones after; None and [] not written.

    Strays (`#text`) go one before the first child and one behind each, so that they are read again in their order.
    RecordError names the field that holds what XML cannot say: a control character, a name that is none.
    """
    out: list[str] = []
    _write(out, name, attributes, tree, plan)
    return "".join(out)


def start(name: str, attributes: Tree) -> str:
    """A start tag alone, for the frame around streamed records. attributes: by `@name`, or `@xmlns`."""
    return f"<{name}{_attributes(attributes)}>"


def normal(tree: Tree) -> Tree:
    """A tree without what XML cannot tell from nothing: None and empty lists."""
    kept: Tree = {}
    for key, value in tree.items():
        if type(value) is dict:
            kept[key] = normal(value)
        elif type(value) is list:
            items = [normal(item) if type(item) is dict else item for item in value if item is not None]
            if items:
                kept[key] = items
        elif value is not None:
            kept[key] = value
    return kept


def _write(out: list[str], name: str, attributes: str, tree: Tree, plan: Plan) -> None:
    at, left = len(out), len(tree)
    out.append(f"<{name}{attributes}>")
    for key, (_, _, below) in plan.items():
        value = tree.get(key)
        if value is None:
            left -= key in tree
            continue
        left -= 1
        if type(value) is list:
            for item in value:
                _child(out, key, key, "", item, below)
        else:
            _child(out, key, key, "", value, below)
    if left:
        del out[at:]
        out.append(f"<{name}{attributes}{_attributes(tree)}>")
        _mixed(out, tree, plan)
    if len(out) == at + 1:
        out[at] = out[at][:-1] + "/>"
    else:
        out.append(f"</{name}>")


def _child(out: list[str], key: str, name: str, attributes: str, value: Any, below: Plan | None) -> None:
    """One element. key: the field, for errors; name and attributes: as they stand in the tag."""
    if isinstance(value, str):
        out.append(f"<{name}{attributes}>{_text(key, value)}</{name}>" if value else f"<{name}{attributes}/>")
    elif type(value) is dict:
        _write(out, name, attributes, value, below or {})
    elif value is not None:
        raise RecordError("a list inside a list, or a value that is no text, cannot be written", place=key)


def _mixed(out: list[str], tree: Tree, plan: Plan) -> None:
    """The content of an element that holds more than the plan names: unknown children behind, strays between."""
    strays = [_text("#text", stray) for stray in tree.get("#text") or []]
    out.extend(strays[:1])
    children = list(_children(tree, plan))
    for ordinal, (key, name, attributes, value, below) in enumerate(children, 1):
        _child(out, key, name, attributes, value, below)
        last = ordinal == len(children)
        out.append(" ".join(strays[ordinal:] if last else strays[ordinal : ordinal + 1]))


def _children(tree: Tree, plan: Plan) -> Iterator[tuple[str, str, str, Any, Plan | None]]:
    for key in [*(key for key in plan if key in tree), *(key for key in tree if key not in plan)]:
        if key != "#text" and not key.startswith("@"):
            name, declared = (key, "") if key in plan else _named(key, "n")
            value = tree[key]
            for item in value if type(value) is list else [value]:
                yield key, name, declared, item, plan[key][2] if key in plan else None


def _attributes(tree: Tree) -> str:
    said = ""
    for ordinal, (key, value) in enumerate(tree.items()):
        if key.startswith("@") and value is not None:
            name, declared = _named(key[1:], f"a{ordinal}")
            _text(key, value)
            said += f'{declared} {name}="{value.translate(_IN_ATTRIBUTE)}"'
    return said


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise RecordError("a value that is no text cannot be written", place=key)
    if _SPECIAL.search(value) is None:
        return value
    if _IMPOSSIBLE.search(value):
        raise RecordError("the text has a character that XML cannot hold", place=key)
    return value.translate(_ESCAPES)


def _named(key: str, prefix: str) -> tuple[str, str]:
    """A name as it stands in a tag, and the declaration of its namespace, if it has one."""
    match = re.fullmatch(_NAME, key)
    if match is None:
        raise RecordError("a field whose name XML cannot hold")
    space, local = match.groups()
    if not space:
        return local, ""
    if space == _XML:
        return f"xml:{local}", ""
    return f"{prefix}:{local}", f' xmlns:{prefix}="{space.translate(_IN_ATTRIBUTE)}"'
