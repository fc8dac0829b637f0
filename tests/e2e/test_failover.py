"""A primary and its synchronous standby, both in the DSN: the primary dies or freezes, the standby is promoted."""

import itertools
import signal
import threading
import time
from pathlib import Path

import grpc
import psycopg
import pytest

from harness import oracle
from harness.flow import Flow
from harness.rpc import Client
from harness.servers import Databases, PostgresServer, StandbyServer
from harness.waiting import wait_until
from harness.world import World

#: How soon after the promotion calls are answered again.
RECOVERY = 3.0
FIRST_ORDER = 1_000_000


class Pair:
    """Two servers and the DSN that names both; what looks like one server to a world."""

    def __init__(self, directory: Path):
        self.primary = PostgresServer(directory)
        self.primary.initialise()
        self.primary.start()
        self.standby = StandbyServer(directory, self.primary)
        hosts = f"127.0.0.1:{self.primary.port},127.0.0.1:{self.standby.port}"
        self.databases = Databases(
            f"postgres://payments:payments@{hosts}/postgres?sslmode=disable&connect_timeout=1"
            "&target_session_attrs=read-write")

    def begin(self) -> None:
        """After the tables were made, so that the copy has them."""
        self.standby.initialise()
        self.standby.start()
        self.standby.confirms()

    def remove(self) -> None:
        for server in (self.standby, self.primary):
            if server.is_running:
                server.send_all(signal.SIGCONT)
            server.remove()


@pytest.fixture
def pair(directory: Path):
    made = Pair(directory)
    yield made
    made.remove()


class Callers:
    """Threads that open and settle orders, each call again until it is acknowledged."""

    def __init__(self, client: Client, count: int = 4):
        self._client = client
        self._orders = itertools.count(FIRST_ORDER)
        self._is_ending = threading.Event()
        self.acknowledged: dict[int, int] = {}
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        while not self._is_ending.is_set():
            order = next(self._orders)
            for call, version in ((self._client.create, 1), (self._client.settle, 2)):
                while not self._acknowledge(call, order, version):
                    if self._is_ending.wait(0.02):
                        return

    def _acknowledge(self, call, order: int, version: int) -> bool:
        try:
            assert call(order, timeout=1).version >= version
        except grpc.RpcError:
            return False
        self.acknowledged[order] = version
        return True

    def end(self) -> None:
        self._is_ending.set()
        for thread in self._threads:
            thread.join(10)


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_a_promotion_under_load(pair: Pair, make_world, fault: signal.Signals):
    world: World = make_world(postgres=pair)
    pair.begin()
    settings = {"DB_STATEMENT_TIMEOUT": "1s", "CRON_FREQUENCY": "200ms"}
    server = world.server(**settings)
    world.consumer(**settings)
    world.cron(**settings)
    client = world.client(server)
    callers = Callers(client)
    flow = Flow(world)
    try:
        flow.passes()
        wait_until(lambda: len(callers.acknowledged) > 100, "calls are acknowledged", 30)
        pair.primary.send_all(fault)
        time.sleep(1)
        pair.standby.promote()
        promoted = time.monotonic()
        before = len(callers.acknowledged)
        wait_until(lambda: len(callers.acknowledged) > before + 4, "calls are acknowledged again", 30)
        took = time.monotonic() - promoted
        # A zombie primary is the HA manager's to fence.
        if pair.primary.is_running:
            pair.primary.send_all(signal.SIGKILL)
        pair.primary.wait()
        assert took < RECOVERY, f"{took:.1f} s after the promotion"
        flow.passes(timeout=30)
        if fault == signal.SIGKILL:
            the_old_primary_comes_back_read_only(world, pair, settings)
    finally:
        callers.end()
        flow.end()
    for program in world.programs:
        program.wait_ready()
    wait_until(lambda: world.lag() == 0, "every offset is committed", 30)
    versions = dict(world.sql("SELECT order_id, version FROM payment WHERE order_id >= %s", FIRST_ORDER))
    lost = {order for order, version in callers.acknowledged.items() if versions.get(order, 0) < version}
    assert not lost, f"{len(lost)} acknowledged orders are lost: {sorted(lost)[:5]}"
    verdict = oracle.check(world, duplicates_allowed=True, timeout=60)
    assert verdict.payments >= flow.orders + len(callers.acknowledged)


def the_old_primary_comes_back_read_only(world: World, pair: Pair, settings: dict[str, str]) -> None:
    """First in the DSN, it takes sessions, and none of ours stays with it."""
    pair.primary.command += ["-c", "default_transaction_read_only=on", "-c", "synchronous_standby_names="]
    pair.primary.start()
    with psycopg.connect(pair.standby.dsn, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'payments-%'")
    late = world.server(**settings)
    assert world.client(late).create(1_999_999, timeout=5).version == 1
    with psycopg.connect(pair.primary.dsn) as connection:
        ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'payments-%'"
        wait_until(lambda: connection.execute(ours).fetchone()[0] == 0, "nobody is with the old primary", 20)
