"""The faults that test_chaos draws from: each is made, lasts a while, and ends."""

import random
import signal
import time
from typing import Callable
from urllib.parse import urlsplit, urlunsplit

import psycopg

from .forwarder import Forwarder
from .process import LogReader, Program
from .servers import DevKafka, PostgresServer, SmallDisk
from .waiting import wait_until
from .world import World

# How long the relays' leases are, in seconds.
LEASE = 2.0


class Stage:
    """A world whose programs each have a network of their own to the database, and a log that somebody reads."""

    def __init__(self, world: World, postgres: PostgresServer, kafka: DevKafka, disk: SmallDisk | None):
        self.world, self.postgres, self.kafka, self.disk = world, postgres, kafka, disk
        self.networks: dict[str, Forwarder] = {}
        self.server = self._program("payments-server", "server", CRON_ENABLED="false")
        self.consumer = self._program("payments-consumer", "consumer")
        self.relays = [self._program("payments-cron", f"relay-{n}", CRON_RESERVE=f"{LEASE:g}s") for n in (1, 2)]
        self.programs = [self.server, self.consumer, *self.relays]
        for program in self.programs:
            program.start().wait_ready()

    def _program(self, binary: str, name: str, **settings: str) -> Program:
        parts = urlsplit(self.world.dsn)
        network = self.networks[name] = Forwarder(parts.hostname, parts.port)
        account = f"{parts.username}:{parts.password}"
        made = self.world.program(
            binary, name, DB_DSN=urlunsplit(parts._replace(netloc=f"{account}@127.0.0.1:{network.port}")), **settings)
        made.log_reader = LogReader(made.log)
        return made

    def close(self) -> None:
        for network in self.networks.values():
            network.close()


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
    program.send(signal.SIGSTOP)
    time.sleep(chance.uniform(0.1, 2 * LEASE))
    program.send(signal.SIGCONT)


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
        if not stage.postgres.is_running:
            stage.postgres.start()
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
    """The broker refuses what is produced for a while."""
    error = chance.choice(["NOT_ENOUGH_REPLICAS", "NOT_LEADER_FOR_PARTITION", "REQUEST_TIMED_OUT"])
    stage.kafka.control(f"error Produce 200 {error}")
    time.sleep(chance.uniform(0.5, 3))
    stage.kafka.control("clear Produce")


def possible(stage: Stage) -> list[str]:
    """What can be drawn on this machine."""
    return [name for name in FAULTS if name != "fill_disk" or stage.disk]
