"""What an adapter is: the contract between one product's spelling and the hub.

An adapter is a module with a value named `adapter` (class `Adapter`). It turns a document into `Theirs`, a record in
the product's own words, and back. It knows shape and spelling; what a field means is the mapping's business.
Adapters are pure: no clock, no socket, no logging, no other adapter.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from hub.errors import DeclarationError, RecordError
from hub.wire import Document
from hub.wire.jsontext import Token
from hub.wire.stretch import Stretch

Tree = dict[str, Any]
"""dict, list, str, Token and None only; `{}`, `[]`, None and absent are four different things."""


class Theirs(msgspec.Struct):
    """One record in the product's own words.

    kind: which mapping reads it; id: the record's own id, or ""; tree: its fields by the product's names; head: facts
    of the document (as-of, header fields) shared by its records; edition: the format's version as seen in its
    shape; place: where in the document (`Child 12, line 340`), for errors. key, at: of the message that takes it to a
    target: its idempotency key in hexadecimal digits, and the moment it was made; "" where nothing is sent.
    source: of a record to be written, the link it came from. superseded: the own id of the record that this one says
    goes, "" where it is no merge. group: records of a document that follow each other and have the same one belong
    together (the children of one form) and go as one message; "" for a record by itself. line: of a record to be
    written, its bytes in the document if they are made already (`Adapter.line`).
    """

    kind: str
    id: str
    tree: Tree
    head: Tree = msgspec.field(default_factory=dict)
    edition: str = ""
    place: str = ""
    key: str = ""
    at: str = ""
    source: str = ""
    superseded: str = ""
    group: str = ""
    line: bytes = b""

    def __repr__(self) -> str:
        return f"Theirs(kind={self.kind!r}, place={self.place!r})"


@dataclass(frozen=True)
class Cell:
    """One field of a format. path: `CINdetails[].Assessments[].AssessmentActualStartDate`, lists with `[]`.

    type: text, date, datetime, integer, decimal, boolean, or group (a dict) for a path that only holds others.
    """

    path: str
    type: str = "text"
    required: bool = False
    length: int = 0
    since: str = ""
    until: str = ""


@dataclass(frozen=True)
class Schema:
    """The fields of one kind of record, in the format's order.

    bare: integers, decimals and booleans stand as Tokens (JSON); nulls: the format can say None; unordered: lists whose
    order means nothing to the format (rows of a table).
    """

    cells: tuple[Cell, ...]
    bare: bool = False
    nulls: bool = False
    unordered: bool = False
    by_path: Mapping[str, Cell] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_path", {cell.path: cell for cell in self.cells})

    @classmethod
    def parse(cls, text: str, **flags: bool) -> Schema:
        """Read a table of `path type words…`, a field a line, in order; `#` starts a comment.

        Words: `!` required, `<=48` longest length in characters, `since=2025`, `until=2024` (editions, inclusive).
        """
        cells = []
        for line in text.splitlines():
            words = line.split("#", 1)[0].split()
            if words:
                cells.append(_cell(words))
        return cls(tuple(cells), **flags)

    def leaves(self, edition: str = "") -> list[Cell]:
        """The fields that hold text (no groups), those of one edition if it is named."""
        return [c for c in self.cells if c.type != "group" and (not edition or in_edition(edition, c.since, c.until))]


def _cell(words: list[str]) -> Cell:
    if len(words) < 2:
        raise DeclarationError("a schema line is: path type words…", place=" ".join(words))
    path, kind, *rest = words
    known: dict[str, Any] = {}
    for word in rest:
        if word == "!":
            known["required"] = True
        elif word.startswith("<="):
            known["length"] = int(word[2:])
        elif word.startswith(("since=", "until=")):
            name, _, value = word.partition("=")
            known[name] = value
        else:
            raise DeclarationError(f"unknown word {word!r} in a schema line", place=path)
    return Cell(path, kind, **known)


def in_edition(edition: str, since: str, until: str) -> bool:
    """Whether an edition lies between `since` and `until`, both included; an empty bound is open."""
    return (not since or edition >= since) and (not until or edition <= until)


@dataclass(frozen=True)
class Adapter:
    """One format. `read` yields records and the errors of single records, and raises RecordError for the document.

    read(document): yields Theirs, or a RecordError for a record that cannot be read; raises RecordError when nothing
    more can be read (after yielding all that could). Streaming: memory does not grow with the document.
    write(records, head): yields (part, bytes) in order; part is "" for a format of one file, else the part's name
    (`ssd_person.csv`). Streaming as well; an empty run of records gives a valid empty document. schemas: by kind;
    None for a format that anybody may extend. editions: oldest first; the last is written when nobody says otherwise.
    suffix: of the file written (`.xml`), "" when a document is a folder or zip of parts. limit: most records a
    document. head(as_of, edition): a head for `write` when the records came from another format. normal(tree): the
    tree with everything the format cannot tell apart made the same (default: as it is). check(document): what breaks
    the published schema, each as a RecordError, for `--strict`; None: nothing published. shared: parts of the record
    that become one thing at the receiver whoever sent them, and replace what is there: they go out as all sources told
    them. local(tables): the adapter of a council's own form, from the tables (file, bytes) that its overlays have
    (`NAME/*.csv`); None: there is one form. line(theirs): the bytes of a record in a document of which every record is
    written by itself; None: it is not such a format. ours: such a line is the record itself as the hub has it in JSON.
    blank: of a form that people fill in, the names at the top of its trees that are never filled in beforehand; where
    the others came from `write` takes from `head["Beforehand"]`, a tree of the same shape with source and day, on two
    lines, in the place of each text. None: this is no such form.
    """

    name: str
    read: Callable[[Document], Iterator[Theirs | RecordError]]
    write: Callable[[Iterable[Theirs], Tree], Iterator[tuple[str, bytes]]]
    schemas: Mapping[str, Schema | None]
    editions: tuple[str, ...] = ("",)
    suffix: str = ""
    limit: int | None = None
    shared: tuple[str, ...] = ()
    line: Callable[[Theirs], bytes] | None = None
    ours: bool = False
    stretches: Callable[[Document], Iterator[Stretch]] | None = None
    head: Callable[[str, str], Tree] = lambda as_of, edition: {}
    normal: Callable[[Tree], Tree] = lambda tree: tree
    check: Callable[[Document], Iterator[RecordError]] | None = None
    local: Callable[[Iterable[tuple[str, bytes]]], Adapter] | None = None
    blank: tuple[str, ...] | None = None


def find(name: str) -> Adapter:
    """The adapter of that name: `adapters.<name>`, or a council's own by its dotted path (`council.ehm`).

    DeclarationError when there is none, or its module cannot be imported.
    """
    module_name = name if "." in name else f"adapters.{name}"
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and not module_name.startswith(error.name):
            raise DeclarationError(f"the adapter {name!r} needs a module {error.name!r}, which is not there") from None
        raise DeclarationError(f"there is no adapter {name!r}; shipped are: {', '.join(shipped())}") from None
    except Exception as error:  # a council's own code may raise anything
        at = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise DeclarationError(f"importing the adapter {name!r} fails with {type(error).__name__}{at}") from None
    found = getattr(module, "adapter", None)
    if not isinstance(found, Adapter):
        raise DeclarationError(f"{module_name} has no value named 'adapter' of class hub.adapter.Adapter")
    return found


def shipped() -> list[str]:
    """The names of the adapters in this installation, in alphabetical order."""
    package = importlib.import_module("adapters")
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_"))


__all__ = ["Adapter", "Cell", "Schema", "Theirs", "Token", "Tree", "find", "in_edition", "shipped"]
