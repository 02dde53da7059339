"""How hub.toml spells sizes, hours, rates and urls. What is wrong is a ValueError that tells no value of a url."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit

from hub.config.settings import DAY, Hours

_SIZES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SIZES |= {"KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40}
_SPANS = {"s": 1, "second": 1, "min": 60, "minute": 60, "h": 3600, "hour": 3600}
_VARIABLE = re.compile(r"\$\{([^}]*)\}")


def size(told: object) -> int:
    """Bytes, of `1000000` or "1 GB"."""
    if isinstance(told, int) and not isinstance(told, bool) and told >= 0:
        return told
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", told, re.ASCII) if isinstance(told, str) else None
    if match is None or match[2].upper() not in _SIZES:
        raise ValueError('this must be a size, as "1 GB", "500 MB" or "2 GiB"')
    return int(float(match[1]) * _SIZES[match[2].upper()])


def rate(told: object) -> float:
    """Records a second, of `10` or "600/min"."""
    if isinstance(told, int | float) and not isinstance(told, bool) and 0 < told < float("inf"):
        return float(told)
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*/\s*([a-z]+)\s*", told, re.ASCII) if isinstance(told, str) else None
    if match is None or match[2] not in _SPANS or not float(match[1]):
        raise ValueError('this must be records a second above 0, or as "600/min"')
    return float(match[1]) / _SPANS[match[2]]


def hours(told: object) -> Hours:
    """A window, of "20:00-06:00"; `24:00` is the end of the day."""
    match = (
        re.fullmatch(r"\s*(\d\d?):(\d\d)\s*-\s*(\d\d?):(\d\d)\s*", told, re.ASCII) if isinstance(told, str) else None
    )
    if match is None:
        raise ValueError('this must be two times of day, as "20:00-06:00"')
    first, last = int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])
    if int(match[2]) > 59 or int(match[4]) > 59 or first >= DAY or last > DAY:
        raise ValueError("there is no such time of day")
    if first == last % DAY and (first, last) != (0, DAY):
        raise ValueError("these hours begin and end at the same time; leave them out if it is always")
    return Hours(first, last)


def expand(told: str, environ: Mapping[str, str]) -> str:
    """A text with `${NAME}` replaced from the environment. KeyError: the name that is not set there."""
    return _VARIABLE.sub(lambda match: environ[match[1]], told)


def known(read: Callable[[str, Mapping[str, str]], str], told: str, environ: Mapping[str, str]) -> str:
    """What `expand` or `expand_url` makes of a text. ValueError: the environment lacks a name."""
    try:
        return read(told, environ)
    except KeyError as error:
        raise ValueError(f"the environment has no {error.args[0]!r}") from None


def expand_url(told: str, environ: Mapping[str, str]) -> str:
    """A url with `${NAME}` replaced; as user or password whatever signs it holds. KeyError: as `expand`."""
    head, sign, rest = told.partition("://")
    who, at, where = rest.rpartition("@")
    if not sign or not at:
        return expand(told, environ)
    quoted = _VARIABLE.sub(lambda match: quote(environ[match[1]], safe=""), who)
    return f"{expand(head, environ)}://{quoted}@{expand(where, environ)}"


def store_url(told: str, home: Path) -> str:
    """The url of a store, a SQLite file's path made absolute."""
    if told.startswith("sqlite:"):
        path = told.removeprefix("sqlite:///")
        if path == told or not path or path.startswith(":") or path.endswith("/"):
            raise ValueError('a SQLite store is a file, as "sqlite:///hub.db" beside hub.toml')
        whole = home / path
        if not whole.parent.is_dir():
            raise ValueError("there is no folder for the SQLite file: make it")
        if whole.is_dir():
            raise ValueError("the SQLite file is a folder")
        return f"sqlite:///{whole}"
    split = _split(told, "postgresql")
    if not split or not split.strip("/"):
        raise ValueError('the store must be "sqlite:///hub.db" or "postgresql://user@host/database"')
    return told


def queue_url(told: str) -> str:
    """`local`, or the url of a broker."""
    if told != "local" and _split(told, "amqp", "amqps") is None:
        raise ValueError('the queue must be "local", or "amqps://user@host"')
    return told


def plain_host(url: str) -> str:
    """The host that a broker's url reaches over the network without TLS, or ""."""
    split = urlsplit(url)
    return split.hostname or "" if split.scheme == "amqp" and not local(url) else ""


def local(url: str) -> bool:
    """Whether a url leads to this machine itself."""
    return (urlsplit(url).hostname or "localhost") in ("localhost", "127.0.0.1", "::1")


def _split(told: str, *schemes: str) -> str | None:
    """The path of a url of one of these schemes with a host; None for anything else."""
    try:
        split = urlsplit(told)
        named = split.scheme in schemes and bool(split.hostname or split.scheme == "postgresql") and split.port != 0
    except ValueError:
        return None
    return split.path or "/" if named else None


__all__ = ["expand", "expand_url", "hours", "known", "local", "plain_host", "queue_url", "rate", "size", "store_url"]
