"""A translation shared by several processes: the same bytes and the same report as from one, or a clear error."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub import adapter as adapters
from hub.adapter import Theirs
from hub.errors import RecordError
from hub.translate import Report, sharing, translate
from hub.translate.sharing import Sharing
from hub.wire import Document, stretch, xml
from tests.benchmarks import sample

CHILDREN, LARGE = 160, 1 << 17
TARGETS = [name for name in adapters.shipped() if adapters.find(name).blank is None]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is shared is smaller here than it is worth while."""
    monkeypatch.setattr(sharing, "LARGE", LARGE)
    monkeypatch.setattr(xml, "AT_ONCE", LARGE)
    monkeypatch.setattr(sharing, "_MOST", 25)
    monkeypatch.setattr(stretch, "_SIZE", 1 << 15)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> str:
    made = sample.write(tmp_path_factory.mktemp("census") / "census.xml", CHILDREN).read_text("utf-8")
    assert len(made) > LARGE
    return made


@pytest.fixture
def cut_whole(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of each document that was cut, whether it could be read in stretches to its end."""
    seen: list[bool] = []
    real = Sharing._stretches

    def noted(self: Sharing, *given: Any) -> Any:
        seen.append((yield from real(self, *given)))
        return seen[-1]

    monkeypatch.setattr(Sharing, "_stretches", noted)
    return seen


def both(data: bytes, source: str, target: str, folder: Path, name: str = "in.xml", **given: Any) -> Report:
    """What one process makes of it, after the same was seen to come from three."""
    reports, written = [], []
    for number in (1, 3):
        out = folder / str(number) / "out.zip"
        out.parent.mkdir(exist_ok=True)
        reports.append(translate(Document.of(name, data), source, target, out, processes=number, **given))
        written.append(out.read_bytes() if out.exists() else None)
    assert json.dumps(reports[1].as_dict()) == json.dumps(reports[0].as_dict())
    assert written[1] == written[0]
    return reports[0]


def child(whole: str, number: int) -> int:
    """Where the so manieth child begins, from 0."""
    return whole.index("<Child>", whole.index(f"MADE{number:08d}") - 100)


def spoilt(whole: str, number: int, old: str, new: str) -> str:
    """With the first `old` behind the start of a child replaced."""
    at = child(whole, number)
    assert old in whole[at:]
    return whole[:at] + whole[at:].replace(old, new, 1)


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_gets_the_same(target: str, whole: str, cut_whole: list[bool], tmp_path: Path) -> None:
    report = both(whole.encode(), "cin_census", target, tmp_path)
    assert (report.read, report.written, report.refused) == (CHILDREN, CHILDREN, 0)
    assert cut_whole == [True]


@pytest.mark.parametrize("source", ["contactpoint", "canonical", "ssd", "dfe_csc_api"])
def test_every_source_gives_the_same(source: str, whole: str, tmp_path: Path) -> None:
    path = tmp_path / f"source{'.zip' if source in ('ssd', 'dfe_csc_api') else adapters.find(source).suffix}"
    translate(Document.of("in.xml", whole.encode()), "cin_census", source, path)
    report = both(path.read_bytes(), source, "canonical", tmp_path, path.name)
    assert report.read >= CHILDREN
    assert report.written


SPOILT: dict[str, tuple[Callable[[str], str], bool]] = {
    "a bad birth date": (lambda w: spoilt(w, 110, "<PersonBirthDate>2", "<PersonBirthDate>x"), True),
    "a date that is noticed": (lambda w: spoilt(w, 110, "<CINreferralDate>2", "<CINreferralDate>x"), True),
    "an element nobody knows in a record": (lambda w: spoilt(w, 110, "<UPN", "<Odd>1</Odd><UPN"), True),
    "a reference to a character": (lambda w: spoilt(w, 110, "MADE", "&#77;ADE"), True),
    "a record twice, near": (lambda w: spoilt(w, 111, "MADE00000111", "MADE00000110"), False),
    "a record twice, far": (lambda w: spoilt(w, 150, "MADE00000150", "MADE00000003"), False),
    "a record twice, the first refused": (
        lambda w: spoilt(
            spoilt(w, 150, "MADE00000150", "MADE00000003"), 3, "<PersonBirthDate>2", "<PersonBirthDate>x"
        ),
        False,
    ),
    "a record without an id": (lambda w: spoilt(w, 110, "<LAchildID>MADE00000110</LAchildID>", ""), True),
    "a comment": (lambda w: spoilt(w, 110, "</Child>", "</Child><!-- </Child><Child> -->"), False),
    "a comment in a record": (lambda w: spoilt(w, 110, "<UPN", "<!-- <Child> --><UPN"), False),
    "an instruction": (lambda w: spoilt(w, 110, "</Child>", "</Child><?odd </Child>?>"), False),
    "CDATA": (lambda w: spoilt(w, 110, "MADE00000110", "<![CDATA[</Child>]]>"), False),
    "a stranger between": (lambda w: spoilt(w, 110, "</Child>", "</Child><Odd>1</Odd>"), False),
    "text before the first": (lambda w: spoilt(w, 0, "<Child>", "odd<Child>"), False),
    "text behind the last": (lambda w: w.replace("</Child>\n  </Children>", "</Child>odd</Children>"), False),
    "text between": (lambda w: spoilt(w, 110, "</Child>", "</Child>odd"), False),
    "a record within": (lambda w: spoilt(w, 110, "<UPN", "<Child><A>1</A></Child><UPN"), False),
    "an attribute": (lambda w: spoilt(w, 110, "<Child>", '<Child odd="1">'), True),
    "an attribute within": (lambda w: spoilt(w, 110, "<LAchildID>", '<LAchildID odd="1">'), True),
    "an empty record": (lambda w: spoilt(w, 110, "<Child>", "<Child></Child>\n<Child>"), True),
    "an empty element for a record": (lambda w: spoilt(w, 110, "<Child>", "<Child/>\n<Child>"), False),
    "Children that end and begin": (lambda w: spoilt(w, 110, "</Child>", "</Child></Children><Children>"), True),
    "a second Header": (lambda w: spoilt(w, 110, "</Child>", "</Child><Header><Year>1</Year></Header>"), False),
    "an entity": (lambda w: spoilt(w, 110, "MADE", "&odd;"), False),
    "a wrong end tag": (lambda w: spoilt(w, 110, "</UPN", "</NPU"), False),
    "a character that XML has not": (lambda w: spoilt(w, 110, "MADE", "\x01"), False),
    "a start only": (lambda w: w[: child(w, 110) + 300], False),
    "an end between two records": (lambda w: w[: child(w, 110)], False),
    "no end": (lambda w: w.replace("</Message>", ""), False),
    "more behind the end": (lambda w: w + "<Odd/>", False),
    "a DOCTYPE": (lambda w: w.replace("<Message>", "<!DOCTYPE Message><Message>"), False),
    "a DOCTYPE with entities": (
        lambda w: spoilt(
            w.replace("<Message>", '<!DOCTYPE Message [<!ENTITY odd "x">]><Message>'), 110, "MADE", "&odd;"
        ),
        False,
    ),
    "a comment at the start": (lambda w: w.replace("<Message>", "<!-- made up -->\n<Message>"), False),
    "a namespace": (lambda w: w.replace("<Message>", '<Message xmlns="urn:x">'), True),
    "a prefix": (
        lambda w: w.replace("<", "<c:").replace("<c:/", "</c:").replace("<c:?", "<?").replace(
            "<c:Message>", '<c:Message xmlns:c="urn:x">'
        ),
        False,
    ),
    "lines that end twice": (lambda w: w.replace("\n", "\r\n"), True),
    "lines of an old Mac": (lambda w: w.replace("\n", "\r"), False),
    "no lines": (lambda w: w.replace("\n", ""), True),
    "no Header": (lambda w: w[: w.index("<Header>")] + w[w.index("</Header>") + 9 :], True),
    "no children": (
        lambda w: f"{w[: w.index('<Child>')]}<!--{'x' * LARGE}-->{w[w.index('</Children>') :]}",
        False,
    ),
    "junk": (lambda w: w[child(w, 110) :] + w, False),
    "something else": (lambda w: "x" * len(w), False),
}  # fmt: skip


@pytest.mark.parametrize("what", SPOILT)
def test_whatever_is_spoilt_the_same_is_said_of_it(
    what: str, whole: str, cut_whole: list[bool], tmp_path: Path
) -> None:
    change, is_whole = SPOILT[what]
    both(change(whole).encode(), "cin_census", "canonical", tmp_path)
    assert cut_whole == [is_whole]


@pytest.mark.parametrize("what", ["a bad birth date", "a record twice, far", "a start only"])
@pytest.mark.parametrize("target", ["contactpoint", "ssd"])
def test_what_is_spoilt_is_the_same_for_other_targets(what: str, target: str, whole: str, tmp_path: Path) -> None:
    report = both(SPOILT[what][0](whole).encode(), "cin_census", target, tmp_path)
    assert not report.well


@pytest.mark.parametrize("what", ["cp1252", "utf-16", "latin-1"])
def test_bytes_in_other_encodings_are_the_same(what: str, whole: str, cut_whole: list[bool], tmp_path: Path) -> None:
    named = spoilt(whole, 110, "<UPN", "<LocalNote>Zoë</LocalNote><UPN")
    data = {
        "cp1252": named.encode("cp1252"),
        "utf-16": named.replace("UTF-8", "UTF-16").encode("utf-16"),
        "latin-1": named.replace("UTF-8", "ISO-8859-1").encode("latin-1"),
    }[what]
    report = both(data, "cin_census", "canonical", tmp_path)
    assert cut_whole == [what != "cp1252"]
    assert report.read == CHILDREN
    assert report.refused == (what == "cp1252")


def test_lines_beyond_those_that_the_parser_counts_are_the_same(
    whole: str, cut_whole: list[bool], tmp_path: Path
) -> None:
    data = whole.replace("<UPN", "\n" * 700 + "<UPN")
    for number in (30, 110, 111, 159):
        data = spoilt(data, number, "<PersonBirthDate>2", "<PersonBirthDate>x")
    data = spoilt(data, 130, "<LAchildID>", "\n\n<Odd/><LAchildID>")
    data = spoilt(data, 130, "<PersonBirthDate>2", "<PersonBirthDate>x")
    report = both(data.encode(), "cin_census", "canonical", tmp_path)
    assert cut_whole == [True]
    (cause,) = report.as_dict()["refusals"]
    assert int(cause["places"][-1].rpartition(" ")[2]) > 100_000


@pytest.mark.parametrize("what", SPOILT)
def test_by_and_by_at_once_and_in_stretches_the_same_is_read(
    what: str, whole: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = Document.of("in.xml", SPOILT[what][0](whole).encode())

    def read() -> tuple[list[str], str]:
        found = []
        try:
            for one in adapters.find("cin_census").read(document):
                found.append(str(one) if isinstance(one, RecordError) else one.place + json.dumps(one.tree))
        except RecordError as error:
            return found, str(error)
        return found, ""

    in_stretches = read()
    monkeypatch.setattr(xml, "AT_ONCE", 1 << 30)
    at_once = read()
    monkeypatch.setattr(xml, "AT_ONCE", 0)
    monkeypatch.setattr(xml, "stretches", lambda document, wanted: iter(()))
    assert at_once == in_stretches == read()


def test_strict_and_an_edition_are_the_same(whole: str, tmp_path: Path) -> None:
    report = both(spoilt(whole, 110, "<Sex>M", "<Sex>X").encode(), "cin_census", "canonical", tmp_path, strict=True)
    assert report.problems
    both(whole.encode(), "cin_census", "cin_census", tmp_path, edition="2024")


def test_a_record_that_the_target_cannot_hold_is_the_same(whole: str, tmp_path: Path) -> None:
    out = tmp_path / "records.jsonl"
    translate(Document.of("in.xml", whole.encode()), "cin_census", "canonical", out)
    lines = out.read_text("utf-8").splitlines()
    for number in (60, 130):
        lines[number] = lines[number].replace('"id":"MADE', '"id":"\\u0001MADE', 1)
    data = "\n".join(lines).encode()
    report = both(data, "canonical", "cin_census", tmp_path, "in.jsonl")
    assert (report.read, report.refused) == (CHILDREN, 2)
    written = []
    for number in (1, 3):
        stream = io.BytesIO()
        halted = translate(Document.of("in.jsonl", data), "canonical", "cin_census", stream, processes=number)
        written.append((stream.getvalue(), json.dumps(halted.as_dict())))
        assert halted.stopped is not None
    assert len(written[1][0]) <= len(written[0][0])
    assert written[0][0].startswith(written[1][0])
    assert written[0][1] == written[1][1]


@pytest.mark.parametrize("name", [name for name in adapters.shipped() if adapters.find(name).line is not None])
def test_a_line_made_beforehand_is_the_one_that_would_be_written(name: str, whole: str, tmp_path: Path) -> None:
    found = adapters.find(name)
    assert found.line is not None
    path = tmp_path / f"in{found.suffix}"
    translate(Document.of("in.xml", whole.encode()), "cin_census", name, path)
    records = [one for one in found.read(Document.at(path)) if isinstance(one, Theirs)]
    usual = b"".join(data for _, data in found.write(records, records[0].head))
    joined = Theirs(records[0].kind, "", {}, line=b"".join(map(found.line, records)))
    assert b"".join(data for _, data in found.write([joined], records[0].head)) == usual


def test_a_killed_process_is_said_and_nothing_is_left(whole: str, tmp_path: Path) -> None:
    path = sample.write(tmp_path / "in.xml", 20_000)
    command = [sys.executable, "-c", "from hub.cli import main; main()", "translate", str(path), "--from", "cin_census"]
    command += ["--to", "canonical", "-o", str(tmp_path / "out.jsonl"), "--processes", "2"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        _kill(_children(process.pid, 2)[0])
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert "killed" in said
    assert "Traceback" not in said
    assert [one.name for one in tmp_path.iterdir()] == ["in.xml"]


def test_processes_end_with_the_one_that_reads(tmp_path: Path) -> None:
    path = sample.write(tmp_path / "in.xml", 20_000)
    command = [sys.executable, "-c", "from hub.cli import main; main()", "translate", str(path), "--from", "cin_census"]
    command += ["--to", "canonical", "-o", str(tmp_path / "out.jsonl"), "--processes", "2"]
    with subprocess.Popen(command) as process:
        workers = _children(process.pid, 2)
        process.kill()
    _until(lambda: not any(Path(f"/proc/{one}").exists() for one in workers))
    assert not (tmp_path / "out.jsonl").exists()


def _children(pid: int, number: int) -> list[int]:
    found: list[int] = []

    def seen() -> bool:
        found[:] = map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        return len(found) == number

    _until(seen)
    return found


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def _until(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.01)
