"""A folder that documents are taken from: whole, in order, each once whatever is killed, and no name in any log."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from hub.connect import Arrival, Connection, Inlet, faults, open_inlet, open_outlet
from hub.connect.files import LONGEST, plain
from hub.connect.incoming import FolderInlet
from hub.connect.port import no_hook
from hub.errors import DeclarationError, Unavailable
from hub.message import Parcel
from tests.forks import NOBODY, Killer, forked, start

SECRET = "Zebedee"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder to put documents in."""
    made = tmp_path / "in"
    made.mkdir()
    return made


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that everybody may enter, for tests that are somebody else."""
    made = Path(tempfile.mkdtemp(prefix="ics-hub-"))
    (made / "in").mkdir()
    if os.geteuid() == 0:
        for one in (made, made / "in"):
            os.chown(one, NOBODY, NOBODY)
    yield made / "in"
    shutil.rmtree(made)


def connection(folder: Path, tables: bool = False, **settings: Any) -> Connection:
    return Connection("ics", "folder", {"in": str(folder), "settle": 0, **settings}, folder, tables=tables)


def inlet(folder: Path, hook: Callable[[str], None] = no_hook, tables: bool = False, **settings: Any) -> Inlet:
    asked = connection(folder, tables, **settings)
    assert faults(asked) == []
    return open_inlet(asked, hook)


def put(folder: Path, name: str | bytes, data: bytes = b"x", at: float | None = None) -> Path:
    path = folder / os.fsdecode(name)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    if at is not None:
        os.utime(path, (at, at))
    return path


def data(arrival: Arrival) -> bytes:
    """All bytes of an arrival."""
    read = b""
    for part in arrival.document.parts():
        with arrival.document.open(part) as stream:
            read += stream.read()
    return read


def drain(source: Inlet) -> list[bytes]:
    """Everything there is, settled."""
    found = []
    for arrival in source.fetch():
        found.append(data(arrival))
        source.settle(arrival)
    return found


def within(seconds: float, act: Callable[[], Any]) -> Any:
    """What an act gives once it gives something."""
    until = time.monotonic() + seconds
    while not (found := act()):
        assert time.monotonic() < until, "it never came"
        time.sleep(0.01)
    return found


# What is taken, and in which order


def test_files_come_in_the_order_of_their_time_then_their_name(folder: Path) -> None:
    for name, at in [("b", 100), ("a", 200), ("d", 50), ("c", 100)]:
        put(folder, name, name.encode(), at)
    assert drain(inlet(folder)) == [b"d", b"b", b"c", b"a"]
    assert os.listdir(folder) == [".taken"]
    assert os.listdir(folder / ".taken") == []


def test_ten_thousand_files_come_in_order_each_once(folder: Path) -> None:
    numbers = list(range(10_000))
    random.Random(7).shuffle(numbers)
    for number in numbers:
        put(folder, f"{random.Random(number).random()}.xml", b"%d" % number, 1e9 + number / 1000)
    assert drain(inlet(folder)) == [b"%d" % number for number in range(10_000)]
    assert drain(inlet(folder)) == []


def test_what_is_not_whole_or_not_ours_is_left_alone(folder: Path, tmp_path: Path) -> None:
    outside = put(tmp_path, "outside.xml")
    left = [".hidden", "a.part", "a.TMP", "a.xml.filepart", "a.xml~", "a.partial"]
    for name in left:
        put(folder, name)
    put(folder, "sub/file.xml")
    (folder / "link.xml").symlink_to(outside)
    (folder / "links").symlink_to(tmp_path, target_is_directory=True)
    os.mkfifo(folder / "pipe.xml")
    before = sorted(os.listdir(folder))
    assert drain(inlet(folder)) == []
    assert sorted(os.listdir(folder)) == sorted([*before, ".taken"])
    assert outside.exists()


def test_a_file_that_grows_is_taken_when_it_has_stopped(folder: Path) -> None:
    source, path = inlet(folder, settle=0.3), folder / "slow.xml"

    def grow() -> None:
        for _ in range(15):
            with open(path, "ab") as out:
                out.write(b"0123456789")
            time.sleep(0.05)

    grower = threading.Thread(target=grow)
    grower.start()
    try:
        assert within(20, lambda: drain(source)) == [b"0123456789" * 15]
    finally:
        grower.join()


def test_a_file_is_looked_at_twice_even_if_it_is_old(folder: Path) -> None:
    put(folder, "old.xml", at=1)
    source = inlet(folder, settle=0.2)
    assert not source.pending()
    assert drain(source) == []
    assert source.pending()
    assert drain(source) == []
    time.sleep(0.25)
    assert drain(source) == [b"x"]
    assert not source.pending()


def test_a_file_from_tomorrow_is_taken_all_the_same(folder: Path) -> None:
    put(folder, "tomorrow.xml", at=time.time() + 86_400)
    source = inlet(folder, settle=0.1)
    assert within(5, lambda: drain(source)) == [b"x"]


def test_a_file_that_another_replaces_is_looked_at_anew(folder: Path) -> None:
    source = inlet(folder, settle=0.3)
    put(folder, "a.xml", b"one", at=1)
    assert drain(source) == []
    time.sleep(0.35)
    put(folder, "a.xml", b"two", at=1)
    assert drain(source) == []
    time.sleep(0.35)
    assert drain(source) == [b"two"]


def test_what_a_fetch_did_not_come_to_is_pending(folder: Path) -> None:
    for number in range(201):
        put(folder, f"{number:03}", b"%d" % number, at=number)
    source = inlet(folder)
    fetched = source.fetch()
    source.settle(next(fetched))
    fetched.close()
    assert source.pending()
    assert drain(source) == [b"%d" % number for number in range(1, 201)]
    assert not source.pending()


# Identity


def test_what_is_not_settled_is_given_again_under_the_same_name_and_first(folder: Path) -> None:
    put(folder, "late.xml", b"late", at=200)
    first = next(inlet(folder).fetch())
    put(folder, "early.xml", b"early", at=100)
    again = list(inlet(folder).fetch())
    assert again[0].name == first.name
    assert [data(one) for one in again] == [b"late", b"early"]
    assert [one.name for one in inlet(folder).fetch()] == [one.name for one in again]


def test_the_same_file_dropped_in_twice_is_two_documents(folder: Path) -> None:
    names = []
    for _ in range(2):
        put(folder, "same.xml", b"same", at=5)
        source = inlet(folder)
        for arrival in source.fetch():
            names.append(arrival.name)
            source.settle(arrival)
    assert len(set(names)) == 2
    assert all(name.endswith("-same.xml") for name in names)


def test_names_sort_as_they_were_taken_though_the_clock_is_set_back(folder: Path) -> None:
    (folder / ".taken").mkdir()
    put(folder / ".taken", "29991231T235959.000000Z-00000000-future.xml", b"future")
    put(folder, "now.xml", b"now")
    found = list(inlet(folder).fetch())
    assert [data(one) for one in found] == [b"future", b"now"]
    assert sorted(os.listdir(folder / ".taken")) == [one.name for one in found]


JUNK = [
    b"caf\xe9 \xff.xml",
    b"new\nline.xml",
    b"tab\tand\x1b[31mred.xml",
    "right\u202eleft.xml".encode(),
    b"-rf *.xml",
    b"C:\\x\\y.xml",
    b'quote".xml',
    b"n" * 251 + b".zip",
    "\u00e9".encode() * 125 + b".xml",
    b" ",
    b"...x".lstrip(b"."),
]


@pytest.mark.parametrize("name", JUNK)
def test_any_name_that_a_file_can_have_becomes_a_plain_one(folder: Path, name: bytes) -> None:
    put(folder, name, b"content")
    source = inlet(folder)
    (arrival,) = source.fetch()
    assert data(arrival) == b"content"
    assert arrival.name.isprintable()
    assert len(arrival.name.encode("utf-8")) <= 255
    assert arrival.document.parts() == [arrival.document.name]
    assert arrival.name.endswith(name[-4:].decode()) or len(name) < 4
    assert [one.name for one in inlet(folder).fetch()] == [arrival.name]
    source.settle(arrival)
    assert drain(inlet(folder)) == []


def test_names_that_become_the_same_stay_two_documents(folder: Path) -> None:
    put(folder, b"a\xff", b"one", 1)
    put(folder, b"a\xfe", b"two", 2)
    assert drain(inlet(folder)) == [b"one", b"two"]
    assert len(plain("x" * 255).encode()) == LONGEST


# Killed at each step


def carry(folder: Path, log: Path, hook: Callable[[str], None], **settings: Any) -> None:
    """A hub in small: keeps each document once by its name, then settles it."""
    source = inlet(folder, hook, **settings)
    for arrival in source.fetch():
        read = data(arrival)
        kept = log.read_text("utf-8").splitlines() if log.exists() else []
        hook("T1.before")
        if not any(line.startswith(f"{arrival.name}\t") for line in kept):
            with open(log, "a", encoding="utf-8") as out:
                out.write(f"{arrival.name}\t{read.decode()}\n")
                out.flush()
                os.fsync(out.fileno())
        hook("T1.after")
        source.settle(arrival)


STEPS = ["take.before-rename", "take.after-rename", "take.after-sync", "T1.before", "T1.after"]


@pytest.mark.parametrize("step", [*STEPS, "settle.before", "settle.half", "settle.after"])
@pytest.mark.parametrize("kind", ["file", "folder", "done"])
def test_killed_at_any_step_each_document_is_kept_once_and_in_order(
    folder: Path, tmp_path: Path, step: str, kind: str
) -> None:
    wanted = [f"document {number}" for number in range(5)]
    for number, content in enumerate(wanted):
        if kind == "folder":
            put(folder, f"{number}/a", content.encode()[:4], at=number)
            put(folder, f"{number}/b", content.encode()[4:], at=number)
        else:
            put(folder, f"{number}", content.encode(), at=number)
    settings = {"folders": kind == "folder"} | ({"keep": "done"} if kind == "done" else {})
    log = tmp_path / "log"
    killed = 0
    for nth in (1, 3, 2, 1):
        killer = Killer(step, nth)
        killed += forked(lambda hook=killer: (carry(folder, log, hook, **settings), "done")) is None
    assert killed or (step == "settle.half" and kind != "folder")
    assert forked(lambda: (carry(folder, log, no_hook, **settings), "done")) is not None
    assert [line.partition("\t")[2] for line in log.read_text("utf-8").splitlines()] == wanted
    assert os.listdir(folder / ".taken") == []
    if kind == "done":
        assert [one.read_text() for one in sorted((folder / ".done").iterdir())] == wanted


def test_two_processes_never_take_one_file_twice(folder: Path) -> None:
    for number in range(600):
        put(folder, f"{number}", b"%d" % number)

    def take() -> list[tuple[str, bytes]]:
        return [(one.name, data(one)) for one in inlet(folder).fetch()]

    waits = [start(take) for _ in range(3)]
    found = [pair for wait in waits for pair in wait()]
    names = dict(found)
    assert sorted(names.values(), key=int) == [b"%d" % number for number in range(600)]
    assert len(set(names)) == 600


def test_what_another_process_takes_meanwhile_is_not_overtaken(folder: Path) -> None:
    """Two readers for a moment: the first lost its lease and does not know. What it takes must not come later."""
    for name in ("1", "2", "3"):
        put(folder, name, name.encode(), at=1_700_000_000 + int(name))
    other = inlet(folder)
    taken = []

    def hook(step: str) -> None:
        if step == "take.before-rename" and not taken:  # the other is faster with the first
            taken.append(True)
            (folder / "1").rename(folder / ".taken" / "20250101T000000.000000Z-00000000-1")

    source = inlet(folder, hook)
    first = [data(one) for one in source.fetch()]
    assert first == [], "nothing is given that came after a file which is in other hands"
    found = []
    for one in other.fetch():
        found.append(data(one))
        other.settle(one)
    assert found == [b"1", b"2", b"3"]


def test_a_listing_that_missed_an_earlier_file_is_not_trusted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listing made while files arrive may show the second and not the first; what it shows last must wait."""
    put(folder, "2", b"2", at=1_700_000_002)
    listing, told = os.listdir, iter([["2"], ["1", "2", "3"]])

    def listed(path: object) -> list[str]:
        found = listing(path)  # type: ignore[call-overload]
        if Path(str(path)) == folder and (once := next(told, None)) is not None:
            put(folder, "1", b"1", at=1_700_000_001)
            put(folder, "3", b"3", at=1_700_000_003)
            return once
        return list(found)

    monkeypatch.setattr(os, "listdir", listed)
    source = inlet(folder)
    assert [data(one) for one in source.fetch()] == [b"1", b"2"], "the third was not known at the first look"


def test_a_document_that_another_process_settled_is_passed_over(folder: Path) -> None:
    put(folder, "a", b"a", 1)
    put(folder, "b", b"b", 2)
    fetched = inlet(folder).fetch()
    first = next(fetched)
    assert drain(inlet(folder)) == [b"a", b"b"]
    assert list(fetched) == []
    with pytest.raises(Unavailable, match=r"links\.ics: the folder 'in': a file taken from it cannot be opened"):
        data(first)
    inlet(folder).settle(first)


# Sets of tables


def test_a_set_of_tables_is_a_sub_folder_or_a_zip_and_a_loose_file_is_left(folder: Path) -> None:
    put(folder, "set/ssd_person.csv", b"1", at=1)
    put(folder, "set/deep/ssd_plan.csv", b"2", at=1)
    put(folder, "set/.hidden", b"no", at=1)
    put(folder, "other.ZIP", b"no zip, kept as it came", at=2)
    put(folder, "ssd_person.csv", b"loose", at=0)
    source = inlet(folder, tables=True)
    with capture_logs() as logs:
        found = list(source.fetch())
        list(inlet(folder, tables=True).fetch())
        list(source.fetch())
    assert [one.document.parts() for one in found] == [["deep/ssd_plan.csv", "ssd_person.csv"], ["other.ZIP"]]
    assert [data(one) for one in found] == [b"21", b"no zip, kept as it came"]
    assert (folder / "ssd_person.csv").exists()
    assert len([one for one in logs if "loose" in one["reason"]]) == 2
    for one in found:
        source.settle(one)
    assert os.listdir(folder / ".taken") == []


def test_a_sub_folder_is_whole_when_nothing_in_it_changes(folder: Path) -> None:
    source = inlet(folder, folders=True, settle=0.3)
    (folder / "empty").mkdir()
    for number in range(6):
        put(folder, f"set/{number}", b"%d" % number, at=1)
        assert drain(source) == []
        time.sleep(0.1)
    put(folder, "set/7.part", b"7", at=1)
    time.sleep(0.4)
    assert drain(source) == []
    assert drain(source) == []
    os.rename(folder / "set/7.part", folder / "set/7")
    assert within(5, lambda: drain(source)) == [b"0123457"]
    assert (folder / "empty").exists()


def test_a_marker_says_that_a_sub_folder_is_whole_and_is_no_part(folder: Path) -> None:
    source = inlet(folder, folders=True, marker="READY", settle=60)
    put(folder, "set/a", b"a")
    assert drain(source) == []
    put(folder, "set/READY", b"!")
    assert drain(source) == [b"a"]


def test_parts_with_odd_names_are_all_there(folder: Path) -> None:
    put(folder, b"set/a\xff", b"1")
    put(folder, b"set/a\xfe", b"2")
    (arrival,) = inlet(folder, folders=True).fetch()
    assert len(arrival.document.parts()) == 2
    assert all(part.isprintable() for part in arrival.document.parts())
    assert sorted(data(arrival)) == [ord("1"), ord("2")]


def test_a_sub_folder_of_too_many_files_is_left_and_said(folder: Path) -> None:
    for number in range(2_001):
        put(folder, f"set/{number}", b"")
    with capture_logs() as logs:
        assert drain(inlet(folder, folders=True)) == []
    assert "more than 2000 files" in logs[0]["reason"]


# What goes wrong


def test_a_file_that_may_not_be_read_is_said_once_and_stops_nobody(public: Path) -> None:
    inode = put(public, f"{SECRET}.xml", b"secret", at=1).stat().st_ino
    (public / f"{SECRET}.xml").chmod(0)
    put(public, "after.xml", b"after", at=2)

    def act() -> tuple[list[bytes], list[Any]]:
        source = inlet(public)
        with capture_logs() as logs:
            return drain(source) + drain(source), list(logs)

    found, logs = forked(act, nobody=True)
    assert found == [b"after"]
    assert len(logs) == 1
    assert logs[0]["inode"] == inode
    assert "may not read it" in logs[0]["reason"]
    assert SECRET not in str(logs)


def test_a_taken_file_that_may_no_longer_be_read_stops_nobody(public: Path) -> None:
    put(public, "first.xml", b"first", at=1)
    put(public, "after.xml", b"after", at=2)

    def act() -> list[bytes]:
        first = next(inlet(public).fetch())
        (public / ".taken" / first.name).chmod(0)
        with capture_logs():
            return drain(inlet(public))

    if os.geteuid() == 0:
        for path in public.iterdir():
            os.chown(path, NOBODY, NOBODY)
    assert forked(act, nobody=True) == [b"after"]


def test_a_folder_that_may_not_be_written_is_one_clear_line(public: Path) -> None:
    put(public, "a.xml")
    public.chmod(0o555)

    def act() -> tuple[str, bool]:
        with pytest.raises(Unavailable) as caught:
            drain(inlet(public))
        return str(caught.value), caught.value.whole

    said = forked(act, nobody=True)
    public.chmod(0o755)
    assert said == ("links.ics: the folder 'in': the hub's user may not write there: give it the right to", True)
    assert forked(lambda: drain(inlet(public)), nobody=True) == [b"x"]


def test_a_folder_that_is_not_there_is_one_clear_line_and_mends_itself(folder: Path) -> None:
    source = inlet(folder)
    folder.rmdir()
    for act in (source.ready, lambda: drain(source)):
        with pytest.raises(
            Unavailable, match=r"^links\.ics: the folder 'in': there is no such folder: make it"
        ) as caught:
            act()
        assert caught.value.whole
    assert not folder.exists()
    folder.mkdir()
    put(folder, "a")
    assert drain(source) == [b"x"]


def test_what_cannot_be_removed_is_not_given_again(public: Path) -> None:
    put(public, f"{SECRET}.xml", at=1)

    def act() -> tuple[int, list[Any], int]:
        source = inlet(public)
        with capture_logs() as logs:
            fetched = source.fetch()
            arrival = next(fetched)
            (public / ".taken").chmod(0o555)
            source.settle(arrival)
            (public / ".taken").chmod(0o755)
            with_trouble = list(logs)
        return len(list(source.fetch())), with_trouble, len(os.listdir(public / ".taken"))

    again, logs, left = forked(act, nobody=True)
    assert (again, left) == (0, 0)
    assert len(logs) == 1
    assert SECRET not in str(logs)


def test_no_repr_or_error_holds_a_files_name(folder: Path) -> None:
    put(folder, f"{SECRET}.xml")
    source = inlet(folder)
    (arrival,) = source.fetch()
    assert SECRET not in repr(arrival) + repr(source)
    (folder / ".taken" / arrival.name).unlink()
    with pytest.raises(Unavailable) as caught:
        data(arrival)
    assert SECRET not in str(caught.value)


def test_strangers_in_the_folder_of_the_taken_harm_nothing(folder: Path) -> None:
    taken = folder / ".taken"
    taken.mkdir()
    put(taken, "no-stamp", b"kept")
    put(taken, ".hidden")
    (taken / "link").symlink_to(folder)
    (taken / ".gone-1").mkdir()
    put(taken, ".gone-1/half")
    with capture_logs():
        assert drain(inlet(folder)) == [b"kept"]
    assert sorted(os.listdir(taken)) == [".hidden", "link"]


def test_a_hub_may_give_into_the_folder_that_another_takes_from(folder: Path) -> None:
    other = open_outlet(Connection("other", "folder", {"out": str(folder)}, folder))
    for number in (1, 2, 3):
        sent = Parcel(key=bytes(16), target="other", numbers=[number], data=b"%d" % number, number=number)
        sent.token = other.stage(sent)
        other.send([sent])
    assert drain(inlet(folder)) == [b"1", b"2", b"3"]


def test_a_connection_that_goes_the_other_way_only_is_no_inlet(folder: Path) -> None:
    with pytest.raises(DeclarationError, match=r"links\.ics: nothing can be fetched"):
        open_inlet(Connection("ics", "folder", {"out": str(folder)}, folder))
    with pytest.raises(DeclarationError, match="no folder 'in'"):
        FolderInlet(Connection("ics", "folder", {"out": str(folder)}, folder))
    with contextlib.closing(inlet(folder)) as source:
        assert "links.ics" in repr(source)
