"""The children in need census, editions 2022 to 2026: one `Child` of its XML is a record.

Elements, code lists and their years: social-care facts 2.1 (the published schemas, and for the 2026 block
`PreProceedingsandFGDM` the DfE validator's sample). The edition is read from a child's shape, then from the header.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache, partial
from typing import Any

from lxml import etree

from hub.adapter import Adapter, Cell, Schema, Theirs, Tree, in_edition
from hub.errors import RecordError
from hub.wire import Document, xml

EDITIONS = ("2022", "2023", "2024", "2025", "2026")

CHILD = Schema.parse("""
ChildIdentifiers group !
ChildIdentifiers.LAchildID text !
ChildIdentifiers.UPN text <=13
ChildIdentifiers.FormerUPN text <=13
ChildIdentifiers.UPNunknown text
ChildIdentifiers.PersonBirthDate date
ChildIdentifiers.ExpectedPersonBirthDate date
ChildIdentifiers.GenderCurrent text ! until=2024
ChildIdentifiers.Sex text ! since=2025
ChildIdentifiers.PersonDeathDate date
ChildCharacteristics group !
ChildCharacteristics.Ethnicity text !
ChildCharacteristics.Disabilities group
ChildCharacteristics.Disabilities.Disability[] text !
CINdetails[] group !
CINdetails[].CINreferralDate date !
CINdetails[].ReferralSource text !
CINdetails[].PrimaryNeedCode text
CINdetails[].CINclosureDate date
CINdetails[].ReasonForClosure text
CINdetails[].DateOfInitialCPC date
CINdetails[].Assessments[] group
CINdetails[].Assessments[].AssessmentActualStartDate date !
CINdetails[].Assessments[].AssessmentInternalReviewDate date
CINdetails[].Assessments[].AssessmentAuthorisationDate date
CINdetails[].Assessments[].FactorsIdentifiedAtAssessment group
CINdetails[].Assessments[].FactorsIdentifiedAtAssessment.AssessmentFactors[] text !
CINdetails[].CINPlanDates[] group
CINdetails[].CINPlanDates[].CINPlanStartDate date !
CINdetails[].CINPlanDates[].CINPlanEndDate date
CINdetails[].Section47[] group
CINdetails[].Section47[].S47ActualStartDate date !
CINdetails[].Section47[].InitialCPCtarget date
CINdetails[].Section47[].DateOfInitialCPC date
CINdetails[].Section47[].ICPCnotRequired boolean !
CINdetails[].ReferralNFA boolean !
CINdetails[].ChildProtectionPlans[] group
CINdetails[].ChildProtectionPlans[].CPPstartDate date !
CINdetails[].ChildProtectionPlans[].CPPendDate date
CINdetails[].ChildProtectionPlans[].InitialCategoryOfAbuse text !
CINdetails[].ChildProtectionPlans[].LatestCategoryOfAbuse text !
CINdetails[].ChildProtectionPlans[].NumberOfPreviousCPP integer !
CINdetails[].ChildProtectionPlans[].Reviews group
CINdetails[].ChildProtectionPlans[].Reviews.CPPreviewDate[] date !
CINdetails[].PreProceedingsandFGDM[] group since=2026
CINdetails[].PreProceedingsandFGDM[].PPStartDate date since=2026
CINdetails[].PreProceedingsandFGDM[].LBPSentDate date since=2026
CINdetails[].PreProceedingsandFGDM[].FGDMMeetingOffer boolean since=2026
CINdetails[].PreProceedingsandFGDM[].FGDMMeetingFac boolean since=2026
CINdetails[].PreProceedingsandFGDM[].InitialPPMeetingDate date since=2026
CINdetails[].PreProceedingsandFGDM[].ReviewMeetingsCount integer since=2026
CINdetails[].PreProceedingsandFGDM[].StepDecisionDate date since=2026
CINdetails[].PreProceedingsandFGDM[].PPOutcome text since=2026
CINdetails[].PreProceedingsandFGDM[].CourtAppDate date since=2026
CINdetails[].PreProceedingsandFGDM[].LetterInitCPDate date since=2026
""")

HEADER = Schema.parse("""
CollectionDetails group
CollectionDetails.Collection text
CollectionDetails.Year year
CollectionDetails.ReferenceDate date
Source[] group
Source[].SourceLevel text
Source[].LEA text !
Source[].SoftwareCode text
Source[].Release text
Source[].SerialNo text
Source[].DateTime datetime
""")

_CODES = {
    "Collection": "CIN",
    "SourceLevel": "L",
    "UPNunknown": "UN1 UN2 UN3 UN4 UN5 UN6 UN7",
    "GenderCurrent": "0 1 2 9",
    "Sex": "M F U",
    "Ethnicity": "WBRI WIRI WIRT WOTH WROM MWBC MWBA MWAS MOTH AIND APKN ABAN AOTH BCRB BAFR BOTH CHNE OOTH REFU NOBT",
    "Disability": "NONE MOB HAND PC INC COMM LD HEAR VIS BEH CON AUT DDA",
    "ReferralSource": "1A 1B 1C 1D 2A 2B 3A 3B 3C 3D 3E 3F 4 5A 5B 5C 5D:2023 6 7 8 9 10",
    "PrimaryNeedCode": "N1 N2 N3 N4 N5 N6 N7 N8 N9 N0",
    "ReasonForClosure": "RC1 RC2 RC3 RC4 RC5 RC6 RC7 RC8 RC9:2023",
    "AssessmentFactors": (
        "1A 1B 1C 2A 2B 2C 3A 3B 3C 4A 4B 4C 5A 5B 5C 6A 6B 6C 7A 8B 8C 8D 8E 8F 9A 10A 11A 12A 13A 14A 15A 16A 17A"
        " 18A 18B 18C 19A 19B 19C 20 21 22A 23A 24A"
    ),
    "InitialCategoryOfAbuse": "NEG PHY SAB EMO MUL",
    "LatestCategoryOfAbuse": "NEG PHY SAB EMO MUL",
}
"""Code lists by element; `code:year` is a code since that edition."""

_PATTERNS = {
    "UPN": r"[A-Za-z]\d{11}(\d|[A-Za-z])",
    "FormerUPN": r"[A-Za-z]\d{11}(\d|[A-Za-z])",
    "LEA": r"\d{3}",
    "SerialNo": r"\d{3}\d*",
}
_TYPES = {"date": "date", "datetime": "dateTime", "year": "gYear", "integer": "nonNegativeInteger", "text": "string"}

_HEADER_PATH, _CHILD_PATH = "Message/Header", "Message/Children/Child"
_CHILD_PLAN = xml.plan(cell.path for cell in CHILD.cells)
_HEADER_PLAN = xml.plan(cell.path.replace("[]", "") for cell in HEADER.cells)
_PLANS = {_HEADER_PATH: _HEADER_PLAN, _CHILD_PATH: _CHILD_PLAN}


def read(document: Document) -> Iterator[Theirs | RecordError]:
    """The children of a census, in order. A second child of one LAchildID is a RecordError, as no rule can choose."""
    head: Tree = {}
    seen: set[int] = set()
    ordinal = document.before
    for found in xml.records(document, _PLANS):
        if isinstance(found, RecordError):
            yield found
            continue
        place = f"line {found.line}"
        if found.path == _HEADER_PATH:
            if head or ordinal > document.before:
                reason = "a Header that is not the first and only thing before Children was left out"
                yield RecordError(reason, file=document.name, place=place)
            else:
                head = _head(found)
            continue
        ordinal += 1
        place = f"Child {ordinal}, {place}"
        identifiers = found.tree.get("ChildIdentifiers")
        known = identifiers.get("LAchildID") if type(identifiers) is dict else None
        if type(known) is not str:
            known = ""
        elif known:
            digest = hash(known)
            if digest in seen:
                reason = "its LAchildID stands in this document before"
                yield RecordError(reason, file=document.name, place=place)
                continue
            seen.add(digest)
        edition = _edition(found.tree, head.get("edition", ""))
        yield Theirs("Child", known, found.tree, head, edition, place)


def write(records: Iterable[Theirs], head: Tree) -> Iterator[tuple[str, bytes]]:
    """A census of the children given, a line each, under the Header of the head if it has one."""
    namespace = head.get("namespace", "")
    start = xml.start("Message", {"@xmlns": namespace or None})
    yield "", f'<?xml version="1.0" encoding="UTF-8"?>\n{start}\n'.encode()
    if head.get("Header") is not None:
        yield "", xml.element("Header", head["Header"], _HEADER_PLAN).encode() + b"\n"
    yield "", b"<Children>\n"
    for record in records:
        yield "", record.line or line(record)
    yield "", b"</Children>\n</Message>\n"


def line(record: Theirs) -> bytes:
    """The line of a child."""
    return xml.element("Child", record.tree, _CHILD_PLAN).encode() + b"\n"


def make_head(as_of: str, edition: str) -> Tree:
    """A head for children that came in another format. The council's LEA number is not known here: no Source."""
    details = {"Collection": "CIN", "Year": edition or EDITIONS[-1], "ReferenceDate": as_of[:10]}
    said = {key: value for key, value in details.items() if value}
    return {"Header": {"CollectionDetails": said}, "as_of": as_of, "edition": edition}


def check(document: Document) -> Iterator[RecordError]:
    """What breaks the published schema of each child's edition: line and element, never a value."""
    year, ordinal = "", 0
    for found in xml.elements(document, _PLANS):
        if isinstance(found, RecordError):
            yield found
            continue
        if found.namespace:
            yield RecordError("the published schema knows no namespace", file=document.name, place="line 1")
            return
        child = found.path == _CHILD_PATH
        ordinal += child
        if child:
            edition = _edition(_outline(found.element), year if year in EDITIONS else "")
            label = f"Child {ordinal}, "
        else:
            year = found.element.findtext("CollectionDetails/Year") or ""
            edition, label = EDITIONS[-1], ""
        schema = validator(edition)
        if not schema.validate(found.element):
            yield from _breaches(schema, document.name, label, found.line)


def _head(found: xml.Record) -> Tree:
    year = _text(found.tree, "CollectionDetails", "Year")
    as_of = _text(found.tree, "CollectionDetails", "ReferenceDate")
    known = {"as_of": as_of, "edition": year if year in EDITIONS else "", "namespace": found.namespace}
    return {"Header": found.tree} | {key: value for key, value in known.items() if value}


def _text(tree: Any, *path: str) -> str:
    """The text at a path, or "" if there is none or something else stands there."""
    for step in path:
        tree = tree.get(step) if type(tree) is dict else None
    return tree if isinstance(tree, str) else ""


def _edition(tree: Tree, year: str) -> str:
    """The edition whose shape the child has; the header's year where the shape leaves a choice."""
    for detail in tree.get("CINdetails", ()):
        if "PreProceedingsandFGDM" in detail:
            return "2026"
    identifiers = tree.get("ChildIdentifiers", ())
    if "Sex" in identifiers:
        return "2026" if year == "2026" else "2025"
    if "GenderCurrent" in identifiers:
        return year if year in ("2022", "2023") else "2024"
    return year or EDITIONS[-1]


def _outline(element: Any) -> Tree:
    """The parts of a child that `_edition` looks at, as empty texts."""
    identifiers = {child.tag: "" for above in element.iterfind("ChildIdentifiers") for child in above}
    details = [{child.tag: "" for child in above} for above in element.iterfind("CINdetails")]
    return {"ChildIdentifiers": identifiers, "CINdetails": details}


@cache
def validator(edition: str, newer: bool = True) -> etree.XMLSchema:
    """The published schema of an edition, for a `Child` or a `Header` by itself.

    newer: with the 2026 block, which the schemas published by LIIA do not have.
    """
    cells = [c for c in CHILD.cells if in_edition(edition, c.since, c.until) and (newer or c.since != "2026")]
    body = _declare(Cell("Child", "group"), cells, edition) + _declare(Cell("Header", "group"), HEADER.cells, edition)
    schema = f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">{body}</xs:schema>'
    return etree.XMLSchema(etree.fromstring(schema))


def _declare(above: Cell, cells: Iterable[Cell], edition: str, prefix: str = "") -> str:
    """The declaration of an element and of what is below it; `prefix` is the path of its members."""
    name = above.path.rpartition(".")[2]
    occurs = ""
    if prefix:
        occurs = f' minOccurs="{int(above.required)}" maxOccurs="{"unbounded" if name.endswith("[]") else 1}"'
    name = name.removesuffix("[]")
    if above.type != "group":
        return f'<xs:element name="{name}"{occurs}>{_simple(name, above.type, edition)}</xs:element>'
    members = [cell for cell in cells if cell.path.startswith(prefix) and "." not in cell.path[len(prefix) :]]
    inside = "".join(_declare(cell, cells, edition, f"{cell.path}.") for cell in members)
    inside = f"<xs:complexType><xs:sequence>{inside}</xs:sequence></xs:complexType>"
    return f'<xs:element name="{name}"{occurs}>{inside}</xs:element>'


def _simple(name: str, kind: str, edition: str) -> str:
    codes = ["0", "1"] if kind == "boolean" else code_list(name, edition)
    facets = "".join(f'<xs:enumeration value="{code}"/>' for code in codes)
    if name in _PATTERNS:
        facets = f'<xs:pattern value="{_PATTERNS[name]}"/>'
    base = "string" if kind == "boolean" else _TYPES[kind]
    return f'<xs:simpleType><xs:restriction base="xs:{base}">{facets}</xs:restriction></xs:simpleType>'


def code_list(name: str, edition: str) -> list[str]:
    """The codes an element may hold in an edition; none: it has no list."""
    words = (word.partition(":") for word in _CODES.get(name, "").split())
    return [code for code, _, since in words if edition >= since]


_BREACHES = {
    "SCHEMAV_CVC_ENUMERATION_VALID": "is not a code of its list",
    "SCHEMAV_CVC_PATTERN_VALID": "has not the form it should have",
    "SCHEMAV_CVC_MININCLUSIVE_VALID": "is below zero",
    "SCHEMAV_ELEMENT_CONTENT": "is unknown, out of order, or stands where another is missing",
    "SCHEMAV_CVC_COMPLEX_TYPE_2_3": "has text between its elements",
    "SCHEMAV_CVC_COMPLEX_TYPE_3_2_1": "has an attribute it may not have",
}


def _breaches(schema: etree.XMLSchema, name: str, label: str, line: int) -> Iterator[RecordError]:
    told: set[tuple[int, str]] = set()
    for entry in schema.error_log:
        element = (entry.path or "").rpartition("/")[2].partition("[")[0].replace("*", "") or "an element"
        if (entry.line, entry.path or "") not in told:
            told.add((entry.line, entry.path or ""))
            reason = f"{element} {_BREACHES.get(entry.type_name, 'is not of its type')}"
            yield RecordError(reason, file=name, place=f"{label}line {entry.line or line}")


adapter = Adapter(
    name="cin_census",
    read=read,
    write=write,
    schemas={"Child": CHILD},
    editions=EDITIONS,
    suffix=".xml",
    line=line,
    stretches=partial(xml.stretches, wanted=_PLANS),
    head=make_head,
    normal=xml.normal,
    check=check,
)
