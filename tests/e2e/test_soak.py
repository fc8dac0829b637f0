"""Everything at once for a while: messages and calls, and meanwhile SIGKILLs, PostgreSQL crashes and Redis flushes.

SOAK=300 is the long run, SOAK_SEED the seed of one that failed: it chooses the faults and the load, not their timing.
"""

import os
import random
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field

import grpc
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from harness import oracle
from harness.rpc import COMPLETED, FAILED, Client
from harness.servers import PostgresServer, RedisServer
from harness.waiting import wait_until
from harness.world import World, inventory_message

SECONDS = float(os.environ.get("SOAK", "6"))
SEED = int(os.environ.get("SOAK_SEED", str(random.randrange(1 << 32))))
# Orders a second, half of them by message and half by call. devkafka keeps about 5 MB a partition: at this rate a topic
# of as many partitions holds some ten minutes.
RATE = 100
PARTITIONS = 16
CALLERS = 4
PATIENCE = 90
AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
NAMES = {COMPLETED: "COMPLETED", FAILED: "FAILED"}


@dataclass
class Ledger:
    """What the outside world was told, and what it asked for; each entry is written by one thread."""

    # order → id and version of the answer to a create
    created: dict[int, tuple[int, int]] = field(default_factory=dict)
    # order → (status, reason) of an acknowledged settling
    settled: dict[int, tuple[str, str]] = field(default_factory=dict)
    # order → what a settling asked for, acknowledged or not
    asked: dict[int, tuple[str, str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class Messages:
    """Puts orders on the inventory topic, with repeats, other statuses and rubbish between them, and notes what the
    broker has acknowledged."""

    def __init__(self, world: World, seed: int):
        self._topic, self._chance = world.inventory, random.Random(seed)
        self._lock = threading.Lock()
        # (partition, offset) → the order that this message opens
        self._places: dict[tuple[int, int], int] = {}
        self.orders: set[int] = set()
        self.rubbish: set[bytes] = set()
        self.failures: list[str] = []
        self._recent: list[tuple[int, bytes]] = []
        self._producer = Producer({
            "bootstrap.servers": world.broker.brokers, "enable.idempotence": True, "compression.type": "lz4",
            "linger.ms": 5, "log_level": 0,
        })

    def push(self, order: int) -> None:
        message = (order, inventory_message(order))
        self._recent = [*self._recent[-200:], message]
        self._send(*message)
        if self._chance.random() < 0.3:
            self._send(*self._chance.choice(self._recent))
        if self._chance.random() < 0.05:
            self._send(None, inventory_message(10**9 + order, "RESERVED"))
        if self._chance.random() < 0.05:
            self._send(None, b'{"order_id": %d' % order)
        self._producer.poll(0)

    def _send(self, order: int | None, value: bytes) -> None:
        def delivered(error, message) -> None:
            with self._lock:
                if error is not None:
                    self.failures.append(str(error))
                elif order is not None:
                    self.orders.add(order)
                    self._places[message.partition(), message.offset()] = order
                elif not value.endswith(b"}"):
                    self.rubbish.add(value)

        self._producer.produce(self._topic, key=str(order or 0), value=value, on_delivery=delivered)

    def end(self) -> None:
        left = self._producer.flush(60)
        assert left == 0 and not self.failures, f"{left} messages were not delivered, failures: {self.failures[:3]}"

    def take_before(self, offsets: dict[int, int]) -> set[int]:
        """The orders of the messages that lie before these offsets of their partitions; each is told once."""
        with self._lock:
            passed = [place for place in self._places if place[1] < offsets.get(place[0], 0)]
            return {self._places.pop(place) for place in passed}


class Caller(threading.Thread):
    """Opens and settles the orders it is given, calling again what was not acknowledged, or leaving it."""

    def __init__(self, client: Client, ledger: Ledger, seed: int):
        super().__init__(daemon=True)
        self._client, self._ledger, self._chance = client, ledger, random.Random(seed)
        self._waiting: list[tuple[int, bool]] = []
        self._lock = threading.Lock()
        self.is_ending = threading.Event()

    def give(self, order: int, creates: bool) -> None:
        with self._lock:
            self._waiting.append((order, creates))

    def run(self) -> None:
        while True:
            with self._lock:
                item = self._waiting.pop(0) if self._waiting else None
            if item is None:
                if self.is_ending.wait(0.01):
                    return
                continue
            try:
                self._play(*item)
            except grpc.RpcError as error:
                self._ledger.problems.append(f"order {item[0]}: {error.code()} {error.details()}")

    def _play(self, order: int, creates: bool) -> None:
        if creates:
            answer = self._call(self._client.create, order)
            if answer is None:
                return
            self._ledger.created[order] = (answer.id, answer.version)
        if self._chance.random() < 0.2:
            return  # stays open
        status = self._chance.choice((COMPLETED, FAILED))
        reason = f"reason {order}" if status == FAILED else ""
        self._ledger.asked[order] = (NAMES[status], reason)
        answer = self._call(self._client.settle, order, status, reason, absent=not creates)
        if answer is None:
            return
        if (answer.status, answer.reason, answer.version) != (status, reason, 2):
            self._ledger.problems.append(f"order {order}: asked for {NAMES[status]}, answered {answer}")
        self._ledger.settled[order] = (NAMES[status], reason)
        if self._chance.random() < 0.2:
            self._contradict(order, FAILED if status == COMPLETED else COMPLETED)

    def _contradict(self, order: int, status: int) -> None:
        try:
            answer = self._client.settle(order, status, timeout=5)
            self._ledger.problems.append(f"order {order}: a final status was overwritten: {answer}")
        except grpc.RpcError as error:
            if error.code() not in (grpc.StatusCode.FAILED_PRECONDITION, *AWAY):
                raise

    def _call(self, call, *arguments, absent: bool = False):
        """The answer; None when the call was given up. `absent`: its payment may not be there yet."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                return call(*arguments, timeout=self._chance.choice((0.05, 1, 5)), wait_for_ready=True)
            except grpc.RpcError as error:
                is_absent = absent and error.code() == grpc.StatusCode.NOT_FOUND
                if not is_absent and error.code() not in AWAY:
                    raise
                if not is_absent and self._chance.random() < 0.1:
                    return None  # this caller never learns what became of it
                self.is_ending.wait(0.02)
        self._ledger.problems.append(f"{call.__name__}{arguments} was not answered for {PATIENCE} s")
        return None


class Load(threading.Thread):
    """Hands out new orders at the rate, to the topic and to the callers."""

    def __init__(self, messages: Messages, callers: list[Caller]):
        super().__init__(daemon=True)
        self._messages, self._callers = messages, callers
        self.orders = 0
        self.is_ending = threading.Event()

    def run(self) -> None:
        began = time.monotonic()
        while not self.is_ending.wait(max(0.0, began + self.orders / RATE - time.monotonic())):
            self.orders += 1
            by_call = self.orders % 2 == 0
            if not by_call:
                self._messages.push(self.orders)
            self._callers[self.orders // 2 % len(self._callers)].give(self.orders, by_call)


class Soak:
    """One world under load and faults."""

    def __init__(self, world: World, postgres: PostgresServer, redis: RedisServer):
        self.world, self.postgres, self.redis = world, postgres, redis
        self.chance = random.Random(SEED)
        self.ledger = Ledger()
        settings = {"LOG_LEVEL": "info"}
        self.server = world.server(**settings)
        self.consumer = world.consumer(**settings)
        self.relay = world.cron(**settings)
        self.messages = Messages(world, SEED + 1)
        self.callers = [Caller(world.client(self.server), self.ledger, SEED + 10 + n) for n in range(CALLERS)]
        self.load = Load(self.messages, self.callers)
        self.faults: dict[str, int] = defaultdict(int)
        assert world.events.catch_up() == []  # reads from now on

    def run(self) -> None:
        for thread in (*self.callers, self.load):
            thread.start()
        end = time.monotonic() + SECONDS
        actions = [self._kill_server, self._kill_consumer, self._kill_relay, self._crash_postgres, self._flush_redis]
        # Each in turn first: a short run has them all, too.
        plan = self.chance.sample(actions, len(actions))
        while plan or time.monotonic() < end:
            time.sleep(self.chance.uniform(0.1, 1.5))
            action = plan.pop() if plan else self.chance.choice(actions)
            action()
            self.faults[action.__name__] += 1
            self.check_offsets()

    def _kill_server(self) -> None:
        self._kill(self.server)

    def _kill_consumer(self) -> None:
        self._kill(self.consumer)

    def _kill_relay(self) -> None:
        self._kill(self.relay)

    def _kill(self, program) -> None:
        program.kill()
        time.sleep(self.chance.uniform(0, 0.5))
        program.start()

    def _crash_postgres(self) -> None:
        self.postgres.crash()
        time.sleep(self.chance.uniform(0, 1))
        self.postgres.start()

    def _flush_redis(self) -> None:
        self.redis.client.flushall()

    def check_offsets(self) -> None:
        """What the group has committed lies behind it in the tables: read in this order, nothing can be between."""
        consumer = Consumer({
            "bootstrap.servers": self.world.broker.brokers, "group.id": self.world.group, "log_level": 0})
        try:
            places = [TopicPartition(self.world.inventory, n) for n in range(PARTITIONS)]
            offsets = {place.partition: place.offset for place in consumer.committed(places, timeout=10)}
        finally:
            consumer.close()
        passed = self.messages.take_before(offsets)
        if passed:
            rows = wait_until(
                lambda: [self.world.sql("SELECT order_id FROM payment WHERE order_id = ANY(%s)", list(passed))],
                "PostgreSQL answers", PATIENCE)[0]
            lost = passed - {row[0] for row in rows}
            assert not lost, f"offsets are past {len(lost)} messages without a payment, such as {sorted(lost)[:3]}"

    def end(self) -> None:
        """Lets everything that was begun come to its end."""
        self.load.is_ending.set()
        self.load.join(30)
        self.messages.end()
        for program in (self.server, self.consumer, self.relay):
            program.wait_ready(PATIENCE)
        for caller in self.callers:
            caller.is_ending.set()
        for caller in self.callers:
            caller.join(2 * PATIENCE)
            assert not caller.is_alive(), "a caller did not end"
        wait_until(lambda: self.world.lag() == 0, "every inventory message is committed", PATIENCE)

    def judge(self) -> oracle.Verdict:
        world, ledger = self.world, self.ledger
        assert not ledger.problems, f"{len(ledger.problems)} problems: {ledger.problems[:5]}"
        self.check_offsets()
        verdict = oracle.check(world, duplicates_allowed=True, timeout=PATIENCE)
        rows = world.sql("SELECT order_id, id, status::text, reason, version FROM payment")
        stored = {order: rest for order, *rest in rows}
        missing = (self.messages.orders | set(ledger.created)) - set(stored)
        assert not missing, f"{len(missing)} orders have no payment, such as {sorted(missing)[:3]}"
        surplus = {order for order in stored if not 0 < order <= self.load.orders}
        assert not surplus, f"nobody asked for {sorted(surplus)[:3]}"
        for order, (identity, version) in ledger.created.items():
            assert stored[order][0] == identity and stored[order][3] >= version, (order, identity, stored[order])
        for order, final in ledger.settled.items():
            assert tuple(stored[order][1:3]) == final, f"order {order}: acknowledged {final}, stored {stored[order]}"
        for order, (_, status, reason, _) in stored.items():
            allowed = ledger.asked.get(order)
            assert status == "CREATED" or (status, reason) == allowed, f"order {order}: {status}, asked for {allowed}"
        buried = {message.value for message in world.reader(world.dead_letters).catch_up()}
        assert buried == self.messages.rubbish, f"dead letters differ: {len(buried)} of {len(self.messages.rubbish)}"
        return verdict


@pytest.mark.timeout(SECONDS + 6 * PATIENCE)
def test_soak(make_world, own_postgres: PostgresServer, own_redis: RedisServer):
    print(f"SOAK_SEED={SEED} SOAK={SECONDS:g}")
    soak = Soak(make_world(postgres=own_postgres, redis=own_redis, partitions=PARTITIONS), own_postgres, own_redis)
    try:
        soak.run()
    finally:
        if not own_postgres.is_running:
            own_postgres.start()
    soak.end()
    verdict = soak.judge()
    print(f"{verdict}; {len(soak.ledger.created)} creates and {len(soak.ledger.settled)} settles acknowledged, "
          f"{len(soak.messages.orders)} orders by message, {len(soak.messages.rubbish)} dead letters; "
          f"faults {dict(soak.faults)}")
    assert soak.ledger.settled and soak.ledger.created and soak.messages.orders
