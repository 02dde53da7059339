"""One council's changes laid over a shipped mapping: rows, groups, tables, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.errors import DeclarationError
from hub.mapping import Mapping, account, declare, load
from hub.model import to_tree
from tests.engine import build, theirs

BASE = """
[fields]
"person.religion" = "faith"
"person.nationality" = "nation"
[each.ep]
ours = "episodes[]"
theirs = "eps[]"
key = ["id"]
[each.ep.fields]
"id" = "id"
"referral.team" = "team"
[each.ass]
in = "ep"
ours = "assessments[]"
theirs = "asss[]"
key = ["id"]
[each.ass.fields]
"id" = "id"
"team" = "team"
"""
SCHEMA = (
    "faith text\nnation text\nteam text\neps[].id text\neps[].team text\neps[].asss[].id text\neps[].asss[].team text"
)


def overlaid(toml: str, folder: Path) -> Mapping:
    return build(BASE, SCHEMA, folder, overlays={"toy/k.toml": f'extends = "toy/k"\n{toml}'})


def keys(mapping: Mapping) -> dict[str, list[str]]:
    """The rows that are left, by their group."""
    return {scope.name: [row.key for row in scope.rows] for scope in mapping.plan().root.walk()}


def test_a_mapping_extends_that_of_another_adapter_with_its_overlays(tmp_path: Path) -> None:
    base, overlay = tmp_path / "base", tmp_path / "overlay"
    for folder, name, text in (
        (base, "toy", 'theirs = "K"\n[fields]\n"source.id" = "Id"\n"person.sex" = "Sex"\n'),
        (base, "twin", 'extends = "toy/k"\n'),
        (overlay, "toy", 'extends = "toy/k"\n[fields]\n"person.sex" = "Gender"\n'),
        (overlay, "twin", 'extends = "twin/k"\n[fields]\n"source.id" = "Number"\n'),
    ):
        (folder / name).mkdir(parents=True)
        (folder / name / "k.toml").write_text(text)
    (found,) = declare.declarations("twin", [base, overlay])
    assert found.adapter == "twin"
    assert {key: row.ways[0].theirs for key, row in found.rows.items()} == {
        "source.id": ("Number",),
        "person.sex": ("Gender",),
    }
    (other,) = declare.declarations("toy", [base, overlay])
    assert other.rows["source.id"].ways[0].theirs == ("Id",)
    assert other.adapter == "toy"


def test_two_mappings_that_extend_each_other_are_an_error(tmp_path: Path) -> None:
    for name, other in (("toy", "twin"), ("twin", "toy")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "k.toml").write_text(f'extends = "{other}/k"\n')
    with pytest.raises(DeclarationError, match="extends this one"):
        declare.declarations("toy", [tmp_path])


def test_a_row_is_replaced_whole_and_an_overlay_adds_to_the_file_it_extends(tmp_path: Path) -> None:
    mapping = overlaid('[fields]\n"person.religion" = { theirs = "faith", none = ["nil"] }', tmp_path)
    assert mapping.inward(theirs({"faith": "nil"})).record.person.religion is None  # type: ignore[union-attr]
    assert mapping.declaration.files == ("base/toy/k.toml", "council/toy/k.toml")


@pytest.mark.parametrize(
    ("toml", "gone"),
    [
        ('[withhold]\n"person.religion" = "not shared by this council"', [("", "person.religion")]),
        ('[ignore]\n"nation" = "not kept by this council"', [("", "person.nationality")]),
        ('[withhold]\n"episodes[].referral.team" = "not shared by this council"', [("ep", "referral.team")]),
        ('[withhold]\n"episodes[].assessments[].team" = "not shared by this council"', [("ass", "team")]),
        ('[ignore]\n"eps[].asss[].team" = "not kept by this council"', [("ass", "team")]),
        ('[ignore]\n"team" = "a field of the root alone"', []),
    ],
)
def test_a_mapped_path_that_is_withheld_or_ignored_loses_its_row_alone(
    toml: str, gone: list[tuple[str, str]], tmp_path: Path
) -> None:
    before = keys(build(BASE, SCHEMA, tmp_path / "plain" if (tmp_path / "plain").mkdir() is None else tmp_path))
    after = keys(overlaid(toml, tmp_path))
    assert [(name, key) for name, rows in before.items() for key in rows if key not in after[name]] == gone
    assert not any("is mapped by a row" in fault for fault in account.faults(overlaid(toml, tmp_path)))


def test_a_new_group_claims_before_the_one_it_names(tmp_path: Path) -> None:
    base = """
    [each.all]
    ours = "person.addresses[]"
    theirs = "a[]"
    key = ["postcode"]
    [each.all.fields]
    "postcode" = "pc"
    """
    group = """
    [each.homes]
    before = "all"
    ours = "person.addresses[use=home]"
    theirs = "a[t=H]"
    key = ["postcode"]
    [each.homes.fields]
    "postcode" = "pc"
    """
    tree = {"a": [{"pc": "1"}, {"t": "H", "pc": "2"}]}
    mapping = build(base, None, tmp_path, overlays={"toy/k.toml": f'extends = "toy/k"\n{group}'})
    record = mapping.inward(theirs(tree)).record
    assert [one.get("use") for one in to_tree(record)["person"]["addresses"]] == ["home", None]
    assert mapping.create(record).tree == tree
    with pytest.raises(DeclarationError, match="before = 'none': there is no such group"):
        build(base, None, tmp_path, overlays={"toy/k.toml": group.replace('"all"', '"none"')})


def test_a_code_row_of_an_overlay_takes_the_place_of_what_it_contradicts(tmp_path: Path) -> None:
    codes = {"s": "theirs,ours,way,note\nM,M,,\nF,F,,\nX,U,,\nF,N,out,they have no word for it\n"}
    overlays = {"codes/s.csv": "theirs,ours,way\nF,U,\nW,F,\n", "toy/k.toml": 'extends = "toy/k"'}
    toml = '[fields]\n"person.sex" = { theirs = "sex", codes = "s" }'
    with pytest.raises(DeclarationError, match="'N' is not in the national list 'sex'"):
        build(toml, "sex text", tmp_path, codes, overlays=overlays)
    codes["s"] = codes["s"].replace("F,N,out,they have no word for it\n", "")
    mapping = build(toml, "sex text", tmp_path, codes, overlays=overlays)
    bound = mapping.plan().bounds["s"]
    assert bound.read == {"M": "M", "X": "U", "F": "U", "W": "F"}
    assert bound.write == {"M": "M", "U": "F", "F": "W"}


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ('extends = "cin_census/nowhere"', "extends 'cin_census/nowhere', which no folder before this one has"),
        ('theirs = "Child"', 'there is a mapping of this name already: write extends = "cin_census/child"'),
        ('extends = "cin_census/child"\nfeilds = 1', "unknown key 'feilds'"),
        ("extends =", "is not TOML"),
        ('extends = "gone.toml"', "there is no such mapping file"),
        ('extends = "cin_census/child"\n[each]\ncp = 1', "a table is expected here"),
        ('extends = "cin_census/child"\n[withhold]\n"person.sex" = "no"', "a reason in words is expected"),
    ],
)
def test_an_overlay_that_cannot_be_laid_is_refused_with_its_file(toml: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "council" / "cin_census" / "child.toml"
    file.parent.mkdir(parents=True)
    file.write_text(toml, "utf-8")
    with pytest.raises(DeclarationError) as caught:
        load("cin_census", [tmp_path / "council"])
    assert words in str(caught.value)
    assert "cin_census/" in caught.value.file


def test_an_overlay_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="the overlay is not a folder"):
        load("cin_census", [tmp_path / "nowhere"])


@pytest.mark.parametrize(
    ("file", "overlay", "said"),
    [
        (
            "cin_cenus/local.toml",
            "",
            "cin_cenus: nothing in this folder would be used: is it meant to be called 'cin_c",
        ),
        ("code/cin/sex.csv", "", "code: nothing in this folder would be used: is it meant to be called 'codes'"),
        ("cin_census/local.toml", "cin_census", "cin_census: the overlay is the folder in which this one lies"),
        ("codes/cin/sex.csv", "codes", "codes: the overlay is the folder in which this one lies"),
        ("cin_census/local.toml", "", None),
        ("caf_fhir/local.toml", "", None),
        ("codes/cin/sex.csv", "", None),
        ("council_index/local.toml", "", None),
    ],
)
def test_what_of_an_overlay_would_be_passed_over_is_said(
    file: str, overlay: str, said: str | None, tmp_path: Path
) -> None:
    place = tmp_path / "northshire" / file
    place.parent.mkdir(parents=True)
    extended = "caf_fhir/form" if "caf" in file else "cin_census/child"
    place.write_text(f'extends = "{extended}"\n' if file.endswith("toml") else "theirs,ours,way,since,until,note\n")
    folder = tmp_path / "northshire" / overlay
    if said is None:
        load("cin_census", [folder])
        return
    with pytest.raises(DeclarationError, match=said):
        load("cin_census", [folder])
