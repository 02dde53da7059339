"""Logs of JSON lines that are on disk before anything else happens, and what follows its parent's end."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1


def follow_parent() -> None:
    """Be killed when the process that started this one is gone."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Log:
    """Lines appended by several processes at once; each is synced before `add` returns."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._lock = threading.Lock()

    def add(self, **said: Any) -> None:
        data = (json.dumps(said) + "\n").encode()
        with self._lock:
            os.write(self._file, data)
            os.fdatasync(self._file)


def lines(path: Path) -> list[dict[str, Any]]:
    """What a log says; a last line that was not finished is left out."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
