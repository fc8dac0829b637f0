"""`paysaga audit` finds each kind of damage, and the repairs leave nothing for it to find."""

import os
import subprocess
import uuid

import pytest

from harness.audit import Answer, audit, found, paysaga
from harness.process import BINARIES, Program
from harness.rpc import COMPLETED, FAILED
from harness.topics import produce
from harness.waiting import holds_for, wait_until
from harness.world import World, shard_of


def assert_clean(world: World, *options: str) -> dict:
    answer = audit(world, *options)
    assert answer.status == 0, answer
    report = answer.only
    assert report["outcome"] == "agree" and report["offenders"] == []
    return report


def assert_found(answer: Answer, **expected: int) -> list[dict]:
    """Exactly these disagreements; their offenders."""
    assert answer.status == 1, answer
    report = answer.only
    assert found(report) == expected, report
    assert {offender["kind"] for offender in report["offenders"]} == set(expected)
    return report["offenders"]


def settled(world: World, orders, server: Program | None = None) -> Program:
    """Orders created, settled and published."""
    server = server or world.server()
    client = world.client(server)
    for order in orders:
        client.create(order)
        client.settle(order, COMPLETED)
    world.wait_until_published()
    return server


def event_of(world: World, order: int, seq: int) -> tuple[str, bytes]:
    return world.sql("SELECT event_id::text, payload FROM event WHERE key = %s AND seq = %s", str(order), seq)[0]


def put(world: World, order: int, seq: int, event_id: str, payload: bytes) -> None:
    """A message as the relay publishes it."""
    produce(
        world.broker.brokers, world.topic, [(str(order).encode(), payload)],
        headers=[("ce_id", event_id.encode()), ("seq", str(seq).encode())])


def test_a_clean_run_agrees(world: World):
    settled(world, range(1, 21))
    report = assert_clean(world)
    assert (report["done"], report["messages"], report["payments"]) == (40, 40, 20)
    assert (report["pending"], report["dead"]) == (0, 0)
    assert_clean(world, "--since", "1h")
    empty = assert_clean(world, "--since", "2100-01-01T00:00:00Z")
    assert (empty["messages"], empty["not_judged"]) == (0, 40)
    plain = subprocess.run(
        [BINARIES / "paysaga", "audit"], env=world.environment(), capture_output=True, text=True, timeout=60)
    assert plain.returncode == 0 and plain.stdout.startswith("agree: done=40 "), plain


def test_it_raises_no_alarm_beside_working_programs(world: World):
    server = world.server()
    world.consumer()
    for round in range(8):
        world.push_orders(range(1 + round * 500, 501 + round * 500))
        answer = audit(world)
        assert answer.status == 0, answer
    world.wait_for_payments(4000)
    world.wait_until_published(4000)
    assert assert_clean(world)["done"] == 4000
    assert server.is_running


def test_what_waits_is_pending(world: World):
    settled(world, [1]).stop()
    world.sql("INSERT INTO payment (order_id) VALUES (2)")
    world.sql(
        "INSERT INTO event (event_id, shard, key, seq, topic, payload) VALUES (gen_random_uuid(), %s, '2', 1, %s, %s)",
        shard_of("2"), world.topic, b'{"status":"CREATED"}')
    assert assert_clean(world)["pending"] == 1


def test_a_done_event_that_was_never_published_is_missing(world: World):
    settled(world, [1, 2])
    world.sql("INSERT INTO payment (order_id) VALUES (3)")
    lost = str(uuid.uuid4())
    world.sql(
        "INSERT INTO event (event_id, shard, key, seq, topic, payload, status, reserved_to, done_at)"
        " VALUES (%s, %s, '3', 1, %s, %s, 'DONE', now(), now())", lost, shard_of("3"), world.topic,
        b'{"status":"CREATED"}')
    offender, = assert_found(audit(world), missing=1)
    assert (offender["event_id"], offender["key"], offender["seq"]) == (lost, "3", 1)
    # From before the time asked for, nothing can be said about it.
    world.sql("UPDATE event SET created_at = now() - interval '2 hours' WHERE key = '3'")
    assert assert_clean(world, "--since", "1h")["not_judged"] == 1


def test_a_foreign_message_is_unknown(world: World):
    settled(world, [1])
    put(world, 1, 3, str(uuid.uuid4()), b"{}")
    produce(world.broker.brokers, world.topic, [(b"1", b"{}")])
    offenders = assert_found(audit(world), unknown=2)
    assert all(offender["key"] == "1" and offender["offset"] is not None for offender in offenders)
    assert all(offender["written_at"] for offender in offenders)


def test_a_copy_is_a_duplicate(world: World):
    settled(world, [1])
    put(world, 1, 1, *event_of(world, 1, 1))
    offender, = assert_found(audit(world), duplicate=1)
    assert (offender["key"], offender["seq"]) == ("1", 1)
    assert assert_clean_but_copies(world) == 1


def assert_clean_but_copies(world: World) -> int:
    answer = audit(world, "--allow-duplicates")
    assert answer.status == 0, answer
    return answer.only["duplicate"]


def test_a_copy_that_differs_is_told(world: World):
    settled(world, [1])
    event_id, payload = event_of(world, 1, 1)
    put(world, 1, 1, event_id, payload.replace(b"CREATED", b"CREATEX"))
    put(world, 1, 2, event_id, payload)
    assert_found(audit(world, "--allow-duplicates"), differs=2, duplicate=2)


def test_a_broken_order_is_found(world: World):
    world.sql("INSERT INTO payment (order_id, version, status) VALUES (1, 2, 'COMPLETED')")
    events = [(str(uuid.uuid4()), b'{"status":"CREATED"}'), (str(uuid.uuid4()), b'{"status":"COMPLETED"}')]
    # The table has its days only once a relay ran.
    settled(world, [9])
    for seq, (event_id, payload) in enumerate(events, 1):
        world.sql(
            "INSERT INTO event (event_id, shard, key, seq, topic, payload, status, reserved_to, done_at)"
            " VALUES (%s, %s, '1', %s, %s, %s, 'DONE', now(), now())", event_id, shard_of("1"), seq, world.topic,
            payload)
    put(world, 1, 2, *events[1])
    put(world, 1, 1, *events[0])
    offender, = assert_found(audit(world), order=1)
    assert (offender["key"], offender["seq"]) == ("1", 1)


def test_a_waiting_event_that_was_overtaken_is_found(world: World):
    settled(world, [1]).stop()
    # Number 1 waits although number 2 is on the topic; its own message is there, so that alone is no damage.
    world.sql("DELETE FROM event WHERE key = '1' AND seq = 1 AND status = 'DONE'")
    world.sql(
        "INSERT INTO event (event_id, shard, key, seq, topic, payload) VALUES (gen_random_uuid(), %s, '1', 1, %s, %s)",
        shard_of("1"), world.topic, b'{"status":"CREATED"}')
    assert_found(audit(world), order=1, unknown=1)


def test_payments_that_disagree_with_their_events_are_found(world: World):
    settled(world, [1, 2, 3])
    world.sql("UPDATE payment SET status = 'FAILED' WHERE order_id = 1")
    world.sql("UPDATE payment SET version = 3 WHERE order_id = 2")
    world.sql("INSERT INTO payment (order_id) VALUES (4)")
    world.sql("DELETE FROM payment WHERE order_id = 3")
    offenders = assert_found(audit(world), state=2, no_event=1, no_payment=1)
    assert sorted((offender["kind"], offender["key"]) for offender in offenders) == [
        ("no_event", "4"), ("no_payment", "3"), ("state", "1"), ("state", "2")]


def test_a_deleted_event_is_found(world: World):
    settled(world, [1, 2])
    world.sql("DELETE FROM event WHERE key = '1' AND seq = 2")
    assert_found(audit(world), unknown=1, state=1)


def test_a_gap_in_the_numbers_is_found(world: World):
    settled(world, [1])
    world.sql("UPDATE event SET seq = 3 WHERE key = '1' AND seq = 2")
    world.sql("UPDATE payment SET version = 3 WHERE order_id = 1")
    assert_found(audit(world), gap=1, differs=1)


def test_messages_of_dropped_days_are_out_of_retention(world: World):
    settled(world, [1])
    # As if the message were older than every day that is kept.
    table = world.value("SELECT min(inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'event_done'::regclass")
    world.sql(f"DROP TABLE {table}")
    world.sql("DELETE FROM event")
    world.sql("UPDATE payment SET updated_at = now() - interval '3 days'")
    report = assert_clean(world)
    assert (report["done"], report["messages"], report["out_of_retention"]) == (0, 2, 2)


def test_a_partition_without_its_beginning_is_unverifiable(world: World):
    server = settled(world, range(1, 41))
    client = world.client(server)
    kept = next(order for order in range(1, 41) if world_partition(world, order) == 0)
    event_id, payload = event_of(world, kept, 1)
    # Equal copies.
    padding = [("padding", os.urandom(90_000)), ("ce_id", event_id.encode()), ("seq", b"1")]
    world.broker.cut_beginning(world.topic, 0, lambda: produce(
        world.broker.brokers, world.topic, [(str(kept).encode(), payload)] * 80, headers=padding, partition=0))
    answer = audit(world, "--allow-duplicates")
    assert answer.status == 2, answer
    report = answer.only
    assert report["outcome"] == "unverifiable" and [entry["partition"] for entry in report["unverifiable"]] == [0]
    assert report["missing"] == 0 and "partition 0" in answer.error
    # What is there can still be found wrong.
    client.create(100)
    world.wait_until_published()
    world.sql("UPDATE payment SET status = 'FAILED' WHERE order_id = 100")
    assert audit(world, "--allow-duplicates").status == 1


def world_partition(world: World, order: int) -> int:
    return next(message.partition for message in world.events.catch_up() if message.key == str(order).encode())


def test_no_topic_and_no_broker_are_told(world: World):
    absent = audit(world, "--topic", "nowhere")
    assert absent.status == 1 and "there is no topic nowhere" in absent.error
    away = paysaga(world, "audit", KAFKA_BROKERS="127.0.0.1:1")
    assert away.status == 1 and "no Kafka broker answers" in away.error
    assert audit(world, "--since", "yesterday").status == 2


# Repairs


@pytest.fixture
def refusing(make_world, own_kafka) -> World:
    """A world whose broker can be told to refuse."""
    return make_world(kafka=own_kafka)


def kill_next_event(world: World, order: int, client) -> int:
    """Creates the order while the broker refuses; the id of its dead event."""
    world.broker.control("error Produce 2 MSG_SIZE_TOO_LARGE")
    client.create(order)
    find = "SELECT id FROM event WHERE status = 'DEAD' AND key = %s"
    try:
        return wait_until(lambda: world.sql(find, str(order)), "the event is dead", 20)[0][0]
    finally:
        world.broker.control("clear Produce")


def seqs(world: World, order: int) -> list[int]:
    """The numbers of an order in the order of the topic."""
    return [int(message.header("seq")) for message in world.events.catch_up() if message.key == str(order).encode()]


def test_a_dead_event_is_put_back_and_its_order_holds(refusing: World):
    world = refusing
    client = world.client(world.server())
    dead = kill_next_event(world, 7, client)
    client.settle(7, COMPLETED)
    client.create(8)
    wait_until(lambda: seqs(world, 8) == [1], "other orders go on", 20)
    holds_for(lambda: seqs(world, 7) == [], "the order went on behind its dead event", 1)
    report = assert_clean(world)
    assert (report["dead"], report["pending"]) == (1, 1)
    before = event_of(world, 7, 1)[0]
    dry = paysaga(world, "outbox", "requeue", str(dead), "--dry-run")
    assert dry.status == 0 and dry.only["status"] == "DEAD" and world.count_events("DEAD") == 1
    answer = paysaga(world, "outbox", "requeue", str(dead))
    assert answer.status == 0 and answer.only["id"] == dead and answer.only["status"] == "WAIT", answer
    # At once, not at the sweep half a minute later.
    wait_until(lambda: seqs(world, 7) == [1, 2], "the order is published", 10)
    world.wait_until_published()
    assert event_of(world, 7, 1)[0] == before
    assert world.value("SELECT id FROM event WHERE key = '7' AND seq = 1") == dead
    assert_clean(world)
    again = paysaga(world, "outbox", "requeue", str(dead))
    assert again.status == 1 and f"not dead: {dead}" in again.error


def test_all_dead_events_are_put_back(refusing: World):
    world = refusing
    client = world.client(world.server())
    for order in (1, 2, 3):
        kill_next_event(world, order, client)
    answer = paysaga(world, "outbox", "requeue", "--all")
    assert answer.status == 0 and [line["key"] for line in answer.lines] == ["1", "2", "3"]
    world.wait_until_published(3)
    assert_clean(world)
    assert paysaga(world, "outbox", "requeue").status == 2
    assert paysaga(world, "outbox", "requeue", "1", "--all").status == 2
    assert paysaga(world, "outbox", "requeue", "one").status == 2


def test_an_order_may_go_on_behind_its_dead_event(refusing: World):
    world = refusing
    client = world.client(world.server(EVENT_ON_DEAD="continue"))
    dead = kill_next_event(world, 7, client)
    client.settle(7, FAILED)
    wait_until(lambda: seqs(world, 7) == [2], "the order goes on", 20)
    world.wait_until_published(1)
    assert assert_clean(world)["dead"] == 1
    # Brought back it comes late, and the audit says so: the price of this setting.
    paysaga(world, "outbox", "requeue", str(dead))
    wait_until(lambda: seqs(world, 7) == [2, 1], "it is published", 10)
    world.wait_until_published()
    assert_found(audit(world), order=1)


def test_an_order_is_replayed(world: World):
    client = world.client(settled(world, range(1, 11)))
    before = world.sql("SELECT id, event_id::text, seq FROM event WHERE key = '5' ORDER BY seq")
    dry = paysaga(world, "outbox", "replay", "--order", "5", "--dry-run")
    assert dry.status == 0 and [line["seq"] for line in dry.lines] == [1, 2] and world.count_events("DONE") == 20
    answer = paysaga(world, "outbox", "replay", "--order", "5")
    assert answer.status == 0 and [line["seq"] for line in answer.lines] == [1, 2], answer
    wait_until(lambda: seqs(world, 5) == [1, 2, 1, 2], "it is published again, in order", 10)
    world.wait_until_published(20)
    assert world.sql("SELECT id, event_id::text, seq FROM event WHERE key = '5' ORDER BY seq") == before
    # The copies were asked for.
    assert assert_clean(world)["replayed"] == 2
    asked = paysaga(world, "operations", "list", "--key", "5", "--action", "replay").lines
    assert len(asked) == 2 and all("@" in entry["actor"] and entry["topic"] == world.topic for entry in asked), asked
    assert paysaga(world, "outbox", "replay", "--order", "99").status == 1
    assert client.get(5).version == 2


def test_a_topic_is_paused_and_resumed(world: World):
    server = settled(world, [1])
    client = world.client(server)
    assert paysaga(world, "outbox", "pause", world.topic).only == {"paused": world.topic, "changed": True}
    assert paysaga(world, "outbox", "pause", world.topic).only["changed"] is False
    for order in range(2, 12):
        client.create(order)
        client.settle(order, COMPLETED)
    holds_for(lambda: world.count_events("WAIT") == 20, "a paused topic was published", 2)
    status = paysaga(world, "outbox", "status").only
    assert [entry["paused"] for entry in status["paused"]] == [world.topic] and status["waiting"] == 20
    assert status["reasons"] == [{"reason": "topic_paused", "events": 20}], status
    waiting = paysaga(world, "outbox", "list", "--limit", "3").lines
    assert [event["blocked"] for event in waiting] == ["topic_paused"] * 3 and waiting[0]["detail"] == world.topic
    doctor = paysaga(world, "doctor", f"127.0.0.1:{server.admin_port}")
    assert doctor.status == 1 and any(line.get("checked", "").startswith("payments-server at") for line in doctor.lines)
    assert any(world.topic in line.get("problem", "") and "resume" in line["do"] for line in doctor.lines), doctor
    assert assert_clean(world)["pending"] == 20
    assert paysaga(world, "outbox", "resume", world.topic).only == {"resumed": world.topic, "changed": True}
    wait_until(lambda: world.count_events("DONE") == 22, "everything is published at once", 10)
    assert assert_clean(world)["messages"] == 22
    assert paysaga(world, "outbox", "resume", world.topic).only["changed"] is False
    assert paysaga(world, "outbox", "pause", "no/topic").status == 2


def test_repairs_beside_two_relays_under_load_lose_nothing(world: World):
    world.cron()
    client = world.client(settled(world, range(1, 31)))
    for order in range(31, 331):
        client.create(order)
        if order % 20 == 0:
            paysaga(world, "outbox", "replay", "--order", str(order - 30))
        if order % 50 == 0:
            paysaga(world, "outbox", "pause", world.topic)
        if order % 50 == 5:
            paysaga(world, "outbox", "resume", world.topic)
    paysaga(world, "outbox", "resume", world.topic)
    world.wait_until_published(360)
    answer = audit(world, "--allow-duplicates")
    assert answer.status == 0 and answer.only["replayed"] > 0, answer
