"""Run by the Python of the peer `bridge`: what hl7v2-fhir-bridge makes of HL7 v2 files, which stand one a line on
standard input. A line of JSON each: the file, its transactions, and how many of its messages it refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main() -> None:
    """Convert every file."""
    from v2fhir.config import default_config_path, load_config  # type: ignore[import-not-found]
    from v2fhir.convert import convert  # type: ignore[import-not-found]
    from v2fhir.errors import HL7Error  # type: ignore[import-not-found]
    from v2fhir.hl7.parser import parse_bytes, split_batch_bytes  # type: ignore[import-not-found]

    config = load_config(default_config_path(), {})
    for file in sys.stdin.read().splitlines():
        bundles, refused = [], 0
        for message in split_batch_bytes(Path(file).read_bytes()):
            try:
                bundles.append(convert(parse_bytes(message, "utf-8", []), config, None).bundle)
            except HL7Error:
                refused += 1
        sys.stdout.write(json.dumps([file, bundles, refused]) + "\n")


if __name__ == "__main__":
    main()
