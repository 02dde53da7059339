"""hub.toml read and checked: what the tables say, whether it fits together, and what is worth a note."""

from __future__ import annotations

import os
import re
import shutil
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from hub import adapter as adapters
from hub import connect
from hub.adapter import Adapter
from hub.config import keys, locate, values
from hub.config.settings import Limits, LinkSettings, Notify, Route, Settings
from hub.config.table import Faults, Table, choice, command, flag, seconds, text, texts, whole
from hub.connect import Connection
from hub.errors import DeclarationError

_NAME = re.compile(r"[a-z0-9_-]{1,40}")


class _Place(NamedTuple):
    """What paths and `${NAME}` are read against."""

    home: Path
    environ: Mapping[str, str]

    def url(self, read: Callable[[str], str]) -> Callable[[Any], str]:
        """A reader of urls."""
        return lambda told: read(self._known(values.expand_url, text(told)))

    def deep(self, told: Any) -> Any:
        """A value of a connection, every text in it expanded. ValueError: the environment lacks a name."""
        if isinstance(told, dict):
            return {key: self.deep(one) for key, one in told.items()}
        if isinstance(told, list):
            return [self.deep(one) for one in told]
        return self._known(values.expand, told) if isinstance(told, str) else told

    def head(self, told: Any) -> dict[str, Any]:
        """A table of texts, lists and tables, every text expanded. ValueError for anything else."""
        if not isinstance(told, dict) or not _is_tree(told):
            raise ValueError("this must be a table of texts, lists and tables")
        return {key: self.deep(one) for key, one in told.items()}

    def _known(self, expand: Callable[[str, Mapping[str, str]], str], told: str) -> str:
        return values.known(expand, told, self.environ)


def _is_tree(told: Any) -> bool:
    inner = told.values() if isinstance(told, dict) else told if isinstance(told, list) else None
    return isinstance(told, str) if inner is None else all(map(_is_tree, inner))


def load(path: str | os.PathLike[str], environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of a hub.toml. DeclarationError: its text has one line for each mistake, in the file's order.

    environ: for `${NAME}` and the keys; the process's own if nothing is given. Connections are not opened: a folder
    that is not there yet is no mistake.
    """
    label, file = os.fspath(path), Path(path).absolute()
    told, lines = _parse(label, file)
    faults = Faults(label, lines)
    place = _Place(file.parent, os.environ if environ is None else environ)
    top = Table(told, (), faults)
    hub = top.table("hub")
    store = hub.take(
        "store", place.url(lambda url: values.store_url(url, place.home)), f"sqlite:///{place.home}/hub.db"
    )
    queue = hub.take("queue", place.url(values.queue_url), "local")
    ring = keys.ring(hub, place.home, place.environ)
    processes = hub.take("processes", whole(1, 2), 1)
    if processes > 1 and queue != "local":
        hub.wrong("processes", "with RabbitMQ, start 'ics-hub run' as often as you like instead")
    hub.close()
    links = _links(top.table("links"), place)
    routes = _routes(top.tables("routes"), links)
    limits, notify = _limits(top.table("limits")), _notify(top.table("notify"), place.home)
    top.close()
    faults.raise_any()
    if ring is None:
        raise DeclarationError("there are no keys", file=label)
    whole_links = {name: link for name, link in links.items() if link is not None}
    made = Settings(file, store, queue, ring, whole_links, routes, limits, notify, processes)
    return replace(made, notes=tuple(_notes(made)))


def _parse(label: str, file: Path) -> tuple[dict[str, Any], Mapping[locate.Path, int]]:
    """The tables of the file, and where everything in it stands."""
    try:
        written = file.read_bytes().decode("utf-8-sig")
        return tomllib.loads(written), locate.lines(written)
    except OSError as error:
        raise DeclarationError((error.strerror or "cannot be read").lower(), file=label) from None
    except UnicodeDecodeError:
        raise DeclarationError("this is not UTF-8 text", file=label) from None
    except tomllib.TOMLDecodeError as error:
        match = re.search(r" \(at line (\d+), column \d+\)| \(at end of document\)", str(error))
        where = f"line {match[1]}" if match and match[1] else "at its end"
        reason = str(error)[: match.start()] if match else "it cannot be read"
        raise DeclarationError(f"this is not TOML: {reason}", file=label, place=where) from None


def _links(table: Table, place: _Place) -> dict[str, LinkSettings | None]:
    """All links by name; None for one whose connection or adapter is a mistake."""
    found: dict[str, LinkSettings | None] = {}
    for name in table.told:
        link = table.table(name)
        if not _NAME.fullmatch(name):
            table.wrong(name, "a link's name has 1 to 40 of a-z, 0-9, _ and -")
        found[name] = _link(name, link, place)
        link.close()
    _separate(table, [link for link in found.values() if link])
    return found


def _link(name: str, table: Table, place: _Place) -> LinkSettings | None:
    """One link; None when its connection or adapter is a mistake."""
    for key in ("adapter", "connection"):
        if key not in table.told:
            table.wrong("", f"this link has no '{key}'")
    adapter = table.take("adapter", _adapter, None)
    batch = table.take("batch", whole(1, 10_000), 100)
    overlays: list[str] = table.take("overlays", texts, [])
    for one in overlays:
        if not (place.home / one).is_dir():
            table.wrong("overlays", f"there is no folder {one!r} beside hub.toml")
    connection = _connection(name, table, place, adapter, batch)
    made = LinkSettings(
        name=name,
        adapter=adapter.name if adapter else "",
        connection=connection or Connection(name, ""),
        overlays=tuple(place.home / one for one in overlays),
        park=table.take("bad", choice("keep", "park"), "keep") == "park",
        poll=table.take("poll", seconds(0.05, 86_400), 1.0),
        rate=table.take("rate", values.rate, None),
        hours=table.take("hours", values.hours, None),
        at_once=table.take("at_once", whole(1, 1000), None),
        attempts=table.take("attempts", whole(1, 1000), 8),
        batch=batch,
        edition=table.take("edition", choice(*adapter.editions) if adapter else text, ""),
        head=table.take("head", place.head, {}),
        strict=table.take("strict", flag, False),
    )
    return made if adapter and connection else None


def _adapter(told: Any) -> Adapter | None:
    """The adapter of that name. ValueError: there is none, or its code cannot be imported."""
    name = text(told)
    try:
        return adapters.find(name)
    except DeclarationError as error:
        raise ValueError(error.reason) from None


def _connection(name: str, table: Table, place: _Place, adapter: Adapter | None, batch: int) -> Connection | None:
    """How a link is reached; None when that is a mistake, which is noted."""
    told = table.table("connection")
    if not told.told:
        if table.told.get("connection") == {}:
            table.wrong("connection", "this says nothing: name a 'kind'")
        return None
    settings = {}
    for key in told.told:
        value = told.take(key, place.deep, None)
        if key != "kind":
            settings[key] = value
    if "kind" not in told.told:
        told.wrong("", f"this connection has no 'kind': {' or '.join(connect.WAYS)}, or a class by its dotted path")
        return None
    records = min(batch, adapter.limit or batch) if adapter else batch
    tables = adapter is not None and not adapter.suffix
    made = Connection(name, told.take("kind", text, ""), settings, place.home, records, tables)
    if not made.kind or any(value is None for value in settings.values()):
        return None
    found = connect.faults(made)
    for fault in found:
        told.wrong(fault.key, fault.reason)
    return None if found else made


def _separate(table: Table, links: list[LinkSettings]) -> None:
    """Two ways may not use the same thing: one would take, or tidy away, what is the other's."""
    used: dict[str, str] = {}
    for link in links:
        for key, thing in connect.occupies(link.connection).items():
            here = f"links.{link.name}.connection.{key}"
            if thing in used:
                Table({}, (*table.path, link.name, "connection"), table.faults).wrong(
                    key, f"{used[thing]} is the same place: each way needs one of its own"
                )
            used.setdefault(thing, here)


def _routes(tables: list[Table], links: Mapping[str, LinkSettings | None]) -> tuple[Route, ...]:
    """The routes, one a source, in the order of the file."""
    joined: dict[str, dict[str, None]] = {}
    for table in tables:
        for key in ("from", "to"):
            if key not in table.told:
                table.wrong("", f"this route has no '{key}'")
        source = table.take("from", text, "")
        targets: list[str] = table.take("to", texts, [])
        table.close()
        if source:
            _check_link(table, "from", source, links)
        known = joined.setdefault(source, {})
        for target in targets:
            _check_link(table, "to", target, links)
            if target == source:
                table.wrong("to", f"{target!r} is where this route comes from: a link is not sent its own records")
            elif target in known:
                table.wrong("to", f"the route from {source!r} to {target!r} stands twice")
            known[target] = None
    return tuple(Route(source, tuple(targets)) for source, targets in joined.items())


def _check_link(table: Table, key: str, name: str, links: Mapping[str, LinkSettings | None]) -> None:
    """Whether a route's link is there and goes that way."""
    if name not in links:
        table.wrong(key, f"there is no link {name!r}; there are: {', '.join(links) or 'none'}")
        return
    link = links[name]
    if link is None:  # its own mistakes are said
        return
    kind = link.connection.kind if link.connection.kind in connect.WAYS else "folder"
    if key == "from" and not connect.fetches(link.connection):
        table.wrong(key, f"nothing can be fetched from {name!r}: its connection has no {connect.WAYS[kind][0]!r}")
    if key == "to" and not connect.sends(link.connection):
        table.wrong(key, f"nothing can be sent to {name!r}: its connection has no {connect.WAYS[kind][1]!r}")


def _limits(table: Table) -> Limits:
    """When fetching stops."""
    usual = Limits()
    made = Limits(
        open=table.take("open", whole(1, 1_000_000_000), usual.open), disk=table.take("disk", values.size, usual.disk)
    )
    table.close()
    return made


def _notify(table: Table, home: Path) -> Notify:
    """What runs for a new cause: a program that is there."""
    told: tuple[str, ...] = table.take("command", command, ())
    if told and "/" in told[0]:
        told = (str(home / told[0]), *told[1:])
    if told and not shutil.which(told[0]):
        table.wrong("command", "there is no such program, or it may not be run")
    table.close()
    return Notify(told)


def _notes(made: Settings) -> list[str]:
    """What is allowed and worth saying."""
    found = []
    if not made.ring.encrypts:
        found.append("encrypt = false: records are kept and queued as they are")
    if made.store.startswith("postgresql:") and made.queue == "local":
        found.append("queue = \"local\": one 'ics-hub run' only; several need RabbitMQ")
    if made.store.startswith("sqlite:") and made.queue != "local":
        found.append("a SQLite store: one 'ics-hub run' only; several need PostgreSQL")
    if values.plain_host(made.queue):
        found.append("the queue is reached over the network without TLS: use amqps://")
    if not made.routes:
        found.append("there are no [[routes]]: nothing is carried")
    found += [f"links.{name}: {note}" for name, link in made.links.items() for note in connect.notes(link.connection)]
    routed = {*made.sources, *made.targets}
    found += [f"links.{name} stands in no route" for name in made.links if name not in routed]
    return found


__all__ = ["load"]
