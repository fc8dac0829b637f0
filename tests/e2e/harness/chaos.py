"""The faults that test_chaos draws from: each is made, lasts a while, and ends."""

import random
import signal
import time
from pathlib import Path
from typing import Callable
from urllib.parse import urlsplit, urlunsplit

import psycopg

from .forwarder import Forwarder
from .process import LogReader, Program
from .servers import Databases, DevKafka, PostgresServer, SmallDisk, StandbyServer
from .waiting import wait_until
from .world import World

# How long the relays' leases are, in seconds.
LEASE = 2.0


class Cluster:
    """A primary and the synchronous standby that takes its place, behind one address. The first primary is on the disk."""

    SETTINGS = {"max_wal_size": "64MB", "min_wal_size": "32MB", "wal_retrieve_retry_interval": "200ms"}

    def __init__(self, directory: Path, disk: Path | None):
        self._directory = directory
        # Where the next standby has its data.
        self._places = [None, disk]
        self.primary = PostgresServer(directory, disk, **self.SETTINGS)
        self.standby: StandbyServer | None = None
        # What leads to the primary.
        self.networks: list[Forwarder] = []

    def start(self) -> None:
        self.primary.initialise()
        self.primary.start()
        port = self.network().port
        self.databases = Databases(f"postgres://payments:payments@127.0.0.1:{port}/postgres?sslmode=disable")
        self._add_standby()

    def network(self) -> Forwarder:
        """A way of its own to whichever server is the primary."""
        made = Forwarder("127.0.0.1", self.primary.port)
        self.networks.append(made)
        return made

    def fail_over(self) -> None:
        """In place of a primary that is dead or frozen. Another standby is there when this returns."""
        assert self.standby is not None
        self.standby.promote()
        old, self.primary, self.standby = self.primary, self.standby, None
        for network in self.networks:
            network.turn_to("127.0.0.1", self.primary.port)
        # A zombie primary is the HA manager's to fence.
        if old.is_running:
            old.send_all(signal.SIGKILL)
            old.wait()
        old.remove()
        self._add_standby()

    def _add_standby(self) -> None:
        self.standby = StandbyServer(self._directory, self.primary, self._places[0], **self.SETTINGS)
        self._places.reverse()
        self.standby.initialise()
        self.standby.start()
        self.standby.confirms()

    @property
    def servers(self) -> list[PostgresServer]:
        return [server for server in (self.primary, self.standby) if server]

    def remove(self) -> None:
        for server in reversed(self.servers):
            if server.is_running:
                server.thaw()
            server.remove()
        for network in self.networks:
            network.close()


class Stage:
    """A world whose programs each have a network of their own to the database, and a log that somebody reads."""

    def __init__(self, world: World, cluster: Cluster, kafka: DevKafka, disk: SmallDisk | None):
        self.world, self.cluster, self.kafka, self.disk = world, cluster, kafka, disk
        self.networks: dict[str, Forwarder] = {}
        self.server = self._program("payments-server", "server", CRON_ENABLED="false")
        self.consumer = self._program("payments-consumer", "consumer")
        self.relays = [self._program("payments-cron", f"relay-{n}", CRON_RESERVE=f"{LEASE:g}s") for n in (1, 2)]
        self.programs = [self.server, self.consumer, *self.relays]
        for program in self.programs:
            program.start().wait_ready()

    def _program(self, binary: str, name: str, **settings: str) -> Program:
        parts = urlsplit(self.world.dsn)
        network = self.networks[name] = self.cluster.network()
        account = f"{parts.username}:{parts.password}"
        made = self.world.program(
            binary, name, DB_DSN=urlunsplit(parts._replace(netloc=f"{account}@127.0.0.1:{network.port}")), **settings)
        made.log_reader = LogReader(made.log)
        return made

    @property
    def postgres(self) -> PostgresServer:
        """Whichever server is the primary."""
        return self.cluster.primary


Fault = Callable[[Stage, random.Random], None]
FAULTS: dict[str, Fault] = {}


def fault(make: Fault) -> Fault:
    """Puts a fault on the list, under the name of its function."""
    FAULTS[make.__name__] = make
    return make


@fault
def kill(stage: Stage, chance: random.Random) -> None:
    program = chance.choice(stage.programs)
    program.kill()
    time.sleep(chance.uniform(0, 1))
    program.start()


@fault
def pause(stage: Stage, chance: random.Random) -> None:
    program = chance.choice(stage.programs)
    with program.frozen():
        time.sleep(chance.uniform(0.1, 2 * LEASE))


@fault
def cut(stage: Stage, chance: random.Random) -> None:
    """The network to the database: connections are cut, and refused."""
    network = chance.choice(list(stage.networks.values()))
    network.cut()
    time.sleep(chance.uniform(0.1, 3))
    network.mend()


@fault
def silence(stage: Stage, chance: random.Random) -> None:
    """A host that takes everything and says nothing, also to new connections."""
    network = chance.choice(list(stage.networks.values()))
    network.hold_answers()
    time.sleep(chance.uniform(0.5, 2 * LEASE))
    network.pass_answers()


@fault
def freeze_postgres(stage: Stage, chance: random.Random) -> None:
    stage.postgres.freeze()
    time.sleep(chance.uniform(0.5, 2 * LEASE))
    stage.postgres.thaw()


@fault
def crash_postgres(stage: Stage, chance: random.Random) -> None:
    stage.postgres.crash()
    time.sleep(chance.uniform(0, 1))
    stage.postgres.start()


@fault
def promote(stage: Stage, chance: random.Random) -> None:
    """The primary dies or freezes, and the standby takes its place."""
    stage.postgres.send_all(chance.choice([signal.SIGKILL, signal.SIGSTOP]))
    time.sleep(chance.uniform(0, 1))
    stage.cluster.fail_over()


@fault
def forbid_writing(stage: Stage, chance: random.Random) -> None:
    """Every new transaction is read only, as on a standby."""

    def setting(command: str) -> None:
        with psycopg.connect(stage.postgres.dsn, autocommit=True) as connection:
            connection.execute(f"ALTER SYSTEM {command} default_transaction_read_only {'= on' if command == 'SET' else ''}")
            connection.execute("SELECT pg_reload_conf()")

    setting("SET")
    time.sleep(chance.uniform(0.5, 3))
    setting("RESET")


@fault
def fill_disk(stage: Stage, chance: random.Random) -> None:
    """PostgreSQL finds no room for tables and WAL; without room for WAL it goes down."""
    stage.disk.fill()
    time.sleep(chance.uniform(0.5, 3))
    stage.disk.free()

    def answers() -> bool:
        for server in stage.cluster.servers:
            if not server.is_running:
                server.start()
        with psycopg.connect(stage.postgres.dsn, connect_timeout=2) as connection:
            return bool(connection.execute("SELECT 1").fetchone())

    wait_until(answers, "PostgreSQL is back", 60)


@fault
def stall_log(stage: Stage, chance: random.Random) -> None:
    """Nobody reads the logs, which say everything."""
    for program in stage.programs:
        program.log_reader.stall()
    time.sleep(chance.uniform(1, 3))
    for program in stage.programs:
        program.log_reader.go_on()


@fault
def stop_broker(stage: Stage, chance: random.Random) -> None:
    stage.kafka.down()
    time.sleep(chance.uniform(0.1, 3))
    stage.kafka.up()


@fault
def refuse_topic(stage: Stage, chance: random.Random) -> None:
    """The broker refuses what is produced for a while: it cannot, or the principal may not."""
    error = chance.choice([
        "NOT_ENOUGH_REPLICAS", "NOT_LEADER_FOR_PARTITION", "REQUEST_TIMED_OUT", "TOPIC_AUTHORIZATION_FAILED"])
    stage.kafka.control(f"error Produce 200 {error}")
    time.sleep(chance.uniform(0.5, 3))
    stage.kafka.control("clear Produce")


@fault
def hide_topic(stage: Stage, chance: random.Random) -> None:
    """A topic is gone, or the principal may not see it."""
    topic = chance.choice([stage.world.topic, stage.world.inventory, stage.world.dead_letters])
    error = chance.choice(["TOPIC_AUTHORIZATION_FAILED", "UNKNOWN_TOPIC_OR_PART"])
    stage.kafka.control(f"topic-error {topic} {error}")
    time.sleep(chance.uniform(0.5, 2 * LEASE))
    stage.kafka.control(f"topic-error {topic} 0")


def possible(stage: Stage) -> list[str]:
    """What can be drawn on this machine."""
    return [name for name in FAULTS if name != "fill_disk" or stage.disk]
