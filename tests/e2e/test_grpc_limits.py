"""What callers may make a server hold and do, who may call it, and what a passed deadline is answered with."""

import base64
import gzip
import itertools
import struct
import threading
import time
from contextlib import ExitStack

import pytest
from hyperframe.frame import PingFrame

from harness.certificates import Authority
from harness.frames import (
    DEADLINE_EXCEEDED, ENHANCE_YOUR_CALM, OK, RESOURCE_EXHAUSTED, UNAVAILABLE, Connection, message, request_headers)
from harness.process import Program
from harness.rpc import COMPLETED, Client
from harness.waiting import wait_until
from harness.world import World

PING = "/paymentsapi.PaymentsApi/GetPing"
CHECK = "/grpc.health.v1.Health/Check"
GET = "/payments.v1.PaymentService/GetPayment"
HEALTH_WATCH = "/grpc.health.v1.Health/Watch"
NEXT_ORDER = itertools.count(50_001)


@pytest.fixture
def server(grpc_world: World):
    """Makes servers with settings of the test's own."""
    made: list[Program] = []

    def start(**settings: str) -> Program:
        made.append(grpc_world.server(**{"CRON_ENABLED": "false"} | settings))
        return made[-1]

    yield start
    for program in made:
        if program.is_running:
            assert program.stop() == 0


def test_unfinished_messages_have_one_budget_and_their_memory_returns(server):
    """50 connections with messages of 4 MiB less a byte, on all loops; honest callers are served."""
    program = server(SERVER_MAX_MESSAGE_SIZE=str(4 << 20), SERVER_MAX_HELD_BYTES=str(32 << 20), SERVER_STALL_TIMEOUT="4s")
    before = program.resident_kib()
    part = struct.pack(">BI", 0, 4 << 20) + bytes(250_000)
    with ExitStack() as stack:
        connections = [stack.enter_context(Connection(program.grpc_port)) for _ in range(50)]
        for connection in connections:
            streams = [connection.open(request_headers(PING)) for _ in range(16)]
            for stream in streams:
                connection.try_send(b"".join(
                    connection.data_frame(stream, part[at:at + 16384]).serialize() for at in range(0, len(part), 16384)))
                connection.pump()
        with Connection(program.grpc_port) as honest:
            assert honest.call(PING, message()).status == OK
        assert program.resident_kib("VmHWM") - before < 96 << 10
    wait_until(lambda: program.resident_kib() - before < 24 << 10, "the memory is given back", 15)


def test_compressed_messages_leave_time_for_others(server):
    """Sixteen callers with messages of 4 KB that expand to 4 MiB. What another caller waits for is counted in the
    server's processor time, which is the same however busy the machine is.
    """
    program = server(SERVER_MAX_MESSAGE_SIZE=str(4 << 20), SERVER_THREADS="1")
    bomb = message(gzip.compress(bytes(4 << 20)), flag=1)
    done = threading.Event()

    def attack() -> None:
        fields = request_headers(CHECK, ("grpc-encoding", "gzip"))
        with Connection(program.grpc_port) as connection:
            while not done.is_set():
                for _ in range(8):
                    connection.start(CHECK, bomb, fields=fields)
                connection.pump(0.01)
                connection.answers.clear()
                connection.frames.clear()

    threads = [threading.Thread(target=attack, daemon=True) for _ in range(16)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    try:
        with Connection(program.grpc_port) as honest:
            before = program.cpu_seconds()
            for _ in range(20):
                assert honest.call(PING, message()).status == OK
            spent = program.cpu_seconds() - before
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert spent < 2, f"the server worked {spent:.2f} s for others while it answered 20 calls"


def test_one_address_has_so_many_connections(server):
    program = server(SERVER_MAX_PEER_CONNECTIONS="3")
    with ExitStack() as stack:
        connections = [stack.enter_context(Connection(program.grpc_port)) for _ in range(3)]
        for connection in connections:
            assert connection.call(PING, message()).status == OK
        with Connection(program.grpc_port) as further:
            answer = further.call(PING, message())
            assert answer.status == UNAVAILABLE and "from this address" in answer.trailers["grpc-message"]

    def is_served() -> bool:
        with Connection(program.grpc_port) as later:
            return later.call(PING, message()).status == OK

    wait_until(is_served, "a place is free")


def test_one_address_has_so_many_open_streams(server):
    """Those that end make room."""
    program = server(SERVER_MAX_PEER_STREAMS="5")
    with Connection(program.grpc_port) as first, Connection(program.grpc_port) as second:
        for connection, count in ((first, 3), (second, 2)):
            for _ in range(count):
                stream = connection.start(HEALTH_WATCH, message())
                connection.wait(lambda: connection.answer(stream).data, "the stream is answered")
        answer = second.call(HEALTH_WATCH, message())
        assert answer.status == RESOURCE_EXHAUSTED and "from this address" in answer.trailers["grpc-message"]
        assert second.call(PING, message()).status == OK
        first.close()

        def is_let_in() -> bool:
            stream = second.start(HEALTH_WATCH, message())
            second.wait(lambda: second.answer(stream).data or second.answer(stream).is_over, "the stream is answered")
            return not second.answer(stream).is_over

        wait_until(is_let_in, "a place is free")


def test_the_least_time_between_pings_is_a_setting(server):
    program = server(SERVER_KEEPALIVE_MIN_TIME="0s")
    with Connection(program.grpc_port) as connection:
        for _ in range(20):
            connection.ping()
        assert not connection.goaways
    program = server(SERVER_KEEPALIVE_MIN_TIME="10m")
    with Connection(program.grpc_port) as connection:
        connection.send(*[PingFrame(0, opaque_data=b"toooften")] * 5)
        assert connection.wait_goaway().error_code == ENHANCE_YOUR_CALM
    wait_until(lambda: "too_many_pings" in program.output, "the log says why")


# Deadlines


def test_a_tiny_deadline_is_deadline_exceeded(server):
    program = server()
    get = message(b"\x08\x01")
    with Connection(program.grpc_port) as connection:
        for timeout in ("1n", "1u", "50u"):
            for _ in range(50):
                answer = connection.call(GET, get, fields=request_headers(GET, grpc_timeout=timeout))
                assert answer.status in (DEADLINE_EXCEEDED, 5), answer


def test_a_passed_deadline_says_whether_a_write_may_have_happened(server, grpc_world: World):
    """A row that somebody holds keeps a write waiting, and so do locked tables a read."""
    program = server()
    client = Client(program.grpc_port)
    order = next(NEXT_ORDER)
    client.create(order)
    try:
        with grpc_world.connection.transaction():
            grpc_world.sql("SELECT 1 FROM payment WHERE order_id = %s FOR UPDATE", order)
            # Our own deadline is shorter than the client's, which would say so by itself.
            stream_fields = request_headers("/payments.v1.PaymentService/UpdatePaymentStatus", grpc_timeout="400m")
            with Connection(program.grpc_port) as connection:
                answer = connection.call(stream_fields[2][1], message(
                    b"\x08" + varint(order) + b"\x10\x02"), fields=stream_fields)
            assert answer.status == DEADLINE_EXCEEDED, answer
            assert "grpc-status-details-bin" in answer.trailers
            details = base64.b64decode(answer.trailers["grpc-status-details-bin"] + "==")
            assert b"OUTCOME_UNKNOWN" in details
    finally:
        client.close()


def varint(value: int) -> bytes:
    made = b""
    while value > 127:
        made += bytes([value & 127 | 128])
        value >>= 7
    return made + bytes([value])


# Who calls


def test_the_api_is_closed_beyond_loopback(grpc_world: World):
    program = grpc_world.program("payments-server", SERVER_GRPC_ADDR="0.0.0.0:0").start()
    assert program.wait() == 2
    assert "SERVER_TLS_CLIENT_CA" in program.output and "SERVER_INSECURE=true" in program.output
    grpc_world.programs.remove(program)
    program = grpc_world.server(SERVER_GRPC_ADDR="0.0.0.0:0", SERVER_INSECURE="true", CRON_ENABLED="false")
    assert program.stop() == 0


def test_events_say_who_called(grpc_world: World, tmp_path):
    authority = Authority(tmp_path, "callers")
    identity = authority.server()
    program = grpc_world.server(
        CRON_ENABLED="false", SERVER_TLS_CERT=str(identity.certificate), SERVER_TLS_KEY=str(identity.key),
        SERVER_TLS_CLIENT_CA=str(authority.file))
    client = Client(program.grpc_port, authority.credentials(authority.client("orders")))
    order = next(NEXT_ORDER)
    client.create(order)
    assert client.settle(order).status == COMPLETED
    client.close()
    headers = [row[0] for row in grpc_world.sql("SELECT headers FROM event WHERE key = %s ORDER BY seq", str(order))]
    assert len(headers) == 2
    for found in headers:
        pairs = dict(zip(found[::2], found[1::2]))
        assert pairs["caller"].startswith("orders.example@ipv4:127.0.0.1:"), pairs
    assert program.stop() == 0
