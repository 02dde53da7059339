"""Documents: files, folders and zips read alike; what a stranger sends is bounded; what is saved is whole or absent."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.errors import DeclarationError, RecordError
from hub.wire import Document, document, save


def zipped(parts: dict[str, bytes]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in parts.items():
            packed.writestr(name, data)
    return held.getvalue()


def contents(found: Document) -> dict[str, bytes]:
    held = {}
    for part in found.parts():
        with found.open(part) as stream:
            held[part] = stream.read()
    return held


PARTS = {"a.csv": b"1\n", "b/c.csv": b"2\n" * 100_000}


def test_a_file_a_folder_and_a_zip_are_read_alike(tmp_path: Path) -> None:
    for name, data in PARTS.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(data)
    (tmp_path / "in" / ".hidden").write_bytes(b"x")
    (tmp_path / "in.zip").write_bytes(zipped(PARTS))
    for found in (
        Document.at(tmp_path / "in"),
        Document.at(tmp_path / "in.zip"),
        Document.of("in", PARTS),
        Document.of("in.zip", zipped(PARTS)),
    ):
        assert contents(found) == PARTS
        assert found.size == sum(map(len, PARTS.values()))
        assert found.parts() == sorted(PARTS)
    alone = Document.at(tmp_path / "in" / "a.csv")
    assert (alone.name, alone.parts(), alone.size) == ("a.csv", ["a.csv"], 2)
    assert alone.open().read() == alone.open("a.csv").read() == b"1\n"


def test_standard_input_can_be_read_twice() -> None:
    found = Document.from_stdin(stream=io.BytesIO(b"abc"))
    assert (found.open().read(), found.open().read(), found.size) == (b"abc", b"abc", 3)


def test_the_only_part_of_a_zip_needs_no_name() -> None:
    assert Document.of("x.zip", zipped({"only.xml": b"<a/>"})).open().read() == b"<a/>"


def test_a_wrong_call_says_so(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="no such file"):
        Document.at(tmp_path / "absent.xml")
    with pytest.raises(DeclarationError, match="one file is needed"):
        Document.of("in", PARTS).open()
    with pytest.raises(RecordError, match=r"in/c.csv: the document has no such part"):
        Document.of("in", PARTS).open("c.csv")


@pytest.mark.parametrize("name", ["../a", "/a", "a/../../b", "C:\\a", "..\\a", "a//b", "a\nb", "."])
def test_a_part_cannot_be_named_out_of_its_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="name that no file here may have"):
        Document.of("x.zip", zipped({name: b""}))
    with pytest.raises(RecordError, match="name that no file here may have"):
        save([(name, b"x")], tmp_path / "out")
    assert os.listdir(tmp_path) == []


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link").symlink_to(tmp_path / "secret")
    assert Document.at(tmp_path / "in").parts() == []


def test_a_zip_bomb_is_refused_before_it_unpacks() -> None:
    bomb = zipped({"a": bytes(document.FREE_UNPACKED + 1)})
    with pytest.raises(RecordError, match="unpacks to far more"):
        Document.of("x.zip", bomb)


def test_too_many_parts_are_refused(tmp_path: Path) -> None:
    many = {f"{n}.csv": b"" for n in range(document.MAX_PARTS + 1)}
    with pytest.raises(RecordError, match="more than 2000 parts"):
        Document.of("x.zip", zipped(many))


def test_a_part_larger_than_the_zip_declares_is_refused() -> None:
    packed = bytearray(zipped({"a": b"12345678" * 1000}))
    for at in (packed.index(b"PK\x01\x02") + 24, packed.index(b"PK\x03\x04") + 22):
        packed[at : at + 4] = (100).to_bytes(4, "little")
    found = Document.of("x.zip", bytes(packed))
    with pytest.raises(RecordError, match=r"x.zip/a"), found.open() as stream:
        stream.read()


@pytest.mark.parametrize("cut", [0, 1, 20, 60, -1, -30])
def test_a_broken_zip_is_a_record_error(cut: int) -> None:
    whole = zipped({"a.csv": b"12345678" * 1000})
    with pytest.raises(RecordError):
        Document.of("x.zip", whole[:cut]).open().read()
    flipped = bytearray(whole)
    flipped[45] ^= 0xFF
    with pytest.raises(RecordError):
        Document.of("x.zip", bytes(flipped)).open().read()


def test_a_packed_format_of_another_suffix_unpacks_under_the_same_bounds() -> None:
    form = Document.of("form.docx", zipped({"word/document.xml": b"<w/>"}))
    assert form.parts() == ["form.docx"]
    assert form.unpack().open("word/document.xml").read() == b"<w/>"
    with pytest.raises(RecordError, match="not a whole zip"):
        Document.of("form.docx", b"<html>").unpack()


def test_a_file_that_is_changed_while_it_is_read_is_not_taken_for_the_same(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    for name in ("in.xml", "set/a.csv"):
        (tmp_path / name).write_bytes(b"old")
    for place, part in ((tmp_path / "in.xml", ""), (tmp_path / "set", "a.csv")):
        found = Document.at(place)
        with found.open(part) as first:
            assert first.read() == b"old"
        (place / part if part else place).write_bytes(b"other")
        with pytest.raises(RecordError, match="changed or replaced while it was read"):
            found.open(part)


CHUNKS = [("a.csv", b"1"), ("b.csv", b"2"), ("a.csv", b"\n"), ("b.csv", b"\n")]


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    save([("", b"<a>"), ("", b"</a>")], tmp_path / "out.xml")
    assert (tmp_path / "out.xml").read_bytes() == b"<a></a>"
    for target in (tmp_path / "out", tmp_path / "out.zip", f"{tmp_path}/slash.d/"):
        if str(target).endswith("/"):
            Path(target).mkdir()
        save(iter(CHUNKS), target)
        assert contents(Document.at(target)) == {"a.csv": b"1\n", "b.csv": b"2\n"}
    assert sorted(os.listdir(tmp_path)) == ["out", "out.xml", "out.zip", "slash.d"]


def test_the_same_parts_make_the_same_zip(tmp_path: Path) -> None:
    for name in ("1.zip", "2.zip"):
        save(iter(CHUNKS), tmp_path / name)
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()


@pytest.mark.parametrize("name", ["out.xml", "out", "out.zip"])
@pytest.mark.parametrize("error", [RecordError("bad"), KeyboardInterrupt()])
def test_nothing_is_left_when_the_stream_raises(name: str, error: BaseException, tmp_path: Path) -> None:
    def chunks() -> Iterator[tuple[str, bytes]]:
        yield ("" if name == "out.xml" else "a.csv"), b"half"
        raise error

    with pytest.raises(type(error)):
        save(chunks(), tmp_path / name)
    assert os.listdir(tmp_path) == []


def test_a_file_is_replaced_only_when_the_new_one_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "out.xml"
    target.write_bytes(b"old")

    def chunks() -> Iterator[tuple[str, bytes]]:
        yield "", b"new"
        assert target.read_bytes() == b"old"

    save(chunks(), target)
    assert target.read_bytes() == b"new"


@pytest.mark.parametrize("name", ["out.xml", "out", "out.zip"])
def test_what_is_saved_is_for_this_user_alone_or_for_who_could_read_what_was_there(name: str, tmp_path: Path) -> None:
    target = tmp_path / name
    chunks = [("" if name == "out.xml" else "a.csv", b"x")]
    save(chunks, target)
    every = [target, *target.glob("*")] if target.is_dir() else [target]
    assert [one.stat().st_mode & 0o077 for one in every] == [0] * len(every)
    if target.is_dir():
        (target / "a.csv").unlink()
    target.chmod(0o750)
    save(chunks, target)
    assert target.stat().st_mode & 0o777 == 0o750


def test_a_link_is_followed_and_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "link.xml").symlink_to("real.xml")
    for _ in range(2):
        save([("", b"x")], tmp_path / "link.xml")
        assert (tmp_path / "link.xml").is_symlink()
        assert (tmp_path / "real.xml").read_bytes() == b"x"
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DeclarationError, match="neither a file nor a folder"):
        save([("", b"x")], tmp_path / "pipe")
    assert (tmp_path / "pipe").is_fifo()


def test_a_folder_with_something_in_it_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_bytes(b"x")
    with pytest.raises(DeclarationError, match="new or empty"):
        save(iter(CHUNKS), tmp_path / "out")
    assert os.listdir(tmp_path / "out") == ["mine"]


def test_several_parts_do_not_fit_one_file(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="several parts need a folder"):
        save(iter(CHUNKS), tmp_path / "out.csv")
    with pytest.raises(DeclarationError, match="format of one file"):
        save([("", b"x")], f"{tmp_path}/out/")
    with pytest.raises(DeclarationError):
        save([("", b"x")], tmp_path / "absent" / "out.xml")
    assert os.listdir(tmp_path) == []
