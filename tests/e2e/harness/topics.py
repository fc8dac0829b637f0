"""Reading and writing topics with confluent-kafka."""

import threading
import uuid
from collections import defaultdict
from dataclasses import dataclass
from typing import Callable, Iterable

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition

from .waiting import wait_until


@dataclass(frozen=True)
class Message:
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]

    def header(self, name: str) -> str | None:
        """The value of the header of that name, which must not be there twice."""
        found = [value for key, value in self.headers if key == name]
        assert len(found) <= 1, f"header {name} is there {len(found)} times"
        return found[0].decode() if found else None


class TopicReader:
    """Reads a topic from its beginning on a thread of its own and keeps every message.

    Messages that the broker threw away before they were read are found by the gap in the offsets.
    """

    def __init__(self, brokers: str, topic: str, partitions: int):
        self.topic, self._brokers = topic, brokers
        self._lock = threading.Lock()
        self._messages: list[Message] = []
        self._next: dict[int, int] = defaultdict(int)
        self._problems: list[str] = []
        self._stopping = threading.Event()
        self._consumer = Consumer({
            "bootstrap.servers": brokers, "group.id": f"reader-{uuid.uuid4()}", "enable.auto.commit": False,
            "auto.offset.reset": "error", "fetch.wait.max.ms": 50, "reconnect.backoff.max.ms": 500,
            "check.crcs": True, "log_level": 0,
        })
        self._consumer.assign([TopicPartition(topic, n, OFFSET_BEGINNING) for n in range(partitions)])
        self._thread = threading.Thread(target=self._run, name=f"reader {topic}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopping.is_set():
            batch = self._consumer.consume(2000, timeout=0.05)
            if batch:
                with self._lock:
                    for message in batch:
                        self._take(message)
        self._consumer.close()

    def _take(self, message) -> None:
        error = message.error()
        if error is not None:
            if error.code() == KafkaError._AUTO_OFFSET_RESET:
                self._problems.append(f"{self.topic}: {error}")
            return  # anything else passes: the broker is away
        place, offset = message.partition(), message.offset()
        if offset != self._next[place]:
            self._problems.append(f"{self.topic}/{place}: expected offset {self._next[place]}, found {offset}")
        self._next[place] = offset + 1
        headers = tuple((name, value) for name, value in message.headers() or [])
        self._messages.append(Message(place, offset, message.key(), message.value(), headers))

    @property
    def messages(self) -> list[Message]:
        """What was read so far, in order within each partition."""
        with self._lock:
            assert not self._problems, self._problems[:5]
            return list(self._messages)

    @property
    def count(self) -> int:
        with self._lock:
            assert not self._problems, self._problems[:5]
            return len(self._messages)

    def wait_for(self, count: int, timeout: float = 20.0) -> list[Message]:
        """Waits until at least that many are there."""
        wait_until(lambda: self.count >= count or None, f"{count} messages on {self.topic}", timeout)
        return self.messages

    def catch_up(self, timeout: float = 20.0) -> list[Message]:
        """Waits until everything that is on the topic now has been read."""
        consumer = Consumer({
            "bootstrap.servers": self._brokers, "group.id": f"marks-{uuid.uuid4()}", "log_level": 0,
        })
        try:
            ends = {}
            for place in list(consumer.list_topics(self.topic, timeout=10).topics[self.topic].partitions):
                low, high = consumer.get_watermark_offsets(TopicPartition(self.topic, place), timeout=10)
                ends[place] = high
        finally:
            consumer.close()

        def reached():
            with self._lock:
                return all(self._next[place] >= end for place, end in ends.items())

        wait_until(reached, f"{self.topic} is read to its end {ends}", timeout)
        return self.messages

    def _brokers_of(self) -> str:
        return self._brokers

    def close(self) -> None:
        self._stopping.set()
        self._thread.join(20)


def produce(
    brokers: str, topic: str, records: Iterable[tuple[bytes | None, bytes | None]],
    headers: list[tuple[str, bytes]] | None = None, partition: int | None = None, timestamp: int | None = None,
    on_progress: Callable[[], None] | None = None,
) -> None:
    """Writes records (key, value) and waits until all are acknowledged."""
    failures = []

    def delivered(error, _message):
        if error is not None:
            failures.append(error)

    producer = Producer({
        "bootstrap.servers": brokers, "enable.idempotence": True, "compression.type": "lz4", "linger.ms": 5,
        "queue.buffering.max.messages": 1_000_000, "log_level": 0,
    })
    options = {name: value for name, value in (("partition", partition), ("timestamp", timestamp)) if value is not None}
    for key, value in records:
        producer.produce(topic, key=key, value=value, headers=headers, on_delivery=delivered, **options)
        producer.poll(0)
        if on_progress:
            on_progress()
    left = producer.flush(60)
    assert left == 0 and not failures, f"{left} records not delivered, failures: {failures[:3]}"
