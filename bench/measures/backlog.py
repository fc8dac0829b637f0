"""payments-consumer with a backlog of a million inventory messages at its start: its memory and its rate.

The broker is devkafka, or the one that KAFKA_BROKERS names. devkafka keeps about 5 MB a partition (as stored) and
drops older messages; the run fails when one is dropped before the group has committed past it.
"""

import threading
import time

from confluent_kafka import Consumer, TopicPartition
from support.backlog import MemoryWatch
from support.bench import PARTITIONS, Bench, Kafka, connect, wait_for
from support.plot import line_plot

from .consume import seen


def measure(bench: Bench) -> None:
    messages = bench.size(1_000_000, 100_000)
    rate, samples = _consume(bench, messages)
    memory = [mib for _, [mib] in samples]
    half = len(memory) // 2
    name = f"payments-consumer, {messages:,} messages waiting"
    bench.report.add(f"{name}, consumption", [rate], "messages/s")
    bench.report.add(
        f"{name}, resident memory", [max(memory)], "MiB", target="≤ 64 MiB", meets=lambda value, _: value <= 64)
    bench.report.add(
        f"{name}, resident memory, growth in the second half", [max(memory[half:]) - max(memory[:half])], "MiB",
        target="≤ 4 MiB", meets=lambda value, _: value <= 4)
    bench.report.plot("benchmarks-memory.svg", line_plot(
        f"Resident memory of payments-consumer over {messages:,} messages", "seconds", "MiB",
        [(second, mib) for second, [mib] in samples]))


def _consume(bench: Bench, messages: int) -> tuple[float, list[tuple[float, list[float]]]]:
    """Messages a second from the first batch on, and (seconds, [MiB]) meanwhile."""
    group = f"bench-{time.monotonic_ns()}"
    with bench.database() as dsn, bench.kafka(inventory=PARTITIONS, dead=1, payment=PARTITIONS) as kafka:
        topic = kafka.topics["inventory"]
        bench.load("produce", brokers=kafka.brokers, topic=topic, kind="inventory", count=messages)
        settings = {"REDIS_DSN": bench.redis_dsn, "CONSUMER_GROUP": group, "CONSUMER_TOPIC": topic,
                    "PRODUCER_TOPIC": kafka.topics["payment"]}
        with (Retention(kafka, topic, group) as retention,
              bench.programs("payments-consumer", dsn=dsn, broker=kafka, **settings) as [consumer]):
            began = wait_for(lambda: seen(consumer) > 0, 60)
            before = seen(consumer)
            watch = MemoryWatch([consumer])
            ended = wait_for(lambda: seen(consumer) >= messages or retention.lost, 900, 0.1)
            samples = watch.end()
            assert not retention.lost, retention.lost
        with connect(dsn) as connection:
            made = connection.execute("SELECT count(*) FROM payment").fetchone()[0]
            assert made == messages, f"{made} payments for {messages} orders"
    return (messages - before) / (ended - began), samples


class Retention(threading.Thread):
    """Watches that no partition's low watermark passes what the group has committed: messages would be lost."""

    def __init__(self, kafka: Kafka, topic: str, group: str):
        super().__init__(daemon=True)
        self.lost = ""
        self._consumer = Consumer({"bootstrap.servers": kafka.brokers, "group.id": group, "log_level": 0})
        self._places = [TopicPartition(topic, place) for place in range(PARTITIONS)]
        self._ending = threading.Event()

    def run(self) -> None:
        while not self.lost:
            # In this order: what is committed meanwhile only helps.
            lows = [self._consumer.get_watermark_offsets(place, timeout=10)[0] for place in self._places]
            for low, place in zip(lows, self._consumer.committed(self._places, timeout=10)):
                if low > max(place.offset, 0):
                    self.lost = f"partition {place.partition} begins at {low}, committed is {place.offset}"
            if self._ending.wait(0.5):
                return

    def __enter__(self) -> "Retention":
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self._ending.set()
        self.join(60)
        self._consumer.close()
