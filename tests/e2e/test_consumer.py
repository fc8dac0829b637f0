"""From the inventory topic to payments: repeats, two consumers, Redis absent and emptied, unreadable messages."""

import json
import uuid

import pytest

from harness import oracle
from harness.servers import DevKafka, RedisServer
from harness.topics import produce
from harness.waiting import wait_until
from harness.world import World, inventory_message


def wait_for_commits(world: World) -> None:
    wait_until(lambda: world.lag() == 0, "every inventory message is committed", 30)


def passed(program, *outcomes: str) -> float:
    """How many messages a consumer has counted under these outcomes."""
    return sum(program.metric("paysaga_inventory_messages_total", outcome=outcome) for outcome in outcomes)


def test_a_repeated_message_opens_nothing(world: World):
    consumer = world.consumer()
    world.cron()
    message = inventory_message(7, amount_minor=1299, currency="EUR")
    world.push(message, message)
    world.push(*[message] * 5)
    world.push(inventory_message(7))  # another key for the same order
    wait_for_commits(world)
    assert world.sql("SELECT order_id, version, amount_minor, currency FROM payment") == [(7, 1, 1299, "EUR")]
    assert oracle.check(world) == oracle.Verdict(1, 1, 1, 0)
    assert passed(consumer, "created") == 1
    assert passed(consumer, "duplicate", "filtered") == 7


def test_a_repeated_message_on_two_consumers_at_once(world: World):
    """The same messages in every partition, so that both members open the same orders at the same time."""
    first = world.program("payments-consumer").start()
    second = world.program("payments-consumer").start()
    for member in (first, second):
        member.wait_ready()
        member.wait_for_output("took over partitions", 30)
    world.cron()
    messages = [(None, inventory_message(order)) for order in range(1, 301)]
    for place in range(world.partitions):
        produce(world.broker.brokers, world.inventory, messages, partition=place)
    wait_for_commits(world)
    assert world.count_payments() == 300
    assert oracle.check(world) == oracle.Verdict(300, 300, 300, 0)
    shares = [passed(member, "created", "duplicate", "filtered") for member in (first, second)]
    assert sum(shares) >= 300 * world.partitions and min(shares) > 0, f"one of the members did nothing: {shares}"


def test_a_repeated_message_after_flushall(make_world, own_redis: RedisServer):
    world = make_world(redis=own_redis)
    world.consumer()
    world.cron()
    messages = [inventory_message(order) for order in range(1, 51)]
    world.push(*messages)
    wait_for_commits(world)
    wait_until(lambda: own_redis.client.dbsize() >= 50, "the filter knows the keys")
    own_redis.client.flushall()
    world.push(*messages)
    wait_for_commits(world)
    assert oracle.check(world) == oracle.Verdict(50, 50, 50, 0)


def test_the_filter_learns_of_a_key_only_after_the_commit(make_world, own_redis: RedisServer):
    """While the transaction is held up no key may be in Redis: a crash now must not lose the message."""
    world = make_world(redis=own_redis)
    own_redis.client.flushall()
    consumer = world.consumer()
    with world.connection.transaction():
        world.connection.execute("LOCK TABLE payment IN EXCLUSIVE MODE")
        world.push(inventory_message(1))
        with_lock = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = %s"
        wait_until(lambda: world.databases.ask(with_lock, world.database) == 1, "the consumer waits for the lock")
        assert own_redis.client.dbsize() == 0
        consumer.kill()
    consumer.start().wait_ready()
    world.wait_for_payments(1, timeout=40)
    world.cron()
    assert oracle.check(world) == oracle.Verdict(1, 1, 1, 0)


def test_without_redis_from_the_start(make_world):
    world = make_world()
    # Nobody listens on port 1.
    world.redis_dsn = "redis://127.0.0.1:1/0"
    consumer = world.consumer()
    world.cron()
    messages = [inventory_message(order) for order in range(1, 51)]
    world.push(*messages, *messages)
    wait_for_commits(world)
    assert oracle.check(world) == oracle.Verdict(50, 50, 50, 0)
    status, report = consumer.readiness()
    assert status == 200 and report["checks"]["redis"]["ok"] is True, report


UNREADABLE = {
    "not JSON": b"hello",
    "empty": b"",
    "cut": inventory_message(90)[:-1],
    "more behind it": inventory_message(90) + b"x",
    "an array": b"[]",
    "not UTF-8": b'{"idempotent_key":"\xff","order_id":90,"status":"COMPLETED"}',
    "no key": b'{"order_id":90,"status":"COMPLETED"}',
    "no order": b'{"idempotent_key":"d978c560-fdba-4e84-b3f1-b570d8d95e4c","status":"COMPLETED"}',
    "no status": b'{"idempotent_key":"d978c560-fdba-4e84-b3f1-b570d8d95e4c","order_id":90}',
    "key no UUID": inventory_message(90, key="not-a-uuid"),
    "order 0": inventory_message(0),
    "order below 0": inventory_message(-5),
    "order beyond 64 bits": inventory_message(2**63),
    "order a fraction": inventory_message(90.5),
    "order a text": inventory_message("90"),
    "order null": inventory_message(None),
    "status a number": inventory_message(90, status=3),
    "amount below 0": inventory_message(90, amount_minor=-1, currency="EUR"),
    "amount without currency": inventory_message(90, amount_minor=1),
    "amount infinite": b'{"idempotent_key":"d978c560-fdba-4e84-b3f1-b570d8d95e4c","order_id":90,'
                       b'"status":"COMPLETED","amount_minor":1e999,"currency":"EUR"}',
    "nested deep": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "too long": b'{"a":"' + b"x" * 70_000 + b'"}',
}


def test_unreadable_messages_go_to_the_dead_letter_topic_as_they_came(world: World):
    consumer = world.consumer()
    world.cron()
    place = 1
    records = []
    for number, value in enumerate(UNREADABLE.values(), start=1):
        records += [(b"k%d" % number, value), (b"good", inventory_message(1000 + number))]
    headers = [("trace", b"\x00\xff bytes"), ("trace", b"again")]
    produce(world.broker.brokers, world.inventory, records, headers=headers, partition=place)
    produce(world.broker.brokers, world.inventory, [(None, None)], partition=place)

    wait_for_commits(world)
    assert world.count_payments() == len(UNREADABLE), "the messages behind an unreadable one are processed"
    letters = world.reader(world.dead_letters).wait_for(len(UNREADABLE) + 1)
    assert len(letters) == len(UNREADABLE) + 1
    by_origin = {letter.header("dlq_offset"): letter for letter in letters}
    for number, (what, value) in enumerate(UNREADABLE.items()):
        letter = by_origin[str(2 * number)]
        assert letter.value == value and letter.key == b"k%d" % (number + 1), what
        assert letter.headers[:2] == tuple(headers), what
        assert letter.header("dlq_topic") == world.inventory
        assert letter.header("dlq_partition") == str(place)
        assert letter.header("dlq_error"), what
    tombstone = by_origin[str(len(records))]
    assert tombstone.value is None and tombstone.key is None
    assert passed(consumer, "dead_lettered") == len(letters)
    assert oracle.check(world).payments == len(UNREADABLE)


def test_the_lag_of_each_partition(world: World):
    """What is not done counts, whether it was fetched or not; an idle partition has none."""
    consumer = world.consumer()
    produce(world.broker.brokers, world.inventory, [(None, inventory_message(order)) for order in range(1, 11)],
            partition=1)

    def lag() -> float:
        return consumer.metric("paysaga_consumer_lag_messages", topic=world.inventory, group=world.group)

    def lags() -> list[float]:
        return [consumer.metric("paysaga_inventory_partition_lag_messages", topic=world.inventory, partition=str(place))
                for place in range(world.partitions)]

    def all_is_done():
        assert world.count_payments() == 10
        assert lags() == [0, 0, 0, 0]
        assert lag() == 0
        return consumer.metric("paysaga_inventory_partitions") == world.partitions

    wait_until(all_is_done, "the partitions' lag is known, and none", 30)
    with world.connection.transaction():
        world.connection.execute("LOCK TABLE payment IN EXCLUSIVE MODE")
        produce(world.broker.brokers, world.inventory, [(None, inventory_message(order)) for order in range(11, 16)],
                partition=2)
        wait_until(lambda: lags() == [0, 0, 5, 0], "the messages that are held up count", 20)
        assert lag() == 5
    wait_until(lambda: lags() == [0, 0, 0, 0], "the messages are done", 20)


def test_another_status_is_skipped(world: World):
    consumer = world.consumer()
    world.push(*[inventory_message(order, status) for order, status in enumerate(["CREATED", "FAILED", "RESERVED"], 1)])
    world.push(inventory_message(4))
    wait_for_commits(world)
    assert world.sql("SELECT order_id FROM payment") == [(4,)]
    assert passed(consumer, "skipped") == 3
    assert world.reader(world.dead_letters).catch_up() == []


def test_the_trigger_status_can_be_chosen(world: World):
    world.consumer(CONSUMER_TRIGGER_STATUS="RESERVED")
    world.push(inventory_message(1), inventory_message(2, "RESERVED"))
    wait_for_commits(world)
    assert world.sql("SELECT order_id FROM payment") == [(2,)]


def test_unknown_fields_and_any_order_of_fields(world: World):
    world.consumer()
    key = str(uuid.uuid4())
    world.push(json.dumps({
        "more": {"status": "FAILED", "order_id": [1, {"x": None}]}, "status": "COMPLETED", "currency": "EUR",
        "order_id": 5, "amount_minor": 9_007_199_254_740_993, "idempotent_key": key.upper(), "last": 1.5e3,
    }).encode(), key=b"any")
    wait_for_commits(world)
    assert world.sql("SELECT order_id, amount_minor, currency, idempotent_key::text FROM payment") == [
        (5, 9_007_199_254_740_993, "EUR", key)]


@pytest.mark.parametrize("use_redis", [True, False])
def test_a_key_used_for_another_order(world: World, use_redis: bool):
    """Each order gets its payment, or the message is dead-lettered; nothing vanishes."""
    if not use_redis:
        world.redis_dsn = None
    world.consumer()
    key = str(uuid.uuid4())
    world.push(inventory_message(1, key=key))
    wait_for_commits(world)
    world.push(inventory_message(2, key=key))
    wait_for_commits(world)
    letters = world.reader(world.dead_letters).catch_up()
    assert world.count_payments() + len(letters) == 2


def test_a_message_from_before_the_first_consumer_is_read(world: World):
    """auto.offset.reset=latest would lose what came before a new group."""
    world.push_orders([1, 2, 3])
    world.consumer()
    world.wait_for_payments(3)


def test_a_topic_that_is_waited_for_is_named(make_world, own_kafka: DevKafka):
    world = make_world(kafka=own_kafka)
    letters = world.dead_letters
    own_kafka.control(f"topic-error {letters} TOPIC_AUTHORIZATION_FAILED")
    try:
        consumer = world.program("payments-consumer").start()

        def waits() -> bool:
            status, report = consumer.readiness()
            consuming = report["checks"].get("consuming", {"ok": True})
            return status == 503 and not consuming["ok"] and letters in consuming["detail"]

        wait_until(waits, f"/readyz says that {letters} is waited for")
    finally:
        own_kafka.control(f"topic-error {letters} 0")
    consumer.wait_ready()
    world.push(inventory_message(1))
    wait_for_commits(world)
    assert world.count_payments() == 1
