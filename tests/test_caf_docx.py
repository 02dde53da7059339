"""The form of the common assessment in Word: written and read again whole, read as people fill it in, and refused by
name where nobody can tell what is meant."""

from __future__ import annotations

import copy
import io
import json
import shutil
import subprocess
import zipfile
from pathlib import Path
from random import Random
from typing import Any
from xml.sax.saxutils import escape

import pytest
from click.testing import Result
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from adapters import caf
from adapters._caf_docx import wordml
from adapters._caf_docx.layout import LISTS, Layout, row_value
from adapters._caf_docx.texts import day, leaves, plant
from adapters._caf_schema import SCHEMA
from adapters.caf_docx import adapter, national
from hub import adapter as adapters
from hub import mapping
from hub.adapter import Theirs, Tree
from hub.cli import app
from hub.errors import DeclarationError, RecordError
from hub.mapping import Mapping, laws
from hub.mapping.generate import Trees
from hub.wire import Document

SAMPLES = Path(__file__).parent / "samples"
CANARY = "Zanzibarcanary"
W = wordml.W
HEAD = f'<w:document xmlns:w="{W}" xmlns:w14="{wordml.W14}"><w:body>'
REFERENCE = "Unique reference number"

Row = list[str]


# Making forms as people fill them in: plain tables, no content controls


def run(text: str, props: str = "") -> str:
    return f'<w:r><w:rPr>{props}</w:rPr><w:t xml:space="preserve">{escape(text)}</w:t></w:r>'


def para(text: str, props: str = "") -> str:
    return "<w:p>" + "<w:r><w:br/></w:r>".join(run(line, props) for line in text.split("\n")) + "</w:p>"


def cell(text: str, props: str = "") -> str:
    """A cell of a text, or of WordprocessingML."""
    return f"<w:tc><w:tcPr>{props}</w:tcPr>{text if text.startswith('<w:p') else para(text)}</w:tc>"


def table(*rows: Row) -> str:
    return "<w:tbl>" + "".join(f"<w:tr>{''.join(map(cell, row))}</w:tr>" for row in rows) + "</w:tbl>"


def packed(body: str, **parts: bytes) -> bytes:
    """A Word document of a body; parts: further ones, by name."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name in ("[Content_Types].xml", "_rels/.rels"):
            if name not in parts:
                made.writestr(name, wordml._PARTS[name])
        if "word/document.xml" not in parts:
            made.writestr("word/document.xml", f"{HEAD}{body}</w:body></w:document>")
        for name, data in parts.items():
            made.writestr(name, data)
    return out.getvalue()


def national_form(extra: str = "", answers: dict[str, str] | None = None) -> str:
    """The least of a national form that has every heading that must be there."""
    said = {
        REFERENCE: "CAF-1",
        "Date assessment started": "13/01/2025",
        "Given name(s)": "Amara",
        "Family name": "Bell",
        "Gender": "☐ Male ☒ Female ☐ Unknown",
        "Date of birth": "27/03/2015",
        "Address": "14 Larch Row\nNorthshire",
        **(answers or {}),
    }
    front = [[name, said.pop(name)] for name in (REFERENCE, "Date assessment started")]
    reason = "What has led to this unborn baby, infant, child or young person being assessed?"
    consent = "I agree to the sharing of information between the services listed"
    return (
        para("About this form")
        + table(*front)
        + para("Identifying details")
        + table(*([name, text] for name, text in said.items()))
        + para("Assessment information")
        + table([reason], ["Late for school."])
        + extra
        + para("Consent statement for information storage and sharing")
        + table([consent, "☐ Yes ☐ No"])
    )


def both(data: bytes, name: str = "form.docx") -> tuple[list[Theirs], list[RecordError]]:
    found = list(adapter.read(Document.of(name, data)))
    return [one for one in found if isinstance(one, Theirs)], [one for one in found if isinstance(one, RecordError)]


def one(body: str) -> Tree:
    """The tree of a form about which nothing is to be said."""
    records, errors = both(packed(body))
    assert not errors
    assert len(records) == 1
    return records[0].tree


def told(body: str) -> tuple[Tree, list[str]]:
    """The tree of a form, and what is said of it; no value is in that."""
    records, errors = both(packed(body))
    assert all(CANARY not in str(error) for error in errors)
    return records[0].tree, [f"{error.place}: {error.reason}" for error in errors]


def written(trees: list[Tree]) -> bytes:
    records = [Theirs("Form", tree.get("Child", {}).get("Id", ""), tree) for tree in trees]
    parts = list(adapter.write(records, adapter.head("", "1")))
    assert [part for part, _ in parts] == [""]
    return parts[0][1]


# The layout


def test_every_field_of_the_form_has_a_place_in_the_layout() -> None:
    placed = {
        line.path
        for line in national().lines
        if line.kind not in (*LISTS, "row", "domain") and "read" not in line.shown
    }
    assert placed == {cell.path for cell in SCHEMA.cells}


def test_tags_are_short_enough_for_word_and_each_means_one_question() -> None:
    tags: dict[str, str] = {}
    for line in national().lines:
        if line.kind in ("row", "domain", *LISTS):
            continue
        for tag in [line.tag, *(line.tag_of(value) for _, value in line.options if line.kind == "ticks")]:
            assert len(tag) <= 64
            assert tags.setdefault(tag, line.path) == line.path


def test_the_layout_speaks_the_words_of_the_code_tables() -> None:
    plan = mapping.load("caf_docx")["Form"]
    assert isinstance(plan, Mapping)
    known = {name: {row.theirs for row in table.rows} for name, table in plan.plan("1").tables.items()}
    asked = {line.path: {value for _, value in line.options} for line in national().lines if line.kind == "ticks"}
    for path, name in {"Child.Gender": "gender", "Child.Ethnicity": "ethnicity", "Checklist.Aim[].Met": "met"}.items():
        assert asked[path] <= known[f"caf/{name}"]
    rows = [line for line in national().lines if line.kind == "row"]
    for path, name in {"Elements": "element", "Checklist": "aim", "Consent": "capacity"}.items():
        assert {row_value(line) for line in rows if line.top == path} <= known[f"caf/{name}"]


def test_a_layout_that_is_none_is_refused_with_its_line() -> None:
    head = "section,heading,path,kind,options,shown,label,also\n"
    for text, said in {
        "a,b\n": "the first line is not",
        head + "Front,,Reference,text,,,,\n": "line 2: section, heading and path",
        head + "Front,Number,Reference,text,,,,\nFront,Name,Child.Name.Full,words,,,,\n": "line 3: the kind is one of",
        head + "Front,Number,Reference,text,,often,,\n": "line 2: shown holds",
        head + "Front,Name,Child.Name.Full,text,,,,\n": "nothing asks for the Reference",
    }.items():
        with pytest.raises(DeclarationError, match=said):
            Layout.parse(text.encode(), "form.csv")


# Written and read again


def made_up(seed: int) -> Tree:
    rng = Random(seed)
    plan = mapping.load("caf_docx")["Form"]
    assert isinstance(plan, Mapping)
    tree = Trees(plan.plan("1"), SCHEMA, rng).one()
    return adapter.normal({**tree, "Reference": f"R{seed}", "Child": {**tree.get("Child", {}), "Id": f"C{seed}"}})


@pytest.mark.parametrize("seed", range(60))
def test_a_made_up_form_comes_back_as_it_was(seed: int) -> None:
    tree = made_up(seed)
    records, errors = both(written([tree]))
    assert not errors
    assert [record.tree for record in records] == [tree]
    assert written([records[0].tree]) == written([tree])


NAMES = st.text(st.sampled_from("ab/~[]0.@ é"), min_size=1, max_size=4)
TEXTS = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Cn")), max_size=20),
    st.sampled_from(
        ["true", "No", "☒", "2015-02-31", "1/2/2003", " x \n\ty ", "true + false", "Yes + No", "General health"]
    ),
)
ODD = st.recursive(
    TEXTS, lambda below: st.lists(below, max_size=3) | st.dictionaries(NAMES, below, max_size=3), max_leaves=8
)
PATHS = st.sampled_from([cell.path.replace("[]", "/[0]").replace(".", "/") for cell in SCHEMA.cells])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(PATHS, TEXTS), max_size=12), st.dictionaries(NAMES, ODD, max_size=3), st.integers(0, 9))
def test_any_text_at_any_place_and_fields_that_nobody_knows_come_back(
    said: list[tuple[str, str]], odd: dict[str, Tree], seed: int
) -> None:
    tree: Tree = {"Reference": "R1", "Child": {"Id": "C1"}}
    for path, text in said:
        plant(tree, path, text)
    tree = adapter.normal(
        {**odd, **tree, "Actions": odd, "Child": {**odd, **tree["Child"], "Id": "C1"}, "Reference": "R1"}
    )
    assert adapter.normal(tree) == tree
    records, errors = both(written([tree]))
    assert all("two boxes are ticked" in error.reason for error in errors)
    assert [record.tree for record in records] == [tree]


def test_a_character_that_word_cannot_hold_is_named_by_its_place() -> None:
    with pytest.raises(RecordError, match="Assessment information, What has led") as raised:
        written([{"Reference": "R1", "Reason": f"{CANARY}\x0b"}])
    assert CANARY not in str(raised.value)


@pytest.mark.parametrize("sample", ["northshire.xml", "unborn.xml"])
def test_the_samples_of_caf_go_through_word(sample: str) -> None:
    records = [found for found in caf.adapter.read(Document.at(SAMPLES / "caf" / sample)) if isinstance(found, Theirs)]
    parts = {part or "form.docx": data for part, data in adapter.write(records, {})}
    back = [found for found in adapter.read(Document.of("forms", parts)) if isinstance(found, Theirs)]
    assert [(one.id, one.tree) for one in back] == [(one.id, adapter.normal(one.tree)) for one in records]


def test_a_family_form_is_one_record_a_child_and_goes_back_to_one_form() -> None:
    shared: Tree = {"Reference": "F1", "FamilyId": "Q1", "HomeSituation": "Two rooms."}
    own = [{"Elements": {"Element": [{"Heading": "General health", "Needs": text}]}} for text in ("Asthma", "Eczema")]
    trees: list[Tree] = [{**shared, "Child": {"Id": f"C{n}", "Gender": "Male"}, **own[n]} for n in (0, 1)]
    trees.append({**shared, "Child": {"Id": "C2", "Answers": {"Answer": [{"Heading": "Young carer", "Text": "Yes"}]}}})
    data = written(trees)
    records, errors = both(data)
    assert not errors
    assert [record.tree for record in records] == trees
    assert written([record.tree for record in records]) == data


def test_forms_of_several_references_are_documents_of_their_own() -> None:
    trees: list[Tree] = [{"Reference": f"F{n}", "Child": {"Id": "C1"}} for n in range(3)]
    parts = dict(adapter.write([Theirs("Form", "C1", tree) for tree in trees], {}))
    assert list(parts) == ["form-0001.docx", "form-0002.docx", "form-0003.docx"]
    back = list(adapter.read(Document.of("forms", {**parts, "~$form-0001.docx": b"lock"})))
    assert [found.tree for found in back if isinstance(found, Theirs)] == trees


def test_an_empty_form_has_every_control_and_no_answer() -> None:
    data = written([{}])
    records, errors = both(data)
    assert not records
    assert [str(error) for error in errors] == [
        f"form.docx: About this form, {REFERENCE}: the form has no reference number"
    ]
    with zipfile.ZipFile(io.BytesIO(data)) as document:
        body = document.read("word/document.xml").decode()
    for line in national().lines:
        if (
            line.kind in ("text", "date", "lines")
            and not line.shown & {"known", "read"}
            and line.list not in known_lists()
        ):
            assert f'w:val="{line.tag}"' in body, line.tag


def known_lists() -> set[str]:
    found = {line.path for line in national().lines if line.kind in LISTS and "known" in line.shown}
    rows = {f"{line.list}" for line in national().lines if line.kind == "row"}
    return found | rows


# Forms filled in by hand


def test_a_form_filled_in_by_hand_in_plain_tables() -> None:
    extra = (
        para("Details of parents/carers")
        + table(
            ["Name", "Ngozi Okafor", "Contact tel. no.", "07700 900101"],
            ["Relationship to child", "Mother", "Parental responsibility?", "Yes [x]  No [ ]"],
            ["Name", "Daniel Bell", "Contact tel. no.", ""],
            ["Relationship to child", "Father", "Parental responsibility?", "Yes [ ]  No [x]"],
        )
        + para("Current family and home situation", "<w:b/>")
        + table(
            ["Family structure, siblings and other significant adults; who lives with the child and who does not"],
            ["Gran too."],
        )
        + para("Services working with the child")
        + table(["GP", "Larch Surgery"])
        + table(
            ["Service", "Organisation", "Contact"], ["Young carers", "Northshire Carers", "01632 960124"], ["", "", ""]
        )
        + para("CAF assessment summary: strengths and needs")
        + table(
            ["", "Strengths", "Needs"],
            ["1 Development of unborn baby, infant, child or young person"],
            ["General Health:", "Well", ""],
            ["Physical development", "", ""],
            ["Sleep", "", "Late nights"],
        )
        + para("Conclusions, solutions and actions")
        + table(
            ["Action", "Who", "By when", "Date completed"], ["Breakfast club", "Ivo Marsh", "half term", "6.2.2025"]
        )
    )
    tree = one(national_form(extra))
    assert tree == {
        "Reference": "CAF-1",
        "Started": "2025-01-13",
        "Child": {
            "Id": "CAF-1",
            "Name": {"Given": "Amara", "Family": "Bell"},
            "Gender": "Female",
            "BirthDate": "2015-03-27",
            "Addresses": {"Address": [{"Line": ["14 Larch Row", "Northshire"]}]},
        },
        "Reason": "Late for school.",
        "Family": {
            "Member": [
                {
                    "Name": "Ngozi Okafor",
                    "Contacts": {"Contact": [{"Value": "07700 900101"}]},
                    "Relationship": "Mother",
                    "ParentalResponsibility": "true",
                },
                {"Name": "Daniel Bell", "Relationship": "Father", "ParentalResponsibility": "false"},
            ]
        },
        "HomeSituation": "Gran too.",
        "Services": {
            "Gp": [{"Name": "Larch Surgery"}],
            "Other": [{"Name": "Young carers", "Organisation": "Northshire Carers", "Contact": "01632 960124"}],
        },
        "Elements": {
            "Element": [
                {"Heading": "General health", "Strengths": "Well"},
                {"Heading": "Sleep", "Needs": "Late nights"},
            ]
        },
        "Actions": {
            "Action": [{"Action": "Breakfast club", "Who": "Ivo Marsh", "When": "half term", "Completed": "2025-02-06"}]
        },
    }


def test_a_heading_that_nobody_knows_is_an_answer_under_that_heading() -> None:
    extra = para("What we like", "<w:b/>") + table(
        ["What do you do together?", "Allotment."], [cell_of("Who helps?")], ["Gran."]
    )
    tree = one(national_form(extra, {"Shoe size": "3"}))
    assert tree["Child"]["Answers"] == {
        "Answer": [{"Section": "Identifying details", "Heading": "Shoe size", "Text": "3"}]
    }
    assert tree["Answers"]["Answer"] == [
        {"Section": "What we like", "Heading": "What do you do together?", "Text": "Allotment."},
        {"Section": "What we like", "Heading": "Who helps?", "Text": "Gran."},
    ]


def cell_of(text: str) -> str:
    return para(text, "<w:b/>")


def test_a_word_of_every_day_under_another_section_is_not_taken_for_the_field_of_that_name() -> None:
    extra = para("Our dog", "<w:b/>") + table(["Name", "Rex"], ["Role", "Guard"], ["Title", "Sir"])
    tree = one(national_form(extra))
    assert tree["Child"]["Name"] == {"Given": "Amara", "Family": "Bell"}
    assert [(answer["Heading"], answer["Text"]) for answer in tree["Answers"]["Answer"]] == [
        ("Name", "Rex"),
        ("Role", "Guard"),
        ("Title", "Sir"),
    ]


SYM = '<w:p><w:r><w:t xml:space="preserve">Yes </w:t></w:r>{}<w:r><w:t xml:space="preserve"> No </w:t></w:r>{}</w:p>'
BOX = '<w:r><w:sym w:font="{}" w:char="{}"/></w:r>'
CONTROL = (
    '<w:sdt><w:sdtPr><w14:checkbox><w14:checked w14:val="{}"/></w14:checkbox></w:sdtPr><w:sdtContent><w:r><w:t>{}</w:t>'
    "</w:r></w:sdtContent></w:sdt>"
)
FORMER = (
    '<w:r><w:fldChar w:fldCharType="begin"><w:ffData><w:checkBox><w:default w:val="0"/>{}</w:checkBox></w:ffData>'
    '</w:fldChar></w:r><w:r><w:instrText> FORMCHECKBOX </w:instrText></w:r><w:r><w:fldChar w:fldCharType="end"/></w:r>'
)


@pytest.mark.parametrize(
    ("answers", "value"),
    [
        (["Yes ☒ No ☐"], "true"),
        (["☐ Yes  ☒ No"], "false"),
        (["Yes [ ] No [X]"], "false"),
        (["Yes ( ) No (x)"], "false"),
        (["Yes", "X", "No", ""], "true"),
        (["", "Yes", "✓", "No"], "false"),
        (["Yes", "", "No", "✓"], "false"),
        (["yes"], "true"),
        (["NO"], "false"),
        (["Yes No ✔"], "false"),
        (["X Yes No"], "true"),
        ([SYM.format(BOX.format("Wingdings", "F0FE"), BOX.format("Wingdings", "F0A8"))], "true"),
        ([SYM.format(BOX.format("Wingdings 2", "F0A3"), BOX.format("Wingdings 2", "F052"))], "false"),
        ([SYM.format(CONTROL.format("1", "☒"), CONTROL.format("0", "☐"))], "true"),
        ([SYM.format(CONTROL.format("0", "☐"), CONTROL.format("1", "☒"))], "false"),
        ([SYM.format(FORMER.format(""), FORMER.format("<w:checked/>"))], "false"),
        ([SYM.format(FORMER.format('<w:checked w:val="1"/>'), FORMER.format('<w:checked w:val="0"/>'))], "true"),
        (["Yes ☐ No ☐"], None),
        (["Yes / No"], None),
        ([""], None),
    ],
)
def test_ticks_as_people_make_them(answers: list[str], value: str | None) -> None:
    extra = para("Identifying details") + table(["Is the child disabled?", *answers])
    body = national_form().replace(
        para("Assessment information"), extra.removeprefix(para("Identifying details")) + para("Assessment information")
    )
    assert one(body)["Child"].get("Disabled") == value


def test_ticks_in_columns_of_their_own() -> None:
    extra = para("Pre-assessment checklist") + table(
        ["Outcome", "Yes", "No", "Not sure", "Comment"],
        ["Be healthy", "X", "", "", ""],
        ["Stay safe", "", "", "☒", "The bypass."],
        ["Enjoy and achieve", "☐", "☐", "☐", ""],
    )
    assert one(national_form(extra))["Checklist"] == {
        "Aim": [
            {"Aim": "Be healthy", "Met": "Yes"},
            {"Aim": "Stay safe", "Met": "Not sure", "Comment": "The bypass."},
        ]
    }


# Local forms: tables and mappings of an overlay


LOCAL = """\
section,heading,path,kind,options,shown,label,also
Our early help form,Number,Reference,text,,must,,
The children,,Children.Child[],table,2,,,
The children,URN,Children.Child[].Id,text,,,,
The children,First name,Children.Child[].Name.Given,text,,,,
The children,Born,Children.Child[].BirthDate,date,,,,DOB
The children,Young carer?,Children.Child[].Disabled,ticks,Yes=true|No=false,,,
What we found,,Elements.Element[],table,,,,
What we found,About,Elements.Element[].Heading,text,,,,
What we found,What is working well?,Elements.Element[].Strengths,text,,,,
What we found,What are we worried about?,Elements.Element[].Needs,text,,,,
What we found,What needs to happen?,Elements.Element[].NextSteps,text,,,,
What we found,Everything,Elements.Element[].Heading,row,All of it: the form has one set of findings,,,
Your wishes,What would you like to be different?,Answers.Answer[].Text,text,,long,,
Your wishes,How sure are you of that from 1 to 5?,Answers.Answer[].Text,text,,,,
"""
EVERYTHING = {"Heading": "All of it: the form has one set of findings"}


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    folder = tmp_path / "northshire" / "caf_docx"
    folder.mkdir(parents=True)
    (folder / "form.csv").write_text(LOCAL, encoding="utf-8")
    (folder / "local.toml").write_text(
        'extends = "caf_docx/form"\nversion = "1-northshire"\n[fields]\n'
        '"person.disabled" = { theirs = "Child.Disabled", as = \'boolean("true|Y", "false|N")\' }\n',
        encoding="utf-8",
    )
    return folder.parent


def test_a_local_form_is_written_and_read_by_its_own_table(overlay: Path) -> None:
    local = mapping.adapted("caf_docx", [overlay])
    child = {"Name": {"Given": "Ivy"}, "BirthDate": "2015-03-27", "Disabled": "true"}
    answers = {
        "Answer": [{"Section": "Your wishes", "Heading": "What would you like to be different?", "Text": "Sleep."}]
    }
    shared: Tree = {
        "Reference": "E1",
        "Elements": {"Element": [{**EVERYTHING, "NextSteps": "A key."}]},
        "Answers": answers,
        "HomeSituation": "A caravan.",
    }
    trees: list[Tree] = [{**shared, "Child": {"Id": "C1", **child}}, {**shared, "Child": {"Id": "C2", **child}}]
    ((_, data),) = local.write([Theirs("Form", tree["Child"]["Id"], tree) for tree in trees], {})
    back = list(local.read(Document.of("form.docx", data)))
    assert [found.tree for found in back if isinstance(found, Theirs)] == trees
    assert len(back) == 2
    with zipfile.ZipFile(io.BytesIO(data)) as document:
        body = document.read("word/document.xml").decode()
    assert "What needs to happen?" in body
    assert "Ethnicity" not in body
    assert "1-northshire" in {one.version for one in mapping.load("caf_docx", [overlay]).values()}


def test_a_local_form_filled_in_by_hand(overlay: Path) -> None:
    body = (
        table(["Number", "E1"])
        + para("The children")
        + table(
            ["URN", "First name", "DOB", "Young carer?"],
            ["U1", "Ivy", "27.3.2015", "☒ Yes ☐ No"],
            ["U2", "Ash", "", ""],
        )
        + para("What we found")
        + table(
            ["What is working well?", "What are we worried about?", "What needs to happen?"],
            ["Gran", "Nights", "A key"],
        )
        + para("Your wishes")
        + table(["What would you like to be different?"], ["Sleep."])
    )
    found = list(mapping.adapted("caf_docx", [overlay]).read(Document.of("form.docx", packed(body))))
    assert [(one.id, one.tree["Child"]) for one in found if isinstance(one, Theirs)] == [
        ("U1", {"Id": "U1", "Name": {"Given": "Ivy"}, "BirthDate": "2015-03-27", "Disabled": "true"}),
        ("U2", {"Id": "U2", "Name": {"Given": "Ash"}}),
    ]
    assert isinstance(found[0], Theirs)
    assert found[0].tree["Elements"]["Element"] == [
        {**EVERYTHING, "Strengths": "Gran", "Needs": "Nights", "NextSteps": "A key"}
    ]
    assert found[0].tree["Answers"]["Answer"][0]["Text"] == "Sleep."


def test_the_laws_hold_for_a_local_form(overlay: Path) -> None:
    plan = mapping.load("caf_docx", [overlay])["Form"]
    assert isinstance(plan, Mapping)
    assert plan.adapter is not adapter
    assert not list(laws.check(plan, [], records=100))


# What is wrong with a form


def test_a_missing_heading_is_named() -> None:
    body = national_form().replace("Family name", "Clan")
    tree, said = told(body)
    assert said == ["Identifying details, Family name: this heading is missing from the form"]
    assert "Family" not in tree["Child"]["Name"]
    assert tree["Child"]["Answers"]["Answer"] == [{"Section": "Identifying details", "Heading": "Clan", "Text": "Bell"}]


def test_a_form_without_a_reference_is_refused() -> None:
    records, errors = both(packed(national_form(answers={REFERENCE: ""})))
    assert not records
    assert f"About this form, {REFERENCE}: the form has no reference number" in str(errors[-1])


def test_a_form_that_is_not_begun_has_no_reference_and_is_read_by_the_number_of_the_child() -> None:
    records, errors = both(written([{"Child": {"Id": "C1", "Religion": "None"}}]))
    assert not errors
    assert [(record.id, record.tree) for record in records] == [("C1", {"Child": {"Id": "C1", "Religion": "None"}})]
    records, errors = both(
        written([{"Reference": "F1", "Child": {"Id": "C1"}}, {"Reference": "F1", "Child": {"Religion": "x"}}])
    )
    assert records == [], "the others would go on as a form that never knew this child"
    assert ["number of its own" in error.reason for error in errors] == [True]


CONSENT = "Consent statement for information storage and sharing"
MUST_SHARE = f"{CONSENT}, I agree to the sharing of information between the services listed"


def sharing(*rows: Row) -> tuple[object, list[str]]:
    """Whether a form with these rows of consent may be shared, and what is said of that."""
    tree, said = told(table([REFERENCE, "CAF-1"]) + para(CONSENT, "<w:b/>") + table(*rows))
    reasons = [one.removeprefix(f"{MUST_SHARE}: ") for one in said if one.startswith(MUST_SHARE)]
    return tree.get("Consent", {}).get("Share"), reasons


@pytest.mark.parametrize("props", ["<w:strike/>", "<w:dstrike/>"])
def test_an_answer_that_is_struck_out_is_none(props: str) -> None:
    struck, off = run("Yes", props), props.replace("/", ' w:val="0"/')
    assert sharing(["Consent to share", f"<w:p>{struck}</w:p>"]) == (None, ["text that is struck out was left out"])
    assert sharing(["Consent to share", f"<w:p>{struck}{run(' / No')}</w:p>"])[0] == "false"
    assert sharing(["Consent to share", f"<w:p>{run('Yes', off)}</w:p>"])[0] == "true"


@pytest.mark.parametrize(("old", "new"), [("<w:rPr>", "<w:rPr><w:strike/>"), ("☒", "☐")])
def test_a_box_of_ours_that_is_struck_out_or_seen_empty_gives_no_consent(old: str, new: str) -> None:
    data = written([{"Reference": "CAF-1", "Consent": {"Share": "true"}}])
    assert both(data)[0][0].tree["Consent"] == {"Share": "true"}
    text = zipfile.ZipFile(io.BytesIO(data)).read("word/document.xml").decode()
    front, tag, back = text.partition('"Consent.Share=true"')
    parts = {"word/document.xml": (front + tag + back.replace(old, new, 1)).encode()}
    assert "Consent" not in both(packed("", **parts))[0][0].tree


def test_hidden_text_is_no_answer_and_is_named() -> None:
    hidden = run("Yes", "<w:vanish/>")
    assert sharing(["Consent to share", f"<w:p>{hidden}</w:p>"]) == (None, ["hidden text was left out"])


def drop_down(result: str) -> str:
    entries = "".join(f'<w:listEntry w:val="{one}"/>' for one in ("Yes", "No"))
    begin = f'<w:fldChar w:fldCharType="begin"><w:ffData><w:ddList>{result}{entries}</w:ddList></w:ffData></w:fldChar>'
    return f'<w:p><w:r>{begin}</w:r><w:r><w:fldChar w:fldCharType="end"/></w:r></w:p>'


def test_an_older_drop_down_says_what_was_chosen_in_it() -> None:
    assert sharing(["Consent to share", drop_down('<w:result w:val="1"/>')]) == ("false", [])
    assert sharing(["Consent to share", drop_down("")]) == (
        None,
        ["a drop-down box where nothing was chosen was left out"],
    )
    assert sharing(["Consent to share", drop_down('<w:result w:val="7"/>')])[0] is None


@pytest.mark.parametrize(
    "rows",
    [
        [["Consent to share"], ["☐ Yes", "☒ No"]],
        [["Consent to share"], ["☐ Yes"], ["☒ No"]],
        [["Consent to share", ""], ["☐ Yes", ""], ["☒ No", ""]],
        [["Consent to share", f"<w:p/>{table(['☐ Yes', '☒ No'])}<w:p/>"]],
    ],
)
def test_boxes_may_stand_in_the_rows_below_their_heading(rows: list[Row]) -> None:
    assert sharing(*rows, ["Exceptions", "the school"]) == ("false", [])


def test_boxes_ticked_in_two_rows_below_a_heading_are_two_answers() -> None:
    share, said = sharing(["Consent to share"], ["☒ Yes"], ["☒ No"])
    assert share is None
    assert said == ["this heading has two different answers; neither was chosen"]


@pytest.mark.parametrize(
    "before",
    [
        para("Details of parents and carers", "<w:b/>"),
        para("Mother", "<w:b/>"),
        para("Identifying details") + table(["Given name(s)", "Amara"], ["Birth mother's details"]),
        para("Identifying details")
        + table(["Given name(s)", "Amara"], [f"<w:p>{run('Parent/carer 2', '<w:b/>')}</w:p>"]),
        para("Identifying details") + table(["Given name(s)", "Amara"], ["Child 2"]),
    ],
)
def test_what_is_said_of_another_person_is_not_taken_for_the_childs(before: str) -> None:
    number, religion = ["NHS number", "943 476 5919"], ["Religion", "Muslim"]
    rows = table(number, religion, ["Name", "Mary"])
    joined = (
        before.removesuffix("</w:tbl>") + rows.removeprefix("<w:tbl>") if before.endswith("</w:tbl>") else before + rows
    )
    tree, said = told(table([REFERENCE, "CAF-1"]) + joined)
    assert not tree["Child"].keys() & {"Identifiers", "Religion"}
    assert tree["Child"].get("Name", {}) in ({}, {"Given": "Amara"})
    assert [one["Text"] for one in tree["Answers"]["Answer"]][:2] == ["943 476 5919", "Muslim"]
    assert sum("another person" in one for one in said) == 2


@pytest.mark.parametrize(
    "rows",
    [
        [["Given name(s)", "Family name", "Date of birth"], ["Amara", "Bell", "27/03/2015"]],
        [["Given name(s): Amara\nFamily name: Bell"], ["Date of birth", "27/03/2015"]],
        [["Given name(s):\nFamily name: Bell\nDate of birth: 27/03/2015", ""], ["Given name(s)", "Amara"]],
    ],
)
def test_headings_in_one_row_or_one_cell_have_each_its_own_answer(rows: list[Row]) -> None:
    tree, said = told(table([REFERENCE, "CAF-1"]) + para("Identifying details") + table(*rows))
    assert tree["Child"]["Name"] == {"Given": "Amara", "Family": "Bell"}
    assert tree["Child"]["BirthDate"] == "2015-03-27"
    assert "Answers" not in tree["Child"]
    assert not [one for one in said if "name" in one]


def test_two_rows_of_answers_below_one_row_of_headings_are_two_answers_or_two_people() -> None:
    names = table(["Given name(s)", "Family name"], ["Amara", "Bell"], ["Ben", "Bell"])
    tree, said = told(table([REFERENCE, "CAF-1"]) + para("Identifying details") + names)
    assert tree["Child"]["Name"] == {"Family": "Bell"}
    assert any("two different answers" in one for one in said)
    carers = table(["Name", "Relationship"], ["Mary", "Mother"], ["Tom", "Father"])
    tree, _ = told(table([REFERENCE, "CAF-1"]) + para("Details of parents and carers") + carers)
    people = [{"Name": "Mary", "Relationship": "Mother"}, {"Name": "Tom", "Relationship": "Father"}]
    assert tree["Family"]["Member"] == people


def test_two_headings_in_one_cell_with_their_answers_beside_are_kept_as_one_answer() -> None:
    row = ["Given name(s)\nFamily name", "Amara\nBell"]
    tree, said = told(table([REFERENCE, "CAF-1"]) + para("Identifying details") + table(row))
    assert "Name" not in tree["Child"]
    assert [one["Text"] for one in tree["Child"]["Answers"]["Answer"]] == ["Amara\nBell"]
    assert "Identifying details, Given name(s): this heading is missing from the form" in said


def test_text_after_a_table_is_no_answer_to_the_heading_before_it() -> None:
    reason = para("Reason for assessment", "<w:b/>")
    tree, said = told(table([REFERENCE, "CAF-1"]) + reason + table(["Shoe size", "3"]) + para("Printed in Leeds"))
    assert "Reason" not in tree
    assert "the document: text under no heading was left out" in said


def test_a_table_whose_grid_is_no_number_is_read() -> None:
    odd = cell("Date assessment started", '<w:gridSpan w:val="x"/>') + cell("13/01/2025", '<w:gridSpan w:val="-1"/>')
    row = f'<w:tr><w:trPr><w:gridBefore w:val="x"/></w:trPr>{odd}</w:tr>'
    tree, _ = told(table([REFERENCE, "CAF-1"]) + f"<w:tbl>{row}</w:tbl>")
    assert tree["Started"] == "2025-01-13"


@pytest.mark.parametrize("answer", ["☒ Male ☒ Female ☐ Unknown", "[x] Male [x] Female [ ] Unknown"])
def test_two_ticks_where_one_is_allowed_are_named_and_neither_is_chosen(answer: str) -> None:
    tree, said = told(national_form(answers={"Gender": answer}))
    assert said == ["Identifying details, Gender: two boxes are ticked where one is allowed; neither was chosen"]
    theirs = Theirs("Form", "CAF-1", copy.deepcopy(tree))
    plan = mapping.load("caf_docx")["Form"]
    read = plan.inward(theirs, "caf_docx")
    assert not read.record.person or not isinstance(read.record.person.gender, str)
    assert any("person.gender" in finding.row for finding in read.findings)
    again, errors = both(written([tree]))
    assert again[0].tree == tree
    assert len(errors) == 1


@pytest.mark.parametrize("answer", ["Male X Female Unknown", "X", f"{CANARY}", "Male ☒ Female ☐ Unknown"])
def test_a_tick_that_cannot_be_told_is_named_and_nothing_is_chosen(answer: str) -> None:
    tree, said = told(national_form(answers={"Gender": answer}))
    assert len(said) == 1
    assert said[0].startswith("Identifying details, Gender: ")
    assert tree["Child"]["Gender"] not in ("Male", "Female", "Unknown")


def test_a_text_in_a_date_stays_as_it_is_and_the_mapping_names_it() -> None:
    tree = one(national_form(answers={"Date assessment started": "13/01/25"}))
    assert tree["Started"] == "13/01/25"
    read = mapping.load("caf_docx")["Form"].inward(Theirs("Form", "CAF-1", tree), "caf_docx")
    assert [(finding.kind, finding.row) for finding in read.findings if "started" in finding.row]


def test_one_heading_with_two_answers_has_neither() -> None:
    body = national_form().replace(
        para("Assessment information"),
        table(["Religion", "None"], ["Religion", CANARY]) + para("Assessment information"),
    )
    tree, said = told(body)
    assert said == ["Identifying details, Religion: this heading has two different answers; neither was chosen"]
    assert "Religion" not in tree["Child"]
    assert [answer["Text"] for answer in tree["Child"]["Answers"]["Answer"]] == ["None", CANARY]


def test_merged_cells_in_a_list_are_named_and_kept() -> None:
    cells = [
        [cell("Action"), cell("Who"), cell("By when")],
        [cell(CANARY, '<w:gridSpan w:val="2"/>'), cell("Monday")],
        [cell("Breakfast club"), cell("Ivo", '<w:vMerge w:val="restart"/>'), cell("Monday")],
        [cell("A lift"), cell("", "<w:vMerge/>"), cell("Friday")],
    ]
    rows = "".join(f"<w:tr>{''.join(row)}</w:tr>" for row in cells)
    tree, said = told(national_form(para("Conclusions, solutions and actions") + f"<w:tbl>{rows}</w:tbl>"))
    assert said == [
        "Conclusions, solutions and actions, Agreed actions and delivery plan: "
        "merged cells in a row: it cannot be told which answer belongs to which heading"
    ]
    assert "Actions" not in tree
    assert [answer["Text"] for answer in tree["Answers"]["Answer"]] == [
        f"{CANARY} | Monday",
        "Breakfast club | Ivo | Monday",
        "A lift | Friday",
    ]


@pytest.mark.parametrize(
    "change",
    [
        '<w:ins w:id="1" w:author="x"><w:r><w:t>{}</w:t></w:r></w:ins>',
        '<w:del w:id="1" w:author="x"><w:r><w:delText>{}</w:delText></w:r></w:del>',
        '<w:moveTo w:id="1" w:author="x"><w:r><w:t>{}</w:t></w:r></w:moveTo>',
    ],
)
def test_tracked_changes_are_refused_with_their_place(change: str) -> None:
    body = national_form(answers={"Religion": f"<w:p>{change.format(CANARY)}</w:p>"})
    records, errors = both(packed(body))
    assert not records
    assert [(error.place, "tracked" in error.reason) for error in errors] == [("Identifying details, Religion", True)]
    assert CANARY not in str(errors)


def test_a_picture_a_comment_and_a_text_box_are_named() -> None:
    drawing = "<w:p><w:r><w:drawing/></w:r></w:p>"
    boxed = f"<w:p><w:r><w:pict><w:txbxContent>{para(CANARY)}</w:txbxContent></w:pict></w:r></w:p>"
    comment = '<w:p><w:r><w:t>None</w:t></w:r><w:r><w:commentReference w:id="0"/></w:r></w:p>'
    tree, said = told(
        national_form(answers={"Religion": comment, "Immigration status": drawing, "First language": boxed})
    )
    assert said == [
        "Identifying details, Religion: a comment was left out",
        "Identifying details, Immigration status: an image or other object was left out",
        "Identifying details, Child's first language: a text box was left out",
    ]
    assert tree["Child"]["Religion"] == "None"


def test_text_under_no_heading_is_named() -> None:
    _, said = told(national_form(para(CANARY)))
    assert said == ["Assessment information: text under no heading was left out"]


def test_text_beside_the_box_for_an_answer_is_named() -> None:
    data = written([{"Reference": "R1", "Child": {"Id": "C1", "Religion": "None"}}])
    records, errors = both(changed(data, "</w:sdt></w:p></w:tc>", f"</w:sdt>{run(CANARY)}</w:p></w:tc>"))
    assert [error.place for error in errors] == [f"About this form, {REFERENCE}"]
    assert CANARY not in str(errors)
    assert records[0].tree["Reference"] == "R1"


def changed(data: bytes, old: str, new: str) -> bytes:
    """A document with the first of a text in its body changed."""
    with zipfile.ZipFile(io.BytesIO(data)) as document:
        body = document.read("word/document.xml").decode()
    assert old in body
    return packed("", **{"word/document.xml": body.replace(old, new, 1).encode()})


def test_a_row_that_was_added_below_the_last_is_read_by_its_columns() -> None:
    data = written(
        [{"Reference": "R1", "Child": {"Id": "C1"}, "Actions": {"Action": [{"Action": f"A{n}"} for n in range(5)]}}]
    )
    last = data_row(data, "A4")
    records, errors = both(
        changed(data, last, last + f"<w:tr>{cell('')}{cell('A lift')}{cell('Ivo')}{cell('Friday')}</w:tr>")
    )
    assert not errors
    assert records[0].tree["Actions"]["Action"][5:] == [{"Action": "A lift", "Who": "Ivo", "When": "Friday"}]


def data_row(data: bytes, text: str) -> str:
    with zipfile.ZipFile(io.BytesIO(data)) as document:
        body = document.read("word/document.xml").decode()
    return (
        next(row + "</w:tr>" for row in body.split("</w:tr>") if f">{text}<" in row)[-len(body) :]
        .split("</w:tr>", 1)[0]
        .join(["", "</w:tr>"])
    )


# What is no form at all


def refusal(data: bytes, name: str = "form.docx") -> str:
    records, errors = both(data, name)
    assert not records
    assert len(errors) == 1
    assert CANARY not in str(errors[0])
    return str(errors[0])


def test_another_format_under_this_suffix_is_refused_by_name() -> None:
    assert "an older Word document (.doc)" in refusal(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    assert "no Word document" in refusal(b"%PDF-1.7")
    assert "no Word document" in refusal(b"")
    assert "not a whole zip" in refusal(b"PK\x03\x04 and nothing more")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("mimetype", "application/vnd.oasis.opendocument.text")
    assert "another kind of zip" in refusal(out.getvalue())


def test_macros_are_refused() -> None:
    assert "macro" in refusal(packed(national_form(), **{"word/vbaProject.bin": b"x"}))
    types = wordml._PARTS["[Content_Types].xml"].replace(
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml",
        "application/vnd.ms-word.document.macroEnabled.main+xml",
    )
    assert "macro" in refusal(packed(national_form(), **{"[Content_Types].xml": types.encode()}))


def test_bombs_and_entities_are_refused() -> None:
    assert "unpacks to far more" in refusal(packed(national_form(), **{"word/media/x.bin": bytes(65 << 20)}))
    entity = f'<!DOCTYPE x [<!ENTITY a "{CANARY}">]>{HEAD}{para("x")}</w:body></w:document>'
    assert "DOCTYPE" in refusal(packed("", **{"word/document.xml": entity.encode()}))
    deep = HEAD + "<w:p>" * 300 + "</w:p>" * 300 + "</w:body></w:document>"
    assert "not well-formed" in refusal(packed("", **{"word/document.xml": deep.encode()}))
    assert "far longer than a form" in refusal(packed("<w:p/>" * (3 << 20)))
    assert "not well-formed" in refusal(packed("", **{"word/document.xml": f"{HEAD}<w:p>{CANARY}".encode()}))


def test_one_bad_form_of_several_leaves_the_others() -> None:
    parts = {"a.docx": b"%PDF", "b.docx": packed(national_form()), "c/d.docx": written([{"Reference": "R1"}])}
    found = list(adapter.read(Document.of("forms", parts)))
    assert [type(one) for one in found] == [RecordError, Theirs, Theirs]


# Days and places


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("27/03/2015", "2015-03-27"),
        ("27.3.2015", "2015-03-27"),
        ("27-03-2015", "2015-03-27"),
        ("27 March 2015", "2015-03-27"),
        ("1st Sept 2015", "2015-09-01"),
        (" 2015-03-27 ", "2015-03-27"),
        ("27/03/15", "27/03/15"),
        ("13/13/2015", "13/13/2015"),
        ("March 2015", "March 2015"),
        ("soon", "soon"),
    ],
)
def test_days(text: str, iso: str) -> None:
    assert day(text) == iso
    assert day(iso) == iso


@given(st.dictionaries(NAMES, ODD, max_size=4))
def test_places_lead_back_to_what_stood_there(tree: Tree) -> None:
    kept = adapter.normal(tree)
    again: Tree = {}
    assert all(plant(again, path, text) for path, text in leaves(kept))
    assert again == kept


# Filled in beforehand


INDEX = f"contactpoint:{SAMPLES / 'contactpoint' / 'index.xml'}"


def run_cli(*words: str, said: str = "") -> Result:
    return CliRunner().invoke(app, list(words), input=said)


def filled(path: Path, *words: str, said: str = "") -> tuple[Tree, str]:
    """The tree of a form that was filled in beforehand, and its text."""
    ran = run_cli("prefill", "--form", "caf_docx", *words, "-o", str(path), said=said)
    assert ran.exit_code == 0, ran.output
    assert path.stat().st_mode & 0o777 == 0o600
    data = path.read_bytes()
    records, errors = both(data)
    assert not errors
    with zipfile.ZipFile(io.BytesIO(data)) as document:
        body = document.read("word/document.xml").decode()
    return records[0].tree, body


def test_a_form_is_filled_in_with_what_is_known_and_its_source_and_date(tmp_path: Path) -> None:
    tree, body = filled(tmp_path / "form.docx", "--from", INDEX, "--child", "CP-0000-1001")
    assert tree["Child"]["Name"] == {"Given": "Amara", "Family": "Okafor-Bell"}
    assert tree["Child"]["BirthDate"] == "2015-03-27"
    assert "from contactpoint, 31/03/2026" in body
    assert wordml.BEFOREHAND in body
    assert "Consent" not in tree
    assert "Elements" not in tree


def test_where_several_know_an_answer_the_first_is_taken_and_consent_is_never_filled_in(tmp_path: Path) -> None:
    form = f"caf:{SAMPLES / 'caf' / 'northshire.xml'}"
    words = ("--from", INDEX, "--child", "CP-0000-1001", "--from", form, "--child", "NS1001")
    tree, body = filled(tmp_path / "form.docx", *words)
    assert tree["Child"]["Religion"] == "None"
    assert tree["Child"]["Id"] == "CP-0000-1001"
    assert "from caf, 30/09/2025" in body
    assert "from contactpoint, 31/03/2026" in body
    assert "Consent" not in tree


def test_a_shielded_child_has_no_address_in_a_form(tmp_path: Path) -> None:
    document = Document.at(SAMPLES / "contactpoint" / "index.xml")
    records = [one for one in adapters.find("contactpoint").read(document) if isinstance(one, Theirs)]
    shielded = next(one for one in records if one.tree.get("Shielded") == "true")
    ran = run_cli(
        "prefill", "--form", "caf_docx", "--from", INDEX, "--child", shielded.id, "-o", str(tmp_path / "f.docx")
    )
    assert ran.exit_code == 0, ran.output
    with zipfile.ZipFile(tmp_path / "f.docx") as document:
        body = document.read("word/document.xml").decode()
    assert ">ZZ99" not in body


def test_a_prefill_that_cannot_be_says_why_and_shows_nothing(tmp_path: Path) -> None:
    out = ("-o", str(tmp_path / "f.docx"))
    for words, said in {
        ("--form", "caf_docx", "--from", INDEX, "--child", CANARY): "no readable record of this child",
        ("--form", "contactpoint", "--from", INDEX, "--child", "CP-0000-1001"): "no form that people fill in",
        ("--form", "caf_docx", "--from", "index", "--child", "CP-0000-1001"): "say why with --reason",
        ("--form", "caf_docx", "--from", INDEX, "--child", "a", "--child", "b"): "one --child for all",
    }.items():
        ran = run_cli("prefill", *words, *out)
        assert isinstance(ran.exception, DeclarationError)
        assert said in str(ran.exception)
        assert CANARY not in str(ran.exception)
    assert not (tmp_path / "f.docx").exists()


SECRET = "1 Secret Road"


def patient(own: str, *, restricted: bool = False, **more: Any) -> Tree:
    """A FHIR Patient. restricted: marked as one whose whereabouts are protected."""
    system = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
    meta = {"meta": {"security": [{"system": system, "code": "R"}]}} if restricted else {}
    name = [{"family": "Okafor-Bell", "given": ["Amara"]}]
    return {"resourceType": "Patient", "id": own, **meta, "name": name, "birthDate": "2015-03-27", **more}


@pytest.mark.parametrize("turned", [False, True])
def test_a_child_who_is_shielded_in_one_system_has_no_address_from_another(tmp_path: Path, turned: bool) -> None:
    index = (SAMPLES / "contactpoint" / "index.xml").read_text("utf-8")
    assert index.index("CP-0000-1001") < index.index("<Shielded>false<") < index.index("</Child>")
    (tmp_path / "index.xml").write_text(index.replace("<Shielded>false<", "<Shielded>true<", 1), "utf-8")
    telecom = [{"system": "phone", "value": "01632 960199"}]
    known = patient("CP-0000-1001", address=[{"use": "home", "line": [SECRET]}], telecom=telecom)
    (tmp_path / "patient.json").write_text(json.dumps(known), "utf-8")
    sources = [f"contactpoint:{tmp_path}/index.xml", f"fhir_r4:{tmp_path}/patient.json"]
    words = [word for one in (sources[::-1] if turned else sources) for word in ("--from", one)]
    tree, body = filled(tmp_path / "form.docx", *words, "--child", "CP-0000-1001")
    assert tree["Child"]["BirthDate"] == "2015-03-27"
    assert SECRET not in body
    assert "960199" not in body


def test_a_service_that_one_system_calls_sensitive_is_in_no_form(tmp_path: Path) -> None:
    def services(*told: Tree) -> str:
        return json.dumps({"source": {"id": "C1"}, "involvements": [{"kind": "service", **one} for one in told]})

    clinic = {"id": "8", "service": {"kind": "Group", "organisation": {"name": "Quay  clinic"}}, "sensitive": True}
    by_id, no_name = {"id": "5", "sensitive": True}, {"service": {"kind": "Counselling"}, "sensitive": True}
    (tmp_path / "says.jsonl").write_text(services(clinic, by_id, no_name), "utf-8")
    names = ("Quay Clinic", "Harbour Team", "Reading Club")
    others = [{"id": own, "service": {"name": name}} for own, name in zip("457", names, strict=True)]
    others.append({"id": "9", "service": {"kind": "counselling"}})
    (tmp_path / "lists.jsonl").write_text(services(*others), "utf-8")
    words = ("--from", f"canonical:{tmp_path}/lists.jsonl", "--from", f"canonical:{tmp_path}/says.jsonl")
    tree, _ = filled(tmp_path / "form.docx", *words, "--child", "C1")
    assert [one.get("Name") for one in tree["Services"]["Other"]] == ["Reading Club"]


def test_of_a_file_of_changes_all_that_it_says_of_the_child_is_filled_in(tmp_path: Path) -> None:
    head = r"MSH|^~\&|A|B|C|D|20260301||ADT^A31^ADT_A05|1|P|2.4"
    first = [head, "PID|1||C1^^^A^PI||Okafor^Amara||20150327|F", "PD1||||||||||||Y"]
    second = [head, f"PID|1||C1^^^A^PI||Okafor^Amara||||||{SECRET}^^Northshire", "PD1||||||||||||N"]
    file = tmp_path / "messages.hl7"
    file.write_text("\r".join(["BHS|^~\\&", *first, *second, "BTS|2"]) + "\r", "utf-8")
    tree, body = filled(tmp_path / "form.docx", "--from", f"hl7v2:{file}", "--child", "C1^^^A")
    assert tree["Child"]["BirthDate"] == "2015-03-27", "the newest does not say it"
    assert SECRET not in body


def hub_of(adapter: str) -> None:
    """A new hub in this folder, with one source of that format."""
    Path("in").mkdir()
    Path("out").mkdir()
    Path("hub.toml").write_text(
        '[hub]\nstore = "sqlite:///hub.db"\nqueue = "local"\nkeys = "keys.toml"\n'
        f'[links.index]\nadapter = "{adapter}"\nconnection = {{ kind = "folder", in = "in", settle = 0 }}\n'
        '[links.ours]\nadapter = "canonical"\nconnection = { kind = "folder", out = "out" }\n'
        '[[routes]]\nfrom = "index"\nto = ["ours"]\n[limits]\ndisk = "1 MB"\n',
        encoding="utf-8",
    )
    for words in (("keys", "new"), ("db", "upgrade")):
        assert run_cli(*words).exit_code == 0


def come(name: str, text: str) -> None:
    """A document comes in, and the hub runs."""
    Path("in", name).write_text(text, encoding="utf-8")
    assert run_cli("run", "--once").exit_code == 0


def test_from_the_store_the_newest_record_is_taken_and_it_is_recorded_who_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    hub_of("contactpoint")
    text = (SAMPLES / "contactpoint" / "index.xml").read_text("utf-8")
    for name in ("Amara", "Amarachi"):
        come(f"{name}.xml", text.replace("<Given>Amara<", f"<Given>{name}<"))
    words = ("--from", "index", "--child", "-", "--reason", "a form is begun")
    tree, body = filled(tmp_path / "form.docx", *words, said="CP-0000-1001\n")
    assert tree["Child"]["Name"]["Given"] == "Amarachi"
    assert "from index, 31/03/2026" in body
    audit = run_cli("audit", "list", "--json").output
    assert "filled into a form: a form is begun" in audit
    assert "Amara" not in audit


def test_from_a_store_of_changes_all_of_them_are_taken_and_an_earlier_shield_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    hub_of("fhir_r4")
    parent = {
        "resourceType": "RelatedPerson",
        "id": "R1",
        "patient": {"reference": "Patient/P1"},
        "relationship": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": "MTH"}]}],
        "name": [{"text": "Ngozi Okafor"}],
        "telecom": [{"system": "phone", "value": "01632 960199"}],
    }
    known = patient("P1", address=[{"line": [SECRET]}])
    first = patient("P1", restricted=True, gender="female")
    for n, one in enumerate([first, parent, known]):
        come(f"{n}.json", json.dumps(one))
    tree, body = filled(tmp_path / "form.docx", "--from", "index", "--child", "P1", "--reason", "a form is begun")
    assert tree["Child"]["Gender"] == "Female", "said by the first alone"
    assert "Ngozi" in body, "said by the second alone"
    assert SECRET not in body
    assert "960199" not in body


def test_a_shield_that_a_newer_full_record_does_not_repeat_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    hub_of("contactpoint")
    index = (SAMPLES / "contactpoint" / "index.xml").read_text("utf-8")
    come("1.xml", index.replace("<Shielded>false<", "<Shielded>true<", 1))
    come("2.xml", index)
    tree, body = filled(tmp_path / "form.docx", "--from", "index", "--child", "CP-0000-1001", "--reason", "begun")
    assert tree["Child"]["Name"]["Given"] == "Amara"
    assert "14 Larch Row" in index
    assert "Larch" not in body


def test_of_a_form_about_several_children_the_childs_own_record_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    hub_of("caf")
    come("forms.xml", (SAMPLES / "caf" / "northshire.xml").read_text("utf-8"))
    for own, name in {"NS1004": "Callum", "NS1003": "Ivy"}.items():
        words = ("--from", "index", "--child", own, "--reason", "a form is begun")
        tree, _ = filled(tmp_path / f"{own}.docx", *words)
        assert tree["Child"]["Name"] == {"Given": name, "Family": "Hartley"}
        seen = json.loads(run_cli("audit", "who-saw", "--link", "index", "--json", said=f"{own}\n").stdout)
        assert [one["act"] for one in seen["entries"]] == ["reveal"], "of this child alone"


def test_nothing_is_recorded_where_nothing_can_be_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    hub_of("caf")
    come("forms.xml", (SAMPLES / "caf" / "northshire.xml").read_text("utf-8"))
    monkeypatch.setattr("hub.store.Store.record", lambda *_: b"[{")
    words = ("--form", "caf_docx", "--from", "index", "--child", "NS1003", "--reason", "x", "-o", "x.docx")
    assert isinstance(run_cli("prefill", *words).exception, RecordError)
    assert "reveal" not in run_cli("audit", "list", "--json").output


# As it is printed


@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed here")
def test_the_form_opens_in_libreoffice_and_becomes_pages(tmp_path: Path) -> None:
    blank = tmp_path / "blank.docx"
    blank.write_bytes(written([{}]))
    profile = f"-env:UserInstallation=file://{tmp_path}/profile"
    command = ["soffice", profile, "--headless", "--convert-to", "pdf", "--outdir", str(tmp_path), str(blank)]
    subprocess.run(command, check=True, capture_output=True, timeout=180)
    pages = (tmp_path / "blank.pdf").read_bytes()
    assert pages.startswith(b"%PDF-")
    assert 3 <= pages.count(b"/Type/Page\n") + pages.count(b"/Type/Page/") <= 12
