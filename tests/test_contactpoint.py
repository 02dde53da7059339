"""The index of children: its schema has no room for case content, and the adapter reads and writes it whole."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree
from msgspec import UNSET

from adapters.contactpoint import NAMESPACE, SCHEMA, adapter
from hub import mapping
from hub.adapter import Theirs
from hub.errors import HubError, RecordError
from hub.mapping import Created, Mapping, account
from hub.model import (
    Address,
    Birth,
    Caf,
    Care,
    CareEpisode,
    ChildRecord,
    Episode,
    Identifier,
    Involvement,
    Name,
    Organisation,
    Period,
    Person,
    Professional,
    Referral,
    RelatedPerson,
    Relationship,
    Service,
    ServiceConsent,
    Source,
    Telecom,
)
from hub.wire import Document
from hub.wire.files import shipped

XS = "{http://www.w3.org/2001/XMLSchema}"
SAMPLE = Path(__file__).parent / "samples" / "contactpoint" / "index.xml"
CANARY = "Zanzibarcanary"
NARRATIVE = "She told her teacher on Monday that her stepfather had come home late again and shouted. " * 3


def child(content: str = "") -> str:
    return f"<Child><IndexNumber>CP-1</IndexNumber>{content}</Child>"


@pytest.fixture(scope="module")
def schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.fromstring(shipped("schemas/contactpoint.xsd")))


@pytest.fixture
def index() -> etree._Element:
    return etree.parse(SAMPLE).getroot()


def document(*children: str, name: str = "x.xml") -> Document:
    return Document.of(name, f'<Index xmlns="{NAMESPACE}"><Head/>{"".join(children)}</Index>'.encode())


def good(found: Iterator[Theirs | RecordError]) -> list[Theirs]:
    records = list(found)
    assert not [one for one in records if isinstance(one, RecordError)]
    return [one for one in records if isinstance(one, Theirs)]


def written(records: list[Theirs]) -> bytes:
    return b"".join(data for _, data in adapter.write(records, records[0].head if records else {}))


def faults(found: Document) -> list[RecordError]:
    assert adapter.check
    return list(adapter.check(found))


def add(parent: etree._Element, name: str, text: str = "") -> etree._Element:
    made = etree.SubElement(parent, f"{{{NAMESPACE}}}{name}")
    made.text = text or None
    return made


def one(root: etree._Element, path: str) -> etree._Element:
    found = root.find("/".join(f"{{{NAMESPACE}}}{step}" for step in path.split("/")))
    assert found is not None
    return found


def leaves(root: etree._Element) -> list[etree._Element]:
    return [element for element in root.iter() if not len(element)]


# Case content cannot be represented


def test_the_sample_is_valid(schema: etree.XMLSchema, index: etree._Element) -> None:
    assert schema.validate(index)


def test_the_schema_is_closed_and_every_text_is_short() -> None:
    root = etree.fromstring(shipped("schemas/contactpoint.xsd"))
    tags = {element.tag for element in root.iter(tag=etree.Element)}
    assert not tags & {f"{XS}{name}" for name in ("any", "anyAttribute", "attribute", "attributeGroup", "list")}
    assert not [element for element in root.iter(f"{XS}complexType") if element.get("mixed")]
    own = {element.get("name"): element for element in root.findall(f"{XS}simpleType")}
    plain = {"xs:date", "xs:dateTime", "xs:gYear", "xs:gYearMonth"}
    used = {element.get("type") for element in root.iter(f"{XS}element")} - {None}
    assert {name for name in used if name.startswith("xs:")} <= plain
    for name, simple in own.items():
        restriction = simple.find(f"{XS}restriction")
        if restriction is None:
            union = simple.find(f"{XS}union")
            assert union is not None, name
            assert set((union.get("memberTypes") or "").split()) <= plain, name
            continue
        lengths = [int(facet.get("value", "")) for facet in restriction.findall(f"{XS}maxLength")]
        closed = restriction.find(f"{XS}enumeration") is not None or restriction.find(f"{XS}pattern") is not None
        assert lengths or closed, name
        assert all(length <= 100 for length in lengths), name


def test_a_narrative_is_refused_wherever_it_is_put(schema: etree.XMLSchema, index: etree._Element) -> None:
    assert len(leaves(index)) > 100
    for element in leaves(index):
        kept, element.text = element.text, NARRATIVE
        assert not schema.validate(index), element.tag
        element.text = "He was seen.\nHe was alone."
        assert not schema.validate(index), element.tag
        element.text = kept
    assert schema.validate(index)


def test_text_beside_elements_and_attributes_are_refused(schema: etree.XMLSchema, index: etree._Element) -> None:
    for element in list(index.iter()):
        if len(element):
            kept, element.text = element.text, "seen alone"
            assert not schema.validate(index), element.tag
            element.text = kept
        element.set("note", "seen alone")
        assert not schema.validate(index), element.tag
        del element.attrib["note"]
    assert schema.validate(index)


@pytest.mark.parametrize("name", ["CaseNote", "Note", "Comments", "Assessment", "Reason", "Strengths"])
def test_an_element_for_case_notes_is_refused_everywhere(
    schema: etree.XMLSchema, index: etree._Element, name: str
) -> None:
    for element in list(index.iter()):
        made = add(element, name, "seen alone")
        assert not schema.validate(index), element.tag
        element.remove(made)
    assert schema.validate(index)


@pytest.mark.parametrize("name", ["Kind", "Provider", "Contact", "Practitioner", "PractitionerContact"])
def test_a_sensitive_service_has_no_provider(schema: etree.XMLSchema, index: etree._Element, name: str) -> None:
    service = one(index, "Child/Services/SensitiveService")
    for position in range(len(service) + 1):
        tried = copy.deepcopy(index)
        made = etree.Element(f"{{{NAMESPACE}}}{name}")
        made.text = "01632 960199"
        one(tried, "Child/Services/SensitiveService").insert(position, made)
        assert not schema.validate(tried)


def test_a_sensitive_service_without_its_ground_is_refused(schema: etree.XMLSchema, index: etree._Element) -> None:
    service = one(index, "Child/Services/SensitiveService")
    service.remove(one(service, "Consent"))
    assert not schema.validate(index)


@pytest.mark.parametrize(
    "name",
    ["Identifiers", "Addresses", "Education", "PrimaryCare", "Services", "LeadProfessionals", "Cafs", "Sources"],
)
def test_a_shielded_child_has_nothing_that_leads_to_it(
    schema: etree.XMLSchema, index: etree._Element, name: str
) -> None:
    block = next(index.iter(f"{{{NAMESPACE}}}{name}"))
    for position in range(len(one(index, "ShieldedChild")) + 1):
        tried = copy.deepcopy(index)
        one(tried, "ShieldedChild").insert(position, copy.deepcopy(block))
        assert not schema.validate(tried)


def test_a_shielded_child_shows_of_a_carer_only_the_name(schema: etree.XMLSchema, index: etree._Element) -> None:
    for name in ("Phone", "Email"):
        tried = copy.deepcopy(index)
        made = etree.Element(f"{{{NAMESPACE}}}{name}")
        made.text = "01632 960199"
        one(tried, "ShieldedChild/Carers/Carer").insert(1, made)
        assert not schema.validate(tried)


def test_shielded_and_open_records_cannot_be_mistaken(schema: etree.XMLSchema, index: etree._Element) -> None:
    one(index, "Child/Shielded").text = "true"
    assert not schema.validate(index)
    one(index, "Child/Shielded").text = "false"
    one(index, "ShieldedChild/Shielded").text = "false"
    assert not schema.validate(index)


# Reading and writing


def test_the_fields_of_the_adapter_are_those_of_the_schema() -> None:
    root = etree.fromstring(shipped("schemas/contactpoint.xsd"))
    types = {found.get("name"): found for found in root.findall(f"{XS}complexType")}
    top = next(found for found in root.findall(f"{XS}element") if found.get("name") == "Child")

    def walk(holder: etree._Element, prefix: str) -> Iterator[str]:
        for found in direct(holder):
            path = prefix + str(found.get("name")) + ("[]" if _repeats(found) else "")
            inner = types.get(found.get("type")) if found.get("type") else found.find(f"{XS}complexType")
            if inner is None:
                yield path
            else:
                yield from walk(inner, path + ".")

    assert [cell.path for cell in SCHEMA.cells] == list(walk(top, ""))


def direct(holder: etree._Element) -> Iterator[etree._Element]:
    """The elements declared in a complex type, not those of the types within."""
    for below in holder:
        if below.tag == f"{XS}element":
            yield below
        else:
            yield from direct(below)


def _repeats(found: etree._Element) -> bool:
    if found.get("maxOccurs") not in (None, "1"):
        return True
    parent = found.getparent()
    return parent is not None and parent.tag == f"{XS}choice" and parent.get("maxOccurs") == "unbounded"


def test_the_sample_reads_and_writes_the_same() -> None:
    records = good(adapter.read(Document.at(SAMPLE)))
    assert [record.id for record in records] == [f"CP-0000-100{n}" for n in range(1, 8)]
    assert {record.kind for record in records} == {"Child"}
    assert records[0].head["as_of"] == "2026-03-31"
    again = written(records)
    assert [one.tree for one in good(adapter.read(Document.of("x.xml", again)))] == [one.tree for one in records]
    assert written(good(adapter.read(Document.of("x.xml", again)))) == again
    assert not faults(Document.of("x.xml", again))


def test_no_records_are_a_valid_empty_index() -> None:
    empty = Document.of("x.xml", written([]))
    assert good(adapter.read(empty)) == []
    assert not faults(empty)


def test_a_shielded_child_is_written_as_one() -> None:
    shielded = next(one for one in good(adapter.read(Document.at(SAMPLE))) if one.tree.get("Shielded") == "true")
    assert b"<ShieldedChild>" in written([shielded])
    assert b"<Child>" not in written([shielded])


def test_what_the_schema_does_not_know_is_kept_and_reported() -> None:
    found = document(child("<Local><A>1</A><A>2</A></Local><Gender>F</Gender>"))
    records = good(adapter.read(found))
    assert records[0].tree == {"IndexNumber": "CP-1", "Local": {"A": ["1", "2"]}, "Gender": "F"}
    assert good(adapter.read(Document.of("x.xml", written(records))))[0].tree == records[0].tree
    assert len(faults(found)) == 1


def test_a_child_without_number_is_refused_and_the_others_are_read() -> None:
    found = list(adapter.read(document(child(), "<Child><Gender>F</Gender></Child>", child())))
    assert [type(one) for one in found] == [Theirs, RecordError, Theirs]
    assert isinstance(found[1], RecordError)
    assert found[1].place.startswith("Child 2, line ")
    assert found[1].file == "x.xml"


def test_a_shielded_child_that_says_it_is_not_is_refused() -> None:
    open_child = "<ShieldedChild><IndexNumber>CP-1</IndexNumber><Shielded>false</Shielded></ShieldedChild>"
    assert isinstance(next(adapter.read(document(open_child))), RecordError)


def test_a_shielded_child_that_says_nothing_is_shielded() -> None:
    open_child = "<ShieldedChild><IndexNumber>CP-1</IndexNumber></ShieldedChild>"
    assert good(adapter.read(document(open_child)))[0].tree["Shielded"] == "true"


def test_check_names_field_and_place_and_never_a_value() -> None:
    found = faults(document(child(f"<Gender>{CANARY}</Gender><BirthDate>{CANARY}</BirthDate>")))
    assert len(found) >= 2
    assert any("Gender" in str(one) for one in found)
    assert all("Child, line " in one.place for one in found)
    assert not any(CANARY in str(one) for one in found)


def test_another_namespace_is_read_and_reported() -> None:
    found = Document.of("x.xml", SAMPLE.read_bytes().replace(NAMESPACE.encode(), b"urn:other"))
    assert len(good(adapter.read(found))) == 7
    assert "namespace" in str(faults(found)[0])


def page(content: str, prolog: str = "", encoding: str = "utf-8") -> bytes:
    return f'{prolog}<Index xmlns="{NAMESPACE}">{content}</Index>'.encode(encoding)


BAD = {
    "empty": b"",
    "blank": b" \n ",
    "not XML": b"IndexNumber,Gender\n1,F\n",
    "doctype": page(child(), "<!DOCTYPE Index>"),
    "entity": page(child("<Gender>&e;</Gender>"), f'<!DOCTYPE x [<!ENTITY e "{CANARY}">]>'),
    "outside entity": page(child("<Gender>&e;</Gender>"), '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hosts">]>'),
    "undeclared entity": page(child(f"<Gender>&{CANARY};</Gender>")),
    "truncated": page(child() + f"<Child><IndexNumber>{CANARY}").removesuffix(b"</Index>"),
    "wrong root": f"<Register xmlns='{NAMESPACE}'>{child(CANARY)}</Register>".encode(),
    "two roots": page(child()) + b"<Index/>",
    "cp1252": page(child(f"<Gender>Zo\xeb {CANARY}</Gender>"), encoding="cp1252"),
    "control character": page(child(f"<Gender>\x01{CANARY}</Gender>")),
    "10 MB": page(child(f"<Gender>{CANARY * 800_000}</Gender>")),
    "deep": page(child("<a>" * 10_000 + CANARY + "</a>" * 10_000)),
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_a_bad_document_is_refused_by_name_and_never_by_value(data: bytes) -> None:
    refused: list[HubError] = []
    try:
        refused += [one for one in adapter.read(Document.of("bad.xml", data)) if isinstance(one, RecordError)]
    except RecordError as error:
        refused.append(error)
    assert refused
    for error in refused:
        assert "bad.xml" in str(error)
        assert CANARY not in str(error)
        assert CANARY not in repr(error)


@pytest.mark.parametrize("name", ["truncated", "two roots"])
def test_the_good_children_before_a_break_are_read(name: str) -> None:
    found = adapter.read(Document.of("bad.xml", BAD[name]))
    first = next(found)
    assert isinstance(first, Theirs)
    assert first.id == "CP-1"
    with pytest.raises(RecordError):
        list(found)


def test_a_byte_order_mark_is_no_trouble() -> None:
    marked = Document.of("x.xml", b"\xef\xbb\xbf" + SAMPLE.read_bytes())
    assert len(good(adapter.read(marked))) == 7


def test_reading_does_not_hold_the_document() -> None:
    ivy = child("<Names><Name><Kind>current</Kind><Given>Ivy</Given></Name></Names>")
    found = adapter.read(document(ivy * 20_000, "<broken"))
    assert isinstance(next(found), Theirs)


# What goes to the index and what never does


@pytest.fixture(scope="module")
def child_mapping() -> Mapping:
    found = mapping.load("contactpoint")["Child"]
    assert isinstance(found, Mapping)
    return found


def valid(found: Created) -> str:
    """The tree as it would be sent, which must be a valid document."""
    data = written([Theirs("Child", "", found.tree)])
    assert not faults(Document.of("x.xml", data))
    return data.decode()


def shielded_or_not(shielded: bool) -> ChildRecord:
    """A child of whom everything is known that the index has a place for, and more."""
    service = Service(kind="Sexual health", organisation=Organisation(name=f"{CANARY} clinic", telecom="01632 960170"))
    nurse = Professional(name=f"{CANARY} nurse", telecom="01632 960171")
    sensitive = Involvement(kind="service", service=service, professional=nurse, sensitive=True)
    sensitive.consent = ServiceConsent(given=True, by="child", date="2025-05-06", basis="consent")
    sensitive.period = Period(start="2025-05-06")
    return ChildRecord(
        source=Source(id="NS1006", link="elsewhere"),
        person=Person(
            shielded=shielded,
            names=[Name(use="current", given="Freya", family="Lindqvist-Moss")],
            birth=Birth(date="2018-07-19"),
            gender="2",
            identifiers=[Identifier(system="nhs", value="9999001157", use="current")],
            addresses=[Address(status="current", lines=["8 Haven Close"], postcode="ZZ99 4DD")],
        ),
        relationships=[
            Relationship(
                role="mother",
                carer=True,
                parental_responsibility=True,
                person=RelatedPerson(name="Her mother", telecoms=[Telecom(system="phone", value="01632 960104")]),
            )
        ],
        involvements=[
            sensitive,
            Involvement(kind="worker", lead=True, professional=Professional(id="SW101", name="Rosa Quill")),
            Involvement(kind="worker", professional=Professional(id="SW102", name="Ben Tarrant")),
        ],
        caf=[Caf(started="2025-01-07", contact="01632 960130", reason=f"{CANARY} story")],
        episodes=[Episode(referral=Referral(date="2025-02-01", comments=f"{CANARY} story"))],
        care=Care(episodes=[CareEpisode(start="2025-03-01")]),
    )


def test_every_field_of_both_sides_is_accounted_for(child_mapping: Mapping) -> None:
    assert list(account.faults(child_mapping)) == []


def test_the_sample_comes_back_as_it_went(child_mapping: Mapping) -> None:
    for record in good(adapter.read(Document.at(SAMPLE))):
        before = copy.deepcopy(record.tree)
        read = child_mapping.inward(record, "index")
        assert read.findings == []
        assert child_mapping.create(read.record, "index").tree == before
        elsewhere = child_mapping.create(read.record, "another").tree
        assert elsewhere == {name: value for name, value in before.items() if name != "Sources"}


def test_of_a_sensitive_service_only_that_it_exists_goes_out(child_mapping: Mapping) -> None:
    sent = child_mapping.create(shielded_or_not(False))
    text = valid(sent)
    assert sent.tree["Services"] == {
        "SensitiveService": [
            {
                "Start": "2025-05-06",
                "Consent": {"Given": "true", "By": "child", "Date": "2025-05-06", "Basis": "consent"},
            }
        ]
    }
    assert CANARY not in text
    assert "Sexual health" not in text
    assert ("sensitive", "involvements[].service.organisation.name") in sent.account
    assert "reg. 6" in child_mapping.reason("sensitive", "involvements[].service.organisation.name")


@pytest.mark.parametrize(
    "consent", [None, ServiceConsent(), ServiceConsent(given=False), ServiceConsent(basis="consent")]
)
def test_without_consent_or_harm_a_sensitive_service_is_not_there(
    child_mapping: Mapping, consent: ServiceConsent | None
) -> None:
    record = shielded_or_not(False)
    assert isinstance(record.involvements, list)
    record.involvements[0].consent = consent
    sent = child_mapping.create(record)
    assert "Services" not in sent.tree
    assert any(what == "no_consent_to_share" for what, _ in sent.account)
    record.involvements[0].consent = ServiceConsent(basis="significant_harm")
    assert "Services" in child_mapping.create(record).tree


def test_case_content_stays_and_is_accounted_for(child_mapping: Mapping) -> None:
    sent = child_mapping.create(shielded_or_not(False))
    assert CANARY not in valid(sent)
    for path in ("episodes[].referral.date", "care.episodes[].start", "caf[].reason"):
        assert any(path.startswith(gone) for _, gone in sent.account), path
    assert sent.tree["Cafs"] == {"Caf": [{"Started": "2025-01-07", "Contact": "01632 960130"}]}


@pytest.mark.parametrize(
    "system", ["home_office", "court", "yot", "case", "passport", "ssda903", "other", "ssd:Incident ID"]
)
def test_a_number_that_tells_of_the_case_is_not_on_the_index(child_mapping: Mapping, system: str) -> None:
    record = shielded_or_not(False)
    assert record.person
    assert isinstance(record.person.identifiers, list)
    record.person.identifiers.append(Identifier(system=system, value=CANARY, use="secondary"))
    sent = child_mapping.create(record)
    assert CANARY not in valid(sent)
    assert {what for what, path in sent.account if path == "person.identifiers[].value"} == {"withheld"}


def test_a_number_without_a_value_is_no_number_and_one_of_any_use_is_in_force(child_mapping: Mapping) -> None:
    record = shielded_or_not(False)
    assert record.person
    record.person.identifiers = [
        Identifier(system="upn", use="current", missing="UN1"),
        Identifier(system="nhs", use="secondary", value="9999001157"),
        Identifier(system="la", use="temporary", value="Ann said he came home late"),
    ]
    text = valid(child_mapping.create(record))
    assert text.count("<Identifier>") == 1
    assert "<Value>9999001157</Value><Use>current</Use>" in text
    del record.person.identifiers[1:]
    assert "Identifier" not in valid(child_mapping.create(record))


def test_words_where_a_number_to_ring_is_asked_for_do_not_go_out(child_mapping: Mapping) -> None:
    record = shielded_or_not(False)
    record.caf = [Caf(started="2025-01-07", contact=f"{CANARY}, not at her father's")]
    assert isinstance(record.involvements, list)
    record.involvements.append(
        Involvement(kind="worker", lead=True, professional=Professional(name="Rosa Quill", telecom=f"{CANARY} cried"))
    )
    sent = child_mapping.create(record)
    assert CANARY not in valid(sent)
    assert {("unsayable", "caf[].contact"), ("unsayable", "involvements[].professional.telecom")} <= set(sent.account)


def test_a_number_of_another_kind_that_an_index_has_stays_with_that_index(child_mapping: Mapping) -> None:
    number = "<Identifier><System>yot</System><Value>Y1</Value><VisibleTo>owner</VisibleTo></Identifier>"
    (record,) = good(adapter.read(document(child(f"<Identifiers>{number}</Identifiers>"))))
    before = copy.deepcopy(record.tree)
    read = child_mapping.inward(record, "index").record
    assert read.person is UNSET
    assert child_mapping.create(read, "index").tree == before
    assert child_mapping.create(read, "another").tree == {"IndexNumber": "CP-1"}


def test_the_lead_goes_out_and_other_workers_do_not(child_mapping: Mapping) -> None:
    sent = child_mapping.create(shielded_or_not(False))
    assert sent.tree["LeadProfessionals"] == {"LeadProfessional": [{"Name": "Rosa Quill"}]}
    assert "Ben Tarrant" not in valid(sent)


def test_a_shielded_child_goes_out_with_name_gender_birth_number_and_carers(child_mapping: Mapping) -> None:
    sent = child_mapping.create(shielded_or_not(True))
    assert "<ShieldedChild>" in valid(sent)
    assert sent.tree == {
        "IndexNumber": "NS1006",
        "Shielded": "true",
        "Names": {"Name": [{"Kind": "current", "Given": "Freya", "Family": "Lindqvist-Moss"}]},
        "Gender": "F",
        "BirthDate": "2018-07-19",
        "Carers": {"Carer": [{"Name": "Her mother", "ParentalResponsibility": "true", "Cares": "true"}]},
    }
    assert ("shielded", "person.addresses[]") in sent.account or any(
        "person.addresses" in gone for _, gone in sent.account
    )


def test_a_child_who_becomes_shielded_keeps_no_old_address_at_the_index(child_mapping: Mapping) -> None:
    there, *_ = good(adapter.read(Document.at(SAMPLE)))
    there.tree["Local"] = {"Doorcode": "4711"}
    sent = child_mapping.outward(ChildRecord(person=Person(shielded=True)), there, "index")
    text = valid(sent)
    assert "<ShieldedChild>" in text
    for gone in ("Larch", "ZZ99", "01632", "Rosa Quill", "W999210120017", "4711", "Northshire"):
        assert gone not in text, gone
    assert "Amara" in text
    assert "Ngozi Okafor" in text


def test_what_somebody_adds_to_a_sensitive_service_does_not_slip_out() -> None:
    services = "<Services><SensitiveService><Provider>Clinic</Provider><Consent/></SensitiveService></Services>"
    records = good(adapter.read(document(child(services))))
    assert b"Clinic" not in written(records)
