"""Expiry and retention."""

import time
from datetime import datetime, timedelta, timezone

from harness import oracle
from harness.rpc import COMPLETED, CREATED, FAILED, refused
from harness.waiting import holds_for, wait_until
from harness.world import World, inventory_message


def test_a_payment_nobody_settles_expires(world: World):
    world.consumer(PAYMENT_TTL="1s")
    server = world.server(PAYMENT_TTL="1s")
    client = world.client(server)
    client.create(1)
    client.create(2)
    client.settle(2, COMPLETED)
    world.push(inventory_message(3))
    world.wait_for_payments(3)
    wait_until(lambda: world.payment_status(1) == world.payment_status(3) == "FAILED", "both expire", 15)
    for order in (1, 3):
        payment = client.get(order)
        assert (payment.status, payment.reason, payment.version) == (FAILED, "EXPIRED", 2)
        assert payment.updated_at.ToNanoseconds() >= payment.expires_at.ToNanoseconds()
    assert client.get(2).status == COMPLETED
    assert refused(client.settle, 1, COMPLETED).code.name == "FAILED_PRECONDITION"
    assert client.settle(1, FAILED, "late").reason == "EXPIRED"
    assert oracle.check(world) == oracle.Verdict(3, 6, 6, 0)


def test_a_watcher_sees_the_expiry(world: World):
    client = world.client(world.server(PAYMENT_TTL="1s"))
    client.create(1)
    seen = list(client.watch(1, timeout=15))
    assert [(payment.status, payment.reason) for payment in seen] == [(CREATED, ""), (FAILED, "EXPIRED")]


def test_many_expire_in_two_processes_at_once(world: World):
    client = world.client(world.server(PAYMENT_TTL="1s"))
    world.cron()
    requests = range(1, 1201)
    from harness.rpc import payments

    calls = [client.payments.CreatePayment.future(payments.CreatePaymentRequest(order_id=n)) for n in requests]
    for call in calls:
        call.result()
    wait_until(lambda: world.value("SELECT count(*) FROM payment WHERE status = 'FAILED'") == 1200, "all expire", 30)
    assert oracle.check(world) == oracle.Verdict(1200, 2400, 2400, 0)


def test_without_a_time_to_live_nothing_expires(world: World):
    client = world.client(world.server(PAYMENT_TTL="0"))
    assert not client.create(1).HasField("expires_at")
    assert world.value("SELECT expires_at IS NULL FROM payment")


def test_expiry_passes_over_a_payment_that_is_being_settled(world: World):
    """A payment locked by a caller is left to that caller; the others expire."""
    client = world.client(world.server(PAYMENT_TTL="1s"))
    client.create(1)
    client.create(2)
    with world.connection.transaction():
        world.connection.execute("SELECT * FROM payment WHERE order_id = 1 FOR UPDATE")
        wait_until(lambda: client.get(2).status == FAILED, "the other expires", 15)
        assert client.get(1).status == CREATED
    wait_until(lambda: client.get(1).status == FAILED, "it expires when the lock is gone", 15)
    assert oracle.check(world).events == 4


def test_an_idle_relay_costs_next_to_nothing(world: World):
    """With a lease as in production. A release build on a quiet machine takes less than 1 % of a core; here is room for
    debug builds and busy machines, not for one that polls without end."""
    server = world.server(CRON_ENABLED="false")
    cron = world.cron(CRON_RESERVE="30s")
    world.client(server).create(1)
    world.wait_until_published(1)
    assert server.stop() == 0
    wait_until(lambda: cron.metric("paysaga_outbox_owned_shards") == 64, "the relay holds every shard")

    def transactions() -> int:
        return world.value(
            "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()")

    began, cpu, before = time.monotonic(), cron.cpu_seconds(), transactions()
    holds_for(lambda: cron.is_running, "the relay runs", 5)
    elapsed = time.monotonic() - began
    used, asked = (cron.cpu_seconds() - cpu) / elapsed, (transactions() - before) / elapsed
    print(f"an idle relay: {used:.2%} of a core, {asked:.1f} transactions/s")
    assert used < 0.05, f"{used:.2%} of a core"
    assert asked < 15, f"{asked:.1f} transactions/s"


def day_table(day: datetime) -> str:
    return f"event_done_{day:%Y%m%d}"


def day_tables(world: World) -> set[str]:
    return {row[0] for row in world.sql(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'event_done'::regclass")}


def test_old_days_are_dropped_and_days_ahead_are_made(world: World):
    today = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    kept_days = 3
    old = [today - timedelta(days=back) for back in range(1, 7)]
    for day in old:
        start, end = f"{day:%Y-%m-%d}T00:00:00Z", f"{day + timedelta(days=1):%Y-%m-%d}T00:00:00Z"
        world.sql(f"CREATE TABLE {day_table(day)} PARTITION OF event_done FOR VALUES FROM ('{start}') TO ('{end}')")
        world.sql(
            "INSERT INTO event (event_id, shard, key, seq, topic, payload, status, reserved_to, done_at)"
            " VALUES (gen_random_uuid(), 1, %s, 1, 't', '', 'DONE', %s, %s)",
            day_table(day), start, day + timedelta(hours=12))
    world.cron(EVENT_RETENTION=f"{kept_days}d")
    gone = {day_table(day) for day in old if day + timedelta(days=1) <= datetime.now(timezone.utc) - timedelta(
        days=kept_days)}
    assert len(gone) == 3
    ahead = {day_table(today + timedelta(days=n)) for n in range(8)}
    wait_until(lambda: not gone & day_tables(world), "old days are dropped", 20)
    wait_until(lambda: ahead <= day_tables(world), "days are made ahead", 20)
    assert {day_table(day) for day in old} - gone <= day_tables(world), "a day within the retention was dropped"
    for table in gone:
        # Detached first, dropped a moment later.
        wait_until(lambda: world.value("SELECT to_regclass(%s)", table) is None, f"{table} is dropped", 20)
    assert world.value("SELECT count(*) FROM event") == len(old) - len(gone)


def test_a_missing_day_is_made_when_it_is_needed(world: World):
    """The first completion of a day whose partition nobody made."""
    client = world.client(world.server())
    client.create(1)
    world.wait_until_published(1)
    today = datetime.now(timezone.utc)
    for table in day_tables(world):
        world.sql(f"DROP TABLE {table}")
    # The first event went with its day; the payment goes too, so that the oracle knows neither.
    world.sql("DELETE FROM payment")
    client.create(2)
    world.wait_until_published(1)
    assert day_table(today) in day_tables(world) or day_table(today + timedelta(days=1)) in day_tables(world)
    holds_for(lambda: world.events.count <= 2, "the retried completion published again", 0.5)
