"""Starting and stopping: settings, the admin endpoint, SIGTERM."""

import json
import re
import signal
import subprocess
import threading
import time
from urllib.parse import urlsplit

import grpc
import psycopg
import pytest

from harness import oracle
from harness.audit import paysaga
from harness.process import BINARIES, clean_environment
from harness.rpc import COMPLETED, Client, payments, refused
from harness.waiting import refuses_connections, wait_until
from harness.world import World

PROGRAMS = ["payments-server", "payments-consumer", "payments-cron"]
ENOUGH = {"DB_DSN": "postgres://u:pw@127.0.0.1:1/db", "KAFKA_BROKERS": "127.0.0.1:1", "ADMIN_ADDR": ""}


def run(binary: str, *arguments: str, **settings: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [BINARIES / binary, *arguments], env=clean_environment() | settings, capture_output=True, text=True, timeout=20)


def complaint(binary: str, *arguments: str, **settings: str) -> str:
    """The one message of a program that refuses to start."""
    done = run(binary, *arguments, **settings)
    assert done.returncode == 2, f"exit code {done.returncode}: {done.stdout}{done.stderr}"
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith(f"{binary}: "), done.stderr
    return lines[0]


WRONG = [
    ("CRON_RESERVE", "soon", "CRON_RESERVE=soon"),
    ("CRON_RESERVE", "0s", "CRON_RESERVE=0s"),
    ("CRON_EVENTS_LIMIT", "-1", "CRON_EVENTS_LIMIT=-1"),
    ("KAFKA_TOPIC_PARTITIONS", "many", "KAFKA_TOPIC_PARTITIONS=many"),
    ("LOG_LEVEL", "loud", "LOG_LEVEL=loud"),
    ("SERVER_GRPC_ADDR", "127.0.0.1:99999", "SERVER_GRPC_ADDR=127.0.0.1:99999"),
    ("CRON_ENABLED", "perhaps", "CRON_ENABLED=perhaps"),
    ("PAYMENT_TTL", "-5s", "PAYMENT_TTL=-5s"),
    ("CRON_FREQUENZY", "1s", "CRON_FREQUENZY in the environment: no such setting; did you mean CRON_FREQUENCY?"),
    ("DB_DNS", "x", "no such setting; did you mean DB_DSN?"),
    ("KAFKA_NO_SUCH_PROPERTY", "1", "KAFKA_NO_SUCH_PROPERTY: "),
    ("DB_DSN", "postgres://user@127.0.0.1/db?no_such_option=1", "DB_DSN: "),
    ("KAFKA_ENABLE_IDEMPOTENCE", "false", "enable.idempotence"),
    ("REDIS_DSN", "rediss://127.0.0.1:6379/0", "TLS"),
]


@pytest.mark.parametrize("binary", PROGRAMS)
@pytest.mark.parametrize("name, value, told", WRONG)
def test_a_wrong_setting_stops_the_program_with_one_message(binary: str, name: str, value: str, told: str):
    assert told in complaint(binary, **ENOUGH | {name: value})


@pytest.mark.parametrize("binary", PROGRAMS)
def test_a_missing_setting_is_named(binary: str):
    assert "DB_DSN" in complaint(binary, KAFKA_BROKERS="127.0.0.1:1")
    assert "KAFKA_BROKERS" in complaint(binary, DB_DSN=ENOUGH["DB_DSN"])


@pytest.mark.parametrize("settings", [
    {"DB_DSN": "postgres://user:s3cret@:nonsense/db"}, {"DB_DSN": "mysql://user:s3cret@127.0.0.1/db"},
    {"REDIS_DSN": "rediss://:s3cret@127.0.0.1:6379/0"}, {"REDIS_DSN": "http://:s3cret@127.0.0.1/0"},
    {"KAFKA_SASL_PASSWORDD": "s3cret"}, {"DB_DSN_": "postgres://user:s3cret@127.0.0.1/db"},
    {"DB_DSN": "postgres://user:s3cret@127.0.0.1:5432/db?no_such_option=1"},
    {"DB_DSN": "user=payments password=s3cret host="},
])
def test_secrets_are_masked(settings: dict[str, str]):
    message = complaint("payments-consumer", **ENOUGH | settings)
    assert "s3cret" not in message, message


def test_secrets_are_not_logged(world: World):
    server = world.server()
    world.client(server).create(1)
    assert server.stop() == 0
    # With the colon: the user, whose name may be told, has the same one.
    assert f":{urlsplit(world.dsn).password}@" not in server.output


def test_a_settings_file_under_the_environment(tmp_path):
    file = tmp_path / "wrong.env"
    file.write_text("# ours\nLOG_LEVEL=info\nCRON_RESERVE=soon\n")
    message = complaint("payments-cron", "--config", str(file), **ENOUGH)
    assert "CRON_RESERVE=soon" in message and f"{file} line 3" in message
    assert str(tmp_path / "absent") in complaint("payments-cron", "--config", str(tmp_path / "absent"), **ENOUGH)


@pytest.mark.parametrize("binary", PROGRAMS)
def test_help_and_version(binary: str):
    shown = run(binary, "--help")
    assert shown.returncode == 0 and "DB_DSN" in shown.stdout and shown.stderr == ""
    assert run(binary, "--version").stdout.startswith(binary)
    assert "--nonsense" in complaint(binary, "--nonsense")


@pytest.mark.parametrize("binary", PROGRAMS)
def test_settings_are_checked_and_printed_without_a_start(binary: str, tmp_path):
    """Nobody listens at the addresses of ENOUGH."""
    file = tmp_path / "ours.env"
    file.write_text("# ours\nLOG_LEVEL=warning\n")
    checked = run(binary, "--config", str(file), "--check", **ENOUGH)
    assert (checked.returncode, checked.stderr) == (0, ""), checked
    assert checked.stdout == f"{binary}: settings and the files that they name can be used\n"
    assert "LOG_LEVEL=loud" in complaint(binary, "--check", **ENOUGH | {"LOG_LEVEL": "loud"})

    printed = run(binary, "--config", str(file), "--print-config", **ENOUGH)
    assert (printed.returncode, printed.stderr) == (0, ""), printed
    page = json.loads(printed.stdout)
    assert page["program"] == binary and run(binary, "--version").stdout == (
        f"{binary} {page['version']} (commit {page['commit']})\n")
    settings = page["settings"]
    assert settings["LOG_LEVEL"] == {"value": "warning", "origin": f"{file} line 2"}
    assert settings["KAFKA_BROKERS"] == {"value": ENOUGH["KAFKA_BROKERS"], "origin": "environment"}
    assert settings["LOG_FORMAT"] == {"value": "text", "origin": "default"}
    assert settings["DB_DSN"]["value"] == "postgres://u:***@127.0.0.1:1/db"
    assert "CRON_RESERVE=soon" in complaint(binary, "--print-config", **ENOUGH | {"CRON_RESERVE": "soon"})


def test_files_that_settings_name_are_checked(tmp_path):
    absent = str(tmp_path / "absent.pem")
    told = complaint("payments-server", "--check", **ENOUGH | {"SERVER_TLS_CERT": absent, "SERVER_TLS_KEY": absent})
    assert f"SERVER_TLS_CERT={absent}: expected" in told


@pytest.mark.parametrize("binary", PROGRAMS)
def test_the_first_line_tells_version_instance_and_settings(world: World, binary: str):
    program = world.program(binary).start().wait_ready()
    first = program.output.splitlines()[0]
    told = re.search(rf' info {binary}/\S+ {binary}: starting version=(\S+) commit=(\S+) instance=\S+:(\d+):[0-9a-f]{{8}} settings="(.*)"$', first)
    assert told, first
    assert run(binary, "--version").stdout == f"{binary} {told[1]} (commit {told[2]})\n"
    assert int(told[3]) == program.handle.pid
    changed = dict(setting.split("=", 1) for setting in told[4].split(" "))
    assert changed["LOG_LEVEL"] == "debug" and changed["KAFKA_BROKERS"] == world.broker.brokers
    # Without secrets, and without what is as it is by default.
    assert ":***@" in changed["DB_DSN"] and "LOG_FORMAT" not in changed


def test_missing_tables_are_told_with_what_to_do(world: World):
    empty = world.databases.create_empty()
    try:
        for binary in PROGRAMS:
            program = world.program(binary, DB_DSN=empty).start()
            assert program.wait() == 1
            assert "migrate up" in program.output
            program.is_killed = True  # its end was wanted
    finally:
        world.databases.drop(empty)


def test_tables_of_an_older_release_are_told(world: World):
    """Found when a program starts, not when the first call needs what is missing."""
    world.sql("UPDATE schema_migrations SET version = 7")
    for binary in PROGRAMS:
        program = world.program(binary).start()
        assert program.wait() == 1
        assert "the tables are at version 7, expected 12 or later: run the migrations (paysaga migrate up)" \
            in program.output
        program.is_killed = True  # its end was wanted


def test_a_schema_that_is_marked_dirty_is_told(world: World):
    for line, table in (("saga", "schema_migrations"), ("saga.outbox", "outbox_schema_migrations")):
        world.sql(f"UPDATE {table} SET dirty = true")
        program = world.program("payments-cron").start()
        assert program.wait() == 1
        assert f"of the line {line}" in program.output and f"set dirty to false in {table}" in program.output
        program.is_killed = True  # its end was wanted
        told = paysaga(world, "migrate", "status")
        assert told.status == 1 and line in told.error
        world.sql(f"UPDATE {table} SET dirty = false")


def test_lines_of_migrations_go_up_and_down_in_order(world: World):
    def status() -> dict:
        return {each["line"]: each["version"] for each in paysaga(world, "migrate", "status").lines}

    newest = status()
    assert list(newest)[:5] == ["saga", "saga.outbox", "ledger", "risk", "processing"]
    others = {line: version for line, version in newest.items() if not line.startswith("saga")}
    down = paysaga(world, "migrate", "down", str(sum(others.values())))
    assert [each["line"] for each in down.lines if "migrated" in each] == [
        line for line, version in reversed(others.items()) for _ in range(version)]
    # The first step of the outbox is the saga's own line's to take back: in the other it is only recorded.
    down = paysaga(world, "migrate", "down", str(newest["saga"] + newest["saga.outbox"] - 1))
    assert [each["version"] for each in down.lines if "migrated" in each] == [
        *range(newest["saga.outbox"], 1, -1), *range(newest["saga"], 0, -1)]
    assert status() == dict.fromkeys(newest) | {"saga.outbox": 1}
    world.sql("DROP TABLE outbox_schema_migrations")
    up = paysaga(world, "migrate", "up")
    made = [(each["line"], each["migrated"]) for each in up.lines if "migrated" in each]
    assert made[newest["saga"] - 1:][:2] == [("saga", "up"), ("saga.outbox", "recorded")]
    assert [line for line, direction in made if direction == "up"] == [
        line for line, version in newest.items() for _ in range(version - (line == "saga.outbox"))]
    assert status() == newest
    assert world.client(world.server()).create(1).order_id == 1


def test_the_migrations_of_a_context_go_to_its_own_database(world: World):
    own = world.databases.create_empty()
    name, moved = urlsplit(own).path.strip("/"), {"ledger", "risk", "processing", "processing.outbox"}

    def places(**settings: str) -> dict:
        return {each["line"]: each["database"] for each in paysaga(world, "migrate", "status", **settings).lines}

    try:
        assert {place.split("/")[-1] for place in places().values()} == {world.database}
        found = places(PROCESSING_DSN=own)
        assert moved <= {line for line, place in found.items() if place.endswith(f"/{name}")}
        assert found["saga"].endswith(f"/{world.database}") and f":{urlsplit(world.dsn).password}@" not in str(found)
        pooler = "postgres://u@127.0.0.1:1/nowhere"
        assert paysaga(world, "migrate", "up", PROCESSING_DSN=pooler, PROCESSING_DIRECT_DSN=own).status == 0
        with psycopg.connect(own) as connection:
            assert connection.execute("SELECT to_regclass('processing.payment') IS NOT NULL").fetchone()[0]
            assert connection.execute("SELECT to_regclass('public.payment') IS NULL").fetchone()[0]
        wrong = paysaga(world, "migrate", "status", PROCESSING_DSN="mysql://u:s3cret@127.0.0.1/db")
        assert wrong.status == 2 and "PROCESSING_DSN: expected postgres://" in wrong.error and "s3cret" not in wrong.error
    finally:
        world.databases.drop(own)


def test_a_taken_port_is_told(world: World):
    server = world.server()
    second = world.program("payments-server", SERVER_GRPC_ADDR=f"127.0.0.1:{server.grpc_port}").start()
    assert second.wait() == 1
    assert str(server.grpc_port) in second.output
    second.is_killed = True
    assert world.client(server).create(1).order_id == 1


# The admin endpoint


@pytest.mark.parametrize("binary", PROGRAMS)
def test_the_admin_endpoint(world: World, binary: str):
    program = world.program(binary).start().wait_ready()
    assert program.get("/healthz")[0] == 200
    status, report = program.readiness()
    assert status == 200 and report["status"] == "ready"
    assert {"kafka"} <= set(report["checks"]) and any(name.startswith("postgres") for name in report["checks"])
    status, metrics = program.get("/metrics")
    assert status == 200 and "# TYPE" in metrics
    assert program.metric("process_resident_memory_bytes") > 1_000_000
    assert program.get("/nothing")[0] == 404


def test_metrics_tell_of_calls_and_events(world: World):
    server = world.server()
    client = world.client(server)
    for order in range(1, 6):
        client.create(order)
    refused(client.settle, 99)
    world.wait_until_published(5)
    wait_until(lambda: server.metric("paysaga_outbox_published_total") == 5, "published events are counted")
    _, text = server.get("/metrics")
    for name in ("paysaga_outbox_waiting_events", "paysaga_outbox_dead_events", "paysaga_outbox_oldest_waiting_seconds"):
        assert name in text, f"{name} is not among the metrics"


# SIGTERM


@pytest.mark.parametrize("binary", PROGRAMS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_an_idle_program(world: World, binary: str, number: signal.Signals):
    program = world.program(binary).start().wait_ready()
    program.send(number)
    assert program.wait(10) == 0
    assert "stopped" in program.output


@pytest.mark.parametrize("binary", PROGRAMS)
def test_a_signal_stops_a_program_that_waits_for_the_database(world: World, binary: str):
    program = world.program(binary, DB_DSN="postgres://u:p@127.0.0.1:1/db").start()
    assert program.admin_port
    wait_until(lambda: program.readiness()[0] == 503, "it waits")
    assert program.stop(10) == 0


@pytest.mark.parametrize("binary", PROGRAMS)
def test_a_signal_stops_a_program_that_waits_for_the_broker(world: World, binary: str):
    program = world.program(binary, KAFKA_BROKERS="127.0.0.1:1").start()
    assert program.admin_port
    program.wait_for_output("waiting for the broker")
    assert program.stop(10) == 0


def test_a_call_in_flight_ends_well_after_sigterm(world: World):
    """The call waits for a row lock when the signal comes; it finishes, and new calls are not taken."""
    server = world.server()
    client = world.client(server)
    client.create(1)
    world.wait_until_published(1)
    request = payments.UpdatePaymentStatusRequest(order_id=1, status=COMPLETED)
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = %s"
    with world.connection.transaction():
        world.connection.execute("SELECT * FROM payment WHERE order_id = 1 FOR UPDATE")
        call = client.payments.UpdatePaymentStatus.future(request, timeout=20)
        wait_until(lambda: world.databases.ask(waiting, world.database) == 1, "the call waits for the lock")
        server.send(signal.SIGTERM)
        server.wait_for_output("stopping")
        # What connects before the listeners have closed, a moment after that line, is served.
        wait_until(lambda: refuses_connections(server.grpc_port), "the server takes no more connections")
        late = Client(server.grpc_port)
        try:
            assert refused(late.get, 1, timeout=3).code == grpc.StatusCode.UNAVAILABLE
        finally:
            late.close()
        assert not call.done() and server.is_running
    assert call.result(timeout=10).status == COMPLETED
    assert server.wait(15) == 0
    assert world.value("SELECT count(*) FROM event") == 2
    server.start().wait_ready()
    assert oracle.check(world) == oracle.Verdict(1, 2, 2, 0)


def test_sigterm_ends_in_time_although_a_call_hangs(world: World):
    server = world.server(SERVER_SHUTDOWN_TIMEOUT="1s")
    client = world.client(server)
    client.create(1)
    world.wait_until_published(1)
    request = payments.UpdatePaymentStatusRequest(order_id=1, status=COMPLETED)
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = %s"
    with world.connection.transaction():
        world.connection.execute("SELECT * FROM payment WHERE order_id = 1 FOR UPDATE")
        call = client.payments.UpdatePaymentStatus.future(request, timeout=20)
        wait_until(lambda: world.databases.ask(waiting, world.database) == 1, "the call waits for the lock")
        began = time.monotonic()
        server.send(signal.SIGTERM)
        assert call.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
        assert server.wait(10) == 0
        assert time.monotonic() - began < 6


def test_sigterm_ends_watches(world: World):
    server = world.server()
    client = world.client(server)
    client.create(1)
    seen: list = []
    first = threading.Event()

    def watch():
        try:
            for payment in client.watch(1, timeout=30):
                seen.append(payment)
                first.set()
        except grpc.RpcError as error:
            seen.append(error.code())

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert first.wait(10)
    assert server.stop(10) == 0
    watcher.join(10)
    assert seen[-1] == grpc.StatusCode.UNAVAILABLE


def test_sigterm_under_load_loses_nothing(world: World):
    """Both programs are stopped and started under load; every exit is clean."""
    server, consumer = world.server(), world.consumer()
    client = world.client(server)
    world.push_orders(range(1, 2001))
    for limit in (200, 1000):
        world.wait_for_payments(limit, timeout=60)
        assert server.stop() == 0 and consumer.stop() == 0
        server.start()
        consumer.start()
        # Before the admin endpoint is there a signal may find the program without its handlers.
        assert server.admin_port and consumer.admin_port
    world.wait_for_payments(2000, timeout=60)
    server.wait_ready()
    assert client.settle(7, timeout=20).status == COMPLETED
    assert oracle.check(world, timeout=60) == oracle.Verdict(2000, 2001, 2001, 0)
