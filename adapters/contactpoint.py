"""A ContactPoint-style index of children, as XML of our own schema (`schemas/contactpoint.xsd`): its spelling.

An index says who a child is and which services know the child; what happened has no place in it. A shielded child has
an element of its own, ShieldedChild, which the schema gives no address, school, practice or service; a sensitive
service one that has no provider (SI 2007/2182). In the tree both kinds of child are one kind of record, told apart by
`Shielded`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from hub.adapter import Adapter, Schema, Theirs, Tree
from hub.errors import RecordError
from hub.wire import Document, xmlout, xsd
from hub.wire.xml import Plan, plan, records, stretches

NAMESPACE = "urn:ics-hub:contactpoint:1"
EDITION = "1"

SCHEMA = Schema.parse("""
IndexNumber                                            text !     <=48
Shielded                                               boolean
Names.Name[].Kind                                      text !
Names.Name[].Given                                     text       <=70
Names.Name[].Family                                    text       <=70
Names.Name[].Full                                      text       <=100
Gender                                                 text
BirthDate                                              date
Identifiers.Identifier[].System                        text !     <=30
Identifiers.Identifier[].Value                         text !     <=48
Identifiers.Identifier[].Use                           text
Identifiers.Identifier[].Owner                         text       <=60
Identifiers.Identifier[].VisibleTo                     text !
Addresses.Address[].Status                             text
Addresses.Address[].Line[]                             text       <=60
Addresses.Address[].Room                               text       <=60
Addresses.Address[].Floor                              text       <=60
Addresses.Address[].Flat                               text       <=60
Addresses.Address[].Building                           text       <=60
Addresses.Address[].Number                             text       <=60
Addresses.Address[].Street                             text       <=60
Addresses.Address[].Town                               text       <=60
Addresses.Address[].County                             text       <=60
Addresses.Address[].Postcode                           text       <=9
Addresses.Address[].Uprn                               text       <=12
Addresses.Address[].ReturnIntent                       text
Addresses.Address[].Start                              date
Addresses.Address[].End                                date
Carers.Carer[].Name                                    text       <=100
Carers.Carer[].Given                                   text       <=70
Carers.Carer[].Family                                  text       <=70
Carers.Carer[].Phone                                   text       <=80
Carers.Carer[].Email                                   text       <=80
Carers.Carer[].ParentalResponsibility                  boolean
Carers.Carer[].Cares                                   boolean
Education.Provider[].Id                                text       <=48
Education.Provider[].Name                              text       <=100
Education.Provider[].Contact                           text       <=80
Education.Provider[].Start                             date
Education.Provider[].End                               date
PrimaryCare.Provider[].Id                              text       <=48
PrimaryCare.Provider[].Name                            text       <=100
PrimaryCare.Provider[].Contact                         text       <=80
PrimaryCare.Provider[].Start                           date
PrimaryCare.Provider[].End                             date
Services.Service[].Kind                                text       <=40
Services.Service[].Provider                            text       <=100
Services.Service[].Contact                             text       <=80
Services.Service[].Practitioner                        text       <=100
Services.Service[].PractitionerContact                 text       <=80
Services.Service[].Start                               date
Services.Service[].End                                 date
Services.Service[].Consent.Given                       boolean
Services.Service[].Consent.By                          text       <=40
Services.Service[].Consent.Date                        date
Services.Service[].Consent.Basis                       text
Services.SensitiveService[].Start                      date
Services.SensitiveService[].End                        date
Services.SensitiveService[].Consent.Given              boolean
Services.SensitiveService[].Consent.By                 text       <=40
Services.SensitiveService[].Consent.Date               date
Services.SensitiveService[].Consent.Basis              text
LeadProfessionals.LeadProfessional[].Sector            text
LeadProfessionals.LeadProfessional[].Name              text       <=100
LeadProfessionals.LeadProfessional[].Contact           text       <=80
LeadProfessionals.LeadProfessional[].Start             date
LeadProfessionals.LeadProfessional[].End               date
Cafs.Caf[].Started                                     date
Cafs.Caf[].Contact                                     text       <=80
Sources.Source[].Agency                                text !     <=60
Sources.Source[].AsOf                                  datetime
""")
"""The fields of a Child in the order of the XSD; a ShieldedChild has some of them."""

_CHILD = plan(cell.path for cell in SCHEMA.cells)
_HEAD = plan(["Authority", "AsOf"])
_WANTED = {"Index/Head": _HEAD, "Index/Child": _CHILD, "Index/ShieldedChild": _CHILD}
_YES = ("true", "1")

_CARER = ("Name", "Given", "Family", "ParentalResponsibility", "Cares")
_SHIELDED = plan(
    cell.path
    for cell in SCHEMA.cells
    if cell.path in ("IndexNumber", "Shielded", "Gender", "BirthDate", *(f"Carers.Carer[].{name}" for name in _CARER))
    or cell.path.startswith("Names.")
)
_SENSITIVE: Plan = _CHILD["Services"][2]["SensitiveService"][2]


def read(document: Document) -> Iterator[Theirs | RecordError]:
    """Each Child and ShieldedChild as a record of kind Child; `Shielded` is said for every ShieldedChild."""
    head: Tree = {"edition": EDITION}
    ordinal = document.before
    for found in records(document, _WANTED):
        if isinstance(found, RecordError):
            yield found
        elif found.path == "Index/Head":
            head = _head(found.tree)
        else:
            ordinal += 1
            yield _child(found.path, found.tree, head, document.label(), f"Child {ordinal}, line {found.line}")


def _child(path: str, tree: Tree, head: Tree, file: str, place: str) -> Theirs | RecordError:
    number = tree.get("IndexNumber")
    if not isinstance(number, str) or not number:
        return RecordError("IndexNumber is missing", file=file, place=place)
    if path == "Index/ShieldedChild" and tree.setdefault("Shielded", "true") not in _YES:
        return RecordError("a ShieldedChild says in Shielded that it is not", file=file, place=place)
    return Theirs("Child", number, tree, head, EDITION, place)


def _head(tree: Tree) -> Tree:
    facts: Tree = {"edition": EDITION, "Head": tree}
    if isinstance(tree.get("AsOf"), str):
        facts["as_of"] = tree["AsOf"]
    return facts


def write(records: Iterable[Theirs], head: Tree) -> Iterator[tuple[str, bytes]]:
    """One file: the head, then a child a line; who is shielded becomes a ShieldedChild, which shows less."""
    start = f'<?xml version="1.0" encoding="UTF-8"?>\n<Index xmlns="{NAMESPACE}">\n'
    yield "", (start + xmlout.element("Head", head.get("Head") or {}, _HEAD)).encode()
    for record in records:
        yield "", record.line or line(record)
    yield "", b"\n</Index>\n"


def line(record: Theirs) -> bytes:
    """The line of a child."""
    name = "ShieldedChild" if record.tree.get("Shielded") in _YES else "Child"
    return ("\n" + xmlout.element(name, _shown(record.tree), _CHILD)).encode()


def normal(tree: Tree) -> Tree:
    """A tree as the format can hold it: see `_shown`, and without what XML cannot tell from nothing."""
    return xmlout.normal(_shown(tree))


def _shown(tree: Tree) -> Tree:
    """The tree less what a ShieldedChild or a SensitiveService has no place for, and less numbers that say no number.

    The mapping withholds the former already; this keeps in what no mapping knows, such as fields a council added.
    """
    if tree.get("Shielded") in _YES:
        return _held(tree, _SHIELDED)
    numbers = tree.get("Identifiers")
    if isinstance(numbers, dict) and isinstance(numbers.get("Identifier"), list):
        said = [one for one in numbers["Identifier"] if not isinstance(one, dict) or one.get("Value")]
        kept = {**numbers, "Identifier": said} if said else {k: v for k, v in numbers.items() if k != "Identifier"}
        tree = {**tree, "Identifiers": kept} if kept else {k: v for k, v in tree.items() if k != "Identifiers"}
    services = tree.get("Services")
    if not isinstance(services, dict) or not isinstance(services.get("SensitiveService"), list):
        return tree
    bare = [_held(one, _SENSITIVE) for one in services["SensitiveService"] if isinstance(one, dict)]
    return {**tree, "Services": {**services, "SensitiveService": bare}}


def _held(tree: Tree, shape: Plan) -> Tree:
    """What of a tree lies within a shape."""
    kept: Tree = {}
    for name, value in tree.items():
        below = shape[name][2] if name in shape else None
        if below is None:
            if name in shape and isinstance(value, str):
                kept[name] = value
        elif isinstance(value, list):
            kept[name] = [_held(one, below) for one in value if isinstance(one, dict)]
        elif isinstance(value, dict):
            kept[name] = _held(value, below)
    return kept


def make_head(as_of: str, edition: str) -> Tree:
    """A head for records that came from another format; which authority sends it is not known then."""
    return _head({"AsOf": as_of} if as_of else {})


def check(document: Document) -> Iterator[RecordError]:
    """What breaks the XSD, a finding each: the child's place, the field, and the kind of fault; never the value."""
    yield from xsd.breaches(document, _WANTED, "schemas/contactpoint.xsd", NAMESPACE)


adapter = Adapter(
    name="contactpoint",
    read=read,
    write=write,
    schemas={"Child": SCHEMA},
    editions=(EDITION,),
    suffix=".xml",
    line=line,
    stretches=partial(stretches, wanted=_WANTED),
    head=make_head,
    normal=normal,
    check=check,
)
