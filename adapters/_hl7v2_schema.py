"""The fields of the HL7 v2 segments that are taken apart, as the accounting and the tests know them.

Numbers are those of HL7 v2.4 chapter 3 (MSH: chapter 2), up to the last field of version 2.8. `of`, `status` and
`checked` are what the adapter says of a number, `code` of a practice; `id` and `superseded` are the sender's own
numbers.
"""

from __future__ import annotations

from hub.adapter import Schema

_CX = "1 2 3 4.1 4.2 4.3 5 6 7 8 of status checked"
_XPN = "1.1 1.2 1.3 1.4 1.5 2 3 4 5 6 7 8 9 10 11 12 13 14"
_XAD = "1.1 1.2 1.3 2 3 4 5 6 7 8 9 10 11 12.1 12.2 13 14"
_XTN = "1 2 3 4 5 6 7 8 9 10 11 12 from"
_XCN = "1 2.1 2.2 2.3 3 4 5 6 7 8 9.1 9.2 9.3 10 11 12 13 14 15"
_XON = "1 2 3 4 5 6 7 8 9 10 code"
_CE, _TS = "1 2 3 4 5 6", "1 2"

_TYPES: dict[str, tuple[int, dict[int, tuple[str, bool]]]] = {
    "EVN": (7, {2: (_TS, False)}),
    "PID": (
        40,
        {
            **dict.fromkeys((7, 29), (_TS, False)),
            **dict.fromkeys((8, 15, 17, 19, 22, 28, 30), (_CE, False)),
            **dict.fromkeys((13, 14), (_XTN, True)),
            3: (_CX, True),
            5: (_XPN, True),
            11: (_XAD, True),
        },
    ),
    "PD1": (23, {3: (_XON, False), 4: (_XCN, True), 12: ("1", False)}),
    "NK1": (
        41,
        {
            **dict.fromkeys((3, 15), (_CE, False)),
            **dict.fromkeys((8, 9, 16), (_TS, False)),
            **dict.fromkeys((5, 6), (_XTN, True)),
            2: (_XPN, False),
            4: (_XAD, True),
            33: (_CX, False),
        },
    ),
    "MRG": (7, {1: (_CX, True)}),
}
"""By segment: its last field, and the components of those that are taken apart, with whether they repeat."""
_NUMBERS = {"EVN": {2}, "PID": {3, 32}, "MRG": {1}}
_REPEAT = ("NK1",)
_OTHERS = "Segments[].name text !\nSegments[].after text !\nSegments[].text text\n"


def _segment(name: str, only: bool) -> str:
    last, types = _TYPES[name]
    top = f"{name}[]" if name in _REPEAT else name
    out = [f"{top} group"]
    for n in range(1, last + 1):
        parts, many = types.get(n, ("", False))
        if name == "PID" and n == 32:
            out.append(f"{top}.32[] text")
            continue
        if not parts or (only and n not in _NUMBERS.get(name, ())):
            out.append(f"{top}.{n} text")
            continue
        field = f"{top}.{n}[]" if many else f"{top}.{n}"
        out.append(f"{field} group")
        out += [f"{field}.{part} text" for part in parts.split()]
        if not many:
            out.append(f"{top}.{n}-more[] text")
    return "\n".join(out) + "\n"


def _schema(first: str, segments: tuple[str, ...], only: bool) -> Schema:
    header = "MSH group\n" + "".join(f"MSH.{n} text\n" for n in range(1, 26))
    return Schema.parse(first + header + "".join(_segment(name, only) for name in segments) + _OTHERS, nulls=True)


PERSON = _schema("id text !\n", ("EVN", "PID", "PD1", "NK1"), False)
MERGE = _schema("id text !\nsuperseded text\n", ("EVN", "PID", "MRG"), True)
NUMBERS = _schema("id text !\n", ("EVN", "PID", "MRG"), True)

__all__ = ["MERGE", "NUMBERS", "PERSON"]
