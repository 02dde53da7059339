"""The Standard Safeguarding Dataset (SSD): a council's nightly tables, as CSV files in a folder or a zip.

A tree is one child: the columns of ssd_person at the root, and each other table as a list under its own name. What the
adapter resolves, because it is spelling and no meaning:

- the person's id in each row: left out where it is the child's own, filled in on write;
- ssd_professionals: each row of ssd_involvements carries its `professional`; those that no involvement mentions travel
  in the head. ssd_cla_placement: each row of ssd_cla_episodes carries its `placement`, those of no episode stay a list.
  ssd_assessment_factors: each row of ssd_cin_assessments carries its `factors`. Written once each; copies that
  contradict each other are refused;
- ssd_mother_of: rows of ssd_mother in which this person is the mother and her child is not in ssd_person;
- ssd_early_help_caf: rows of ssd_early_help_episodes that stand for a common assessment of which the hub told, known by
  their ids: `caf-`, six hexadecimal digits made of the child's id, `-`, and the number of the form, which is all of the
  id that stays. One form has one number for all children of a family, and the id of a row must be its own;
- ssd_cla_immunisations, which has one row a child, is one object;
- JSON in a column (`*_json`) is parsed; what is no JSON object or list stays text. It is written compactly.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

from adapters._ssd import CAF_MARK, DEPLOYED, IGNORED, LAYOUT, SPECIFIED, SPECS, schema_cells
from hub.adapter import Adapter, Schema, Theirs, Tree, in_edition
from hub.errors import RecordError
from hub.wire import Document
from hub.wire.csvtext import Writer
from hub.wire.jsontext import decode, dumps
from hub.wire.tables import gather

_ROOT = SPECS["ssd_person"].table.name
_ID = "pers_person_id"
_EARLY, _CAF, _EARLY_ID = "ssd_early_help_episodes", "ssd_early_help_caf", "earl_episode_id"
_LISTS = {name: name for name in SPECS} | {"ssd_mother_of": "ssd_mother", _CAF: _EARLY}
_PERSON = {name: SPECS[table].person for name, table in _LISTS.items()} | {"ssd_mother_of": "moth_person_id"}

_FILLED = {name: {spec.person} for name, spec in SPECS.items()}
"""The columns that are filled in on write, unless the tables are written back to a source that has none."""


def read(document: Document) -> Iterator[Theirs | RecordError]:
    """Each row of ssd_person with all that belongs to it, in the order of that table.

    Head: edition; columns (by table, as they stood); missing (columns of the specification that a table lacks); ignored
    (tables not read, and why); ssd_professionals (those whom no involvement mentions).
    """
    with gather(document, LAYOUT) as tables:
        yield from tables.load()
        edition = _edition(tables.columns[_ROOT])
        head: Tree = {"edition": edition, "columns": dict(tables.columns)}
        asked = {name: _columns(name, edition) for name in tables.columns}
        missing = {name: [c for c in asked[name] if c in lacks] for name, lacks in tables.missing.items()}
        head["missing"] = {name: lacks for name, lacks in missing.items() if lacks}
        head["ignored"] = tables.ignored
        head["ssd_professionals"] = tables.shared.get("ssd_professionals", [])
        for child in tables.children():
            tree = _tree(child.row, child.rows)
            yield Theirs("person", child.row[_ID], tree, head, edition, child.place)


def _edition(columns: Iterable[str]) -> str:
    deployed = "pers_single_unique_id" in columns or "pers_upn" in columns
    return DEPLOYED if deployed or "pers_common_child_id" not in columns else SPECIFIED


def _columns(table: str, edition: str) -> list[str]:
    return [cell.path for cell in SPECS[table].fields if in_edition(edition, cell.since, cell.until)]


def _tree(tree: Tree, lists: dict[str, list[Tree]]) -> Tree:
    for name, rows in lists.items():
        spec, person = SPECS[_LISTS[name]], _PERSON[name]
        for row in rows:
            if row.get(person) == tree[_ID]:
                del row[person]
            for column in spec.json:
                if column in row:
                    row[column] = _parsed(row[column])
        if spec.single:
            tree.update({name: rows[0]} if rows else {})
        else:
            tree[name] = rows
    for row in lists.get("ssd_involvements", ()):
        if "professional" in row:
            del row["invo_professional_id"]
    _set_apart(tree)
    _nest(tree, "ssd_cin_assessments", "cina_assessment_id", "ssd_assessment_factors", "cinf_assessment_id", "factors")
    _nest(tree, "ssd_cla_episodes", "clae_cla_placement_id", "ssd_cla_placement", "clap_cla_placement_id", "placement")
    return tree


def _parsed(text: str) -> Any:
    """The object or list of a JSON cell; the text itself where it is none."""
    if text[:1] not in "{[" and text.strip()[:1] not in ("{", "["):
        return text
    try:
        value = decode(text.encode())
    except ValueError:
        return text
    return value if isinstance(value, dict | list) else text


def _caf_mark(owner: str) -> str:
    """How the id of an early-help episode begins that is a common assessment of this child."""
    return f"caf-{hashlib.blake2b(owner.encode(), digest_size=3).hexdigest()}-"


def _set_apart(tree: Tree) -> None:
    """Early-help episodes that are common assessments into a list of their own, under the number of the form."""
    mark = _caf_mark(tree[_ID])
    episodes, forms = [], []
    for row in tree.get(_EARLY, ()):
        name = row.get(_EARLY_ID, "")
        if name.startswith(mark) and len(name) > CAF_MARK:
            row[_EARLY_ID] = name[CAF_MARK:]
            forms.append(row)
        else:
            episodes.append(row)
    if forms:
        tree[_EARLY], tree[_CAF] = episodes, forms


def _nest(tree: Tree, into: str, column: str, table: str, key: str, name: str) -> None:
    """Move rows of a table into the rows that refer to them. A row that nothing refers to stays in its list."""
    rows = {row[key]: row for row in reversed(tree.get(table, [])) if row.get(key)}
    used = set()
    for holder in tree.get(into, ()):
        found = rows.get(holder.get(column, ""))
        if found is not None:
            holder[name] = dict(found)
            used.add(id(found))
            if name == "factors":
                del holder[name][key]
            else:
                del holder[column]
    if used:
        tree[table] = [row for row in tree[table] if id(row) not in used]


def write(records: Iterable[Theirs], head: Tree) -> Iterator[tuple[str, bytes]]:
    """One part a table, `<table>.csv`. Those tables and columns that the head names, or all of the head's edition.

    RecordError, naming the field, for copies of one professional or one placement that contradict each other.
    """
    edition = head.get("edition") or DEPLOYED
    tables = {name: _columns(name, edition) for name in SPECS}
    only = head.get("columns")
    writer = Writer(tables, only)
    lacking = {name: set(_columns(name, edition)) - set(columns) for name, columns in (only or {}).items()}
    shared: dict[str, Tree] = {}
    try:
        for record in records:
            for name, row in _rows(record.tree, shared, record.place):
                for column in _FILLED[name] & lacking.get(name, set()):
                    row.pop(column, None)
                writer.add(name, row)
        for row in head.get("ssd_professionals", []):
            shared.setdefault(row.get("prof_professional_id", ""), row)
        for row in shared.values():
            writer.add("ssd_professionals", row)
        yield from writer.parts()
    finally:
        writer.close()


def _rows(tree: Tree, shared: dict[str, Tree], place: str) -> Iterator[tuple[str, Tree]]:
    """(table, row) of one child. Professionals go to `shared` instead."""
    root = {column: cell for column, cell in tree.items() if column not in _LISTS}
    placements: dict[str, Tree] = {}
    yield _ROOT, root
    for name, held in tree.items():
        if name not in _LISTS or name == "ssd_cla_placement":
            continue
        for row in [held] if isinstance(held, dict) else held:
            yield from _row(name, dict(row), root.get(_ID, ""), (placements, shared), place)
    for row in tree.get("ssd_cla_placement", ()):
        _once(placements, dict(row), "clap_cla_placement_id", (root.get(_ID, ""), str(len(placements))), place)
    for row in placements.values():
        yield from _row("ssd_cla_placement", row, root.get(_ID, ""), ({}, {}), place)


def _row(name: str, row: Tree, owner: str, copies: tuple[dict[str, Tree], dict[str, Tree]], place: str
         ) -> Iterator[tuple[str, Tree]]:  # fmt: skip
    person = _PERSON[name]
    if person and not row.get(person):
        row[person] = owner
    if name == _CAF and row.get(_EARLY_ID):
        row[_EARLY_ID] = _caf_mark(owner) + row[_EARLY_ID]
    if (factors := row.pop("factors", None)) is not None:
        factors = {"cinf_assessment_id": row.get("cina_assessment_id"), **factors}
        yield from _row("ssd_assessment_factors", factors, owner, copies, place)
    if (placement := row.pop("placement", None)) is not None:
        seed = (owner, str(row.get("clae_cla_episode_id")), str(row.get("clae_cla_episode_start_date")))
        row["clae_cla_placement_id"] = _once(copies[0], placement, "clap_cla_placement_id", seed, place)
    if (professional := row.pop("professional", None)) is not None:
        who = tuple(str(cell) for cell in professional.values())
        row["invo_professional_id"] = _once(copies[1], professional, "prof_professional_id", who, place)
    table = _LISTS[name]
    for column in SPECS[table].json:
        if isinstance(row.get(column), dict | list):
            row[column] = dumps(row[column]).decode()
    yield table, row


def _once(kept: dict[str, Tree], row: Tree, key: str, seed: tuple[str, ...], place: str) -> str:
    """Keep one row of several copies; its key, made up of `seed` when it has none."""
    said = {column: cell for column, cell in row.items() if cell not in ("", None)}
    name = said.get(key) or "hub-" + hashlib.blake2b("|".join(seed).encode(), digest_size=10).hexdigest()
    there = kept.setdefault(name, {key: name})
    for column, cell in said.items():
        if there.setdefault(column, cell) != cell:
            raise RecordError("copies of one row contradict each other", place=place, row=column)
    for column in row:
        there.setdefault(column, "")
    return str(name)


def normal(tree: Tree) -> Tree:
    """The tree without what CSV cannot tell apart: an empty cell and none, an empty list and none."""
    found: Tree = {}
    for name, held in tree.items():
        if isinstance(held, list) and name in _LISTS:
            held = [_filled(row) for row in held]
        elif isinstance(held, dict):
            held = _filled(held)
        if held not in ("", None, [], {}):
            found[name] = held
    return found


def _filled(row: Tree) -> Tree:
    below = ("professional", "placement", "factors")
    nested = {name: _filled(row[name]) for name in below if isinstance(row.get(name), dict)}
    return {column: nested.get(column, cell) for column, cell in row.items() if cell not in ("", None)}


adapter = Adapter(
    name="ssd",
    read=read,
    write=write,
    schemas={"person": Schema(schema_cells(), unordered=True)},
    editions=(SPECIFIED, DEPLOYED),
    head=lambda as_of, edition: {"as_of": as_of, "edition": edition},
    normal=normal,
)

__all__ = ["IGNORED", "adapter"]
