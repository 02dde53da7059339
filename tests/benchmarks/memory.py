"""The peak memory of a process that translates a census file and writes JSON lines to nowhere: `python -m … FILE`.

Without a file: that of the same program with its mapping loaded and nothing read. With `--processes N`, it is shared.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path


def peak(*files: Path) -> float:
    """MB at the most, of a process of its own."""
    command = [sys.executable, "-m", __name__, *map(str, files)]
    return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def peak_of(file: Path, processes: int) -> float:
    """MB at the most of a process and of those that share its work, together: what several of them share is counted
    once (PSS, looked at every few milliseconds; Linux)."""
    command = [sys.executable, "-m", __name__, "--processes", str(processes), str(file)]
    most = 0.0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            most = max(most, sum(map(_held, [process.pid, *_below(process.pid)])))
            time.sleep(0.01)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return most


def _below(pid: int) -> list[int]:
    try:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _held(pid: int) -> float:
    try:
        said = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    except OSError:  # it has just ended
        return 0.0
    return int(said[1]) / 1024 if said else 0.0


def _most() -> float:
    """MB this process has held. Linux counts what the parent held into ru_maxrss: its own count is better."""
    status = Path("/proc/self/status")
    if status.exists() and (found := re.search(r"VmHWM:\s+(\d+) kB", status.read_text())):
        return int(found[1]) / 1024
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _main(files: list[str]) -> None:
    from tests.benchmarks import hub

    processes = 1
    if files[:1] == ["--processes"]:
        processes, files = int(files[1]), files[2:]
    for file in files:
        with open(os.devnull, "wb") as out:
            for line in hub.translate(Path(file), processes):
                out.write(line)
    print(_most())


if __name__ == "__main__":
    _main(sys.argv[1:])
