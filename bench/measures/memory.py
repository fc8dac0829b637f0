"""Resident memory of each program with a backlog of a million: events for those that relay, messages for the consumer.

The value is the most there ever was; the last row is what the second half of the work added to the first half's most.
"""

import time

from support.backlog import MemoryWatch, drain
from support.bench import PARTITIONS, Bench, wait_for

from .consume import seen


def measure(bench: Bench) -> None:
    backlog = bench.size(1_000_000, 100_000)
    for program in ("payments-cron", "payments-server"):
        samples = [memory for _, [memory] in drain(bench, backlog, (program,)).memory]
        _report(bench, f"{program}, {backlog:,} events waiting", samples)
    _report(bench, f"payments-consumer, {backlog:,} messages waiting", _consumer(bench, backlog))


def _report(bench: Bench, name: str, samples: list[float]) -> None:
    half = len(samples) // 2
    bench.report.add(
        f"resident memory of {name}", [max(samples)], "MiB", target="≤ 64 MiB", meets=lambda value, _: value <= 64)
    bench.report.add(
        f"resident memory of {name}, growth in the second half", [max(samples[half:]) - max(samples[:half])], "MiB",
        target="≤ 4 MiB", meets=lambda value, _: value <= 4)


def _consumer(bench: Bench, messages: int) -> list[float]:
    topics = {"inventory": PARTITIONS, "inventory.dlq": 1, "payment": PARTITIONS}
    with bench.database() as dsn, bench.broker(**topics) as broker:
        bench.load("produce", brokers=broker.brokers, topic="inventory", kind="inventory", count=messages)
        settings = {"REDIS_DSN": bench.redis_dsn, "CONSUMER_GROUP": f"bench-{time.monotonic_ns()}"}
        with bench.programs("payments-consumer", dsn=dsn, broker=broker, **settings) as [consumer]:
            wait_for(lambda: seen(consumer) > 0, 60, 0.1)
            watch = MemoryWatch([consumer])
            wait_for(lambda: seen(consumer) >= messages, 600, 0.2)
            return [memory for _, [memory] in watch.end()]
