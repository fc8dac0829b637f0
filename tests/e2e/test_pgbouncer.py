"""Through PgBouncer in transaction mode: no prepared statements, no session settings, no LISTEN on it."""

import time
from pathlib import Path

import psycopg
import pytest

from harness import oracle
from harness.rpc import COMPLETED
from harness.servers import Databases, PgBouncer
from harness.waiting import wait_until
from harness.world import World


@pytest.fixture(scope="module")
def pooler(directory: Path, databases: Databases):
    made = PgBouncer(directory, databases.dsn)
    made.start()

    def answers():
        with psycopg.connect(made.dsn(databases.dsn), connect_timeout=2) as connection:
            return connection.execute("SELECT 1").fetchone()

    wait_until(answers, "PgBouncer answers", 20)
    yield made
    made.remove()


@pytest.mark.parametrize("direct", [True, False], ids=["with DB_DIRECT_DSN", "without"])
def test_everything_works_through_a_transaction_pooler(make_world, pooler: PgBouncer, direct: bool):
    world: World = make_world()
    settings = {
        "DB_DSN": pooler.dsn(world.dsn), "DB_PREPARED": "false", "DB_DIRECT_DSN": world.dsn if direct else None,
        "CRON_FREQUENCY": "100ms",
    }
    server = world.server(CRON_ENABLED="false", **settings)
    world.consumer(**settings)
    world.cron(**settings)
    other = world.cron(**settings)
    world.push_orders(range(1, 201))
    world.wait_for_payments(200)
    client = world.client(server)
    for order in range(1, 101):
        assert client.settle(order).status == COMPLETED
    keyed = {"metadata": (("idempotency-key", "through-the-pooler"),)}
    first = client.create(1000, **keyed)
    client.settle(1000)
    assert client.create(1000, **keyed) == first
    # The relays share the shards, and one gives its own back when it stops.
    wait_until(lambda: other.metric("paysaga_outbox_owned_shards") == 32, "the second relay has its share")
    other.stop()
    for order in range(101, 151):
        client.settle(order)
    assert oracle.check(world) == oracle.Verdict(201, 352, 352, 0)
    # The care of the tables works too: a week of days is there.
    days = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'event_done'::regclass"
    wait_until(lambda: world.value(days) == 8, "the days ahead are made")


def test_a_relay_is_woken_past_the_pooler(make_world, pooler: PgBouncer):
    """With DB_DIRECT_DSN the relay LISTENs there: an event does not wait for the poll."""
    world: World = make_world()
    settings = {
        "DB_DSN": pooler.dsn(world.dsn), "DB_PREPARED": "false", "DB_DIRECT_DSN": world.dsn, "CRON_FREQUENCY": "30s",
    }
    server = world.server(CRON_ENABLED="false", **settings)
    cron = world.cron(**settings)
    wait_until(lambda: cron.metric("paysaga_outbox_owned_shards") == 64, "the relay has every shard")
    client = world.client(server)
    client.create(1)
    world.wait_until_published(1)
    began = time.monotonic()
    client.settle(1)
    world.wait_until_published(2)
    assert time.monotonic() - began < 5
