"""What the benchmarks share: databases, brokers and programs of their own, and taking turns with a baseline."""

import contextlib
import json
import os
import subprocess
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator

import psycopg
from confluent_kafka import Consumer, TopicPartition
from harness.process import BINARIES, Program, clean_environment, stop_all
from confluent_kafka.admin import AdminClient
from harness.servers import Broker, Databases, DevKafka

from .report import Report
from .sql import DAYS

PARTITIONS = 32


@dataclass(frozen=True)
class Kafka:
    """A broker with topics of this run."""

    brokers: str
    # What a benchmark calls it → its name there.
    topics: dict[str, str]


class Bench:
    """One run of the benchmarks."""

    def __init__(self, directory: Path, quick: bool, report: Report):
        self.directory, self.quick, self.report = directory / "programs", quick, report
        self.directory.mkdir(parents=True, exist_ok=True)
        self.databases = Databases(os.environ["TEST_DB_DSN"])
        self.redis_dsn = os.environ["TEST_REDIS_DSN"]
        self._logs = 0

    def size(self, full: int, quick: int) -> int:
        """The amount of work."""
        return quick if self.quick else full

    @property
    def runs(self) -> int:
        """The number of runs of each side."""
        return 1 if self.quick else 3

    def in_turn(self, *sides: Callable[[], Any]) -> list[list[Any]]:
        """Each side's results; they take turns, so that a machine that gets slower hits all alike."""
        results: list[list[Any]] = [[] for _ in sides]
        for _ in range(self.runs):
            for collected, side in zip(results, sides):
                collected.append(side())
        return results

    def clear(self) -> None:
        """Removes the databases of the benchmark that has ended, the template too."""
        self.databases.drop_all()
        self.databases = Databases(os.environ["TEST_DB_DSN"])

    # Servers and programs

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """A migrated database with the DONE partitions of these days; gives its DSN."""
        dsn = self.databases.create()
        try:
            with connect(dsn) as connection:
                connection.execute(DAYS)
                connection.execute("CHECKPOINT")
            yield dsn
        finally:
            self.databases.drop(dsn)

    @contextlib.contextmanager
    def broker(self, **partitions: int) -> Iterator[DevKafka]:
        """A devkafka of its own with these topics."""
        broker = DevKafka(self._directory())
        broker.start()
        try:
            for topic, count in partitions.items():
                broker.create_topic(topic, count)
            yield broker
        finally:
            broker.kill()

    @contextlib.contextmanager
    def kafka(self, **partitions: int) -> Iterator[Kafka]:
        """Topics on the broker of KAFKA_BROKERS, which are deleted at the end, or on a devkafka of its own."""
        prefix = f"bench-{uuid.uuid4().hex[:8]}"
        topics = {name: f"{prefix}-{name}" for name in partitions}
        if "dead" in topics:
            topics["dead"] = f"{topics['inventory']}.dlq"
        named = {topics[name]: count for name, count in partitions.items()}
        brokers = os.environ.get("KAFKA_BROKERS")
        if not brokers:
            with self.broker(**named) as broker:
                yield Kafka(broker.brokers, topics)
            return
        broker = Broker(brokers, None)
        try:
            for topic, count in named.items():
                broker.create_topic(topic, count)
            yield Kafka(brokers, topics)
        finally:
            deletions = AdminClient({"bootstrap.servers": brokers}).delete_topics(list(named), operation_timeout=30)
            for deletion in deletions.values():
                deletion.result(60)

    @contextlib.contextmanager
    def programs(self, *names: str, dsn: str, broker: DevKafka | Kafka, prefix: list[str] | None = None,
                 **settings: str) -> Iterator[list[Program]]:
        """Programs, ready; stopped at the end."""
        started: list[Program] = []
        environment = clean_environment() | {
            "DB_DSN": dsn, "KAFKA_BROKERS": broker.brokers, "ADMIN_ADDR": "127.0.0.1:0", "LOG_LEVEL": "info",
        } | settings
        # Settings that a program does not know would stop it.
        try:
            for name in names:
                own = dict(environment)
                if name == "payments-server":
                    own.setdefault("SERVER_GRPC_ADDR", "127.0.0.1:0")
                program = Program(name, own, self._directory() / f"{name}.log")
                program.command[:0] = prefix or []
                started.append(program.start())
            for program in started:
                program.wait_ready(60)
            yield started
        finally:
            stop_all(started)

    def load(self, action: str, prefix: list[str] | None = None, **options: Any) -> dict[str, Any]:
        """Runs bench-load; its failure fails the benchmark."""
        command = [*(prefix or []), str(BINARIES / "bench-load"), action]
        for name, value in options.items():
            command += [f"--{name}", str(value)]
        answer = json.loads(run(command))
        assert answer["failures"] == 0, answer
        return answer

    def _directory(self) -> Path:
        self._logs += 1
        path = self.directory / f"{self._logs:03}"
        path.mkdir()
        return path


def connect(dsn: str, **options: Any) -> psycopg.Connection:
    """Parameters are written $1, $2, …"""
    return psycopg.connect(dsn, autocommit=True, cursor_factory=psycopg.RawCursor, **options)


def run(command: list[str], timeout: float = 900, **options: Any) -> str:
    """The output of a command; fails with its errors."""
    answer = subprocess.run(command, capture_output=True, text=True, timeout=timeout, **options)
    assert answer.returncode == 0, f"{' '.join(command)}: {answer.stdout}{answer.stderr}"
    return answer.stdout


def wait_for(condition: Callable[[], bool], timeout: float, interval: float = 0.02) -> float:
    """Waits until it is true; returns the time on the monotonic clock."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout:g} s"
        time.sleep(interval)
    return time.monotonic()


def messages_on(brokers: str, topic: str, partitions: int = PARTITIONS) -> int:
    """The number of messages ever written to a topic."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "bench-count", "log_level": 0})
    try:
        return sum(consumer.get_watermark_offsets(TopicPartition(topic, place), timeout=10)[1]
                   for place in range(partitions))
    finally:
        consumer.close()


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
