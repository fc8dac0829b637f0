"""The consumer's filter while Redis is slow, silent, full, read-only or failing over: it costs speed only."""

import uuid
from contextlib import contextmanager
from pathlib import Path

from harness import oracle
from harness.flow import Flow
from harness.forwarder import Forwarder
from harness.process import Program, free_port
from harness.rpc import CREATED, payments
from harness.servers import RedisServer
from harness.waiting import wait_until
from harness.world import World, inventory_message

# How long Redis may be left alone after a fault: a breaker rests for 4 s after two tries.
PATIENCE = 15


class Filter:
    """What the consumer says of its filter."""

    def __init__(self, consumer: Program):
        self._consumer = consumer

    def works(self) -> None:
        """Waits until repeats are dropped by their keys."""
        before = self._dropped()
        wait_until(lambda: self._dropped() > before, "the filter drops repeats", PATIENCE)

    def fails(self) -> None:
        """Waits until the consumer has noticed a fault; it is ready all the same."""
        before = self._consumer.metric("paysaga_redis_failures_total")
        wait_until(
            lambda: self._consumer.metric("paysaga_redis_failures_total") > before, "the filter meets the fault", PATIENCE)
        assert self._consumer.readiness()[0] == 200

    def _dropped(self) -> float:
        return self._consumer.metric("paysaga_inventory_messages_total", outcome="filtered")


@contextmanager
def late(redis: RedisServer):
    """Answers come later than usual, and not so late that they are given up: nothing fails."""
    for _ in range(4):
        redis.client.execute_command("CLIENT", "PAUSE", "300", "ALL")
        assert redis.client.ping()
    yield False


@contextmanager
def silent(redis: RedisServer):
    with redis.frozen():
        yield True


@contextmanager
def full(redis: RedisServer):
    redis.client.config_set("maxmemory-policy", "noeviction")
    redis.client.config_set("maxmemory", "1mb")
    try:
        yield True
    finally:
        redis.client.config_set("maxmemory", "0")


@contextmanager
def read_only(redis: RedisServer):
    """The replica of an absent master: it refuses writes."""
    redis.client.replicaof("127.0.0.1", free_port())
    try:
        yield True
    finally:
        redis.client.replicaof("NO", "ONE")


@contextmanager
def neither_read_nor_written(redis: RedisServer):
    """Such a replica that may not answer from what it has."""
    redis.client.config_set("replica-serve-stale-data", "no")
    try:
        with read_only(redis) as fails:
            yield fails
    finally:
        redis.client.config_set("replica-serve-stale-data", "yes")


@contextmanager
def replaced(redis: RedisServer):
    """It dies, and one that knows nothing takes its place."""
    redis.kill()
    try:
        yield True
    finally:
        redis.start()


def test_faults_of_redis_cost_speed_only(make_world, own_redis: RedisServer):
    world: World = make_world(redis=own_redis)
    repeats = Filter(world.consumer())
    world.cron()
    flow = Flow(world)
    try:
        repeats.works()
        for fault in (late, silent, full, read_only, neither_read_nor_written, replaced):
            with fault(own_redis) as fails:
                if fails:
                    repeats.fails()
                flow.passes()
            repeats.works()
            flow.passes()
    finally:
        flow.end()
    wait_until(lambda: world.lag() == 0, "every inventory message is committed", PATIENCE)
    assert oracle.check(world) == oracle.Verdict(flow.orders, flow.orders, flow.orders, 0)
    assert world.reader(world.dead_letters).catch_up() == []


def test_forged_keys_make_no_message_vanish(make_world, own_redis: RedisServer):
    """Whoever can write to Redis can say that a message was done, or that its key was another's."""
    world: World = make_world(redis=own_redis)
    consumer = world.consumer()
    forged = ["{order}/0/", "{order}/0", "", "\0", "99/0/", "{order}/5/EUR", "x" * 5_000, "9223372036854775808/0/"]
    keys = {order: str(uuid.uuid4()) for order in range(1, 1 + len(forged) + 2)}
    for order, text in enumerate(forged, 1):
        own_redis.client.set(f"payments:{{{world.group}}}:idem:{keys[order]}", text.format(order=order))
    listed, hashed = len(forged) + 1, len(forged) + 2
    own_redis.client.rpush(f"payments:{{{world.group}}}:idem:{keys[listed]}", "1")
    own_redis.client.hset(f"payments:{{{world.group}}}:idem:{keys[hashed]}", "1", "1")
    world.push(*[inventory_message(order, key=key) for order, key in keys.items()])
    world.wait_for_payments(len(keys))
    assert consumer.metric("paysaga_inventory_messages_total", outcome="filtered") == 0
    assert world.reader(world.dead_letters).catch_up() == []
    # The same once more is a repetition, which the database confirms.
    world.push(*[inventory_message(order, key=key) for order, key in keys.items()])
    wait_until(lambda: world.lag() == 0, "the repetitions are done", PATIENCE)
    assert world.count_payments() == len(keys)
    wait_until(lambda: consumer.metric("paysaga_inventory_messages_total", outcome="filtered") >= len(forged), "they were dropped")
    assert world.reader(world.dead_letters).catch_up() == []


def test_a_forged_answer_opens_no_payment(make_world, own_redis: RedisServer):
    world: World = make_world(redis=own_redis)
    server = world.server()
    client = world.client(server)
    wait_until(lambda: server.readiness()[1]["checks"]["redis"]["detail"] == "", "redis is asked")
    for order, text in enumerate([b"%d/0/", b"%d/0/\0\x08\x01\x10\x07\x18\x02"], 1):
        own_redis.client.set(f"payments:{{{world.group}}}:call:CreatePayment:key-{order}", text % order)
        call, answer = client.payments.CreatePayment.with_call(
            payments.CreatePaymentRequest(order_id=order), metadata=(("idempotency-key", f"key-{order}"),), timeout=10)
        assert (call.order_id, call.status) == (order, CREATED)
        assert all(name != "idempotency-replayed" for name, _ in answer.trailing_metadata())
        assert world.payment_status(order) == "CREATED"
    assert server.metric("paysaga_idempotency_replays_total", **{"from": "redis"}) == 0


def test_a_master_that_became_a_replica_is_left(make_world, own_redis: RedisServer, directory: Path):
    """As after a failover behind a name: the connection stays up, to a server that takes no more writes."""
    world: World = make_world(redis=own_redis)
    successor = RedisServer(directory)
    name = Forwarder("127.0.0.1", own_redis.port)
    world.redis_dsn = f"redis://127.0.0.1:{name.port}/0"
    repeats = Filter(world.consumer(CONSUMER_PARALLELISM="1"))
    flow = Flow(world)
    try:
        repeats.works()
        successor.start()
        name.turn_to("127.0.0.1", successor.port)
        own_redis.client.replicaof("127.0.0.1", successor.port)
        repeats.fails()
        wait_until(lambda: successor.client.dbsize() > 0, "the new master learns of keys", PATIENCE)
        repeats.works()
        flow.passes()
    finally:
        flow.end()
        own_redis.client.replicaof("NO", "ONE")
        name.close()
        successor.kill()
