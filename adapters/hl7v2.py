"""HL7 v2 messages about persons (ADT), as hospitals, child health and community systems in the UK send and expect them.

Read: A01 A03 A04 A05 A08 A31 A60 (a person, changed), A28 (a new one), A34 A40 A47 (one number takes the place of
another; in A47 also an NHS number, or one of another body, that of a person who stays the same) and A45 (visits move;
persons stay as they are). Written: A28, A31, A40 and A47, in version 2.4. Sources: HL7 v2.4 chapters 2 and 3; the UK
rules are told in docs/hl7v2.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from itertools import chain
from typing import Any

import msgspec

from adapters import _hl7v2_number as numbers
from adapters import _hl7v2_schema as fields
from adapters import _hl7v2_tree as shape
from adapters._hl7v2 import Marks, Message, encode, marks_of, messages
from hub.adapter import Adapter, Theirs, Tree
from hub.errors import RecordError
from hub.wire import Document

EDITION = "2"
"""Versions differ in what a message may hold, not in where a field stands: they are one edition, and MSH-12 stays."""
VERSION = "2.4"
"""The version that is written, on which the UK rules are based."""

PERSON, NEW, MERGE, NUMBERS = "Person", "New", "Merge", "Numbers"
KINDS = {
    **dict.fromkeys(("A01", "A03", "A04", "A05", "A08", "A31", "A60"), PERSON),
    "A28": NEW,
    **dict.fromkeys(("A34", "A40", "A45", "A47"), MERGE),
}
_WRITTEN = {PERSON: "ADT^A31^ADT_A05", NEW: "ADT^A28^ADT_A05", MERGE: "ADT^A40^ADT_A39", NUMBERS: "ADT^A47^ADT_A30"}
_MOVES = "A45"
_LATE = {"5": ("7", "L"), "11": ("7", "BA"), "13": ("3", "Internet")}
"""By field of PID, the component and the word of it that says which repetition counts first (5), or last."""
_DECLARED = Marks().declared
_MOMENT = re.compile(r"([-\d]{10})(?:T([\d:]+)(?:\.\d+)?(Z|[+-]\d\d:\d\d)?)?")
_PROGRAM = "ICS-HUB"

SCHEMAS = {PERSON: fields.PERSON, NEW: fields.PERSON, MERGE: fields.MERGE, NUMBERS: fields.NUMBERS}
_RENUMBERS = "A47"


def read(document: Document) -> Iterator[Theirs | RecordError]:
    """Every person that a message tells of, in order; what cannot be read names message, segment and field."""
    for found in messages(document):
        if isinstance(found, RecordError):
            yield found
            continue
        try:
            for one in _read(found):
                yield _placed(one, document, found) if isinstance(one, RecordError) else one
        except RecordError as error:
            yield _placed(error, document, found)


def _placed(error: RecordError, document: Document, message: Message) -> RecordError:
    return RecordError(error.reason, file=document.name, place=f"{message.place}, {error.place}", ids=error.ids)


def _read(message: Message) -> Iterator[Theirs | RecordError]:
    trigger = _trigger(message)
    kind = KINDS[trigger]
    merges = kind == MERGE and trigger != _MOVES
    names: tuple[str, ...] = ("EVN", "PID", "PD1", "NK1")
    if kind == MERGE:
        names = ("EVN", "PID", "MRG") if merges else ("EVN", "PID")
    for tree in shape.trees(message, names, merges=merges, renumbers=trigger == _RENUMBERS):
        if isinstance(tree, RecordError):
            yield tree
            continue
        gone = tree.get("superseded", "")
        of = NUMBERS if merges and not gone else kind
        yield Theirs(of, tree["id"], tree, {}, EDITION, message.place, superseded=gone)


def _trigger(message: Message) -> str:
    """The event of a message that is read; RecordError for others, by name."""
    mark = message.marks.component
    code, event, *_ = [*[one.strip() for one in message.header[9].split(mark)], "", ""]
    if code == "ADT" and not event:
        event = next((text.split(message.marks.field)[0] for name, text in message.segments if name == "EVN"), "")
    if code == "ADT" and event in KINDS:
        return event
    told = f"{code}^{event}".rstrip("^")
    if not re.fullmatch(r"[A-Z]{3}(?:\^[A-Z0-9]{3})?", told):
        raise RecordError("it does not say what kind of message it is", place="MSH-9")
    raise RecordError(f"{told} messages are not read; of ADT these are: {', '.join(sorted(KINDS))}", place="MSH-9")


def write(records: Iterable[Theirs], head: Tree) -> Iterator[tuple[str, bytes]]:
    """A message for each record; several, or none, in a batch file."""
    stream = iter(records)
    first = next(stream, None)
    second = next(stream, None)
    if first is not None and second is None:
        yield "", _message(first, head)
        return
    marks = Marks()
    moment = _moment(head.get("as_of"))
    label = f"{marks.field}{marks.declared}|{_PROGRAM}||||{moment}".rstrip("|")
    yield "", f"FHS{label}\rBHS{label}\r".encode()
    count = 0
    for one in chain((one for one in (first, second) if one is not None), stream):
        yield "", _message(one, head)
        count += 1
    yield "", f"BTS|{count}\rFTS|1\r".encode()


def _message(theirs: Theirs, head: Tree) -> bytes:
    tree = dict(theirs.tree)
    own = tree.get("id") or theirs.id
    tree["PID"] = tree["PID"] if isinstance(tree.get("PID"), dict) else {}
    header = tree.get("MSH")
    if not isinstance(header, dict):
        if isinstance(own, str) and own:
            tree["PID"] = {**tree["PID"], "3": numbers.add(tree["PID"].get("3"), own, theirs.source)}
        if gone := tree.get("superseded"):
            held = tree["MRG"] if isinstance(tree.get("MRG"), dict) else {}
            tree["MRG"] = {**held, "1": numbers.add(held.get("1"), str(gone), theirs.source)}
        _introduce(tree, theirs, head)
    elif theirs.key:
        tree["MSH"] = {**header, "7": _moment(theirs.at) or header.get("7", ""), "10": theirs.key[:20]}
    sign = tree["MSH"].get("1", "|")
    marks = marks_of(f"MSH{sign}{tree['MSH'].get('2', _DECLARED)}{sign}")
    text = "\r".join(shape.segments(tree, marks)) + "\r"
    declared = tree["MSH"].get("18")
    return encode(text, declared.split(marks.repeat)[0] if isinstance(declared, str) else "")


def _introduce(tree: Tree, theirs: Theirs, head: Tree) -> None:
    """The header and what else a message needs that came from another system."""
    moment = _moment(theirs.at or head.get("as_of"))
    kind = theirs.kind if theirs.kind not in (MERGE, NUMBERS) or "MRG" in tree else PERSON
    own = theirs.key or blake2b(msgspec.json.encode([theirs.kind, tree], order="sorted"), digest_size=10).hexdigest()
    tree["MSH"] = {
        "3": _PROGRAM,
        "7": moment,
        "9": _WRITTEN[kind],
        "10": own[:20].upper(),
        "11": "P",
        "12": VERSION,
        "17": "GBR",
        "18": "UNICODE UTF-8",
    }
    event = tree.get("EVN")
    happened = {"1": _WRITTEN[kind][4:7], **({"2": {"1": moment}} if moment else {})}
    tree["EVN"] = {**happened, **event} if isinstance(event, dict) else happened
    tree["MSH"] |= _sides(head)
    tree["PID"] = {"1": "1", **tree["PID"]}
    for n in _LATE:
        if n in tree["PID"]:
            tree["PID"][n] = _ranked(n, tree["PID"][n])
    if isinstance(tree["PID"].get("3"), list):  # that there is no number is not a number
        tree["PID"]["3"] = [one for one in tree["PID"]["3"] if not isinstance(one, dict) or one.get("1")]
    if isinstance(tree.get("NK1"), list):
        tree["NK1"] = [{"1": str(n), **one} for n, one in enumerate(tree["NK1"], 1)]
    if kind not in (MERGE, NUMBERS) and not tree.get("Segments"):
        last = next((name for name in ("NK1", "PD1") if tree.get(name) or (name in tree and name == "NK1")), "PID")
        after = f"NK1 {len(tree['NK1'] or '1')}" if last == "NK1" else last
        tree["Segments"] = [{"name": "PV1", "after": after, "text": "1|N"}]  # required; N: there is no visit


def _sides(head: Tree) -> Tree:
    """MSH-3 to MSH-6 of a head that names application and facility of `sender` and `receiver`."""
    found: Tree = {}
    for name, fields_of in (("sender", "34"), ("receiver", "56")):
        said = head.get(name)
        if isinstance(said, list):
            both = zip(fields_of, said, strict=False)
            found |= {number: text for number, text in both if isinstance(text, str) and text}
    return found


def _ranked(field: str, value: Any) -> Any:
    """Repetitions with the one that counts first: the name and address in force, a telephone before an e-mail."""
    if not isinstance(value, list):
        return value
    part, word = _LATE[field]
    if field == "13":
        value = [{"2": "NET", **one} if one.get(part) == word else one for one in value]
    return sorted(value, key=lambda one: (one.get(part) == word) is (field != "5"))


def _moment(said: Any) -> str:
    """A moment of ours in HL7's form, "" for none."""
    found = _MOMENT.fullmatch(said) if isinstance(said, str) else None
    if found is None:
        return ""
    day, time, zone = found[1].replace("-", ""), found[2] or "", found[3] or ""
    return day + time.replace(":", "") + ("+0000" if zone == "Z" else zone.replace(":", ""))


def make_head(as_of: str, edition: str) -> Tree:
    """A head for records that came from another format."""
    return {"as_of": as_of} if as_of else {}


adapter = Adapter(
    name="hl7v2",
    read=read,
    write=write,
    schemas=SCHEMAS,
    editions=(EDITION,),
    suffix=".hl7",
    head=make_head,
)
