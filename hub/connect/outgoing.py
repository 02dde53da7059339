"""A folder that files are given in: each has one effect, though the other side takes files away at once.

The bytes are written and synced under `.hub/<token>`; the store keeps the token (T4); sending renames that very file
to its name in the folder. A file that the store knows as prepared and that is not in `.hub` has gone out: whoever
finds it missing need not send it again, and must not, for its reader may have taken it already. Which holds only while
`.hub` is the one it was written in: it has an id, the tokens begin with it, and a folder with another one (its disk is
not mounted) is waited for.
"""

from __future__ import annotations

import filecmp
import os
import re
import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from hub.connect.files import network, rename_new, sync_folder, unavailable
from hub.connect.folder import read
from hub.connect.port import Connection, Hook, no_hook
from hub.errors import DeclarationError, Refused, Unanswered, Unavailable
from hub.message import Answer, NotTried, Parcel, Sent

SAFETY = 3600.0
"""Seconds that a file nobody knows is left alone: far longer than any worker may take from writing it to keeping it."""
STALE = 7 * 86_400.0
"""The same by the clock on the wall, which may jump: for hubs that never run for an hour."""
_TOKEN = re.compile(r"[0-9a-f]{8}-[0-9a-f]{32}-[0-9a-f]{16}|\.id-[0-9a-f]{8}")
_ANOTHER = (
    "this is not the folder that its files were prepared in: mount its disk; or, if it was replaced for good, make an "
    "empty file '.hub/replaced' in it, and they are sent again"
)


class FolderOutlet:
    """Parcels as files of a folder, named in the order of their numbers. Nothing there is ever overwritten."""

    parcels = 100
    limit = 10.0
    at_once: int | None = None
    keeps_aside = True

    def __init__(self, connection: Connection, hook: Hook = no_hook) -> None:
        told = read(connection)
        if told.out is None:
            raise DeclarationError("this connection has no folder 'out'", place=f"links.{connection.link}")
        self.records = connection.records
        self._out, self._aside, self._mode = told.out, told.out / ".hub", told.mode
        self._place, self._hook = f"links.{connection.link}: the folder 'out'", hook
        self._id = ""
        self._unknown: dict[str, float] = {}

    def __repr__(self) -> str:
        return f"FolderOutlet({self._place!r})"

    @property
    def promise(self) -> str:
        """What one effect means here."""
        kind = network(self._out)
        if kind:
            return f"at least once: the folder lies on a network file system ({kind}), which may do a rename twice"
        return "exactly once: each file is given by one rename, also when files are taken away at once"

    def ready(self) -> None:
        """Unavailable when nothing can be given now."""
        self._area()

    def stage(self, parcel: Parcel) -> str:
        """Write the bytes under a token of their own, synced. Unavailable: nothing lies there."""
        token = f"{self._area()}-{parcel.key.hex()}-{secrets.token_hex(8)}"
        try:
            self._hook("stage.before-write")
            self._write(self._aside / token, parcel.data)
            sync_folder(self._aside)
            self._hook("stage.after-sync")
        except OSError as error:
            (self._aside / token).unlink(missing_ok=True)
            raise unavailable(error, self._place) from None
        return token

    def send(self, parcels: Sequence[Parcel]) -> list[Answer]:
        """Rename each prepared file to its name, in order, and sync the folder once."""
        answers: list[Answer] = []
        for parcel in parcels:
            try:
                answers.append(self._give(parcel))
            except Refused as refused:
                answers.append(refused)
            except Unavailable as down:
                answers.append(down)
                break
        try:
            sync_folder(self._out)
            sync_folder(self._aside)
        except OSError as error:
            lost = Unanswered(str(unavailable(error, self._place)), whole=True)
            answers = [lost if isinstance(answer, Sent) else answer for answer in answers]
        self._hook("send.after-sync")
        return answers + [NotTried()] * (len(parcels) - len(answers))

    def discard(self, parcel: Parcel) -> None:
        """Remove the staged file of a parcel that is not sent under its token."""
        if _TOKEN.fullmatch(parcel.token):
            self._remove(parcel.token)

    def tidy(self, live: Callable[[str], bool], safety: float = SAFETY) -> int:
        """Remove staged files that nobody has known for `safety` seconds, by two looks of this process; how many.

        The time is counted by the monotonic clock: after a jump of the other one, a file written a moment ago would
        look old, and a prepared file that is missing counts as given.
        """
        now, wall, removed = time.monotonic(), time.time(), 0
        try:
            there = [entry for entry in os.scandir(self._aside) if _TOKEN.fullmatch(entry.name)]
        except OSError:
            return 0
        unknown = {}
        for entry in there:
            if live(entry.name):
                continue
            since = unknown[entry.name] = self._unknown.get(entry.name, now)
            if now - since >= safety or _older(entry, wall - STALE):
                removed += self._remove(entry.name)
        self._unknown = unknown
        return removed

    def close(self) -> None:
        """Nothing is held open."""

    def _give(self, parcel: Parcel) -> Sent:
        """One file to its name. Refused: another file has it."""
        area = self._area()
        token, again = parcel.token, ""
        if not token.startswith(f"{area}-"):
            if token and not (self._aside / "replaced").exists():
                raise Unavailable(f"{self._place}: {_ANOTHER}", whole=True)
            token, again = self.stage(parcel), ", again" if token else ""
        name = f"{parcel.number:012d}-{parcel.key[:4].hex()}{parcel.suffix}"
        staged, final = self._aside / token, self._out / name
        for _ in range(3):
            try:
                self._hook("send.before-rename")
                rename_new(staged, final)
                self._hook("send.after-rename")
                return Sent(name + again)
            except FileNotFoundError:
                if self._area() == area and not os.path.lexists(staged):
                    return Sent(f"{name}, earlier")
            except FileExistsError:
                if _equal(staged, final):
                    self._remove(token)
                    return Sent(f"{name}, there already")
                if os.path.lexists(final):
                    reason = f"another file named {name} lies in the folder and is not overwritten"
                    raise Refused(f"{reason}: is another hub giving there?") from None
            except OSError as error:
                raise unavailable(error, self._place) from None
        raise Unavailable(f"{self._place}: it is being changed by somebody else just now", whole=True)

    def _area(self) -> str:
        """The id of `.hub`, which is made if the folder is there. Unavailable also when it is not the one it was."""
        try:
            try:
                found = (self._aside / "id").read_text("ascii")
            except FileNotFoundError:
                found = self._found_area()
        except OSError as error:
            raise unavailable(error, self._place) from None
        except UnicodeDecodeError:
            found = ""
        if not re.fullmatch(r"[0-9a-f]{8}", found):
            raise Unavailable(f"{self._place}: the file '.hub/id' in it is damaged: put back its copy", whole=True)
        if self._id not in ("", found) and not (self._aside / "replaced").exists():
            raise Unavailable(f"{self._place}: {_ANOTHER}", whole=True)
        self._id = found
        return found

    def _found_area(self) -> str:
        """Make `.hub` and its id; of two processes that do, the first decides."""
        self._aside.mkdir(mode=0o700, exist_ok=True)  # not the folder itself: its disk may not be mounted
        sync_folder(self._out)
        made = secrets.token_hex(4)
        spare = self._aside / f".id-{made}"
        self._write(spare, made.encode())
        try:
            rename_new(spare, self._aside / "id")
            sync_folder(self._aside)
        except FileExistsError:
            spare.unlink()
        return (self._aside / "id").read_text("ascii")

    def _write(self, path: Path, data: bytes) -> None:
        """A new file, whole and on disk, or none. OSError."""
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(opened, left) :]
            self._hook("stage.after-write")
            os.fchmod(opened, self._mode)
            os.fsync(opened)
        except OSError:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(opened)

    def _remove(self, token: str) -> bool:
        try:
            (self._aside / token).unlink()
        except OSError:
            return False
        return True


def _older(entry: os.DirEntry[str], moment: float) -> bool:
    try:
        return entry.stat(follow_symlinks=False).st_mtime < moment
    except OSError:
        return False


def _equal(staged: Path, final: Path) -> bool:
    """Whether the same bytes lie under both names; a file that its reader just took was not ours to compare."""
    try:
        return not final.is_symlink() and final.is_file() and filecmp.cmp(staged, final, shallow=False)
    except OSError:
        return False


__all__ = ["FolderOutlet"]
