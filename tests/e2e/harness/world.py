"""One test's world: a database, topics and a consumer group of its own, and the programs on them."""

import json
import signal
import uuid
from pathlib import Path
from typing import Any

import grpc
import psycopg
from confluent_kafka import Consumer, TopicPartition

from .process import Program, clean_environment, stop_all
from .rpc import Client
from .servers import Broker, Databases
from .topics import TopicReader, produce
from .waiting import wait_until

SHARDS = 64
PARTITIONS = 4


def shard_of(key: str) -> int:
    """The shard of a key, as ShardMap.swift says: FNV-1a of 64 bits with a final mix."""
    value = 0xCBF29CE484222325
    for byte in key.encode():
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    value ^= value >> 32
    return value % SHARDS


def inventory_message(order_id: int, status: str = "COMPLETED", key: str | None = None, **more: Any) -> bytes:
    """An inventory message; without `key` under a new idempotent key."""
    fields = {"idempotent_key": key or str(uuid.uuid4()), "order_id": order_id, "status": status} | more
    return json.dumps(fields).encode()


class World:
    """Programs started here run on this world's database and topics."""

    def __init__(self, directory: Path, databases: Databases, redis_dsn: str | None, broker: Broker,
                 partitions: int = PARTITIONS):
        self.name = uuid.uuid4().hex[:10]
        self.directory = directory / self.name
        self.directory.mkdir(parents=True)
        self.databases, self.redis_dsn, self.broker, self.partitions = databases, redis_dsn, broker, partitions
        self.dsn = databases.create()
        self.inventory = f"inventory-{self.name}"
        self.dead_letters = f"{self.inventory}.dlq"
        self.topic = f"payment-{self.name}"
        self.group = f"payments-{self.name}"
        self.programs: list[Program] = []
        self._connection: psycopg.Connection | None = None
        self._readers: dict[str, TopicReader] = {}
        self._clients: list[Client] = []

    # Topics

    def make_topics(self) -> "World":
        for topic in (self.inventory, self.dead_letters, self.topic):
            self.broker.create_topic(topic, self.partitions)
        return self

    def reader(self, topic: str) -> TopicReader:
        if topic not in self._readers:
            self._readers[topic] = TopicReader(self.broker.brokers, topic, self.partitions)
        return self._readers[topic]

    @property
    def events(self) -> TopicReader:
        """The payment topic, read from the moment it is first asked for."""
        return self.reader(self.topic)

    def push(self, *values: bytes, key: bytes | None = None, **options: Any) -> None:
        """Puts values on the inventory topic, each under its order id unless `key` is given."""

        def key_of(value: bytes) -> bytes | None:
            if key is not None:
                return key
            try:
                return str(json.loads(value)["order_id"]).encode()
            except (ValueError, KeyError, TypeError):
                return None

        produce(self.broker.brokers, self.inventory, [(key_of(value), value) for value in values], **options)

    def push_orders(self, orders) -> None:
        self.push(*[inventory_message(order) for order in orders])

    def lag(self) -> int:
        """Messages of the inventory topic that the group has not committed."""
        consumer = Consumer({"bootstrap.servers": self.broker.brokers, "group.id": self.group, "log_level": 0})
        try:
            places = [TopicPartition(self.inventory, n) for n in range(self.partitions)]
            total = 0
            for place in consumer.committed(places, timeout=10):
                _, high = consumer.get_watermark_offsets(place, timeout=10)
                total += high - max(place.offset, 0)
            return total
        finally:
            consumer.close()

    # The database

    @property
    def connection(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self.dsn, autocommit=True, connect_timeout=5)
        return self._connection

    def sql(self, query: str, *parameters: Any) -> list[tuple]:
        """Rows of a query; a lost connection is opened again at the next."""
        try:
            cursor = self.connection.execute(query, parameters or None)
            return cursor.fetchall() if cursor.description else []
        except psycopg.OperationalError:
            self._connection.close()
            raise

    @property
    def database(self) -> str:
        """The database's name."""
        return self.connection.info.dbname

    def value(self, query: str, *parameters: Any) -> Any:
        return self.sql(query, *parameters)[0][0]

    def payment_status(self, order_id: int) -> str | None:
        rows = self.sql("SELECT status::text FROM payment WHERE order_id = %s", order_id)
        return rows[0][0] if rows else None

    def count_payments(self) -> int:
        return self.value("SELECT count(*) FROM payment")

    def count_events(self, status: str) -> int:
        return self.value("SELECT count(*) FROM event WHERE status = %s::text::event_status", status)

    def wait_for_payments(self, count: int, timeout: float = 30.0) -> None:
        wait_until(lambda: self.count_payments() >= count, f"{count} payments", timeout)

    def wait_until_published(self, count: int | None = None, timeout: float = 30.0) -> None:
        """Waits until no event waits, and until `count` are DONE."""

        def look():
            done, waiting = self.count_events("DONE"), self.count_events("WAIT")
            assert waiting == 0 and (count is None or done >= count), f"{waiting} wait, {done} are done"
            return True

        wait_until(look, "every event is DONE", timeout)

    # Programs

    def environment(self, **settings: str) -> dict[str, str]:
        """The settings of this world's programs; a setting of None is left out."""
        all_settings = {
            "DB_DSN": self.dsn, "KAFKA_BROKERS": self.broker.brokers, "KAFKA_TOPIC_PARTITIONS": str(self.partitions),
            "SERVER_GRPC_ADDR": "127.0.0.1:0", "ADMIN_ADDR": "127.0.0.1:0", "CONSUMER_TOPIC": self.inventory,
            "CONSUMER_GROUP": self.group, "PRODUCER_TOPIC": self.topic, "CRON_RESERVE": "2s", "LOG_LEVEL": "debug",
            "REDIS_DSN": self.redis_dsn or "",
        } | settings
        return clean_environment() | {name: value for name, value in all_settings.items() if value is not None}

    def program(self, binary: str, name: str | None = None, **settings: str) -> Program:
        """A program of this world, not yet started."""
        name = name or f"{binary}-{sum(other.binary == binary for other in self.programs) + 1}"
        made = Program(binary, self.environment(**settings), self.directory / f"{name}.log", name)
        self.programs.append(made)
        return made

    def server(self, **settings: str) -> Program:
        return self.program("payments-server", **settings).start().wait_ready()

    def consumer(self, **settings: str) -> Program:
        return self.program("payments-consumer", **settings).start().wait_ready()

    def cron(self, **settings: str) -> Program:
        return self.program("payments-cron", **settings).start().wait_ready()

    def client(self, server: Program, credentials: grpc.ChannelCredentials | None = None) -> Client:
        made = Client(server.grpc_port, credentials)
        self._clients.append(made)
        return made

    # The end

    def tails(self, lines: int = 60) -> list[tuple[str, str]]:
        """The last log lines of each program, for a failed test."""
        found = []
        for log in sorted(self.directory.glob("*.log")):
            text = log.read_text(errors="replace").splitlines()
            found.append((str(log), "\n".join(text[-lines:])))
        return found

    def close(self) -> None:
        """Stops everything; a program that does not end with 0 after SIGTERM fails the test."""
        for client in self._clients:
            client.close()
        for program in self.programs:
            if program.is_running:
                program.send(signal.SIGCONT)
        complaints = stop_all(self.programs)
        for reader in self._readers.values():
            reader.close()
        if self._connection is not None:
            self._connection.close()
        self.databases.drop(self.dsn)
        assert not complaints, complaints
