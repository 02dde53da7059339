"""One more code in a council's table: found out which, checked, recorded, written whole; and what is refused."""

from __future__ import annotations

import contextlib
import json
import shlex
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.check.adding import Wanted, prepare
from hub.check.coding import Use, nearest
from hub.errors import DeclarationError
from hub.mapping import Mapping, codes, load, sheet
from hub.mapping.looking import unread, unsaid
from hub.model import to_tree
from tests.council import CANARY, INDEX, Council, Ran
from tests.engine import build, theirs

TABLE = "contactpoint/gender"
HEAD = "theirs,ours,way,since,until,note\n"


def spoiled(*genders: str) -> bytes:
    """The sample of seven children with other words for the gender of the first three girls."""
    text = INDEX.read_text("utf-8")
    for word in genders:
        text = text.replace("<Gender>F<", f"<Gender>{word}<", 1)
    return text.encode()


@pytest.fixture
def council(tmp_path: Path) -> Council:
    """A council whose index has an overlay of its own, empty until now."""
    made = Council(tmp_path)
    made.change('bad = "park"', 'bad = "park"\noverlays = ["northshire"]')
    (tmp_path / "northshire").mkdir()
    return made


@pytest.fixture
def troubled(council: Council) -> Council:
    """Three children that the table cannot read, two of them for the same word."""
    council.become(_trouble)
    return council


def _trouble(council: Council) -> None:
    council.drop(spoiled(f"{CANARY}Y", "Femal", f"{CANARY}Y"))
    assert council.call("run", "--once").code == 1


def file(council: Council, table: str = TABLE, folder: str = "northshire") -> Path:
    return council.folder / folder / "codes" / f"{table}.csv"


def gender(council: Council) -> codes.Bound:
    """The table as the index's mapping has it now."""
    mapping = load("contactpoint", [council.folder / "northshire"])["Child"]
    assert isinstance(mapping, Mapping)
    return mapping.plan().bounds[TABLE]


def rows(council: Council, query: str) -> list[Any]:
    with contextlib.closing(sqlite3.connect(council.folder / "hub.db")) as connection:
        return connection.execute(query).fetchall()


def add(council: Council, *words: str) -> Ran:
    return council.call("codes", "add", *words)


# Adding


def test_a_code_is_added_checked_recorded_and_only_once(council: Council) -> None:
    said = add(council, TABLE, "Fem", "2", "--note", 'a "word", of ours', "--reason", "asked by the index")
    assert (said.code, said.out) == (0, "")
    assert "only read: the code is written as F, as before" in said.err
    assert file(council).read_text() == HEAD + 'Fem,2,in,,,"a ""word"", of ours"\n'
    assert (gender(council).read["Fem"], gender(council).write["2"]) == ("2", "F")
    (entry,) = rows(council, "SELECT act, detail FROM audit WHERE act LIKE 'codes%'")
    assert entry[1] == f"table {TABLE}, file northshire/codes/{TABLE}.csv, way in: asked by the index"
    again = add(council, TABLE, "Fem", "2")
    assert (again.code, "already: nothing was changed" in again.err) == (0, True)
    assert len(rows(council, "SELECT 1 FROM audit WHERE act LIKE 'codes%'")) == 1


def test_a_code_of_ours_that_nothing_writes_yet_goes_both_ways(council: Council) -> None:
    local = council.folder / "northshire" / "contactpoint" / "local.toml"
    local.parent.mkdir()
    local.write_text(
        'extends = "contactpoint/child"\n[fields]\n"person.religion" = { theirs = "Faith", codes = "own/faith" }\n'
    )
    file(council, "own/faith").parent.mkdir(parents=True)
    file(council, "own/faith").write_text("theirs,ours\nC,christian\n")
    assert add(council, "own/faith", "H", "hindu", "--note", "new").code == 0
    assert file(council, "own/faith").read_text() == "theirs,ours,note\nC,christian\nH,hindu,new\n"
    assert add(council, "own/faith", "Hi", "hindu").code == 0
    assert file(council, "own/faith").read_text() == "theirs,ours,note,way\nC,christian\nH,hindu,new\nHi,hindu,,in\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["Fem", "9x"], "'9x' is no code of the national list 'gender'; near it: 9 ("),
        (["Fem", "female"], "near it: 2 (Female)"),
        (["M", "2"], "this text is read as 1 already; --replace"),
        (["Fem", "2", "--way", "both"], "the code is written as F already: --way in only reads the new text"),
        (["Fem", "2", "--way", "out"], "written as F already"),
        (["Fem", "2", "--way", "out", "--replace"], "its note must say why"),
        (["", "2"], "a row needs a text of theirs"),
        (["Fem", "2", "--link", "nobody"], "hub.toml has no link 'nobody'"),
        (["Fem", "2", "--link", "fussy"], "no mapping here uses a code table 'contactpoint/gender'"),
        (["Fem", "2", "--overlay", "gone"], "there is no such folder"),
    ],
)
def test_a_row_that_cannot_be_is_refused_and_nothing_is_written(council: Council, words: list[str], told: str) -> None:
    said = add(council, TABLE, *words)
    assert (said.code, said.out) == (2, "")
    assert told in said.err
    assert list((council.folder / "northshire").rglob("*.csv")) == []
    assert rows(council, "SELECT 1 FROM audit") == []


def test_a_table_that_is_not_there_names_those_like_it(council: Council) -> None:
    assert "there are: contactpoint/gender" in add(council, "contactpoint/gnder", "Fem", "2").err


def test_with_replace_a_text_changes_its_meaning_and_what_is_lost_by_it_is_said(council: Council) -> None:
    assert add(council, TABLE, "Fem", "2").code == 0
    said = add(council, TABLE, "Fem", "1", "--replace")
    assert "it was read as 2 until now" in said.err
    assert file(council).read_text() == HEAD + "Fem,1,in,,,\n"
    said = add(council, TABLE, "M", "2", "--replace")
    assert "no row writes 1 any more" in said.err
    assert gender(council).read["M"] == "2"


def test_with_replace_another_text_is_written_and_the_old_one_still_read(council: Council) -> None:
    assert add(council, TABLE, "Fem", "2", "--way", "both", "--replace").code == 0
    assert add(council, TABLE, "Frau", "2", "--way", "both", "--replace").code == 0
    assert file(council).read_text() == HEAD + "Fem,2,in,,,\nFrau,2,,,,\n"
    bound = gender(council)
    assert (bound.write["2"], bound.read["F"], bound.read["Fem"]) == ("Frau", "2", "2")


def test_a_file_keeps_its_header_its_lines_its_mode_and_its_mark(council: Council) -> None:
    place = file(council)
    place.parent.mkdir(parents=True)
    before = "\ufefftheirs,ours,way\r\nFrau,2,in\r\n\r\n".encode()
    place.write_bytes(before)
    place.chmod(0o640)
    assert add(council, TABLE, "Fem", "2").code == 0
    assert place.read_bytes() == before + b"Fem,2,in\r\n"
    assert place.stat().st_mode & 0o777 == 0o640
    assert [one.name for one in place.parent.iterdir()] == ["gender.csv"]


def test_an_overlay_that_is_a_link_stays_one(council: Council) -> None:
    kept = council.folder / "kept.csv"
    kept.write_text(HEAD)
    file(council).parent.mkdir(parents=True)
    file(council).symlink_to(kept)
    assert add(council, TABLE, "Fem", "2").code == 0
    assert file(council).is_symlink()
    assert kept.read_text() == HEAD + "Fem,2,in,,,\n"


def test_links_with_different_overlays_need_one_to_be_named(council: Council) -> None:
    more = (
        '[links.other]\nadapter = "contactpoint"\noverlays = ["south"]\nconnection = { kind = "folder", in = "in2" }\n'
    )
    council.change("[links.ours]", more + "[links.ours]")
    (council.folder / "south").mkdir()
    said = add(council, TABLE, "Fem", "2")
    assert said.code == 2
    assert "say with --link which: index (northshire), other (south)" in said.err
    assert add(council, TABLE, "Fem", "2", "--link", "other").code == 0
    assert file(council, folder="south").exists()
    assert not file(council).exists()


def test_a_code_that_another_link_of_the_same_overlay_cannot_have_is_refused(council: Council) -> None:
    more = '[links.other]\nadapter = "contactpoint"\noverlays = ["northshire", "south"]\n'
    council.change("[links.ours]", more + 'connection = { kind = "folder", in = "in2" }\n[links.ours]')
    south = file(council, folder="south")
    south.parent.mkdir(parents=True)
    south.write_text(HEAD + "Fem,9,in,,,\n")
    said = add(council, TABLE, "Fem", "2", "--link", "index", "--replace")
    assert (said.code, "a later overlay of 'other' has another row for this" in said.err) == (2, True)
    assert not file(council).exists()


def test_without_any_overlay_it_says_what_to_write_into_hub_toml(council: Council) -> None:
    council.change('overlays = ["northshire"]', "")
    said = add(council, TABLE, "Fem", "2")
    assert said.code == 2
    assert 'write overlays = ["FOLDER"] below [links.index] in hub.toml' in said.err


def test_a_copy_of_an_overlay_can_be_tried_first(council: Council) -> None:
    (council.folder / "copy").mkdir()
    said = add(council, TABLE, "Fem", "2", "--overlay", "copy")
    assert said.code == 0
    assert "no link has this folder among its overlays" in said.err
    assert file(council, folder="copy").exists()
    assert not file(council).exists()


def test_nothing_is_written_when_it_cannot_be_recorded(council: Council) -> None:
    with contextlib.closing(sqlite3.connect(council.folder / "hub.db")) as connection, connection:
        connection.execute("CREATE TRIGGER no BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
    assert add(council, TABLE, "Fem", "2").code != 0
    assert not file(council).exists()


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "t.csv").mkdir()
    with pytest.raises(DeclarationError):
        sheet.put(tmp_path / "t.csv", b"theirs,ours\n")
    assert [one.name for one in tmp_path.iterdir()] == ["t.csv"]


def test_adds_at_the_same_time_lose_no_row(tmp_path: Path) -> None:
    use = Use("index", "contactpoint", (tmp_path,))

    def one(n: int) -> None:
        with sheet.locked(tmp_path):
            change = prepare([use], tmp_path, Wanted(TABLE, f"F{n}", "2"))
            assert change.data is not None
            sheet.put(change.file, change.data)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(12)))
    (mapping,) = load("contactpoint", [tmp_path]).values()
    assert isinstance(mapping, Mapping)
    assert {f"F{n}" for n in range(12)} <= mapping.plan().bounds[TABLE].read.keys()


def test_where_case_does_not_count_a_spelling_that_is_there_is_kept(tmp_path: Path) -> None:
    local = tmp_path / "contactpoint" / "local.toml"
    local.parent.mkdir()
    local.write_text(f'extends = "contactpoint/child"\n[codes."{TABLE}"]\nfold = true\n')
    use = Use("index", "contactpoint", (tmp_path,))
    assert prepare([use], tmp_path, Wanted(TABLE, "NOT_Specified", "9")).data is None
    changed = prepare([use], tmp_path, Wanted(TABLE, "NOT_Specified", "2", replace=True))
    assert changed.data == (HEAD + "not_specified,2,in,,,\n").encode()


def test_a_text_that_says_nothing_never_reaches_the_table(tmp_path: Path) -> None:
    local = tmp_path / "contactpoint" / "local.toml"
    local.parent.mkdir()
    row = f'"person.gender" = {{ theirs = "Gender", codes = "{TABLE}", none = ["Nil"] }}'
    local.write_text(f'extends = "contactpoint/child"\n[fields]\n{row}\n')
    with pytest.raises(DeclarationError, match="this text means none or nothing"):
        prepare([Use("index", "contactpoint", (tmp_path,))], tmp_path, Wanted(TABLE, "Nil", "2"))


def test_a_table_of_several_columns_takes_its_cells_as_a_line_of_csv(tmp_path: Path) -> None:
    local = tmp_path / "contactpoint" / "local.toml"
    local.parent.mkdir()
    row = '"person.religion" = { theirs = ["FaithCode", "FaithText"], codes = "own/faith" }'
    local.write_text(f'extends = "contactpoint/child"\n[fields]\n{row}\n')
    place = tmp_path / "codes" / "own" / "faith.csv"
    place.parent.mkdir(parents=True)
    place.write_text("theirs.a,theirs.b,ours\n1,one,first\n")
    use = Use("index", "contactpoint", (tmp_path,))
    changed = prepare([use], tmp_path, Wanted("own/faith", '2,"two, too"', "second"))
    assert changed.data == b'theirs.a,theirs.b,ours\n1,one,first\n2,"two, too",second\n'
    with pytest.raises(DeclarationError, match="has 2 columns on that side"):
        prepare([use], tmp_path, Wanted("own/faith", "2", "second"))


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0\ufeff"), min_size=1, max_size=6)


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=6), TEXTS, TEXTS, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_adding_to_a_sheet_leaves_what_stands_there_byte_for_byte(
    tmp_path_factory: pytest.TempPathFactory,
    held: list[tuple[str, str]],
    one: str,
    ours: str,
    end: str,
    whole: bool,
) -> None:
    import csv
    import io

    out = io.StringIO()
    csv.writer(out, lineterminator=end).writerows([("theirs", "ours", "way"), *((a, b, "") for a, b in held)])
    text = out.getvalue() if whole else out.getvalue().removesuffix(end)
    place = tmp_path_factory.mktemp("sheet") / "t.csv"
    place.write_bytes(text.encode())
    made = sheet.Sheet(place)
    made.add({"theirs": one, "ours": ours, "way": "in"})
    assert made.data().startswith(text.encode())
    before, after = codes.parse(text.encode(), "t"), codes.parse(made.data(), "t")
    assert [(row.theirs, row.ours, row.way) for row in after] == [
        *((row.theirs, row.ours, row.way) for row in before),
        (one, ours, "in"),
    ]


# Listing


def test_the_tables_of_the_links_are_listed_with_who_uses_them(council: Council) -> None:
    found = {one["table"]: one for one in json.loads(council.call("codes", "list", "--json").out)}
    assert found[TABLE] == {
        "table": TABLE, "lists": ["gender"], "rows": 4, "used_by": ["index"],
        "files": [f"mappings/codes/{TABLE}.csv"],
    }  # fmt: skip
    assert found["ssd/sex"]["used_by"] == ["fussy"]
    assert TABLE in council.call("codes", "list").out
    assert set(json.loads(council.call("codes", "list", "--link", "index", "--json").out)[0]) == set(found[TABLE])
    council.toml.unlink()
    shipped = {one["table"] for one in json.loads(council.call("codes", "list", "--json").out)}
    assert {"cin/sex", TABLE, "ssd/sex", "dfe/sex"} <= shipped


def test_a_table_is_shown_with_meanings_and_where_each_row_stands(council: Council) -> None:
    assert add(council, TABLE, "Fem", "2").code == 0
    said = council.call("codes", "show", TABLE)
    assert said.code == 0
    assert "as index has it" in said.out
    (found,) = json.loads(council.call("codes", "show", TABLE, "--json").out)
    assert found["rows"][-1] == {
        "theirs": "Fem", "ours": "2", "way": "in", "since": "", "until": "", "note": "",
        "file": f"northshire/codes/{TABLE}.csv", "line": "2",
    }  # fmt: skip
    assert council.call("codes", "show", "contactpoint/gnder").code == 2


# The texts behind a cause


def test_the_texts_behind_a_cause_are_shown_most_first_once_that_is_recorded(troubled: Council) -> None:
    said = troubled.call("failures", "show", "1", "--reveal", "to add the codes")
    assert (said.code, said.err) == (0, "")
    assert "What cannot be read: 2 texts in 3 records" in said.out
    first, second = (line for line in said.out.splitlines() if line.startswith((f"{CANARY}Y ", "Femal ")))
    assert first.split()[:3] == [f"{CANARY}Y", "4", "2"]
    assert second.split()[:5] == ["Femal", "2", "1", "2", "(Female),"]
    (entry,) = rows(troubled, "SELECT id, detail FROM audit WHERE act = 'reveal'")
    assert entry[1] == "cause 1, 3 records: to add the codes"
    assert len(rows(troubled, f"SELECT key FROM audit_child WHERE audit = {entry[0]}")) == 3


def test_without_a_reason_no_text_is_shown_and_the_next_step_says_how(troubled: Council) -> None:
    said = troubled.call("failures", "show", "1")
    assert CANARY not in said.out + said.err
    assert "ics-hub failures show 1 --reveal REASON" in " ".join(said.out.split())
    assert troubled.call("failures", "show", "1", "--reveal", " ").code == 2
    assert rows(troubled, "SELECT 1 FROM audit WHERE act = 'reveal'") == []


def test_no_text_is_shown_when_it_cannot_be_recorded(troubled: Council) -> None:
    with contextlib.closing(sqlite3.connect(troubled.folder / "hub.db")) as connection, connection:
        connection.execute("CREATE TRIGGER no BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
    said = troubled.call("failures", "show", "1", "--reveal", "curious")
    assert (said.code != 0, said.out) == (True, "")


def test_the_line_that_is_proposed_adds_the_code_and_says_what_to_replay(troubled: Council) -> None:
    told = json.loads(troubled.call("failures", "show", "1", "--reveal", "to mend", "--json").out)["revealed"]
    line = next(one["add"] for one in told["values"] if one["text"] == "Femal")
    assert line == f"ics-hub codes add {TABLE} Femal 2"
    said = troubled.call(*shlex.split(line)[1:])
    assert said.code == 0
    assert "cause 1, 6 messages: ics-hub replay --cause 1 --canary" in said.err
    assert CANARY not in said.err
    after = json.loads(troubled.call("failures", "show", "1", "--reveal", "again", "--json").out)["revealed"]
    assert (after["looked"], after["well"], after["texts"]) == (3, 1, 1)


def test_a_date_that_no_codec_reads_is_shown_too(council: Council) -> None:
    text = INDEX.read_text("utf-8").replace("<BirthDate>", f"<BirthDate>{CANARY} ", 2)
    council.drop(text.encode())
    assert council.call("run", "--once").code == 1
    told = json.loads(council.call("failures", "show", "1", "--reveal", "to mend", "--json").out)["revealed"]
    assert told["texts"] == 2
    assert all(one["text"].startswith(CANARY) and "add" not in one for one in told["values"])


def test_texts_of_records_that_went_on_all_the_same_are_shown(council: Council) -> None:
    council.change('bad = "park"', 'bad = "keep"')
    council.drop(spoiled("Femal", "Femal"))
    assert council.call("run", "--once").code == 0
    told = json.loads(council.call("failures", "--json").out)
    number = next(one["id"] for one in told if one["findings"] == 2)
    found = json.loads(council.call("failures", "show", str(number), "--reveal", "to mend", "--json").out)
    assert [(one["text"], one["messages"], one["children"]) for one in found["revealed"]["values"]] == [("Femal", 2, 2)]
    assert "nothing waits for it" in found["next"]


def test_nothing_but_a_revealed_text_shows_a_value(troubled: Council) -> None:
    said = [add(troubled, TABLE, "Fem", "2"), troubled.call("codes", "show", TABLE), troubled.call("codes", "list")]
    said += [troubled.call("failures", "show", "1", "--reveal", "to mend")]
    assert all(CANARY not in one.out + one.err for one in said[:3])
    held = b"".join(one.read_bytes() for one in troubled.folder.glob("hub.db*"))
    assert CANARY.encode() not in held
    assert all(CANARY not in str(row) for row in rows(troubled, "SELECT who, act, detail FROM audit"))


# What a row cannot read, and what it cannot write


SCHEMA = "faith text\nfaiths[] text\na text\nb text\nf group\nf.x text\nf.y text\neps[].k text\neps[].team text"
TOML = """
[fields]
"person.religion" = { theirs = "faith", codes = "s", none = ["nil"] }
"person.disabilities" = { theirs = "faiths[]", codes = "disability" }
"person.birth.date, person.birth.accuracy" = { theirs = ["a", "b"], as = "estimated_date" }
[each.ep]
ours = "episodes[]"
theirs = "eps[]"
key = ["id"]
[each.ep.fields]
"id" = "k"
"referral.source" = { theirs = "team", codes = "t" }
"""


@pytest.fixture
def small(tmp_path: Path) -> Mapping:
    text = TOML.replace('"person.disabilities" = { theirs = "faiths[]", codes = "disability" }\n', "")
    tables = {"s": "theirs,ours\nC,christian\n", "t": "theirs,ours\nA,1A\n"}
    return build(text, SCHEMA, tmp_path, tables)


@pytest.mark.parametrize(
    ("tree", "place", "table", "found"),
    [
        ({"faith": "X"}, '[fields] "person.religion"', "s", [("X",)]),
        ({"faith": "C"}, '[fields] "person.religion"', "s", []),
        ({"faith": "nil"}, '[fields] "person.religion"', "s", []),
        ({"faith": {"deep": "X"}}, '[fields] "person.religion"', "s", []),
        ({"faith": "X"}, 'base/toy/k.toml [fields] "person.religion"', "s", [("X",)]),
        ({"faith": "X"}, '[fields] "person.religion"', "other", []),
        ({"a": "soon", "b": "Y"}, '[fields] "person.birth.date, person.birth.accuracy"', "", [("soon", "Y")]),
        ({"eps": [{"k": "1", "team": "A"}, {"k": "2", "team": "B"}]}, '[each.ep] "referral.source"', "t", [("B",)]),
    ],
)
def test_the_texts_that_a_row_cannot_read(
    small: Mapping, tree: dict[str, Any], place: str, table: str, found: list[tuple[str, ...]]
) -> None:
    assert list(unread(small.plan(), theirs(tree), place, table)) == found


def test_the_codes_that_a_row_cannot_write(small: Mapping) -> None:
    record = small.inward(theirs({"faith": "C", "eps": [{"k": "1", "team": "A"}, {"k": "2", "team": "A"}]})).record
    told = to_tree(record)
    assert told["person"]["religion"] == "christian"
    record.episodes[1].referral.source = "10"  # type: ignore[index,union-attr]
    assert list(unsaid(small.plan(), record, '[each.ep] "referral.source"', "t")) == [("10",)]
    assert list(unsaid(small.plan(), record, '[fields] "person.religion"', "s")) == []


def test_the_nearest_codes_are_found_by_code_by_label_and_by_other_words() -> None:
    choices: dict[str, list[str]] = {"1": ["M"], "2": ["F", "Frau"], "9": ["not_specified"]}
    assert nearest("femal", choices, ["gender"])[0] == "2"
    assert nearest("FRAU", choices, ["gender"])[0] == "2"
    assert nearest("not specified", choices, ["gender"])[0] == "9"
    assert nearest("Q77", choices, ["gender"]) == []
