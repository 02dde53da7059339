"""hub.toml: what it says comes out typed, and every mistake is named with its line, all of them at once."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tomllib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from hub.config import Hours, load
from hub.config.locate import lines
from hub.errors import DeclarationError
from hub.seal import new_key, new_ring

ROOT = Path(__file__).resolve().parent.parent

GOOD = """\
[hub]
encrypt = false

[links.a]
adapter = "contactpoint"
connection = { kind = "folder", in = "in" }

[links.b]
adapter = "canonical"
connection = { kind = "folder", out = "out" }

[[routes]]
from = "a"
to = "b"
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with keys, an overlay and a file that is no folder."""
    (tmp_path / "keys.toml").write_text(new_ring("2025"), "utf-8")
    (tmp_path / "keys.toml").chmod(0o600)
    (tmp_path / "overlay").mkdir()
    (tmp_path / "file").write_text("x", "utf-8")
    (tmp_path / "file").chmod(0o644)
    return tmp_path


def write(home: Path, text: str) -> Path:
    path = home / "hub.toml"
    path.write_text(text, "utf-8")
    return path


def mistakes(home: Path, text: str, **environ: str) -> list[str]:
    """What is wrong with a text, without the file's name."""
    with pytest.raises(DeclarationError) as caught:
        load(write(home, text), environ)
    return [line.removeprefix(f"{home}/hub.toml: ") for line in str(caught.value).splitlines()]


# What it says


def test_a_whole_file_comes_out_typed(home: Path) -> None:
    text = """
        [hub]
        store = "postgresql://hub:${PASS}@db.example/hub"
        queue = "amqps://hub:${PASS}@mq.example:5671/%2F"
        keys = "keys.toml"
        [links.ics]
        adapter = "dfe_csc_api"
        overlays = ["overlay"]
        bad = "park"
        strict = true
        poll = 0.5
        connection = { kind = "folder", in = "in/ics", out = "${OUT}/ics", settle = 0 }
        rate = "600/min"
        hours = "20:00-06:00"
        at_once = 1
        attempts = 3
        batch = 250
        [links.ssd]
        adapter = "ssd"
        connection.kind = "folder"
        connection.out = "out"
        [[routes]]
        from = "ics"
        to = ["ssd"]
        [limits]
        open = 5
        disk = "1.5 GiB"
        [notify]
        command = "echo 'new cause'"
    """
    found = load(write(home, text), {"PASS": "p@ss:w/rd", "OUT": "elsewhere"})
    assert found.store == "postgresql://hub:p%40ss%3Aw%2Frd@db.example/hub"
    assert found.queue == "amqps://hub:p%40ss%3Aw%2Frd@mq.example:5671/%2F"
    assert found.ring.encrypts
    ics = found.links["ics"]
    assert (ics.name, ics.adapter, ics.overlays, ics.park, ics.poll) == (
        "ics",
        "dfe_csc_api",
        (home / "overlay",),
        True,
        0.5,
    )
    assert ics.strict
    assert not found.links["ssd"].strict
    assert (ics.rate, ics.hours, ics.at_once, ics.attempts, ics.batch) == (10.0, Hours(1200, 360), 1, 3, 250)
    assert ics.connection.settings == {"in": "in/ics", "out": "elsewhere/ics", "settle": 0}
    assert (ics.connection.records, ics.connection.tables, ics.connection.home) == (100, False, home)
    assert (found.links["ssd"].connection.records, found.links["ssd"].connection.tables) == (100, True)
    assert [(route.source, route.targets) for route in found.routes] == [("ics", ("ssd",))]
    assert (found.sources, found.targets) == (["ics"], ["ssd"])
    assert (found.limits.open, found.limits.disk) == (5, 3 << 29)
    assert found.notify.command == ("echo", "new cause")
    assert found.notes == ()
    assert "p@ss" not in repr(found)
    assert "p%40ss" not in repr(found)


def test_what_is_left_out_has_a_default(home: Path) -> None:
    found = load(write(home, GOOD), {})
    assert (found.store, found.queue) == (f"sqlite:///{home}/hub.db", "local")
    link = found.links["a"]
    assert (link.park, link.poll, link.rate, link.hours, link.at_once) == (False, 1.0, None, None, None)
    assert (link.attempts, link.batch, link.overlays) == (8, 100, ())
    assert (found.limits.open, found.limits.disk, found.notify.command) == (100_000, 10**9, ())


def test_the_example_of_the_documentation_loads(home: Path) -> None:
    text = (ROOT / "docs" / "hub-toml.md").read_text("utf-8")
    example = re.findall(r"^```toml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[0]
    (home / "northshire").mkdir()
    program = home / "mail"
    program.write_text("#!/bin/sh\n", "utf-8")
    program.chmod(0o755)
    found = load(write(home, example.replace('"mail ', f'"{program} ')), {})
    assert list(found.links) == ["ics", "index", "ssd"]
    assert found.notes == ()


def test_the_documentation_names_every_key(home: Path) -> None:
    text = (ROOT / "docs" / "hub-toml.md").read_text("utf-8")
    told = mistakes(
        home, GOOD.replace("[hub]", "[hub]\nqqqq = 1").replace('"contactpoint"', '"contactpoint"\nqqqq = 1')
    )
    told += mistakes(home, GOOD.replace('in = "in"', 'in = "in", qqqq = 1'))
    named = {key for line in told for key in line.partition("known are: ")[2].split(", ")}
    assert len(named) > 20
    assert [key for key in named if f"`{key}`" not in text] == []


def test_several_routes_of_one_source_are_one(home: Path) -> None:
    text = (
        GOOD
        + '[links.c]\nadapter = "ssd"\nconnection = {kind = "folder", out = "c"}\n[[routes]]\nfrom = "a"\nto = "c"\n'
    )
    found = load(write(home, text), {})
    assert [(route.source, route.targets) for route in found.routes] == [("a", ("b", "c"))]


@pytest.mark.parametrize(("more", "processes"), [("", 1), ("processes = 2\n", 2)])
def test_a_hub_is_one_process_unless_it_says_two(home: Path, more: str, processes: int) -> None:
    assert load(write(home, GOOD.replace("[hub]\n", f"[hub]\n{more}")), {}).processes == processes


def test_windows_line_ends_and_a_mark_at_the_start_change_nothing(home: Path) -> None:
    path = home / "hub.toml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert list(load(path, {}).links) == ["a", "b"]


@pytest.mark.parametrize(
    ("more", "note"),
    [
        ('store = "postgresql:///hub"', "one 'ics-hub run' only; several need RabbitMQ"),
        ('queue = "amqps://mq.example"', "one 'ics-hub run' only; several need PostgreSQL"),
        ('queue = "amqp://mq.example"', "without TLS"),
        ("", "records are kept and queued as they are"),
    ],
)
def test_what_is_allowed_and_worth_saying_is_noted(home: Path, more: str, note: str) -> None:
    assert note in "\n".join(load(write(home, GOOD.replace("[hub]", f"[hub]\n{more}")), {}).notes)


def test_a_link_in_no_route_is_noted(home: Path) -> None:
    found = load(write(home, GOOD.partition("[[routes]]")[0]), {})
    assert {"links.a stands in no route", "there are no [[routes]]: nothing is carried"} <= set(found.notes)


# Mistakes: (what is replaced, by what, the line, what is said)

MISTAKES: list[tuple[str, str, int, str]] = [
    ("encrypt = false", "encrypt = false\nprocesses = 3", 3, "hub.processes: this must be a whole number from 1 to 2"),
    (
        "encrypt = false",
        "encrypt = false\nqueue = 'amqps://mq.example'\nprocesses = 2",
        4,
        "hub.processes: with RabbitMQ, start 'ics-hub run' as often as you like instead",
    ),
    ("encrypt = false", "encrypt = 'no'", 2, "hub.encrypt: this must be true or false"),
    ("encrypt = false", "", 1, "hub: there is no key to seal with: make one with 'ics-hub keys new'"),
    (
        "encrypt = false",
        "keys = 'other.toml'",
        2,
        "hub.keys: other.toml: there is no such key file: make it with 'ics-hub",
    ),
    ("encrypt = false", "keys = 'file'", 2, "hub.keys: file: others may read or write this key file (mode 644)"),
    (
        "encrypt = false",
        "encrypt = false\nkeys = 'keys.toml'",
        2,
        "hub.encrypt: 'encrypt = false' stands there, and so do",
    ),
    ("encrypt", "stroe = 'x'\nencrypt", 2, "hub.stroe: nothing here is called 'stroe'; did you mean 'store'?"),
    (
        "encrypt",
        "zzz = 1\nencrypt",
        2,
        "hub.zzz: nothing here is called 'zzz'; known are: encrypt, keys, processes, queue, store",
    ),
    ("encrypt", "store = 'mysql://x/y'\nencrypt", 2, "hub.store: the store must be"),
    ("encrypt", "store = 'sqlite:///'\nencrypt", 2, "hub.store: a SQLite store is a file"),
    ("encrypt", "store = 'sqlite:///:memory:'\nencrypt", 2, "hub.store: a SQLite store is a file"),
    ("encrypt", "store = 'sqlite:///no/hub.db'\nencrypt", 2, "hub.store: there is no folder for the SQLite file"),
    ("encrypt", "store = 'postgresql://host'\nencrypt", 2, "hub.store: the store must be"),
    ("encrypt", "store = 'postgresql://h:x1/d'\nencrypt", 2, "hub.store: the store must be"),
    ("encrypt", "store = 7\nencrypt", 2, "hub.store: this must be text"),
    ("encrypt", "queue = 'http://x'\nencrypt", 2, "hub.queue: the queue must be"),
    ("encrypt", "queue = 'amqp://'\nencrypt", 2, "hub.queue: the queue must be"),
    ("encrypt", "queue = 'amqp://${MQ}'\nencrypt", 2, "hub.queue: the environment has no 'MQ'"),
    ("[links.a]", "[links.A]", 4, "links.A: a link's name has 1 to 40"),
    ("[links.a]", '[links."a b"]', 4, "links.'a b': a link's name has 1 to 40"),
    ("[links.a]", f"[links.{'a' * 41}]", 4, "a link's name has 1 to 40"),
    (
        '"contactpoint"',
        '"contactpont"',
        5,
        "links.a.adapter: there is no adapter 'contactpont'; shipped are: caf",
    ),
    ('"contactpoint"', '"nobody.at.all"', 5, "links.a.adapter: there is no adapter 'nobody.at.all'"),
    ('"contactpoint"', '"hub.errors"', 5, "links.a.adapter: hub.errors has no value named 'adapter'"),
    ('"contactpoint"', '"..x"', 5, "links.a.adapter: importing the adapter '..x' fails with"),
    ('adapter = "contactpoint"', "", 4, "links.a: this link has no 'adapter'"),
    ('adapter = "contactpoint"', "adapter = 3", 5, "links.a.adapter: this must be text"),
    ('connection = { kind = "folder", in = "in" }', "", 4, "links.a: this link has no 'connection'"),
    ('connection = { kind = "folder", in = "in" }', "connection = {}", 6, "links.a.connection: this says nothing"),
    ('connection = { kind = "folder", in = "in" }', "connection = 'in'", 6, "links.a.connection: this must be a table"),
    ('kind = "folder", in', "in", 6, "links.a.connection: this connection has no 'kind': folder"),
    ('kind = "folder", in', 'kind = "ftp", in', 6, "links.a.connection.kind: there is no connection of kind 'ftp'"),
    (
        'kind = "folder", in',
        'kind = "no.where.At", in',
        6,
        "links.a.connection.kind: no.where.At: there is no such module",
    ),
    ('kind = "folder", in', 'kind = "hub.errors.At", in', 6, "links.a.connection.kind: hub.errors has no class 'At'"),
    ('kind = "folder", in', 'kind = "hub.errors.Refused", in', 6, "hub.errors.Refused has neither 'fetch' nor 'send'"),
    ('in = "in"', 'inn = "in"', 6, "links.a.connection.inn: nothing here is called 'inn'; did you mean 'in'?"),
    ('in = "in"', "in = 3", 6, "links.a.connection.in: this must be text"),
    ('in = "in"', 'in = "file"', 6, "links.a.connection.in: this is not a folder"),
    ('in = "in"', 'in = "${IN}"', 6, "links.a.connection.in: the environment has no 'IN'"),
    ('kind = "folder", in = "in"', 'kind = "folder"', 6, "links.a.connection: a folder connection names a folder"),
    ('in = "in"', 'in = "in", settle = -1', 6, "links.a.connection.settle: this must be seconds"),
    ('in = "in"', 'in = "in", keep = "all"', 6, "links.a.connection.keep: this must be 'delete' or 'done'"),
    ('in = "in"', 'in = "in", folders = 1', 6, "links.a.connection.folders: this must be true or false"),
    ('in = "in"', 'in = "in", marker = "ok"', 6, "links.a.connection.marker: a marker says"),
    ('in = "in"', 'in = "in", out = "in/o", folders = true', 6, "links.a.connection.out: this lies in the folder 'in'"),
    ('in = "in"', 'in = "in", mode = "999", out = "o"', 6, "links.a.connection.mode: this must be a file's mode"),
    ('out = "out"', 'out = "out", settle = 1', 10, "links.b.connection.settle: this is about fetching"),
    ('in = "in"', 'in = "in", out = "./in"', 6, "links.a.connection.out: links.a.connection.in is the same place"),
    ('out = "out"', 'out = "in"', 10, "links.b.connection.out: links.a.connection.in is the same place"),
    ("[links.b]", "bad = 'stop'\n[links.b]", 8, "links.a.bad: this must be 'keep' or 'park'"),
    ("[links.b]", "strict = 'yes'\n[links.b]", 8, "links.a.strict: this must be true or false"),
    ("[links.b]", "overlays = ['overlay', 'no']\n[links.b]", 8, "links.a.overlays: there is no folder 'no'"),
    ("[links.b]", "overlays = 'file'\n[links.b]", 8, "links.a.overlays: there is no folder 'file'"),
    ("[links.b]", "overlays = []\n[links.b]", 8, "links.a.overlays: this is empty"),
    ("[links.b]", "poll = 0\n[links.b]", 8, "links.a.poll: this must be seconds"),
    ("[links.b]", "rate = 0\n[links.b]", 8, "links.a.rate: this must be records a second"),
    ("[links.b]", "rate = nan\n[links.b]", 8, "links.a.rate: this must be records a second"),
    ("[links.b]", "rate = '5/fortnight'\n[links.b]", 8, "links.a.rate: this must be records a second"),
    ("[links.b]", "hours = '20-6'\n[links.b]", 8, "links.a.hours: this must be two times of day"),
    ("[links.b]", "hours = '20:00-25:00'\n[links.b]", 8, "links.a.hours: there is no such time of day"),
    ("[links.b]", "hours = '06:00-06:00'\n[links.b]", 8, "links.a.hours: these hours begin and end at the same time"),
    ("[links.b]", "at_once = 0\n[links.b]", 8, "links.a.at_once: this must be a whole number from 1"),
    ("[links.b]", "attempts = '8'\n[links.b]", 8, "links.a.attempts: this must be a whole number from 1"),
    ("[links.b]", "batch = true\n[links.b]", 8, "links.a.batch: this must be a whole number from 1"),
    ("[links.b]", "batsh = 1\n[links.b]", 8, "links.a.batsh: nothing here is called 'batsh'; did you mean 'batch'?"),
    ('from = "a"', "", 12, "routes[1]: this route has no 'from'"),
    ('to = "b"', "", 12, "routes[1]: this route has no 'to'"),
    ('to = "b"', "to = []", 14, "routes[1].to: this is empty"),
    ('to = "b"', 'to = "c"', 14, "routes[1].to: there is no link 'c'; there are: a, b"),
    ('to = "b"', 'to = ["b", "a"]', 14, "routes[1].to: 'a' is where this route comes from"),
    ('to = "b"', 'to = ["b", "a"]', 14, "routes[1].to: nothing can be sent to 'a': its connection has no 'out'"),
    ('to = "b"', 'to = ["b", "b"]', 14, "routes[1].to: the route from 'a' to 'b' stands twice"),
    (
        'to = "b"',
        'to = "b"\n[[routes]]\nfrom = "a"\nto = "b"',
        17,
        "routes[2].to: the route from 'a' to 'b' stands twice",
    ),
    ('from = "a"', 'from = "b"', 13, "routes[1].from: nothing can be fetched from 'b': its connection has no 'in'"),
    ('from = "a"', 'form = "a"', 13, "routes[1].form: nothing here is called 'form'; did you mean 'from'?"),
    ("[[routes]]", "[routes]", 12, "routes: this must be tables, each under a header in two pairs of brackets"),
    ('to = "b"', 'to = "b"\n[limits]\nopen = -1', 16, "limits.open: this must be a whole number"),
    ('to = "b"', 'to = "b"\n[limits]\ndisk = "1 XB"', 16, "limits.disk: this must be a size"),
    (
        'to = "b"',
        'to = "b"\n[limits]\ndsik = 1',
        16,
        "limits.dsik: nothing here is called 'dsik'; did you mean 'disk'?",
    ),
    ('to = "b"', 'to = "b"\n[notify]\ncommand = "no-such-program x"', 16, "notify.command: there is no such program"),
    ('to = "b"', 'to = "b"\n[notify]\ncommand = "echo \'x"', 16, "notify.command: a quote is opened and never closed"),
    ('to = "b"', 'to = "b"\n[Limits]\nopen = 1', 15, "Limits: nothing here is called 'Limits'; did you mean 'limits'?"),
]


@pytest.mark.parametrize(("old", "new", "line", "said"), MISTAKES, ids=[said[:60] for *_, said in MISTAKES])
def test_a_mistake_is_named_with_its_line(home: Path, old: str, new: str, line: int, said: str) -> None:
    assert old in GOOD
    found = mistakes(home, GOOD.replace(old, new, 1))
    assert any(one.startswith(f"line {line}: ") and said in one for one in found), found


def test_all_mistakes_are_said_at_once_in_the_order_of_the_file(home: Path) -> None:
    text = GOOD.replace("contactpoint", "nobody").replace('"canonical"', "5").replace('to = "b"', 'to = "c"')
    found = mistakes(home, f"{text}\n[hbu]\n")
    assert [re.sub(r":.*", "", one) for one in found] == ["line 5", "line 9", "line 14", "line 16"]


@pytest.mark.parametrize(
    ("text", "line"), [("[hub\n", 1), ("\n\nx = \n", 3), ("a = 1\na = 2\n", 2), ("[a]\n[a]\n", 2), ('x = "', 0)]
)
def test_what_is_no_toml_is_named_with_its_line(home: Path, text: str, line: int) -> None:
    found = mistakes(home, text)
    assert len(found) == 1
    assert "this is not TOML" in found[0]
    assert found[0].startswith(f"line {line}: " if line else "")


def test_a_file_that_is_not_there_or_not_text_is_said(home: Path) -> None:
    with pytest.raises(DeclarationError, match="no such file"):
        load(home / "other.toml", {})
    (home / "hub.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DeclarationError, match="not UTF-8"):
        load(home / "hub.toml", {})


def test_no_message_holds_a_password(home: Path) -> None:
    text = GOOD.replace("encrypt", 'store = "postgres://u:s3cret@h/d"\nqueue = "amqp://u:${P}@h:99999"\nencrypt')
    assert "s3cret" not in " ".join(mistakes(home, text, P="s3cret"))


# Keys


def test_the_environments_keys_go_before_the_file(home: Path) -> None:
    text = GOOD.replace("encrypt = false", "keys = 'keys.toml'")
    found = load(write(home, text), {"ICS_HUB_KEYS": new_ring("from-environment")})
    assert found.ring.current == "from-environment"
    assert load(write(home, text), {}).ring.current == "2025"


def test_keys_of_the_environment_need_no_file(home: Path) -> None:
    text = GOOD.replace("encrypt = false", "")
    assert load(write(home, text), {"ICS_HUB_KEYS": new_ring("e")}).ring.encrypts


def test_broken_keys_of_the_environment_are_a_mistake_that_tells_none(home: Path) -> None:
    ring = new_ring("e").replace("naming", "nameing")
    found = mistakes(home, GOOD, ICS_HUB_KEYS=ring)
    assert "ICS_HUB_KEYS: a key file has" in found[0]
    assert ring.split('"')[1] not in found[0]


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o660, 0o602])
def test_a_key_file_that_others_may_read_is_a_mistake(home: Path, mode: int) -> None:
    (home / "keys.toml").chmod(mode)
    found = mistakes(home, GOOD.replace("encrypt = false", "keys = 'keys.toml'"))
    assert f"(mode {mode:o}): run 'chmod 600' on it" in found[0]


def test_a_key_file_of_a_group_is_allowed(home: Path) -> None:
    (home / "keys.toml").chmod(0o640)
    assert load(write(home, GOOD.replace("encrypt = false", "keys = 'keys.toml'")), {}).ring.encrypts


def test_the_name_of_the_key_file_may_come_from_the_environment(home: Path) -> None:
    named = GOOD.replace("encrypt = false", "keys = '${WHERE}/keys.toml'")
    assert load(write(home, named), {"WHERE": str(home)}).ring.encrypts
    assert mistakes(home, named) == ["line 2: hub.keys: the environment has no 'WHERE'"]


def test_a_key_file_may_hold_a_naming_key_alone_where_nothing_is_encrypted(home: Path) -> None:
    (home / "keys.toml").write_text(f'naming = "{new_key()}"\n', "utf-8")
    plain = load(write(home, GOOD), {}).ring
    named = load(write(home, GOOD.replace("encrypt = false", "encrypt = false\nkeys = 'keys.toml'")), {}).ring
    assert not named.encrypts
    assert named.name("x") != plain.name("x")
    assert plain.name("x") == load(write(home, GOOD), {}).ring.name("x")
    assert "no key to seal with" in mistakes(home, GOOD.replace("encrypt = false", "keys = 'keys.toml'"))[0]


# A council's own


@pytest.fixture
def council(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of a council's own on the path."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name in [name for name in sys.modules if name.startswith("ourcouncil")]:
        del sys.modules[name]


def test_a_connection_of_ones_own_is_checked_by_itself(home: Path, council: Path) -> None:
    (council / "ourcouncil.py").write_text(
        "class Mesh:\n"
        "    def __init__(self, connection): self.connection = connection\n"
        "    def fetch(self): return iter(())\n"
        "    @staticmethod\n"
        "    def faults(connection):\n"
        "        return [] if 'mailbox' in connection.settings else [('mailbox', 'there is none')]\n",
        "utf-8",
    )
    good = GOOD.replace('kind = "folder", in = "in"', 'kind = "ourcouncil.Mesh", mailbox = "${BOX}"')
    assert load(write(home, good), {"BOX": "X26"}).links["a"].connection.settings == {"mailbox": "X26"}
    found = mistakes(home, good.replace("mailbox", "box"), BOX="X26")
    assert found == ["line 6: links.a.connection.mailbox: there is none"]
    backwards = good.replace('from = "a"', 'from = "b"').replace('to = "b"', 'to = "a"')
    assert any("nothing can be sent to 'a'" in one for one in mistakes(home, backwards, BOX="X26"))


def test_code_of_ones_own_that_fails_is_a_mistake_and_no_traceback(home: Path, council: Path) -> None:
    (council / "ourcouncil.py").write_text("1 / 0\n", "utf-8")
    text = GOOD.replace('"contactpoint"', '"ourcouncil.x"').replace(
        'kind = "folder", in', 'kind = "ourcouncil.Mesh", in'
    )
    found = mistakes(home, text)
    assert found[0] == "line 5: links.a.adapter: importing the adapter 'ourcouncil.x' fails with ZeroDivisionError"
    assert found[1].endswith("ourcouncil.Mesh: importing it fails with ZeroDivisionError")


# Hours


@pytest.mark.parametrize(
    ("hours", "now", "wait"),
    [
        (Hours(1200, 360), "19:59:30", 30.0),
        (Hours(1200, 360), "20:00:00", 0.0),
        (Hours(1200, 360), "00:00:00", 0.0),
        (Hours(1200, 360), "05:59:59", 0.0),
        (Hours(1200, 360), "06:00:00", 14 * 3600.0),
        (Hours(540, 1020), "08:00:00", 3600.0),
        (Hours(540, 1020), "17:00:00", 16 * 3600.0),
        (Hours(1320, 1440), "23:59:59", 0.0),
        (Hours(1320, 1440), "00:00:00", 22 * 3600.0),
    ],
)
def test_hours_are_open_from_the_first_minute_to_before_the_last(hours: Hours, now: str, wait: float) -> None:
    moment = datetime.fromisoformat(f"2025-01-02T{now}")
    assert hours.wait(moment) == wait
    assert hours.open(moment) is (wait == 0)


# Lines

ODD = '''\
# [not.a.table]
top = 1; dotted."quoted key".x = 2
"quoted # no comment" = 'literal ] # no comment'
'single' = """
[not.a.table]
key = 1 \\""" still
""""
raw = \'\'\'
[[not]]
\'\'\'

[ a . "b.c" ] # comment with [brackets]
x = { y = 1, z = { w = [ 1, 2 ] }, "q}" = "}" } # }
list = [
  1, # one ]
  "two, ]",
  { three = 3 },
  [ 4,
    5 ],
]
after = 1979-05-27T07:32:00Z
times = [ 1979-05-27 07:32:00,
  -inf ]
[[many]]
k = 1
[[many]]
k = 2
  [many.sub]
  k = 3
  [[many.below]]
  k = 4
  [[many.below]]
  k.l = 5
[[many]]
[a]
last = "é" # é
'''.replace("; ", "\n")


def leaves(told: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if path:
        yield path
    pairs = told.items() if isinstance(told, dict) else enumerate(told) if isinstance(told, list) else ()
    for key, one in pairs:
        yield from leaves(one, (*path, key))


def test_every_key_of_an_odd_layout_has_its_line() -> None:
    found = lines(ODD)
    paths = list(leaves(tomllib.loads(ODD)))
    assert [path for path in paths if path not in found] == []
    assert set(found) == set(paths)
    written = ODD.splitlines()
    for path in paths:
        if isinstance(path[-1], str):
            assert path[-1] in written[found[path] - 1], path
    expected = {
        ("top",): 2,
        ("dotted", "quoted key", "x"): 3,
        ("single",): 5,
        ("raw",): 9,
        ("a", "b.c"): 13,
        ("a", "b.c", "x", "z", "w", 1): 14,
        ("a", "b.c", "list", 2, "three"): 18,
        ("a", "b.c", "list", 3, 1): 20,
        ("a", "b.c", "after"): 22,
        ("a", "b.c", "times", 1): 24,
        ("many", 0, "k"): 26,
        ("many", 1, "k"): 28,
        ("many", 1, "sub", "k"): 30,
        ("many", 1, "below", 0, "k"): 32,
        ("many", 1, "below", 1, "k", "l"): 34,
        ("many", 2): 35,
        ("a", "last"): 37,
    }
    assert {path: found[path] for path in expected} == expected


def test_lines_are_the_same_with_windows_line_ends() -> None:
    assert lines(ODD.replace("\n", "\r\n")) == lines(ODD)


def test_every_mapping_file_that_ships_is_located_whole() -> None:
    files = sorted((ROOT / "mappings").rglob("*.toml"))
    assert files
    for file in files:
        text = file.read_text("utf-8")
        assert set(leaves(tomllib.loads(text))) == set(lines(text)), file.name


def test_mistakes_in_odd_layouts_have_their_lines(home: Path) -> None:
    text = """\
hub = { encrypt = false }
links.a.adapter = "nobody" # links.b
links.'a'.connection = { kind = "folder", settle = "x", in = "in" }
routes = [
  { from = "a", to = "a" },
  { from = "a", to = [
      "c" ] },
]
"""
    found = mistakes(home, text)
    assert [one.partition(": ")[0] for one in found] == ["line 2", "line 3", "line 5", "line 6"]


def test_paths_start_from_the_folder_of_the_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home, GOOD)
    shutil.copytree(home, home / "copy", ignore=shutil.ignore_patterns("copy"))
    monkeypatch.chdir(home / "copy")
    found = load("hub.toml", {})
    assert found.store == f"sqlite:///{os.getcwd()}/hub.db"
    (home / "copy" / "hub.toml").write_text(GOOD.replace("contactpoint", "x"), "utf-8")
    with pytest.raises(DeclarationError, match=r"^hub\.toml: line 5: links\.a\.adapter: "):
        load("hub.toml", {})
