"""PostgreSQL, Redis and devkafka, either of the tests' own or those named in the environment."""

import errno
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import redis
from confluent_kafka import OFFSET_END, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from stack import cluster

from .process import BINARIES, ROOT, Process, clean_environment, free_port
from .waiting import wait_until


def database_dsn(dsn: str, database: str) -> str:
    """The same server, another database."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{database}"))


class Databases:
    """Makes databases on a server: a migrated template, and copies of it."""

    def __init__(self, dsn: str):
        self.dsn = dsn
        self._template: str | None = None
        self._made: list[str] = []

    def create(self) -> str:
        """A migrated database of its own; returns its DSN."""
        if self._template is None:
            self._template = self._create_empty()
            migrate(database_dsn(self.dsn, self._template))
        return database_dsn(self.dsn, self._create_empty(self._template))

    def create_empty(self) -> str:
        """A database without tables; returns its DSN."""
        return database_dsn(self.dsn, self._create_empty())

    def ask(self, query: str, *parameters) -> object:
        """One value, asked from outside the tests' databases."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            return connection.execute(query, parameters).fetchone()[0]

    def drop(self, dsn: str) -> None:
        name = urlsplit(dsn).path.lstrip("/")
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self._made.remove(name)

    def drop_all(self) -> None:
        for name in list(self._made):
            self.drop(database_dsn(self.dsn, name))

    def _create_empty(self, template: str = "template1") -> str:
        name = f"e2e_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        self._made.append(name)
        return name


def migrate(dsn: str) -> None:
    """Makes the tables the way users do."""
    environment = clean_environment() | {"DB_DSN": dsn}
    subprocess.run(
        [BINARIES / "paysaga", "migrate", "up"], env=environment, cwd=ROOT, check=True, capture_output=True, text=True,
        timeout=60)


class PostgresServer(Process):
    """A PostgreSQL with its data in a directory of its own; fsync stays on."""

    def __init__(self, directory: Path, disk: Path | None = None, **settings: str):
        self.port = free_port()
        self.data = Path(tempfile.mkdtemp(prefix="paysaga-e2e-postgres-", dir=disk))
        self.dsn = f"postgres://{cluster.USER}:{cluster.PASSWORD}@127.0.0.1:{self.port}/postgres?sslmode=disable"
        cluster.give(self.data)
        command = cluster.command(
            self.data, self.port, {"shared_buffers": "128MB", "max_connections": "200"} | settings)
        super().__init__("postgres", command, clean_environment(), directory / "postgres.log")
        self.databases = Databases(self.dsn)

    def initialise(self) -> None:
        cluster.initialise(self.data, subprocess.DEVNULL, is_durable=False)

    def start(self) -> None:
        super().start()

        def answers():
            assert self.is_running, self.output[-2000:]
            with psycopg.connect(self.dsn, connect_timeout=2) as connection:
                return connection.execute("SELECT 1").fetchone()

        wait_until(answers, "PostgreSQL answers", 60, interval=0.1)

    def freeze(self) -> None:
        """Stops every process of the server, so that it holds its connections and says nothing."""
        self.send_all(signal.SIGSTOP)

    def thaw(self) -> None:
        self.send_all(signal.SIGCONT)

    def send_all(self, number: signal.Signals) -> None:
        """A signal to the postmaster, so that it makes no further ones, and to its children: each leads a session."""
        assert self.handle is not None
        children = Path(f"/proc/{self.handle.pid}/task/{self.handle.pid}/children").read_text().split()
        for process in [self.handle.pid, *map(int, children)]:
            try:
                os.kill(process, number)
            except ProcessLookupError:
                pass  # a session that ended meanwhile

    def configure(self, **settings: str) -> None:
        """Settings of the whole server, in force when this returns."""
        with psycopg.connect(self.dsn, autocommit=True, options="-c default_transaction_read_only=off") as connection:
            for name, value in settings.items():
                connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
            connection.execute("SELECT pg_reload_conf()")

            def is_loaded():
                with psycopg.connect(self.dsn) as fresh:
                    return all(fresh.execute(f"SHOW {name}").fetchone()[0] == value for name, value in settings.items())

            wait_until(is_loaded, f"{settings} are in force", 20)

    def crash(self) -> None:
        """An immediate shutdown: connections are cut, nothing is written out."""
        self.send(signal.SIGQUIT)
        self.wait(30)

    def remove(self) -> None:
        if self.is_running:
            self.send(signal.SIGINT)
            try:
                self.wait(30)
            except AssertionError:
                self.crash()
        shutil.rmtree(self.data, ignore_errors=True)


class SmallDisk:
    """A file system in memory that can be filled; making one needs the right to mount."""

    def __init__(self, megabytes: int):
        self.path = Path(tempfile.mkdtemp(prefix="paysaga-e2e-disk-"))
        self._filler = self.path / "filler"
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0755", "paysaga-e2e", self.path],
            capture_output=True, timeout=10)
        self.is_mounted = done.returncode == 0

    def fill(self) -> None:
        try:
            with open(self._filler, "wb", buffering=0) as file:
                while True:
                    file.write(bytes(1 << 16))
        except OSError as error:
            assert error.errno == errno.ENOSPC, error

    def free(self) -> None:
        self._filler.unlink(missing_ok=True)

    def remove(self) -> None:
        if self.is_mounted:
            subprocess.run(["umount", self.path], check=True, timeout=10)
        shutil.rmtree(self.path, ignore_errors=True)


class StandbyServer(PostgresServer):
    """A hot standby that a primary's COMMITs wait for, once `confirms` was called."""

    def __init__(self, directory: Path, primary: PostgresServer, disk: Path | None = None, **settings: str):
        super().__init__(directory, disk, **settings)
        self.log = directory / "standby.log"
        self.name = "standby"
        self._primary = primary

    def initialise(self) -> None:
        """A copy of the primary, which must run."""
        source = f"{self._primary.dsn}&application_name=standby"
        subprocess.run(
            cluster.as_postgres([
                f"{cluster.server()[1]}/pg_basebackup", f"--pgdata={self.data}", f"--dbname={source}",
                "--write-recovery-conf", "--checkpoint=fast", "--no-sync"]),
            env=clean_environment(), cwd="/", check=True, capture_output=True, timeout=120)

    def confirms(self) -> None:
        """From here on nothing commits on the primary before it is here."""
        self._primary.configure(synchronous_standby_names="standby")

        def is_synchronous():
            with psycopg.connect(self._primary.dsn) as connection:
                return connection.execute("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'").fetchone()

        wait_until(is_synchronous, "the standby is synchronous", 20)

    def promote(self) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            assert connection.execute("SELECT pg_promote()").fetchone()[0], "the standby was not promoted"


class PgBouncer(Process):
    """A PgBouncer in transaction mode in front of a PostgreSQL."""

    def __init__(self, directory: Path, server_dsn: str):
        self.port = free_port()
        server = urlsplit(server_dsn)
        self.data = Path(tempfile.mkdtemp(prefix="paysaga-e2e-pgbouncer-"))
        (self.data / "users.txt").write_text(f'"{server.username}" "{server.password}"\n')
        (self.data / "pgbouncer.ini").write_text(f"""
[databases]
* = host={server.hostname} port={server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {self.data}/users.txt
pool_mode = transaction
default_pool_size = 20
max_client_conn = 200
""")
        # PgBouncer refuses to run as root, too.
        for path in (self.data, *self.data.iterdir()):
            cluster.give(path)
        command = cluster.as_postgres(
            [shutil.which("pgbouncer") or "/usr/sbin/pgbouncer", str(self.data / "pgbouncer.ini")])
        super().__init__("pgbouncer", command, clean_environment(), directory / "pgbouncer.log")

    def dsn(self, direct: str) -> str:
        """The same database through this pooler."""
        parts = urlsplit(direct)
        return urlunsplit(parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{self.port}"))

    def remove(self) -> None:
        if self.is_running:
            self.send(signal.SIGINT)
            self.wait(30)
        shutil.rmtree(self.data, ignore_errors=True)


class RedisServer(Process):
    """A Redis without persistence."""

    def __init__(self, directory: Path):
        self.port = free_port()
        self.dsn = f"redis://127.0.0.1:{self.port}/0"
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        super().__init__("redis", command, clean_environment(), directory / "redis.log")

    @property
    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, socket_timeout=5)

    def start(self) -> None:
        super().start()
        wait_until(lambda: self.client.ping(), "Redis answers")


class Broker:
    """A Kafka-protocol broker; `control` is devkafka's address for injecting faults."""

    def __init__(self, brokers: str, control: str | None):
        self.brokers, self._control = brokers, control

    @property
    def quick_groups(self) -> dict[str, str]:
        """Settings with which groups notice a dead member soon. devkafka makes a rebalance last for the session timeout
        less a second, and a new group's for 3 s: with a shorter timeout it would forget its members meanwhile. Kafka
        takes no timeout below six seconds."""
        timeout = "3500" if self._control else "6000"
        return {"KAFKA_SESSION_TIMEOUT_MS": timeout, "KAFKA_HEARTBEAT_INTERVAL_MS": "300"}

    def control(self, command: str) -> None:
        """One command to devkafka; see `devkafka --help`."""
        assert self._control, "this broker takes no commands"
        host, port = self._control.split(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(command.encode() + b"\n")
            answer = connection.makefile().readline().strip()
        assert answer.startswith("ok"), f"{command}: {answer}"

    def create_topic(self, name: str, partitions: int) -> None:
        if self._control:
            self.control(f"topic {name} {partitions}")
            return
        admin = AdminClient({"bootstrap.servers": self.brokers})
        for future in admin.create_topics([NewTopic(name, num_partitions=partitions)]).values():
            try:
                future.result(30)
            except KafkaException as error:
                # devkafka named without its control endpoint: naming a topic makes it, with 4 partitions.
                found = admin.list_topics(name, timeout=10).topics[name].partitions
                assert len(found) == partitions, f"{name}: {error}"

    def cut_beginning(self, topic: str, partition: int, kept: Callable[[], None]) -> None:
        """A partition loses all that it has, as by retention. devkafka cannot, but keeps some 5 MB only: `kept` is to
        produce more than that."""
        if self._control:
            return kept()
        admin = AdminClient({"bootstrap.servers": self.brokers})
        for future in admin.delete_records([TopicPartition(topic, partition, OFFSET_END)]).values():
            future.result(30)

    def down(self) -> None:
        self.control("broker down")

    def up(self) -> None:
        self.control("broker up")


class DevKafka(Process, Broker):
    """A devkafka of the tests' own."""

    def __init__(self, directory: Path):
        command = [str(BINARIES / "devkafka"), "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"]
        Process.__init__(self, "devkafka", command, clean_environment(), directory / "devkafka.log")

    def start(self) -> None:
        super().start()
        listening = self.wait_for_output(r"listening on (\S+)")[1]
        control = re.search(r"control on (\S+)", self.output)[1]
        Broker.__init__(self, listening, control)
