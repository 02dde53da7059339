"""The sample council, made-up throughout: translated through every system, then carried through a running hub.

`make demo`, or `python demo/demo.py` from any folder. Files go to build/demo, or to the folder in DEMO_OUT. BROKER is
empty (the hub's queue is inside its process), `rabbitmq` (a private node), or the address of a broker that runs.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from carry import broker, carry  # noqa: E402
from health import meet  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from rich.text import Text  # noqa: E402

from hub import adapter, coverage  # noqa: E402
from hub.coverage.page import page  # noqa: E402
from hub.errors import HubError  # noqa: E402
from hub.mapping import laws  # noqa: E402
from hub.translate import Report, translate  # noqa: E402
from hub.wire import Document  # noqa: E402

SOURCES = (("ssd", "ssd/council"), ("cin_census", "cin_census/northshire-2025.xml"))
REASONS = 6
"""Most reasons shown for one translation."""


def main() -> int:
    """Translate and carry, and show it; 1 when a record was refused that should not be."""
    out = Path(os.environ.get("DEMO_OUT") or ROOT / "build" / "demo").resolve()
    if out.exists():
        shutil.rmtree(out)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 150)
    with broker(os.environ.get("BROKER", "")) as address:
        well = _translated(out, console)
        well &= carry(out / "hub", address, console)
        well &= meet(out / "health", address, console)
    console.print("\n[bold]Where it is[/bold]")
    console.print(f"  files and reports  {_near(out)}/")
    console.print(f"  the hub's folder   {_near(out / 'hub')}/  (the 'ics-hub' commands run there)")
    console.print(f"  coverage page      {_near(out / 'coverage.html')}  (open it in a browser)")
    return 0 if well else 1


def _translated(out: Path, console: Console) -> bool:
    """Every sample into every format; whether no record was refused."""
    console.print("[bold]A council that does not exist, through every system[/bold]\n")
    reports = []
    for source, sample in SOURCES:
        document = ROOT / "tests" / "samples" / sample
        for target in adapter.shipped():
            reports.append(_one(document, source, target, out / f"from-{source}"))
    console.print(_went(reports, out))
    for report in reports:
        _stayed(console, report.as_dict())
    console.print(f"\nBack again, {_same(out)}\n")
    _page(out)
    return all(report.well for report in reports)


def _one(document: Path, source: str, target: str, folder: Path) -> Report:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{target}{_suffix(target)}"
    report = translate(Document.at(document), source, target, path)
    (folder / f"{target}.report.json").write_text(json.dumps(report.as_dict(), indent=2) + "\n", encoding="utf-8")
    return report


def _suffix(target: str) -> str:
    """A folder for a format of which a file holds one form."""
    found = adapter.find(target)
    return "" if found.blank is not None else found.suffix


def _went(reports: list[Report], out: Path) -> Table:
    """A line a translation: records, and how many values were narrowed or stayed behind."""
    table = Table(title="What went where", title_justify="left", title_style="bold")
    for name, side in (("From", "left"), ("To", "left"), ("Children", "right"), ("Refused", "right")):
        table.add_column(name, justify=side)  # type: ignore[arg-type]
    for name in ("Narrowed", "Withheld", "Otherwise lost"):
        table.add_column(name, justify="right")
    table.add_column("File", overflow="fold")
    for report in reports:
        narrowed = sum(n for (what, _), n in report.account.items() if what == "narrowed")
        withheld = sum(n for (what, _), n in report.account.items() if what == "withheld")
        other = sum(report.account.values()) - narrowed - withheld
        file = out / f"from-{report.source}" / f"{report.target}{_suffix(report.target)}"
        counts = [str(n or "-") for n in (report.written, report.refused, narrowed, withheld, other)]
        table.add_row(report.source, report.target, *counts, _near(file) + ("/" if file.is_dir() else ""))
    return table


def _stayed(console: Console, report: dict[str, Any]) -> None:
    """For one translation, the reasons why values did not get there as they are, the greatest first."""
    reasons: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for one in report["account"]:
        reasons.setdefault((one["what"], one["reason"]), []).append((one["count"], one["path"]))
    if not reasons:
        return
    console.print(f"\n[bold]{report['from']} to {report['to']}[/bold], what did not get there as it is, and why")
    ranked = sorted(reasons.items(), key=lambda one: (one[0][0] == "withheld", -sum(n for n, _ in one[1])))
    for (what, reason), held in ranked[:REASONS]:
        paths = [path for _, path in sorted(held, reverse=True)]
        named = ", ".join(paths[:2]) + (f" and {len(paths) - 2} more fields" if len(paths) > 2 else "")
        console.print(Text(f"  {what} {sum(n for n, _ in held)}: {named}"))
        console.print(Text(f"      {reason}", style="dim"))
    if len(ranked) > REASONS:
        console.print(Text(f"  and {len(ranked) - REASONS} more reasons, in {report['to']}.report.json", style="dim"))


def _same(out: Path) -> str:
    """Whether each source, written from the record, reads as it did."""
    said = []
    for source, sample in SOURCES:
        found = adapter.find(source)
        written = out / f"from-{source}" / f"{source}{found.suffix}"
        before, after = (
            [one for one in found.read(Document.at(path)) if not isinstance(one, HubError)]
            for path in (ROOT / "tests" / "samples" / sample, written)
        )
        pairs = zip(before, after, strict=True)
        same = sum(laws.same(found.normal(a.tree), found.normal(b.tree), True) for a, b in pairs)
        said.append(
            f"{source} to {source} through the record: {same} of {len(before)} children the same in every field"
        )
    return "; ".join(said)


def _page(out: Path) -> None:
    systems = [coverage.system(name) for name in adapter.shipped()]
    (out / "coverage.html").write_text(page(coverage.table(systems)), encoding="utf-8")


def _near(path: Path) -> str:
    """A path from here where that is shorter."""
    here = os.path.relpath(path)
    return here if len(here) < len(str(path)) else str(path)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except HubError as error:
        sys.stderr.write(f"demo: {error}\n")
        sys.exit(2)
