"""Merging keeps its laws: UNSET never wipes, None clears, full lists replace, partial lists are laid onto."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from hub.model import (
    Assessment,
    Birth,
    Caf,
    CafConsent,
    Care,
    CareEpisode,
    ChildRecord,
    Disability,
    Episode,
    Extra,
    Involvement,
    Name,
    Part,
    Person,
    Placement,
    Plan,
    Professional,
    Referral,
    Source,
    fields,
    merge,
    merge3,
)
from tests.records import records

EMPTY = ChildRecord()
laws = settings(max_examples=100, deadline=None)


def told(record: ChildRecord) -> ChildRecord:
    """The record with the names of its partial lists in one order."""
    found = deepcopy(record)
    if isinstance(found.source, Source) and isinstance(found.source.partial, list):
        found.source.partial = sorted(found.source.partial) or UNSET
    return found


def lacking(part: Any, whole: Any) -> list[str]:
    """Fields set in a part that the whole says otherwise; items are looked for by id."""
    missing: list[str] = []
    for field in fields(type(part)):
        said, held = getattr(part, field.name), getattr(whole, field.name)
        if said is UNSET or (field.name == "stub" and said is True):
            continue
        if isinstance(said, Part) and isinstance(held, Part):
            missing += lacking(said, held)
        elif field.shape == "list" and isinstance(said, list) and isinstance(held, list):
            by_id = {item.id: item for item in held}
            for item in said:
                missing += lacking(item, by_id[item.id]) if item.id in by_id else [field.name]
        elif field.shape == "values" and isinstance(said, list) and isinstance(held, list):
            missing += [] if set(said) <= set(held) else [field.name]
        elif said != held:
            missing.append(field.name)
    return missing


def names(*items: Name, partial: bool = False) -> ChildRecord:
    source = Source(partial=["person.names"]) if partial else UNSET
    return ChildRecord(source=source, person=Person(names=list(items)))


# Laws of merge


@laws
@given(records(), records(partial=True))
def test_an_empty_record_changes_nothing(one: ChildRecord, other: ChildRecord) -> None:
    for record in (one, other):
        assert merge(record, EMPTY) == record
        assert merge(EMPTY, record) == record
        assert merge(record, record) == record


@laws
@given(records(), st.one_of(records(), records(partial=True)))
def test_hearing_a_record_twice_is_hearing_it_once(base: ChildRecord, new: ChildRecord) -> None:
    once = merge(base, new)
    assert merge(once, new) == once


@laws
@given(records(flags=False), st.one_of(records(flags=False), records(flags=False, partial=True)))
def test_all_that_a_record_says_is_in_the_result(base: ChildRecord, new: ChildRecord) -> None:
    merged = merge(base, new)
    assert [name for name in lacking(new, merged) if name != "partial"] == []


@laws
@given(records(nones=False, flags=False), records(nones=False, flags=False, partial=True))
def test_what_is_unset_or_partial_wipes_nothing(base: ChildRecord, new: ChildRecord) -> None:
    before, after = deepcopy(base), merge(base, new)
    before.source = UNSET
    kept = merge(after, before)
    assert lacking(before, kept) == []
    assert shapes(before) <= shapes(after)


def shapes(part: Any, at: str = "") -> set[str]:
    """What is set, by path and item id."""
    found = set()
    for field in fields(type(part)):
        value, path = getattr(part, field.name), f"{at}/{field.name}"
        if value is not UNSET and field.name != "source" and field.name != "stub":
            found.add(path)
        if isinstance(value, Part) and field.name not in ("source", "placement", "professional", "person", "provider"):
            found |= shapes(value, path)
        elif field.shape == "list" and isinstance(value, list):
            for item in value:
                found |= shapes(item, f"{path}/{item.id}")
    return found


@laws
@given(
    records(nones=False, flags=False),
    records(nones=False, flags=False, partial=True),
    records(nones=False, flags=False, partial=True),
)
def test_changes_may_be_joined_before_or_after(a: ChildRecord, b: ChildRecord, c: ChildRecord) -> None:
    assert told(merge(merge(a, b), c)) == told(merge(a, merge(b, c)))


@laws
@given(records(), records(partial=True), records())
def test_merging_changes_none_of_its_inputs(a: ChildRecord, b: ChildRecord, c: ChildRecord) -> None:
    before = deepcopy((a, b, c))
    merge(a, b)
    merge(b, a)
    merge3(a, b, c)
    merge3(c, a, b)
    assert (a, b, c) == before


# Merge by example


def test_none_clears_and_unset_keeps() -> None:
    base = ChildRecord(person=Person(birth=Birth(date="2015-03-27", accuracy="AAA"), religion="x"))
    merged = merge(base, ChildRecord(person=Person(birth=Birth(accuracy=None))))
    assert merged == ChildRecord(person=Person(birth=Birth(date="2015-03-27", accuracy=None), religion="x"))
    assert merge(base, ChildRecord(person=None)).person is None


def test_a_full_list_replaces_and_keeps_what_its_items_leave_unset() -> None:
    base = names(Name(id="1", given="Ada", family="Lane"), Name(id="2", given="Ann"))
    assert merge(base, names(Name(id="3"), Name(id="1", given="Adah"))) == names(
        Name(id="3"), Name(id="1", given="Adah", family="Lane")
    )


def test_a_partial_list_is_laid_onto_and_appended_to() -> None:
    base = names(Name(id="1", given="Ada", family="Lane"), Name(id="2", given="Ann"))
    merged = merge(base, names(Name(id="3"), Name(id="2", given="Anne"), partial=True))
    assert merged.person == Person(
        names=[Name(id="1", given="Ada", family="Lane"), Name(id="2", given="Anne"), Name(id="3")]
    )
    assert merged.source == Source()


def test_a_partial_list_stays_partial_until_it_is_known_whole() -> None:
    part = names(Name(id="1"), partial=True)
    assert merge(EMPTY, part).source == Source(partial=["person.names"])
    assert merge(part, part).source == Source(partial=["person.names"])
    whole = merge(part, names(Name(id="2")))
    assert whole.source == Source()
    assert merge(names(Name(id="2")), part).source == Source()


def test_a_nested_list_stays_partial_for_the_item_that_is_not_whole() -> None:
    part = ChildRecord(
        source=Source(partial=["episodes", "episodes[].plans"]),
        episodes=[Episode(id="2", plans=[Plan(id="p")])],
    )
    whole = ChildRecord(episodes=[Episode(id="1", plans=[Plan(id="q")])])
    assert merge(whole, part).source == Source(partial=["episodes[].plans"])
    both = ChildRecord(episodes=[Episode(id="2", plans=[])])
    assert merge(both, part).source == Source()


def test_plain_lists_replace_or_gain_what_they_lack() -> None:
    def factors(*codes: str, partial: bool = False) -> ChildRecord:
        source = Source(partial=["episodes[].assessments[].factors"]) if partial else Source()
        return ChildRecord(
            source=source, episodes=[Episode(id="1", assessments=[Assessment(id="1", factors=[*codes])])]
        )

    assert merge(factors("1A", "2A"), factors("3A")) == factors("3A")
    assert merge(factors("1A", "2A"), factors("3A", "1A", partial=True)) == factors("1A", "2A", "3A")


def test_a_removed_item_replaces_all_that_was_known_and_starts_afresh_when_it_returns() -> None:
    base = names(Name(id="1", given="Ada"), Name(id="2", given="Ann"))
    gone = merge(base, names(Name(id="1", removed=True), partial=True))
    assert gone.person == Person(names=[Name(id="1", removed=True), Name(id="2", given="Ann")])
    back = merge(gone, names(Name(id="1", family="Lane"), partial=True))
    assert back.person == Person(names=[Name(id="1", family="Lane"), Name(id="2", given="Ann")])


def test_a_stub_leaves_a_known_item_alone_and_a_known_item_ends_a_stub() -> None:
    known = ChildRecord(episodes=[Episode(id="1", referral=Referral(date="2024-01-02"))])
    stub = ChildRecord(episodes=[Episode(id="1", stub=True)])
    assert merge(known, stub) == known
    assert merge(stub, known) == known
    assert merge(stub, stub) == stub


def test_items_without_an_id_are_the_same_if_they_say_the_same() -> None:
    base = ChildRecord(person=Person(disabilities=[Disability(code="LD"), Disability(code="LD")]))
    more = ChildRecord(
        source=Source(partial=["person.disabilities"]),
        person=Person(disabilities=[Disability(code="VIS"), Disability(code="LD")]),
    )
    assert merge(base, more).person == Person(
        disabilities=[Disability(code="LD"), Disability(code="LD"), Disability(code="VIS")]
    )


def test_another_worker_or_placement_is_not_mixed_with_the_one_before() -> None:
    def worker(**facts: Any) -> ChildRecord:
        return ChildRecord(involvements=[Involvement(id="1", professional=Professional(**facts))])

    assert merge(worker(id="7", name="Jo Reed"), worker(id="8")) == worker(id="8")
    assert merge(worker(id="7", name="Jo Reed"), worker(name="Jo Rudd")) == worker(id="7", name="Jo Rudd")
    mine = ChildRecord(care=Care(episodes=[CareEpisode(id="1", placement=Placement(id="p", urn="SC1"))]))
    theirs = ChildRecord(care=Care(episodes=[CareEpisode(id="1", placement=Placement(id="q"))]))
    assert merge3(EMPTY, mine, theirs) == theirs


def test_extras_are_united_by_link() -> None:
    base = ChildRecord(extras={"north": Extra(rest="1"), "south": Extra(place=1)})
    new = ChildRecord(extras={"north": Extra(rest="2"), "west": Extra()})
    assert merge(base, new).extras == {"north": Extra(rest="2"), "south": Extra(place=1), "west": Extra()}


def test_the_source_is_that_of_the_newer_record() -> None:
    base = ChildRecord(source=Source(link="north", id="1", purged=True, as_of="2024-01-01"))
    assert merge(base, ChildRecord(source=Source(link="north", id="1"))).source == Source(link="north", id="1")
    assert merge(base, EMPTY).source == base.source


# Three-way


@laws
@given(records(flags=False), records(), records(flags=False))
def test_three_way_laws(b: ChildRecord, m: ChildRecord, t: ChildRecord) -> None:
    assert merge3(b, m, b) == m
    assert merge3(b, b, t) == t
    assert merge3(m, m, m) == m
    assert merge3(EMPTY, EMPTY, m) == m


def test_what_they_did_not_change_stays_mine() -> None:
    def child(ethnicity: str, religion: str) -> ChildRecord:
        return ChildRecord(person=Person(ethnicity=ethnicity, religion=religion))

    # WROM was sent as C, read back as WOTH by both: it stays WROM.
    assert merge3(child("WOTH", "x"), child("WROM", "x"), child("WOTH", "y")) == child("WROM", "y")
    assert merge3(child("WOTH", "x"), child("WROM", "x"), child("WBRI", "x")) == child("WBRI", "x")


def test_three_way_lists_add_remove_and_keep_by_id() -> None:
    base = names(Name(id="1", given="Ada"), Name(id="2", given="Ann"))
    mine = names(Name(id="1", given="Ada", family="Lane"), Name(id="2", given="Ann"), Name(id="9", given="Own"))
    theirs = names(Name(id="3", given="New"), Name(id="1", given="Adah"))
    assert merge3(base, mine, theirs) == names(
        Name(id="3", given="New"), Name(id="1", given="Adah", family="Lane"), Name(id="9", given="Own")
    )


def test_what_i_removed_comes_back_only_if_they_changed_it() -> None:
    base = names(Name(id="1", given="Ada"), Name(id="2", given="Ann"))
    mine = names()
    theirs = names(Name(id="1", given="Ada"), Name(id="2", given="Anne"), Name(id="3"))
    assert merge3(base, mine, theirs) == names(Name(id="2", given="Anne"), Name(id="3"))


def test_a_list_they_know_in_part_removes_nothing() -> None:
    base = mine = names(Name(id="1"), Name(id="2"))
    theirs = names(Name(id="2", given="Ann"), partial=True)
    assert merge3(base, mine, theirs).person == Person(names=[Name(id="2", given="Ann"), Name(id="1")])


def test_what_they_say_nothing_of_any_more_goes_and_what_only_mine_says_stays() -> None:
    base = names(Name(id="1", given="Ada"))
    mine = ChildRecord(person=Person(religion="x", names=[Name(id="1", given="Ada"), Name(id="9", given="Own")]))
    for theirs in (EMPTY, ChildRecord(person=Person())):
        assert merge3(base, mine, theirs) == ChildRecord(person=Person(religion="x", names=[Name(id="9", given="Own")]))
    assert merge3(base, base, EMPTY) == EMPTY
    assert merge3(base, mine, ChildRecord(person=None)).person is None
    placed = ChildRecord(care=Care(episodes=[CareEpisode(id="1", placement=Placement(id="p", urn="SC1"))]))
    said = ChildRecord(care=Care(episodes=[CareEpisode(id="1", placement=Placement(id="p"))]))
    assert merge3(said, placed, ChildRecord(care=Care(episodes=[CareEpisode(id="1")]))) == ChildRecord(
        care=Care(episodes=[CareEpisode(id="1")])
    )


def test_a_stub_of_theirs_wipes_nothing_of_mine() -> None:
    mine = ChildRecord(episodes=[Episode(id="1", referral=Referral(date="2024-01-02"))])
    assert merge3(mine, mine, ChildRecord(episodes=[Episode(id="1", stub=True)])) == mine


def test_three_way_extras_go_by_link() -> None:
    def held(**extras: Extra) -> ChildRecord:
        return ChildRecord(extras=extras)

    old, new = Extra(rest="1"), Extra(rest="2")
    assert merge3(held(north=old), held(north=old, south=old), held(north=new)) == held(north=new, south=old)
    assert merge3(held(north=old), held(north=old, south=old), EMPTY) == held(south=old)


def assessed(**fields: Any) -> ChildRecord:
    return ChildRecord(source=Source(id="1", partial=["caf"]), caf=[Caf(id="F1", **fields)])


@pytest.mark.parametrize("consent", [None, CafConsent(share=None), CafConsent(share=False)])
def test_an_assessment_that_may_no_longer_be_shared_replaces_all_that_was_known_of_it(
    consent: CafConsent | None,
) -> None:
    known = merge(assessed(reason="x", consent=CafConsent(share=True)), ChildRecord(caf=[Caf(id="F1"), Caf(id="F2")]))
    found = merge(known, assessed(started="2025-01-07", consent=consent))
    assert found.caf == [Caf(id="F1", started="2025-01-07", consent=consent), Caf(id="F2")]


@pytest.mark.parametrize("consent", [UNSET, CafConsent(store=False), CafConsent(share=True)])
def test_what_says_nothing_against_sharing_an_assessment_takes_nothing_away(consent: Any) -> None:
    found = merge(assessed(reason="x", consent=CafConsent(share=True)), assessed(consent=consent))
    assert [(one.reason, one.consent.share) for one in found.caf or ()] == [("x", True)]  # type: ignore[union-attr]
