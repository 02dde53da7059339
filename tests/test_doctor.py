"""The doctor: nothing is wrong with a new hub, and each thing that may be wrong is planted once and found."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pika  # type: ignore[import-untyped]
import pytest

from hub.config import load
from hub.doctor import FAIL, OK, WARN, Result, examine
from hub.doctor.broker import dead, reachable, version
from hub.doctor.database import clock
from hub.doctor.places import folders
from hub.message import Message
from hub.queue import Facts, QueueFacts, RabbitQueue
from hub.seal import new_key, new_ring
from tests.council import Council
from tests.nodes import Postgres, Rabbit, free_port, until


@pytest.fixture
def council(tmp_path: Path) -> Council:
    return Council(tmp_path)


def found(council: Council) -> dict[str, Result]:
    """What the doctor says, the worst of each check."""
    order = (OK, WARN, FAIL)
    worst: dict[str, Result] = {}
    for one in examine(load(council.toml)):
        if one.check not in worst or order.index(one.state) > order.index(worst[one.check].state):
            worst[one.check] = one
    return worst


def planted(council: Council, check: str, state: str = FAIL) -> Result:
    """The check that must say so, and what to do."""
    one = found(council)[check]
    assert one.state == state, one
    assert one.todo
    return one


@contextlib.contextmanager
def table(council: Council) -> Iterator[sqlite3.Connection]:
    """The store's file, written past the store."""
    with contextlib.closing(sqlite3.connect(council.folder / "hub.db")) as connection, connection:
        yield connection


def test_nothing_is_wrong_with_a_new_hub(council: Council) -> None:
    council.keep()
    told = found(council)
    wrong = {one.check: one.said for one in told.values() if one.state != OK and one.check not in ("user", "link ours")}
    assert wrong == {}
    assert {"keys", "disk", "store", "clock", "key ring", "sealed sample", "workers", "links"} < set(told)
    assert "opens" in told["sealed sample"].said


def test_it_prints_a_line_a_check_and_what_to_do(council: Council) -> None:
    said = council.call("doctor")
    assert (said.code, said.err) == (0, "")
    assert max(map(len, said.out.splitlines())) <= 110
    council.folder.joinpath("in/index").rmdir()
    said = council.call("doctor")
    assert said.code == 1
    assert "is not there" in " ".join(said.out.split()), "a long path may break the line anywhere"
    assert "→ make it" in " ".join(said.out.split())
    told = json.loads(council.call("doctor", "--json").out)
    assert [one["check"] for one in told if one["state"] == "fail"] == ["link index"]


def test_a_hub_toml_with_mistakes_ends_with_2(council: Council) -> None:
    council.change('adapter = "contactpoint"', 'adapter = "nothing"')
    said = council.call("doctor")
    assert (said.code, said.out) == (2, "")
    assert "line" in said.err


def test_notes_of_hub_toml_are_warnings(council: Council) -> None:
    council.keys.unlink()
    council.change('keys = "keys.toml"', "encrypt = false")
    assert "encrypt" in planted(council, "hub.toml", WARN).said
    planted(council, "keys", WARN)


def test_a_target_that_is_sent_the_record_itself_is_named(council: Council) -> None:
    assert "whatever was consented to" in planted(council, "link ours", WARN).said
    council.change('to = ["ours", "fussy"]', 'to = ["fussy"]')
    assert found(council).get("link ours", Result("", OK, "")).state == OK


# Keys


def test_a_key_file_that_others_may_read(council: Council) -> None:
    council.keys.chmod(0o640)
    assert "chmod 600" in planted(council, "keys", WARN).todo
    council.keys.chmod(0o644)
    assert council.call("doctor").code == 2


def test_a_key_that_the_store_needs_and_the_ring_lacks(council: Council) -> None:
    council.keep()
    text = council.keys.read_text("utf-8").splitlines()
    council.keys.write_text(f'{text[0]}\ncurrent = "other"\n[keys]\nother = "{new_key()}"\n', "utf-8")
    assert "first" in planted(council, "key ring").said
    planted(council, "sealed sample")


def test_another_key_of_the_same_name(council: Council) -> None:
    council.keep()
    text = council.keys.read_text("utf-8").splitlines()
    council.keys.write_text(f'{text[0]}\ncurrent = "first"\n[keys]\nfirst = "{new_key()}"\n', "utf-8")
    planted(council, "sealed sample")


def test_the_keys_of_another_hub(council: Council) -> None:
    council.keep()
    council.keys.write_text(new_ring("first"), "utf-8")
    assert "naming key" in planted(council, "store").said


# The store


def test_no_store(council: Council) -> None:
    council.folder.joinpath("hub.db").unlink()
    assert "db upgrade" in planted(council, "store").said


def test_a_store_of_another_version(council: Council) -> None:
    with table(council) as store:
        store.execute("UPDATE alembic_version SET version_num = '0000'")
    assert "db upgrade" in planted(council, "store").said


def test_a_damaged_store(council: Council) -> None:
    for suffix in ("-wal", "-shm"):
        council.folder.joinpath(f"hub.db{suffix}").unlink(missing_ok=True)
    council.folder.joinpath("hub.db").write_bytes(b"nothing of a database" * 1000)
    planted(council, "store")


def test_a_disk_that_is_nearly_full(council: Council) -> None:
    council.change('disk = "1 MB"', 'disk = "900 TB"')
    assert "purge" in planted(council, "disk").todo


def test_clocks_that_are_apart() -> None:
    now = time.time()
    states = {apart: clock(now + apart, now).state for apart in (0.5, -1.9, 2.1, -9.0, 10.1, -600.0)}
    assert states == {0.5: OK, -1.9: OK, 2.1: WARN, -9.0: WARN, 10.1: FAIL, -600.0: FAIL}


def test_a_worker_whose_lease_is_over(council: Council) -> None:
    with council.open() as store:
        store.enlist("elsewhere", 77)
    with table(council) as store:
        store.execute("UPDATE worker SET until = 1")
    assert "elsewhere:77" in planted(council, "workers", WARN).said


def test_a_link_that_hub_toml_lacks(council: Council) -> None:
    council.keep(targets=("former",))
    assert "former" in planted(council, "links").said


def test_mapping_files_that_differ_from_those_in_force(council: Council) -> None:
    with council.open() as store:
        gone = store.enlist("there", 1)
        assert store.agree("f" * 32, gone)
        store.dismiss(gone)
        assert found(council)["mapping files"].state == OK, "nobody goes by them: the next run puts these in force"
        assert store.agree("f" * 32, store.enlist("here", 1))
    planted(council, "mapping files")


def test_mapping_files_that_do_not_load(council: Council) -> None:
    overlay = council.folder / "northshire" / "contactpoint"
    overlay.mkdir(parents=True)
    (overlay / "x.toml").write_text('extends = "contactpoint/nothing"\n', "utf-8")
    council.change('bad = "park"', 'bad = "park"\noverlays = ["northshire"]')
    assert "mapping check" in planted(council, "mapping files").todo


def test_a_postgresql_that_is_not_there_or_refuses_us(tmp_path: Path, postgres: Postgres) -> None:
    council = Council(tmp_path, store=postgres.database())
    assert found(council)["store"].state == OK
    assert found(council)["clock"].state == OK
    before = council.toml.read_text("utf-8")
    council.change(f"postgres@127.0.0.1:{postgres.port}", f"postgres:hushhush@127.0.0.1:{free_port()}")
    assert "nothing listens" in planted(council, "store").said
    assert "hushhush" not in council.call("doctor").out
    council.toml.write_text(before.replace("postgres@", "nobody@"), "utf-8")
    assert "does not let this user in" in planted(council, "store").said
    council.toml.write_text(before, "utf-8")
    assert "one" in planted(council, "queue", WARN).said, "PostgreSQL and no broker: one process"


# Folders


def test_a_folder_of_a_link_that_is_not_there(council: Council) -> None:
    council.folder.joinpath("out/ours").rmdir()
    assert "is not there" in planted(council, "link ours").said


@pytest.mark.skipif(os.geteuid() == 0, reason="for root every folder can be written")
def test_a_folder_that_may_not_be_written(council: Council) -> None:
    council.folder.joinpath("out/ours").chmod(0o500)
    assert "right" in planted(council, "link ours").todo


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is told that it is root")
def test_root_is_told_that_rights_cannot_be_seen(council: Council) -> None:
    planted(council, "user", WARN)


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs a second file system")
def test_a_folder_of_ours_on_another_file_system(council: Council) -> None:
    aside = Path("/dev/shm") / f"hub-{os.getpid()}"
    aside.mkdir()
    try:
        assert aside.stat().st_dev != council.folder.stat().st_dev
        (council.folder / "out" / "ours" / ".hub").symlink_to(aside)
        assert "another file system" in planted(council, "link ours").said
    finally:
        aside.rmdir()


def test_a_folder_on_a_network_file_system(council: Council) -> None:
    mounts = council.folder / "mounts"
    mounts.write_text(f"1 1 0:1 / / rw - ext4 /dev/x rw\n2 1 0:2 / {council.folder}/out rw - nfs4 server:/x rw\n")
    links = load(council.toml).links
    (told,) = folders(links["ours"], ("out",), mounts)
    assert (told.state, "at least once" in told.said) == (WARN, True)
    (told,) = folders(links["index"], ("in",), mounts)
    assert told.state == OK


def test_a_connection_of_a_councils_own_that_is_not_ready(council: Council) -> None:
    (council.folder / "mood").write_text("away")
    assert "does not answer" in planted(council, "link fussy").said


# The broker


@pytest.fixture
def at_broker(tmp_path: Path, rabbit: Rabbit) -> Council:
    """A council whose hub uses a virtual host of its own."""
    return Council(tmp_path, queue=rabbit.vhost())


def url(council: Council) -> str:
    return load(council.toml).queue


@contextlib.contextmanager
def channel(council: Council) -> Iterator[Any]:
    """Somebody else at the broker."""
    connection = pika.BlockingConnection(pika.URLParameters(url(council)))
    try:
        yield connection.channel()
    finally:
        connection.close()


def publish(council: Council, number: int) -> None:
    """A message of ours lies on the queue of `ours`."""
    queue = RabbitQueue(url(council), ["ours", "fussy"])
    try:
        message = Message(number, b"i" * 16, "ours", "index", "Child", b"", b"\0x")
        until(lambda: queue.publish([message]) == 1, 20, queue.state)
        assert queue.flush(20)
    finally:
        queue.close()


def test_nothing_is_wrong_with_a_new_broker(at_broker: Council) -> None:
    assert "not there yet" in found(at_broker)["queues"].said
    number = max(at_broker.keep())
    publish(at_broker, number)
    told = found(at_broker)
    broken = {name: one for name, one in told.items() if one.state != OK}
    assert set(broken) <= {"user", "hub.toml", "link ours"}, broken
    assert told["queue of ours"].state == OK
    assert "3 durable quorum queues" in told["queues"].said


def test_a_broker_that_is_not_there_or_refuses_us(tmp_path: Path, rabbit: Rabbit) -> None:
    council = Council(tmp_path, queue=f"amqp://guest:hushhush@127.0.0.1:{rabbit.port}/%2F")
    assert "password" in planted(council, "broker").said
    council.change(str(rabbit.port), str(free_port()))
    assert "nothing listens" in planted(council, "broker").said
    assert "hushhush" not in council.call("doctor").out
    assert found(council)["store"].state == OK, "the rest is looked at all the same"


def test_a_queue_with_other_arguments(at_broker: Council) -> None:
    with channel(at_broker) as other:
        other.queue_declare("hub.ours", durable=True)
    assert "hub.ours" in planted(at_broker, "queues").said


def test_a_broker_that_takes_nothing(at_broker: Council, rabbit: Rabbit) -> None:
    rabbit.ctl("set_vm_memory_high_watermark", "0.00001")
    try:
        planted(at_broker, "broker alarm")
    finally:
        rabbit.ctl("set_vm_memory_high_watermark", "0.4")


def test_a_renamed_target_leaves_no_queue(at_broker: Council) -> None:
    publish(at_broker, max(at_broker.keep()))
    for old, new in (("[links.ours]", "[links.records]"), ('"ours", "fussy"', '"records", "fussy"')):
        at_broker.change(old, new)
    queue = RabbitQueue(url(at_broker), ["ours"])
    consumer = queue.consume("ours", 1)
    until(lambda: consumer.take(1, 1.0), 20, queue.state)
    said = at_broker.call("link", "rename", "ours", "records")
    assert (said.code, "consumed still" in said.err) == (0, True)
    queue.close()
    told = planted(at_broker, "former queues", WARN)
    assert "hub.ours" in told.said
    assert "1 sealed" in told.said
    with channel(at_broker) as other:
        other.queue_delete("hub.ours")
    assert found(at_broker)["former queues"].state == OK
    publish(at_broker, 1)
    at_broker.change("[links.records]", "[links.ours]")
    at_broker.change('"records", "fussy"', '"ours", "fussy"')
    assert at_broker.call("link", "rename", "records", "ours").code == 0
    at_broker.change("[links.ours]", "[links.others]")
    at_broker.change('"ours", "fussy"', '"others", "fussy"')
    assert "hub.ours is removed" in at_broker.call("link", "rename", "ours", "others").err
    assert found(at_broker)["former queues"].state == OK


def test_dead_letters(at_broker: Council) -> None:
    with channel(at_broker) as other:
        other.queue_declare("hub.dead", durable=True, arguments={"x-queue-type": "quorum"})
        other.confirm_delivery()
        other.basic_publish("", "hub.dead", b"no message of ours")
    assert "hub.dead" in planted(at_broker, "dead letters", WARN).said


def test_a_queue_that_outlived_a_restored_store(at_broker: Council) -> None:
    number = max(at_broker.keep())
    publish(at_broker, number + 1)
    one = planted(at_broker, "queue of ours")
    assert "restored" in one.said
    assert "purge" in one.todo


@pytest.mark.parametrize(("number", "state"), [("3.9.29", WARN), ("3.10.8", OK), ("3.13.7", OK), ("4.1.0", WARN)])
def test_versions_with_traps(number: str, state: str) -> None:
    assert version(Facts(product="RabbitMQ", version=number)).state == state


def test_what_is_no_rabbitmq() -> None:
    assert version(Facts(product="Other", version="9.9")).state == WARN


def test_facts_are_judged_without_a_broker() -> None:
    assert reachable(Facts(problem="nothing listens there")).state == FAIL
    assert dead(Facts(queues={"dead": QueueFacts("hub.dead", True, ready=2)})).state == WARN
