"""Latency from an inventory message to its payment event, readable on the topic, through payments-consumer and
payments-cron; and from a committed event to its message.

devkafka answers an empty fetch only after the client's fetch.wait.max.ms, even if a message arrives meanwhile. So the
measuring client sets 1 ms, and so does the consumer here (KAFKA_FETCH_WAIT_MAX_MS); a real broker does not need that.
The baseline is one hop alone, from produce to read, with the same clients at the same rate.
"""

import time

from support.bench import Bench, messages_on, percentile, wait_for
from support.writers import FETCH_WAIT_MS, CommitPace, InventoryPace, TopicNotes

PARTITIONS = 4
WARM_UP = 2
SHARES = (("p50", 0.50), ("p95", 0.95), ("p99", 0.99))
# The targets at 500 messages a second.
LIMITS = {"p50": 5, "p99": 20}


def measure(bench: Bench) -> None:
    for rate in (500, 5_000):
        seconds = bench.size(8, 5)
        through, hop, commit = bench.in_turn(
            lambda: _through(bench, rate, seconds), lambda: _hop(bench, rate, seconds),
            lambda: _commit(bench, rate, seconds))
        for name, share in SHARES:
            values = [percentile(latencies, share) for latencies in through]
            limit = LIMITS.get(name) if rate == 500 else None
            judged = {"target": f"≤ {limit} ms", "meets": lambda value, _, limit=limit: value <= limit} if limit else {}
            bench.report.add(
                f"message → payment event at {rate:,}/s, {name}", values, "ms",
                baselines=[percentile(latencies, share) for latencies in hop], **judged)
        for name, share in SHARES:
            bench.report.add(
                f"commit → topic at {rate:,} events/s, {name}", [percentile(latencies, share) for latencies in commit], "ms",
                baselines=[percentile(latencies, share) for latencies in hop])


def _latencies(brokers: str, topic: str, sent: dict[int, float], notes: TopicNotes, rate: int) -> list[float]:
    """Milliseconds, without those of the warm-up; waits for messages still on their way."""
    wait_for(lambda: messages_on(brokers, topic, PARTITIONS) >= len(sent), 120, 0.2)
    time.sleep(1)
    arrived = notes.collect()
    first = min(sent.values()) + WARM_UP
    counted = [order for order, moment in sent.items() if moment >= first]
    missing = [order for order in counted if order not in arrived]
    assert not missing, f"{len(missing)} of {len(counted)} did not arrive, the first is {missing[0]}"
    assert len(counted) > rate, f"only {len(counted)} were counted at {rate}/s"
    return [(arrived[order] - sent[order]) * 1000 for order in counted]


def _through(bench: Bench, rate: int, seconds: int) -> list[float]:
    topics = {"inventory": PARTITIONS, "inventory.dlq": 1, "payment": PARTITIONS}
    with bench.database() as dsn, bench.broker(**topics) as broker:
        settings = {"KAFKA_FETCH_WAIT_MAX_MS": str(FETCH_WAIT_MS), "REDIS_DSN": bench.redis_dsn,
                    "CONSUMER_GROUP": f"bench-{time.monotonic_ns()}"}
        with (bench.programs("payments-consumer", "payments-cron", dsn=dsn, broker=broker, **settings),
              TopicNotes(broker.brokers, "payment", PARTITIONS) as notes):
            time.sleep(3)  # joining the group
            with InventoryPace(broker.brokers, "inventory", rate) as pace:
                time.sleep(WARM_UP + seconds)
                sent = pace.collect()
            return _latencies(broker.brokers, "payment", sent, notes, rate)


def _hop(bench: Bench, rate: int, seconds: int) -> list[float]:
    with bench.broker(inventory=PARTITIONS) as broker, TopicNotes(broker.brokers, "inventory", PARTITIONS) as notes:
        with InventoryPace(broker.brokers, "inventory", rate) as pace:
            time.sleep(WARM_UP + seconds)
            sent = pace.collect()
        return _latencies(broker.brokers, "inventory", sent, notes, rate)


def _commit(bench: Bench, rate: int, seconds: int) -> list[float]:
    with bench.database() as dsn, bench.broker(payment=PARTITIONS) as broker:
        with (bench.programs("payments-cron", dsn=dsn, broker=broker),
              TopicNotes(broker.brokers, "payment", PARTITIONS) as notes,
              CommitPace(dsn, rate, batch=max(1, rate // 500)) as pace):
            time.sleep(WARM_UP + seconds)
            sent = pace.collect()
            return _latencies(broker.brokers, "payment", sent, notes, rate)
