"""Fixtures. `world` is the usual one; tests that stop or kill a dependency use servers of their own."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Callable, Iterator

import pytest

from .direct import Direct
from .process import Program
from .servers import Broker, Databases, DevKafka, PostgresServer, RedisServer
from .world import World


@pytest.fixture(scope="session")
def directory() -> Iterator[Path]:
    """Where logs go; kept when a test failed."""
    made = Path(tempfile.mkdtemp(prefix="paysaga-e2e-"))
    yield made
    if not os.environ.get("KEEP_LOGS"):
        shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="session")
def own_postgres(directory: Path) -> Iterator[PostgresServer]:
    """A PostgreSQL that tests may crash; each leaves it running."""
    server = PostgresServer(directory)
    try:
        server.initialise()
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def own_redis(directory: Path) -> Iterator[RedisServer]:
    """A Redis that tests may flush and stop; each leaves it running."""
    server = RedisServer(directory)
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def own_kafka(directory: Path) -> Iterator[DevKafka]:
    """A devkafka that tests may take down; each leaves it up."""
    server = DevKafka(directory)
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def databases(request: pytest.FixtureRequest) -> Iterator[Databases]:
    """Databases on the PostgreSQL of TEST_DB_DSN, or on one of our own."""
    dsn = os.environ.get("TEST_DB_DSN")
    made = Databases(dsn) if dsn else request.getfixturevalue("own_postgres").databases
    yield made
    made.drop_all()


@pytest.fixture(scope="session")
def redis_dsn(request: pytest.FixtureRequest) -> str:
    return os.environ.get("TEST_REDIS_DSN") or request.getfixturevalue("own_redis").dsn


@pytest.fixture(scope="session")
def broker(request: pytest.FixtureRequest) -> Broker:
    """The broker of KAFKA_BROKERS or TEST_KAFKA_BROKERS, or a devkafka of our own."""
    named = os.environ.get("KAFKA_BROKERS") or os.environ.get("TEST_KAFKA_BROKERS")
    if not named:
        return request.getfixturevalue("own_kafka")
    control = os.environ.get("TEST_KAFKA_CONTROL") if named == os.environ.get("TEST_KAFKA_BROKERS") else None
    return Broker(named, control or None)


@pytest.fixture
def make_world(
    request: pytest.FixtureRequest, directory: Path, databases: Databases, redis_dsn: str, broker: Broker
) -> Iterator[Callable[..., World]]:
    """Makes worlds; `postgres`, `redis` and `kafka` take the place of the shared servers."""
    worlds: list[World] = []

    def make(postgres: PostgresServer | None = None, redis: RedisServer | None = None, kafka: Broker | None = None,
             **options) -> World:
        made = World(
            directory, postgres.databases if postgres else databases, redis.dsn if redis else redis_dsn,
            kafka or broker, **options)
        worlds.append(made)
        request.node.stash.setdefault(WORLDS, []).append(made)
        return made.make_topics()

    yield make
    problems = []
    for world in worlds:
        try:
            world.close()
        except AssertionError as error:
            problems.append(error)
    assert not problems, problems


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()


@pytest.fixture(scope="module")
def shared_world(
    request: pytest.FixtureRequest, directory: Path, databases: Databases, redis_dsn: str, broker: Broker
) -> Iterator[World]:
    """One world for a module whose tests take orders of their own and disturb nobody."""
    made = World(directory, databases, redis_dsn, broker).make_topics()
    request.node.stash[WORLDS] = [made]
    yield made
    made.close()


@pytest.fixture(scope="module")
def direct(shared_world: World) -> Direct:
    """Direct payments on the module's world, with the bank alone; modules that need other settings have their own."""
    return Direct(shared_world)


@pytest.fixture(scope="module")
def processor(direct: Direct) -> Program:
    """The one that executes the module's payments."""
    return direct.processor()


@pytest.fixture(scope="session")
def grpc_world(directory: Path, databases: Databases, redis_dsn: str, broker: Broker) -> Iterator[World]:
    """One world for all tests of what goes over the wire rather than into tables."""
    made = World(directory, databases, redis_dsn, broker).make_topics()
    yield made
    made.close()


@pytest.fixture(scope="session")
def grpc_port(grpc_world: World) -> int:
    """A server that any number of strange callers may call; none may take it down."""
    return grpc_world.server(CRON_ENABLED="false").grpc_port


WORLDS = pytest.StashKey[list[World]]()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    """Shows the programs' last log lines under a test that failed."""
    outcome = yield
    report = outcome.get_result()
    if not report.failed:
        return
    for node in (item, item.parent):
        for world in node.stash.get(WORLDS, []) if node else []:
            for name, text in world.tails():
                report.sections.append((f"end of {name}", text))
