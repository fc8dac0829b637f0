"""SIGKILL in the middle of work, two relays, late commits: nothing lost, nothing doubled, order kept."""

import json
import threading
import time
import uuid

import grpc
import psycopg
import pytest

from harness import oracle
from harness.audit import Faults
from harness.process import Program
from harness.rpc import FAILED, Client
from harness.topics import Message
from harness.waiting import holds_for, wait_until
from harness.world import World, shard_of

LEASE = 2.0
# How long after a fault copies may come.
AFTERMATH = 2 * LEASE + 2
OK = grpc.StatusCode.OK


def first_appearances(messages: list[Message]) -> set[str]:
    return {message.header("ce_id") for message in messages}


# SIGKILL of each program


def test_the_consumer_is_killed_in_the_middle(world: World):
    consumer = world.program("payments-consumer", CONSUMER_BATCH="20").start()
    world.cron()
    world.push_orders(range(1, 1001))
    for limit in (100, 400, 700):
        wait_until(lambda: world.count_payments() >= limit, f"{limit} payments", 60, interval=0.002)
        consumer.kill()
        consumer.start()
    world.wait_for_payments(1000, timeout=90)
    wait_until(lambda: world.lag() == 0, "every inventory message is committed", 90)
    assert oracle.check(world) == oracle.Verdict(1000, 1000, 1000, 0)


def test_the_server_is_killed_under_calls(world: World):
    """What was acknowledged is there; what was not may be called again."""
    server = world.server()
    client = world.client(server)
    orders = list(range(1, 301))
    outcome = Settling(client, orders)
    for limit in (40, 120, 200):
        wait_until(lambda: len(outcome.acknowledged) >= limit, f"{limit} acknowledged calls", 60, interval=0.002)
        server.kill()
        stored = {row[0] for row in world.sql("SELECT order_id FROM payment WHERE version = 2")}
        assert outcome.acknowledged <= stored, "an acknowledged call is lost"
        server.start()
    outcome.join()
    verdict = oracle.check(world, duplicates_allowed=True, timeout=60)
    assert (verdict.payments, verdict.events) == (300, 600)


class Settling:
    """Creates and settles orders one after another on some threads, calling again what was not acknowledged."""

    def __init__(self, client: Client, orders: list[int], threads: int = 4):
        self.client = client
        self.acknowledged: set[int] = set()
        self.problems: list[str] = []
        self._threads = [
            threading.Thread(target=self._run, args=(orders[number::threads],), daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def _run(self, orders: list[int]) -> None:
        for order in orders:
            for call in (self.client.create, self.client.settle):
                if not self._insist(call, order):
                    return
            self.acknowledged.add(order)

    def _insist(self, call, order: int) -> bool:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                call(order, timeout=5, wait_for_ready=True)
                return True
            except grpc.RpcError as error:
                if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                    self.problems.append(f"order {order}: {error.code()} {error.details()}")
                    return False
        self.problems.append(f"order {order} was not acknowledged for 60 s")
        return False

    def join(self, timeout: float = 120) -> None:
        for thread in self._threads:
            thread.join(timeout)
            assert not thread.is_alive(), "the callers did not end"
        assert not self.problems, self.problems[:3]


def test_the_relay_is_killed_in_the_middle(world: World):
    """Events are published while the relay is killed again and again; copies are allowed, gaps are not."""
    server = world.server(CRON_ENABLED="false")
    client = world.client(server)
    outcome = Settling(client, list(range(1, 601)))
    cron = world.program("payments-cron", CRON_EVENTS_LIMIT="50").start()
    faults = Faults(AFTERMATH)
    for _ in range(3):
        before = world.events.count
        wait_until(lambda: world.events.count > before + 20, "the relay publishes", 60, interval=0.002)
        with faults.during():
            cron.kill()
        cron.start()
    outcome.join()
    verdict = oracle.check(world, faults=faults, timeout=60)
    assert (verdict.payments, verdict.events) == (600, 1200)
    # No more than what one relay had in flight at each death.
    assert verdict.duplicates <= 3 * 50


# Two relays


@pytest.fixture
def two_relays(world: World) -> tuple[World, Client, list[Program]]:
    """A server without cron jobs and two relays that share the shards evenly."""
    client = world.client(world.server(CRON_ENABLED="false"))
    relays = [world.cron(CRON_RESERVE=f"{LEASE:g}s") for _ in range(2)]
    wait_until(lambda: sorted(shares(world).values()) == [32, 32], "each relay holds half of the shards", 20)
    return world, client, relays


def shares(world: World) -> dict[str, int]:
    return dict(world.sql(
        "SELECT owner, count(*) FROM event_shard WHERE owner IS NOT NULL AND reserved_to > clock_timestamp() GROUP BY 1"))


def test_two_relays_share_the_work(two_relays):
    world, client, relays = two_relays
    Settling(client, list(range(1, 201))).join()
    assert oracle.check(world) == oracle.Verdict(200, 400, 400, 0)
    done = [relay.metric("paysaga_outbox_published_total") for relay in relays]
    assert sum(done) >= 400 and min(done) > 0, f"one relay did nothing: {done}"


def test_a_killed_relay_is_replaced_within_a_lease(two_relays):
    world, client, relays = two_relays
    outcome = Settling(client, list(range(1, 401)))
    wait_until(lambda: world.events.count > 100, "events are published", 60)
    faults = Faults(AFTERMATH)
    with faults.during():
        relays[0].kill()
    killed = time.monotonic()
    wait_until(lambda: list(shares(world).values()) == [64], "the other relay holds every shard", LEASE + 3)
    took = time.monotonic() - killed
    assert took <= LEASE + 0.7, f"the takeover took {took:.2f} s with a lease of {LEASE:g} s"
    outcome.join()
    verdict = oracle.check(world, faults=faults)
    assert (verdict.payments, verdict.events) == (400, 800)


def test_a_stopped_relay_is_replaced_at_once(make_world):
    """With leases far longer than the takeover may take."""
    world: World = make_world()
    client = world.client(world.server(CRON_ENABLED="false"))
    relays = [world.cron(CRON_RESERVE="60s") for _ in range(2)]
    wait_until(lambda: sorted(shares(world).values()) == [32, 32], "each relay holds half of the shards", 30)
    outcome = Settling(client, list(range(1, 201)))
    wait_until(lambda: world.events.count > 50, "events are published", 60)
    assert relays[0].stop() == 0
    stopped = time.monotonic()
    wait_until(lambda: list(shares(world).values()) == [64], "the other relay holds every shard", 20)
    took = time.monotonic() - stopped
    assert took < 2.0, f"the takeover took {took:.2f} s after a clean stop"
    outcome.join()
    assert oracle.check(world) == oracle.Verdict(200, 400, 400, 0)


def test_a_frozen_relay_publishes_nothing_after_its_lease(two_relays):
    """Stopped like a virtual machine that sleeps: it wakes after others took over, and must notice."""
    world, client, relays = two_relays
    outcome = Settling(client, list(range(1, 401)))
    wait_until(lambda: world.events.count > 100, "events are published", 60)
    faults = Faults(AFTERMATH)
    with faults.during(), relays[0].frozen():
        wait_until(lambda: list(shares(world).values()) == [64], "the other relay holds every shard", LEASE + 5)
        outcome.join()
        world.wait_until_published()
    wait_until(lambda: sorted(shares(world).values()) == [32, 32], "the shards are shared again", 20)
    Settling(client, list(range(401, 501))).join()
    verdict = oracle.check(world, faults=faults)
    assert (verdict.payments, verdict.events) == (500, 1000)


# Late commits


def insert_by_hand(connection: psycopg.Connection, world: World, order: int) -> str:
    """A payment and its event, as another writer of the outbox would insert them; returns the event's identity."""
    identity = str(uuid.uuid4())
    [payment_id] = connection.execute(
        "INSERT INTO payment (order_id) VALUES (%s) RETURNING id", (order,)).fetchone()
    payload = json.dumps({
        "idempotent_key": identity, "order_id": order, "status": "CREATED", "payment_id": payment_id, "version": 1,
        "reason": "", "occurred_at": "2026-01-01T00:00:00Z"}).encode()
    insert_event(connection, world, order, 1, payload, identity)
    return identity


def insert_event(
    connection: psycopg.Connection, world: World, order: int, seq: int, payload: bytes, identity: str | None = None,
    **headers: str,
) -> None:
    connection.execute(
        "INSERT INTO event (event_id, shard, key, seq, topic, payload, headers) VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (identity or str(uuid.uuid4()), shard_of(str(order)), str(order), seq, world.topic, payload,
         ["ce_type", "paysaga.payment.created", "ce_source", oracle.SOURCE, *(text for pair in headers.items() for text in pair)]))


def test_a_late_commit_of_a_lower_id_is_not_skipped(world: World):
    server = world.server()
    client = world.client(server)
    client.create(1)  # the relay is at work and its floor has moved
    world.wait_until_published(1)
    late = 1_000_000
    with psycopg.connect(world.dsn) as slow:
        identity = insert_by_hand(slow, world, late)
        [slow_id] = slow.execute("SELECT id FROM event WHERE event_id = %s", (identity,)).fetchone()
        # Orders of the same shard too: they pass the open one within its shard.
        neighbours = [order for order in range(2, 20_000) if shard_of(str(order)) == shard_of(str(late))][:50]
        others = [order for order in range(2, 200) if order not in neighbours]
        Settling(client, neighbours + others).join()
        published = 1 + 2 * len(neighbours + others)
        wait_until(lambda: world.count_events("DONE") == published, "later events are published", 30)
        assert world.value("SELECT min(id) FROM event WHERE id > %s AND status = 'DONE'", slow_id)
        assert identity not in first_appearances(world.events.messages)
        slow.commit()
    committed = time.monotonic()
    wait_until(lambda: identity in first_appearances(world.events.messages), "the late event is on the topic", 10)
    assert time.monotonic() - committed < 5
    verdict = oracle.check(world)
    assert verdict.events == published + 1


def test_many_late_commits_among_many_writers(world: World):
    """Writers that hold their transactions open for a random while, beside the server's own traffic."""
    import random

    client = world.client(world.server())
    chance = random.Random(20)
    problems: list[BaseException] = []

    def write(orders: list[int], pauses: list[float]) -> None:
        try:
            with psycopg.connect(world.dsn) as connection:
                for order, pause in zip(orders, pauses):
                    insert_by_hand(connection, world, order)
                    threading.Event().wait(pause)  # the open transaction is what is tested here
                    connection.commit()
        except BaseException as error:  # noqa: BLE001 - told by the test's own thread
            problems.append(error)

    writers = []
    for number in range(8):
        orders = list(range(100_000 + number, 100_000 + 8 * 15, 8))
        pauses = [chance.choice([0, 0.005, 0.05, 0.4]) for _ in orders]
        writers.append(threading.Thread(target=write, args=(orders, pauses)))
    for writer in writers:
        writer.start()
    Settling(client, list(range(1, 301))).join()
    for writer in writers:
        writer.join(60)
    assert not problems, problems
    assert oracle.check(world) == oracle.Verdict(420, 720, 720, 0)


# A head that cannot be published


def test_a_key_whose_head_is_refused_waits_and_others_go_on(make_world):
    """An event larger than the broker takes is DEAD and visible; its key waits behind it, other keys pass."""
    world: World = make_world()
    server = world.server()
    client = world.client(server)
    client.create(1)
    world.wait_until_published(1)
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    with psycopg.connect(world.dsn) as connection:
        connection.execute("INSERT INTO payment (order_id) VALUES (2)")
        insert_event(connection, world, 2, 1, b" " * 2_000_000, traceparent=f"00-{trace}-00f067aa0ba902b7-01")
    for order in range(3, 31):
        client.create(order)
    wait_until(lambda: world.count_events("DEAD") == 1, "the event is DEAD", 20)
    server.wait_for_output(rf"relay: an event is dead .* key=2 order_id=2 trace_id={trace} shard=\d+ error=")
    assert client.settle(2, FAILED).version == 2
    for order in range(3, 31):
        client.settle(order)
    wait_until(lambda: world.count_events("DONE") == 57, "the other keys are published", 20)
    holds_for(lambda: world.count_events("WAIT") == 1, "the key behind its DEAD head waits", 1)
    [(key, attempts, error)] = world.sql("SELECT key, attempts, last_error FROM event WHERE status = 'DEAD'")
    assert key == "2" and attempts == 1 and error
    assert all(message.key != b"2" for message in world.events.catch_up())


def test_followers_of_refused_heads_never_overtake_them(make_world):
    """Keys that come with a head the broker refuses and a follower it would take, while the relay reads all the time."""
    world: World = make_world()
    client = world.client(world.server(KAFKA_MESSAGE_MAX_BYTES="2000", CRON_FREQUENCY="10ms"))
    outcome = Settling(client, list(range(1, 201)))
    bad = range(1000, 1300)
    with psycopg.connect(world.dsn) as connection:
        for order in bad:
            # Written first, as every writer of events must: a transaction that draws an event's id before it has an id
            # of its own may be passed by the relays' floor.
            connection.execute("INSERT INTO payment (order_id) VALUES (%s)", (order,))
            insert_event(connection, world, order, 1, b" " * 5_000)
            insert_event(connection, world, order, 2, b"{}")
            connection.commit()
    outcome.join()
    wait_until(lambda: world.count_events("DEAD") == len(bad), "every refused head is DEAD", 30)
    wait_until(lambda: world.count_events("DONE") == 400, "the other keys are published", 30)
    assert world.count_events("WAIT") == len(bad), "a follower left WAIT although its head is DEAD"
    overtaken = [message.key for message in world.events.catch_up() if int(message.key) in bad]
    assert not overtaken, f"{len(overtaken)} followers were published before their heads"


def test_steady_work_publishes_nothing_twice(world: World):
    """Reads and completions overlap all the time here; no crash, no lost lease, so no copies."""
    client = world.client(world.server(CRON_FREQUENCY="10ms"))
    Settling(client, list(range(1, 2001)), threads=16).join()
    assert oracle.check(world) == oracle.Verdict(2000, 4000, 4000, 0)
