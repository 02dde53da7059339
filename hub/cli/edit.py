"""`ics-hub edit`: one parked record taken into a file, mended there by a person, and put back in its place.

What a person may read and write here are values: they stand in that file alone, never on the terminal or in an error.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from hub.cli.opened import CONFIG, HUB_TOML, JSON, many, opened, put, say
from hub.cli.operate import operator
from hub.errors import DeclarationError, RecordError

if TYPE_CHECKING:
    from hub.adapter import Theirs
    from hub.config import Settings
    from hub.message import Cause
    from hub.pipeline import Link
    from hub.store import Incoming, Store, Trace

OURS = "ours"
NAMED = 20
"""Most paths named in the audit."""


class Record(NamedTuple):
    """A kept record that a person edits. messages: all of it, each with its target. link: its source's."""

    at: tuple[int, int]
    link: Link
    links: dict[str, Link]
    messages: list[Trace]
    body: bytes

    @property
    def revision(self) -> int:
        """How often it was edited."""
        return max(one.revision for one in self.messages)

    @property
    def name(self) -> str:
        """As `trace` shows it."""
        return f"{self.at[0]}:{self.at[1]}"


def edit(
    message: Annotated[str, typer.Argument(metavar="ID", help="A message's number or id, or a record, as 12:0.")],
    take: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the record there, as JSON.")] = None,
    back: Annotated[Path | None, typer.Option("--put", metavar="FILE", help="Put it back as it stands there.")] = None,
    reason: Annotated[str, typer.Option(metavar="WHY", help="Why, in words; it is recorded.")] = "",
    config: CONFIG = HUB_TOML,
    as_json: JSON = False,
) -> None:
    """Take a parked record into a file, with values, and put it back mended; its original and its place are kept."""
    if not reason.strip():
        raise DeclarationError("say why with --reason, in words: it is recorded")
    if (take is None) == (back is None):
        raise DeclarationError("--take FILE writes the record there, --put FILE puts it back: one of them")
    with opened(config) as (settings, store):
        record = _record(settings, store, message)
        if take is not None:
            told = _take(store, record, take, reason.strip())
        else:
            assert back is not None
            told = _put(settings, store, record, back, reason.strip())
    if as_json:
        put(told)
    else:
        _say(told, message)
    raise typer.Exit(1 if told.get("parked") or told.get("refused") else 0)


def _record(settings: Settings, store: Store, name: str) -> Record:
    from hub.cli import asking
    from hub.config.build import mapped

    found = asking.find(store, name)
    if not found:
        raise DeclarationError(f"the store knows no message {asking.shown(name)}: it never had it, or it was purged")
    at, links = (found[0].document, found[0].ordinal), mapped(settings, store)
    link = links.get(found[0].source)
    if link is None:
        raise DeclarationError(f"{settings.file.name} has no link {found[0].source!r} any more: put it back first")
    messages = [store.trace(number) for number in store.messages_of_record(*at)]
    return Record(at, link, links, messages, store.record(*at))


def _take(store: Store, record: Record, file: Path, reason: str) -> dict[str, Any]:
    """Write the record into a new file that only its owner can read, after that was recorded."""
    if file.exists() or file.is_symlink():
        raise DeclarationError("this file is there already: name another", file=str(file))
    form, fields = _fields(store, record)
    one = record.messages[0]
    store.audit(operator(), "reveal", f"record {record.name}, taken to be edited: {reason}", [one.child])
    head = {"record": record.name, "revision": record.revision, "form": form}
    _write(file, head, fields)
    return {"file": str(file), **head}


def _fields(store: Store, record: Record) -> tuple[str, dict[str, Any]]:
    """The record's form and fields: ours, or as the adapter read them where no record of ours could be made of them."""
    from hub.adapter import Token
    from hub.model import decode, to_tree

    if record.body.startswith(b"["):
        raise _several(record)
    if record.body:
        return OURS, to_tree(decode(record.body, Token))
    return record.link.adapter.name, _theirs(store, record).tree


def _theirs(store: Store, record: Record) -> Theirs:
    """The record as the adapter reads it. RecordError when it cannot be edited: the adapter cannot read it."""
    from hub.pipeline.reading import picked

    for _, found in picked(record.link, store.document(record.at[0]), [record.at[1]]):
        if isinstance(found, RecordError):
            raise RecordError(
                f"record {record.name} cannot be read at all ({found}): have its source mended, or set it aside"
            )
        if isinstance(found, tuple):
            raise _several(record)
        return found
    raise RecordError(f"record {record.name} is not in its document any more: set it aside")


def _several(record: Record) -> RecordError:
    return RecordError(
        f"record {record.name} is a form about several children, who are not edited one without the other: have its "
        "source mended, or set it aside"
    )


def _write(file: Path, head: dict[str, Any], fields: dict[str, Any]) -> None:
    import msgspec

    from hub.wire.jsontext import dumps

    text = msgspec.json.format(dumps(head | {"fields": fields}), indent=2)
    try:
        made = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with open(made, "wb") as out:
            out.write(text + b"\n")
    except OSError as error:
        raise DeclarationError((error.strerror or "cannot be written").lower(), file=str(file)) from None


def _put(settings: Settings, store: Store, record: Record, file: Path, reason: str) -> dict[str, Any]:
    """Read the file, see that a worker could use what it says, and put it into the record's place."""
    from hub.pipeline.reading import Source

    said = _read(file)
    if said.get("record") != record.name:
        raise DeclarationError(f"this file holds another record than {record.name}", file=str(file))
    source = Source(record.link, store.identity(record.link.name), settings.ring)
    form, before = (OURS, None) if said.get("form") == OURS else (record.link.adapter.name, _theirs(store, record))
    made = _ours(source, record, said) if before is None else _mended(source, record, before, said)
    told: dict[str, Any] = {"record": record.name, "file": str(file)}
    if made.body == record.body:
        return told | {"changed": [], "ready": [], "parked": {}, "already": True}
    if (form, record.revision) != (OURS if record.body else form, said["revision"]):
        raise DeclarationError("the record changed since it was taken: take it again", file=str(file))
    _, original = _fields(store, record)
    paths = _paths(record, form, original, said["fields"])
    parked, withheld = _outward(settings, record, made)
    wanted = [one for one in record.messages if one.state in ("ready", "waiting", "parked")]
    if wanted and len(parked) == len(wanted):
        return told | {"changed": paths, "ready": [], "parked": parked, "refused": True}
    named = [*paths[:NAMED], *([f"and {len(paths) - NAMED} more"] if len(paths) > NAMED else [])]
    done = store.edit(*record.at, made, operator(), reason, named)
    return told | {"changed": paths, "ready": done.done, "passed": done.refused, "parked": parked, "withheld": withheld}


def _read(file: Path) -> dict[str, Any]:
    """What the file says. DeclarationError, which shows nothing of it, when it is not such a file."""
    import msgspec

    from hub.wire.jsontext import decode

    try:
        data = file.read_bytes()
        said = msgspec.json.decode(data)
        if said["form"] != OURS:
            said = decode(data)
        if isinstance(said["fields"], dict):
            return dict(said, revision=int(said["revision"]))
    except OSError as error:
        raise DeclarationError((error.strerror or "cannot be read").lower(), file=str(file)) from None
    except msgspec.DecodeError as error:
        where = re.search(r"byte \d+", str(error))
        raise DeclarationError(f"this is no JSON{f': see {where[0]}' if where else ''}", file=str(file)) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    raise DeclarationError("this is no file of 'edit --take', or more than its fields changed", file=str(file))


def _ours(source: Any, record: Record, said: dict[str, Any]) -> Incoming:
    """A record of ours, checked as far as its types and code lists go."""
    from hub.adapter import Token
    from hub.model import check_codes, from_tree
    from hub.pipeline.reading import from_records

    made = from_tree(said["fields"], Token)
    for path, codes in check_codes(made):
        raise RecordError("no code of its list", row=path, table=codes)
    return from_records(source, record.at, record.messages[0].kind, [made], b"")


def _mended(source: Any, record: Record, theirs: Theirs, said: dict[str, Any]) -> Incoming:
    """A record of theirs, mapped inward as a worker would. RecordError when that still cannot be."""
    import copy

    from hub.cli.following import cause, words
    from hub.model import decode
    from hub.pipeline.reading import incoming

    if said["form"] != record.link.adapter.name:
        raise DeclarationError("the record was taken in another form: take it again")
    edited = copy.copy(theirs)
    edited.tree = copy.deepcopy(said["fields"])  # reading takes it apart
    made = incoming(source, *record.at, edited)
    if made.failed is not None:
        raise RecordError(f"the record still cannot be read: {words(cause(made.failed))}")
    own = decode(made.body).source
    if theirs.id and own and isinstance(own.id, str) and own.id != theirs.id:
        raise RecordError("the edit changes whose record it is: have the source send the right one")
    return made


def _paths(record: Record, form: str, before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """The fields in which two trees differ, by names that are known: a person may have typed anything."""
    from hub.mapping.compare import differences

    found = differences(before, after)
    if form == OURS:
        return sorted({re.sub(r"(^|\.)extras\..*", r"\1extras", path) for path in found})
    schema = record.link.adapter.schemas.get(record.messages[0].kind)
    known = set(schema.by_path) if schema is not None else set()
    return sorted({path if path.removesuffix("[]") in known or path in known else "other fields" for path in found})


def _outward(settings: Settings, record: Record, made: Incoming) -> tuple[dict[str, Cause], list[str]]:
    """What each target of an open message would be sent of it: those that it would be parked for, with the cause, and
    those for which nothing is left."""
    from hub.message import Message
    from hub.pipeline.writing import write

    parked: dict[str, Cause] = {}
    withheld: list[str] = []
    for one in record.messages:
        target = record.links.get(one.target)
        if one.state not in ("ready", "waiting", "parked") or target is None:
            continue
        sealed = settings.ring.seal(made.body, b"edit")
        message = Message(one.number, one.id, one.target, one.source, made.kind, b"edit", sealed)
        for outcome in write(target, record.links, settings.ring, [message], "").outcomes:
            if outcome.state == "withheld":
                withheld.append(one.target)
            elif outcome.cause is not None:
                parked[one.target] = outcome.cause
    return parked, withheld


def _say(told: dict[str, Any], name: str) -> None:
    """What was done, in words; never a value."""
    from hub.cli.following import cause, words

    if "form" in told:
        what = "as a record of ours" if told["form"] == OURS else f"as {told['form']} reads it"
        say(f"{told['file']} holds record {told['record']} {what}, with values: mode 600; remove it when you are done")
        say(f"Next: change its fields, then ics-hub edit {name} --put {told['file']} --reason WHY")
        return
    if told.get("already"):
        say(f"record {told['record']} says this already: nothing was changed")
        return
    for path in told["changed"]:
        typer.echo(path)
    for target, why in told["parked"].items():
        say(f"{target} would not get it: {words(cause(why))}")
    if told.get("refused"):
        say("nothing was changed: no target would get it like this")
        return
    for target in told["withheld"]:
        say(f"nothing of it is left to send to {target}")
    for number, why in told["passed"].items():
        say(f"message {number} stays parked: {why}")
    ready = many(len(told["ready"]), "message")
    say(f"record {told['record']} was edited, {many(len(told['changed']), 'field')}; {ready} on the way")


__all__ = ["edit"]
