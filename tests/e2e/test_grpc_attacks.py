"""Callers that mean harm: each is bounded in memory, and an honest caller is served meanwhile."""

import struct
import threading
import time
from contextlib import ExitStack, contextmanager
from typing import Callable, Iterator

import grpc
import pytest
from hyperframe.frame import (
    ContinuationFrame, DataFrame, HeadersFrame, PingFrame, PriorityFrame, RstStreamFrame, SettingsFrame,
    WindowUpdateFrame)

from harness.frames import (
    CANCEL, ENHANCE_YOUR_CALM, OK, PREFACE, PROTOCOL_ERROR, RESOURCE_EXHAUSTED, UNAVAILABLE, Connection,
    message, request_headers)
from harness.process import Program
from harness.rpc import Client, payments
from harness.waiting import holds_for, wait_until
from harness.world import World

PING = "/paymentsapi.PaymentsApi/GetPing"
LIST = "/payments.v1.PaymentService/ListPayments"
HEALTH_WATCH = "/grpc.health.v1.Health/Watch"
MIB = 1024
"""In KiB, as /proc counts."""


@pytest.fixture(scope="module")
def target(grpc_world: World) -> Program:
    """The server that is attacked, with short times; it must outlive every test."""
    return grpc_world.server(
        CRON_ENABLED="false", SERVER_HANDSHAKE_TIMEOUT="400ms", SERVER_STALL_TIMEOUT="1s",
        SERVER_MAX_MESSAGE_SIZE=str(4 << 20))


@pytest.fixture(scope="module")
def port(target: Program) -> int:
    """Where it listens; there are payments enough for a list of 60 KiB."""
    client = Client(target.grpc_port)
    requests = [payments.CreatePaymentRequest(order_id=order) for order in range(30_001, 31_001)]
    for call in [client.payments.CreatePayment.future(request, timeout=10) for request in requests]:
        call.result()
    client.close()
    return target.grpc_port


class Honest:
    """A grpcio client that calls all the while; every call must succeed within 5 s."""

    def __init__(self, port: int):
        self.calls, self.slowest, self.problem = 0, 0.0, None
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.use_local_subchannel_pool", 1)])
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        method = self._channel.unary_unary(PING)
        while not self._stop.is_set():
            before = time.monotonic()
            try:
                method(b"", timeout=5)
            except grpc.RpcError as error:
                self.problem = f"{error.code()} {error.details()}"
                return
            self.calls += 1
            self.slowest = max(self.slowest, time.monotonic() - before)
            self._stop.wait(0.002)

    def served_again(self) -> bool:
        """Whether a whole call has been made since this was asked."""
        seen = self.calls
        wait_until(lambda: self.problem or self.calls >= seen + 2, "the honest client is served")
        return self.problem is None

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._channel.close()


@pytest.fixture(autouse=True)
def honest(target: Program, port: int) -> Iterator[Honest]:
    """Memory stays flat and the honest client is served, whatever a test of this module does."""
    client = Honest(port)
    try:
        assert client.served_again()
        before = target.resident_kib()
        yield client
        assert client.served_again(), client.problem
        assert target.is_running
        growth = target.resident_kib() - before
        assert growth < 24 * MIB, f"{growth} KiB more than before"
    finally:
        client.close()


@contextmanager
def peak(target: Program, most: int) -> Iterator[None]:
    """Watches resident memory all the while: it may grow by `most` KiB."""
    before, highest, done = target.resident_kib(), 0, threading.Event()

    def watch() -> None:
        nonlocal highest
        while not done.wait(0.01):
            highest = max(highest, target.resident_kib())

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    assert highest - before < most, f"{highest - before} KiB more at its worst, allowed {most}"


def cpu_seconds(target: Program) -> float:
    """Processor time that the server has used."""
    fields = open(f"/proc/{target.handle.pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def flood(port: int, make: Callable[[Connection], bytes], allowed: set[int], seconds: float = 8.0) -> Connection:
    """Sends the same bytes until the server hangs up, and tells why it did."""
    connection = Connection(port, quiet=True)
    deadline = time.monotonic() + seconds
    while not connection.is_closed and not connection.goaways:
        assert time.monotonic() < deadline, "the flood goes on and on"
        if not connection.try_send(make(connection), 2.0):
            break
        connection.pump()
    wait_until(lambda: connection.pump(0.1) is None or connection.is_closed or connection.goaways, "the server hangs up")
    assert connection.goaways and connection.goaways[-1].error_code in allowed, connection.goaways
    connection.close()
    return connection


# Floods of frames


def test_rapid_reset_is_ended(port: int, target: Program):
    """CVE-2023-44487: calls that are reset at once."""

    def burst(connection: Connection) -> bytes:
        parts = []
        for _ in range(200):
            stream = connection.new_stream()
            parts.append(connection.headers_frame(stream, request_headers(HEALTH_WATCH)).serialize())
            parts.append(DataFrame(stream, message(), flags=["END_STREAM"]).serialize())
            parts.append(RstStreamFrame(stream, error_code=CANCEL).serialize())
        return b"".join(parts)

    with peak(target, 48 * MIB):
        connection = flood(port, burst, {ENHANCE_YOUR_CALM})
    assert connection.goaways[-1].additional_data == b"too many streams were reset"
    wait_until(lambda: "too many streams were reset" in target.output, "the log says why")


def test_resets_of_calls_that_never_began_are_ended(port: int, target: Program):
    """Cheaper still, and counted with the others."""

    def burst(connection: Connection) -> bytes:
        return b"".join(RstStreamFrame(connection.new_stream(), error_code=CANCEL).serialize() for _ in range(500))

    with peak(target, 16 * MIB):
        connection = flood(port, burst, {ENHANCE_YOUR_CALM})
    assert connection.goaways[-1].additional_data == b"too many streams were reset"


@pytest.mark.parametrize("kind", ["DATA", "HEADERS"])
def test_frames_for_streams_that_are_over_are_ended(port: int, target: Program, kind: str):
    """What is read over behind a reset is bounded."""

    def burst(connection: Connection) -> bytes:
        opening = b""
        if not connection.answers:
            connection.answer(1)
            opening = connection.headers_frame(connection.new_stream(), request_headers(HEALTH_WATCH)).serialize()
            opening += RstStreamFrame(1, error_code=CANCEL).serialize()
        frame = DataFrame(1) if kind == "DATA" else HeadersFrame(1, b"\x82", flags=["END_HEADERS", "END_STREAM"])
        return opening + frame.serialize() * 2000

    with peak(target, 16 * MIB):
        flood(port, burst, {ENHANCE_YOUR_CALM})


def test_a_client_that_cancels_much_is_none_of_them(port: int):
    """1,500 cancelled calls in a row are a busy day, not an attack."""
    with Connection(port) as connection:
        for _ in range(15):
            streams = [connection.start(HEALTH_WATCH, message()) for _ in range(100)]
            connection.send(*[RstStreamFrame(stream, error_code=CANCEL) for stream in streams])
        assert connection.call(PING, message()).status == OK


def test_resets_that_are_provoked_are_ended(port: int, target: Program):
    """CVE-2025-8671: calls whose second frame forces the server to reset them, which nghttp2 does not count."""

    def burst(connection: Connection) -> bytes:
        parts = []
        for _ in range(100):
            stream = connection.new_stream()
            parts.append(connection.headers_frame(stream, request_headers(HEALTH_WATCH)).serialize())
            parts.append(DataFrame(stream, message(), flags=["END_STREAM"]).serialize())
            parts.append(WindowUpdateFrame(stream, window_increment=2**31 - 1).serialize())
        return b"".join(parts)

    with peak(target, 48 * MIB):
        flood(port, burst, {ENHANCE_YOUR_CALM})


def test_a_continuation_flood_is_ended(port: int, target: Program):
    """CVE-2024-28182: a header block without an end."""
    with peak(target, 16 * MIB), Connection(port) as connection:
        stream = connection.new_stream()
        fields = request_headers(PING)
        block = connection.encoder.encode(fields, huffman=False)
        connection.send(HeadersFrame(stream, block))
        part = ContinuationFrame(stream, connection.encoder.encode([("x", "y" * 1000)] * 4, huffman=False)).serialize()
        connection.try_send(part * 2000, 5.0)
        assert connection.wait_goaway().error_code == ENHANCE_YOUR_CALM
    with Connection(port) as connection:
        stream = connection.new_stream()
        connection.send(HeadersFrame(stream, block))
        connection.try_send(ContinuationFrame(stream, b"").serialize() * 100_000, 5.0)
        assert connection.wait_goaway().error_code == ENHANCE_YOUR_CALM


@pytest.mark.parametrize("frame", [
    PingFrame(0, opaque_data=b"flooding"), SettingsFrame(0, settings={4: 70_000}), SettingsFrame(0),
    PriorityFrame(2**30 + 1, depends_on=0, stream_weight=1), WindowUpdateFrame(0, window_increment=1),
], ids=["PING", "SETTINGS", "empty SETTINGS", "PRIORITY", "WINDOW_UPDATE"])
def test_frames_that_ask_for_nothing_are_ended(port: int, target: Program, frame):
    """CVE-2019-9512, 9515 and 9513."""
    data = frame.serialize() * 2000
    with peak(target, 16 * MIB):
        flood(port, lambda _: data, {ENHANCE_YOUR_CALM})


def test_empty_data_is_ended(port: int, target: Program):
    """CVE-2019-9518: DATA without data and without an end."""
    with Connection(port) as probe:
        probe.ping()

    def burst(connection: Connection) -> bytes:
        opening = b""
        if not connection.answers:
            connection.answer(1)
            opening = connection.headers_frame(connection.new_stream(), request_headers(PING)).serialize()
        return opening + DataFrame(1).serialize() * 2000

    with peak(target, 16 * MIB):
        flood(port, burst, {ENHANCE_YOUR_CALM})


def test_floods_whose_answers_are_not_read_are_bounded(port: int, target: Program):
    """CVE-2019-9512 as it was meant: the answers pile up, because nobody reads them."""
    with peak(target, 24 * MIB), ExitStack() as stack:
        attackers = [stack.enter_context(Connection(port, receive_buffer=4096)) for _ in range(20)]
        for connection in attackers:
            connection.try_send(SettingsFrame(0).serialize() * 100_000, 0.1)
        for connection in attackers:
            wait_until(lambda: connection.pump(0.05) is None or connection.is_closed or connection.goaways, "it is ended")


# Headers


def test_an_hpack_bomb_is_refused(port: int, target: Program):
    """One field of 4 KiB in the table, then thousands of references of one byte each: 16 MiB a block, decoded."""
    with peak(target, 16 * MIB), Connection(port) as connection:
        stream = connection.new_stream()
        fields = request_headers(PING)
        block = connection.encoder.encode(fields + [("x", "y" * 3900)], huffman=False)
        connection.send(HeadersFrame(stream, block, flags=["END_HEADERS"]))
        reference = connection.encoder.encode([("x", "y" * 3900)], huffman=False)
        assert len(reference) == 1
        for _ in range(50):
            stream = connection.new_stream()
            block = connection.encoder.encode(fields, huffman=False) + reference * 8000
            connection.send(HeadersFrame(stream, block[:16384], flags=["END_HEADERS"]))
            assert connection.wait_for(stream).reset == ENHANCE_YOUR_CALM
        assert connection.call(PING, message()).status == OK


# Peers that are slow


def test_a_peer_without_window_holds_little_and_is_dropped(port: int, target: Program):
    """Zero window: calls whose answers may not be sent, on many connections; refused beyond a bound, dropped in time."""
    request = message(payments.ListPaymentsRequest(page_size=200).SerializeToString())
    with peak(target, 64 * MIB), ExitStack() as stack:
        attackers = [stack.enter_context(Connection(port, settings={4: 0}, window_updates=False)) for _ in range(10)]
        for connection in attackers:
            for _ in range(100):
                connection.start(LIST, request)
        for connection in attackers:
            connection.wait_closed()


def test_a_slow_reader_is_dropped(port: int, target: Program):
    """A byte of window now and then is no progress."""
    with peak(target, 16 * MIB), Connection(port, settings={4: 0}, window_updates=False) as connection:
        stream = connection.start(LIST, message(payments.ListPaymentsRequest(page_size=1000).SerializeToString()))
        started = time.monotonic()
        while not connection.is_closed:
            assert time.monotonic() - started < 10, "a byte at a time goes on for ever"
            connection.try_send(WindowUpdateFrame(stream, window_increment=1).serialize(), 0.1)
            time.sleep(0.05)
            connection.pump()
        assert 3 < len(connection.answer(stream).data) < 100, "bytes that were let through"


def test_a_socket_that_is_not_read_is_dropped(port: int, target: Program):
    """Full TCP buffers: the server reads no more either, holds little, and hangs up."""
    request = message(payments.ListPaymentsRequest(page_size=1000).SerializeToString())
    endings = target.output.count("the peer does not take what waits for it")

    with peak(target, 64 * MIB), ExitStack() as stack:
        attackers = [stack.enter_context(Connection(port, receive_buffer=4096, settings={4: 2**31 - 1}))
                     for _ in range(2)]
        for connection in attackers:
            connection.send(WindowUpdateFrame(0, window_increment=2**30))
            # 6 MiB of answers: the system's buffers take 4 of them.
            for _ in range(100):
                connection.start(LIST, request)
        wait_until(lambda: target.output.count("the peer does not take what waits for it") >= endings + 2,
                   "all are dropped")


def test_a_slow_request_is_ended(port: int, target: Program):
    """A byte of a request now and then holds its stream for a while only."""
    with Connection(port) as connection:
        stream = connection.start(PING, message(bytes(1000))[:10], end_stream=False)
        started = time.monotonic()
        while not connection.answer(stream).is_over:
            assert time.monotonic() - started < 10, "a byte at a time goes on for ever"
            connection.data(stream, b"\0")
            connection.pump(0.05)
        assert connection.answer(stream).status == UNAVAILABLE
        assert connection.call(PING, message()).status == OK


def test_unfinished_requests_are_bounded(port: int, target: Program):
    """Requests of 4 MiB less a byte, on a hundred streams of a connection: refused beyond 16 MiB."""
    with peak(target, 48 * MIB), Connection(port) as connection:
        streams = [connection.open(request_headers(PING)) for _ in range(100)]
        prefix = struct.pack(">BI", 0, 4 << 20)
        for stream in streams:
            connection.data(stream, prefix + bytes(250_000))
            connection.pump()
        connection.wait(lambda: any(connection.answer(stream).is_over for stream in streams), "some are refused")
        refused = [connection.answer(stream) for stream in streams if connection.answer(stream).is_over]
        assert refused[0].status == RESOURCE_EXHAUSTED and refused[0].is_trailers_only


def test_connections_that_say_nothing_are_closed(port: int, target: Program):
    """No preface, half a preface, a preface without SETTINGS, and rubbish cut short."""
    openings = [b"", PREFACE[:10], PREFACE, b"\0"]
    with peak(target, 16 * MIB), ExitStack() as stack:
        silent = [stack.enter_context(Connection(port, preface=False)) for _ in range(200)]
        for number, connection in enumerate(silent):
            connection.send_bytes(openings[number % 4])
        for connection in silent:
            connection.wait_closed()


def test_headers_that_do_not_end_are_not_waited_for(port: int, target: Program):
    """A header block cut short, between frames and within one, with a byte now and then."""
    with ExitStack() as stack:
        cut = [stack.enter_context(Connection(port)) for _ in range(20)]
        for number, connection in enumerate(cut):
            connection.ping()  # so that no acknowledgement of ours gets in between
            block = connection.encoder.encode(request_headers(PING), huffman=False)
            frame = HeadersFrame(connection.new_stream(), block, flags=["END_HEADERS"] if number % 2 else [])
            connection.send_bytes(frame.serialize()[:20 if number % 2 else None])
        while not all(connection.is_closed for connection in cut):
            for connection in cut[1::2]:
                connection.try_send(b"\0", 0.1)
            for connection in cut:
                connection.pump(0.01)
    # Those that end are not timed any more, nor are those that were refused meanwhile.
    with Connection(port) as connection:
        connection.ping()
        whole = connection.headers_frame(connection.new_stream(), request_headers(PING)).serialize()
        connection.send_bytes(whole[:20])
        holds_for(lambda: not connection.pump() or not connection.answers, "nothing is answered", 0.1)
        connection.send_bytes(whole[20:])
        refused = connection.new_stream()
        fields = request_headers(PING, ("connection", "close"), ("x", "y"))
        connection.send(HeadersFrame(refused, connection.encoder.encode(fields, huffman=False)))
        assert connection.wait_for(refused).reset == PROTOCOL_ERROR
        connection.send(ContinuationFrame(refused, b"", flags=["END_HEADERS"]))
        holds_for(lambda: (connection.pump(), not connection.is_closed)[1], "the connection stays", 0.6)
        connection.data(1, message(), end_stream=True)
        assert connection.wait_for(1).status in (OK, UNAVAILABLE)  # late by 0.7 s where a request has 1 s


def test_callers_that_died_are_found(grpc_world: World):
    """Half-open: they hold calls and say nothing any more. An idle one is asked to go instead."""
    program = grpc_world.server(
        CRON_ENABLED="false", SERVER_KEEPALIVE_INTERVAL="300ms", SERVER_KEEPALIVE_TIMEOUT="500ms",
        SERVER_MAX_IDLE="5s")
    with ExitStack() as stack:
        dead = [stack.enter_context(Connection(program.grpc_port, quiet=True)) for _ in range(50)]
        for connection in dead:
            connection.start(HEALTH_WATCH, message())
        for connection in dead:
            connection.wait_closed()
        wait_until(lambda: program.metric("paysaga_grpc_server_connections") == 0, "none is left")
    assert program.stop() == 0


# Caps


def test_connections_beyond_the_cap_are_told_so(grpc_world: World):
    program = grpc_world.server(CRON_ENABLED="false", SERVER_MAX_CONNECTIONS="5")
    with ExitStack() as stack:
        held = [stack.enter_context(Connection(program.grpc_port)) for _ in range(5)]
        for connection in held:
            assert connection.call(PING, message()).status == OK
        for _ in range(3):
            with Connection(program.grpc_port) as connection:
                answer = connection.call(PING, message())
                assert answer.status == UNAVAILABLE and answer.trailers["grpc-message"] == "too many connections"
                goaway = connection.wait_goaway()
                assert (goaway.error_code, goaway.additional_data) == (ENHANCE_YOUR_CALM, b"too many connections")
                connection.wait_closed()
        options = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 100)]
        with grpc.insecure_channel(f"127.0.0.1:{program.grpc_port}", options=options) as channel:
            with pytest.raises(grpc.RpcError) as refusal:
                channel.unary_unary(PING)(b"", timeout=5)
            assert refusal.value.code() == grpc.StatusCode.UNAVAILABLE
            assert refusal.value.details() == "too many connections"
            # Hundreds at once cost no more than the first ones.
            for _ in range(300):
                stack.enter_context(Connection(program.grpc_port, preface=False))
            assert held[0].call(PING, message()).status == OK
            held[0].close()
            wait_until(lambda: channel.unary_unary(PING)(b"", timeout=5) is not None, "a place is free again")
    assert program.stop() == 0


def test_running_out_of_descriptors_does_not_spin(grpc_world: World):
    """No descriptor for `accept`: callers wait in the backlog, at no cost, and are served once there is one."""
    import resource

    program = grpc_world.server(CRON_ENABLED="false", SERVER_THREADS="1")
    pid = program.handle.pid
    with ExitStack() as stack:
        honest = stack.enter_context(Connection(program.grpc_port))
        assert honest.call(PING, message()).status == OK
        limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, limits[1]))
        waiting = [stack.enter_context(Connection(program.grpc_port)) for _ in range(20)]
        streams = [connection.start(PING, message()) for connection in waiting]
        program.wait_for_output("cannot accept connections, pausing")
        before, began = cpu_seconds(program), time.monotonic()
        while time.monotonic() < began + 1.0:
            assert honest.call(PING, message()).status == OK
            time.sleep(0.05)
        used = cpu_seconds(program) - before
        assert used < 0.3, f"{used:.2f} s of processor time in a second of waiting"
        assert not any(connection.pump() for connection in waiting)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        for connection, stream in zip(waiting, streams):
            assert connection.wait_for(stream).status == OK
        assert program.output.count("cannot accept connections") <= 4, "the log is no flood either"
    assert program.stop() == 0
