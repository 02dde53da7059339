"""The start of an XML document: its encoding, and that no DOCTYPE stands before the root; seen before any parser."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO

from hub.errors import RecordError

LAYOUT = " \t\r\n"

MARK = "\ufdd0"
"""Stands where bytes could not be decoded: no document has this character, which Unicode keeps for such uses."""

_CHUNK = 1 << 16
_ENCODINGS = frozenset(["utf-8", "utf-16-le", "utf-16-be", "ascii", "iso8859-1", "iso8859-15", "cp1252"])
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_DECLARED = re.compile(rb"<\?xml[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._-]+)")
_MISC = re.compile(rb"(?:[ \t\r\n]+|<\?.*?\?>|<!--.*?-->)*", re.S)
_ROOT = re.compile(rb"<(?:[^\s<>/!?:]+:)?([^\s<>/!?:]+)")


def utf8(stream: BinaryIO, root: str, label: str) -> Iterator[bytes]:
    """The document in UTF-8, in chunks, once its prolog is known to be harmless and its root the right one."""
    start = stream.read(_CHUNK)
    if not start:
        raise RecordError("the file is empty", file=label)
    encoding, start = _encoding(start, label)
    prolog: bytes | None = b""
    for chunk in _decoded(chain([start], iter(lambda: stream.read(_CHUNK), b"")), encoding):
        if prolog is None:
            yield chunk
            continue
        prolog += chunk
        if _harmless(prolog, root, label):
            yield prolog
            prolog = None
        elif len(prolog) > 16 * _CHUNK:
            break
    if prolog is not None:
        reason = "no root element" if prolog.strip() or len(prolog) > _CHUNK else "the file is empty"
        raise RecordError(reason, file=label, place="line 1")


def start_of_root(data: bytes) -> int:
    """Where the tag of the root element starts, in a document whose prolog is harmless."""
    return _MISC.match(data).end()  # type: ignore[union-attr]


def root(stream: BinaryIO, label: str) -> str:
    """The local name of the root element as far as the first bytes show it, else ""; nothing is judged here."""
    encoding, start = _encoding(stream.read(_CHUNK), label)
    text = start.decode(encoding, "replace").encode()
    found = _ROOT.match(text, _MISC.match(text).end())  # type: ignore[union-attr]
    return found[1].decode("utf-8", "replace") if found else ""


def _decoded(chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """Chunks of any encoding in UTF-8, with MARK in the place of bytes that are not in that encoding."""
    decoder = codecs.getincrementaldecoder(encoding)(_MARKING)
    contains_ascii = not encoding.startswith("utf-16")
    for chunk in chunks:
        if contains_ascii and chunk.isascii() and not decoder.getstate()[0]:
            yield chunk  # the same in all of them
        else:
            yield decoder.decode(chunk).encode()
    yield decoder.decode(b"", True).encode()


def _mark(error: UnicodeError) -> tuple[str, int]:
    if isinstance(error, UnicodeDecodeError):
        return MARK, error.end
    raise error


_MARKING = "ics-hub-mark"
codecs.register_error(_MARKING, _mark)


def _encoding(start: bytes, label: str) -> tuple[str, bytes]:
    """The encoding by byte order mark, else as declared, else UTF-8; and the bytes without the mark."""
    for mark, name in _BOMS:
        if start.startswith(mark):
            return name, start[len(mark) :]
    if start[:4] in (b"<\0?\0", b"\0<\0?"):
        return ("utf-16-le" if start[0] else "utf-16-be"), start
    declared = _DECLARED.match(start.lstrip(LAYOUT.encode())[:1024])
    try:
        name = codecs.lookup(declared[1].decode()).name if declared else "utf-8"
    except LookupError:
        name = ""
    if name not in _ENCODINGS or name.startswith("utf-16"):
        raise RecordError("an encoding that is not accepted; use UTF-8", file=label, place="line 1")
    return ("utf-8" if name == "ascii" else name), start


def _harmless(start: bytes, root: str, label: str) -> bool:
    """Whether the prolog has been read whole and is without a DOCTYPE; False when more bytes are needed."""
    end = _MISC.match(start).end()  # type: ignore[union-attr]
    rest = start[end:]
    newlines = start.count(b"\n", 0, end)
    place = f"line {newlines + 1}"
    if rest.startswith(b"<!") and not b"<!--".startswith(rest[:4]) and len(rest) > 2:
        raise RecordError("a DOCTYPE, which is not accepted", file=label, place=place)
    if not rest or rest.startswith((b"<?", b"<!")) or (rest.startswith(b"<") and not re.search(rb"[\s/>]", rest)):
        return False
    name = _ROOT.match(rest)
    if name is None:
        raise RecordError("this is not XML", file=label, place=place)
    if name[1] != root.encode():
        raise RecordError(f"the root element is not {root}", file=label, place=place)
    return True
