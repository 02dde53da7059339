"""What each system carries, and what becomes of each field between two, with the reasons; as a table and as a page."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from hub import adapter as adapters
from hub import coverage
from hub.coverage import System
from hub.coverage.page import HOW, WHAT, page
from hub.mapping import Mapping, load
from hub.model import leaves

SYSTEMS = [name for name in adapters.shipped() if name != "canonical"]


@pytest.fixture(scope="module")
def systems() -> dict[str, System]:
    return {name: coverage.system(name) for name in adapters.shipped()}


@pytest.fixture(scope="module")
def found(systems: dict[str, System]) -> dict[str, Any]:
    return coverage.table(list(systems.values()))


def made(folder: Path, text: str) -> System:
    (folder / "contactpoint").mkdir(parents=True)
    (folder / "contactpoint" / "local.toml").write_text(f'extends = "contactpoint/child"\n{text}', "utf-8")
    return coverage.system("contactpoint", [folder])


def between(systems: dict[str, System], a: str, b: str, path: str) -> coverage.Outcome:
    leaf = next(leaf for leaf in leaves() if leaf.path == path)
    return coverage.outcome(systems[a], systems[b], leaf)


def test_a_field_of_both_sides_is_carried(systems: dict[str, System]) -> None:
    assert between(systems, "ssd", "contactpoint", "person.birth.date") == coverage.Outcome("carries")
    assert between(systems, "cin_census", "ssd", "episodes[].referral.date") == coverage.Outcome("carries")


def test_a_field_that_the_other_side_withholds_is_lost_for_its_stated_reason(systems: dict[str, System]) -> None:
    said = between(systems, "cin_census", "contactpoint", "episodes[].referral.date")
    assert said.what == "loses"
    assert said.notes == ("case content: the index never holds it (Schedule 1 of SI 2007/2182)",)


def test_a_field_that_the_source_lacks_is_not_said(systems: dict[str, System]) -> None:
    assert between(systems, "cin_census", "ssd", "person.names[].family").what == "silent"


def test_a_coarser_code_narrows_and_is_named_with_its_label(systems: dict[str, System]) -> None:
    said = between(systems, "ssd", "contactpoint", "person.gender")
    assert said.what == "narrows"
    assert said.notes == ("contactpoint has only a coarser word for 0 (Not recorded or unborn)",)


def test_items_that_the_other_side_has_no_place_for_narrow_it_and_name_the_items(systems: dict[str, System]) -> None:
    said = between(systems, "ssd", "cin_census", "person.identifiers[].value")
    assert said.what == "narrows"
    assert "system upn and use current" in said.notes[0]
    back = between(systems, "cin_census", "ssd", "person.identifiers[].value")
    assert [note.split(":")[0] for note in back.notes] == ["not when hl7 system", "not when fhir system"]


def test_items_that_both_speak_of_but_never_the_same_are_lost(tmp_path: Path, systems: dict[str, System]) -> None:
    leaf = next(leaf for leaf in leaves() if leaf.path == "person.identifiers[].value")
    a, b = coverage.System("a", "", ""), coverage.System("b", "", "")
    tested = "person.identifiers[].system"
    a.reads[leaf.path] = [coverage.Use("a row", ("X",), {tested: frozenset(["nhs"])})]
    b.writes[leaf.path] = [coverage.Use("b row", ("Y",), {tested: frozenset(["upn"])})]
    said = coverage.outcome(a, b, leaf)
    assert said == coverage.Outcome("loses", ("b has it for system upn only, a for system nhs",))


def test_a_field_of_older_editions_only_is_lost_in_the_newest(systems: dict[str, System]) -> None:
    said = between(systems, "ssd", "cin_census", "person.gender")
    assert said == coverage.Outcome("loses", ("only editions up to 2024 of cin_census have a field for it",))


def test_a_condition_counts_only_for_sources_that_can_say_it(systems: dict[str, System]) -> None:
    path = "person.addresses[].postcode"
    assert between(systems, "ssd", "contactpoint", path).what == "carries"
    said = between(systems, "canonical", "contactpoint", path)
    assert said.what == "narrows"
    assert any(note.startswith("not when shielded: ") for note in said.notes)


def test_a_text_that_is_cut_narrows(tmp_path: Path, systems: dict[str, System]) -> None:
    other = made(tmp_path, '[each.addresses.fields]\n"town" = { theirs = "Town", as = "cut(3)" }\n')
    leaf = next(leaf for leaf in leaves() if leaf.path == "person.addresses[].town")
    said = coverage.outcome(systems["ssd"], other, leaf)
    assert said == coverage.Outcome("narrows", ("less exact: it is written as cut(3)",))


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_record_itself_carries_everything(name: str, systems: dict[str, System], found: dict[str, Any]) -> None:
    assert {one["what"] for one in found["pairs"][name]["canonical"].values()} == {"carries", "silent"}


@pytest.mark.parametrize("name", SYSTEMS)
def test_what_is_said_of_a_system_agrees_with_its_rows(name: str, found: dict[str, Any]) -> None:
    mappings = [one for one in load(name).values() if isinstance(one, Mapping)]
    scopes = [scope for mapping in mappings for scope in mapping.plan().root.walk()]
    rows = {ours.full for scope in scopes for row in scope.rows for ours in row.ours if row.writing}
    for one in found["fields"]:
        if one["path"] in rows:
            assert one["systems"][name]["how"] in ("both", "part", "writes"), one["path"]


def test_every_loss_has_a_reason(found: dict[str, Any]) -> None:
    for a, others in found["pairs"].items():
        for b, outcomes in others.items():
            for path, said in outcomes.items():
                assert (said["what"] in ("loses", "narrows")) == bool(said["notes"]), (a, b, path)
                assert said["notes"] != ["no row writes it"], (a, b, path)


# The page


class Page(HTMLParser):
    """What the tests ask of the page: its tags with their attributes, and the text of its first table."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def text(found: dict[str, Any]) -> str:
    return page(found, "ssd", "contactpoint")


def test_the_page_stands_alone(text: str) -> None:
    assert not re.search(r"(src|href)=\"(?!#)", text)
    assert "@import" not in text
    assert "http" not in text
    assert not re.search(r"<!--[A-Z0-9]+-->", text)


def test_the_page_has_every_field_and_every_system(text: str, found: dict[str, Any]) -> None:
    parsed = Page(text)
    assert [attrs["data-path"] for tag, attrs in parsed.tags if "data-path" in attrs] == [
        one["path"] for one in found["fields"]
    ]
    cells = [attrs["data-system"] for tag, attrs in parsed.tags if "data-system" in attrs]
    assert cells == SYSTEMS * len(found["fields"])


def test_the_page_can_be_read_by_everybody(text: str) -> None:
    parsed = Page(text)
    assert ("html", {"lang": "en-GB"}) in parsed.tags
    assert all(attrs.get("scope") in ("col", "row", "rowgroup") for tag, attrs in parsed.tags if tag == "th")
    labelled = {attrs.get("for") for tag, attrs in parsed.tags if tag == "label"}
    assert {attrs["id"] for tag, attrs in parsed.tags if tag in ("select", "input")} <= labelled
    assert [tag for tag, _ in parsed.tags].count("h1") == 1
    assert all(sign != word for sign, word in [*HOW.values(), *WHAT.values()])


def luminance(colour: str) -> float:
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    r, g, b = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def test_its_colours_have_the_contrast_of_wcag_aa(text: str) -> None:
    named = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", text))
    pairs = [(name, f"{name}-bg") for name in ("good", "part", "bad", "none", "info")]
    pairs += [("ink", "paper"), ("soft", "paper"), ("soft", "ground"), ("paper", "deep"), ("deep", "ground")]
    for front, back in pairs:
        a, b = sorted((luminance(named[front]), luminance(named[back])), reverse=True)
        assert (a + 0.05) / (b + 0.05) >= 4.5, (front, back)


def test_its_data_is_the_table(text: str, found: dict[str, Any]) -> None:
    held = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert held
    data = json.loads(held[1])
    assert (data["from"], data["to"]) == ("ssd", "contactpoint")
    outcomes = found["pairs"]["ssd"]["contactpoint"].values()
    assert [data["keys"][what] for what, _ in data["pairs"]["ssd>contactpoint"]] == [one["what"] for one in outcomes]
    assert [data["notes"][note] for _, note in data["pairs"]["ssd>contactpoint"]] == [one["notes"] for one in outcomes]
