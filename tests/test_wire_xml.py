"""XML records: every hostile or broken document is a RecordError with its line, and nothing in a record is lost."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import RecordError
from hub.wire import Document, xml

PLAN = xml.plan(["Name", "Group.One", "Group.Many[]", "Item[].Day", "Item[].Part[].Code[]", "Last"])
WANTED = {"Root/Head": xml.plan(["Year"]), "Root/All/One": PLAN}
SECRET = "Zanzibar"


def document(body: str | bytes, start: str = "<Root>") -> bytes:
    body = body.encode() if isinstance(body, str) else body
    return start.encode() + b"\n<Head><Year>1</Year></Head><All>\n" + body + b"\n</All></Root>"


def read(data: bytes) -> list[Any]:
    return list(xml.records(Document.of("in.xml", data), WANTED))


def trees(body: str | bytes, start: str = "<Root>") -> list[Any]:
    return [found if isinstance(found, RecordError) else found.tree for found in read(document(body, start))[1:]]


def broken(data: bytes) -> tuple[list[Any], RecordError]:
    """What was read before the error, and the error."""
    found: list[Any] = []
    stream = xml.records(Document.of("in.xml", data), WANTED)
    with pytest.raises(RecordError) as caught:
        found.extend(iter(lambda: next(stream), None))
    return found, caught.value


# What an element becomes


def test_lists_are_by_declaration_and_never_by_count() -> None:
    assert trees("<One><Item><Day>1</Day></Item><Group><Many>a</Many></Group></One>") == [
        {"Item": [{"Day": "1"}], "Group": {"Many": ["a"]}}
    ]


def test_empty_elements_keep_their_declared_shape() -> None:
    assert trees("<One><Name/><Group/><Item/><Item></Item></One><One/>") == [
        {"Name": "", "Group": {}, "Item": [{}, {}]},
        {},
    ]


def test_layout_is_not_content_and_leaf_text_is() -> None:
    body = "<One>\n\n\t <Name> a b </Name>\r\n  <Last>  </Last>\n</One>"
    assert trees(body) == [{"Name": " a b ", "Last": "  "}]


@pytest.mark.parametrize("chunk", range(1, 60))
def test_a_blank_text_is_kept_wherever_the_chunks_end(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.wire.prolog._CHUNK", chunk)
    assert trees("<One> <Name>  </Name> <Last>&amp;é</Last></One>") == [{"Name": "  ", "Last": "&é"}]


def test_what_is_not_declared_is_kept() -> None:
    body = (
        '<One a="1"><New>x</New><Other><b c="2">y</b><b/></Other><Name>n</Name><Name>m</Name>'
        '<Twice/><Twice>2</Twice><o:Far xmlns:o="urn:o" o:k="3"/></One>'
    )
    assert trees(body) == [
        {
            "@a": "1",
            "New": "x",
            "Other": {"b": [{"@c": "2", "#text": ["y"]}, ""]},
            "Name": ["n", "m"],
            "Twice": ["", "2"],
            "{urn:o}Far": {"@{urn:o}k": "3"},
        }
    ]


def test_stray_text_is_kept_in_order() -> None:
    assert trees("<One> a <Name>n</Name>b\n<Last/>c</One>") == [{"Name": "n", "Last": "", "#text": ["a", "b", "c"]}]
    assert trees("<One><Group>g</Group></One>") == [{"Group": {"#text": ["g"]}}]


def test_comments_and_instructions_do_not_split_text() -> None:
    assert trees("<One><Name>a<!-- x -->b<?y z?>c</Name></One>") == [{"Name": "abc"}]


def test_characters_come_as_they_are_meant() -> None:
    assert trees("<One><Name>&lt;&#233;<![CDATA[<&>]]></Name></One>") == [{"Name": "<é<&>"}]


def test_the_namespace_of_the_root_is_taken_off() -> None:
    found = read(document("<One><Name>n</Name><New/></One>", '<Root xmlns="urn:r">'))
    assert found[1].tree == {"Name": "n", "New": ""}
    assert found[1].namespace == "urn:r"


def test_where_only_the_root_is_qualified_lists_are_lists_all_the_same() -> None:
    root = '<Root xmlns:r="urn:r">'
    plain = read(document("<One><Item><Day>1</Day></Item></One>", root))
    found = read(document("<One><Item><Day>1</Day></Item></One>", root).decode().replace("Root", "r:Root").encode())
    assert found[1].tree == plain[1].tree == {"Item": [{"Day": "1"}]}
    assert found[1].namespace == "urn:r"


def test_attributes_are_seen_in_any_chunk() -> None:
    """The fast way is taken only where the bytes hold no `=`."""
    filler = "<One><Name>x</Name></One>" * 5000
    found = trees(f'{filler}<One><Name k="v">y</Name></One>{filler}')
    assert found[5000] == {"Name": {"@k": "v", "#text": ["y"]}}
    assert found.count({"Name": "x"}) == 10_000


def test_lines_are_those_of_the_file() -> None:
    found = read(document("\n" * 60_000 + "<One>\n</One>\n<One/>"))
    assert [one.line for one in found] == [2, 60_003, 60_005]
    found = read(document("\n" * 70_000 + "<One>\n<Name>n</Name></One>"))
    assert found[1].line in range(70_003, 70_005)


# What stands outside the records


def test_what_is_left_out_is_said() -> None:
    body = "<One/>stray<One/><Odd><One/></Odd><One/>"
    found = read(document(body).replace(b"</All>", b"<Late/></All><One/>"))
    said = [str(one) for one in found if isinstance(one, RecordError)]
    assert len(found) - len(said) == 4
    assert said == [
        "in.xml: line 3: text between records was left out",
        "in.xml: line 3: an element that is not known here was left out",
        "in.xml: line 4: an element that is not known here was left out",
        "in.xml: line 4: an element that is not known here was left out",
    ]


def test_a_record_inside_a_record_is_its_content() -> None:
    assert trees("<One><One><Name/></One><Name>n</Name></One><One/>") == [{"One": {"Name": ""}, "Name": "n"}, {}]


# Hostile and broken documents

BOMB = '<!DOCTYPE Root [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("data", "line", "reason"),
    [
        (b"", "", "the file is empty"),
        (b"\xef\xbb\xbf", "line 1", "the file is empty"),
        (b" \n ", "line 1", "the file is empty"),
        (SECRET.encode(), "line 1", "not XML"),
        (b"PK\x03\x04" + SECRET.encode(), "line 1", "not XML"),
        (b"<!-- " + SECRET.encode(), "line 1", "no root element"),
        (f"<{SECRET}/>".encode(), "line 1", "the root element is not Root"),
        (b"<Rootless/>", "line 1", "the root element is not Root"),
        (b"<!DOCTYPE Root><Root/>", "line 1", "a DOCTYPE"),
        (b'<?xml version="1.0"?>\n<!-- c -->\n<?p?><!DOCTYPE Root SYSTEM "/etc/hosts"><Root/>', "line 3", "a DOCTYPE"),
        (document("<One><Name>&b;</Name></One>", BOMB + "<Root>"), "line 1", "a DOCTYPE"),
        ((BOMB + "<Root/>").encode("utf-16"), "line 1", "a DOCTYPE"),
        (b'<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE Root><Root/>', "line 1", "an encoding that is not"),
        (b'<?xml version="1.0" encoding="Zanzibar"?><Root/>', "line 1", "an encoding that is not"),
        (b" " * (2 << 20) + b"<Root/>", "line 1", "no root element"),
    ],
)  # fmt: skip
def test_a_document_is_refused_at_its_start(data: bytes, line: str, reason: str) -> None:
    found, error = broken(data)
    assert not found
    assert (error.file, error.place) == ("in.xml", line)
    assert reason in error.reason
    assert SECRET not in str(error)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("<One><Name>&zanzibar;</Name></One>", "an entity"),
        ('<One k="&zanzibar;"/>', "an entity"),
        ("<One><Name>Zanzibar\x01</Name></One>", "a character that XML does not allow"),
        ("<One><Name>&#1;</Name></One>", "a character that XML does not allow"),
        ("<One><Name>Zanzibar</Mame></One>", "an end tag that does not fit"),
        ("<One><Name>" + SECRET * (10 << 17) + "</Name></One>", "larger than any record"),
        ("<One>" + "<a>" * 10_000 + "</a>" * 10_000 + "</One>", "larger than any record"),
        ("<One>" + "<Name>Zanzibar</Name>" * 900_000 + "</One>", "no record ends within 16 MB"),
        ('<One k="1" k="2"/>', "an attribute stands twice"),
        ("<One><p:Zanzibar/></One>", "a prefix without a namespace"),
        ("<One Zanzibar/>", "not well-formed"),
        ("<!DOCTYPE Zanzibar><One/>", "not well-formed"),
    ],
)
def test_what_breaks_inside_is_told_after_the_whole_records(body: str, reason: str) -> None:
    good = "<One><Name>a</Name></One>"
    found, error = broken(document(f"{good}{good}\n{body}\n{good}".encode(errors="surrogateescape")))
    assert [one.tree for one in found[1:3]] == [{"Name": "a"}, {"Name": "a"}]
    assert reason in error.reason
    assert (error.file, error.place) in {("in.xml", "line 4"), ("in.xml", "")}
    assert SECRET.casefold() not in str(error).casefold()


@pytest.mark.parametrize("cut", range(1, 66))
def test_a_truncated_file_gives_its_whole_records_and_an_error(cut: int) -> None:
    data = document("<One><Name>a</Name></One>\n<One><Name>b</Name></One>")
    found, error = broken(data[:-cut])
    assert [one.tree for one in found[1:]] == [{"Name": "a"}, {"Name": "b"}][: data[:-cut].count(b"</One>")]
    assert error.file == "in.xml"
    assert error.place


@pytest.mark.parametrize("trailing", ["<Root/>", "<Zanzibar/>", "Zanzibar", "&amp;", "<!DOCTYPE Root>"])
def test_two_roots_are_refused(trailing: str) -> None:
    found, error = broken(document("<One/>") + trailing.encode())
    assert len(found) == 2
    assert "after the end of the root" in error.reason or "not well-formed" in error.reason
    assert SECRET not in str(error)


ACCENT = "<One><Name>é</Name></One>"


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf" + document(ACCENT),
        document(ACCENT).decode().encode("utf-16"),
        document(ACCENT, '<?xml version="1.0" encoding="UTF-16"?><Root>').decode().encode("utf-16"),
        document(ACCENT.encode("cp1252"), '<?xml version="1.0" encoding="windows-1252"?><Root>'),
        document(ACCENT.encode("latin-1"), "<?xml version='1.0' encoding='ISO-8859-1'?>\n<!-- <!DOCTYPE -->\n<Root>"),
    ],
)
def test_a_mark_or_a_declared_encoding_is_read(data: bytes) -> None:
    assert read(data)[1].tree == {"Name": "é"}


@pytest.mark.parametrize("start", ["<Root>", '<?xml version="1.0" encoding="utf-8"?><Root>'])
def test_bytes_of_cp1252_in_utf8_spoil_their_record_alone(start: str) -> None:
    good = b"<One><Name>a</Name></One>"
    found = read(document(good + b"<One><Name>a</Name>\n<Last>O\x92Zanzibar</Last></One>" + good, start))
    trees = [one.tree for one in found[1:] if not isinstance(one, RecordError)]
    (error,) = [one for one in found if isinstance(one, RecordError)]
    assert trees == [{"Name": "a"}, {"Name": "a"}]
    assert str(error).startswith("in.xml: line 4: bytes that are not in the encoding")
    assert SECRET not in str(error)


def test_a_byte_that_the_declared_encoding_does_not_have_spoils_its_record_alone() -> None:
    start = '<?xml version="1.0" encoding="windows-1252"?><Root>'
    found = read(document(b"<One><Name>\x81</Name></One><One/>", start))
    assert isinstance(found[1], RecordError)
    assert len(found) == 3


@given(st.binary(max_size=300))
def test_junk_is_a_record_error(junk: bytes) -> None:
    for data in (junk, document(junk), document(b"<One><Name>" + junk + b"</Name></One>")):
        with suppress(RecordError):
            read(data)


# Writing


def write(tree: dict[str, Any]) -> str:
    return xml.element("One", tree, PLAN)


def test_children_are_written_in_the_order_of_the_schema() -> None:
    tree = {"New": "x", "Last": "l", "Item": [{"Part": [{"Code": ["1", "2"]}], "Day": "d"}], "Name": "n"}
    item = "<Item><Day>d</Day><Part><Code>1</Code><Code>2</Code></Part></Item>"
    assert write(tree) == f"<One><Name>n</Name>{item}<Last>l</Last><New>x</New></One>"


def test_nothing_is_written_for_nothing() -> None:
    assert write({"Name": None, "Item": [], "Group": {}, "Last": ""}) == "<One><Group/><Last/></One>"
    assert xml.normal({"Name": None, "Item": [], "Group": {"Many": []}, "Last": ""}) == {"Group": {}, "Last": ""}


@pytest.mark.parametrize("value", ["\x00", "a\x0bb", "\ud800", "\uffff"])
@pytest.mark.parametrize("field", ["Name", "New", "@new"])
def test_a_character_that_xml_cannot_hold_is_refused_by_field(field: str, value: str) -> None:
    with pytest.raises(RecordError, match=field) as caught:
        write({field: f"Zanzibar{value}"})
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("name", ["a b", "1a", "", "<x>", "a:b", "{urn:x}", "²", "a/"])
def test_a_name_that_xml_cannot_hold_is_refused(name: str) -> None:
    with pytest.raises(RecordError, match="name XML cannot hold"):
        write({name: "x"})


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"]), max_size=8)
SOLID = TEXT.map(lambda text: text.strip() + "x")
NAMES = st.sampled_from(["New", "Étage", "{urn:o}Far", "A.b-c"])
LEAF = TEXT | st.just("a\rb\n\tc") | st.just("&<>\"']]>")


def unknown(depth: int) -> st.SearchStrategy[Any]:
    below = LEAF if depth == 0 else LEAF | unknown(depth - 1)
    return st.dictionaries(NAMES, below | st.lists(below, min_size=2, max_size=3), min_size=1, max_size=3)


KNOWN = st.fixed_dictionaries(
    {},
    optional={
        "Name": LEAF,
        "Group": st.fixed_dictionaries({}, optional={"One": LEAF, "Many": st.lists(LEAF, min_size=1, max_size=3)}),
        "Item": st.lists(st.fixed_dictionaries({}, optional={"Day": LEAF}), min_size=1, max_size=3),
        "Last": st.fixed_dictionaries({"@k": LEAF, "@{urn:o}j": LEAF, "#text": SOLID.map(lambda text: [text])}),
        "New": unknown(2),
        "{urn:o}Far": LEAF,
        "@k": LEAF,
        "@{http://www.w3.org/XML/1998/namespace}lang": SOLID,
    },
)


@given(KNOWN, st.lists(SOLID, max_size=3))
def test_what_is_written_is_read_again(tree: dict[str, Any], strays: list[str]) -> None:
    if strays and len(tree) + 1 >= len(strays) and "Name" in tree and "Group" in tree:
        tree = tree | {"#text": strays}
    assert trees(write(tree).encode()) == [tree]


# Memory

PROGRAM = """
import resource, sys
from hub.wire import Document, xml
wanted = {"Root/Head": xml.plan(["Year"]), "Root/All/One": xml.plan(["Name", "Item[].Day"])}
count = sum(1 for _ in xml.records(Document.at(sys.argv[1]), wanted))
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak(path: Path, count: int) -> int:
    """Kilobytes that reading a file of so many records took at most."""

    def lines() -> Iterable[bytes]:
        yield b"<Root><Head/><All>"
        for ordinal in range(count):
            yield b"<One><Name>%d</Name>%s</One>\n" % (ordinal, b"<Item><Day>2024-01-31</Day></Item>" * 40)
        yield b"</All></Root>"

    with open(path, "wb") as out:
        out.writelines(lines())
    command = [sys.executable, "-c", PROGRAM, str(path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    read, kilobytes = map(int, ran.stdout.split())
    assert read == count + 1
    return kilobytes


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    assert peak(tmp_path / "large.xml", 20_000) - peak(tmp_path / "small.xml", 2_000) < 4_000
