"""WordprocessingML as text: runs, paragraphs, tables and content controls of a form, and the document around them."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Sequence
from datetime import date
from xml.sax.saxutils import escape as escaped

from adapters._caf_docx.layout import Line
from hub.errors import RecordError

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
W14 = "http://schemas.microsoft.com/office/word/2010/wordml"
_R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml"
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)

TITLE = "Common assessment"
MORE = "Further information"
BEFOREHAND = "Filled in beforehand"
NOTE, LABEL = "FormNote", "FormLabel"
"""Character styles of what is printed beside an answer and is no part of it."""
MORE_PATH, MORE_TEXT, PART, AS_OF = "more.path", "more.text", "part", "as_of"
STATIC = (
    "Field",
    "Answer",
    "Question",
    "From",
    "As of",
    "Confidential when completed",
    "What is shaded was filled in beforehand; please check it with the child and the family.",
)

_BEFOREHAND = "E7E7E7"
WIDTH = 9978
GRID = (2100, 2889, 2100, 2889)
BLANK = "\u2002" * 8
_IMPOSSIBLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def table(widths: Iterable[int], rows: list[str]) -> str:
    grid = "".join(f'<w:gridCol w:w="{width}"/>' for width in widths)
    return (
        f'<w:tbl><w:tblPr><w:tblStyle w:val="FormTable"/><w:tblW w:w="{WIDTH}" w:type="dxa"/>'
        f'<w:tblLayout w:type="fixed"/></w:tblPr><w:tblGrid>{grid}</w:tblGrid>{"".join(rows)}</w:tbl>'
    )


def heads(texts: Sequence[str], widths: Sequence[int]) -> str:
    """The head of a table, which comes again on each page."""
    cells = [tc([p(r(text, bold=True))], w, 1, "D9E2EC") for text, w in zip(texts, widths, strict=True)]
    return tr(cells, head=True)


def tr(cells: list[str], *, head: bool = False, splits: bool = False, height: int = 0) -> str:
    said = "" if splits else "<w:cantSplit/>"
    said += f'<w:trHeight w:val="{height}" w:hRule="atLeast"/>' if height else ""
    said += "<w:tblHeader/>" if head else ""
    return f"<w:tr>{f'<w:trPr>{said}</w:trPr>' if said else ''}{''.join(cells)}</w:tr>"


def tc(paragraphs: list[str], width: int, span: int = 1, fill: str = "") -> str:
    said = f'<w:tcW w:w="{width}" w:type="dxa"/>'
    said += f'<w:gridSpan w:val="{span}"/>' if span > 1 else ""
    if any(f'"{NOTE}"' in paragraph for paragraph in paragraphs):
        fill = _BEFOREHAND
    said += f'<w:shd w:val="clear" w:color="auto" w:fill="{fill}"/>' if fill else ""
    return f"<w:tc><w:tcPr>{said}</w:tcPr>{''.join(paragraphs)}</w:tc>"


def p(runs: str, style: str = "") -> str:
    said = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{said}{runs}</w:p>"


def r(text: str, *, style: str = "", bold: bool = False, font: str = "") -> str:
    """Runs of a text; line ends and tabs as Word has them."""
    said = f'<w:rStyle w:val="{style}"/>' if style else ""
    said += f'<w:rFonts w:ascii="{font}" w:hAnsi="{font}" w:eastAsia="{font}" w:hint="eastAsia"/>' if font else ""
    said += "<w:b/>" if bold else ""
    start = f"<w:r>{f'<w:rPr>{said}</w:rPr>' if said else ''}"
    marks = {"\n": "<w:br/>", "\t": "<w:tab/>"}
    pieces = [piece for piece in re.split("([\n\t])", text) if piece]
    made = [marks.get(piece) or f'<w:t xml:space="preserve">{escaped(piece)}</w:t>' for piece in pieces]
    return "".join(f"{start}{one}</w:r>" for one in made)


def texts(text: str, line: Line | None) -> list[str]:
    if _IMPOSSIBLE.search(text):
        raise RecordError("the text has a character that Word cannot hold", place=line.place if line else MORE)
    return [r(text)]


def plain_kind(text: str) -> str:
    """A control for plain text; with line ends one for any text, for of the other LibreOffice moves the line ends."""
    return "" if "\n" in text else '<w:text w:multiLine="1"/>'


def date_kind(text: str) -> str:
    try:
        full = f' w:fullDate="{date.fromisoformat(text).isoformat()}T00:00:00Z"' if text else ""
    except ValueError:
        full = ""
    return (
        f'<w:date{full}><w:dateFormat w:val="dd/MM/yyyy"/><w:lid w:val="en-GB"/>'
        '<w:storeMappedDataAs w:val="dateTime"/><w:calendar w:val="gregorian"/></w:date>'
    )


def _style(kind: str, name: str, props: str, paragraph: str = "", based: str = "Normal") -> str:
    base = f'<w:basedOn w:val="{based}"/>' if kind == "paragraph" and name != "Normal" else ""
    default = ' w:default="1"' if name == "Normal" else ""
    return (
        f'<w:style w:type="{kind}"{default} w:styleId="{name}"><w:name w:val="{_NAMES.get(name, name)}"/>{base}'
        f"{f'<w:pPr>{paragraph}</w:pPr>' if paragraph else ''}<w:rPr>{props}</w:rPr></w:style>"
    )


_NAMES = {
    "Heading1": "heading 1",
    "Heading2": "heading 2",
    "Heading3": "heading 3",
    "PlaceholderText": "Placeholder Text",
}
_BLUE = '<w:color w:val="1F3A5F"/>'
_EDGE = "".join(
    f'<w:{side} w:val="single" w:sz="4" w:space="0" w:color="8FA3B8"/>'
    for side in ("top", "left", "bottom", "right", "insideH", "insideV")
)


def _heading(name: str, size: int, before: int, level: int, breaks: str = "") -> str:
    spaced = f'<w:keepNext/>{breaks}<w:spacing w:before="{before}" w:after="80"/><w:outlineLvl w:val="{level}"/>'
    return _style("paragraph", name, f'<w:b/>{_BLUE}<w:sz w:val="{size}"/>', spaced)


_STYLES = (
    f'{_XML}<w:styles xmlns:w="{W}"><w:docDefaults><w:rPrDefault><w:rPr><w:rFonts w:ascii="Arial" w:hAnsi="Arial" '
    'w:cs="Arial" w:eastAsia="Arial"/><w:sz w:val="19"/><w:szCs w:val="19"/><w:lang w:val="en-GB"/></w:rPr>'
    '</w:rPrDefault><w:pPrDefault><w:pPr><w:spacing w:before="30" w:after="30"/></w:pPr></w:pPrDefault></w:docDefaults>'
    + _style("paragraph", "Normal", "")
    + _style("paragraph", "Title", f'<w:b/>{_BLUE}<w:sz w:val="40"/>', '<w:spacing w:before="0" w:after="80"/>')
    + _heading("Heading1", 26, 240, 0)
    + _heading("Heading2", 22, 200, 1)
    + _heading("Heading3", 20, 120, 2)
    + _heading("FormPart", 30, 0, 0, "<w:pageBreakBefore/>")
    + _style("paragraph", "FormHead", "", "<w:keepNext/>")
    + _style("paragraph", "FormGap", '<w:sz w:val="8"/>', '<w:spacing w:before="0" w:after="0"/>')
    + _style("paragraph", "FormHint", '<w:i/><w:color w:val="595959"/>')
    + _style("paragraph", "FormEdge", '<w:color w:val="595959"/><w:sz w:val="16"/>', '<w:jc w:val="right"/>')
    + _style("character", "PlaceholderText", '<w:color w:val="767676"/>')
    + _style("character", NOTE, '<w:i/><w:color w:val="4F5B66"/><w:sz w:val="14"/>')
    + _style("character", LABEL, '<w:color w:val="404040"/><w:sz w:val="18"/>')
    + '<w:style w:type="table" w:default="1" w:styleId="TableNormal"><w:name w:val="Normal Table"/><w:tblPr>'
    '<w:tblInd w:w="0" w:type="dxa"/></w:tblPr></w:style>'
    '<w:style w:type="table" w:styleId="FormTable"><w:name w:val="FormTable"/><w:basedOn w:val="TableNormal"/><w:tblPr>'
    f'<w:tblBorders>{_EDGE}</w:tblBorders><w:tblCellMar><w:top w:w="30" w:type="dxa"/><w:left w:w="90" w:type="dxa"/>'
    '<w:bottom w:w="30" w:type="dxa"/><w:right w:w="90" w:type="dxa"/></w:tblCellMar></w:tblPr></w:style></w:styles>'
)
_FIELD = '<w:fldSimple w:instr="{}"><w:r><w:t>1</w:t></w:r></w:fldSimple>'
_FOOTER = (
    f'{_XML}<w:ftr xmlns:w="{W}">'
    + p(r(f"{STATIC[5]}   page ") + _FIELD.format("PAGE") + r(" of ") + _FIELD.format("NUMPAGES"), "FormEdge")
    + "</w:ftr>"
)
_PARTS = {
    "[Content_Types].xml": (
        f'{_XML}<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/word/document.xml" ContentType="{_TYPE}.document.main+xml"/>'
        f'<Override PartName="/word/styles.xml" ContentType="{_TYPE}.styles+xml"/>'
        f'<Override PartName="/word/footer1.xml" ContentType="{_TYPE}.footer+xml"/></Types>'
    ),
    "_rels/.rels": (
        f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{_R}/officeDocument" Target="word/document.xml"/></Relationships>'
    ),
    "word/_rels/document.xml.rels": (
        f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{_R}/styles" Target="styles.xml"/>'
        f'<Relationship Id="rId2" Type="{_R}/footer" Target="footer1.xml"/></Relationships>'
    ),
    "word/styles.xml": _STYLES,
    "word/footer1.xml": _FOOTER,
}


def packed(body: str) -> bytes:
    """The parts of the document as a zip, the same bytes for the same body."""
    ends = (
        '<w:sectPr><w:footerReference w:type="default" r:id="rId2"/><w:pgSz w:w="11906" w:h="16838"/>'
        '<w:pgMar w:top="964" w:right="964" w:bottom="964" w:left="964" w:header="500" w:footer="500" w:gutter="0"/>'
        "</w:sectPr>"
    )
    main = (
        f'{_XML}<w:document xmlns:w="{W}" xmlns:r="{_R}" xmlns:w14="{W14}"><w:body>{body}{ends}</w:body></w:document>'
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, text in {**_PARTS, "word/document.xml": main}.items():
            info = zipfile.ZipInfo(name, _ZIP_DATE)
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            packed.writestr(info, text.encode("utf-8"))
    return out.getvalue()
