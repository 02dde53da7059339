"""A folder that files are given in: one effect for each parcel, also when files are taken away at once."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.connect import Connection, Outlet, faults, open_inlet, open_outlet
from hub.connect.files import network, rename_new
from hub.connect.outgoing import FolderOutlet
from hub.connect.port import no_hook
from hub.errors import DeclarationError, Refused, Unanswered, Unavailable
from hub.message import NotTried, Parcel, Sent
from tests.forks import NOBODY, Killer, forked, start


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """An empty folder to give files in."""
    made = tmp_path / "out"
    made.mkdir()
    return made


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that everybody may enter, for tests that are somebody else."""
    made = Path(tempfile.mkdtemp(prefix="ics-hub-"))
    if os.geteuid() == 0:
        os.chown(made, NOBODY, NOBODY)
    yield made
    made.chmod(0o755)
    shutil.rmtree(made)


def outlet(out: Path, hook: Callable[[str], None] = no_hook, **settings: Any) -> Any:
    asked = Connection("ssd", "folder", {"out": str(out), **settings}, out, records=100)
    assert faults(asked) == []
    return open_outlet(asked, hook)


def parcel(number: int, data: bytes) -> Parcel:
    return Parcel(key=number.to_bytes(16, "little"), target="ssd", numbers=[number], data=data, suffix=".xml")


def prepared(target: Outlet, one: Parcel) -> Parcel:
    """Staged and kept, as the pipeline does it."""
    one.token = target.stage(one)
    one.number = one.numbers[0]
    return one


def given(out: Path) -> dict[str, bytes]:
    """The files that a reader sees, in the order of their names."""
    return {path.name: path.read_bytes() for path in sorted(out.iterdir()) if not path.name.startswith(".")}


def aside(out: Path) -> list[str]:
    """The files that lie aside."""
    return sorted(name for name in os.listdir(out / ".hub") if name not in ("id", "replaced"))


# One effect


def test_files_are_named_in_the_order_of_their_parcels(out: Path) -> None:
    target = outlet(out)
    sent = [prepared(target, parcel(number, b"%d" % number)) for number in (9, 10, 11, 100)]
    assert given(out) == {}
    answers = target.send(sent)
    assert answers == [Sent(name) for name in given(out)]
    assert list(given(out).values()) == [b"9", b"10", b"11", b"100"]
    assert next(iter(given(out))) == "000000000009-09000000.xml"
    assert aside(out) == []


def test_the_same_parcel_sent_again_has_one_effect(out: Path) -> None:
    target = outlet(out)
    one = prepared(target, parcel(1, b"one"))
    assert target.send([one]) == [Sent("000000000001-01000000.xml")]
    assert target.send([one]) == [Sent("000000000001-01000000.xml, earlier")]
    (out / "000000000001-01000000.xml").unlink()
    assert outlet(out).send([one]) == [Sent("000000000001-01000000.xml, earlier")]
    assert given(out) == {}


def test_each_staging_has_a_file_of_its_own(out: Path) -> None:
    stale, target = outlet(out), outlet(out)
    theirs = prepared(stale, parcel(1, b"of a worker that was given up"))
    ours = prepared(target, parcel(1, b"ours"))
    assert theirs.token != ours.token
    assert target.send([ours]) == [Sent("000000000001-01000000.xml")]
    stale.discard(theirs)
    assert list(given(out).values()) == [b"ours"]
    assert aside(out) == []


def test_nothing_is_ever_overwritten(out: Path) -> None:
    target = outlet(out)
    (out / "000000000001-01000000.xml").write_bytes(b"of another hub")
    (out / "000000000002-02000000.xml").mkdir()
    (out / "000000000003-03000000.xml").symlink_to(out / "nowhere")
    sent = [prepared(target, parcel(number, b"ours")) for number in (1, 2, 3, 4)]
    answers = target.send(sent)
    assert [type(one) for one in answers] == [Refused, Refused, Refused, Sent]
    assert "000000000001-01000000.xml lies in the folder and is not overwritten" in str(answers[0])
    assert (out / "000000000001-01000000.xml").read_bytes() == b"of another hub"
    assert aside(out) == sorted(one.token for one in sent[:3])


def test_the_same_bytes_under_the_same_name_are_there_already(out: Path) -> None:
    target = outlet(out)
    (out / "000000000001-01000000.xml").write_bytes(b"ours")
    assert target.send([prepared(target, parcel(1, b"ours"))]) == [Sent("000000000001-01000000.xml, there already")]
    assert aside(out) == []


def test_a_rename_never_overwrites(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(b"old")
    new.write_bytes(b"new")
    with pytest.raises(FileExistsError):
        rename_new(old, new)
    assert (old.read_bytes(), new.read_bytes()) == (b"old", b"new")
    new.unlink()
    rename_new(old, new)
    assert new.read_bytes() == b"old"
    with pytest.raises(FileNotFoundError):
        rename_new(old, new)


# Killed at each step, with a taker


def carry(out: Path, log: Path, count: int, hook: Callable[[str], None]) -> None:
    """A hub in small: stages, keeps the token (T4), sends, marks (T5); each line of its store is synced."""
    target = outlet(out, hook)
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()] if log.exists() else []
    tokens = {number: token for number, token in lines if token != "sent"}
    marked = {number for number, token in lines if token == "sent"}

    def keep(number: int, token: str) -> None:
        with open(log, "a", encoding="utf-8") as store:
            store.write(json.dumps([number, token]) + "\n")
            store.flush()
            os.fsync(store.fileno())

    for number in range(1, count + 1):
        if number in marked:
            continue
        one = parcel(number, b"record %d" % number)
        if number in tokens:
            one.token, one.number = tokens[number], number
        else:
            prepared(target, one)
            hook("T4.before")
            keep(number, one.token)
        hook("T4.after")
        (answer,) = target.send([one])
        assert isinstance(answer, Sent), answer
        hook("T5.before")
        keep(number, "sent")
        hook("T5.after")


def taker(out: Path, log: Path) -> None:
    """Takes files away as soon as they are there, until it is killed."""
    with open(log, "ab", buffering=0) as taken:
        while True:
            for path in out.iterdir():
                if not path.name.startswith("."):
                    taken.write(path.name.encode() + b"\t" + path.read_bytes() + b"\n")
                    path.unlink()


STEPS = ["stage.before-write", "stage.after-write", "stage.after-sync", "T4.before", "T4.after"]


@pytest.mark.parametrize(
    "step", [*STEPS, "send.before-rename", "send.after-rename", "send.after-sync", "T5.before", "T5.after"]
)
@pytest.mark.parametrize("taken", [False, True])
def test_killed_at_any_step_each_file_is_given_once(out: Path, tmp_path: Path, step: str, taken: bool) -> None:
    log, tray = tmp_path / "store", tmp_path / "taken"
    tray.touch()
    child = os.fork() if taken else 0
    if taken and child == 0:
        taker(out, tray)
    try:
        killers = [Killer(step, nth) for nth in (1, 1, 2, 3)]
        killed = [forked(lambda hook=killer: (carry(out, log, 6, hook), "done")) is None for killer in killers]
        assert sum(killed) >= 3
        assert forked(lambda: (carry(out, log, 6, no_hook), "done")) is not None
        until = time.monotonic() + 10
        while taken and given(out) and time.monotonic() < until:
            time.sleep(0.01)
    finally:
        if taken:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    lines = tray.read_bytes().splitlines()
    lines += [name.encode() + b"\t" + read for name, read in given(out).items()]
    assert [line.partition(b"\t")[2] for line in sorted(lines)] == [b"record %d" % number for number in range(1, 7)]
    orphans = aside(out)
    assert outlet(out).tidy(lambda token: False, safety=0) == len(orphans)
    assert aside(out) == []


def test_two_workers_with_the_same_prepared_file_give_it_once(out: Path) -> None:
    target = outlet(out)
    sent = [prepared(target, parcel(number, b"%d" % number)) for number in range(1, 101)]
    waits = [start(lambda: [answer.receipt for answer in outlet(out).send(sent)]) for _ in range(3)]
    receipts = [wait() for wait in waits]
    for number in range(100):
        assert sorted("earlier" in one[number] for one in receipts) == [False, True, True]
    assert len(given(out)) == 100


# What lies aside


def test_what_nobody_knows_is_removed_after_two_looks_and_never_what_is_known(out: Path) -> None:
    target = outlet(out)
    known, unknown = (prepared(target, parcel(number, b"x")).token for number in (1, 2))
    (out / ".hub" / "not-ours").write_bytes(b"x")
    assert target.tidy(lambda token: token == known, safety=0.2) == 0
    assert target.tidy(lambda token: token == known, safety=0.2) == 0
    time.sleep(0.25)
    assert target.tidy(lambda token: token == known, safety=0.2) == 1
    assert aside(out) == sorted([known, "not-ours"])
    assert not (out / ".hub" / unknown).exists()


def test_a_file_that_became_known_between_two_looks_stays(out: Path) -> None:
    target = outlet(out)
    token = prepared(target, parcel(1, b"x")).token
    assert target.tidy(lambda token: False, safety=0.1) == 0
    time.sleep(0.15)
    assert target.tidy(lambda token: True, safety=0.1) == 0
    assert target.tidy(lambda token: False, safety=0.1) == 0
    assert aside(out) == [token]


def test_a_clock_that_jumps_makes_no_fresh_file_old(out: Path) -> None:
    target = outlet(out)
    token = prepared(target, parcel(1, b"x")).token
    for jump in (-86_400, 86_400):
        os.utime(out / ".hub" / token, (time.time() + jump, time.time() + jump))
        assert outlet(out).tidy(lambda token: False) == 0
    os.utime(out / ".hub" / token, (1, 1))
    assert outlet(out).tidy(lambda token: False) == 1


# What goes wrong


def test_a_full_disk_is_one_clear_line_leaves_nothing_and_mends_itself(out: Path) -> None:
    def act() -> tuple[str, bool, list[str], bool]:
        target = outlet(out)
        target.ready()
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))
        with pytest.raises(Unavailable) as caught:
            target.stage(parcel(1, b"x" * 5000))
        left = aside(out)
        small = prepared(target, parcel(2, b"x" * 500))
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        large = prepared(target, parcel(3, b"x" * 5000))
        well = all(isinstance(one, Sent) for one in target.send([small, large]))
        return str(caught.value), caught.value.whole, left, well

    said, whole, left, well = forked(act)
    assert said == "links.ssd: the folder 'out': a file may not be so large: make room"
    assert (whole, left, well) == (True, [], True)
    assert [len(read) for read in given(out).values()] == [500, 5000]


def test_a_folder_that_is_not_there_is_not_made(out: Path) -> None:
    target = outlet(out)
    one = prepared(target, parcel(1, b"x"))
    out.rename(out.parent / "unmounted")
    for act in (target.ready, lambda: target.stage(parcel(2, b"x"))):
        with pytest.raises(Unavailable, match="there is no such folder: make it, or mount its disk") as caught:
            act()
        assert caught.value.whole
    first, second = target.send([one, one])
    assert isinstance(first, Unavailable)
    assert not isinstance(first, Unanswered)
    assert first.whole
    assert second == NotTried()
    assert not out.exists()
    assert target.tidy(lambda token: False, safety=0) == 0
    (out.parent / "unmounted").rename(out)
    assert target.send([one]) == [Sent("000000000001-01000000.xml")]


def test_a_folder_that_may_not_be_written_is_one_clear_line(public: Path) -> None:
    public.chmod(0o555)

    def act() -> str:
        with pytest.raises(Unavailable) as caught:
            outlet(public).stage(parcel(1, b"x"))
        assert caught.value.whole
        return str(caught.value)

    said = forked(act, nobody=True)
    assert said == "links.ssd: the folder 'out': the hub's user may not write there: give it the right to"


@pytest.mark.parametrize("fresh", [False, True])
def test_a_disk_that_is_not_mounted_is_not_taken_for_files_that_went_out(out: Path, fresh: bool) -> None:
    target = outlet(out)
    one = prepared(target, parcel(1, b"x"))
    mounted = out.parent / "mounted"
    out.rename(mounted)
    out.mkdir()
    (answer,) = (outlet(out) if fresh else target).send([one])
    assert isinstance(answer, Unavailable)
    assert answer.whole
    assert "mount its disk" in str(answer)
    assert given(out) == {}
    shutil.rmtree(out)
    mounted.rename(out)
    assert target.send([one]) == [Sent("000000000001-01000000.xml")]


def test_a_folder_that_was_replaced_for_good_is_given_what_was_prepared_in_the_old_one(out: Path) -> None:
    target = outlet(out)
    one = prepared(target, parcel(1, b"x"))
    shutil.rmtree(out)
    out.mkdir()
    (answer,) = target.send([one])
    assert isinstance(answer, Unavailable)
    (out / ".hub" / "replaced").touch()
    assert target.send([one]) == [Sent("000000000001-01000000.xml, again")]
    assert list(given(out).values()) == [b"x"]
    assert prepared(target, parcel(2, b"y")).token


def test_a_damaged_id_is_said(out: Path) -> None:
    target = outlet(out)
    one = prepared(target, parcel(1, b"x"))
    (out / ".hub" / "id").write_bytes(b"\xff\xff")
    (answer,) = target.send([one])
    assert isinstance(answer, Unavailable)
    assert "'.hub/id' in it is damaged" in str(answer)


def test_two_processes_that_begin_at_once_agree_on_the_folder(out: Path) -> None:
    waits = [start(lambda: prepared(outlet(out), parcel(1, b"x")).token) for _ in range(6)]
    assert len({wait()[:8] for wait in waits}) == 1
    assert len([name for name in os.listdir(out / ".hub") if name.startswith(".")]) == 0


# Facts


def test_files_have_the_mode_that_was_asked_for(out: Path) -> None:
    for number, settings in enumerate(({}, {"mode": "600"}, {"mode": "0664"}), 1):
        target = outlet(out, **settings)
        target.send([prepared(target, parcel(number, b"x"))])
    assert [stat.S_IMODE(path.stat().st_mode) for path in sorted(out.glob("*.xml"))] == [0o640, 0o600, 0o664]
    assert stat.S_IMODE((out / ".hub").stat().st_mode) == 0o700


def test_an_outlet_says_what_it_can(out: Path) -> None:
    target = outlet(out)
    assert (target.records, target.parcels, target.limit, target.at_once) == (100, 100, 10.0, None)
    assert target.keeps_aside
    assert target.promise.startswith(("exactly once: ", "at least once: "))
    target.close()
    assert "links.ssd" in repr(target)


MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:40 / /mnt/share rw,relatime - nfs4 server:/x rw,vers=4.2
31 30 254:1 / /mnt/share/local\\040disk rw - xfs /dev/vdb rw
32 22 0:41 / /mnt/win rw - cifs //server/x rw
33 22 0:42 / /mnt/ssh rw - fuse.sshfs me@host: rw
34 22 0:43 / /mnt/cover rw - nfs server:/x rw
35 22 0:44 / /mnt/cover rw - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/mnt/share/out", "nfs4"),
        ("/mnt/share/local disk/out", ""),
        ("/mnt/sharex", ""),
        ("/mnt/win", "cifs"),
        ("/mnt/ssh/a/b", "fuse.sshfs"),
        ("/mnt/cover/out", ""),
        ("/srv/out", ""),
    ],
)
def test_a_network_file_system_is_known_by_its_mount(tmp_path: Path, folder: str, kind: str) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS, "utf-8")
    assert network(Path(folder), mounts) == kind
    assert network(Path(folder), tmp_path / "not there") == ""


def test_a_connection_that_goes_the_other_way_only_is_no_outlet(out: Path) -> None:
    asked = Connection("ssd", "folder", {"in": str(out)}, out)
    with pytest.raises(DeclarationError, match=r"links\.ssd: nothing can be sent"):
        open_outlet(asked)
    with pytest.raises(DeclarationError, match="no folder 'out'"):
        FolderOutlet(asked)


class Own:
    """A connection of a council's own that goes both ways."""

    def __init__(self, connection: Connection) -> None:
        self.settings = connection.settings

    def fetch(self) -> Iterator[None]:
        return iter(())

    def send(self, parcels: list[Parcel]) -> list[Sent]:
        return [Sent() for _ in parcels]


def test_a_connection_of_ones_own_is_made_from_its_settings() -> None:
    asked = Connection("own", "tests.test_connect_out.Own", {"box": "X26"})
    assert faults(asked) == []
    for made in (open_inlet(asked), open_outlet(asked)):
        assert type(made).__name__ == "Own"  # this module is here under another name
        assert made.settings == {"box": "X26"}
