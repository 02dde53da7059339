"""Word documents (.docx) opened safely, and their texts: what an adapter of a form needs of WordprocessingML.

Nothing outside the document is ever fetched. Refused by name: another format under this suffix, a macro, and what
unpacks to more than a form holds.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Any

from lxml import etree

from hub.errors import RecordError
from hub.wire import Document
from hub.wire.prolog import utf8

MAX_UNPACKED = 64 << 20
"""Most bytes of a document, unpacked; pictures are most of it where it comes near."""
MAX_TEXT = 16 << 20
"""Most bytes of its text with all marks."""

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_TICKED, _UNTICKED = "\u2612", "\u2610"
_SYMBOLS = {
    "wingdings": {0xFB: _TICKED, 0xFC: _TICKED, 0xFD: _TICKED, 0xFE: _TICKED, 0xA8: _UNTICKED, 0x6F: _UNTICKED,
                  0x71: _UNTICKED, 0x72: _UNTICKED, 0x78: _TICKED},
    "wingdings2": {0x4F: _TICKED, 0x50: _TICKED, 0x51: _TICKED, 0x52: _TICKED, 0x53: _TICKED, 0x54: _TICKED,
                   0x2A: _UNTICKED, 0xA3: _UNTICKED},
}  # fmt: skip
"""Signs of the fonts that Word ticks with: crosses and ticks, bare or in a box, and empty boxes."""
TRACKED = {"ins", "del", "moveFrom", "moveTo", "cellIns", "cellDel", "cellMerge"}
_PICTURES = {"drawing", "pict", "object"}
_SILENT = {"rPr", "pPr", "tcPr", "trPr", "tblPr", "sdtPr", "instrText", "delText", "sectPr", "tbl", "proofErr"}
_LEFT = {"commentReference": "a comment", "footnoteReference": "a footnote", "endnoteReference": "an endnote",
         "altChunk": "another document", "subDoc": "another document"}  # fmt: skip


def body(document: Document, part: str) -> Any:
    """The body of a Word document. RecordError: it is none, or may not be read."""
    label = document.label(part)
    with document.open(part) as stream:
        start = stream.read(8)
    if start == _OLE:
        why = "an older Word document (.doc) or one locked with a password; save it as .docx, without a password"
        raise RecordError(f"whatever its name says, this is {why}", file=label)
    if not start.startswith(b"PK\x03\x04"):
        raise RecordError("this is no Word document (.docx)", file=label)
    package = document.unpack(part)
    if package.size > MAX_UNPACKED:
        raise RecordError("this document unpacks to far more than a form holds", file=label)
    names = package.parts()
    if any(name.rpartition("/")[2].lower() in ("vbaproject.bin", "vbadata.xml") for name in names):
        raise RecordError("the document holds a macro; save it as .docx, which has none", file=label)
    main = _main(package, label)
    root = _parsed(package, main, "document", label)
    found = next((one for one in root if local(one) == "body"), None)
    if found is None:
        raise RecordError("the document has no body", file=label)
    return found


def _main(package: Document, label: str) -> str:
    """The name of the part with the text, as the package says; its kind must be a plain document's."""
    names = package.parts()
    if "[Content_Types].xml" not in names or "_rels/.rels" not in names:
        raise RecordError("this is no Word document (.docx): it is another kind of zip", file=label)
    for one in _parsed(package, "[Content_Types].xml", "Types", label):
        if "macroenabled" in (one.get("ContentType") or "").lower():
            raise RecordError("the document is one with macros; save it as .docx, which has none", file=label)
    for one in _parsed(package, "_rels/.rels", "Relationships", label):
        if (one.get("Type") or "").endswith("/officeDocument") and one.get("TargetMode") != "External":
            target = posixpath.normpath((one.get("Target") or "").lstrip("/"))
            if target in names:
                return target
    raise RecordError("this is no Word document (.docx): it has no text", file=label)


def _parsed(package: Document, part: str, root: str, label: str) -> Any:
    parser = etree.XMLParser(encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, remove_pis=True)
    size = 0
    try:
        with package.open(part) as stream:
            for chunk in utf8(stream, root, f"{label}/{part}"):
                size += len(chunk)
                if size > MAX_TEXT:
                    raise RecordError("the text of this document is far longer than a form's", file=label)
                parser.feed(chunk)
        return parser.close()
    except etree.XMLSyntaxError:
        raise RecordError("a part of this document is not well-formed XML", file=f"{label}/{part}") from None


def local(element: Any) -> str:
    """The name of an element without its namespace; "" for a comment."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def said(element: Any, name: str) -> str:
    """An attribute by its name without namespace, else ""."""
    return next((str(value) for key, value in element.attrib.items() if key.rpartition("}")[2] == name), "")


def child(element: Any, *names: str) -> Any:
    """The first element below, step by step; None where there is none."""
    for name in names:
        element = next((one for one in element if local(one) == name), None) if element is not None else None
    return element


def value(element: Any, *names: str) -> str:
    """The `val` of the element below, else ""."""
    found = child(element, *names)
    return said(found, "val") if found is not None else ""


def is_on(element: Any, *names: str) -> bool:
    """Whether a property is set: it stands there, and does not say that it is off."""
    found = child(element, *names)
    return found is not None and said(found, "val") not in ("0", "false", "off", "none")


def tag(control: Any) -> str:
    """The tag of a content control."""
    return value(control, "sdtPr", "tag")


def text(element: Any, skip: Any = None) -> str:
    """What is written in an element, without tables within it. skip: told an element, says whether to leave it out."""
    return "".join(_pieces(element, skip)).replace("\u00a0", " ").strip(" \u2002\t\n")


def exact(control: Any, skip: Any = None) -> str:
    """What is written in a content control, to the last space; "" while it shows its placeholder."""
    if child(control, "sdtPr", "showingPlcHdr") is not None:
        return ""
    content = child(control, "sdtContent")
    return "".join(_pieces(content, skip)) if content is not None else ""


def _pieces(element: Any, skip: Any) -> Iterator[str]:
    paragraphs = 0
    for one in element:
        name = local(one)
        if name == "p":
            if paragraphs:
                yield "\n"
            paragraphs += 1
        if not name or name in _SILENT or unsaid(one) or (skip is not None and skip(one)):
            continue
        if name == "t":
            yield one.text or ""
        elif name in ("br", "cr"):
            yield "\n"
        elif name in ("tab", "ptab"):
            yield "\t"
        elif name == "noBreakHyphen":
            yield "-"
        elif name == "sym":
            yield symbol(said(one, "font"), said(one, "char"))
        elif name == "fldChar":
            yield _field(one)
        elif name == "AlternateContent":
            chosen = child(one, "Choice")
            if chosen is not None:
                yield from _pieces(chosen, skip)
        elif name == "sdt":
            yield from _control(one, skip)
        elif name not in _PICTURES:
            yield from _pieces(one, skip)


def _control(one: Any, skip: Any) -> Iterator[str]:
    box = child(one, "sdtPr", "checkbox")
    if box is not None:
        yield _TICKED if is_ticked(one) else _UNTICKED
    elif child(one, "sdtPr", "showingPlcHdr") is None:
        content = child(one, "sdtContent")
        yield from _pieces(content, skip) if content is not None else ()


def is_ticked(control: Any) -> bool:
    """Whether the box of a content control is ticked: by its state, or by a sign that somebody put in its place; not
    where an empty box is seen, or one that is struck out."""
    shown = exact(control).strip()
    if shown == _UNTICKED or any(unsaid(one) for one in control.iter()):
        return False
    return value(control, "sdtPr", "checkbox", "checked") in ("1", "true", "on") or shown in (
        "\u2612",
        "\u2611",
        "X",
        "x",
    )


def unsaid(run: Any) -> str:
    """Why what a run says is no answer: nobody sees it, or somebody took it back; else ""."""
    if local(run) != "r" or child(run, "rPr") is None:
        return ""
    if is_on(run, "rPr", "vanish"):
        return "hidden text"
    return "text that is struck out" if is_on(run, "rPr", "strike") or is_on(run, "rPr", "dstrike") else ""


def _chosen(begin: Any) -> str | None:
    """The entry of an older drop-down field; None if it has none that somebody chose."""
    entries = [said(one, "val") for one in child(begin, "ffData", "ddList") if local(one) == "listEntry"]
    chosen = value(begin, "ffData", "ddList", "result")
    return entries[int(chosen)] if re.fullmatch(r"\d{1,3}", chosen) and int(chosen) < len(entries) else None


def _field(begin: Any) -> str:
    """The box of an older form field, or what was chosen in it."""
    if child(begin, "ffData", "ddList") is not None:
        return _chosen(begin) or ""
    box = child(begin, "ffData", "checkBox")
    if box is None:
        return ""
    state = child(box, "checked")
    return _TICKED if is_on(box, "checked" if state is not None else "default") else _UNTICKED


def symbol(font: str, code: str) -> str:
    """A sign of a symbol font: a ticked or empty box, or U+FFFD for one that says nothing here."""
    if not re.fullmatch(r"[0-9A-Fa-f]{1,6}", code):
        return "\ufffd"
    return _SYMBOLS.get(font.casefold().replace(" ", ""), {}).get(int(code, 16) & 0xFF, "\ufffd")


def left_out(element: Any) -> Iterator[tuple[str, Any]]:
    """What a form cannot take from a document, each with its element."""
    for one in element.iter():
        name = local(one)
        if name in _PICTURES:
            above = {local(up) for up in one.iterancestors()}
            if not above & (_PICTURES | {"Fallback"}):
                boxed = any(local(below) == "txbxContent" for below in one.iter())
                yield ("a text box" if boxed else "an image or other object"), one
        elif name in _LEFT:
            yield _LEFT[name], one
        elif name == "r" and unsaid(one) and any(local(below) in ("t", "sym") for below in one):
            yield unsaid(one), one
        elif name == "ddList" and _chosen(one.getparent().getparent()) is None:
            yield "a drop-down box where nothing was chosen", one


__all__ = [
    "TRACKED",
    "body",
    "child",
    "exact",
    "is_on",
    "is_ticked",
    "left_out",
    "local",
    "said",
    "symbol",
    "tag",
    "text",
    "value",
]
