"""What connections need of a file system: a rename that overwrites nothing, folders synced, names made plain."""

from __future__ import annotations

import ctypes
import errno
import os
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

from hub.errors import Unavailable

FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota is used up",
    errno.EFBIG: "a file may not be so large",
}
"""No room: nothing can be written until somebody makes some."""
LONGEST = 160
"""Most bytes of a stranger's file name that are kept: with what we put before it, it stays under the 255 of a name."""
_NETWORK = re.compile(
    r"nfs\d?|cifs|smb\w*|ncpfs|afs|9p|ceph|glusterfs|lustre|gpfs|beegfs|davfs|virtiofs|vboxsf|prl_fs|drvfs|"
    r"fuse\.(?!portal|fuse-overlayfs|bindfs|mergerfs).+"
)
_AT_FDCWD, _NOREPLACE = -100, 1


@cache
def _renameat2() -> Callable[..., int] | None:
    """The system call that renames and never overwrites, in one step; None where the C library lacks it."""
    try:
        found = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return None
    found.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
    found.restype = ctypes.c_int
    made: Callable[..., int] = found
    return made


def rename_new(old: Path, new: Path) -> None:
    """Rename in one step; FileExistsError when `new` is there. FileNotFoundError: somebody was faster.

    Not link and unlink: killed between them, the file would lie under both names, and be sent again once it was taken
    away. Where the file system cannot refuse (some network ones) it is looked first: names there are ours alone.
    """
    call = _renameat2()
    if call is not None:
        if call(_AT_FDCWD, os.fsencode(old), _AT_FDCWD, os.fsencode(new), _NOREPLACE) == 0:
            return
        number = ctypes.get_errno()
        if number not in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
            raise OSError(number, os.strerror(number))
    if os.path.lexists(new):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    os.rename(old, new)


def sync_folder(folder: Path) -> None:
    """What was renamed, made or removed in a folder is on disk."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot sync a folder, and need not
            raise
    finally:
        os.close(opened)


def plain(name: str) -> str:
    """A stranger's file name without anything that is not printable text, its end kept where it is too long."""
    text = os.fsencode(name).decode("utf-8", "replace").replace("\ufffd", "_")
    text = "".join(sign if sign.isprintable() and sign not in '/\\:"' else "_" for sign in text)
    return text.encode()[-LONGEST:].decode("utf-8", "ignore")


def network(folder: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str:
    """The network file system that a folder lies on (`nfs4`), or "" when it lies on a disk of this machine."""
    try:
        told = mounts.read_text("utf-8", "surrogateescape").splitlines()
        where = folder.resolve()
    except OSError:
        return ""
    depth, found = -1, ""
    for line in told:
        before, _, after = line.partition(" - ")
        point = Path(re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), before.split(" ")[4]))
        if where.is_relative_to(point) and len(point.parts) >= depth:  # a later line covers an earlier one
            depth, found = len(point.parts), after.split(" ")[0]
    return found if _NETWORK.fullmatch(found) else ""


def unavailable(error: OSError, place: str) -> Unavailable:
    """The one clear line for what a file system would not do; it is the whole link's trouble. place: of ours."""
    number = error.errno or 0
    if number in FULL:
        reason = f"{FULL[number]}: make room"
    elif number in (errno.ENOENT, errno.ENOTDIR):
        reason = "there is no such folder: make it, or mount its disk"
    elif number in (errno.EACCES, errno.EPERM):
        reason = "the hub's user may not write there: give it the right to"
    elif number == errno.EROFS:
        reason = "it may only be read: mount it for writing"
    elif number == errno.EXDEV:
        reason = "a folder of ours inside it lies on another file system: they must be one"
    else:
        reason = (os.strerror(number) if number else type(error).__name__).lower()
    return Unavailable(f"{place}: {reason}", whole=True)


__all__ = ["network", "plain", "rename_new", "sync_folder", "unavailable"]
