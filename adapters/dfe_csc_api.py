"""The DfE's daily children's social care flow ("CSC API"), specification 1.0.1: JSON arrays of at most 100 children.

A tree is one child as it stands in the array; `purge` may stand at every level, and an empty array is not the same as
none. Source: openapi-1.0.1.json of the flow (data-to-insight/dfe-csc-api-data-flows, commit 41e6f19).

Read: an array, one object, JSON lines, or a folder or zip of such parts. Written: one array without a part
name while there are at most 100 children, else parts `children-0001.json`, `children-0002.json` and so on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

from hub.adapter import Adapter, Schema, Theirs, Tree
from hub.errors import RecordError
from hub.wire import Document
from hub.wire.jsontext import dumps, read_records

EDITION = "1.0.1"
LIMIT = 100
"""Most children in one array (`maxItems`)."""

_SCHEMA = Schema.parse(
    """
    la_child_id                                                     text ! <=20
    mis_child_id                                                    text <=36
    purge                                                           boolean
    child_details                                                   group
    child_details.unique_pupil_number                               text <=13
    child_details.former_unique_pupil_number                        text <=13
    child_details.unique_pupil_number_unknown_reason                text <=4
    child_details.first_name                                        text
    child_details.surname                                           text
    child_details.date_of_birth                                     date
    child_details.expected_date_of_birth                            date
    child_details.sex                                               text <=1
    child_details.ethnicity                                         text <=4
    child_details.disabilities[]                                    text <=4
    child_details.postcode                                          text <=8
    child_details.uasc_flag                                         boolean
    child_details.uasc_end_date                                     date
    child_details.purge                                             boolean
    health_and_wellbeing                                            group
    health_and_wellbeing.sdq_assessments[]                          group
    health_and_wellbeing.sdq_assessments[].date                     date
    health_and_wellbeing.sdq_assessments[].score                    integer
    health_and_wellbeing.purge                                      boolean
    social_care_episodes[]                                          group
    social_care_episodes[].social_care_episode_id                   text ! <=36
    social_care_episodes[].referral_date                            date
    social_care_episodes[].referral_source                          text <=2
    social_care_episodes[].referral_no_further_action_flag          boolean
    social_care_episodes[].care_worker_details[]                    group
    social_care_episodes[].care_worker_details[].worker_id          text <=12
    social_care_episodes[].care_worker_details[].start_date         date
    social_care_episodes[].care_worker_details[].end_date           date
    social_care_episodes[].child_and_family_assessments[]           group
    social_care_episodes[].child_and_family_assessments[].child_and_family_assessment_id text ! <=36
    social_care_episodes[].child_and_family_assessments[].start_date                     date
    social_care_episodes[].child_and_family_assessments[].authorisation_date             date
    social_care_episodes[].child_and_family_assessments[].factors[]                      text <=3
    social_care_episodes[].child_and_family_assessments[].purge                          boolean
    social_care_episodes[].child_in_need_plans[]                    group
    social_care_episodes[].child_in_need_plans[].child_in_need_plan_id  text ! <=36
    social_care_episodes[].child_in_need_plans[].start_date         date
    social_care_episodes[].child_in_need_plans[].end_date           date
    social_care_episodes[].child_in_need_plans[].purge              boolean
    social_care_episodes[].section_47_assessments[]                 group
    social_care_episodes[].section_47_assessments[].section_47_assessment_id text ! <=36
    social_care_episodes[].section_47_assessments[].start_date      date
    social_care_episodes[].section_47_assessments[].icpc_required_flag boolean
    social_care_episodes[].section_47_assessments[].icpc_date       date
    social_care_episodes[].section_47_assessments[].end_date        date
    social_care_episodes[].section_47_assessments[].purge           boolean
    social_care_episodes[].child_protection_plans[]                 group
    social_care_episodes[].child_protection_plans[].child_protection_plan_id text ! <=36
    social_care_episodes[].child_protection_plans[].start_date      date
    social_care_episodes[].child_protection_plans[].end_date        date
    social_care_episodes[].child_protection_plans[].purge           boolean
    social_care_episodes[].child_looked_after_placements[]          group
    social_care_episodes[].child_looked_after_placements[].child_looked_after_placement_id text ! <=36
    social_care_episodes[].child_looked_after_placements[].start_date     date
    social_care_episodes[].child_looked_after_placements[].start_reason   text <=1
    social_care_episodes[].child_looked_after_placements[].placement_type text <=3
    social_care_episodes[].child_looked_after_placements[].postcode       text <=8
    social_care_episodes[].child_looked_after_placements[].end_date       date
    social_care_episodes[].child_looked_after_placements[].end_reason     text <=3
    social_care_episodes[].child_looked_after_placements[].change_reason  text <=6
    social_care_episodes[].child_looked_after_placements[].purge          boolean
    social_care_episodes[].adoption                                 group
    social_care_episodes[].adoption.initial_decision_date           date
    social_care_episodes[].adoption.matched_date                    date
    social_care_episodes[].adoption.placed_date                     date
    social_care_episodes[].adoption.purge                           boolean
    social_care_episodes[].care_leavers                             group
    social_care_episodes[].care_leavers.contact_date                date
    social_care_episodes[].care_leavers.activity                    text <=2
    social_care_episodes[].care_leavers.accommodation               text <=1
    social_care_episodes[].care_leavers.purge                       boolean
    social_care_episodes[].closure_date                             date
    social_care_episodes[].closure_reason                           text <=3
    social_care_episodes[].purge                                    boolean
    """,
    bare=True,
)


def read(document: Document) -> Iterator[Theirs | RecordError]:
    """Each child, part after part. Head: edition. A broken part does not stop the next one."""
    head: Tree = {"edition": EDITION}
    for part in document.parts():
        try:
            for place, value in read_records(document, part):
                if isinstance(value, RecordError):
                    yield value
                    continue
                name = value.get("la_child_id")
                if document.label(part) != document.name:
                    place = f"{part}, {place}"
                yield Theirs("child", name if isinstance(name, str) else "", value, head, EDITION, place)
        except RecordError as error:
            if part == document.parts()[-1]:
                raise
            yield error


def write(records: Iterable[Theirs], head: Tree) -> Iterator[tuple[str, bytes]]:
    """Arrays of at most 100 children, one child a line. RecordError for a record that JSON cannot hold."""
    held: list[bytes] = []
    number = 0
    for record in records:
        if len(held) == LIMIT:
            number += 1
            yield _part(number), _array(held)
            held = []
        held.append(dumps(_ordered(normal(record.tree), "")))
    yield _part(number + 1) if number else "", _array(held)


def _part(number: int) -> str:
    return f"children-{number:04d}.json"


def _array(held: list[bytes]) -> bytes:
    return b"[\n" + b",\n".join(held) + b"\n]\n" if held else b"[]\n"


_ORDER: dict[str, dict[str, int]] = {}
for _number, _cell in enumerate(_SCHEMA.cells):
    _above, _, _name = _cell.path.rpartition(".")
    _ORDER.setdefault(_above, {})[_name.removesuffix("[]")] = _number


def _ordered(tree: Tree, path: str) -> Tree:
    """The tree with the fields of the specification in its order, unknown ones behind."""
    order = _ORDER.get(path, {})
    found: Tree = {}
    for name in sorted(tree, key=lambda name: order.get(name, len(_SCHEMA.cells))):
        value, below = tree[name], f"{path}.{name}" if path else name
        if isinstance(value, dict):
            value = _ordered(value, below)
        elif isinstance(value, list):
            value = [_ordered(one, f"{below}[]") if isinstance(one, dict) else one for one in value]
        found[name] = value
    return found


def normal(tree: Tree) -> Tree:
    """The tree with each code of a list once (`uniqueItems`): said twice it says no more."""
    return _once(tree, "")


def _once(tree: Tree, path: str) -> Tree:
    found: Tree = {}
    for name, value in tree.items():
        below = f"{path}.{name}" if path else name
        if isinstance(value, dict):
            value = _once(value, below)
        elif isinstance(value, list) and below in _MOST:
            value = [one for n, one in enumerate(value) if one not in value[:n]]
        elif isinstance(value, list):
            value = [_once(one, f"{below}[]") if isinstance(one, dict) else one for one in value]
        found[name] = value
    return found


_PATTERNS = {
    "la_child_id": re.compile(r"[A-Za-z0-9]+"),
    "id": re.compile(r"[A-Za-z0-9_-]*"),
}
_MOST = {"child_details.disabilities": 12, "social_care_episodes[].child_and_family_assessments[].factors": 41}


def check(document: Document) -> Iterator[RecordError]:
    """What breaks the published schema, and ids with `0x`, which the DfE's firewall turns away."""
    for part in document.parts():
        count = 0
        for place, value in read_records(document, part):
            count += 1
            if isinstance(value, RecordError):
                yield value
                continue
            for path, reason in _faults(value, "", ""):
                yield RecordError(reason, file=document.label(part), place=f"{place}, {path}")
        if count > LIMIT:
            yield RecordError(f"{count} children stand in one array, {LIMIT} may", file=document.label(part))


def _faults(tree: Tree, path: str, prefix: str) -> Iterator[tuple[str, str]]:
    for cell in _SCHEMA.cells:
        above, _, name = cell.path.rpartition(".")
        if cell.required and above == path and name not in tree:
            yield prefix + name, "a required field is missing"
    for name, value in tree.items():
        below = f"{path}.{name}" if path else name
        said = _SCHEMA.by_path.get(f"{below}[]" if isinstance(value, list) else below)
        if said is None:
            yield prefix + name if name in _NAMES else prefix + "?", "the specification has no such field here"
        elif isinstance(value, list):
            yield from _list_faults(value, below, prefix + name, said.length)
        elif isinstance(value, dict):
            if said.type == "group":
                yield from _faults(value, below, f"{prefix}{name}.")
            else:
                yield prefix + name, "a value is expected, not an object"
        else:
            yield from _leaf_faults(said.type, said.length, name, value, prefix + name)


_NAMES = {name for names in _ORDER.values() for name in names}


def _list_faults(items: list[Any], path: str, place: str, length: int) -> Iterator[tuple[str, str]]:
    texts = [one for one in items if isinstance(one, str)]
    if path in _MOST and (len(items) > _MOST[path] or len(set(texts)) < len(items)):
        yield place, f"at most {_MOST[path]} different codes may stand here"
    for number, one in enumerate(items, 1):
        if isinstance(one, dict) and path not in _MOST:
            yield from _faults(one, f"{path}[]", f"{place}[{number}].")
        elif path in _MOST and type(one) is str:
            yield from _leaf_faults("text", length, "", one, f"{place}[{number}]")
        else:
            yield f"{place}[{number}]", "an item of another kind is expected"


def _leaf_faults(kind: str, length: int, name: str, value: Any, place: str) -> Iterator[tuple[str, str]]:
    bare = isinstance(value, str) and type(value) is not str
    if value is None:
        yield place, "null may not stand here"
    elif kind == "boolean":
        if not bare or value not in ("true", "false"):
            yield place, "true or false is expected"
    elif kind == "integer":
        if not bare or not re.fullmatch(r"-?\d+", value):
            yield place, "a whole number is expected"
    elif bare or not isinstance(value, str):
        yield place, "a text is expected"
    elif kind == "date" and not _is_day(value):
        yield place, "a day YYYY-MM-DD is expected"
    elif length and len(value) > length:
        yield place, f"longer than {length} characters"
    elif name.endswith("unique_pupil_number") and len(value) != 13:
        yield place, "a UPN has 13 characters"
    elif name.endswith("_id"):
        if not _PATTERNS.get(name, _PATTERNS["id"]).fullmatch(value):
            yield place, "an id has a character that none may have"
        elif "0x" in value.lower():
            yield place, "an id holds 0x, which the DfE's firewall turns away"


def _is_day(text: str) -> bool:
    try:
        return len(text) == 10 and bool(date.fromisoformat(text))
    except ValueError:
        return False


adapter = Adapter(
    name="dfe_csc_api",
    read=read,
    write=write,
    schemas={"child": _SCHEMA},
    editions=(EDITION,),
    suffix=".json",
    limit=LIMIT,
    head=lambda as_of, edition: {"as_of": as_of, "edition": edition or EDITION},
    normal=normal,
    check=check,
)
