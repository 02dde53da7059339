"""The other side of a folder, as a program of its own: takes files away while the hub puts them there.

    python -m tests.faults.taker FOLDER LOG

Name and bytes are in a synced log before the file is removed, in the order of the names.
"""

from __future__ import annotations

import base64
import random
import sys
import time
from pathlib import Path

from tests.faults.logs import Log, follow_parent


def take(folder: Path, log: Log) -> int:
    """Everything there is, once."""
    found = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    for path in found:
        log.add(at=time.time(), name=path.name, data=base64.b64encode(path.read_bytes()).decode())
        path.unlink()
    return len(found)


def main() -> None:
    follow_parent()
    folder, log = Path(sys.argv[1]), Log(Path(sys.argv[2]))
    while True:
        if not take(folder, log):
            time.sleep(random.uniform(0.002, 0.05))


if __name__ == "__main__":
    main()
