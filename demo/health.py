"""A council's tables and a hospital's messages about the same children, through one hub to each other and to FHIR."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from carry import Council

SAMPLES = Path(__file__).resolve().parent.parent / "tests" / "samples"
ENDS = ("council", "hospital", "index", "records")
NHS = "https://fhir.nhs.uk/Id/nhs-number"
LISTS = ("identifier", "name", "address", "telecom")


def meet(out: Path, address: str, console: Console) -> bool:
    """Carry both through a hub in `out` and show what a FHIR server would hold of a child; whether all went well."""
    from carry import Council

    console.print("\n[bold]A council and a hospital that know the same children[/bold]\n")
    folders = [*(f"in/{end}" for end in ENDS[:2]), *(f"out/{end}" for end in ENDS)]
    hub = Council(out, address, console, "health.toml", folders)
    hub.call("keys", "new")
    hub.call("db", "upgrade")
    spare = out / "in" / "council" / "monday.part"
    shutil.copytree(SAMPLES / "ssd" / "council", spare)
    spare.rename(spare.with_suffix(""))
    console.print("\n[bold]1. The council's tables come in[/bold]")
    well = hub.call("run", "--once") == 0
    _show(hub, console)
    shutil.copy(SAMPLES / "hl7v2" / "hospital.hl7", out / "in" / "hospital")
    console.print("\n[bold]2. The hospital tells of its patients; some of them are the council's children[/bold]")
    well &= hub.call("run", "--once") == 0
    told = _show(hub, console)
    both = [one for one in told.values() if len(one) > 1]
    console.print(
        f"\n  Both tell of {len(both)} children, met by their NHS number. What a FHIR server holds of the first of them"
    )
    console.print("  after each message: nothing that one told is taken back by the other\n")
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="none")
    for name in ("  After", *(f"{one}s" if not one.endswith("s") else f"{one}es" for one in LISTS)):
        table.add_column(name, justify="left" if name == "  After" else "right")
    first = both[0] if both else []
    for source, patient in first:
        table.add_row(f"  the {source}", *(str(len(patient.get(name, ()))) for name in LISTS))
    console.print(table)
    return well and bool(both) and all(_kept(first[0][1], later) for _, later in first)


def _kept(first: dict[str, Any], later: dict[str, Any]) -> bool:
    """Whether a Patient still says what the first source told of numbers and addresses."""
    said, kept = _numbers(first), _numbers(later)
    return said <= kept and all(one in later.get("address", ()) for one in first.get("address", ()))


def _numbers(patient: dict[str, Any]) -> set[tuple[str, str]]:
    """Numbers with their systems, but for the one that names who told the Patient last."""
    found = {(one.get("system", ""), one.get("value", "")) for one in patient["identifier"]}
    return {one for one in found if not one[0].startswith("urn:ics-hub:id:")}


def _show(hub: Council, console: Console) -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """How many messages each system got so far; each Patient written, with who told it, by NHS number."""
    counts = hub.seen().messages
    told = ", ".join(f"{end} {counts[end, 'sent']}" for end in ENDS)
    console.print(f"  messages sent so far: {told}")
    found: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for source, patient in _patients(hub.home / "out" / "records"):
        number = next((one["value"] for one in patient.get("identifier", ()) if one.get("system") == NHS), None)
        if number:
            found.setdefault(number, []).append((source, patient))
    return found


def _patients(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(folder.glob("[0-9]*")):
        for entry in json.loads(path.read_bytes()).get("entry", ()):
            held = entry["resource"]
            if held["resourceType"] == "Patient":
                systems = [str(one.get("system", "")) for one in held.get("identifier", ())]
                yield next((one.rpartition(":")[2] for one in systems if one.startswith("urn:ics-hub:id:")), "?"), held


__all__ = ["meet"]
