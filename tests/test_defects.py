"""Planted defects: every kind of mistake an author can make in a mapping is refused, with a message that names it."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from hub.errors import DeclarationError
from hub.mapping import Created, account, codecs, codes, laws
from tests.engine import build, theirs

SCHEMA = "sex text\nneed text\ndied date\nplans[].d date\nplans[].no text"


def refused(toml: str, folder: Path, tables: dict[str, str] | None = None) -> str:
    """The message with which a mapping is refused at load."""
    with pytest.raises(DeclarationError) as caught:
        build(toml, SCHEMA, folder, tables)
    return str(caught.value)


def test_the_cambodia_defect_is_refused(tmp_path: Path) -> None:
    """Two of our codes share one of theirs: 3 of 51 came back as others, in silence (domain facts, C1)."""
    table = (
        "theirs,ours\nTherapeutic interventions,N1\nTherapeutic interventions,N2\nTherapeutic training,N3\nOther,N4\n"
    )
    message = refused(
        '[fields]\n"person.religion" = { theirs = "need", codes = "services" }', tmp_path, {"services": table}
    )
    assert "lines 2 and 3 have the same theirs" in message
    assert "services" in message
    assert "come" in message


def test_a_table_that_writes_two_ways_is_refused(tmp_path: Path) -> None:
    message = refused(
        '[fields]\n"person.sex" = { theirs = "sex", codes = "s" }', tmp_path, {"s": "theirs,ours\n1,M\nMale,M\n2,F\n"}
    )
    assert "lines 2 and 3 have the same ours" in message
    assert "in" in message


def test_a_narrowing_code_needs_a_note(tmp_path: Path) -> None:
    table = "theirs,ours,way\nM,M,\nF,F,\nF,U,out\n"
    message = refused('[fields]\n"person.sex" = { theirs = "sex", codes = "s" }', tmp_path, {"s": table})
    assert "line 4" in message
    assert "note" in message


def test_folding_is_checked_again(tmp_path: Path) -> None:
    toml = '[fields]\n"person.sex" = { theirs = "sex", codes = "s" }\n[codes.s]\nfold = true'
    assert "lines 2 and 3" in refused(toml, tmp_path, {"s": "theirs,ours\nmale,M\nMALE\u00a0,F\n"})


def test_a_code_outside_the_national_list_is_refused(tmp_path: Path) -> None:
    message = refused(
        '[fields]\n"person.sex" = { theirs = "sex", codes = "s" }', tmp_path, {"s": "theirs,ours\nM,M\nF,FEM\n"}
    )
    assert "'FEM'" in message
    assert "'sex'" in message
    assert "line 3" in message


def kind_words() -> codecs.Codec:
    """A boolean that kindly reads every word it knows, whatever the row says."""
    kind = {"0": False, "false": False, "1": True, "true": True}
    return codecs.Codec("kind", lambda text: kind[text], lambda value: "0" if value else "1", ("boolean",))


def test_a_boolean_with_kind_words_on_a_negated_field_breaks_a_law(tmp_path: Path) -> None:
    toml = '[fields]\n"person.mother" = { theirs = "no", as = "tests.test_defects.kind_words" }'
    mapping = build(toml, "no text", tmp_path)
    breaches = list(laws.check(mapping, [], records=200))
    assert any("person.mother" in breach.path and "no account says so" in breach.law for breach in breaches)
    honest = build(
        '[fields]\n"person.mother" = { theirs = "no", as = \'boolean("0|false", "1|true")\' }', "no text", tmp_path
    )
    assert list(laws.check(honest, [], records=200)) == []


def test_an_unmapped_field_of_either_side_is_named(tmp_path: Path) -> None:
    mapping = build(
        '[fields]\n"person.sex" = { theirs = "sex", codes = "sex" }\n[withhold]\n"care.**" = "not collected here"',
        SCHEMA,
        tmp_path,
    )
    faults = list(account.faults(mapping))
    assert any("ours person.birth.date: is neither mapped nor withheld" in fault for fault in faults)
    assert any("theirs died: is neither mapped nor ignored" in fault for fault in faults)
    assert not any("care.episodes" in fault for fault in faults)


def test_a_list_aligned_by_position_is_refused(tmp_path: Path) -> None:
    toml = """
    [each.p]
    ours = "episodes[]"
    theirs = "plans[]"
    [each.p.fields]
    "referral.date" = { theirs = "d", as = "date" }
    """
    message = refused(toml, tmp_path)
    assert "[each.p]" in message
    assert "key" in message
    assert "position" in message


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ('"person.mother" = { theirs = "died", as = "date" }', "type mismatch: the row gives date"),
        ('"person.death.date" = "died"', "type mismatch: the row gives text"),
        ('"person.sex" = "sex"', "needs codes"),
        ('"person.death.date" = { theirs = "sex", codes = "sex" }', "a code table gives texts"),
        ('"episodes[].referral.date" = { theirs = "died", as = "date" }', "only writes"),
        ('"person.sexx" = "sex"', "the record has no 'sexx'"),
        (
            '"person.birth.date" = { theirs = "died", as = "date" }\n"person.birth.date, person.birth.accuracy" = '
            '{ theirs = ["sex", "need"], as = "estimated_date" }',
            "'person.birth.date' is read by the row \"person.birth.date\" too",
        ),
        ('"person.religion" = "sax"', "the format has no field 'sax'"),
        ('"person.religion" = { theirs = "sex", as = "reversed" }', "there is no codec 'reversed'"),
        ('"person.religion" = { theirs = "sex", when = "tired" }', "there is no condition 'tired'"),
        ('"person.religion" = { theirs = "sex", absent = ["x"], none = ["x"] }', "both absent and none"),
        ('"person.religion" = { their = "sex" }', "unknown key 'their'"),
        ('"person.religion" = { theirs = "sex", as = 1 }', "as: a text is expected"),
        ('"person.religion" = { theirs = "sex", codes = ["sex"] }', "codes: a text is expected"),
        ('"person.religion" = { theirs = "sex", since = 2.5 }', "since: a text is expected"),
    ],
)
def test_a_row_that_cannot_be_is_refused_with_its_place(row: str, words: str, tmp_path: Path) -> None:
    message = refused("[fields]\n" + row, tmp_path)
    assert words in message
    assert "[fields]" in message
    assert "toy/k.toml" in message


def test_a_wildcard_cannot_hide_a_new_field(tmp_path: Path) -> None:
    toml = """
    [fields]
    "person.sex" = { theirs = "sex", codes = "sex" }
    [withhold]
    "person.**" = "the rest is not collected"
    """
    mapping = build(toml, SCHEMA, tmp_path)
    listed = account.table([mapping])
    assert "ours,person.birth.date,withheld,the rest is not collected" in listed
    stale = listed.replace("K,ours,person.birth.date,withheld,the rest is not collected\n", "")
    assert stale != listed, (
        "a field that is new to the model changes the committed account, so check fails until it is reviewed"
    )


def test_a_reason_that_speaks_of_nothing_is_an_error(tmp_path: Path) -> None:
    toml = """
    [fields]
    "person.sex" = { theirs = "sex", codes = "sex" }
    [withhold]
    "person.sex" = "is mapped above all the same"
    "person.hair.**" = "there is no such part at all"
    "episodes[rest]" = "no group takes only some of them"
    [ignore]
    "height" = "there is no such field at all"
    """
    faults = "\n".join(account.faults(build(toml, SCHEMA, tmp_path)))
    assert "[withhold] person.sex: is mapped by a row" in faults
    assert "[withhold] person.hair.**: matches nothing" in faults
    assert "[withhold] episodes[rest]: no row or group" in faults
    assert "[ignore] height: matches nothing in the format" in faults


def test_a_slice_without_its_complement_is_named(tmp_path: Path) -> None:
    mapping = build('[fields]\n"person.identifiers[system=upn].value" = "sex"', SCHEMA, tmp_path)
    assert any(
        "person.identifiers[rest]" in line.detail
        for line in account.lines(mapping)
        if line.path == "person.identifiers[].value"
    )


def test_wildcards_never_stand_at_the_root(tmp_path: Path) -> None:
    mapping = build('[withhold]\n"**" = "everything, which is too easy"', SCHEMA, tmp_path)
    assert any("**: matches nothing" in fault for fault in account.faults(mapping))


def test_a_mapping_that_returns_the_original_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writing whatever was read before passes GetPut; locality sees that a change does not arrive."""
    mapping = build('[fields]\n"person.religion" = "faith"', "faith text", tmp_path)
    sample = theirs({"faith": "Quaker"})
    assert list(laws.check(mapping, [sample], records=50)) == []
    monkeypatch.setattr(mapping, "create", lambda *_, **__: Created({"faith": "Quaker"}, {}, []))
    assert list(laws.get_put(mapping, sample, "sample")) == []
    breaches = list(laws.locality(mapping, sample, "sample", Random(1)))
    assert [(breach.law.split(":")[0], breach.path) for breach in breaches] == [("Locality", "person.religion")]


FORMS = """
[each.caf]
ours = "caf[]"
theirs = "forms[]"
key = ["id"]
[each.caf.fields]
"id" = "no"
"started" = { theirs = "d", as = "date" }
[[withhold_when]]
when = "no_consent_to_share"
ours = ["caf[]"]
reason = "without consent nobody learns of it"
"""


def test_a_consent_that_the_format_cannot_say_is_withheld_the_second_time(tmp_path: Path) -> None:
    """What was written with consent comes back without: it goes nowhere else, and the account says so."""
    mapping = build(FORMS, "forms[].no text\nforms[].d date", tmp_path)
    assert list(laws.check(mapping, [theirs({"forms": [{"no": "7", "d": "2025-01-13"}]})], records=200)) == []
    record = mapping.inward(theirs({"forms": [{"no": "7", "d": "2025-01-13"}]})).record
    assert {path for _, path in mapping.create(record).account} == {"caf[].started"}


def test_what_a_condition_would_erase_is_held_to_the_first_law_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mapping = build(FORMS, "forms[].no text\nforms[].d date", tmp_path)
    sample = theirs({"forms": [{"no": "7", "d": "2025-01-13"}]})
    monkeypatch.setattr(mapping.plan().scopes["caf"], "write", lambda *_: {"no": "7"})
    assert {breach.path for breach in laws.get_put(mapping, sample, "sample")} == {"forms[].d"}


def test_one_row_changed_of_several_without_order_is_one_change() -> None:
    """Whatever place the changed row takes among the others."""
    there = {"rows": [{"a": "1", "b": "x", "c": "p"}, {"a": "2", "b": "y", "c": "q"}]}
    here = {"rows": [{"a": "3", "b": "x", "c": "p"}, {"a": "2", "b": "y", "c": "q"}]}
    assert laws.differences(there, here, unordered=True) == {"rows[].a"}
    assert laws.differences(there, {"rows": there["rows"][::-1]}, unordered=True) == set()
    assert laws.differences(there, {"rows": [*there["rows"], there["rows"][0]]}, unordered=True) == {
        "rows[].a",
        "rows[].b",
        "rows[].c",
    }


def test_a_row_that_only_reads_is_listed_as_not_written(tmp_path: Path) -> None:
    mapping = build('[fields]\n"person.religion" = { theirs = "faith", way = "in" }', "faith text", tmp_path)
    lines = {line.path: line.how for line in account.lines(mapping) if line.side == "ours"}
    assert lines["person.religion"] == "read only"


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ('in = "nowhere"\nours = "episodes[]"\ntheirs = "plans[]"', "in = 'nowhere': there is no such group"),
        ('in = "nowhere"\nours = "person.birth"\ntheirs = "born"', "in = 'nowhere': there is no such group"),
        ('ours = "person.religion[]"\ntheirs = "plans[]"', "'religion' is no list in the record"),
        ('ours = "episodes[].referral"\ntheirs = "plans[]"', "is no list of items in the record"),
        ('ours = "conferences[plan_made=maybe]"\ntheirs = "plans[]"', "'plan_made' is true or false"),
        ('ours = "pre_proceedings[meetings=two]"\ntheirs = "plans[]"', "'meetings' is a whole number"),
        ('ours = "episodes[]"\ntheirs = "plans[]"\nkey = ["id"]\nlist = "some"', 'list must be "full" or "partial"'),
        ('ours = "episodes[]"\ntheirs = "plans[]"\nkey = ["id"]', "key 'id' has no two-way row in the group"),
        ('ours = "episodes[]"\ntheirs = "plans[]"\nkee = ["id"]', "unknown key 'kee'"),
        ('ours = "episodes[]"\ntheirs = "/plans[]"\nkey = ["id"]\non = { a = "b", c = "d" }', "by one cell"),
        ('ours = "episodes[]"\ntheirs = "/plans[]"\nkey = ["id"]\non = "a"', "a table of texts is expected"),
        ('ours = "episodes[]"\ntheirs = "plans[]"\nkey = ["id"]\nfields = ["id"]', "a table is expected"),
        ('ours = "episodes[]"\ntheirs = "plans[]"\nkey = ["id"]\nway = "inn"', 'way must be "in" or "out"'),
        ('ours = "."\ntheirs = "plans[]"\nkey = ["id"]', "ours names no list of the record"),
        (
            'ours = "episodes[]"\ntheirs = "plans[]"\nkey = ["id"]\nfields = { id = "no" }\n'
            '[each.h]\nours = "episodes[]"\ntheirs = "plans[]"\nkey = ["id"]\nfields = { id = "no" }',
            "writes the same items as [each.g]",
        ),
    ],
)
def test_a_group_that_cannot_be_is_refused_with_its_place(toml: str, words: str, tmp_path: Path) -> None:
    message = refused(f"[each.g]\n{toml}", tmp_path)
    assert words in message
    assert "[each.g]" in message


@pytest.mark.parametrize(
    ("toml", "place", "words"),
    [
        ("theirs = 1", "", "theirs: a text is expected"),
        ("names = 1", "[names]", "a table of texts is expected"),
        ("[names]\nnhs = 1", "[names]", "a table of texts is expected"),
        ('defaults = ""', "[defaults]", "a table is expected"),
        ("fields = []", "[fields]", "a table is expected"),
        ("each = 1", "[each]", "a table is expected"),
        ('[codes.sex]\nfold = "no"', '[codes."sex"]', "fold must be true or false"),
        ("withhold_when = 1", "[[withhold_when]]", "tables are expected: write [[withhold_when]]"),
        ("[example]\nat = 1", "[[example]]", "tables are expected: write [[example]]"),
    ],
)
def test_a_file_with_something_of_another_kind_is_refused_with_its_place(
    toml: str, place: str, words: str, tmp_path: Path
) -> None:
    message = refused(toml, tmp_path)
    assert message.startswith(f"base/toy/k.toml: {place}")
    assert words in message


def test_the_year_of_an_edition_needs_no_quotation_marks(tmp_path: Path) -> None:
    toml = '[fields]\n"person.religion" = { theirs = "a", since = 2025 }'
    mapping = build(toml, None, tmp_path, editions=("2024", "2025"))
    assert [len(mapping.plan(edition).root.rows) for edition in ("2024", "2025")] == [0, 1]


def test_a_key_is_no_list_of_values(tmp_path: Path) -> None:
    toml = """
    [each.g]
    ours = "episodes[]"
    theirs = "e[]"
    key = ["referral.outcomes"]
    [each.g.fields]
    "referral.outcomes" = { theirs = "o[]", codes = "referral_outcome" }
    """
    with pytest.raises(DeclarationError, match=r"\[each.g\]: key 'referral.outcomes' is a list of values"):
        build(toml, None, tmp_path)


def test_a_row_that_only_writes_fills_one_cell(tmp_path: Path) -> None:
    row = '"person.birth.date" = { theirs = ["sex", "need", "died"], as = "date_parts", way = "out" }'
    assert "a row that only writes fills one cell" in refused(f"[fields]\n{row}", tmp_path)


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ('ours = ["person.**"]\nreason = "nobody may see it"', "needs when = and a reason"),
        ('when = "shielded"\nours = ["person.**"]', "needs when = and a reason"),
        ('when = "tired"\nours = ["person.**"]\nreason = "nobody may see it"', "there is no condition 'tired'"),
        ('when = "shielded"\nours = ["hair.**"]\nreason = "nobody may see it"', "'hair.**' matches nothing"),
        (
            'when = "shielded"\nours = ["person.**"]\nexcept = ["person.hair"]\nreason = "nobody may see it"',
            "except 'person.hair' matches nothing",
        ),
    ],
)
def test_a_condition_that_cannot_be_is_refused(toml: str, words: str, tmp_path: Path) -> None:
    message = refused(f"[[withhold_when]]\n{toml}", tmp_path)
    assert words in message
    assert "[[withhold_when]]" in message


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("theirs,mine\nM,M\n", "the header must be"),
        ("theirs,ours,way\nM,M,sideways\n", "line 2: way must be empty, in or out"),
        ("theirs,ours\nM,M,x\n", "line 2: has more cells than the header"),
        ("theirs,ours\nM\xff,M\n", "is not UTF-8"),
        ('theirs,ours\nM,M\n"F,F\nU,U\n', "line 3: a quotation mark is not closed"),
        ("theirs,ours,theirs\nM,M,F\n", "the header must be"),
        ("theirs,ours\nM\n", "line 2: names no code of ours"),
    ],
)
def test_a_code_table_that_cannot_be_read_names_file_and_line(table: str, words: str) -> None:
    with pytest.raises(DeclarationError, match=r"codes/s\.csv") as caught:
        codes.parse(table.encode("latin-1"), "codes/s.csv")
    assert words in str(caught.value)
