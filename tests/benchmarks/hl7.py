"""HL7 v2 in: messages a second from a batch file to records, beside python-hl7 alone and another bridge."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import hl7  # type: ignore[import-untyped]

from adapters.hl7v2 import adapter
from hub import mapping
from hub.adapter import Theirs
from hub.wire import Document

MESSAGES, OTHERS = 2_000, 300
"""Messages in the file; those of them that the other bridge gets."""
ROUNDS = 5
PEER = Path(__file__).parents[2] / "build" / "peers" / "bridge" / "bin" / "python"
CALL = """
import sys, time
from v2fhir.config import default_config_path, load_config
from v2fhir.convert import convert
from v2fhir.hl7.parser import parse_bytes, split_batch_bytes
config, data = load_config(default_config_path(), {}), open(sys.argv[1], "rb").read()
best = 1e9
for _ in range(3):
    begun = time.process_time()
    count = sum(1 for one in split_batch_bytes(data) if convert(parse_bytes(one, "utf-8", []), config, None).bundle)
    best = min(best, (time.process_time() - begun) / count)
print(best)
"""


def measure(folder: Path) -> None:
    """Measure and print, in processor time."""
    file, part = folder / "messages.hl7", folder / "part.hl7"
    file.write_bytes(_batch(MESSAGES))
    part.write_bytes(_batch(OTHERS))
    texts = [one.decode() for one in messages(MESSAGES)]
    mappings = mapping.load(adapter)
    document = Document.at(file)

    def trees() -> list[Theirs]:
        return [one for one in adapter.read(document) if isinstance(one, Theirs)]

    def records() -> None:
        for one in trees():
            mappings[one.kind].inward(one, "pas")

    print(f"HL7 v2 in: {MESSAGES:,} A08 messages of {file.stat().st_size / MESSAGES:,.0f} bytes")
    bare = _best(lambda: [hl7.parse(text) for text in texts])
    _line("python-hl7, every segment parsed, nothing more", bare, bare)
    _line("hub: file to trees", _best(trees), bare)
    whole = _best(records)
    _line("hub: file to records", whole, bare)
    other = _other(part)
    if other is None:
        print("  hl7v2-fhir-bridge is not there: tests/peers.sh installs it")
    else:
        _line("hl7v2-fhir-bridge, message to FHIR", other, bare)
        print(f"  file to records against hl7v2-fhir-bridge: {other / whole:.1f} times")


def _line(name: str, seconds: float, bare: float) -> None:
    print(f"  {name:<50} {1 / seconds:>8,.0f} a second {bare / seconds:>6.2f} of python-hl7")


def _best(act: Callable[[], object]) -> float:
    """Processor seconds a message, of the best round."""
    best = float("inf")
    for _ in range(ROUNDS):
        begun = time.process_time()
        act()
        best = min(best, (time.process_time() - begun) / MESSAGES)
    return best


def _other(file: Path) -> float | None:
    if not PEER.exists():
        return None
    ran = subprocess.run([PEER, "-c", CALL, file], capture_output=True, text=True, check=False)
    return float(ran.stdout) if ran.returncode == 0 else None


def _batch(count: int) -> bytes:
    return b"BHS|^~\\&|PAS|RZZ99\r" + b"".join(messages(count)) + f"BTS|{count}\r".encode()


def messages(count: int) -> list[bytes]:
    """So many messages of made-up children, each another's."""
    return [
        (
            f"MSH|^~\\&|PAS|RZZ99|HUB|999|20260105091500||ADT^A08|B{n}|P|2.4||||||UNICODE UTF-8\r"
            f"EVN|A08|2026010509{n // 60 % 50 + 10}{n % 60:02d}\r"
            f"PID|1||N{n:07d}^^^RZZ99^MR~{_nhs(n)}^^^NHS^NH||Bell{n}^Amara^Jo^^Miss^^L||2015{n % 12 + 1:02d}27|F|||"
            f"{n} Larch Row^^Northshire^^ZZ99 1AA^GBR^H||01632960101^PRN^PH~01632960102^PRN^CP|||||||||A"
            "||||||||N||NSTS01\r"
            "PD1|||Larch Surgery^^Z99901|G9990001^Osei^Lena^^^Dr\r"
            f"NK1|1|Bell^Ngozi|12^Mother|{n} Larch Row^^Northshire^^ZZ99 1AA|01632960103^PRN^PH\r"
            "PV1|1|O|CLINIC^1\r"
        ).encode()
        for n in range(count)
    ]


def _nhs(n: int) -> str:
    """An NHS number of the range that is nobody's."""
    for last in range(n * 11, n * 11 + 11):  # one in eleven has no check digit
        digits = f"999{last:06d}"
        check = -sum(int(digit) * weight for digit, weight in zip(digits, range(10, 1, -1), strict=True)) % 11
        if check < 10:
            return f"{digits}{check}"
    raise AssertionError("unreachable")
