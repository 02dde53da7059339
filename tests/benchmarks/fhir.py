"""FHIR out: a record of ours to the bytes of a transaction, beside what fhir.resources needs to validate and dump them.

Both in turn, in short rounds, in processor time; the ratio is that of the best rounds. fhir.resources is given what the
hub wrote, as a dict that it need not read from JSON.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from fhir.resources.R4B.bundle import Bundle

from adapters.fhir_r4 import adapter
from hub import mapping
from hub.adapter import Theirs
from hub.model import (
    Address,
    Birth,
    ChildRecord,
    Episode,
    Identifier,
    Language,
    Name,
    Period,
    Person,
    Plan,
    Referral,
    RelatedPerson,
    Relationship,
    Source,
    Telecom,
)

BAR = 8.0
ROUNDS, TIMES = 20, 30


def measure() -> None:
    """Measure and print."""
    writer = mapping.load(adapter)["Patient"]
    record = _record()

    def write() -> bytes:
        tree = writer.create(record, "server", edition="transaction").tree
        theirs = Theirs("Patient", "NS1001", tree, {}, "transaction", "", source="ssd")
        return b"".join(data for _, data in adapter.write([theirs], {"edition": "transaction"}))

    body = json.loads(write())
    best = [float("inf"), float("inf")]
    for _ in range(ROUNDS):
        for n, act in enumerate((write, lambda: Bundle.model_validate(body).model_dump_json())):
            best[n] = min(best[n], _seconds(act))
    print(f"FHIR out: a child of {len(body['entry'])} resources, {len(write()):,} bytes")
    print(f"  hub: record to bytes                  {best[0] * 1e6:>8,.0f} microseconds")
    print(f"  fhir.resources: validate and dump     {best[1] * 1e6:>8,.0f} microseconds")
    ratio = best[1] / best[0]
    print(f"  against fhir.resources: {ratio:.1f} times (bar {BAR:.0f}: {'met' if ratio >= BAR else 'not met'})")


def _seconds(act: Callable[[], object]) -> float:
    begun = time.process_time()
    for _ in range(TIMES):
        act()
    return (time.process_time() - begun) / TIMES


def _record() -> ChildRecord:
    home = Address(
        use="home", number="14", street="Larch Row", town="Northshire", postcode="ZZ99 1AA", uprn="100099900014"
    )
    phone = Telecom(system="phone", use="home", value="01632 960101")
    return ChildRecord(
        source=Source(link="ssd", id="NS1001"),
        person=Person(
            identifiers=[Identifier(system="nhs", value="9999001009", use="current", status="01")],
            names=[
                Name(use="current", title="Miss", given="Amara", middle="Rose", family="Okafor-Bell"),
                Name(use="former", given="Amara", family="Okafor", period=Period(end="2018-01-31")),
            ],
            birth=Birth(date="2015-03-27", time="04:15"),
            gender="2",
            sex="F",
            ethnicity="MWBA",
            languages=[Language(code="ig", use="preferred", interpreter=False)],
            addresses=[home],
            telecoms=[phone],
        ),
        relationships=[
            Relationship(
                id=f"R{n}",
                role=role,
                person=RelatedPerson(given=given, family="Bell", addresses=[home], telecoms=[phone]),
            )
            for n, (role, given) in enumerate((("mother", "Ngozi"), ("father", "Daniel")))
        ],
        episodes=[
            Episode(
                id="E1",
                referral=Referral(date="2025-01-31"),
                plans=[Plan(id="P1", kind="cp", period=Period(start="2025-03-03"), team="Assessment North")],
            )
        ],
    )


__all__ = ["measure"]
