"""What a gRPC server does about connections, streams, time and flow control; see docs/grpc-conformance.md."""

import itertools
import signal
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2
from hyperframe.frame import (
    DataFrame, PingFrame, PriorityFrame, RstStreamFrame, SettingsFrame, WindowUpdateFrame)

from harness.frames import (
    CANCEL, DEADLINE_EXCEEDED, ENHANCE_YOUR_CALM, FRAME_SIZE_ERROR, NO_ERROR, OK, PROTOCOL_ERROR,
    REFUSED_STREAM, RESOURCE_EXHAUSTED, STREAM_CLOSED, UNAVAILABLE, UNIMPLEMENTED, Connection, message, request_headers)
from harness.process import Program
from harness.rpc import CREATED, payments
from harness.waiting import holds_for, wait_until
from harness.world import World

PING = "/paymentsapi.PaymentsApi/GetPing"
LIST = "/payments.v1.PaymentService/ListPayments"
WATCH = "/payments.v1.PaymentService/WatchPayment"
HEALTH_WATCH = "/grpc.health.v1.Health/Watch"
LAST_STREAM = 2**31 - 1
ORDERS = itertools.count(1)


@pytest.fixture
def connection(grpc_port: int):
    with Connection(grpc_port) as made:
        yield made


@pytest.fixture
def server(grpc_world: World):
    """Makes servers with settings of the test's own."""
    made: list[Program] = []

    def start(**settings: str) -> Program:
        made.append(grpc_world.server(CRON_ENABLED="false", **settings))
        return made[-1]

    yield start
    for program in made:
        if program.is_running:
            assert program.stop() == 0


def ping(connection: Connection) -> None:
    assert connection.call(PING, message()).status == OK


def try_health_watch(connection: Connection) -> int | None:
    """A stream that stays open, or nothing when the server has too many."""
    stream = connection.start(HEALTH_WATCH, message())
    answer = connection.answer(stream)
    connection.wait(lambda: answer.data or answer.is_over, "the stream is answered")
    return None if answer.is_over else stream


def start_health_watch(connection: Connection, *more: tuple[str, str]) -> int:
    """Starts a stream that stays open, and waits for its first message."""
    stream = connection.start(HEALTH_WATCH, message(), fields=request_headers(HEALTH_WATCH, *more))
    connection.wait(lambda: connection.answer(stream).data, "the first message of the stream comes")
    return stream


# Streams


def test_a_reset_cancels_the_handler_and_frees_everything(server):
    """With two calls allowed at a time, a handler that went on after its reset would be in the way."""
    program = server(SERVER_MAX_CALLS="2", SERVER_THREADS="1")
    with Connection(program.grpc_port) as connection:
        for _ in range(5):
            watches = [wait_until(lambda: try_health_watch(connection), "a call is let in") for _ in range(2)]
            refused = connection.call(HEALTH_WATCH, message())
            assert refused.status == RESOURCE_EXHAUSTED and refused.is_trailers_only, refused
            for stream in watches:
                connection.send(RstStreamFrame(stream, error_code=CANCEL))
        labels = {"grpc_service": "grpc.health.v1.Health", "grpc_method": "Watch", "grpc_code": "CANCELLED",
                  "grpc_type": "server_stream"}
        wait_until(lambda: program.metric("paysaga_grpc_server_handled_total", **labels) == 10, "ten watches are cancelled")


def test_streams_beyond_100_are_refused(connection: Connection):
    """Each alone: the connection and the other streams go on, before and after the SETTINGS are acknowledged."""
    fields = request_headers(HEALTH_WATCH)
    for _ in range(2):
        streams = [connection.start(HEALTH_WATCH, message(), fields=fields) for _ in range(103)]
        connection.wait(lambda: all(connection.answer(stream).blocks for stream in streams[:100]), "100 streams answer")
        connection.wait(lambda: all(connection.answer(stream).is_over for stream in streams[100:]), "three are refused")
        assert [connection.answer(stream).reset for stream in streams] == [None] * 100 + [REFUSED_STREAM] * 3
        assert sum(isinstance(frame, RstStreamFrame) for frame in connection.frames if frame.stream_id >= streams[0]) == 3
        for stream in streams[:100]:
            connection.send(RstStreamFrame(stream, error_code=CANCEL))
        ping(connection)
    assert connection.frames[0].settings[3] == 100
    assert not connection.goaways


@pytest.mark.parametrize("stream_kind", ["unary", "server streaming"])
def test_a_deadline_ends_the_call(connection: Connection, stream_kind: str):
    path = PING if stream_kind == "unary" else HEALTH_WATCH
    bodies = [message()[:3]] if stream_kind == "unary" else [message()]
    stream = connection.start(
        path, *bodies, fields=request_headers(path, grpc_timeout="200m"), end_stream=stream_kind != "unary")
    answer = connection.wait_for(stream)
    assert answer.status == DEADLINE_EXCEEDED
    if stream_kind == "unary":
        connection.wait(lambda: answer.reset == NO_ERROR, "RST_STREAM(NO_ERROR) follows")
    ping(connection)


# The end of a server


def test_a_stop_is_announced_twice_and_drains(server):
    program = server()
    with Connection(program.grpc_port, quiet=True) as connection:
        settings_seen = lambda: connection.of(SettingsFrame)  # noqa: E731
        connection.wait(settings_seen, "SETTINGS come")
        connection.send(SettingsFrame(0, flags=["ACK"]))
        unary = connection.start(PING, message()[:3], end_stream=False)
        watch = start_health_watch(connection)
        program.send(signal.SIGTERM)
        connection.wait(lambda: connection.goaways, "GOAWAY comes")
        assert [(frame.last_stream_id, frame.error_code) for frame in connection.goaways] == [(LAST_STREAM, NO_ERROR)]
        connection.wait(lambda: connection.of(PingFrame), "the PING behind it comes")
        # The client has not heard of it yet: what it starts now is served.
        late = connection.start(PING, message())
        assert connection.wait_for(late).status == OK
        assert len(connection.goaways) == 1
        connection.send(PingFrame(0, opaque_data=connection.of(PingFrame)[0].opaque_data, flags=["ACK"]))
        connection.wait(lambda: len(connection.goaways) == 2, "the second GOAWAY comes")
        assert (connection.goaways[1].last_stream_id, connection.goaways[1].error_code) == (late, NO_ERROR)
        # A watch sees NOT_SERVING before its end; a call that was begun is answered.
        answer = connection.wait_for(watch)
        assert answer.status == UNAVAILABLE
        assert answer.messages[-1] == health_pb2.HealthCheckResponse(status="NOT_SERVING").SerializeToString()
        assert program.is_running
        connection.data(unary, message()[3:], end_stream=True)
        assert connection.wait_for(unary).status == OK
        connection.wait_closed()
    assert program.wait() == 0


def test_the_grace_of_a_stop_ends_calls(server):
    program = server(SERVER_SHUTDOWN_TIMEOUT="300ms")
    with Connection(program.grpc_port) as connection:
        stream = connection.start(PING, message()[:3], end_stream=False)
        connection.ping()
        program.send(signal.SIGTERM)
        answer = connection.wait_for(stream)
        assert answer.status == UNAVAILABLE and answer.is_trailers_only, answer
    assert program.wait() == 0


def test_age_and_idleness_drain_a_connection(server):
    port = server(SERVER_MAX_AGE="700ms", SERVER_MAX_IDLE="300ms").grpc_port
    started = time.monotonic()
    with Connection(port) as idle, Connection(port) as busy:
        stream = start_health_watch(busy)
        idle.wait_closed()
        assert [frame.last_stream_id for frame in idle.goaways] == [LAST_STREAM, 0]
        assert {frame.error_code for frame in idle.goaways} == {NO_ERROR}
        busy.wait(lambda: len(busy.goaways) == 2, "two GOAWAYs come")
        elapsed = time.monotonic() - started
        assert elapsed > 0.63, "age is counted from the start, less a tenth at most"
        assert [frame.last_stream_id for frame in busy.goaways] == [LAST_STREAM, stream]
        holds_for(lambda: not (busy.pump() and busy.answer(stream).is_over), "age ends no call", 0.1)
        busy.send(RstStreamFrame(stream, error_code=CANCEL))
        busy.wait_closed()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        method = channel.unary_unary(PING)
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            method(b"", timeout=5)  # grpcio goes from connection to connection without a failed call


# PING


def test_pings_too_often_are_too_many(connection: Connection):
    connection.ping()
    connection.ping()
    connection.ping()
    assert not connection.goaways
    connection.send(PingFrame(0, opaque_data=b"toooften"))
    goaway = connection.wait_goaway()
    assert (goaway.error_code, goaway.additional_data) == (ENHANCE_YOUR_CALM, b"too_many_pings")
    connection.wait_closed()


def test_answers_forgive_pings(connection: Connection):
    for _ in range(5):
        for _ in range(3):
            connection.ping()
        ping(connection)
    assert not connection.goaways


def test_our_keepalive_finds_dead_peers(server):
    port = server(SERVER_KEEPALIVE_INTERVAL="200ms", SERVER_KEEPALIVE_TIMEOUT="300ms").grpc_port
    with Connection(port, quiet=True) as dead, Connection(port) as alive:
        stream = start_health_watch(alive)
        start_health_watch(dead)
        dead.wait(lambda: dead.of(PingFrame), "a PING comes")
        alive.wait(lambda: len(alive.of(PingFrame)) >= 3, "more PINGs come")
        dead.wait_closed()
        assert not alive.answer(stream).is_over and not alive.is_closed


# What a connection begins with


@pytest.mark.parametrize("opening", [
    b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    b"POST /paymentsapi.PaymentsApi/GetPing HTTP/1.1\r\nhost: a\r\nconnection: upgrade, http2-settings\r\n"
    b"upgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\ncontent-length: 0\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), b"\0" * 24,
])
def test_only_http2_with_prior_knowledge_is_served(grpc_port: int, opening: bytes):
    """And the answer to anything else still says why."""
    with Connection(grpc_port, preface=False) as connection:
        connection.send_bytes(opening)
        assert connection.wait_goaway().error_code == PROTOCOL_ERROR
        connection.wait_closed()


@pytest.mark.parametrize("frame, code", [
    (b"\xff\xff\xff\x00\x00\x00\x00\x00\x01", FRAME_SIZE_ERROR),  # DATA of 16 MiB
    (b"\x00\x00\x05\x06\x00\x00\x00\x00\x00hello", FRAME_SIZE_ERROR),  # PING of five bytes
    (b"\x00\x00\x03\x00\x00\x00\x00\x00\x00abc", PROTOCOL_ERROR),  # DATA on stream 0
    (b"\x00\x00\x01\x01\x04\x00\x00\x00\x02\x82", PROTOCOL_ERROR),  # HEADERS on an even stream
    (b"\x00\x00\x01\x01\x04\x00\x00\x00\x01\xff", 9),  # a header block that is none: COMPRESSION_ERROR
    (b"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x7f\xff\xff\xff", 3),  # the window beyond 2^31 - 1: FLOW_CONTROL_ERROR
])
def test_a_broken_connection_is_told_why(connection: Connection, frame: bytes, code: int):
    connection.ping()
    connection.send_bytes(frame)
    assert connection.wait_goaway().error_code == code
    connection.wait_closed()


def test_unknown_frames_and_settings_are_ignored(connection: Connection):
    connection.send_bytes(b"\x00\x00\x03\xf0\xff\x00\x00\x00\x00abc")
    connection.send(SettingsFrame(0, settings={0xF0F0: 7}), PriorityFrame(9, depends_on=0, stream_weight=5))
    ping(connection)
    assert not connection.goaways


def test_data_for_a_closed_stream_harms_nobody_else(connection: Connection):
    """A call that was answered before the client had sent all of it, and one that was answered in full."""
    early = connection.start("/no/method", message(), end_stream=False)
    assert connection.wait_for(early).status == UNIMPLEMENTED
    whole = connection.start(PING, message())
    assert connection.wait_for(whole).status == OK
    for stream in (early, whole):
        connection.data(stream, b"late", end_stream=True)
        ping(connection)
    assert not connection.goaways


@pytest.mark.parametrize("late", ["DATA", "trailers", "both", "DATA in two"])
@pytest.mark.parametrize("is_cut", [False, True], ids=["whole", "cut"])
def test_what_follows_the_callers_own_reset_is_read_over(connection: Connection, late: str, is_cut: bool):
    """grpc-java resets a cancelled call and sends the rest of it all the same."""
    for _ in range(3):
        first, second = connection.new_stream(), connection.new_stream()
        frames = [connection.headers_frame(first, request_headers(HEALTH_WATCH)),
                  RstStreamFrame(first, error_code=CANCEL)]
        if late == "DATA in two":
            frames += [connection.data_frame(first, b"\0"), connection.data_frame(first, message()[1:], end_stream=True)]
        elif late != "trailers":
            frames.append(connection.data_frame(first, message(), end_stream=late == "DATA"))
        if late in ("trailers", "both"):
            # A field that enters the table of HPACK: what comes after it is read with it.
            frames.append(connection.headers_frame(first, [("late", f"value-{first}")], end_stream=True))
        frames += [connection.headers_frame(second, request_headers(PING, ("late", f"value-{first}"))),
                   connection.data_frame(second, message(), end_stream=True)]
        data = b"".join(frame.serialize() for frame in frames)
        if is_cut:
            for start in range(0, len(data), 7):
                connection.send_bytes(data[start:start + 7])
                time.sleep(0.0005)
        else:
            connection.send_bytes(data)
        assert connection.wait_for(second).status == OK
    assert not connection.goaways


def test_what_is_read_over_is_given_back(connection: Connection):
    """Four times the connection's window, for streams that are over."""
    for _ in range(16):
        stream = connection.open(request_headers(HEALTH_WATCH))
        connection.send(RstStreamFrame(stream, error_code=CANCEL))
        connection.data(stream, bytes(256 << 10), end_stream=True)
        ping(connection)
    updates = [frame for frame in connection.of(WindowUpdateFrame) if frame.stream_id == 0]
    assert sum(frame.window_increment for frame in updates) >= 3 << 20
    assert not connection.goaways


@pytest.mark.parametrize("is_at_once", [False, True], ids=["later", "at once"])
@pytest.mark.parametrize("kind", ["DATA", "HEADERS"])
def test_data_after_the_end_of_a_stream_is_an_error_of_the_stream(connection: Connection, kind: str, is_at_once: bool):
    watch = start_health_watch(connection)
    stream = connection.new_stream()
    opening = [connection.headers_frame(stream, request_headers(HEALTH_WATCH)),
               connection.data_frame(stream, message(), end_stream=True)]
    more = (connection.data_frame(stream, b"more") if kind == "DATA"
            else connection.headers_frame(stream, [("more", "and more")], end_stream=True))
    if is_at_once:
        connection.send(*opening, more)
    else:
        connection.send(*opening)
        connection.wait(lambda: connection.answer(stream).data, "the stream is answered")
        connection.send(more)
    connection.wait(lambda: connection.answer(stream).reset is not None, "the stream is reset")
    assert connection.answer(stream).reset == STREAM_CLOSED
    # The table of HPACK is the same on both sides.
    assert connection.call(PING, message(), fields=request_headers(PING, ("more", "and more"))).status == OK
    assert not connection.goaways and not connection.answer(watch).is_over


def test_a_reset_of_a_call_that_has_not_begun_is_taken(connection: Connection):
    """grpc-core before 1.60 resets a call that it cancels before its headers are out."""
    stream = connection.new_stream()
    reset = RstStreamFrame(stream, error_code=CANCEL).serialize()
    connection.send_bytes(reset)
    ping(connection)
    # Cut in two, and between the parts of a call.
    later = connection.new_stream()
    reset = RstStreamFrame(connection.new_stream(), error_code=CANCEL).serialize()
    data = connection.headers_frame(later, request_headers(PING)).serialize() + reset[:11]
    connection.send_bytes(data)
    time.sleep(0.02)
    connection.send_bytes(reset[11:] + connection.data_frame(later, message(), end_stream=True).serialize())
    assert connection.wait_for(later).status == OK
    assert not connection.goaways


def test_very_many_streams_at_once_are_refused_one_by_one(connection: Connection):
    """Behind the acknowledgement of SETTINGS, in one write."""
    connection.wait(lambda: connection.of(SettingsFrame), "SETTINGS come")
    connection.ping()
    streams = [connection.new_stream() for _ in range(400)]
    frames = []
    for stream in streams:
        frames += [connection.headers_frame(stream, request_headers(HEALTH_WATCH)),
                   connection.data_frame(stream, message(), end_stream=True)]
    connection.send(*frames)
    connection.wait(lambda: all(connection.answer(stream).is_over for stream in streams[100:]), "300 are refused")
    assert {connection.answer(stream).reset for stream in streams[100:]} == {REFUSED_STREAM}
    connection.wait(lambda: all(connection.answer(stream).data for stream in streams[:100]), "100 are served")
    assert not connection.goaways


# Flow control


def test_an_answer_waits_for_the_stream_window(grpc_port: int):
    with Connection(grpc_port, settings={4: 0}, window_updates=False) as connection:
        stream = connection.start(PING, message())
        other = connection.start("/no/body", message())
        assert connection.wait_for(other).status is not None, "trailers need no window"
        connection.wait(lambda: connection.answer(stream).blocks, "the headers come")
        holds_for(lambda: not (connection.pump() and connection.answer(stream).data), "no DATA comes", 0.1)
        for count in range(1, 8):
            connection.send(WindowUpdateFrame(stream, window_increment=1))
            connection.wait(lambda: len(connection.answer(stream).data) == count, f"byte {count} comes")
        connection.wait_for(stream)
        assert [len(frame.data) for frame in connection.of(DataFrame)] == [1] * 7
        assert connection.answer(stream).status == OK


def test_answers_share_the_connection_window(server, grpc_world: World):
    program = server()
    client = grpc_world.client(program)
    for order in range(1, 400):
        client.create(10_000 + order, 1, "EUR")
    request = message(payments.ListPaymentsRequest(page_size=1000).SerializeToString())
    with Connection(program.grpc_port, settings={4: 1 << 30}, window_updates=False) as connection:
        streams = [connection.start(LIST, request) for _ in range(8)]

        def received() -> int:
            return sum(len(connection.answer(stream).data) for stream in streams)

        connection.wait(lambda: received() == 65_535, "the connection's window is used up")
        holds_for(lambda: not connection.pump() or received() == 65_535, "no more comes", 0.1)
        connection.send(WindowUpdateFrame(0, window_increment=1 << 30))
        sizes = {len(connection.wait_for(stream).data) for stream in streams}
        assert len(sizes) == 1 and sizes.pop() * 8 > 65_535


def test_windows_open_as_requests_are_taken(connection: Connection):
    """More than the stream's and the connection's first windows, in calls of 64 KiB one after another."""
    body = message(b"\xfa\x06\xf8\xff\x03" + bytes(65_528))
    for _ in range(24):
        assert connection.call(PING, body).status == OK
    updates = [frame for frame in connection.of(WindowUpdateFrame) if frame.stream_id == 0]
    assert sum(frame.window_increment for frame in updates) >= 24 * len(body) - (1 << 20)


# Health


def test_watch_tells_of_changes_and_unknown_services_stay_open(connection: Connection):
    unknown = health_pb2.HealthCheckRequest(service="nobody.Service").SerializeToString()
    stream = connection.start(HEALTH_WATCH, message(unknown))
    connection.wait(lambda: connection.answer(stream).data, "the first message comes")
    expected = health_pb2.HealthCheckResponse(status="SERVICE_UNKNOWN").SerializeToString()
    assert connection.answer(stream).messages == [expected]
    ping(connection)
    assert not connection.answer(stream).is_over


def test_list_names_every_service(connection: Connection):
    answer = connection.call("/grpc.health.v1.Health/List", message())
    assert answer.status == OK
    for name in (b"payments.v1.PaymentService", b"paymentsapi.PaymentsApi"):
        assert name in answer.messages[0]


# Watching payments


def test_a_slow_watcher_holds_its_newest_state_only(grpc_port: int, grpc_world: World):
    """A watcher without window neither grows nor ends; given window it sees the final state."""
    from harness.rpc import Client

    client = Client(grpc_port)
    order = 20_000 + next(ORDERS)
    assert client.create(order).status == CREATED
    request = payments.WatchPaymentRequest(order_id=order).SerializeToString()
    with Connection(grpc_port, settings={4: 0}, window_updates=False) as connection:
        stream = connection.start(WATCH, message(request))
        connection.wait(lambda: connection.answer(stream).blocks, "the headers come")
        settled = client.settle(order)
        connection.send(WindowUpdateFrame(stream, window_increment=1 << 20))
        answer = connection.wait_for(stream)
        assert answer.status == OK
        assert payments.Payment.FromString(answer.messages[-1]) == settled
    client.close()
