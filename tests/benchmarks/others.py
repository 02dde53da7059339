"""The other ways of doing the census mapping: the least any program must do, XSLT by two engines, jsonata in node."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
from lxml import etree

from tests.benchmarks import handwritten

HERE = Path(__file__).parent
_LISTS = (
    "upn_unknown",
    "sex",
    "gender",
    "ethnicity",
    "disability",
    "referral_source",
    "primary_need",
    "closure_reason",
    "assessment_factor",
    "abuse_category",
)
JSONATA = "jsonata@2.2.2"


def limit(path: Path, ready: list[Any]) -> int:
    """Parse every child and encode a record that stands ready; how many bytes it was."""
    size = 0
    events = etree.iterparse(str(path), tag="Child", remove_comments=True, remove_pis=True, resolve_entities=False)
    for (_, element), record in zip(events, ready, strict=True):
        size += len(orjson.dumps(record))
        element.clear()
        while element.getprevious() is not None:
            del element.getparent()[0]
    return size


def libxslt(path: Path) -> Callable[[], bytes]:
    """A run of libxslt (XSLT 1.0) over the whole file; the stylesheet is compiled once."""
    sheet = etree.XSLT(etree.XML(_sheet("1.0").encode()), access_control=etree.XSLTAccessControl.DENY_ALL)
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    return lambda: bytes(sheet(etree.parse(str(path), parser)))


def saxon(path: Path) -> Callable[[], bytes]:
    """A run of Saxon-HE (XSLT 3.0) over the whole file; the stylesheet is compiled once."""
    from saxonche import PySaxonProcessor

    processor = PySaxonProcessor(license=False)
    sheet = processor.new_xslt30_processor().compile_stylesheet(stylesheet_text=_sheet("3.0"))
    return lambda: str(sheet.transform_to_string(source_file=str(path))).encode()


def _sheet(version: str) -> str:
    text = (HERE / "census.xsl").read_text(encoding="utf-8").replace("VERSION", version)
    return re.sub(r"CODES:(\w+)", lambda found: " ".join(handwritten.codes(found[1])), text)


class Node:
    """jsonata in a node process that stays up between rounds. RuntimeError says why it cannot run here."""

    def __init__(self, trees: Path, as_of: str, home: Path) -> None:
        node, npm = shutil.which("node"), shutil.which("npm")
        if node is None or npm is None:
            raise RuntimeError("jsonata is left out: node and npm are not installed here")
        self.output = trees.with_suffix(".out")
        _install(npm, home)
        codes = trees.with_suffix(".codes.json")
        codes.write_text(json.dumps({name: handwritten.codes(name) for name in _LISTS}), encoding="utf-8")
        given = [trees, HERE / "census.jsonata", self.output, codes, as_of]
        command = [node, str(HERE / "census.mjs"), *map(str, given)]
        self._process = subprocess.Popen(command, cwd=home, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, children: int) -> float:
        """Translate the first so many trees; seconds, of processor time, by node's own count."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(children, file=self._process.stdin, flush=True)
        return float(self._process.stdout.readline())

    def lines(self) -> Iterator[bytes]:
        """The records of the first run."""
        yield from self.output.read_bytes().splitlines()

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def _install(npm: str, home: Path) -> None:
    """jsonata in a folder of its own, once."""
    home.mkdir(parents=True, exist_ok=True)
    if (home / "node_modules" / "jsonata").is_dir():
        return
    (home / "package.json").write_text(json.dumps({"name": "bench", "private": True}), encoding="utf-8")
    command = [npm, "install", "--silent", "--no-audit", "--no-fund", JSONATA]
    environment = {**os.environ, "CI": "1"}
    done = subprocess.run(command, check=False, cwd=home, env=environment, capture_output=True, timeout=120)
    if done.returncode:
        raise RuntimeError(f"jsonata is left out: npm could not install {JSONATA}")
