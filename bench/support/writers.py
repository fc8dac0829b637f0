"""Processes that write at a rate, and those that note when something can be read."""

import multiprocessing
import threading
import time
from typing import Any

from confluent_kafka import OFFSET_END, Consumer, Producer, TopicPartition

from .bench import connect
from .sql import WAITING

# Processes, not threads: what one does must not hold up the clock of the other.
_PROCESSES = multiprocessing.get_context("spawn")
# devkafka answers an empty fetch only when this is over: as short as it may be without keeping the core busy.
FETCH_WAIT_MS = 1


class _Worker:
    """A process that runs until told to stop; `collect` gives what it has noted."""

    def __init__(self, work: Any, *arguments: Any):
        self._ready, self._ending = _PROCESSES.Event(), _PROCESSES.Event()
        self._receiver, sender = _PROCESSES.Pipe(duplex=False)
        self._process = _PROCESSES.Process(
            target=work, args=(*arguments, self._ready, self._ending, sender), daemon=True)
        self._process.start()
        sender.close()
        assert self._ready.wait(30), "the process did not begin"

    def collect(self) -> dict[int, float]:
        """Moments on the monotonic clock by order."""
        self._ending.set()
        noted = self._receiver.recv()
        self._process.join(30)
        return noted

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self._ending.set()
        self._process.join(0.1)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


class TopicNotes(_Worker):
    """When each key first came on a topic."""

    def __init__(self, brokers: str, topic: str, partitions: int):
        super().__init__(_note, brokers, topic, partitions)


class InventoryPace(_Worker):
    """Puts inventory messages on a topic at a rate, and notes when."""

    def __init__(self, brokers: str, topic: str, rate: int):
        super().__init__(_produce, brokers, topic, rate)


class CommitPace(_Worker):
    """Commits events at a rate, tells relays as the programs do, and notes when each commit had returned."""

    def __init__(self, dsn: str, rate: int, batch: int):
        super().__init__(_commit, dsn, rate, batch)


class EventWriter:
    """Commits events at a rate in this process; `committed` tells how many so far."""

    def __init__(self, dsn: str, rate: int, batch: int):
        self.committed = 0
        self._dsn, self._rate, self._batch = dsn, rate, batch
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        for _, last in commits(self._dsn, self._rate, self._batch, self._ending):
            self.committed = last

    def __enter__(self) -> "EventWriter":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._ending.set()
        self._thread.join(30)


def commits(dsn: str, rate: int, batch: int, ending):
    """Commits `batch` events at a time, `rate` a second; gives the first and last order of each commit."""
    signal, over = threading.Event(), threading.Event()

    def notify() -> None:
        with connect(dsn) as connection:
            while signal.wait():
                signal.clear()
                connection.execute("NOTIFY paysaga_outbox")
                if over.is_set():
                    return
                # The debounce of Notifier.
                time.sleep(0.001)

    notifier = threading.Thread(target=notify, daemon=True)
    notifier.start()
    with connect(dsn) as connection:
        began, last = time.monotonic(), 0
        while not ending.is_set():
            due = began + last / rate
            pause = due - time.monotonic()
            if pause > 0:
                time.sleep(pause)
            connection.execute(WAITING, [last + 1, last + batch], prepare=True)
            signal.set()
            yield last + 1, last + batch
            last += batch
    # The last commits are told of, too.
    over.set()
    signal.set()
    notifier.join(5)


def _note(brokers: str, topic: str, partitions: int, ready, ending, sender) -> None:
    consumer = Consumer({
        "bootstrap.servers": brokers, "group.id": f"bench-{time.monotonic_ns()}", "enable.auto.commit": False,
        "fetch.wait.max.ms": FETCH_WAIT_MS, "check.crcs": False, "log_level": 0,
    })
    consumer.assign([TopicPartition(topic, place, OFFSET_END) for place in range(partitions)])
    noted: dict[int, float] = {}
    settled = time.monotonic() + 1
    while not ending.is_set():
        message = consumer.poll(0.1)
        if message is not None and message.error() is None:
            noted.setdefault(int(message.key()), time.monotonic())
        if time.monotonic() >= settled:
            ready.set()
    sender.send(noted)
    consumer.close()


def _produce(brokers: str, topic: str, rate: int, ready, ending, sender) -> None:
    producer = Producer({
        "bootstrap.servers": brokers, "linger.ms": 0 if rate < 1_000 else 1, "compression.type": "lz4", "partitioner": "murmur2_random",
        "log_level": 0,
    })
    producer.list_topics(topic, timeout=10)
    ready.set()
    noted: dict[int, float] = {}
    began, order = time.monotonic(), 0
    while not ending.is_set():
        pause = began + order / rate - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        order += 1
        value = f'{{"idempotent_key":"00000000-0000-4000-8000-{order:012x}","order_id":{order},"status":"COMPLETED"}}'
        noted[order] = time.monotonic()
        producer.produce(topic, key=str(order), value=value)
        producer.poll(0)
    producer.flush(10)
    sender.send(noted)


def _commit(dsn: str, rate: int, batch: int, ready, ending, sender) -> None:
    ready.set()
    noted: dict[int, float] = {}
    for first, last in commits(dsn, rate, batch, ending):
        now = time.monotonic()
        for order in range(first, last + 1):
            noted[order] = now
    sender.send(noted)
