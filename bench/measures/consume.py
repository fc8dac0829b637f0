"""Consumption: one payments-consumer turns inventory messages (32 partitions, lz4) into committed payments and
events.

The baseline is a loop inside the database that writes the same payments and events, 1,000 per batch, with a COMMIT
per batch. Measured with Redis, without Redis, and with every message sent twice (the rate counts messages, not
payments).
"""

import time

from harness.process import Program

from support.baselines import create_by_sql
from support.bench import PARTITIONS, Bench, connect, wait_for


def measure(bench: Bench) -> None:
    messages = bench.size(200_000, 40_000)

    sql, plain, redis, twice, twice_plain = bench.in_turn(
        lambda: create_by_sql(bench, messages), lambda: consume(bench, messages, redis=False), lambda: consume(bench, messages, redis=True),
        lambda: consume(bench, messages, redis=True, repeated=True),
        lambda: consume(bench, messages, redis=False, repeated=True))
    for name, rates in (("without Redis", plain), ("with Redis", redis)):
        bench.report.add(
            f"consumption {name} against the SQL-only loop", rates, "messages/s", baselines=sql, target="≥ 0.5×",
            meets=lambda _, ratio: ratio >= 0.5)
    bench.report.add("consumption with Redis, half duplicates", twice, "messages/s", baselines=sql)
    bench.report.add("consumption without Redis, half duplicates", twice_plain, "messages/s", baselines=sql)


def consume(bench: Bench, messages: int, *, redis: bool, repeated: bool = False) -> float:
    """Messages a second, from the first batch on: joining the group does not count."""
    unique = messages // 2 if repeated else messages
    options = {"repeat": 1000} if repeated else {}
    topics = {"inventory": PARTITIONS, "inventory.dlq": 1, "payment": PARTITIONS}
    with bench.database() as dsn, bench.broker(**topics) as broker:
        bench.load("produce", brokers=broker.brokers, topic="inventory", kind="inventory", count=messages, **options)
        settings = {"REDIS_DSN": bench.redis_dsn if redis else "", "CONSUMER_GROUP": f"bench-{time.monotonic_ns()}"}
        with bench.programs("payments-consumer", dsn=dsn, broker=broker, **settings) as [consumer]:
            began = wait_for(lambda: seen(consumer) > 0, 60)
            before = seen(consumer)
            ended = wait_for(lambda: seen(consumer) >= messages, 300)
        with connect(dsn) as connection:
            counts = connection.execute(
                "SELECT (SELECT count(*) FROM payment), (SELECT count(*) FROM event_wait)").fetchone()
            assert counts == (unique, unique), f"{counts} payments and events for {unique} orders"
    return (messages - before) / (ended - began)


def seen(consumer: Program) -> float:
    """The number of messages that are done."""
    return sum(consumer.metric("paysaga_inventory_messages_total", outcome=outcome)
               for outcome in ("created", "duplicate", "filtered"))
