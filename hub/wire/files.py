"""Where the files that ship with the hub lie: mapping files, code tables and schemas.

A wheel carries them inside the package (`hub/_data/`); in a source checkout they are at the top of the tree.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from hub.errors import DeclarationError


@cache
def shipped_root() -> Path:
    """The folder that holds `mappings/` and `schemas/`: that of the wheel, else that of the checkout."""
    package = Path(__file__).resolve().parent.parent
    for root in (package / "_data", package.parent):
        if (root / "mappings").is_dir() and (root / "schemas").is_dir():
            return root
    raise DeclarationError("the installation has no mappings and schemas beside it; install ics-hub again")


@cache
def shipped(path: str) -> bytes:
    """The bytes of a file that ships with the hub, by its path from the top: `schemas/contactpoint.xsd`."""
    try:
        return (shipped_root() / path).read_bytes()
    except OSError:
        raise DeclarationError("the installation lacks this file; install ics-hub again", file=path) from None
