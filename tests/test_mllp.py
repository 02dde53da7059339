"""HL7 over MLLP: AA only for what is kept, the right answer to the right message, and nothing taken twice."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hl7
import pytest
from structlog.testing import capture_logs

from hub.connect import Connection, faults, notes, occupies, open_inlet, open_outlet
from hub.connect.mllp.frame import Frames, framed
from hub.connect.port import no_hook
from hub.errors import DeclarationError, Refused, Unanswered, Unavailable
from hub.message import NotTried, Parcel, Sent
from tests.forks import Killer, start
from tests.peers import Program, node_command
from tests.wards import Receiver, Sender, adt, certificates, control, free_port

SECRET = "Zanzibarcanary"


def connection(home: Path = Path(), **settings: Any) -> Connection:
    asked = Connection("ward", "mllp", settings, home)
    assert faults(asked) == []
    return asked


class Hub:
    """An inlet, and a flow that keeps what it gives: in memory, by its name. full: nothing is fetched now."""

    def __init__(self, hook: Callable[[str], None] = no_hook, home: Path = Path(), **settings: Any) -> None:
        self.port = settings.pop("port", None) or free_port()
        self.inlet: Any = open_inlet(connection(home, listen=f"127.0.0.1:{self.port}", **settings), hook)
        self.kept: dict[str, bytes] = {}
        self.full = self.broken = False
        self.given = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._go, daemon=True)
        for _ in self.inlet.fetch():
            pass
        self._thread.start()

    def _go(self) -> None:
        while not self._end.is_set():
            if self.full:
                time.sleep(0.01)
                continue
            for arrival in self.inlet.fetch():
                self.given += 1
                if self.broken:
                    break
                with arrival.document.open() as stream:
                    self.kept.setdefault(arrival.name, stream.read())
                self.inlet.settle(arrival)
                if self.full:
                    break

    def close(self) -> None:
        self._end.set()
        self._thread.join(10)
        self.inlet.close()


def code(ack: hl7.Message) -> str:
    return str(ack.segment("MSA")[1])


# Coming in


def test_a_message_is_answered_aa_once_it_is_kept(opened: Any) -> None:
    hub = opened(Hub())
    ack = opened(Sender(hub.port)).send(adt("m1"))
    assert (code(ack), str(ack.segment("MSA")[2])) == ("AA", "m1")
    assert [str(ack.segment("MSH")[n]) for n in (3, 4, 5, 6)] == ["ICSHUB", "E09", "WARD", "RX1"]
    assert str(ack.segment("MSH")[9]) == "ACK^A31"
    assert list(hub.kept.values()) == [adt("m1")]


def test_many_messages_come_over_one_connection_and_over_many(opened: Any) -> None:
    hub = opened(Hub())
    told: list[str] = []

    def send(who: int) -> None:
        sender = Sender(hub.port)
        for n in range(50):
            ack = sender.send(adt(f"{who}-{n}"))
            assert str(ack.segment("MSA")[2]) == f"{who}-{n}"
            told.append(code(ack))
        sender.close()

    threads = [threading.Thread(target=send, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert told == ["AA"] * 200
    kept = [control(one) for one in hub.kept.values()]
    assert len(kept) == 200
    for who in range(4):
        assert [one for one in kept if one.startswith(f"{who}-")] == [f"{who}-{n}" for n in range(50)]


def test_nothing_is_answered_before_it_is_kept(opened: Any) -> None:
    hub = opened(Hub(patience=600))
    hub.full = True
    time.sleep(0.7)
    wire = opened(socket.create_connection(("127.0.0.1", hub.port), 5))
    wire.sendall(framed(adt("m1")))
    wire.settimeout(1)
    with pytest.raises(TimeoutError):
        wire.recv(1)
    assert hub.inlet.pending()
    hub.full = False
    assert b"MSA|AA|m1" in (Frames(wire, 1 << 20).next(5) or b"")


def test_where_nobody_takes_it_the_sender_is_told_to_send_again_and_nothing_is_kept(opened: Any) -> None:
    hub = opened(Hub(patience=0.3))
    hub.full = True
    time.sleep(0.7)
    sender = opened(Sender(hub.port))
    ack = sender.send(adt("m1"))
    assert code(ack) == "AE"
    assert "207" in str(ack.segment("ERR"))
    assert hub.kept == {}
    assert not hub.inlet.pending()
    hub.full = False
    assert code(sender.send(adt("m1"))) == "AA"
    assert len(hub.kept) == 1


def test_what_was_given_and_not_kept_is_given_again(opened: Any) -> None:
    hub = opened(Hub(patience=10))
    hub.broken = True
    told: list[str] = []
    sender = opened(Sender(hub.port))
    waiting = threading.Thread(target=lambda: told.append(code(sender.send(adt("m1")))))
    waiting.start()
    time.sleep(1)
    assert (told, hub.given > 1) == ([], True)
    hub.broken = False
    waiting.join(10)
    assert told == ["AA"]
    assert len(hub.kept) == 1


def test_the_same_message_again_is_the_same_document_and_answered_as_before(opened: Any) -> None:
    hub = opened(Hub())
    first, second = (opened(Sender(hub.port)) for _ in range(2))
    acks = [first.send(adt("m1")), second.send(adt("m1")), first.send(adt("m1"))]
    assert [code(one) for one in acks] == ["AA"] * 3
    assert len(hub.kept) == 1


def test_the_same_control_id_with_other_bytes_is_a_new_message_and_said(opened: Any) -> None:
    hub = opened(Hub())
    sender = opened(Sender(hub.port))
    sender.send(adt("m1"))
    with capture_logs() as logs:
        ack = sender.send(adt("m1", family=SECRET, version="2.5"))
    assert code(ack) == "AA"
    assert str(ack.segment("ERR")).split("|")[2:5] == ["MSH^1^10", "205^Duplicate key identifier^HL70357", "W"]
    assert [one["event"] for one in logs] == ["a control id came again with other content: taken as a new message"]
    assert len(hub.kept) == 2
    assert SECRET not in str(logs) + str(ack)


def test_another_sender_may_use_the_same_control_id(opened: Any) -> None:
    hub = opened(Hub())
    sender = opened(Sender(hub.port))
    for who in ("WARD|RX1", "WARD|RX2", "CLINIC|RX1"):
        ack = sender.send(adt("m1", sender=who))
        assert "ERR" not in str(ack)
    assert len(hub.kept) == 3


@pytest.mark.parametrize(
    ("told", "settings", "error"),
    [
        (b"PID|1||no header", {}, b"MSH^1^^100&Segment sequence error"),
        (b"MSH|^~\\&|A|B\r", {}, b"MSH^1^^100"),
        (b"", {}, b"MSH^1^^100"),
        (adt("m1", kind=""), {}, b"MSH^1^9^101"),
        (adt("m1", kind="ORU^R01"), {"types": ["ADT"]}, b"MSH^1^9^200"),
        (adt("m1", kind="ADT^A01"), {"types": ["ADT^A31", "ORU"]}, b"MSH^1^9^200"),
        (adt("m1", processing="T"), {"processing": "P", "to": "127.0.0.1:1"}, b"MSH^1^11^202"),
        (
            adt("m1", kind="ORU^R01", version="2.5"),
            {"types": ["ADT"]},
            b"|MSH^1^9|200^Unsupported message type^HL70357|E",
        ),
    ],
)
def test_what_cannot_be_taken_is_refused_by_its_header_and_not_kept(
    opened: Any, told: bytes, settings: dict[str, Any], error: bytes
) -> None:
    hub = opened(Hub(**settings))
    wire = opened(socket.create_connection(("127.0.0.1", hub.port), 5))
    wire.sendall(framed(told) + framed(adt("good")))
    frames = Frames(wire, 1 << 20)
    refused, good = frames.next(5), frames.next(5)
    assert b"MSA|AR|" in (refused or b"")
    assert error in (refused or b"")
    assert b"MSA|AA|good" in (good or b"")
    assert list(hub.kept.values()) == [adt("good")]


@pytest.mark.parametrize("split", [1, 7, 4096])
def test_framing_bears_what_senders_do(opened: Any, split: int) -> None:
    """Junk between messages, no CR at the end, two in one packet, bytes one by one, a BOM and line feeds."""
    hub = opened(Hub())
    odd = b"\xef\xbb\xbf" + adt("m4").replace(b"\r", b"\n")
    sent = b"\r\nnoise" + framed(adt("m1")) + b"\x0b" + adt("m2") + b"\x1c" + framed(adt("m3")) + framed(odd)
    wire = opened(socket.create_connection(("127.0.0.1", hub.port), 5))
    for start_at in range(0, len(sent), split):
        wire.sendall(sent[start_at : start_at + split])
    frames = Frames(wire, 1 << 20)
    assert [(frames.next(5) or b"").split(b"|")[-1].strip() for _ in range(4)] == [b"m1", b"m2", b"m3", b"m4"]
    assert list(hub.kept.values()) == [adt("m1"), adt("m2"), adt("m3"), odd]


def test_half_a_message_is_no_message(opened: Any) -> None:
    hub = opened(Hub())
    wire = socket.create_connection(("127.0.0.1", hub.port), 5)
    wire.sendall(framed(adt("m1"))[:-9])
    wire.close()
    assert code(opened(Sender(hub.port)).send(adt("m2"))) == "AA"
    assert list(hub.kept.values()) == [adt("m2")]


def test_a_message_that_is_too_large_is_refused_and_the_connection_ended(opened: Any) -> None:
    hub = opened(Hub(largest=0.01))
    wire = opened(socket.create_connection(("127.0.0.1", hub.port), 5))
    wire.sendall(framed(adt("m1", family="x" * 200_000)))
    frames = Frames(wire, 1 << 20)
    assert b"MSA|AR|m1" in (frames.next(5) or b"")
    assert frames.next(5) is None
    assert hub.kept == {}


def test_only_machines_among_the_peers_may_send(opened: Any) -> None:
    hub = opened(Hub(peers=["10.0.0.0/8"]))
    wire = opened(socket.create_connection(("127.0.0.1", hub.port), 5))
    wire.settimeout(5)
    assert wire.recv(1) == b""
    assert code(opened(Sender(opened(Hub(peers=["127.0.0.0/8"])).port)).send(adt("m1"))) == "AA"


def test_commit_answers_where_they_are_asked_for(opened: Any) -> None:
    hub = opened(Hub(answer="commit"))
    assert code(opened(Sender(hub.port)).send(adt("m1"))) == "CA"


def test_a_resting_inlet_lets_its_address_go_and_tells_who_waits(opened: Any) -> None:
    first = opened(Hub(patience=30))
    first.full = True
    time.sleep(0.7)
    told: list[str] = []
    sender = opened(Sender(first.port))
    waiting = threading.Thread(target=lambda: told.append(code(sender.send(adt("m1")))))
    waiting.start()
    time.sleep(0.3)
    first.inlet.rest()
    waiting.join(10)
    assert told == ["AE"]
    second = opened(Hub(port=first.port))
    assert code(opened(Sender(second.port)).send(adt("m1"))) == "AA"
    with pytest.raises(Unavailable, match="another program listens there"):
        next(first.inlet.fetch())
    first.inlet.ready()  # for the doctor, who is asked while the hub runs


def test_tls_with_certificates_on_both_sides(opened: Any, tmp_path: Path) -> None:
    files = certificates(tmp_path)
    hub = opened(Hub(**files))
    context = ssl.create_default_context(cafile=files["ca"])
    context.load_cert_chain(files["cert"], files["key"])
    assert code(opened(Sender(hub.port, ssl=context)).send(adt("m1"))) == "AA"
    with pytest.raises((ssl.SSLError, ConnectionError, EOFError)):  # no certificate is shown
        Sender(hub.port, ssl=ssl.create_default_context(cafile=files["ca"])).send(adt("m2"))
    with pytest.raises((ConnectionError, EOFError)):  # no TLS at all
        Sender(hub.port).send(adt("m3"))
    assert list(hub.kept.values()) == [adt("m1")]
    assert code(opened(Sender(hub.port, ssl=context)).send(adt("m4"))) == "AA"


def test_what_waits_is_given_together_in_the_order_it_came(opened: Any) -> None:
    inlet = open_inlet(connection(listen=f"127.0.0.1:{free_port()}", patience=30))
    opened(inlet)
    assert list(inlet.fetch()) == []
    wires = [opened(socket.create_connection(inlet._at, 5)) for _ in range(3)]
    for n, wire in enumerate(wires):
        wire.sendall(framed(adt(f"m{n}")))
        time.sleep(0.2)
    fetched = inlet.fetch()
    first, *more = next(fetched), *inlet.more()
    assert [control(one.document.open().read()) for one in (first, *more)] == ["m0", "m1", "m2"]
    assert inlet.more() == []
    inlet.settle(first)
    inlet.settle(more[1])
    for wire, told in zip(wires, (b"MSA|AA|m0", None, b"MSA|AA|m2"), strict=True):
        wire.settimeout(2 if told else 0.3)
        if told:
            assert told in wire.recv(1000)
        else:
            with pytest.raises(TimeoutError):
                wire.recv(1)
    assert [control(one.document.open().read()) for one in (next(inlet.fetch()), *inlet.more())] == ["m1"]


@pytest.mark.parametrize("step", ["message.read", "settle.before", "settle.after", "answer.before", "answer.after"])
def test_a_hub_killed_anywhere_loses_no_message_and_keeps_none_twice(tmp_path: Path, opened: Any, step: str) -> None:
    """The store is a folder with a file for each name; whoever sends goes on until each message was answered AA."""
    port = free_port()

    def serve(hook: Callable[[str], None]) -> None:
        inlet = open_inlet(connection(listen=f"127.0.0.1:{port}"), hook)
        while not (tmp_path / "end").exists():
            for arrival in inlet.fetch():
                with arrival.document.open() as stream:
                    (tmp_path / arrival.name.replace("/", "_")).write_bytes(stream.read())
                inlet.settle(arrival)

    wait = start(lambda: serve(Killer(step, 5)))
    deaths, told = 0, []
    sender = None
    for n in range(10):
        while True:
            try:
                sender = sender or Sender(port)
                told.append(code(sender.send(adt(f"m{n}"))))
                break
            except (ConnectionError, OSError):
                sender = None
                if deaths == 0 and told:
                    assert wait() is None
                    deaths, wait = 1, start(lambda: serve(no_hook))
                time.sleep(0.05)
    (tmp_path / "end").touch()
    sender.close() if sender else None
    wait()
    assert (deaths, told) == (1, ["AA"] * 10)
    assert sorted(control(one.read_bytes()) for one in tmp_path.iterdir() if one.name != "end") == [
        f"m{n}" for n in range(10)
    ]


# Going out


def parcel(number: int, data: bytes) -> Parcel:
    return Parcel(key=number.to_bytes(16, "big") + b"", target="ward", numbers=[number], data=data, number=number)


def outlet(port: int, hook: Callable[[str], None] = no_hook, home: Path = Path(), **settings: Any) -> Any:
    return open_outlet(connection(home, to=f"127.0.0.1:{port}", **{"timeout": 2, **settings}), hook)


def staged(target: Any, number: int, data: bytes = b"") -> Parcel:
    one = parcel(number * 0x1000000000001, data or adt(""))
    assert target.stage(one) == ""
    return one


def test_messages_go_out_one_by_one_each_after_its_ack(opened: Any) -> None:
    ward = opened(Receiver())
    target = opened(outlet(ward.port))
    parcels = [staged(target, n) for n in range(1, 11)]
    answers = target.send(parcels)
    assert all(isinstance(one, Sent) and one.receipt.startswith("AA ") for one in answers)
    assert ward.took == [one.data for one in parcels]
    assert ward.connections == 1


def test_a_message_gets_a_control_id_of_its_own_that_is_the_same_however_often(opened: Any) -> None:
    target = opened(outlet(1, sender=["ICSHUB", "E09^Here"], receiver=["PAS"], processing="T"))
    bare = b"MSH|^~\\&|||||||ADT^A31||P|2.4\rPID|1||c1\r"
    first, same, other = (staged(target, n, bare) for n in (1, 1, 2))
    assert control(first.data) == control(same.data) != control(other.data)
    assert len(control(first.data)) <= 20
    fields = first.data.split(b"\r")[0].split(b"|")
    assert fields[2:6] == [b"ICSHUB", b"E09^Here", b"PAS", b""]
    assert (fields[10], fields[11]) == (b"T", b"2.4")
    assert len(fields[6]) == len("20250102030405+0000")
    assert first.data.endswith(b"\rPID|1||c1\r")
    kept = adt("x")
    assert staged(target, 3, kept).data.split(b"|")[6] == b"20250102030405", "its own time is left as it is"


def test_a_file_of_two_messages_goes_as_two_and_batch_segments_stay_here(opened: Any) -> None:
    ward = opened(Receiver())
    target = opened(outlet(ward.port))
    both = b"FHS|^~\\&\rBHS|^~\\&\r" + adt("a") + adt("b") + b"BTS|2\rFTS|1\r"
    one = staged(target, 1, both)
    assert isinstance(target.send([one])[0], Sent)
    assert len({control(message) for message in ward.took}) == 2
    assert [message.count(b"\r") for message in ward.took] == [3, 3]


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        ("MSA|AR|{id}", Refused, "AR"),
        ("MSA|AE|{id}\rERR|PID^1^5^101&Zanzibarcanary", Refused, "AE 101 at PID^1^5"),
        ("MSA|AE|{id}\rERR||PID^1^5|102^Zanzibarcanary|E|||Zanzibarcanary", Refused, "AE 102 at PID^1^5"),
        ("MSA|AE|{id}|Zanzibarcanary", Unavailable, "could not take it (AE)"),
        ("MSA|AE|{id}\rERR||Zanzibarcanary|207^no|E", Unavailable, "could not take it (AE 207)"),
        ("MSA|AR|{id}\rERR|^^^207&no", Unavailable, "could not take it (AR 207)"),
        ("MSA|CE|{id}", Unavailable, "could not take it (CE)"),
        ("MSA|CR|{id}", Refused, "CR"),
    ],
)
def test_what_a_refusal_means(opened: Any, reply: str, kind: type[Exception], words: str) -> None:
    def answer(message: hl7.Message) -> bytes:
        own = str(message.segment("MSH")[10])
        return ("MSH|^~\\&|A|B|C|D|20250101||ACK|1|P|2.5\r" + reply.format(id=own)).encode()

    ward = opened(Receiver(answer))
    target = opened(outlet(ward.port))
    told = target.send([staged(target, 1, adt("", family=SECRET))])[0]
    assert type(told) is kind
    assert words in str(told)
    assert SECRET not in str(told)
    assert not getattr(told, "whole", False)


def test_answers_that_name_other_messages_are_passed_over(opened: Any) -> None:
    """As a server does that acknowledges all it ever had again and again."""
    had: list[str] = []

    def answer(message: hl7.Message) -> bytes:
        had.append(str(message.segment("MSH")[10]))
        # framed together: every earlier one refused, then this one taken
        acks = [f"MSH|^~\\&|A|B|C|D|1||ACK|1|P|2.4\rMSA|{'AA' if own == had[-1] else 'AR'}|{own}\r" for own in had]
        return b"\x1c\r\x0b".join(one.encode() for one in acks)

    ward = opened(Receiver(answer))
    target = opened(outlet(ward.port))
    with capture_logs() as logs:
        answers = target.send([staged(target, n) for n in range(1, 8)])
    assert [type(one) for one in answers] == [Sent] * 7
    assert [one["event"] for one in logs] == ["an answer that names another message was passed over"]


def test_a_receiver_of_somebody_else_that_acknowledges_everything_again_is_understood(
    opened: Any, tmp_path: Path
) -> None:
    took = tmp_path / "took"
    ward = opened(Program(node_command("mllp_server.mjs"), tmp_path / "log", PORT="{port}", TOOK=str(took)))
    target = opened(outlet(ward.port, timeout=10))
    for n in range(1, 11):
        assert isinstance(target.send([staged(target, n)])[0], Sent)
    handled = took.read_text().split()
    assert len(set(handled)) == 10
    assert len(handled) > 10, "it does what this test is about"


def test_a_sender_of_somebody_else_is_answered(opened: Any) -> None:
    hub = opened(Hub())
    environment = {**os.environ, "PORT": str(hub.port), "COUNT": "100"}
    ran = subprocess.run(
        node_command("mllp_client.mjs"), env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert (ran.returncode, ran.stdout.strip()) == (0, '{"AA":100}'), ran.stderr[-500:]
    assert [control(one) for one in hub.kept.values()] == [f"n{n}" for n in range(100)]


def test_no_answer_is_unanswered_and_the_next_goes_over_a_new_connection(opened: Any) -> None:
    silent = {"first": True}

    def answer(message: hl7.Message) -> bytes | None:
        if silent.pop("first", False):
            return None
        return str(message.create_ack("AA")).encode()

    ward = opened(Receiver(answer))
    target = opened(outlet(ward.port, timeout=0.5))
    first, second = staged(target, 1), staged(target, 2)
    told = target.send([first, second])
    assert [type(one) for one in told] == [Unanswered, NotTried]
    assert not told[0].whole
    assert [type(one) for one in target.send([first, second])] == [Sent, Sent]
    assert ward.connections == 2
    assert ward.took == [first.data, first.data, second.data], "the same bytes again"


def test_a_connection_that_breaks_after_the_bytes_left_is_unanswered(opened: Any) -> None:
    ward = opened(Receiver(lambda message: b""))
    target = opened(outlet(ward.port))
    assert type(target.send([staged(target, 1)])[0]) is Unanswered


def test_when_several_different_messages_have_no_answer_it_is_the_targets_trouble(opened: Any) -> None:
    ward = opened(Receiver(lambda message: b""))
    target = opened(outlet(ward.port))
    parcels = [staged(target, n) for n in (1, 2, 3, 4)]
    told = target.send(parcels)
    assert [type(one) for one in told] == [Unanswered, Unanswered, Unanswered, NotTried]
    assert [one.whole for one in told[:3]] == [False, False, True]
    assert not target.send(parcels[2:3])[0].whole, "but not for ever for the same one"


def test_a_connection_that_the_other_side_ended_while_idle_is_begun_anew(opened: Any) -> None:
    ward = opened(Receiver())
    target = opened(outlet(ward.port))
    assert isinstance(target.send([staged(target, 1)])[0], Sent)
    port = ward.port
    ward.close()
    with pytest.raises(Unavailable, match="connection refused"):
        target.ready()
    told = target.send([staged(target, 2), staged(target, 3)])
    assert [type(one) for one in told] == [Unavailable, NotTried]
    assert told[0].whole
    assert port == ward.port


def test_no_connection_is_the_targets_trouble(opened: Any, tmp_path: Path) -> None:
    files = certificates(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files["cert"], files["key"])
    ward = opened(Receiver(ssl=context))
    good = opened(outlet(ward.port, tls=True, ca=files["ca"]))
    assert isinstance(good.send([staged(good, 1)])[0], Sent)
    for target, why in (
        (outlet(free_port()), "connection refused"),
        (outlet(ward.port, tls=True), "its certificate is not trusted"),
    ):
        told = opened(target).send([staged(target, 1)])[0]
        assert type(told) is Unavailable
        assert told.whole
        assert why in str(told)


def test_what_is_no_hl7_message_is_refused(opened: Any) -> None:
    target = opened(outlet(1))
    for data in (b"<xml/>", b"", b"PID|1\r" + adt("a")):
        assert type(target.send([parcel(1, data)])[0]) is Refused


@pytest.mark.parametrize("step", ["send.before-bytes", "send.after-bytes", "answer.read"])
def test_killed_while_sending_the_same_bytes_go_again(opened: Any, step: str) -> None:
    ward = opened(Receiver())
    one = staged(outlet(ward.port), 1)
    wait = start(lambda: outlet(ward.port, Killer(step)).send([one]))
    assert wait() is None
    again = opened(outlet(ward.port))
    assert isinstance(again.send([one])[0], Sent)
    assert set(ward.took) == {one.data}
    assert len(ward.took) == (1 if step == "send.before-bytes" else 2)


# Settings


@pytest.mark.parametrize(
    ("settings", "key", "words"),
    [
        ({}, "", "'listen', or says where they go, 'to'"),
        ({"listen": "2575"}, "listen", "a host and a port"),
        ({"listen": "::1:2575"}, "listen", "a host and a port"),
        ({"listen": "[::1]:2575", "patience": 0}, "patience", "from 0.1 to 600"),
        ({"to": "a:1", "patience": 1}, "patience", "there is no 'listen'"),
        ({"listen": "a:1", "timeout": 1}, "timeout", "there is no 'to'"),
        ({"to": "a:1", "tls": True, "ca": "nothing.pem"}, "ca", "no such file"),
        ({"listen": "a:1", "cert": "x"}, "cert", "no such file"),
        ({"to": "a:1", "sender": ["A|B"]}, "sender", "signs that HL7 gives a meaning"),
        ({"listen": "a:1", "peers": ["ward"]}, "peers", "addresses or networks"),
        ({"listen": "a:1", "processing": "X"}, "processing", "'P', 'T' or 'D'"),
        ({"to": "a:1", "ca": "x"}, "tls", "say 'tls = true'"),
        ({"listn": "a:1"}, "listn", "did you mean 'listen'?"),
    ],
)
def test_a_setting_that_is_wrong_is_said(settings: dict[str, Any], key: str, words: str) -> None:
    found = faults(Connection("ward", "mllp", settings))
    assert any(one.key == key and words in one.reason for one in found), found


def test_messages_over_the_network_without_tls_are_noted() -> None:
    assert notes(connection(listen="0.0.0.0:2575")) != []
    assert notes(connection(to="ward.example.org:2575")) != []
    assert notes(connection(listen="127.0.0.1:2575", to="localhost:1")) == []
    assert occupies(connection(listen="127.0.0.1:2575")) == {"listen": "address 127.0.0.1:2575"}


def test_files_of_tls_that_are_none_are_said_when_the_hub_starts(tmp_path: Path) -> None:
    for name in ("cert", "key"):
        (tmp_path / name).write_text("nothing")
    with pytest.raises(DeclarationError, match="its TLS files cannot be used"):
        open_inlet(connection(tmp_path, listen="127.0.0.1:1", cert="cert", key="key"))
