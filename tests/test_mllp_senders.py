"""Senders and receivers that are slow, many, half or hostile: each has its own answer, and none holds up another."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from hub.connect import open_inlet
from hub.connect.mllp import line, senders
from hub.connect.mllp import sender as serving
from hub.connect.mllp.frame import Frames, framed
from hub.errors import Unanswered
from hub.message import Sent
from tests.test_mllp import Hub, code, connection, outlet, staged
from tests.wards import Sender, adt, certificates, control, free_port


def wired(opened: Any, hub: Hub) -> socket.socket:
    wire: socket.socket = opened(socket.create_connection(("127.0.0.1", hub.port), 5))
    return wire


def test_what_is_settled_together_is_answered_together_and_kept_together_the_next_time(opened: Any) -> None:
    inlet: Any = opened(open_inlet(connection(listen=f"127.0.0.1:{free_port()}", patience=30)))
    assert list(inlet.fetch()) == []
    wires = [Frames(opened(socket.create_connection(inlet._at, 5)), 1 << 20) for _ in range(12)]
    fetched = inlet.fetch()
    for turn in range(3):
        for n, wire in enumerate(wires):
            wire.send(adt(f"{turn}-{n}"), 5)
        time.sleep(0.3)
        together = [next(fetched), *inlet.more()]
        assert [control(one.document.open().read()) for one in together] == [f"{turn}-{n}" for n in range(12)]
        inlet.settle_all(together)
        for n, wire in enumerate(wires):
            assert f"MSA|AA|{turn}-{n}\r".encode() in (wire.next(5) or b"")


def test_those_who_were_answered_together_are_waited_for_a_moment_and_one_alone_is_not(
    opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "GATHER", 0.6)
    inlet: Any = opened(open_inlet(connection(listen=f"127.0.0.1:{free_port()}", patience=30)))
    assert list(inlet.fetch()) == []
    wires = [Frames(opened(socket.create_connection(inlet._at, 5)), 1 << 20) for _ in range(4)]
    fetched = inlet.fetch()

    def send(turn: int, several: list[Frames]) -> None:
        for n, wire in enumerate(several):
            wire.send(adt(f"{turn}-{n}"), 5)
            time.sleep(0.05)

    def took(turn: int, several: list[Frames]) -> tuple[int, float]:
        """How many were given together, and after how many seconds."""
        start = time.monotonic()
        threading.Thread(target=send, args=(turn, several), daemon=True).start()
        given = [next(fetched), *inlet.more()]
        inlet.settle_all(given)
        return len(given), time.monotonic() - start

    send(1, wires)
    assert took(1, [])[0] == 4
    count, seconds = took(2, wires)
    assert (count, seconds < 0.6) == (4, True), "all are there again: nobody else is waited for"
    count, seconds = took(3, wires[:3])
    assert (count, seconds >= 0.5) == (3, True), "one says nothing more"
    time.sleep(0.7)
    assert took(4, wires[:1])[0] == 1
    count, seconds = took(5, wires[:1])
    assert (count, seconds < 0.3) == (1, True), "one alone"


def test_while_the_flow_is_away_others_are_served_and_it_comes_back_to_them(opened: Any) -> None:
    """It keeps one message for long: what comes meanwhile is read, and answered AE only after its patience."""
    inlet: Any = opened(open_inlet(connection(listen=f"127.0.0.1:{free_port()}", patience=0.5)))
    assert list(inlet.fetch()) == []
    first, second, third = (Frames(opened(socket.create_connection(inlet._at, 5)), 1 << 20) for _ in range(3))
    first.send(adt("m1"), 5)
    fetched = inlet.fetch()
    kept = next(fetched)
    second.send(adt("m2"), 5)
    assert b"MSA|AE|m2" in (second.next(5) or b"")
    assert not inlet.pending()
    third.send(adt("m3"), 5)
    time.sleep(0.3)
    assert inlet.pending()
    inlet.settle(kept)
    assert b"MSA|AA|m1" in (first.next(5) or b""), "given before its patience was over, and kept"
    inlet.settle(next(fetched))
    assert b"MSA|AA|m3" in (third.next(5) or b"")


def test_what_is_taken_and_never_kept_is_answered_in_the_end(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "KEEPING", 0.5)
    inlet: Any = opened(open_inlet(connection(listen=f"127.0.0.1:{free_port()}", patience=0.2)))
    assert list(inlet.fetch()) == []
    wire = Frames(opened(socket.create_connection(inlet._at, 5)), 1 << 20)
    wire.send(adt("m1"), 5)
    given = next(inlet.fetch())
    start = time.monotonic()
    assert b"MSA|AE|m1" in (wire.next(5) or b"")
    assert time.monotonic() - start > 0.5
    inlet.settle(given)
    with pytest.raises(TimeoutError):
        wire.next(0.3)


def test_a_sender_that_ends_its_side_at_once_has_its_answers(opened: Any) -> None:
    hub = opened(Hub())
    wire = wired(opened, hub)
    wire.sendall(framed(adt("m1")) + framed(b"nothing") + framed(adt("m2")))
    wire.shutdown(socket.SHUT_WR)
    frames = Frames(wire, 1 << 20)
    told = [frames.next(5) or b"" for _ in range(3)]
    assert [one.split(b"MSA|")[1][:5] for one in told] == [b"AA|m1", b"AR|\rE", b"AA|m2"]
    assert frames.next(5) is None


def test_a_sender_that_is_gone_before_its_answer_holds_up_nobody(opened: Any) -> None:
    hub = opened(Hub(patience=30))
    hub.full = True
    time.sleep(0.7)
    for n in range(5):
        gone = socket.create_connection(("127.0.0.1", hub.port), 5)
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # it ends with a reset
        gone.sendall(framed(adt(f"m{n}")))
        time.sleep(0.3)
        gone.close()
    hub.full = False
    assert code(opened(Sender(hub.port)).send(adt("m9"))) == "AA"
    assert sorted(control(one) for one in hub.kept.values()) == ["m0", "m1", "m2", "m3", "m4", "m9"]


def test_too_many_senders_are_turned_away_while_messages_of_those_that_left_wait(
    opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else whoever connects, sends and leaves again and again could have any number of messages held in memory."""
    monkeypatch.setattr(senders, "PEERS", 3)
    hub = opened(Hub(patience=1))
    hub.full = True
    time.sleep(0.7)
    for n in range(3):
        gone = socket.create_connection(("127.0.0.1", hub.port), 5)
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        gone.sendall(framed(adt(f"m{n}")))
        time.sleep(0.15)
        gone.close()
    assert wired(opened, hub).recv(1) == b""
    time.sleep(1.5)
    hub.full = False
    assert code(opened(Sender(hub.port)).send(adt("m9"))) == "AA"
    assert [control(one) for one in hub.kept.values()] == ["m9"], "of the others nothing was kept, nor answered"


def test_one_that_never_reads_its_answers_is_cut_and_holds_up_nobody(
    opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "HALF", 1.0)
    hub = opened(Hub())
    deaf = wired(opened, hub)
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    broken = threading.Event()

    def flood() -> None:
        try:
            while True:
                deaf.sendall(framed(b"x") * 1000)
        except OSError:
            broken.set()

    with capture_logs():
        threading.Thread(target=flood, daemon=True).start()
        sender = opened(Sender(hub.port))
        for n in range(20):
            assert code(sender.send(adt(f"m{n}"))) == "AA"
        assert broken.wait(30)
    assert [control(one) for one in hub.kept.values()] == [f"m{n}" for n in range(20)]


def test_a_message_that_does_not_go_on_ends_its_connection(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "HALF", 0.5)
    hub = opened(Hub())
    half, idle = wired(opened, hub), wired(opened, hub)
    half.sendall(framed(adt("m1"))[:-9])
    assert half.recv(1) == b""
    idle.sendall(framed(adt("m2")))
    assert b"MSA|AA|m2" in (Frames(idle, 1 << 20).next(5) or b""), "one that says nothing may stay"
    assert [control(one) for one in hub.kept.values()] == ["m2"]


def test_a_message_longer_than_is_allowed_is_refused_though_it_came_in_one_piece(opened: Any) -> None:
    hub = opened(Hub(largest=0.01))
    wire = Frames(wired(opened, hub), 1 << 20)
    wire.send(adt("m1", family="x" * 11_000), 5)
    assert b"MSA|AR|m1" in (wire.next(5) or b"")
    assert wire.next(5) is None
    assert hub.kept == {}


def test_large_messages_come_over_tls_one_after_the_other_and_while_the_flow_is_away(
    opened: Any, tmp_path: Path
) -> None:
    files = certificates(tmp_path)
    hub = opened(Hub(**files))
    context = ssl.create_default_context(cafile=files["ca"])
    context.load_cert_chain(files["cert"], files["key"])
    raw = wired(opened, hub)
    wire = Frames(opened(context.wrap_socket(raw, server_hostname="localhost")), 1 << 20)
    hub.full = True
    every = [adt(f"m{n}", family=str(n) * 700_000) for n in range(4)]
    sending = threading.Thread(target=lambda: [wire.send(one, 20) for one in every], daemon=True)
    sending.start()
    time.sleep(1)
    hub.full = False
    for n in range(4):
        assert f"MSA|AA|m{n}".encode() in (wire.next(10) or b"")
    sending.join(10)
    assert list(hub.kept.values()) == every


def test_a_resting_inlet_ends_every_connection_and_may_listen_again(opened: Any) -> None:
    inlet: Any = opened(open_inlet(connection(listen=f"127.0.0.1:{free_port()}", patience=30)))
    for n in range(3):
        assert list(inlet.fetch()) == []
        idle, half, waits = (opened(socket.create_connection(inlet._at, 5)) for _ in range(3))
        half.sendall(framed(adt("m0"))[:-9])
        waits.sendall(framed(adt(f"m{n}")))
        given = next(inlet.fetch())
        start = time.monotonic()
        inlet.rest()
        assert time.monotonic() - start < 2
        assert [idle.recv(1), half.recv(1)] == [b"", b""]
        assert f"MSA|AE|m{n}".encode() in waits.recv(1000)
        inlet.settle(given)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(inlet._at, 5)


def test_a_fetch_that_waits_ends_when_the_inlet_is_closed_by_another(opened: Any) -> None:
    inlet: Any = opened(open_inlet(connection(listen=f"127.0.0.1:{free_port()}")))
    ended = threading.Event()

    def go() -> None:
        assert list(inlet.fetch()) == []
        ended.set()

    threading.Thread(target=go, daemon=True).start()
    time.sleep(0.2)
    start = time.monotonic()
    inlet.close()
    assert ended.wait(5)
    assert time.monotonic() - start < 0.4


@pytest.mark.parametrize("secure", [False, True])
def test_a_receiver_that_does_not_read_or_drips_its_answer_is_waited_for_no_longer_than_said(
    opened: Any, tmp_path: Path, secure: bool
) -> None:
    files = certificates(tmp_path)
    server = opened(socket.create_server(("127.0.0.1", 0)))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files["cert"], files["key"])
    deaf = {"so": True}

    def serve() -> None:
        for _ in range(2):
            wire, _ = server.accept()
            wire = context.wrap_socket(wire, server_side=True) if secure else wire
            try:
                while not deaf["so"] and wire.recv(1 << 16):
                    for byte in b"\x0bMSH|^~\\&|A|B|C|D|1||ACK":
                        wire.sendall(bytes([byte]))
                        time.sleep(0.2)
                held.append(wire)
            except OSError:
                wire.close()

    held: list[socket.socket] = []
    threading.Thread(target=serve, daemon=True).start()
    settings = {"tls": True, "ca": files["ca"]} if secure else {}
    target = opened(outlet(server.getsockname()[1], timeout=1, **settings))
    for so, size in ((True, 12_000_000), (False, 10)):
        deaf["so"] = so
        start = time.monotonic()
        told = target.send([staged(target, size, adt("", family="x" * size))])[0]
        assert type(told) is Unanswered
        assert "no answer came in time" in str(told)
        assert 0.9 < time.monotonic() - start < 2
    for wire in held:
        wire.close()


def test_a_receiver_that_leaves_out_the_last_cr_is_understood(opened: Any) -> None:
    server = opened(socket.create_server(("127.0.0.1", 0)))

    def serve() -> None:
        wire, _ = server.accept()
        while got := wire.recv(1 << 16):
            own = got.split(b"|")[9]
            wire.sendall(b"\x0bMSH|^~\\&|A|B|C|D|1||ACK|1|P|2.4\rMSA|AA|" + own + b"\r\x1c")
        wire.close()

    threading.Thread(target=serve, daemon=True).start()
    target = opened(outlet(server.getsockname()[1]))
    assert [type(one) for one in target.send([staged(target, 1), staged(target, 2)])] == [Sent, Sent]
