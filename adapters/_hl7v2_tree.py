"""HL7 v2 segments as trees and back: fields by number, repetitions as lists, components and their parts by number.

Only what a mapping speaks of is taken apart; other fields stay as the text they came in, other segments too, under
`Segments`, each with the one it stood after. `""` is None: the sender says that there is none.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import compress, count, repeat
from typing import Any, NamedTuple

from adapters import _hl7v2_number as numbers
from adapters._hl7v2 import Marks, Message, escape, unescape
from hub.adapter import Tree
from hub.errors import RecordError

KNOWN = ("MSH", "EVN", "PID", "PD1", "NK1", "MRG")
"""The segments that may be taken apart, in the order of a message."""
_NONE = '""'
_MANY_NUMBERS = 100
_NUMBERS = tuple(map(str, range(1, _MANY_NUMBERS)))
_PLACES = {name: n for n, name in enumerate(_NUMBERS, 1)}
_OWN = {"of", "checked", "status", "from"}
"""What the adapter says of a number, or of a telephone number."""


class Kind(NamedTuple):
    """A field that is taken apart. parts: components that have parts of their own; many: it repeats; plain: it is a
    list of texts."""

    parts: frozenset[str] = frozenset()
    many: bool = False
    plain: bool = False


_ONE, _MANY = Kind(), Kind(many=True)
_CX, _XAD, _XCN = (Kind(frozenset(parts), True) for parts in ({"4"}, {"1", "12"}, {"2", "9"}))
_XPN = frozenset({"1"})
FIELDS: dict[str, dict[int, Kind]] = {
    "EVN": {2: _ONE},
    "PID": {
        **dict.fromkeys((7, 8, 15, 17, 19, 22, 28, 29, 30), _ONE),
        3: _CX,
        5: Kind(_XPN, True),
        11: _XAD,
        13: _MANY,
        14: _MANY,
        32: Kind(many=True, plain=True),
    },
    "PD1": {3: _ONE, 4: _XCN, 12: _ONE},
    "NK1": {
        **dict.fromkeys((3, 8, 9, 15, 16), _ONE),
        2: Kind(_XPN),
        4: _XAD,
        5: _MANY,
        6: _MANY,
        33: Kind(_CX.parts),
    },
    "MRG": {1: _CX},
}
"""By segment and number. HL7 v2.4 chapter 3; later versions have the same places."""
_NOBODY = {"2": {"1": {"1": None}}}
"""What an NK1 says, but for its number, where there is no relative; among others it is not one of them."""
_PHONES = {"PID": ("13", "14"), "NK1": ("5", "6")}
NUMBERS: dict[str, dict[int, Kind]] = {"EVN": {2: _ONE}, "PID": {3: _CX, 32: FIELDS["PID"][32]}, "MRG": {1: _CX}}
"""The same of a message that only says which numbers are whose."""
_KINDS: tuple[dict[str, dict[str, Kind]], ...] = tuple(
    {name: {str(n): kind for n, kind in kinds.items()} for name, kinds in told.items()} for told in (FIELDS, NUMBERS)
)


def trees(message: Message, names: tuple[str, ...], *, merges: bool, renumbers: bool) -> Iterator[Tree | RecordError]:
    """The trees of a message, one a person, in a merge one a number that goes; a merge may tell of several persons, and
    one that names nobody is an error in its place. names: the segments that are taken apart, beside MSH; renumbers:
    as in `numbers.name`.

    RecordError names segment and field.
    """
    only = "NK1" not in names
    head: Tree = {"MSH": _numbered(message.header[1:])}
    tree: Tree | None = None
    at, after = head, "MSH"
    for name, text in message.segments[1:]:
        found = _segment(name, text, message.marks, only) if name in names else None
        about = _about(found) if found and name == "NK1" and tree is not None else None
        if name == "PID":
            if tree is not None:
                if not only:
                    raise RecordError("a second person in one message", place="PID")
                yield from _named(tree, message, merges, renumbers)
            at = tree = {**(copy.deepcopy(head) if only else head), "PID": found}  # whoever reads one takes it apart
            after = name
        elif about and about != _NOBODY:
            at.setdefault(name, []).append(found)
            after = f"NK1 {len(at[name])}"
        elif about and _is_alone(message):
            at[name] = None
            after = "NK1 1"
        elif found is not None and name != "NK1" and name not in at and (tree is None) == (name == "EVN"):
            at[name] = found
            after = name
        else:
            at.setdefault("Segments", []).append({"name": name, "after": after, "text": text})
    if tree is None:
        raise RecordError("the message has none", place="PID")
    yield from _named(tree, message, merges, renumbers)


def _about(relative: Tree) -> Tree:
    about = {**relative}
    about.pop("1", None)
    return about


def _is_alone(message: Message) -> bool:
    return [name for name, _ in message.segments].count("NK1") == 1


def _named(tree: Tree, message: Message, merges: bool, renumbers: bool) -> list[Tree] | list[RecordError]:
    try:
        return numbers.name(tree, (message.header[4], message.header[7]), message.marks, merges, renumbers)
    except RecordError as error:
        return [error]


def _numbered(texts: list[str]) -> Tree:
    """The texts that are not empty, by their number from 1."""
    keys = _NUMBERS if len(texts) < _MANY_NUMBERS else map(str, count(1))
    return dict(compress(zip(keys, texts, strict=False), texts))


def _segment(name: str, text: str, marks: Marks, only: bool) -> Tree:
    """A segment's fields by number. only: no more than its numbers is taken apart."""
    tree = _fields(text, _KINDS[only][name], marks)
    if name in _PHONES and not only:
        for n in _PHONES[name]:
            for one in tree.get(n) or ():
                _join(one)
    if name == "PID":
        numbers.mark(tree.get("3"))
        numbers.take_status(tree)
        if not only and tree.get("5"):
            tree["5"][0].setdefault("7", "")  # the first name is the one in use (v2.4, 3.4.2.5)
    elif name == "MRG":
        numbers.mark(tree.get("1"))
    elif name == "PD1" and type(tree.get("3")) is dict:
        numbers.code_in(tree["3"])
    return tree


def _fields(text: str, kinds: dict[str, Kind], marks: Marks) -> Tree:
    """The same, as its fields stand there. kinds: of those that are taken apart."""
    tree: Tree = {}
    for n, said in _numbered(text.split(marks.field)).items():
        if n not in kinds:
            tree[n] = said
            continue
        parts, many, plain = kinds[n]
        if said.isalnum():  # no mark is: one text, as most fields are
            one: Any = said if plain else {"1": {"1": said} if "1" in parts else said}
        elif plain or marks.repeat in said or _NONE in said:
            _repeated(tree, n, kinds[n], said, marks)
            continue
        else:
            one = _components(said, parts, marks)
        if one:
            tree[n] = [one] if many else one
    return tree


def _repeated(tree: Tree, n: str, kind: Kind, text: str, marks: Marks) -> None:
    """A field's repetitions; where the type does not repeat, further ones stay as text."""
    parts, many, plain = kind
    texts = text.split(marks.repeat)
    found: list[Any] = [_said(one, marks) if plain else _components(one, parts, marks) for one in texts]
    while found and not found[-1] and found[-1] is not None:
        found.pop()
    if not found:
        return
    if many:
        is_none = _NONE in text and len(found) == 1 and found[0] in (None, {"1": None}, {"1": {"1": None}})
        tree[n] = None if is_none else found
    else:
        if found[0]:
            tree[n] = found[0]
        if len(found) > 1:
            tree[f"{n}-more"] = texts[1 : len(found)]


def _components(text: str, parts: frozenset[str], marks: Marks) -> Tree:
    """A repetition's components by number; those with parts, declared or not, as parts by number."""
    tree = _numbered(text.split(marks.component))
    if marks.part in text:
        for n in [*tree]:
            if n in parts or marks.part in tree[n]:
                below = _numbered(tree[n].split(marks.part))
                if below:
                    tree[n] = below
                else:
                    del tree[n]
    else:
        for n in parts:
            if n in tree:
                tree[n] = {"1": tree[n]}
    return tree if marks.escape not in text and _NONE not in text else _said_of(tree, marks)


def _said_of(tree: Tree, marks: Marks) -> Tree:
    return {n: _said(one, marks) if isinstance(one, str) else _said_of(one, marks) for n, one in tree.items()}


def _join(phone: Tree) -> None:
    """A number that stands in parts, or where later versions have it, as the one text it is, and an e-mail address
    where it belongs; `from` says where it stood."""
    if phone.get("3") in ("Internet", "X.400"):
        if "4" not in phone and "1" in phone:
            phone["4"], phone["from"] = phone.pop("1"), "1"
        return
    for places in (("12",), ("5", "6", "7")) if "1" not in phone else ():
        found = {n: phone[n] for n in places if isinstance(phone.get(n), str)}
        if found and all(one.split() == [one] for one in found.values()):
            phone["1"], phone["from"] = " ".join(found.values()), " ".join(found)
            for n in found:
                del phone[n]
            return


def _split(phone: Tree) -> Tree:
    """A number as it was: in the places that `from` names, if it still has as many parts."""
    if phone.get("from") == "1":
        return {("1" if name == "4" else name): one for name, one in phone.items() if name != "from"}
    if "from" not in phone:
        return phone
    places = phone["from"].split() if isinstance(phone.get("from"), str) else []
    texts = phone["1"].split() if isinstance(phone.get("1"), str) else []
    if not places or len(places) != len(texts):
        return phone
    return {name: one for name, one in phone.items() if name not in ("1", "from")} | dict(
        zip(places, texts, strict=True)
    )


def _said(text: str, marks: Marks) -> str | None:
    return None if text == _NONE else unescape(text, marks)


# ------------------------------------------------------------------------------------------------------- and back


def segments(tree: Tree, marks: Marks) -> list[str]:
    """The segments of a tree as text, in the order of a message; those that were not taken apart where they stood."""
    others: dict[str, list[str]] = {}
    for one in tree.get("Segments") or ():
        text = f"{one.get('name', '')}{marks.field}{one.get('text', '')}" if one.get("text") else one.get("name", "")
        others.setdefault(one.get("after", ""), []).append(text)
    out: list[str] = []
    for name in KNOWN:
        found = {"1": "1", **_NOBODY} if name == "NK1" and tree.get(name, ()) is None else tree.get(name)
        every = found if isinstance(found, list) else [found] if isinstance(found, dict) else []
        for n, one in enumerate(every, 1):
            out.append(_text_of(name, one, marks))
            out += others.pop(f"NK1 {n}" if name == "NK1" else name, ())
        for gone in [key for key in others if name in key and key.split()[0] == name] if others else ():
            out += others.pop(gone)
    return out + [text for left in others.values() for text in left]


def _text_of(name: str, fields: Tree, marks: Marks) -> str:
    if name == "PID":
        fields = numbers.give_status(fields)
    if name == "PD1" and type(fields.get("3")) is dict and "code" in fields["3"]:
        fields = {**fields, "3": numbers.code_out(fields["3"])}
    cells: dict[int, str] = {}
    others = []
    for key, value in fields.items():
        n = _PLACES.get(key)
        if n is None:
            others.append(key)
        else:
            cells[n] = value if value.__class__ is str and value.isalnum() else _cell(value, marks)
    for key in sorted(others, key=len):
        of = key.removesuffix("-more")
        if key.isdigit():
            cells[int(key)] = _cell(fields[key], marks)
        elif of != key and (of.isdigit() or of not in fields):
            text = "".join([marks.repeat + one for one in fields[key] or ()])
            cells[int(of)] = (cells[int(of)] if of in fields else "") + text
    texts = _in_order(cells)
    if name == "MSH":
        texts[:2] = [marks.declared]
    while texts and not texts[-1]:
        texts.pop()
    return marks.field.join([name, *texts])


def _in_order(cells: dict[int, str]) -> list[str]:
    """Texts by their numbers from 1 on, "" where there is none."""
    return [*map(cells.get, range(1, max(cells, default=0) + 1), repeat(""))]


def _cell(value: Any, marks: Marks) -> str:
    """A field as text: text as it came, or its repetitions put together."""
    if value is None:
        return _NONE
    if isinstance(value, str):
        return escape(value, marks) if marks.breaking.search(value) else value
    if isinstance(value, dict):
        return _joined(value, marks)
    return _joined(value[0], marks) if len(value) == 1 else marks.repeat.join([_joined(one, marks) for one in value])


def _joined(value: Any, marks: Marks, sign: str = "") -> str:
    """Components put together by their numbers, trailing empty ones left out, without what the adapter says of them.

    sign: the mark between parts, where it is parts that are put together.
    """
    if not isinstance(value, dict):
        if isinstance(value, list):
            raise RecordError("a list where the format has one value")
        return _NONE if value is None else escape(value, marks)
    if not sign and not _OWN.isdisjoint(value):
        value = _split(numbers.unmark(value))
    cells: dict[int, str] = {}
    for key, below in value.items():
        n = _PLACES.get(key) or (max(int(key), 1) if key.isdigit() else 0)
        if not n:
            continue
        if below.__class__ is dict and len(below) == 1 and "1" in below:
            below = below["1"]  # the first part alone
        if below.__class__ is str:
            text = below if below.isalnum() or not marks.special.search(below) else escape(below, marks)
        else:
            text = _joined(below, marks, marks.part)
        if text:
            cells[n] = text
    return (sign or marks.component).join(_in_order(cells))


__all__ = ["FIELDS", "KNOWN", "segments", "trees"]
