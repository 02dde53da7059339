"""Forms of the common assessment: the XML, one record a child, consent, and local forms by data alone."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from adapters._caf_schema import SCHEMA, joined, parted
from adapters.caf import NAMESPACE, WINDOW, adapter
from hub.adapter import Theirs, Tree
from hub.check import check
from hub.errors import RecordError
from hub.mapping import Mapping, account, load
from hub.model import (
    CONDITIONS,
    Caf,
    CafAction,
    CafAnswer,
    CafConsent,
    CafElement,
    ChildRecord,
    Identifier,
    Immigration,
    Involvement,
    Period,
    Person,
    Professional,
    Source,
    code_list,
    leaves,
    merge,
    to_tree,
)
from hub.wire import Document
from hub.wire.files import shipped

XS = "{http://www.w3.org/2001/XMLSchema}"
ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "tests" / "samples" / "caf"
SAMPLE = FOLDER / "northshire.xml"
CANARY = "Zanzibarcanary"


@pytest.fixture(scope="module")
def form() -> Mapping:
    return mapping("caf", "Form")


def mapping(name: str, kind: str) -> Mapping:
    found = load(name)[kind]
    assert isinstance(found, Mapping)
    return found


def good(found: Iterable[Theirs | RecordError]) -> list[Theirs]:
    records = list(found)
    assert not [one for one in records if isinstance(one, RecordError)]
    return [one for one in records if isinstance(one, Theirs)]


def read(path: Path = SAMPLE) -> list[Theirs]:
    return good(adapter.read(Document.at(path)))


def document(*forms: str, name: str = "x.xml") -> Document:
    return Document.of(name, f'<Forms xmlns="{NAMESPACE}"><Head/>{"".join(forms)}</Forms>'.encode())


def written(records: Iterable[Theirs]) -> bytes:
    return b"".join(data for _, data in adapter.write(records, {}))


def again(records: Iterable[Theirs]) -> list[Theirs]:
    return good(adapter.read(Document.of("x.xml", written(records))))


def child(number: str, inside: str = "") -> str:
    return f"<Child><Id>{number}</Id>{inside}</Child>"


def a_form(number: str, *children: str, shared: str = "") -> str:
    return f"<Form><Reference>{number}</Reference><Children>{''.join(children)}</Children>{shared}</Form>"


def one(number: str, name: str, **shared: str) -> Theirs:
    return Theirs("Form", name, {"Reference": number, **shared, "Child": {"Id": name}})


# The XML


def test_the_schema_has_every_field_of_the_tree_and_no_other() -> None:
    root = etree.fromstring(shipped("schemas/caf.xsd"))
    types: dict[str, Any] = {kind.get("name"): kind for kind in root.findall(f"{XS}complexType")}
    groups: dict[str, Any] = {group.get("name"): group for group in root.findall(f"{XS}group")}

    def paths(element: Any, prefix: str) -> Iterator[str]:
        kind = element.find(f"{XS}complexType")
        kind = types.get(element.get("type", "")) if kind is None else kind
        name = prefix + element.get("name") + ("[]" if element.get("maxOccurs") == "unbounded" else "")
        if kind is None:
            yield name
        elif element.get("name") != "Own":
            yield from below(kind, f"{name}.")

    def below(kind: Any, prefix: str) -> Iterator[str]:
        for found in kind.find(f"{XS}sequence"):
            if found.tag == f"{XS}group":
                yield from below(groups[found.get("ref")], prefix)
            else:
                yield from paths(found, prefix)

    whole = next(found for found in root.findall(f"{XS}element") if found.get("name") == "Form")
    found = [path.replace("Children.Child[].", "Child.") for path in below(whole.find(f"{XS}complexType"), "")]
    assert found == [cell.path for cell in SCHEMA.cells]
    assert not list(root.iter(f"{XS}any", f"{XS}attribute", f"{XS}anyAttribute"))


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.xml")), ids=lambda file: file.stem)
def test_a_sample_is_valid_and_comes_back_valid_and_the_same(file: Path) -> None:
    assert adapter.check
    assert list(adapter.check(Document.at(file))) == []
    records = read(file)
    back = Document.of("x.xml", b"".join(data for _, data in adapter.write(records, records[0].head)))
    assert list(adapter.check(back)) == []
    assert [(two.id, two.tree, two.head) for two in good(adapter.read(back))] == [
        (two.id, two.tree, two.head) for two in records
    ]


def test_what_breaks_the_schema_is_named_without_its_value() -> None:
    assert adapter.check
    shared = f"<Consent><Share>{CANARY}</Share></Consent><Story>{CANARY}</Story>"
    found = list(adapter.check(document(a_form("F1", child("1"), shared=shared))))
    said = "\n".join(map(str, found))
    assert "Share: its value is not one that the schema allows" in said
    assert "Story: it must not stand here" in said
    assert CANARY not in said
    (fault,) = adapter.check(Document.of("x.xml", b"<Forms><Head/></Forms>"))
    assert "namespace" in fault.reason


def test_a_question_that_no_element_is_for_is_kept_and_goes_back(form: Mapping) -> None:
    consent = "<Consent><Share>true</Share></Consent><Pets>two cats</Pets>"
    (record,) = good(adapter.read(document(a_form("F1", child("1"), shared=consent))))
    ours = form.inward(record, "caf").record
    assert list(account.drift(form, ours, "caf")) == ["Pets"]
    assert form.create(ours, "caf").tree["Pets"] == "two cats"
    assert "Pets" not in form.create(ours, "another").tree


@pytest.mark.parametrize("share", ["", "<Share/>", "<Share>false</Share>"])
def test_without_consent_what_no_element_is_for_goes_to_nobody_even_where_nothing_else_is_said(
    form: Mapping, share: str
) -> None:
    consent = f"<Consent>{share}</Consent><Pets>{CANARY}</Pets>"
    (record,) = good(adapter.read(document(a_form("F1", child("1"), shared=consent))))
    made = form.create(form.inward(record, "caf").record, "caf")
    assert CANARY not in str(made.tree)
    assert made.tree["Reference"] == "F1"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"<Form><Children>{child('1')}{child('2')}</Children></Form>", "Reference, by which"),
        ("<Form><Reference>F</Reference></Form>", "Children is missing"),
        (a_form("F"), "Children is missing"),
        (a_form("F", child("1"), "<Dog/>"), "something else"),
        (a_form("F", child("1"), shared="<Child/>"), "outside Children"),
        (a_form("F", "<Child>x</Child>"), "Id is missing"),
        (a_form("F", child("1", "<Own><Reference>G</Reference></Own>")), "Own holds"),
        (a_form("F", child("1", "<Own>text</Own>")), "Own holds"),
        (a_form("F", child("")), "Id is missing"),
        (a_form("F", child("1"), child("1")), "stands in this form before"),
    ],
)
def test_a_form_that_cannot_be_taken_apart_is_named_and_those_beside_it_flow(text: str, reason: str) -> None:
    found = list(adapter.read(document(a_form("A", child("a")), text, a_form("Z", child("z")))))
    bad = [two for two in found if isinstance(two, RecordError)]
    assert [two.place.partition(",")[0] for two in bad] == ["Form 2"]
    assert reason in bad[0].reason
    assert {two.id for two in found if isinstance(two, Theirs)} >= {"a", "z"}


# A form about several children


def test_a_family_form_is_a_record_a_child_with_the_same_ids(form: Mapping) -> None:
    records = [form.inward(two, "caf").record for two in read()[1:]]
    told = [to_tree(record) for record in records]
    assert [two["source"]["id"] for two in told] == ["NS1004", "NS1003"]
    assert {two["caf"][0]["id"] for two in told} == {"NS-CAF-0420"}
    assert {two["families"][0]["family"] for two in told} == {"NS-FAM-3"}
    assert {two["caf"][0]["home_situation"] for two in told} == {"Two rooms above the bakery."}
    assert [two["caf"][0]["elements"][0].get("needs") for two in told] == [None, "Gains little weight."]
    assert [two["caf"][0]["answers"][0]["text"] for two in told] == ["Yes", "No"]
    assert [two["caf"][0]["answers"][1]["heading"] for two in told] == ["What do you do together?"] * 2


def test_reading_one_child_leaves_the_others_whole(form: Mapping) -> None:
    first, second = read()[1:]
    before = copy.deepcopy(second.tree)
    form.inward(first, "caf")
    assert second.tree == before


def test_records_of_one_form_become_one_form_again_wherever_they_stand(form: Mapping) -> None:
    amara, callum, ivy = read()
    root = etree.fromstring(written([callum, amara, ivy]))
    forms = root.findall(f"{{{NAMESPACE}}}Form")
    assert [found.findtext(f"{{{NAMESPACE}}}Reference") for found in forms] == ["NS-CAF-0420", "NS-CAF-0412"]
    children = forms[0].findall(f".//{{{NAMESPACE}}}Child[{{{NAMESPACE}}}Id]")
    assert [found.findtext(f"{{{NAMESPACE}}}Id") for found in children] == ["NS1004", "NS1003"]
    assert len(forms[0].findall(f"{{{NAMESPACE}}}HomeSituation")) == 1
    assert [two.tree for two in again([callum, amara, ivy])] == [callum.tree, ivy.tree, amara.tree]


def test_what_differs_stays_with_the_child_and_what_is_the_same_stands_once() -> None:
    trees: list[Tree] = [
        {"Reference": "F", "Reason": "x", "Contact": "1", "Child": {"Id": "a"}},
        {"Reference": "F", "Reason": "x", "Contact": "2", "Child": {"Id": "b"}},
        {"Reference": "F", "Reason": "x", "Child": {"Id": "c"}},
    ]
    whole = joined(trees)
    assert whole["Reason"] == "x"
    assert "Contact" not in whole
    assert [found.get("Own") for found in whole["Children"]["Child"]] == [{"Contact": "1"}, {"Contact": "2"}, None]
    assert parted(whole) == trees


def test_a_child_who_comes_again_is_not_merged_into_the_form() -> None:
    records = [one("F", "a", Reason="old"), one("F", "b", Reason="old"), one("F", "a", Reason="new")]
    assert [(two.id, two.tree["Reason"]) for two in again(records)] == [("a", "old"), ("b", "old"), ("a", "new")]


def test_records_without_a_reference_are_never_one_form() -> None:
    records = [Theirs("Form", name, {"Child": {"Id": name}}) for name in ("a", "b")]
    assert written(records).count(b"<Form>") == 2


def test_a_file_of_many_forms_is_not_held_in_memory() -> None:
    given = 0

    def many() -> Iterator[Theirs]:
        nonlocal given
        for given in range(5 * WINDOW):
            yield one(f"F{given}", f"C{given}")

    most, forms = 0, 0
    for _, data in adapter.write(many(), {}):
        forms += data.count(b"<Form>")
        most = max(most, given - forms)
    assert forms == 5 * WINDOW
    assert most <= WINDOW + 1


# What is read


def test_the_national_form_is_read_whole(form: Mapping) -> None:
    found = form.inward(read()[0], "caf")
    told: Any = to_tree(found.record)
    assert not found.findings
    assert told["person"]["ethnicity"] == "MWBA"
    assert told["person"]["disabled"] is False
    assert [two["element"] for two in told["caf"][0]["elements"]] == [*code_list("caf_element")][:-1]
    assert [two["met"] for two in told["caf"][0]["checklist"]["aims"]] == ["yes", "not_sure", "no", "yes", "not_sure"]
    assert [two.get("role") for two in told["relationships"]] == ["mother", "father", "caf:Step-nan"]
    assert told["caf"][0]["consent"]["share_with"] == ["School", "GP"]
    assert [two["kind"] for two in told["involvements"]] == ["worker", "service"]
    assert told["health"]["practices"][0]["provider"]["id"] == "Z99901"


def test_every_box_of_the_tick_list_is_read_and_one_that_is_no_box_is_kept(form: Mapping) -> None:
    boxes = """White British|White Irish|Traveller of Irish heritage|Gypsy/Roma|Any other White|Caribbean|African
        |Any other Black|Indian|Pakistani|Bangladeshi|Any other Asian|White & Black Caribbean|White & Black African
        |White & Asian|Any other mixed|Chinese|Any other ethnic group|Not given"""
    seen = set()
    for box in (words.strip() for words in boxes.split("|")):
        tree = {"Reference": "F", "Child": {"Id": "1", "Ethnicity": box}, "Consent": {"Share": "true"}}
        record = form.inward(Theirs("Form", "1", tree), "caf").record
        assert isinstance(record.person, Person)
        seen.add(record.person.ethnicity)
        assert form.create(record, "caf").tree["Child"]["Ethnicity"] == box
    assert seen == set(code_list("ethnicity")) - {"REFU"}
    tree = {"Reference": "F", "Child": {"Id": "1", "Ethnicity": "Martian"}, "Consent": {"Share": "true"}}
    found = form.inward(Theirs("Form", "1", tree), "caf")
    assert [two.kind for two in found.findings] == ["unknown code"]
    assert form.create(found.record, "caf").tree["Child"]["Ethnicity"] == "Martian"


# Consent


def assessed(share: bool | None, stored: bool = True) -> ChildRecord:
    """A record whose assessment has a marked text in every field that holds one."""
    caf = Caf(
        id="NS-CAF-1",
        started="2025-01-07",
        contact="01632 960130",
        reason=CANARY,
        home_situation=CANARY,
        elements=[CafElement(element="wider_family", needs=CANARY)],
        actions=[CafAction(action=CANARY)],
        answers=[CafAnswer(heading=CANARY, text=CANARY)],
        consent=CafConsent(store=stored, share=share, exceptions=CANARY),
    )
    lead = Involvement(kind="worker", lead=True, professional=Professional(name="Hilde Frost", telecom="01632 960125"))
    return ChildRecord(
        source=Source(link="caf", id="NS1003"), person=Person(gender="2"), caf=[caf], involvements=[lead]
    )


SYSTEMS = [
    ("caf", "Form"),
    ("caf_docx", "Form"),
    ("caf_fhir", "Form"),
    ("cin_census", "Child"),
    ("contactpoint", "Child"),
    ("dfe_csc_api", "Child"),
    ("fhir_r4", "Patient"),
    ("hl7v2", "Person"),
    ("ssd", "Person"),
]


@pytest.mark.parametrize("share", [None, False])
@pytest.mark.parametrize("name", [name for name, _ in SYSTEMS])
def test_without_consent_to_share_nothing_an_assessment_says_goes_out(name: str, share: bool | None) -> None:
    for found in load(name).values():
        assert isinstance(found, Mapping)
        assert CANARY not in str(found.create(assessed(share), "another").tree)


def test_only_the_form_itself_can_carry_what_an_assessment_says_and_the_tables_why_it_was_made() -> None:
    carrying = []
    for name, _ in SYSTEMS:
        for found in load(name).values():
            assert isinstance(found, Mapping)
            if CANARY in str(found.create(assessed(True), "another").tree):
                carrying.append(name)
    assert carrying == ["caf", "caf_docx", "caf_fhir", "ssd"]
    tables = load("ssd")["person"].create(assessed(True), "another").tree
    (row,) = tables["ssd_early_help_caf"]
    assert [column for column, cell in row.items() if CANARY in cell] == ["earl_episode_reason"]
    assert str(tables).count(CANARY) == 1


def test_consent_is_the_reason_in_the_account(form: Mapping) -> None:
    made = form.create(assessed(False), "another")
    for path in ("reason", "home_situation", "elements[].needs", "actions[].action", "answers[].text"):
        assert made.account["no_consent_to_share", f"caf[].{path}"] == 1
        assert "consent" in form.reason("no_consent_to_share", f"caf[].{path}")
    assert made.tree["Reference"] == "NS-CAF-1"
    assert made.tree["Consent"] == {"Store": "true", "Share": "false"}
    assert not any(what == "no_consent_to_share" for what, _ in form.create(assessed(True), "another").account)


def test_every_leaf_of_an_assessment_but_that_it_exists_is_under_the_condition(form: Mapping) -> None:
    (rule,) = [rule for rule in form.rules if rule.what == "no_consent_to_share"]
    told = {"id", "started", "contact", "consent.store", "consent.share"}
    own = {leaf.path for leaf in leaves() if leaf.path.startswith("caf[].")}
    engine = {path for path in own if path.endswith((".removed", ".stub"))}
    assert own - rule.paths - engine == {f"caf[].{name}" for name in told}
    assert all("no_consent_to_share" in leaf.guards for leaf in leaves() if leaf.path in own)


def test_a_target_that_had_the_assessment_has_it_erased_when_consent_is_withdrawn(form: Mapping) -> None:
    there = Theirs("Form", "NS1003", form.create(assessed(True), "target").tree)
    there.tree["Pets"] = CANARY
    assert CANARY in str(there.tree)
    sent = form.outward(assessed(False), there, "target")
    assert CANARY not in str(sent.tree)
    assert sent.tree["Consent"]["Share"] == "false"
    assert sent.tree["Child"]["Gender"] == "Female"


def test_who_reads_the_forms_forgets_an_assessment_whose_consent_is_withdrawn(form: Mapping) -> None:
    known, withdrawn = (again([form.create(assessed(share), "target")])[0] for share in (True, False))
    there = form.inward(known, "hub").record
    assert CANARY in str(to_tree(there))
    left = merge(there, form.inward(withdrawn, "hub").record)
    assert CANARY not in str(to_tree(left))
    assert to_tree(left)["caf"][0] | {"contact": ""} == {
        "id": "NS-CAF-1",
        "started": "2025-01-07",
        "contact": "",
        "consent": {"store": True, "share": False},
    }


@pytest.mark.parametrize("share", [None, False, True])
def test_the_index_learns_that_there_is_an_assessment_and_whom_to_ask(share: bool | None) -> None:
    sent = mapping("contactpoint", "Child").create(assessed(share), "index")
    assert sent.tree["Cafs"] == {"Caf": [{"Started": "2025-01-07", "Contact": "01632 960130"}]}
    assert sent.tree["LeadProfessionals"] == {"LeadProfessional": [{"Name": "Hilde Frost", "Contact": "01632 960125"}]}
    assert CANARY not in str(sent.tree)


def test_what_nobody_said_is_no_consent() -> None:
    judge = CONDITIONS["no_consent_to_share"]
    assert judge(Caf()) is True
    assert judge(Caf(consent=CafConsent(store=True))) is True
    assert judge(Caf(consent=CafConsent(share=True))) is False


def test_a_form_has_the_immigration_status_of_now_and_no_number_that_tells_of_the_case(form: Mapping) -> None:
    ended = Immigration(status="Adult Asylum Seeker", period=Period(start="2019-01-01", end="2020-01-01"))
    numbers = [Identifier(system="court", value="ZC12"), Identifier(system="nhs", value="9999001157")]
    person = Person(immigration=[ended, Immigration(status="Refugee status")], identifiers=numbers)
    made = form.create(ChildRecord(person=person))
    assert made.tree["Child"]["ImmigrationStatus"] == "Refugee status"
    assert made.tree["Child"]["Identifiers"] == {"Identifier": [{"System": "nhs", "Value": "9999001157"}]}
    assert {("withheld", "person.immigration[].status"), ("withheld", "person.identifiers[].value")} <= set(
        made.account
    )
    person.immigration = [ended]
    assert "ImmigrationStatus" not in str(form.create(ChildRecord(person=person)).tree)


def test_a_shielded_childs_form_leads_nobody_to_the_child(form: Mapping) -> None:
    record = form.inward(read()[0], "caf").record
    assert isinstance(record.person, Person)
    record.person.shielded = True
    made = form.create(record, "another").tree
    assert "Larch" not in str(made)
    assert "01632" not in str(made)
    assert made["Child"]["Name"] == {"Given": "Amara", "Family": "Okafor-Bell"}
    assert made["Child"].keys() <= {"Id", "Name", "OtherNames", "Gender", "BirthDate"}
    (members,) = made["Family"].values()
    told = {"Name", "Given", "Family", "List", "Relationship", "ParentalResponsibility", "Cares"}
    assert {name for one in members for name in one} <= told
    assert made.keys() == {"Child", "Family"}


def test_a_shielded_childs_form_is_not_joined_to_that_of_the_family(form: Mapping) -> None:
    callum, ivy = (form.inward(one, "caf").record for one in read()[1:])
    assert isinstance(ivy.person, Person)
    ivy.person.shielded = True
    root = etree.fromstring(written([form.create(one, "another") for one in (callum, ivy)]))
    forms = root.findall(f"{{{NAMESPACE}}}Form")
    assert [
        [one.text for one in found.iter(f"{{{NAMESPACE}}}Reference", f"{{{NAMESPACE}}}FamilyId")] for found in forms
    ] == [
        ["NS-CAF-0420", "NS-FAM-3"],
        [],
    ]


# Local forms, by data alone

VARIANTS = ("ehap", "family_caf", "signs_of_safety")


def variant(name: str) -> tuple[Mapping, list[Theirs]]:
    """A local form's mapping, and its sample."""
    found = load("caf", [ROOT / "mappings" / "variants" / name])["Form"]
    assert isinstance(found, Mapping)
    return found, read(FOLDER.parent / "variants" / f"{name}.xml")


@pytest.mark.parametrize("name", VARIANTS)
def test_a_local_form_is_data_and_holds_the_laws(name: str) -> None:
    folder = ROOT / "mappings" / "variants" / name
    assert {file.suffix for file in folder.rglob("*") if file.is_file()} == {".toml", ".csv"}
    sample = FOLDER.parent / "variants" / f"{name}.xml"
    assert [str(fault) for fault in check(["caf"], [folder], [sample], records=200)] == []
    assert adapter.check
    assert list(adapter.check(Document.at(sample))) == []


@pytest.mark.parametrize("name", VARIANTS)
def test_a_local_form_comes_back_as_it_went_and_loses_nothing(name: str) -> None:
    found, records = variant(name)
    for record in records:
        before = copy.deepcopy(record.tree)
        done = found.inward(record, "caf")
        assert done.findings == []
        assert list(account.drift(found, done.record, "caf")) == []
        assert found.create(done.record, "caf").tree == before


def told(name: str) -> list[Any]:
    found, records = variant(name)
    return [to_tree(found.inward(record, "caf").record) for record in records]


def test_signs_of_safety_are_strengths_needs_and_next_steps() -> None:
    (record,) = told("signs_of_safety")
    whole, home, dreams = record["caf"][0]["elements"]
    assert (whole["element"], whole["score"]) == ("whole", "6 of 10")
    assert whole["needs"].startswith("He has missed")
    assert whole["strengths"].startswith("Callum reads")
    assert whole["next_steps"].startswith("Breakfast club")
    assert (home["element"], dreams["element"]) == ("basic_care", "caf:Our dreams")
    assert [one["heading"] for one in record["caf"][0]["answers"]] == [
        "Who is in our safety network?",
        "House of worries",
    ]


def test_a_question_that_a_local_form_drops_is_withheld_with_its_reason() -> None:
    found, _ = variant("signs_of_safety")
    record = ChildRecord(caf=[Caf(id="1", conclusions="x", consent=CafConsent(share=True))])
    made = found.create(record)
    assert "Conclusions" not in made.tree
    assert made.account == {("withheld", "caf[].conclusions"): 1}
    assert "this form has no conclusions" in found.reason("withheld", "caf[].conclusions")


def test_an_early_help_plan_has_need_action_person_outcome_and_day() -> None:
    (record,) = told("ehap")
    (action,) = record["caf"][0]["actions"]
    assert {name: action[name] for name in ("need", "action", "who", "desired_outcome", "completed")} == {
        "need": "Getting to school",
        "action": "Travel training",
        "who": "Ben Tarrant",
        "desired_outcome": "Tomasz travels with a friend",
        "completed": "2025-09-29",
    }
    assert [(one["role"], one["listed"]) for one in record["relationships"]] == [
        ("mother", "carer"),
        ("sister", "family"),
        ("caf:Mum's partner", "family"),
    ]
    assert [one["element"] for one in record["caf"][0]["elements"]][2:] == ["housing_employment_finance", "caf:5. Pets"]
    assert [one["score"] for one in record["caf"][0]["elements"]] == ["4", "2", "3", "5"]


def test_a_family_caf_is_a_record_a_child_and_one_form_again() -> None:
    callum, ivy = told("family_caf")
    assert callum["caf"][0]["id"] == ivy["caf"][0]["id"] == "NS-FCAF-12"
    assert callum["families"][0]["family"] == ivy["families"][0]["family"] == "NS-FAM-3"
    numbers = [(one["system"], one["value"]) for one in callum["person"]["identifiers"]]
    assert sorted(numbers) == [("nhs", "9999001092"), ("other", "F-77120")]
    assert (callum["education"]["special_needs"], ivy["education"]["special_needs"]) == (True, False)
    assert [one["heading"] for one in callum["caf"][0]["answers"]] == ["Young carer", "Risk of exclusion"]
    assert ivy["caf"][0]["parent_comments"] == "Ivy is a happy baby."
    found, records = variant("family_caf")
    sent = [found.create(found.inward(one, "caf").record, "caf") for one in records]
    forms = etree.fromstring(written(sent)).findall(f"{{{NAMESPACE}}}Form")
    assert len(forms) == 1
    assert len(forms[0].findall(f"{{{NAMESPACE}}}Children/{{{NAMESPACE}}}Child")) == 2
