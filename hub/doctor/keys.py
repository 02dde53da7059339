"""Checks of the keys: their file, whether the ring holds what the store was sealed with, whether a sample opens."""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Iterable
from pathlib import Path

from hub.config import Settings
from hub.config.keys import VARIABLE
from hub.config.values import expand, known
from hub.doctor.result import Result, fail, ok, warn
from hub.errors import DeclarationError
from hub.message import Message
from hub.seal import Keyring, SealError


def key_file(config: Path) -> Path | None:
    """The key file that a hub.toml names; None when it names none, or the keys come from the environment.

    DeclarationError when the environment lacks a name that stands in it.
    """
    if os.environ.get(VARIABLE, "").strip():
        return None
    try:
        told = tomllib.loads(config.read_text("utf-8-sig")).get("hub", {}).get("keys", "")
    except (OSError, ValueError, AttributeError):
        return None
    if not isinstance(told, str) or not told:
        return None
    try:
        return config.parent / known(expand, told, os.environ)
    except ValueError as error:
        raise DeclarationError(f"hub.keys: {error}", file=str(config)) from None


def key_place(settings: Settings) -> Result:
    """Where the keys are, and who else may read them. A file that everybody may read is refused when it is loaded."""
    if not settings.ring.encrypts:
        return warn("keys", "nothing is encrypted (encrypt = false)", "make keys with 'ics-hub keys new'")
    file = key_file(settings.file)
    if file is None:
        return ok("keys", f"from the environment ({VARIABLE}); in use: {settings.ring.current}")
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & 0o077:
        return warn("keys", f"others of its group may read {file.name} (mode {mode:03o})", "run 'chmod 600' on it")
    return ok("keys", f"{file.name}, mode {mode:03o}; in use: {settings.ring.current}")


def ring(held: Keyring, used: Iterable[str]) -> Result:
    """Whether every key that the store was sealed with is there. used: their names, "" for what is not sealed."""
    names = sorted({name for name in used if name})
    missing = [name for name in names if name not in held.names()]
    if missing:
        todo = "put the key back from its copy; without it what it sealed can never be read"
        return fail("key ring", f"the store uses keys that are not there: {', '.join(missing)}", todo)
    if held.encrypts and "" in set(used):
        todo = "it was kept with 'encrypt = false' and is refused now: start with an empty store"
        return fail("key ring", "the store holds what is not sealed", todo)
    return ok("key ring", f"holds every key that the store uses ({len(names)})")


def sample(held: Keyring, message: Message | None) -> Result:
    """Whether the newest record opens. message: None when there is none yet."""
    if message is None:
        return ok("sealed sample", "nothing is kept yet")
    try:
        message.body(held)
    except SealError as error:
        todo = "this is another hub's key of the same name, or the store was changed: use the keys it was made with"
        return fail("sealed sample", f"message {message.number} does not open: {error}", todo)
    return ok("sealed sample", f"message {message.number} opens")


__all__ = ["key_file", "key_place", "ring", "sample"]
