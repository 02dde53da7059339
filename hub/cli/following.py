"""One message from the document it came in to what its target was sent: collected, and as text. Values are masked."""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from collections.abc import Iterator
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any

import typer
from rich.text import Text

from hub.cli.opened import console, many, moment, span
from hub.cli.show import grid

if TYPE_CHECKING:
    from hub.config import Settings
    from hub.message import Cause, Parcel
    from hub.model import Part
    from hub.store import Store, Trace


class Reveal(Enum):
    """Which values are shown: none, the message's own, or also those of others that went in the same file."""

    nothing = None
    own = False
    parcel = True


def seen(store: Store, trace: Trace, *, whole: bool) -> list[int]:
    """The messages whose values are shown when this one's are; whole: with its parcel."""
    if not whole or trace.parcel is None:
        return [trace.number]
    return sorted({trace.number, *store.parcel(trace.parcel).numbers})


def collect(settings: Settings, store: Store, trace: Trace, reveal: Reveal = Reveal.nothing) -> dict[str, Any]:
    """All that is known of a message. Only with `reveal` are there values: under `record` and `sent.text`."""
    told: dict[str, Any] = {
        "number": trace.number, "id": trace.id.hex(), "child": trace.child.hex(), "state": trace.state,
        "source": trace.source, "target": trace.target, "cause": cause(trace.cause), "due": trace.due,
        "behind": trace.behind, "superseded_by": trace.superseded_by, "may_have_arrived": trace.may_arrived,
        "attempts": trace.attempts, "crashes": trace.crashes, "changed": trace.changed,
    }  # fmt: skip
    told["received"] = {
        "document": trace.document, "ordinal": trace.ordinal, "link": trace.source, "kind": trace.kind,
        "kept": trace.document_kept,
    }  # fmt: skip
    told["record"] = _record(store, trace, reveal is not Reveal.nothing)
    told["findings"] = [cause(one) for one in trace.findings]
    told["history"] = [
        {"tried": one.tried, "worker": one.worker, "started": one.started, "ended": one.ended,
         "outcome": one.outcome, "cause": cause(one.cause)}
        for one in trace.history
    ]  # fmt: skip
    parcel = store.parcel(trace.parcel) if trace.parcel is not None else None
    told["sent"] = _sent(parcel, trace, reveal) if parcel is not None else None
    told["account"] = account(settings, parcel, trace) if parcel is not None else []
    return told


def cause(one: Cause | None) -> dict[str, str] | None:
    """A cause's parts that are set."""
    if one is None:
        return None
    names = ("stage", "reason", "row", "table", "target", "answer")
    return {name: getattr(one, name) for name in names if getattr(one, name)}


def _record(store: Store, trace: Trace, reveal: bool) -> dict[str, Any]:
    """The record as it was kept: which fields it has, of which kind; with `reveal` what they say."""
    from hub.errors import HubError
    from hub.model import decode_all, to_tree

    told: dict[str, Any] = {"version": trace.version, "carries": trace.carries, "removal": trace.removal}
    try:
        data = store.record(trace.document, trace.ordinal)
    except HubError as error:
        return told | {"missing": str(error)}
    told["bytes"] = len(data)
    try:
        records = decode_all(data)
    except HubError:  # it failed inward: what is kept is theirs
        told["missing"] = "no record of ours could be made of it"
        return told | ({"theirs": data.decode("utf-8", "replace")} if reveal else {})
    told["fields"] = list(said(*records))
    told["extras"] = sorted({link for record in records for link in links_of(record)})
    values = [to_tree(record) for record in records]
    return told | ({"values": values[0] if len(values) == 1 else values} if reveal else {})


def said(*records: Part) -> Iterator[dict[str, Any]]:
    """Path, kind and count of every field that says something; none: how many of them say that there is none."""
    counts: Counter[str] = Counter()
    none: Counter[str] = Counter()
    kinds: dict[str, str] = {}
    for path, kind, is_none in (found for record in records for found in _walk(record, "")):
        kinds.setdefault(path, kind)
        counts[path] += 1
        none[path] += is_none
    for path, kind in kinds.items():
        yield {"path": path, "kind": kind, "count": counts[path], "none": none[path]}


def _walk(part: Part, prefix: str) -> Iterator[tuple[str, str, bool]]:
    from msgspec import UNSET

    from hub.model import fields

    for field in fields(type(part)):
        value, path = getattr(part, field.name), prefix + field.name
        if value is UNSET:
            continue
        if value is None or field.part is None:
            yield path, field.value or field.shape, value is None
        elif field.shape == "list":
            for item in value:
                yield from _walk(item, f"{path}[].")
        else:
            yield from _walk(value, f"{path}.")


def links_of(part: Part) -> set[str]:
    """The links that said something in the record which no row of their mapping took."""
    from hub.model import Part, fields

    found = getattr(part, "extras", None)
    links = set(found) if isinstance(found, dict) else set()
    for field in fields(type(part)):
        value = getattr(part, field.name)
        for one in value if isinstance(value, list) else [value]:
            links |= links_of(one) if isinstance(one, Part) else set()
    return links


def _sent(parcel: Parcel, trace: Trace, reveal: Reveal) -> dict[str, Any]:
    """What went out, or is to: never its bytes but with `reveal`."""
    import msgspec

    told: dict[str, Any] = {
        "parcel": parcel.number, "key": parcel.key.hex(), "bytes": len(parcel.data), "suffix": parcel.suffix,
        "head": msgspec.json.decode(parcel.head), "messages": len(parcel.numbers), "mapping": parcel.mapping,
        "receipt": trace.receipt,
    }  # fmt: skip
    if reveal is Reveal.nothing:
        return told
    if reveal is Reveal.own and len(parcel.numbers) > 1:
        return told | {"hidden": "the file holds others' records as well: --parcel shows all of it, and records that"}
    return told | {"text": _text(parcel.data)}


def _text(data: bytes) -> str:
    """Bytes as they can be read: the parts of a zip one below the other."""
    if data[:4] != b"PK\x03\x04":
        return data.decode("utf-8", "replace")
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        return "\n".join(f"--- {name}\n{packed.read(name).decode('utf-8', 'replace')}" for name in packed.namelist())


def account(settings: Settings, parcel: Parcel, trace: Trace) -> list[dict[str, Any]]:
    """What of the record did not get into the parcel as it is: what, path, count, and the mapping's reason."""
    import msgspec

    if trace.number not in parcel.numbers or not parcel.accounts:
        return []
    said = msgspec.json.decode(parcel.accounts[parcel.numbers.index(trace.number)])
    link = settings.links.get(trace.target)
    reason = _reasons(link.adapter, link.overlays) if link is not None else lambda what, path: ""
    lines = [
        {"what": what, "path": path, "count": n, "reason": reason(what, path)} for what, path, n in said["account"]
    ]
    found = Counter((kind, row, table) for kind, row, table in said["findings"])
    lines += [
        {"what": kind, "path": row, "count": n, "reason": f"table {table}" if table else ""}
        for (kind, row, table), n in found.items()
    ]
    return lines


@cache
def _reasons(adapter: str, overlays: Any) -> Any:
    from hub.mapping import load

    return next(iter(load(adapter, overlays).values())).reason


def show(told: dict[str, Any]) -> None:
    """A message's way, as text on stdout."""
    out = console()
    received, record, sent = told["received"], told["record"], told["sent"]
    out.print(Text(f"Message {told['number']}  {told['id']}", style="bold"))
    lines = [("way", f"{told['source']} to {told['target']}"), ("state", _state(told))]
    lines += [("why", words(told["cause"]))] if told["cause"] else []
    lines += [("behind", ", ".join(str(n) for n in told["behind"][:20]))] if told["behind"] else []
    lines.append(("child", told["child"]))
    out.print(grid(lines))
    _title(out, "Received")
    out.print(f"  document {received['document']} from {received['link']}, kept {moment(received['kept'])}")
    out.print(f"  record {received['document']}:{received['ordinal']}, kind {received['kind'] or 'unknown'}")
    _show_record(out, record, told["findings"])
    if sent:
        _show_sent(out, sent)
    if told["history"]:
        _title(out, "Attempts")
        rows = [
            (str(one["tried"]), moment(one["started"]), span(one["ended"] - one["started"]), one["worker"],
             one["outcome"] + (f": {words(one['cause'])}" if one["cause"] else ""))
            for one in told["history"]
        ]  # fmt: skip
        out.print(grid(rows, ("", "STARTED", "TOOK", "WORKER", "OUTCOME")))
    if told["account"]:
        _title(out, "Did not get there as it is")
        lost = [(one["what"], f"{one['count']:,}", one["path"], one["reason"]) for one in told["account"]]
        out.print(grid(lost, ("WHAT", "COUNT", "FIELD", "WHY")))


def _state(told: dict[str, Any]) -> str:
    """A state in words, since when, and what follows."""
    said = f"{told['state']} since {moment(told['changed'])}"
    if told["superseded_by"]:
        said += f", by message {told['superseded_by']}"
    if told["due"]:
        said += f", tried again at {moment(told['due'])}"
    if told["may_have_arrived"] and told["state"] != "sent":
        said += "; it may have arrived"
    names = (("attempts", "attempt"), ("crashes", "crash"))
    counts = [many(told[name], word) for name, word in names if told[name]]
    return "; ".join([said, *counts])


def words(one: dict[str, str] | None) -> str:
    """A cause in one line."""
    if not one:
        return ""
    parts = [one[name] for name in ("row", "table", "reason") if name in one]
    ends = [one[name] for name in ("target", "answer") if name in one]
    return f"{one['stage']}: {': '.join(parts)}" + (f" ({', '.join(ends)})" if ends else "")


def _show_record(out: Any, record: dict[str, Any], findings: list[dict[str, str]]) -> None:
    removal = ", a removal" if record["removal"] else ""
    _title(out, f"Record, version {record['version']} ({record['carries']}{removal})")
    if "missing" in record:
        out.print(f"  {record['missing']}", markup=False)
    rows = [
        (f"  {one['path']}", one["kind"], f"{one['count']:,}", f"{one['none']:,} none" if one["none"] else "")
        for one in record.get("fields", ())
    ]
    if rows:
        out.print(grid(rows, ("  FIELD", "KIND", "COUNT", "")))
    if record.get("extras"):
        out.print(f"  and what only {', '.join(record['extras'])} understands", markup=False)
    for one in findings:
        out.print(f"  found: {words(one)}", markup=False)
    if "values" in record:
        import msgspec

        typer.echo(msgspec.json.format(msgspec.json.encode(record["values"]), indent=2).decode())
    if "theirs" in record:
        typer.echo(record["theirs"])


def _show_sent(out: Any, sent: dict[str, Any]) -> None:
    _title(out, "Written")
    with_others = f", with {many(sent['messages'] - 1, 'other message')}" if sent["messages"] > 1 else ""
    out.print(f"  parcel {sent['parcel']}{sent['suffix']}, {sent['bytes']:,} bytes{with_others}", markup=False)
    out.print(f"  key {sent['key']}, mappings {sent['mapping'][:12]}", markup=False)
    if sent["head"]:
        import msgspec

        out.print(f"  head {msgspec.json.encode(sent['head']).decode()}", markup=False)
    if sent["receipt"]:
        out.print(f"  receipt {sent['receipt']}", markup=False)
    if "text" in sent:
        typer.echo(sent["text"])
    if "hidden" in sent:
        out.print(f"  {sent['hidden']}", markup=False)


def _title(out: Any, text: str) -> None:
    out.print()
    out.print(Text(text, style="bold"))


__all__ = ["Reveal", "account", "cause", "collect", "links_of", "said", "seen", "show", "words"]
