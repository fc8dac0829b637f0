"""Relay throughput: one payments-cron publishes waiting events (32 partitions, lz4) until all are acknowledged and
DONE.

There are two baselines: a loop inside the database that runs the relay's fenced move, 1,000 per batch, and publishes
nothing; and the same producer sending the same messages from memory, without a database.
"""

from support.backlog import drain
from support.bench import PARTITIONS, Bench, connect
from support.sql import WAITING, move_procedure


def measure(bench: Bench) -> None:
    events = bench.size(200_000, 40_000)

    def move_by_sql() -> float:
        with bench.database() as dsn, connect(dsn, options="-c enable_seqscan=off") as connection:
            connection.execute(move_procedure())
            connection.execute(WAITING, [1, events])
            began, = connection.execute("SELECT clock_timestamp()").fetchone()
            connection.execute(f"CALL bench_move({events}, 1000)")
            ended, = connection.execute("SELECT clock_timestamp()").fetchone()
            return events / (ended - began).total_seconds()

    def produce() -> float:
        with bench.broker(payment=PARTITIONS) as broker:
            done = bench.load("produce", brokers=broker.brokers, topic="payment", kind="payment", count=events)
            return events / done["seconds"]

    relay, sql, produced = bench.in_turn(lambda: drain(bench, events).rate, move_by_sql, produce)
    bench.report.add(
        "relay throughput against the SQL-only move", relay, "events/s", baselines=sql, target="≥ 0.5×",
        meets=lambda _, ratio: ratio >= 0.5)
    bench.report.add("relay throughput against producing alone", relay, "events/s", baselines=produced)
