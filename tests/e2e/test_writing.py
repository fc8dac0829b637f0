"""A PostgreSQL that answers but takes no writes, or none in time: not ready and why, no storm, and nothing is lost."""

import base64
import signal
import time
from pathlib import Path

import grpc
import psycopg
import pytest

from harness import oracle
from harness.forwarder import Forwarder
from harness.frames import DEADLINE_EXCEEDED, Connection, message, request_headers
from harness.process import Program
from harness.rpc import COMPLETED, payments, refused
from harness.servers import DevKafka, PgBouncer, PostgresServer
from harness.waiting import holds_for, wait_until
from harness.world import World

Code = grpc.StatusCode


@pytest.fixture
def postgres(own_postgres: PostgresServer):
    """As it was when the test ends."""
    yield own_postgres
    own_postgres.send_all(signal.SIGCONT)
    own_postgres.configure(default_transaction_read_only="off", synchronous_standby_names="")


def programs_of(world: World, **settings: str) -> list[Program]:
    server = world.server(CRON_ENABLED="false", **settings)
    return [server, world.consumer(**settings), world.cron(**settings)]


def check_of(program: Program) -> str:
    return "postgres_relay" if program.binary == "payments-cron" else "postgres"


def wait_not_writing(programs: list[Program], reason: str, timeout: float = 30.0) -> None:
    """Waits until each says that it is not ready, and why; and that it lives."""
    for program in programs:

        def look():
            status, report = program.readiness()
            check = report["checks"][check_of(program)]
            assert status == 503 and not check["ok"] and reason in check["detail"], (program.name, report)
            return True

        wait_until(look, f"{program.name} says {reason!r}", timeout)
        assert program.get("/healthz")[0] == 200


def settles(client, order: int) -> None:
    """Settles until it is acknowledged: what is told to be unknown may be asked for again."""
    wait_until(lambda: client.settle(order, timeout=5).status == COMPLETED, f"order {order} is settled", 30)


@pytest.mark.parametrize("pooled", [False, True], ids=["direct", "through PgBouncer"])
def test_a_read_only_database_is_left_and_waited_for(make_world, postgres: PostgresServer, directory: Path, pooled):
    world: World = make_world(postgres=postgres)
    settings = {}
    pooler = None
    if pooled:
        pooler = PgBouncer(directory, postgres.dsn)
        pooler.start()
        settings = {"DB_DSN": pooler.dsn(world.dsn), "DB_PREPARED": "false", "DB_DIRECT_DSN": world.dsn}
        wait_until(lambda: psycopg.connect(settings["DB_DSN"], connect_timeout=2).close() is None, "PgBouncer answers")
    try:
        programs = programs_of(world, **settings)
        client = world.client(programs[0])
        client.create(1)
        postgres.configure(default_transaction_read_only="on")
        world.push_orders([2])
        assert refused(client.settle, 1, timeout=2).code == Code.UNAVAILABLE
        wait_not_writing(programs, "")
        # Programs that start now wait.
        late = world.program("payments-cron", **settings).start()
        wait_until(lambda: late.readiness()[0] == 503, "it waits")
        lines = [len(program.output.splitlines()) for program in programs]
        time.sleep(3)
        for program, before in zip(programs, lines):
            assert len(program.output.splitlines()) - before < 60, program.output[-3000:]
        postgres.configure(default_transaction_read_only="off")
        for program in [*programs, late]:
            program.wait_ready()
        settles(client, 1)
        world.wait_for_payments(2)
        # A relay that could not mark an event DONE before its lease ended has it published again.
        verdict = oracle.check(world, duplicates_allowed=True)
        assert (verdict.payments, verdict.events) == (2, 3)
    finally:
        if pooler:
            for program in world.programs:
                program.stop()
            pooler.remove()


def test_a_standby_that_nobody_hears_of(make_world, postgres: PostgresServer):
    """Commits wait for it: nothing is acknowledged or published, and sessions do not add up."""
    world: World = make_world(postgres=postgres)
    programs = programs_of(world, DB_STATEMENT_TIMEOUT="1s")
    client = world.client(programs[0])
    client.create(1)
    world.wait_until_published(1)
    postgres.configure(synchronous_standby_names="ghost")
    world.push_orders([3])
    # Cancelled, they are committed on this server alone: unknown, and unknown again although the payment is found.
    for _ in range(2):
        refusal = refused(client.create, 2, timeout=3)
        assert refusal.code in (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED), refusal
        assert refusal.info.reason == "OUTCOME_UNKNOWN", refusal
    assert refused(client.settle, 1, timeout=3).info.reason == "OUTCOME_UNKNOWN"
    wait_not_writing(programs, "standby")
    most = 25  # pools of 2, 4, 1, 1 and 3, a listener, lanes, jobs and probes
    holds_for(lambda: sessions(world) <= most, f"more than {most} sessions", 6)
    assert world.count_payments() >= 2 and len(world.events.catch_up()) == 1, "an event was published too early"
    assert "gave up a statement that took too long" in programs[0].output
    postgres.configure(synchronous_standby_names="")
    for program in programs:
        program.wait_ready()
    assert client.create(2).order_id == 2
    settles(client, 1)
    world.wait_for_payments(3)
    verdict = oracle.check(world, duplicates_allowed=True)
    assert (verdict.payments, verdict.events) == (3, 4)


def sessions(world: World) -> int:
    return world.databases.ask(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'payments-%%' AND datname = %s",
        world.dsn.split("/")[-1].split("?")[0])


def test_a_frozen_database(make_world, postgres: PostgresServer):
    world: World = make_world(postgres=postgres)
    programs = programs_of(world, DB_STATEMENT_TIMEOUT="2s")
    client = world.client(programs[0])
    client.create(1)
    postgres.send_all(signal.SIGSTOP)
    try:
        assert refused(client.settle, 1, timeout=2).code in (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED)
        wait_not_writing(programs, "")
    finally:
        postgres.send_all(signal.SIGCONT)
    for program in programs:
        program.wait_ready()
    settles(client, 1)
    verdict = oracle.check(world, duplicates_allowed=True)
    assert (verdict.payments, verdict.events) == (1, 2)


def test_a_locked_table_and_a_full_disk(make_world, postgres: PostgresServer):
    world: World = make_world(postgres=postgres)
    server = world.server(CRON_ENABLED="false")
    client = world.client(server)
    client.create(1)
    with psycopg.connect(world.dsn) as holder:
        holder.execute("LOCK TABLE payment IN SHARE MODE")
        wait_not_writing([server], "lock timeout")
        # One row that somebody holds is that order's trouble alone.
    server.wait_ready()
    with psycopg.connect(world.dsn) as holder:
        holder.execute("SELECT FROM payment WHERE order_id = 1 FOR UPDATE")
        for _ in range(2):
            assert refused(client.settle, 1, timeout=3).code == Code.UNAVAILABLE
        assert server.readiness()[0] == 200
    world.sql("""
        CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql
          AS $$ BEGIN RAISE 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;
        CREATE TRIGGER full_disk BEFORE INSERT ON event_wait FOR EACH ROW EXECUTE FUNCTION full_disk()""")
    for _ in range(2):
        assert refused(client.settle, 1, timeout=2).code == Code.UNAVAILABLE
    wait_not_writing([server], "53100")
    world.sql("DROP TRIGGER full_disk ON event_wait")
    server.wait_ready()
    settles(client, 1)


def test_calls_are_served_while_the_broker_is_away(make_world, own_kafka: DevKafka):
    world: World = make_world(kafka=own_kafka)
    server = world.server()
    own_kafka.down()
    try:
        server.wait_not_ready("kafka")
        assert server.get("/readyz/api")[0] == 200
        assert world.client(server).create(1).order_id == 1
    finally:
        own_kafka.up()
    server.wait_ready()


def test_a_silent_host_leaves_time_for_the_next(make_world, postgres: PostgresServer):
    """The first host of the DSN takes connections and says nothing."""
    world: World = make_world(postgres=postgres)
    silent = Forwarder("127.0.0.1", postgres.port)
    silent.hold_answers()
    here = f"127.0.0.1:{postgres.port}"
    dsn = world.dsn.replace(here, f"127.0.0.1:{silent.port},{here}") + "&target_session_attrs=read-write"
    try:
        server = world.server(DB_DSN=dsn)
        client = world.client(server)
        client.create(1)
        settles(client, 1)
        assert oracle.check(world) == oracle.Verdict(1, 2, 2, 0)
    finally:
        silent.close()


def test_a_frozen_database_ends_calls_at_their_deadlines(make_world, postgres: PostgresServer):
    """The deadlines are the server's to keep: this caller has none of its own."""
    world: World = make_world(postgres=postgres)
    server = world.server(CRON_ENABLED="false")
    client = world.client(server)
    client.create(1)
    get, settle = (f"/payments.v1.PaymentService/{name}" for name in ("GetPayment", "UpdatePaymentStatus"))
    order = payments.GetPaymentRequest(order_id=1).SerializeToString()
    settlement = payments.UpdatePaymentStatusRequest(order_id=1, status=COMPLETED).SerializeToString()
    with Connection(server.grpc_port) as connection:
        postgres.freeze()
        began = time.monotonic()
        reads = [connection.start(get, message(order), fields=request_headers(get, grpc_timeout="800m")) for _ in range(20)]
        write = connection.start(settle, message(settlement), fields=request_headers(settle, grpc_timeout="800m"))
        answers = [connection.wait_for(stream) for stream in (*reads, write)]
        assert 0.8 <= time.monotonic() - began < 3
        postgres.thaw()
    assert [answer.status for answer in answers] == [DEADLINE_EXCEEDED] * 21
    details = [answer.trailers.get("grpc-status-details-bin", "") for answer in answers]
    assert b"OUTCOME_UNKNOWN" in base64.b64decode(details[-1] + "==")
    assert not any(b"OUTCOME_UNKNOWN" in base64.b64decode(text + "==") for text in details[:-1])
    server.wait_ready()
    settles(client, 1)
    assert client.get(1).status == COMPLETED
