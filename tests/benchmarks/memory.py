"""The peak memory of a process that translates a census file and writes JSON lines to nowhere: `python -m … FILE`.

Without a file: that of the same program with its mapping loaded and nothing read.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
from pathlib import Path


def peak(*files: Path) -> float:
    """MB at the most, of a process of its own."""
    command = [sys.executable, "-m", __name__, *map(str, files)]
    return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def _most() -> float:
    """MB this process has held. Linux counts what the parent held into ru_maxrss: its own count is better."""
    status = Path("/proc/self/status")
    if status.exists() and (found := re.search(r"VmHWM:\s+(\d+) kB", status.read_text())):
        return int(found[1]) / 1024
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _main(files: list[str]) -> None:
    from tests.benchmarks import hub

    for file in files:
        with open(os.devnull, "wb") as out:
            for line in hub.to_json(Path(file)):
                out.write(line)
    print(_most())


if __name__ == "__main__":
    _main(sys.argv[1:])
