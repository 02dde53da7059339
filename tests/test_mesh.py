"""MESH, against NHS England's own sandbox: taken once it is kept, and told of what never got there."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import pty
import random
import select
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from mesh_client import MeshClient
from structlog.testing import capture_logs

from hub.connect import Connection, faults, occupies, open_inlet, open_outlet
from hub.connect.port import no_hook
from hub.errors import Refused, Unanswered, Unavailable
from hub.message import Cause, NotTried, Parcel, Sent
from hub.pipeline.returns import Returner
from tests.forks import Killer, start
from tests.peers import mesh
from tests.test_flow_faults import Home, child, link, until
from tests.wards import certificates, free_port
from tests.webs import Asked, Told, Web

SECRET = "Zanzibarcanary"
OURS, THEIRS = "X26ABC1", "X26ABC2"
FLOW = "ICS_TEST"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a sandbox for this file's tests."""
    program, url = mesh(tmp_path_factory.mktemp("mesh") / "log")
    yield url
    program.close()


@pytest.fixture
def server(sandbox: str) -> str:
    """The sandbox with empty mailboxes."""
    requests.delete(f"{sandbox}/messageexchange/admin/reset", timeout=10).raise_for_status()
    return sandbox


def connection(server: str, mailbox: str = OURS, **more: Any) -> Connection:
    told = {"server": server, "mailbox": mailbox, "password": "password", "shared_key": "TestKey", "timeout": 5, **more}
    asked = Connection("mesh", "mesh", told)
    assert faults(asked) == []
    return asked


def outlet(server: str, hook: Callable[[str], None] = no_hook, **more: Any) -> Any:
    return open_outlet(connection(server, **{"to": THEIRS, "workflow": FLOW, **more}), hook)


def inlet(server: str, hook: Callable[[str], None] = no_hook, **more: Any) -> Any:
    return open_inlet(connection(server, THEIRS, **more), hook)


def client(server: str, mailbox: str) -> MeshClient:
    return MeshClient(server, mailbox, "password", shared_key=b"TestKey", max_retries=0)


def parcel(n: int = 1, data: bytes = b"<a/>", suffix: str = ".xml") -> Parcel:
    return Parcel(key=n.to_bytes(16, "big"), target="mesh", numbers=[n], data=data, suffix=suffix, number=n)


def drained(source: Any) -> list[tuple[str, bytes]]:
    found = []
    for arrival in source.fetch():
        with arrival.document.open() as stream:
            found.append((arrival.document.name, stream.read()))
        source.settle(arrival)
    return found


# Against the sandbox


def test_a_parcel_reaches_another_mailbox_and_is_acknowledged_there(server: str, opened: Any) -> None:
    target = opened(outlet(server))
    target.ready()
    [told] = target.send([parcel(7)])
    assert isinstance(told, Sent)
    with client(server, OURS) as ours:
        assert ours.track_message(told.receipt)["status"].lower() == "accepted"
        [arrival] = list((source := opened(inlet(server, workflow=FLOW))).fetch())
        assert (arrival.name, arrival.document.name) == (told.receipt, "000000000007-00000000.xml")
        assert ours.track_message(told.receipt)["status"].lower() == "accepted", (
            "it is not acknowledged before it is kept"
        )
        source.settle(arrival)
        tracked = ours.track_message(told.receipt)
    assert tracked["status"].lower() == "acknowledged"
    assert (tracked["local_id"], tracked["workflow_id"]) == (parcel(7).key.hex(), FLOW)


def test_messages_come_in_order_each_once(server: str, opened: Any) -> None:
    target, source = opened(outlet(server)), opened(inlet(server))
    told = target.send([parcel(n, b"<a>%d</a>" % n) for n in range(1, 11)])
    assert all(isinstance(one, Sent) for one in told)
    assert [data for _, data in drained(source)] == [b"<a>%d</a>" % n for n in range(1, 11)]
    assert drained(source) == []
    assert not source.pending()


def test_what_is_large_goes_in_parts_and_compressed(server: str, opened: Any) -> None:
    """As bytes that do not compress and as bytes that do, over many parts."""
    for n, data in enumerate((random.Random(5).randbytes(300_000), b"<a>record</a>" * 50_000), 1):
        for compress in (True, False):
            target = opened(outlet(server, chunk=0.05, compress=compress))
            assert isinstance(target.send([parcel(n, data)])[0], Sent)
            [(_, came)] = drained(opened(inlet(server)))
            assert hashlib.sha256(came).digest() == hashlib.sha256(data).digest()


def test_what_its_sender_compressed_is_unpacked_within_bounds(server: str, opened: Any) -> None:
    with client(server, OURS) as ours:
        ours.send_message(
            THEIRS, gzip.compress(b"<a/>"), workflow_id="OTHER", compressed=True, filename=f"{SECRET}/x.xml"
        )
        ours.send_message(THEIRS, gzip.compress(b"x" * 5_000_000), workflow_id="OTHER", compressed=True)
        ours.send_message(THEIRS, b"y" * 2_000_000, workflow_id="OTHER")
        ours.send_message(THEIRS, gzip.compress(b"as it is"), workflow_id="OTHER", filename="a.gz")
    with capture_logs() as logs:
        first, last = drained(opened(inlet(server, largest=1)))
    assert first == (f"{SECRET}_x.xml", b"<a/>")
    assert gzip.decompress(last[1]) == b"as it is"
    assert [one["event"] for one in logs] == ["a message is too large and stays in the mailbox"] * 2
    assert SECRET not in str(logs)


def test_only_messages_of_the_workflow_are_taken(server: str, opened: Any) -> None:
    assert isinstance(opened(outlet(server, workflow="OTHER")).send([parcel(1, b"other")])[0], Sent)
    assert isinstance(opened(outlet(server)).send([parcel(2, b"ours")])[0], Sent)
    assert [data for _, data in drained(opened(inlet(server, workflow=FLOW)))] == [b"ours"]
    assert [data for _, data in drained(opened(inlet(server)))] == [b"other"]


def test_what_was_not_kept_is_given_again_under_the_same_name(server: str, opened: Any) -> None:
    opened(outlet(server)).send([parcel(1), parcel(2)])
    source = opened(inlet(server))
    first = next(source.fetch())
    assert source.pending()
    second = next(source.fetch())
    assert first.name == second.name
    assert len(drained(source)) == 2


@pytest.mark.parametrize("step", ["settle.before", "settle.after"])
def test_killed_while_it_settles_nothing_is_lost(server: str, opened: Any, tmp_path: Path, step: str) -> None:
    opened(outlet(server)).send([parcel(n, b"%d" % n) for n in range(1, 4)])

    def keep(source: Any) -> None:
        for arrival in source.fetch():
            with arrival.document.open() as stream:
                (tmp_path / arrival.name).write_bytes(stream.read())  # the same name is the same document
            source.settle(arrival)

    assert start(lambda: keep(inlet(server, Killer(step, 2))))() is None
    keep(opened(inlet(server)))
    assert sorted(one.read_bytes() for one in tmp_path.iterdir()) == [b"1", b"2", b"3"]
    assert drained(opened(inlet(server))) == []


@pytest.mark.parametrize("step", ["send.before-bytes", "answer.read"])
def test_killed_while_sending_it_goes_again_with_the_same_local_id(server: str, opened: Any, step: str) -> None:
    assert start(lambda: outlet(server, Killer(step)).send([parcel(5)]))() is None
    assert isinstance(opened(outlet(server)).send([parcel(5)])[0], Sent)
    with client(server, THEIRS) as theirs:
        came = list(theirs.iterate_all_messages())
    assert {one.local_id for one in came} == {parcel(5).key.hex()}
    assert len(came) == (1 if step == "send.before-bytes" else 2)


def test_a_mailbox_that_is_not_there_is_the_targets_trouble(server: str, opened: Any) -> None:
    told = opened(outlet(server, to="X26NONE")).send([parcel(1), parcel(2)])
    assert [type(one) for one in told] == [Unavailable, NotTried]
    assert told[0].whole
    assert "look at 'to' and 'workflow' (12)" in str(told[0])


def test_a_wrong_password_is_the_targets_trouble(server: str, opened: Any) -> None:
    told = opened(outlet(server, password="wrong")).send([parcel(1)])[0]
    assert (type(told), told.whole) == (Unavailable, True)
    assert "does not let us in" in str(told)
    with pytest.raises(Unavailable, match="does not let us in"):
        drained(opened(inlet(server, password="wrong")))
    with pytest.raises(Unavailable, match="does not let us in"):
        opened(inlet(server, password="wrong")).ready()


def report(server: str, sent: Parcel, **more: Any) -> None:
    """What MESH puts into our mailbox when nobody collected a message within five days."""
    told = {
        "mailbox_id": OURS,
        "code": "14",
        "description": f"Message not collected by recipient after 5 days {SECRET}",
        "workflow_id": FLOW,
        "local_id": sent.key.hex(),
        "file_name": f"{sent.number:012d}-{sent.key[:4].hex()}.xml",
        **more,
    }
    requests.post(f"{server}/messageexchange/admin/report", json=told, timeout=10).raise_for_status()


def test_reports_of_what_was_not_delivered_are_told_once_and_are_no_documents(server: str, opened: Any) -> None:
    with client(server, THEIRS) as theirs:
        theirs.send_message(OURS, b"<mail/>", workflow_id=FLOW)
    report(server, parcel(9))
    report(server, parcel(9), local_id=SECRET, file_name=SECRET, code=SECRET)
    target = opened(outlet(server))
    first, second = target.returned()
    assert (first.key, second.key) == (parcel(9).key, b"")
    assert "could not deliver it (14)" in first.reason
    assert SECRET not in first.reason + second.reason
    source = opened(open_inlet(connection(server)))
    assert [data for _, data in drained(source)] == [b"<mail/>"]
    for one in (first, second):
        target.confirm(one)
    assert list(target.returned()) == []


def test_a_record_goes_through_a_hub_to_another_mailbox_and_its_failure_comes_back(server: str, tmp_path: Path) -> None:
    told = f'kind = "mesh", server = "{server}", password = "${{PASSWORD}}", shared_key = "TestKey"'
    links = (
        link("ics", "canonical", 'kind = "folder", in = "in", settle = 0')
        + link("trust", "canonical", f'{told}, mailbox = "{OURS}", to = "{THEIRS}", workflow = "{FLOW}"')
        + link("theirs", "canonical", f'{told}, mailbox = "{THEIRS}", workflow = "{FLOW}"', "poll = 0.2")
        + link("ours", "canonical", 'kind = "folder", out = "out"')
        + '[[routes]]\nfrom = "ics"\nto = ["trust"]\n[[routes]]\nfrom = "theirs"\nto = ["ours"]\n'
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PASSWORD", "password")
        home = Home(tmp_path, links)
        home.drop("1.jsonl", [child("c1")])
        home.start()
        try:
            until(lambda: len(home.sent()) == 1)
            assert home.sent()[0]["source"]["id"] == "c1"  # type: ignore[index]
            home.stop()
            store = home.open_store()
            trace = store.trace(1)
            assert trace is not None
            assert trace.state == "sent"
            report(server, Parcel(trace.id, "trust", [1], b"", number=trace.parcel or 0))
            store.close()
            home.run("run", "--once")
            failures = json.loads(home.run("failures", "--json").out)
            assert "could not deliver it (14)" in str(failures)
            assert SECRET.encode() not in home.logs()
        finally:
            home.processes[0].kill()


def test_reports_find_their_messages_whichever_link_of_the_mailbox_reads_them(server: str, tmp_path: Path) -> None:
    """Two targets are sent to from one mailbox with one workflow. What the hub did not send is not its own to take."""
    told = f'kind = "mesh", server = "{server}", password = "password", shared_key = "TestKey", mailbox = "{OURS}"'
    links = (
        link("ics", "canonical", 'kind = "folder", in = "in", settle = 0')
        + link("trust", "canonical", f'{told}, to = "{THEIRS}", workflow = "{FLOW}"')
        + link("school", "canonical", f'{told}, to = "X26ABC3", workflow = "{FLOW}"')
        + '[[routes]]\nfrom = "ics"\nto = ["trust", "school"]\n'
    )
    home = Home(tmp_path, links)
    for n in range(4):
        home.drop(f"{n}.jsonl", [child(f"c{n}")])
        home.run("run", "--once")
    for mailbox in (THEIRS, "X26ABC3"):
        with client(server, mailbox) as theirs:
            keys = [bytes.fromhex(one.local_id or "") for one in theirs.iterate_messages()]
        assert len(keys) == 4
        for key in keys:
            report(server, Parcel(key, "", [1], b""))
    report(server, parcel(9))
    for _ in range(2):
        home.run("run", "--once")
    told = json.loads(home.run("failures", "--json").out)
    assert {one["cause"]["target"]: one["findings"] for one in told} == {"trust": 4, "school": 4}, json.dumps(told)
    with client(server, OURS) as ours:
        assert [one.local_id for one in ours.iterate_messages()] == [parcel(9).key.hex()]


def test_a_report_that_another_link_reads_first_is_noted_and_one_that_nobody_knows_is_left(
    server: str, opened: Any
) -> None:
    noted = []

    def came_back(target: str, key: bytes, cause: Cause) -> list[int]:
        noted.extend([target] if (target, key) == ("school", parcel(4).key) else [])
        return [4] if (target, key) == ("school", parcel(4).key) else []

    named = {name: SimpleNamespace(name=name, outlet=opened(outlet(server))) for name in ("trust", "school")}
    flow: Any = SimpleNamespace(links=named, store=SimpleNamespace(came_back=came_back))
    report(server, parcel(4))
    report(server, parcel(9))
    first: Any = named["trust"]
    with capture_logs() as logs:
        assert [Returner(flow, first).step(), (again := Returner(flow, first)).step(), again.step()] == [
            True,
            False,
            False,
        ]
    assert noted == ["school"]
    assert [one["log_level"] for one in logs] == ["error", "warning", "warning"], "once for each start"
    with client(server, OURS) as ours:
        assert [one.local_id for one in ours.iterate_messages()] == [parcel(9).key.hex()]


# Against a server that misbehaves


@pytest.mark.parametrize(
    ("told", "kind", "whole", "words"),
    [
        (Told(403), Unavailable, True, "does not let us in"),
        (Told(503, headers={"Retry-After": "9"}), Unavailable, True, "takes nothing now (503)"),
        (Told(429), Unavailable, True, "takes nothing now (429)"),
        (Told(500), Unanswered, False, "failed while it had a message (500)"),
        (Told(cut=True), Unanswered, False, "the connection broke"),
        (Told(wait=9), Unanswered, False, "no answer came in time"),
        (Told(202, b"nothing"), Unanswered, False, ""),
        (Told(417, {"errorCode": "12", "errorDescription": SECRET}), Unavailable, True, "(12)"),
        (Told(417, {"errorCode": "06", "errorDescription": SECRET}), Refused, False, "(06)"),
        (Told(417, {"detail": [{"code": SECRET, "msg": SECRET}]}), Refused, False, "will not have it"),
    ],
)
def test_what_an_answer_means(opened: Any, told: Told, kind: type, whole: bool, words: str) -> None:
    web = opened(Web(lambda asked: told if asked.path.endswith("/outbox") else Told(200, {})))
    answer = opened(outlet(web.url, timeout=1)).send([parcel()])[0]
    assert type(answer) is kind
    assert getattr(answer, "whole", False) is whole
    assert words in str(answer)
    assert SECRET not in str(answer)
    assert sum(asked.path.endswith("/outbox") for asked in web.got) == 1
    assert "password" not in str([asked.headers for asked in web.got])


def test_no_connection_is_the_targets_trouble(opened: Any) -> None:
    told = opened(outlet(f"http://127.0.0.1:{free_port()}")).send([parcel(1), parcel(2)])
    assert [type(one) for one in told] == [Unavailable, NotTried]
    assert "no connection" in str(told[0])


def test_a_part_that_is_lost_leaves_the_message_unanswered(opened: Any) -> None:
    def tell(asked: Asked) -> Told:
        return Told(500) if asked.path.endswith("/2") else Told(202, {"message_id": "M1"})

    web = opened(Web(tell))
    assert type(opened(outlet(web.url, chunk=0.001)).send([parcel(1, b"x" * 3000)])[0]) is Unanswered


class Box:
    """A mailbox with messages of several parts, each told by a test. `tell` of a Web."""

    def __init__(self, **messages: list[Told]) -> None:
        self.messages, self.acknowledged = messages, list[str]()

    def __call__(self, asked: Asked) -> Told:
        _, _, _, *rest = asked.path.partition("?")[0].split("/")
        if not rest or rest[0] != "inbox":
            return Told(200, {})
        if len(rest) == 1:
            return Told(200, {"messages": [one for one in self.messages if one not in self.acknowledged]})
        if asked.method == "PUT":
            self.acknowledged.append(rest[1])
            return Told(200)
        parts = self.messages[rest[1]]
        told = parts[int(rest[2]) - 1 if len(rest) == 3 else 0]
        return Told(told.status, told.body, {"Mex-MessageType": "DATA", **told.headers}, told.cut, told.wait)


def parts(*bodies: bytes, encoding: str = "gzip") -> list[Told]:
    """The answers with the parts of a message."""
    return [
        Told(
            206 if n < len(bodies) else 200,
            body,
            {"Mex-Chunk-Range": f"{n}:{len(bodies)}", **({"Content-Encoding": encoding} if encoding else {})},
        )
        for n, body in enumerate(bodies, 1)
    ]


PACKED = gzip.compress(random.Random(7).randbytes(3000))
GOOD = parts(gzip.compress(b"<good/>"))


@pytest.mark.parametrize(
    "told",
    [
        parts(PACKED[:1000], PACKED[1000:]),
        parts(PACKED),
        parts(gzip.compress(gzip.decompress(PACKED)[:500]) + gzip.compress(gzip.decompress(PACKED)[500:])),
        parts(*(gzip.compress(gzip.decompress(PACKED)[at : at + 1000]) for at in (0, 1000, 2000))),
        parts(gzip.decompress(PACKED)[:9], gzip.decompress(PACKED)[9:], encoding=""),
        [Told(200, PACKED, {"Mex-Content-Compressed": "Y", "Mex-FileName": "a.xml"})],
    ],
    ids=["packed then parted", "one part", "two pieces in a part", "parted then packed", "plain", "by its sender"],
)
def test_a_message_is_read_to_its_end_however_it_was_packed(opened: Any, told: list[Told]) -> None:
    web = opened(Web(Box(m1=told)))
    [(_, data)] = drained(opened(inlet(web.url)))
    assert data == gzip.decompress(PACKED)


@pytest.mark.parametrize(
    "told",
    [
        parts(PACKED[:1000]),
        parts(PACKED[:1000], PACKED[:1000]),
        parts(b"no gzip"),
        parts(PACKED + b"x"),
        parts(PACKED[:-1] + b"x"),
    ],
    ids=["broken off", "a part twice", "not packed", "more after it", "damaged"],
)
def test_a_message_that_cannot_be_unpacked_stays_and_keeps_nobody(opened: Any, told: list[Told]) -> None:
    web = opened(Web(box := Box(m1=told, m2=GOOD)))
    source = opened(inlet(web.url))
    with capture_logs() as logs:
        assert [data for _, data in drained(source)] == [b"<good/>"]
        assert drained(source) == []
    assert box.acknowledged == ["m2"]
    assert [(one["event"], one["message"]) for one in logs] == [
        ("a message cannot be unpacked and stays in the mailbox", "m1")
    ]


@pytest.mark.parametrize(
    "told",
    [
        [*parts(b"1", b"2", encoding="")[:1], Told(500)],
        [*parts(b"1", b"2", encoding="")[:1], Told(200, b"2", cut=True)],
        [*parts(b"1", b"2", encoding="")[:1]] * 2,
        [Told(206, b"1")],
        [Told(200, b"1", {"Mex-Chunk-Range": SECRET})],
        [Told(200, b"1", {"Content-Length": "9"})],
    ],
    ids=["a part fails", "a part is cut", "another part", "of many", "no range", "shorter than it says"],
)
def test_a_message_that_does_not_come_whole_is_waited_for_and_named(opened: Any, told: list[Told]) -> None:
    """What is after it must not overtake it."""
    web = opened(Web(box := Box(m1=told, m2=GOOD)))
    with pytest.raises(Unavailable, match="message m1") as error:
        drained(opened(inlet(web.url, timeout=1)))
    assert box.acknowledged == []
    assert SECRET not in str(error.value)


def test_a_message_that_cannot_be_asked_for_does_not_hide_the_reports_after_it(opened: Any) -> None:
    told = Told(200, b"", {"Mex-MessageType": "REPORT", "Mex-LocalID": parcel(9).key.hex(), "Mex-StatusCode": "14"})
    web = opened(Web(Box(m1=[Told(500)], m2=[Told(410)], m3=[told])))
    target, reports = opened(outlet(web.url)), []
    with pytest.raises(Unavailable, match="500"):  # noqa: PT012
        for one in target.returned():
            reports.append(one.key)
    assert reports == [parcel(9).key]


def test_what_was_kept_and_cannot_be_acknowledged_stays_known_to_the_store(opened: Any) -> None:
    """Or a purge would forget it, and after a restart it would go out again over newer ones."""
    box, refused = Box(m1=GOOD, m2=GOOD, m3=parts(b"no gzip")), ["m2"]
    web = opened(
        Web(lambda asked: Told(500) if asked.method == "PUT" and asked.path.split("/")[4] in refused else box(asked))
    )
    source = opened(inlet(web.url))
    assert len(drained(source)) == 2
    assert source.lying() == ["m2", "m3"]
    again = opened(inlet(web.url))
    assert next(again.fetch()).name == "m2"
    assert again.lying() == ["m2", "m3"], "also while it has not come to the end"
    refused.clear()
    assert drained(source) == []
    assert source.lying() == ["m3"]


@pytest.mark.parametrize("status", [404, 410])
def test_a_message_that_somebody_else_took_keeps_nobody(opened: Any, status: int) -> None:
    web = opened(Web(Box(m1=[Told(status)], m2=GOOD)))
    assert [data for _, data in drained(opened(inlet(web.url)))] == [b"<good/>"]


@pytest.mark.parametrize("listed", [[], {"messages": 7}, {"messages": [7]}, {"messages": ["../x"]}])
def test_a_list_of_messages_that_is_none_is_waited_for(opened: Any, listed: Any) -> None:
    body = json.dumps(listed).encode()
    web = opened(Web(lambda asked: Told(200, body if "/inbox" in asked.path else {})))
    with pytest.raises(Unavailable, match="the answer is none"):
        drained(opened(inlet(web.url)))
    with pytest.raises(Unavailable, match="the answer is none"):
        list(opened(outlet(web.url)).returned())


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_nothing_follows_a_server_elsewhere(opened: Any, status: int) -> None:
    other = opened(Web(lambda asked: Told(202, {"message_id": "M1", "messages": []})))

    def tell(asked: Asked) -> Told:
        if asked.method == "POST" and not asked.path.endswith("/outbox"):
            return Told(200, {})
        return Told(status, headers={"Location": f"{other.url}{asked.path}"})

    web = opened(Web(tell))
    told = opened(outlet(web.url)).send([parcel(1), parcel(2)])
    assert [type(one) for one in told] == [Unavailable, NotTried]
    assert "sends us elsewhere" in str(told[0])
    with pytest.raises(Unavailable, match="sends us elsewhere"):
        drained(opened(inlet(web.url)))
    assert other.got == []


def test_tls_is_with_who_is_named_and_says_what_is_wrong(opened: Any, tmp_path: Path, monkeypatch: Any) -> None:
    files, other = certificates(tmp_path), tmp_path / "other"
    other.mkdir()
    others = certificates(other)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=files["ca"])
    context.load_cert_chain(files["cert"], files["key"])
    context.verify_mode = ssl.CERT_REQUIRED
    web = opened(Web(lambda asked: Told(202, {"message_id": "M1"}), context=context))
    assert isinstance(opened(outlet(web.url, **files)).send([parcel()])[0], Sent)
    assert web.got
    web.got.clear()
    for settings, why in (
        ({**files, "ca": others["ca"]}, "its certificate is not trusted"),
        ({"cert": files["cert"], "key": files["key"]}, "its certificate is not trusted"),
        ({**files, "key": others["key"]}, "TLS failed (key values mismatch)"),
    ):
        told = opened(outlet(web.url, **settings)).send([parcel()])[0]
        assert (type(told), told.whole) == (Unavailable, True)
        assert why in str(told)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", files["ca"])
    told = opened(outlet(web.url, **{**files, "ca": others["ca"]})).send([parcel()])[0]
    assert "its certificate is not trusted" in str(told), "whatever the environment says"
    assert web.got == []


def test_a_key_that_is_locked_is_refused_and_not_asked_for(opened: Any, tmp_path: Path) -> None:
    files = certificates(tmp_path)
    key = serialization.load_pem_private_key(Path(files["key"]).read_bytes(), None)
    locked = serialization.BestAvailableEncryption(b"secret")
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked
    Path(files["key"]).write_bytes(key.private_bytes(*form))

    def ask() -> None:
        told = outlet("https://127.0.0.1:1", **files).send([parcel()])[0]
        (tmp_path / "told").write_text(str(told))

    pid, terminal = pty.fork()
    if not pid:
        try:
            ask()
        finally:
            os._exit(0)
    asked = b""
    with contextlib.suppress(OSError):
        while select.select([terminal], [], [], 20)[0] and (piece := os.read(terminal, 1000)):
            asked += piece
            if b"pass phrase" in asked:
                break
    os.close(terminal)
    os.waitpid(pid, 0)
    assert b"pass phrase" not in asked
    assert "TLS failed" in (tmp_path / "told").read_text()


# Settings


@pytest.mark.parametrize(
    ("settings", "key", "words"),
    [
        ({"server": "test"}, "server", "'live', 'int', 'dep'"),
        ({"server": "http://mesh.example.org"}, "server", "without TLS"),
        ({"server": "live"}, "cert", "asks for a certificate"),
        ({"mailbox": "X 1"}, "mailbox", "a mailbox"),
        ({"to": THEIRS}, "workflow", "must say its workflow"),
        ({"largest": "9"}, "largest", "a number"),
        ({"cert": "none.pem"}, "cert", "no such file"),
        ({"secret": "x"}, "secret", "nothing here is called"),
        ({"password": ""}, "password", "not empty"),
        ({"password": "£9"}, "password", "ASCII"),
        ({"to": THEIRS, "workflow": "Ärzte"}, "workflow", "ASCII"),
        ({"to": THEIRS, "workflow": " A"}, "workflow", "ASCII"),
    ],
)
def test_a_setting_that_is_wrong_is_said(settings: dict[str, Any], key: str, words: str) -> None:
    good = {"server": "https://a", "mailbox": OURS, "password": "p", "shared_key": "k"}
    assert faults(Connection("mesh", "mesh", good)) == []
    found = faults(Connection("mesh", "mesh", {**good, **settings}))
    assert any(one.key == key and words in one.reason for one in found), found
    assert occupies(connection("https://a")) == {"mailbox": f"mailbox {OURS} "}
