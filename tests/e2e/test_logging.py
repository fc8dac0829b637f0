"""A log that nobody reads stops nothing, and tells afterwards what is missing."""

import os
import re
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import oracle
from harness.direct import Direct
from harness.process import BINARIES, LogReader, clean_environment
from harness.rpc import refused
from harness.waiting import wait_until
from harness.world import World


def test_a_reader_that_stalls_stops_no_payment(world: World):
    # librdkafka tells of each request and record, far more than the pipe and the queue hold.
    server, consumer = (
        world.program(name, KAFKA_DEBUG="all") for name in ("payments-server", "payments-consumer"))
    for program in (server, consumer):
        program.log_reader = LogReader(program.log)
        program.start()
    client = world.client(server)
    for program in (server, consumer):
        program.wait_ready()
        program.log_reader.stall()
    order = 0
    callers = ThreadPoolExecutor(8)

    def lines_are_dropped() -> bool:
        nonlocal order
        world.push_orders(range(order + 1, order + 21))
        list(callers.map(client.create, range(order + 21, order + 221)))
        order += 220
        world.wait_for_payments(order)
        return server.metric("paysaga_log_lines_dropped_total") > 0

    wait_until(lines_are_dropped, "the queue of the log is full", 60)
    for program in (server, consumer):
        assert program.readiness()[0] == 200
        program.log_reader.go_on()
    server.wait_for_output(r" warning payments-server/\S+ log: lines are missing here.* count=[1-9]\d*$")
    assert oracle.check(world).payments == order


@pytest.mark.parametrize("binary", ["payments-server", "payments-consumer", "payments-cron"])
def test_a_reader_that_stalls_does_not_hold_up_the_end(world: World, binary: str):
    program = world.program(binary)
    program.log_reader = LogReader(program.log)
    program.start().wait_ready()
    program.log_reader.stall()
    began = time.monotonic()
    assert program.stop(timeout=15) == 0
    assert time.monotonic() - began < 10
    program.log_reader.go_on()
    wait_until(lambda: f"{binary}: stopped\n" in program.output, "what it said last is read")


def test_a_closed_standard_error_is_harmless(world: World):
    """Nothing else may get its number: the log would be written into a connection."""
    environment = world.environment(SERVER_GRPC_ADDR="127.0.0.1:0", ADMIN_ADDR="")
    program = subprocess.Popen(
        ["sh", "-c", f'exec "{BINARIES}/payments-server" 2>&- 1>&- 0<&-'], env=environment, start_new_session=True)
    try:
        world.push_orders([1])
        consumer = world.consumer()
        wait_until(lambda: world.count_payments() == 1, "the payment is open")
        wait_until(lambda: world.count_events("DONE") == 1, "the relay of the server has published")
        for descriptor in (0, 1, 2):
            assert os.readlink(f"/proc/{program.pid}/fd/{descriptor}") == "/dev/null"
        assert consumer.is_running and program.poll() is None
    finally:
        program.send_signal(signal.SIGTERM)
        assert program.wait(20) == 0


def test_a_program_cannot_be_looked_into(world: World):
    server = world.server()
    limits = open(f"/proc/{server.handle.pid}/limits").read()
    assert re.search(r"Max core file size\s+0\s+0\s", limits), limits
    # What is not dumpable belongs to root in /proc, whoever runs it.
    if os.geteuid() != 0:
        with pytest.raises(PermissionError):
            open(f"/proc/{server.handle.pid}/environ").read()
    world.client(server).create(1)


def test_migrations_of_the_folder_are_not_run(world: World, tmp_path):
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0099_planted.up.sql").write_text("CREATE TABLE planted ()")
    (folder / "0099_planted.down.sql").write_text("DROP TABLE planted")
    dsn = world.databases.create_empty()
    environment = clean_environment() | {"DB_DSN": dsn, "PAYSAGA_MIGRATIONS": str(folder)}
    done = subprocess.run(
        [BINARIES / "paysaga", "migrate", "up"], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "planted" not in done.stdout and "version=" in done.stdout
    told = subprocess.run(
        [BINARIES / "paysaga", "migrate", "status", "--dir", folder], env=environment, cwd=tmp_path, capture_output=True,
        text=True, timeout=60)
    assert told.returncode == 1 and "migration 1 is missing" in told.stderr
    world.databases.drop(dsn)


# The access log: of three calls two succeed.
LOGGED = [(None, 0, 0), ("errors", 0, 1), ("all", 2, 1)]


@pytest.mark.parametrize("access, good, bad", LOGGED)
def test_the_access_log_of_grpc_has_a_line_for_each_call(world: World, access: str | None, good: int, bad: int):
    server = world.server(LOG_LEVEL="info", SERVER_ACCESS_LOG=access)
    client = world.client(server)
    client.create(1)
    client.get(1)
    refused(client.get, 2)
    # What was written before is written by then.
    assert server.stop() == 0
    calls = [line for line in server.output.splitlines() if re.search(r" payments-server/\S+ grpc: call ", line)]
    ended = [line for line in calls if re.search(r" info .*call ended method=\S+ peer=\S+ code=OK duration_ms=\S+ bytes=\d", line)]
    failed = [line for line in calls if re.search(r" warning .*call failed method=/\S+/GetPayment .*code=NOT_FOUND", line)]
    assert (len(ended), len(failed), len(calls)) == (good, bad, good + bad), calls


@pytest.mark.parametrize("access, good, bad", LOGGED)
def test_the_access_log_of_http_has_a_line_for_each_request(world: World, access: str | None, good: int, bad: int):
    gateway = Direct(world).gateway(LOG_LEVEL="info", GATEWAY_ACCESS_LOG=access)
    for _ in range(2):
        assert gateway.get("/v1/payments").status == 200
    assert gateway.get("/v1/payments/01980f3e-7c51-7000-8000-000000000000").status == 404
    assert gateway.program.stop() == 0
    requests = [line for line in gateway.program.output.splitlines() if re.search(r" payments-gateway/\S+ \S+: request", line)]
    served = [line for line in requests if re.search(r" info .*request method=GET route=\S+ code=200 peer=\S+ .*bytes=\d", line)]
    refusals = [line for line in requests if re.search(r" warning .*request refused method=GET route=\S+ code=404 ", line)]
    assert (len(served), len(refusals), len(requests)) == (good, bad, good + bad), requests
