"""`ics-hub keys`: make, rotate and retire the keys that everything kept is sealed under. No key is ever shown."""

from __future__ import annotations

import os
import tempfile
import time
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli.opened import CONFIG, HUB_TOML, JSON, opened, put, say
from hub.errors import DeclarationError, HubError

if TYPE_CHECKING:
    from hub.config import Settings

app = typer.Typer(help="The keys that everything kept is sealed under.", no_args_is_help=True)

ALL = 1 << 62
"""Rows sealed anew in one pass: as many as there are, some in a transaction."""
PASSES = 3
"""More find something only while a running hub still seals under another key."""


@app.command()
def new(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Default: as hub.toml says, or keys.toml.")
    ] = None,
    config: CONFIG = HUB_TOML,
    as_json: JSON = False,
) -> None:
    """Make a key file with one key. A file that is there is never overwritten."""
    from hub.doctor import key_file
    from hub.seal import new_ring

    place = file or key_file(config) or config.parent / "keys.toml"
    name = _fresh(())
    try:
        with open(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
            out.write(new_ring(name))
            out.flush()
            os.fsync(out.fileno())
    except FileExistsError:
        reason = "this file is there already, and what it sealed needs it: 'ics-hub keys rotate' adds a key to it"
        raise DeclarationError(reason, file=str(place)) from None
    except OSError as error:
        raise DeclarationError((error.strerror or "cannot be written").lower(), file=str(place)) from None
    _enter(config, "new key", name)
    _tell(as_json, {"file": str(place), "current": name}, f"{place} holds the key {name}. {_COPY}")


_COPY = "Keep a copy apart from the backups: without it nothing that is kept can be read."


@app.command()
def rotate(
    config: CONFIG = HUB_TOML,
    prepare: Annotated[
        bool, typer.Option("--prepare", help="Only add a key; the next rotate puts it in use. For several machines.")
    ] = False,
    as_json: JSON = False,
) -> None:
    """Seal what comes from now on under a new key. The old ones stay, for what was sealed under them."""
    from hub.config import load
    from hub.seal import new_key

    settings = load(config)
    place, told = _read(settings)
    names = list(told["keys"])
    waiting = names[names.index(told["current"]) + 1 :]
    if prepare and waiting:
        raise DeclarationError(f"the key {waiting[-1]} is prepared already: 'ics-hub keys rotate' puts it in use")
    name = waiting[-1] if waiting else _fresh(names)
    told["keys"].setdefault(name, new_key())
    told["current"] = told["current"] if prepare else name
    _enter(config, "prepare key" if prepare else "rotate key", name)
    _write(place, told)
    if prepare:
        said = f"the key {name} is in {place}: bring the file to every machine, restart every 'run', then rotate"
    else:
        said = f"the key {name} is in use once every 'run' is restarted with {place}; then say 'ics-hub keys reseal'"
    _tell(
        as_json,
        {"file": str(place), "current": told["current"], "prepared": name if prepare else ""},
        f"{said}. {_COPY}",
    )


@app.command(name="status")
def status(config: CONFIG = HUB_TOML, as_json: JSON = False) -> None:
    """Show the keys by name: which is in use, and which the store still needs."""
    from hub.cli.opened import console
    from hub.cli.show import grid

    with opened(config) as (settings, store):
        used = store.keys_in_use()
    ring = settings.ring
    names = sorted({*ring.names(), *filter(None, used)})
    told = [
        {"name": name, "current": name == ring.current, "held": name in ring.names(), "used": name in used}
        for name in names
    ]
    if as_json:
        put(told)
    else:
        rows = [(str(one["name"]), _role(one), "yes" if one["used"] else "no") for one in told]
        console().print(grid(rows, ("KEY", "ROLE", "USED BY THE STORE")) if rows else "nothing is encrypted")
    raise typer.Exit(1 if any(one["used"] and not one["held"] for one in told) else 0)


def _role(one: dict[str, Any]) -> str:
    if not one["held"]:
        return "missing"
    return "seals" if one["current"] else "opens only"


@app.command()
def reseal(
    config: CONFIG = HUB_TOML,
    restarted: Annotated[
        bool, typer.Option("--restarted", help="Every 'run' that works now was started with the key in use.")
    ] = False,
    as_json: JSON = False,
) -> None:
    """Seal all that is kept anew under the key in use. May be stopped and started again."""
    from hub.cli.operate import operator

    with opened(config) as (settings, store):
        if not settings.ring.encrypts:
            raise DeclarationError("nothing is encrypted: there is no key to seal with")
        if not restarted and any(one.left >= 0 for one in store.status().workers):
            reason = "a 'run' works, and could not read what is sealed under a key that it has not"
            raise DeclarationError(f"{reason}: restart each with today's key file, then say 'keys reseal --restarted'")
        store.audit(operator(), "reseal", settings.ring.current)
        for _ in range(PASSES):
            if store.reseal(settings.ring, ALL):
                break
        left = sorted(name for name in store.keys_in_use() if name and name != settings.ring.current)
    said = f"all that is kept is sealed under {settings.ring.current}"
    if left:
        said = f"some is still sealed under {', '.join(left)}: restart every 'run' with the new key, then reseal again"
    _tell(as_json, {"current": settings.ring.current, "left": left}, said)
    raise typer.Exit(1 if left else 0)


@app.command()
def retire(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A key that nothing is sealed under any more.")],
    config: CONFIG = HUB_TOML,
    as_json: JSON = False,
) -> None:
    """Take a key out of the key file, once neither the store nor a queue needs it."""
    from hub.cli.operate import operator

    with opened(config) as (settings, store):
        place, told = _read(settings)
        if name not in told["keys"]:
            raise DeclarationError(f"there is no key {name!r}; there are: {', '.join(told['keys'])}", file=str(place))
        if name == told["current"]:
            raise DeclarationError(f"the key {name} is in use: 'ics-hub keys rotate' puts another in its place")
        if name in store.keys_in_use():
            raise DeclarationError(f"the store has rows sealed under {name}: 'ics-hub keys reseal' seals them anew")
        _refuse_queued(settings)
        store.audit(operator(), "retire key", name)
    del told["keys"][name]
    _write(place, told)
    _tell(as_json, {"file": str(place), "retired": name}, f"the key {name} is no longer in {place}")


def _enter(config: Path, act: str, name: str) -> None:
    """Enter an act into the audit, if there is a store that these keys belong to."""
    from hub.cli.operate import operator

    with suppress(DeclarationError), opened(config) as (_, store):
        store.audit(operator(), act, name)


def _refuse_queued(settings: Settings) -> None:
    """What lies on a queue may be sealed under any key: it has to be empty."""
    from hub.queue import LOCAL, inspect

    if settings.queue == LOCAL:
        return
    facts = inspect(settings.queue, settings.targets)
    if facts.problem:
        raise HubError(f"whether a queue needs the key cannot be seen: {facts.problem}")
    full = [one.name for one in facts.queues.values() if one.ready]
    if full:
        raise DeclarationError(f"messages lie on {', '.join(full)}, maybe sealed under it: wait until they are sent")


def _fresh(names: Any) -> str:
    """A name for a new key: today's date, and a number if that is taken."""
    day = time.strftime("%Y-%m-%d")
    tried = (day if n == 1 else f"{day}-{n}" for n in range(1, len(names) + 3))
    return next(name for name in tried if name not in names)


def _read(settings: Settings) -> tuple[Path, dict[str, Any]]:
    """The key file and what it says; it was found good when the settings were loaded."""
    from hub.config.keys import VARIABLE
    from hub.doctor import key_file

    place = key_file(settings.file)
    if place is None:
        if not settings.ring.encrypts:
            raise DeclarationError("nothing is encrypted: there are no keys")
        raise DeclarationError(f"the keys come from the environment ({VARIABLE}), which only you can change")
    told = tomllib.loads(place.read_text("utf-8"))
    return place, {"naming": told["naming"], "current": told["current"], "keys": dict(told["keys"])}


def _write(place: Path, told: dict[str, Any]) -> None:
    """The key file as a whole: another stands there or the old one, never half of it, and nobody else may read it."""
    from hub.seal import Keyring

    lines = [f'naming = "{told["naming"]}"', f'current = "{_quoted(told["current"])}"', "", "[keys]"]
    lines += [f'"{_quoted(name)}" = "{key}"' for name, key in told["keys"].items()]
    text = "\n".join(lines) + "\n"
    Keyring.parse(text, file=str(place))
    real = place.resolve()
    owner = real.stat()
    try:
        number, beside = tempfile.mkstemp(prefix=".keys-", dir=real.parent)  # mode 600
        try:
            with open(number, "w", encoding="utf-8") as out:
                out.write(text)
                out.flush()
                if os.geteuid() == 0:
                    os.fchown(out.fileno(), owner.st_uid, owner.st_gid)
                os.fsync(out.fileno())
            os.replace(beside, real)
        except BaseException:
            os.unlink(beside)
            raise
        folder = os.open(real.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise DeclarationError((error.strerror or "cannot be written").lower(), file=str(place)) from None


def _quoted(name: str) -> str:
    return name.replace("\\", "\\\\").replace('"', '\\"')


def _tell(as_json: bool, told: dict[str, Any], said: str) -> None:
    if as_json:
        put(told)
    else:
        say(said)


__all__ = ["app"]
