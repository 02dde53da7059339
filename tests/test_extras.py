"""What no row takes: how it is stored, grows again and finds its place; and how paths are read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hub.adapter import Token
from hub.errors import DeclarationError
from hub.mapping import path
from hub.mapping.extras import Holes, arrange, grow, leaves, pack, unpack


def stored(tree: Any) -> Any:
    """A rest as it is after the record was stored and loaded."""
    return json.loads(json.dumps(pack(tree)))


@pytest.mark.parametrize(
    "tree",
    [
        {},
        {"a": None, "b": "", "c": {}, "d": []},
        {"a": Token("1.50"), "b": "1.50", "c": [Token("true"), "true", None]},
        {"a": [{"b": [[], {}]}]},
        {"=": "20"},
        {"=": Token("20")},
        {"=": {"=": {"[]": "x"}}},
        {"[]": {"0": "x"}},
        {"[]": "x", "=": "y"},
        [{"[]": []}, {"=": None}],
    ],
)
def test_a_rest_grows_again_as_it_was(tree: Any) -> None:
    def kinds(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: kinds(one) for name, one in value.items()}
        return [kinds(one) for one in value] if isinstance(value, list) else (type(value), value)

    assert kinds(grow(stored(tree), {})) == kinds(tree)


def test_a_token_stays_one_as_a_spelling() -> None:
    assert type(unpack(stored(Token("20")))) is Token
    assert type(unpack(stored("20"))) is str
    assert unpack(None) is None


def test_a_list_with_holes_knows_the_places_of_what_is_left() -> None:
    places: dict[int, Any] = {}
    tree = grow(stored({"l": Holes({"10": "k", "2": "c"})}), places)
    assert tree == {"l": ["c", "k"]}
    assert places == {id(tree["l"]): (tree["l"], [2, 10])}


@pytest.mark.parametrize(
    ("items", "places", "wanted"),
    [
        ("", [], ""),
        ("ab", [None, None], "ab"),
        ("bdac", [1, 3, None, None], "abcd"),
        ("dab", [3, None, None], "abd"),
        ("ca", [2, 0], "ac"),
        ("zab", [9, None, None], "abz"),
        ("abx", [0, 0, None], "abx"),
    ],
)
def test_items_go_to_their_places_and_the_others_into_the_gaps(
    items: str, places: list[int | None], wanted: str
) -> None:
    held = list(items)
    arrange(held, places)
    assert "".join(held) == wanted


def test_leaves_of_a_rest_are_generic_paths() -> None:
    rest = stored(
        {"a": {"b": "x", "c": {}}, "l": Holes({"1": {"d": "y"}, "4": "z"}), "m": [{"e": Token("1")}], "=": "q"}
    )
    assert sorted(leaves(rest)) == ["=", "a.b", "l[]", "l[].d", "m[].e"]
    assert leaves(stored({"o": {"=": "x"}})) == ["o.="]


@pytest.mark.parametrize(
    ("text", "root", "names", "generic"),
    [
        ("a", "", ("a",), "a"),
        ("a.b[].c", "", ("a", "b", "c"), "a.b[].c"),
        ("/a.b", "/", ("a", "b"), "a.b"),
        ("@as_of", "@", ("as_of",), "as_of"),
        (".", "", (), ""),
        ('"with blank"."a.b"', "", ("with blank", "a.b"), "with blank.a.b"),
        ('id[sys=$nhs,use="a, b"].value', "", ("id", "value"), "id[].value"),
        ("PID.32[. in hl7/accuracy]", "", ("PID", "32"), "PID.32[]"),
        ("x[a.b=]", "", ("x",), "x[]"),
        ("code[coding[system=s].code in t]", "", ("code",), "code[]"),
    ],
)
def test_paths_are_read(text: str, root: str, names: tuple[str, ...], generic: str) -> None:
    found = path.parse(text, {"nhs": "urn:nhs"})
    assert (found.root, found.names, found.generic) == (root, names, generic)


def test_the_tests_of_a_path_are_read() -> None:
    (step, _) = path.parse('id[sys=$nhs,use="a, b",old=,. in t].value', {"nhs": "urn:nhs"}).steps
    assert [(test.path.text, test.value, test.table) for test in step.tests] == [
        ("sys", "urn:nhs", ""),
        ("use", "a, b", ""),
        ("old", "", ""),
        (".", None, "t"),
    ]
    assert path.step_text(step) == "id[sys=urn:nhs,use=a, b,old=,. in t]"


@pytest.mark.parametrize(
    ("text", "character", "why"),
    [
        ("", 1, "a name is expected"),
        ("a..b", 3, "a name is expected"),
        ("a.", 3, "a name is expected"),
        ("a b", 2, "something stands behind the path"),
        ('a."b', 3, "the quotation mark is never closed"),
        ("a[b=c", 6, "']' is expected"),
        ("a[b]", 4, "'=' or ' in ' is expected in a test"),
        ("a[b=$c]", 7, "$c is not in [names]"),
        ("a[b in ]", 8, "a value is expected"),
        ("a[*]", 3, "a name is expected"),
    ],
)
def test_a_path_that_cannot_be_read_names_file_place_and_character(text: str, character: int, why: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        path.parse(text, file="x/y.toml", place="[fields]")
    message = str(caught.value)
    assert f"at character {character}: " in message
    assert why in message
    assert (caught.value.file, caught.value.place) == ("x/y.toml", "[fields]")
