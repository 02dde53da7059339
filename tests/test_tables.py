"""Tables as CSV parts, gathered by child: every trap of such files is named, and nothing grows with them."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import RecordError
from hub.wire import Document, save
from hub.wire.csvtext import MAX_CELL, Writer, read_rows
from hub.wire.tables import Child, Join, Layout, Route, Table, gather

LAYOUT = Layout(
    (
        Table("child", ("id", "name"), "id"),
        Table("review", ("child_id", "plan_id"), "", (Route("child_id"),)),
        Table("visit", ("visit_id", "child_id", "seen"), "visit_id", (Route("child_id"),)),
        Table(
            "plan", ("plan_id", "child_id", "by"), "plan_id", (Route("child_id"), Route("plan_id", "review", "plan_id"))
        ),
        Table("step", ("step_id", "plan_id"), "step_id", (Route("plan_id", "plan", "plan_id"),)),
        Table("note", ("plan_id", "text"), "", (Route("plan_id", "step", "plan_id"),)),
        Table("worker", ("worker_id", "title"), "worker_id"),
        Table(
            "help",
            ("child_id", "other_id", "worker_id"),
            "",
            (Route("child_id"), Route("other_id", into="helped")),
            (Join("worker_id", "worker", "worker"),),
        ),
    ),
    {"team": "no child in it"},
    frozenset({"-1"}),
)

CHILDREN = "id,name\n1,Amara\n2,Noor\n"


def read(**parts: str | bytes) -> tuple[list[Child], list[RecordError], Any]:
    """Children, errors and what was gathered, of tables given by name."""
    data = {f"{name}.csv": text.encode() if isinstance(text, str) else text for name, text in parts.items()}
    with gather(Document.of("council", data), LAYOUT) as tables:
        errors = list(tables.load())
        return list(tables.children()), errors, tables


def reasons(errors: list[RecordError]) -> list[str]:
    return [str(error) for error in errors]


def test_rows_come_with_their_child_in_the_order_of_the_first_table() -> None:
    children, errors, _ = read(child=CHILDREN, visit="visit_id,child_id,seen\nv1,2,Y\nv2,1,N\nv3,2,\n")
    assert errors == []
    assert [child.row for child in children] == [{"id": "1", "name": "Amara"}, {"id": "2", "name": "Noor"}]
    assert [[row["visit_id"] for row in child.rows["visit"]] for child in children] == [["v2"], ["v1", "v3"]]
    assert children[1].rows["visit"][1] == {"visit_id": "v3", "child_id": "2", "seen": ""}
    assert children[1].place == "council/child.csv, line 3"


def test_a_missing_table_has_no_list_and_an_empty_one_an_empty_list() -> None:
    children, _, tables = read(child=CHILDREN, visit="visit_id,child_id,seen\n")
    assert children[0].rows == {"visit": []}
    assert tables.columns["visit"] == ["visit_id", "child_id", "seen"]


def test_a_row_reaches_its_child_over_several_tables() -> None:
    children, errors, _ = read(
        child=CHILDREN,
        review="child_id,plan_id\n2,p9\n",
        plan="plan_id,child_id,by\np1,1,x\np9,,y\n",
        step="step_id,plan_id\ns1,p1\ns9,p9\n",
        note="plan_id,text\np9,late\n",
    )
    assert errors == []
    assert [row["plan_id"] for row in children[1].rows["plan"]] == ["p9"]
    assert [row["step_id"] for row in children[0].rows["step"]] == ["s1"]
    assert [row["step_id"] for row in children[1].rows["step"]] == ["s9"]
    assert children[1].rows["note"] == [{"plan_id": "p9", "text": "late"}]


def test_another_route_may_lead_to_another_list() -> None:
    children, errors, _ = read(child=CHILDREN, help="child_id,other_id,worker_id\n1,2,\n7,2,\n")
    assert errors == []
    assert [len(child.rows["help"]) for child in children] == [1, 0]
    assert [len(child.rows["helped"]) for child in children] == [0, 1]


def test_shared_rows_are_copied_in_and_the_others_are_kept() -> None:
    children, errors, tables = read(
        child=CHILDREN,
        worker="worker_id,title\nw1,Ms\nw2,Mr\n",
        help="child_id,other_id,worker_id\n1,,w1\n2,,w1\n2,,w7\n",
    )
    assert errors == []
    assert [child.rows["help"][0]["worker"] for child in children] == [{"worker_id": "w1", "title": "Ms"}] * 2
    assert "worker" not in children[1].rows["help"][1]
    assert tables.shared == {"worker": [{"worker_id": "w2", "title": "Mr"}]}


def test_rows_of_nobody_are_counted() -> None:
    _, errors, _ = read(child=CHILDREN, visit="visit_id,child_id,seen\nv1,1,\nv2,8,\nv3,9,\n")
    assert reasons(errors) == ["council/visit.csv: line 3: 2 rows of visit refer to a person that child lacks"]
    _, errors, _ = read(child=CHILDREN, plan="plan_id,child_id\np,9\n")
    assert reasons(errors) == ["council/plan.csv: line 2: 1 row of plan refers to a person that child lacks"]


def test_a_repeated_key_is_refused_and_the_first_row_wins() -> None:
    children, errors, _ = read(
        child=CHILDREN + "1,Someone\n", visit="visit_id,child_id,seen\nv1,1,Y\nv1,2,N\n-1,1,\n-1,1,\n,1,\n,1,\n"
    )
    assert reasons(errors) == [
        "council/child.csv: line 4: id stands in an earlier row of child too; the row is not read",
        "council/visit.csv: line 3: visit_id stands in an earlier row of visit too; the row is not read",
    ]
    assert [child.row["name"] for child in children] == ["Amara", "Noor"]
    assert [row["visit_id"] for row in children[0].rows["visit"]] == ["v1", "-1", "-1", "", ""]


def test_header_traps() -> None:
    start = "\ufeff\n , \n\n ID ,\u00a0Name,extra,,\n"
    children, errors, tables = read(child=(start + "1,Amara,x,,\n\n,,,,\n2,Noor,,,\n").encode())
    assert errors == []
    assert children[0].row == {"id": "1", "name": "Amara", "extra": "x"}
    assert children[1].row == {"id": "2", "name": "Noor", "extra": ""}
    assert tables.columns["child"] == ["id", "name", "extra"]
    _, _, tables = read(child="id\n1\n")
    assert tables.missing["child"] == ["name"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "council/child.csv: the table is empty: not even a line of column names"),
        ("id,name,ID\n1,a,1\n", "council/child.csv: line 1: the column id stands twice in the line of column names"),
        ("id,x,x\n1,a,1\n", "council/child.csv: line 1: a column stands twice in the line of column names"),
        ("id,,name\n1,a,1\n", "council/child.csv: line 1: a column has no name"),
        ("name\nAmara\n", "council/child.csv: line 1: the column id is missing"),
        ("id;a\n1;x\n", "council/child.csv: line 1: the column id is missing: semicolons stand where commas must"),
    ],
)
def test_a_first_table_without_a_header_ends_the_document(text: str, reason: str) -> None:
    with pytest.raises(RecordError) as caught:
        read(child=text)
    assert str(caught.value) == reason


def test_the_first_table_is_needed() -> None:
    with pytest.raises(RecordError, match="the table child is missing"):
        read(visit="visit_id,child_id\n")


def test_another_table_that_cannot_be_read_is_named_and_has_no_list() -> None:
    children, errors, _ = read(child=CHILDREN, visit="seen\nY\n", plan="", step=b"step_id,caf\xe9\n")
    assert reasons(errors) == [
        "council/visit.csv: the column child_id is missing, so no row can be given to a child",
        "council/plan.csv: the table is empty: not even a line of column names",
        "council/step.csv: line 1: byte 12 of line 1 is not UTF-8 (perhaps cp1252); the row is not read",
    ]
    assert children[0].rows == {}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"3,Caf\xe9\n", "line 3: byte 6 of line 3 is not UTF-8 (perhaps cp1252)"),
        (b"3\n", "line 3: 1 cells stand under 2 column names"),
        (b"3,a,b\n", "line 3: 3 cells stand under 2 column names"),
        (b"3,a\0b\n", "line 3: the line holds a NUL"),
        (b'3,"a"b\n', "line 3: a quotation mark or a line end stands where none may"),
        (b"3,a\rb\n", "line 3: a quotation mark or a line end stands where none may"),
        (b",a\n", "line 3: id is empty"),
        (b"3," + b"a" * (MAX_CELL + 1) + b"\n", f"line 3: a cell is larger than {MAX_CELL} characters"),
        (b"3," + b"a" * (2 * MAX_CELL) + b"\n", "line 3: the line is longer than"),
    ],
    ids=lambda value: repr(value[:12]),
)
def test_a_row_that_cannot_be_read_is_named_and_its_neighbours_are_read(line: bytes, reason: str) -> None:
    children, errors, _ = read(child=b"id,name\n1,Amara\n" + line + b"2,Noor\n")
    assert [child.row["id"] for child in children] == ["1", "2"]
    assert len(errors) == 1
    assert str(errors[0]).startswith(f"council/child.csv: {reason}")
    assert str(errors[0]).endswith("; the row is not read")


def test_a_quotation_mark_that_is_never_closed_is_named() -> None:
    children, errors, _ = read(child='id,name\n1,Amara\n2,"Noor\n3,Callum\n')
    assert [child.row["id"] for child in children] == ["1"]
    assert reasons(errors) == [
        "council/child.csv: line 3: a quotation mark is opened and never closed; lines 3 to 4 are not read"
    ]


def test_all_lines_that_one_quotation_mark_too_many_takes_are_named() -> None:
    children, errors, _ = read(child='id,name\n1,"Amara\n2,Noor\n3,"Callum"\n4,Asha\n')
    assert [child.row["id"] for child in children] == ["4"]
    assert reasons(errors) == [
        "council/child.csv: line 2: a quotation mark or a line end stands where none may; lines 2 to 4 are not read"
    ]


def test_cells_may_hold_lines_and_quotation_marks() -> None:
    children, errors, _ = read(child='id,name\r\n1,"a ""b"", c\r\nd"\r\n2,x\r\n')
    assert errors == []
    assert children[0].row["name"] == 'a "b", c\r\nd'
    assert children[1].place == "line 4"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_says_the_encoding(encoding: str) -> None:
    children, errors, _ = read(child="id,name\n1,Zoë\n".encode(encoding))
    assert errors == []
    assert children[0].row == {"id": "1", "name": "Zoë"}


def test_parts_are_found_whatever_their_case_and_folder_and_others_are_named() -> None:
    data = {
        "out/dbo.CHILD.csv": b"id\n1\n",
        "team.csv": b"x\n",
        "readme.txt": b"x",
        "other.csv": b"x\n",
        "child.csv": b"id\n2\n",
    }
    with gather(Document.of("council", data), LAYOUT) as tables:
        errors = reasons(list(tables.load()))
        assert tables.ignored == {"team": "no child in it", "readme.txt": "not a table (.csv)"}
    assert errors == [
        "council/other.csv: no table of this name is known; it is not read",
        "council/out/dbo.CHILD.csv: the table child stands in two parts; only one is read",
    ]


def test_a_zip_is_read_like_a_folder(tmp_path: Path) -> None:
    save([("child.csv", CHILDREN.encode())], tmp_path / "council.zip")
    with gather(Document.at(tmp_path / "council.zip"), LAYOUT) as tables:
        assert list(tables.load()) == []
        assert len(list(tables.children())) == 2


def test_what_is_written_is_fixed() -> None:
    writer = Writer({"a": ("x", "y"), "b": ("z",)})
    writer.add("a", {"y": 'q"uote', "x": "1", "new": "n"})
    writer.add("a", {"x": None, "y": "two\nlines"})
    assert list(writer.parts()) == [("a.csv", b'x,y,new\r\n1,"q""uote",n\r\n,"two\nlines",\r\n'), ("b.csv", b"z\r\n")]
    with pytest.raises(RecordError, match=r"a\.x"):
        writer.add("a", {"x": {}})
    writer.close()
    only = Writer({"a": ("x", "y"), "b": ("z",)}, {"b": ["w"]})
    assert list(only.parts()) == [("b.csv", b"w\r\n")]


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_junk_is_refused_and_never_crashes(one: bytes, two: bytes) -> None:
    for child in (one, CHILDREN.encode() + one):
        with gather(Document.of("council", {"child.csv": child, "visit.csv": two}), LAYOUT) as tables:
            try:
                list(tables.load())
            except RecordError:
                continue
            list(tables.children())


@given(
    st.lists(
        st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0\r")), min_size=2, max_size=2), max_size=5
    )
)
def test_any_text_comes_back(rows: list[list[str]]) -> None:
    writer = Writer({"a": ("x", "y")})
    for x, y in rows:
        writer.add("a", {"x": x, "y": y})
    data = b"".join(chunk for _, chunk in writer.parts())
    back = [cells for _, cells in read_rows(Document.of("a.csv", data), "a.csv")]
    assert back[1:] == [row for row in rows if any(map(str.strip, row))]


_PROBE = """
import resource, sys
from hub.wire import Document
from tests.test_tables import LAYOUT
from hub.wire.tables import gather
with gather(Document.at(sys.argv[1]), LAYOUT) as tables:
    assert not list(tables.load())
    assert sum(1 for _ in tables.children()) == int(sys.argv[2])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def _peak(folder: Path, count: int, root: Path) -> int:
    folder.mkdir()
    with open(folder / "child.csv", "w", newline="") as out:
        csv.writer(out).writerows([["id", "name"], *([n, f"name {n}"] for n in range(count))])
    with open(folder / "visit.csv", "w", newline="") as out:
        csv.writer(out).writerows(
            [["visit_id", "child_id", "seen"], *([n, n * 7919 % count, "x" * 500] for n in range(4 * count))]
        )
    command = [sys.executable, "-c", _PROBE, str(folder), str(count)]
    return int(subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout)


def test_memory_stays_flat(tmp_path: Path, root: Path) -> None:
    small, large = _peak(tmp_path / "small", 1_000, root), _peak(tmp_path / "large", 10_000, root)
    assert large < small + 20_000  # kilobytes; the large one is 22 MB
