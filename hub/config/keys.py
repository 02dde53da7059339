"""The keys that hub.toml names: from the environment, or from a file that nobody else may read."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from hub.config.table import Table, flag, text
from hub.config.values import expand, known
from hub.errors import DeclarationError
from hub.seal import Keyring

VARIABLE = "ICS_HUB_KEYS"
"""Of the environment: the text of a key file. It goes before the file that hub.toml names."""
_NO_KEYS = "there is no key to seal with: make one with 'ics-hub keys new', or say 'encrypt = false'"
_BOTH = "'encrypt = false' stands there, and so do sealing keys: strike one of them"


def plain_ring() -> Keyring:
    """The ring of a hub that encrypts nothing and has no keys: its ids can be reversed by whoever reads this."""
    return Keyring(hashlib.sha256(b"ics-hub: nothing is encrypted").digest())


def ring(hub: Table, home: Path, environ: Mapping[str, str]) -> Keyring | None:
    """The keys in force; None when they are a mistake, which is noted."""
    encrypt = hub.take("encrypt", flag, True)
    file = hub.take("keys", lambda told: known(expand, text(told), environ), "")
    try:
        found = _parsed(file, home, environ)
    except DeclarationError as error:
        hub.wrong("keys", str(error))
        return None
    if encrypt and (found is None or not found.encrypts):
        if "keys" not in hub.told or found is not None:  # else it was not even text, which is said
            hub.wrong("keys" if found is not None else "", _NO_KEYS)
        return None
    if not encrypt and found is not None and found.encrypts:
        hub.wrong("encrypt", _BOTH)
        return None
    return found or plain_ring()


def _parsed(file: str, home: Path, environ: Mapping[str, str]) -> Keyring | None:
    """The ring of the environment or of the file; None where neither is told. DeclarationError names it."""
    if environ.get(VARIABLE, "").strip():
        return Keyring.parse(environ[VARIABLE], file=VARIABLE)
    if not file:
        return None
    path = home / file
    try:
        with open(path, encoding="utf-8") as opened:
            mode = stat.S_IMODE(os.fstat(opened.fileno()).st_mode)
            if mode & 0o027:
                reason = f"others may read or write this key file (mode {mode:03o}): run 'chmod 600' on it"
                raise DeclarationError(reason, file=file)
            return Keyring.parse(opened.read(), file=file)
    except FileNotFoundError:
        reason = (
            "there is no such key file: make it with 'ics-hub keys new' (where there is a store already, put it back "
            "from its copy), or say 'encrypt = false'"
        )
        raise DeclarationError(reason, file=file) from None
    except UnicodeDecodeError:
        raise DeclarationError("this is no key file", file=file) from None
    except OSError as error:
        reason = f"the key file cannot be read ({os.strerror(error.errno or 0).lower()})"
        raise DeclarationError(reason, file=file) from None


__all__ = ["VARIABLE", "plain_ring", "ring"]
