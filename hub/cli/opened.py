"""What the operator's commands share: their options, the hub's file and store opened, times and JSON put into words."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli.running import CONFIG

if TYPE_CHECKING:
    from rich.console import Console

    from hub.config import Settings
    from hub.store import Store

HUB_TOML = Path("hub.toml")
"""The hub's file where nobody names another."""
JSON = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]
WIDE = 110
"""Columns where the output is no terminal."""
_SPANS = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))


@contextmanager
def opened(config: Path) -> Iterator[tuple[Settings, Store]]:
    """The hub's settings and its store, closed in the end. StoreDown: it cannot be asked."""
    from hub.config import load
    from hub.store import Store

    settings = load(config)
    store = Store.open(settings.store, settings.ring)
    try:
        yield settings, store
    finally:
        store.close()


def console() -> Console:
    """For tables on stdout: as wide as the terminal, else WIDE or what COLUMNS says."""
    import os

    from rich.console import Console

    given = os.environ.get("COLUMNS", "")
    width = None if sys.stdout.isatty() else int(given) if given.isdecimal() and int(given) >= 40 else WIDE
    return Console(width=width, highlight=False, soft_wrap=False)


def say(text: str) -> None:
    """A line of prose, on stderr."""
    sys.stderr.write(f"{text}\n")


def put(value: Any) -> None:
    """A value as JSON on stdout. Names of 16 bytes are in hex."""
    import msgspec

    def other(one: Any) -> Any:
        return one.hex() if isinstance(one, bytes) else str(one)

    plain = msgspec.to_builtins(value, builtin_types=(bytes,))
    plain = _plain(plain)
    typer.echo(msgspec.json.format(msgspec.json.encode(plain, enc_hook=other), indent=2).decode())


def _plain(value: Any) -> Any:
    """The same with bytes in hex."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def many(count: int, word: str) -> str:
    """`1 message`, `2,000 messages`."""
    plural = {"child": "children", "crash": "crashes", "entry": "entries"}.get(word, f"{word}s")
    return f"{count:,} {word if count == 1 else plural}"


def span(seconds: float | None) -> str:
    """A length of time, short: `3 d`, `20 min`; "" of None."""
    if seconds is None:
        return ""
    for name, size in _SPANS:
        if seconds >= size:
            return f"{seconds / size:.0f} {name}"
    return "0 s"


def moment(at: float | None) -> str:
    """A moment by this machine's clock and time zone; "" of None."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at)) if at is not None else ""


__all__ = ["CONFIG", "HUB_TOML", "JSON", "console", "many", "moment", "opened", "put", "say", "span"]
