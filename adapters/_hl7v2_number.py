"""The numbers of a person in HL7 v2 (CX): which is the sender's own, which an NHS number, how far that was traced;
and the code of a practice."""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any

from adapters._hl7v2 import Marks, unescape
from hub.adapter import Tree
from hub.errors import RecordError

_STATUS = re.compile(r"(?:NSTS|PDS)\d\d?|0[1-8]", re.IGNORECASE)
"""How far a number was traced, where it stands in the place of the check digit."""
_TRACED = re.compile(r"(?:NSTS|PDS)?0?1", re.IGNORECASE)
"""The status under which a number was found to be the person's."""
_OF_OTHERS = {"AL", "ED", "UA", "UD", "US"}
"""What PID-32 says of other things than the NHS number: HL7 table 0445 and the UK's ED. All else is taken for a status,
for a word that nobody knows does not say that a number was verified."""
_NHS = {("NHS", "NH"), ("", "NH"), ("NHS", ""), ("NHS", "NHS"), ("NHSNBR", "NHSNMBR")}
"""Assigning authority and type of an NHS number as senders write them; the first is the UK rule."""
_NHS_OID = "2.16.840.1.113883.2.1.4.1"
"""The assigning authority of NHS numbers where it is said by its universal id (CX-4.2)."""
_OWN = ("MR", "MRN", "PI", "PT", "HOSP")
"""Types of number under which a hospital files a person, the likeliest first."""
_RANKS = {kind: n for n, kind in enumerate(_OWN, 1)}
_OTHER, _THEIRS, _LAST = range(len(_OWN) + 1, len(_OWN) + 4)
_PRACTICE = re.compile(r"[A-Z][0-9]{5}")
"""The ODS code of a general practice."""
_FOREIGN = {"SS", "DL", "PPN", "NI", "NNGBR", "MA", "MC", "BCT"}
"""Types of number that others give out."""


def mark(numbers: Any) -> None:
    """Say of each number whether it is an NHS number (`of`), and take the tracing status out of the place of its check
    digit (`checked`)."""
    for one in numbers if isinstance(numbers, list) else ():
        if _names(one) in _NHS or _universal(one) == _NHS_OID:
            one["of"] = "nhs"
        if isinstance(one.get("2"), str) and _STATUS.fullmatch(one["2"]):
            one["checked"] = one.pop("2")


def unmark(number: Tree) -> Tree:
    """A number as it is written: an NHS number has its authority and type, the check digit's place its status."""
    plain = {name: value for name, value in number.items() if name not in ("of", "checked", "status")}
    if number.get("of") == "nhs" and "4" not in plain and "5" not in plain:
        plain |= {"4": {"1": "NHS"}, "5": "NH"}
    return {**plain, "2": number["checked"]} if "checked" in number else plain


def take_status(pid: Tree) -> None:
    """PID-32 says how far the NHS number was traced: put that with every one there is (`status`); of several words the
    first that does not verify it. That there is nothing in it stays there as well: it is more than the tracing that is
    no longer said."""
    if "32" not in pid:
        return
    said, numbers = pid["32"], pid.get("3")
    every = [one for one in numbers if one.get("of") == "nhs"] if isinstance(numbers, list) else []
    if said is None:
        for one in every:
            if "checked" not in one:
                one["status"] = None
    if not isinstance(said, list):
        return
    words = [one for one in said if isinstance(one, str) and one.strip() and one.strip().upper() not in _OF_OTHERS]
    told = min(words, key=lambda one: bool(_TRACED.fullmatch(one)), default="")
    about = [one for one in every if "checked" not in one or not _TRACED.fullmatch(told)]
    if told and about:
        for one in about:
            one["status"] = told
        pid["32"] = [one for one in said if one != told]
        if not any(pid["32"]):
            del pid["32"]


def give_status(pid: Tree) -> Tree:
    """PID with what its numbers say of their tracing in PID-32 again."""
    numbers = pid.get("3")
    said = [one["status"] for one in numbers if "status" in one] if isinstance(numbers, list) else []
    if not said:
        return pid
    held = pid.get("32")
    every = [one for one in (*dict.fromkeys(said), *(held if isinstance(held, list) else ())) if one is not None]
    return {**pid, "32": every or None}


def name(tree: Tree, header: tuple[str, str], marks: Marks, merges: bool, renumbers: bool) -> list[Tree]:
    """Give a tree the person's own id in the sending system (`id`), and in a merge the one that goes (`superseded`):
    then a tree for each number of the sender's in MRG-1, the first with what else stands there.

    renumbers: numbers that others gave out are in MRG-1 those of this very person, no longer in force: a tree of them
    comes first, in which nothing is superseded. header: MSH-4 and MSH-7 as they came. RecordError when
    there is none, naming the field; it knows the ids that could be read.
    """
    pid = tree["PID"]
    facility = header[0].partition(marks.component)[0].upper()
    made_at = header[1].partition(marks.component)[0].upper()
    own = _own(pid.get("3"), facility, made_at) or _plain(pid.get("2"), marks)
    if own is not None and not merges:
        tree["id"] = _id(own)
        return [tree]
    said: Any = tree["MRG"].get("1") if merges and "MRG" in tree else None
    over: list[Tree] = []
    if renumbers and own is not None and not _is_foreign(own) and isinstance(said, list):
        over, said = [one for one in said if _is_foreign(one)], [one for one in said if not _is_foreign(one)]
    gone = _all_own(said, own, facility)
    ids = (_id(own) if own else "", *(_id(_by(one, own)) for one in gone))
    if own is None:
        raise RecordError("no number under which the person is known", place="PID-3", ids=ids)
    tree["id"] = ids[0]
    if "MRG" not in tree:
        raise RecordError("the message has none", place="MRG", ids=ids)
    if not gone and not over:
        raise RecordError("no number that is superseded", place="MRG-1", ids=ids)
    if ids[0] in ids[1:] or any(_is_among(one, pid.get("3")) for one in over):
        raise RecordError("the number that is superseded is the one that stays (PID-3)", place="MRG-1", ids=ids)
    whose = {id(one): n for n, one in zip(ids[1:], gone, strict=True)}
    mrg = {n: [one for one in said if whose.get(id(one), ids[1]) == n] for n in ids[1:]}
    made = [{**tree, "superseded": n, "MRG": {**tree["MRG"], "1": left}} for n, left in mrg.items()]
    if over:
        made.insert(0, {**tree, "MRG": {**tree["MRG"], "1": over + ([] if gone else said)}})
    return [deepcopy(one) for one in made]  # whoever reads one takes it apart


def add(numbers: Any, own: str, source: str) -> list[Tree]:
    """Numbers with one of this id among them. source: gave it out, where the id does not say who did."""
    held = list(numbers) if isinstance(numbers, list) else []
    if any(_id(one) == own for one in held if isinstance(one.get("1"), str)):
        return held
    value, _, authority = own.partition("^^^")
    authority = authority or source
    made: Tree = {"1": value, "5": "PI"}
    return [{**made, "4": {"1": authority}} if authority else made, *held]


def code_in(practice: Tree) -> None:
    """A practice of which the code alone is said, where its name belongs: as its `code`."""
    said = practice.get("1")
    if isinstance(said, str) and _PRACTICE.fullmatch(said) and not {"3", "10"} & practice.keys():
        practice["code"] = practice.pop("1")


def code_out(practice: Tree) -> Tree:
    """A practice with its code where it stood, or where it belongs if a name has its place now."""
    made = {name: one for name, one in practice.items() if name != "code"}
    return {"3" if "1" in made else "1": practice["code"], **made}


def _names(number: Tree) -> tuple[str, str]:
    """Assigning authority and type, in capitals."""
    authority, kind = _authority(number), number.get("5")
    return authority.upper(), kind.upper() if isinstance(kind, str) else ""


def _authority(number: Tree) -> str:
    said = number.get("4")
    if isinstance(said, dict):
        said = said.get("1")
    return said if isinstance(said, str) else ""


def _universal(number: Tree) -> str:
    """The universal id of the assigning authority."""
    found = number.get("4")
    said = found.get("2") if isinstance(found, dict) else None
    return said if isinstance(said, str) else ""


def _is_foreign(number: Tree) -> bool:
    """Whether another body than a hospital gave a number out."""
    return number.get("of") == "nhs" or _names(number)[1] in _FOREIGN


def _is_among(number: Tree, others: Any) -> bool:
    """Whether the same body's same number is there."""
    found = others if isinstance(others, list) else ()
    return any((_issuer(one), one.get("1")) == (_issuer(number), number.get("1")) for one in found)


def _issuer(number: Tree) -> Any:
    return number.get("of") or _names(number)


def _own(numbers: Any, facility: str, at: str = "") -> Tree | None:
    """The number under which the sender files the person: one of its own facility, else one of the usual types, else
    any that is not another body's, else an NHS number; of several alike one in force. at: the moment of the message."""
    there = [one for one in numbers if isinstance(one.get("1"), str)] if isinstance(numbers, list) else []
    return min(there, key=lambda one: (_rank(one, facility), _is_over(one, at))) if there else None


def _is_over(number: Tree, at: str) -> bool:
    """Whether a number was no longer in force on the day of the message (CX-8)."""
    end = number.get("8")
    return isinstance(end, str) and end[:4].isdigit() and end[:8] < at[:8][: len(end)]


def _rank(number: Tree, facility: str) -> int:
    """How likely the sender files the person under a number, 0 the likeliest."""
    if number.get("of") == "nhs":
        return _LAST
    authority, kind = _names(number)
    if kind in _FOREIGN:
        return _THEIRS
    return 0 if facility and authority == facility else _RANKS.get(kind, _OTHER)


def _all_own(numbers: Any, stays: Tree | None, facility: str) -> list[Tree]:
    """The numbers under which the sender files the person whose number goes: that which counts first, and others of the
    same authority. stays: the number that stays, whose authority it is where none is said."""
    first = _own(numbers, (_names(stays)[0] if stays else "") or facility)
    if first is None:
        return []
    whose, kind = _names(_by(first, stays))

    def alike(one: Tree) -> bool:
        if not isinstance(one.get("1"), str) or one.get("of") != first.get("of"):
            return False
        return "of" in one or (_names(_by(one, stays))[0] == whose and _names(one)[1] in (kind, "", *_OWN))

    return [one for one in numbers if alike(one)]


def _by(number: Tree, stays: Tree | None) -> Tree:
    """A number of MRG-1 with the authority of the one that stays, where it says none."""
    if stays is None or _names(number)[0] or "4" not in stays:
        return number
    return {**number, "4": stays["4"]}


def _plain(text: Any, marks: Marks) -> Tree | None:
    """PID-2, where older versions have the number, as a number."""
    cells = text.split(marks.repeat)[0].split(marks.component) if isinstance(text, str) else [""]
    if not cells[0].strip() or cells[0] == '""':
        return None
    number: Tree = {"1": unescape(cells[0], marks)}
    authority = cells[3].split(marks.part)[0] if len(cells) > 3 else ""
    return {**number, "4": {"1": unescape(authority, marks)}} if authority else number


def _id(number: Tree) -> str:
    """A number with its authority, for two hospitals of one feed may give out the same."""
    authority = _authority(number)
    return f"{number['1']}^^^{authority}" if authority else str(number["1"])


__all__ = ["add", "code_in", "code_out", "give_status", "mark", "name", "take_status", "unmark"]
