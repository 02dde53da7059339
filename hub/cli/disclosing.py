"""Where a child's data went: each target, each message sent, what parts of the record it said and what was left out."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from rich.text import Text

from hub.cli.following import account, links_of, said
from hub.cli.opened import console, many, moment
from hub.cli.show import grid

if TYPE_CHECKING:
    from hub.config import Settings
    from hub.message import Parcel
    from hub.store import Store, Trace
    from hub.store.lineage import Kin

_STAYS = {"source.link", "source.edition", "source.partial"}
"""What the record says of the document that it came in, which the hub says of itself to a target."""
_OWN = {"id", "stub", "removed"}
"""What every item of a list has besides what it says."""
_SAID = {"narrowed"}
"""What of an account got there all the same, less exactly."""


def collect(settings: Settings, store: Store, kin: Kin) -> dict[str, Any]:
    """All that is known of what was sent of a child: paths and counts, no value. times: seconds since 1970."""
    targets: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for number in kin.numbers:
        trace = store.trace(number)
        targets[trace.target].append(_message(settings, store, trace))
    gone = max(kin.versions - kin.kept, 0)
    purges = store.audit_entries(act="purge", limit=5) if gone else []
    return {
        "versions": {"ever": kin.versions, "known": kin.kept, "gone": gone},
        "purges": [{"at": one.at, "detail": one.detail} for one in purges],
        "targets": [{"target": name, "messages": sent} for name, sent in sorted(targets.items())],
    }


def _message(settings: Settings, store: Store, trace: Trace) -> dict[str, Any]:
    names = ("number", "state", "source", "kind", "version", "revision", "removal", "generation", "document", "ordinal")
    told = {name: getattr(trace, name) for name in names}
    told |= {"at": trace.changed, "may_have_arrived": trace.may_arrived and trace.state != "sent"}
    told["superseded_by"] = trace.superseded_by
    if trace.parcel is None or not (trace.state == "sent" or told["may_have_arrived"]):
        return told
    parcel = store.parcel(trace.parcel)
    lines = account(settings, parcel, trace)
    told |= {"receipt": trace.receipt, "parcel": parcel.number, "mapping": parcel.mapping}
    told["left_out"] = [one for one in lines if one["what"] not in _SAID]
    told["less_exact"] = [one for one in lines if one["what"] in _SAID]
    return told | _parts(store, trace, parcel, told["left_out"])


def _parts(store: Store, trace: Trace, parcel: Parcel, left_out: list[dict[str, Any]]) -> dict[str, Any]:
    """By part of the record: the fields that were said, with counts. extras: what only that target understands."""
    from hub.errors import HubError
    from hub.model import decode_all
    from hub.pipeline.telling import written

    try:
        records = decode_all(store.record(trace.document, trace.ordinal, trace.revision))
    except HubError as error:
        return {"missing": str(error)}
    own = store.identity(trace.target)
    told = parcel.told[parcel.numbers.index(trace.number)] if trace.number in parcel.numbers and parcel.told else []
    if len(told) == len(records):  # with what was told before, and by others
        records = [written(record, known) for record, known in zip(records, told, strict=True)]
    counts = {one["path"]: one["count"] for one in said(*records) if one["path"] not in _STAYS}
    for one in left_out:
        if one["path"] in counts:
            counts[one["path"]] -= one["count"]
    heard = {path.rpartition(".")[0] for path, n in counts.items() if n > 0 and path.rpartition(".")[2] not in _OWN}
    parts: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for path, n in counts.items():
        above, _, name = path.rpartition(".")
        if n > 0 and (name not in _OWN or not above.endswith("[]") or any(one.startswith(above) for one in heard)):
            parts[path.partition(".")[0].removesuffix("[]")][path] = n
    return {"parts": dict(parts), "extras": any(own in links_of(one) for one in records)}


def show(told: dict[str, Any]) -> None:
    """The same as text on stdout."""
    out = console()
    versions = told["versions"]
    out.print(Text(f"Child {', '.join(told['child'])}", style="bold"))
    known = f"{versions['known']:,} {'is' if versions['known'] == 1 else 'are'} still known"
    out.print(f"{many(versions['ever'], 'version')} of the record came in; {known}")
    if versions["gone"]:
        when = f", last at {moment(told['purges'][0]['at'])}" if told["purges"] else ""
        out.print(f"What was sent of the other {versions['gone']:,} was purged{when}: it is not in this answer.")
    if not told["targets"]:
        out.print("Nothing of it was addressed to any target.")
    for one in told["targets"]:
        _show_target(out, one)


def _show_target(out: Any, told: dict[str, Any]) -> None:
    out.print()
    out.print(Text(f"To {told['target']}", style="bold"))
    sent = [one for one in told["messages"] if "parcel" in one]
    rows = [
        (str(one["number"]), _state(one), moment(one["at"]), f"{one['source']} {one['kind']}", str(one["version"]),
         str(one["generation"]), one.get("mapping", "")[:12])
        for one in told["messages"]
    ]  # fmt: skip
    out.print(grid(rows, ("MESSAGE", "STATE", "SINCE", "FROM", "VERSION", "GENERATION", "MAPPINGS")))
    if not sent:
        out.print("Nothing was sent.")
        return
    parts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for one in sent:
        for part, fields in one.get("parts", {}).items():
            parts[part].update(fields.keys())
    lines = [(part, f"{n:,}", path) for part, fields in parts.items() for path, n in fields.items()]
    out.print(grid(lines, ("PART", "TIMES SENT", "FIELD")) if lines else "No field of the record was sent.")
    if any(one.get("extras") for one in sent):
        out.print(f"and what {told['target']} itself had said before and only it understands", markup=False)
    for one in sent:
        if "missing" in one:
            out.print(f"message {one['number']}: {one['missing']}", markup=False)
    left = Counter((one["path"], one["what"], one["reason"]) for sending in sent for one in sending["left_out"])
    if left:
        held = [(path, what, f"{n:,}", reason) for (path, what, reason), n in left.items()]
        out.print(grid(held, ("LEFT OUT", "HOW", "TIMES", "WHY")))


def _state(one: dict[str, Any]) -> str:
    """A message's state; what is open is on its way, and may be there."""
    said = {"superseded": f"superseded by {one['superseded_by']}", "sent": "sent"}.get(one["state"], one["state"])
    said = said if one["state"] in ("sent", "superseded", "withheld", "set aside") else f"on its way ({said})"
    return f"{said}; it may have arrived" if one["may_have_arrived"] else said


__all__ = ["collect", "show"]
