"""What a gRPC server does about the messages of a call, and how it answers; see docs/grpc-conformance.md."""

import struct
import urllib.parse

import pytest
from hyperframe.frame import DataFrame, HeadersFrame, RstStreamFrame, SettingsFrame, WindowUpdateFrame

from harness.frames import (
    INTERNAL, NO_ERROR, NOT_FOUND, OK, RESOURCE_EXHAUSTED, UNIMPLEMENTED, Connection, message, request_headers)
from harness.rpc import payments, small
from harness.world import World

PING = "/paymentsapi.PaymentsApi/GetPing"
SETTLE = "/payments.v1.PaymentService/UpdatePaymentStatus"
GET = "/payments.v1.PaymentService/GetPayment"
WATCH = "/payments.v1.PaymentService/WatchPayment"
HEALTH_WATCH = "/grpc.health.v1.Health/Watch"
HEALTH_CHECK = "/grpc.health.v1.Health/Check"
PONG = small.Pong(pong=True).SerializeToString()


@pytest.fixture
def connection(grpc_port: int):
    with Connection(grpc_port) as made:
        yield made


def filler(size: int) -> bytes:
    """A message of exactly that size that any type takes: one unknown field."""
    for header in range(2, 12):
        length, varint = size - header, b""
        while length >= 0:
            varint += bytes([length & 127 | (128 if length > 127 else 0)])
            length >>= 7
            if length == 0:
                break
        made = b"\xfa\x06" + varint + bytes(max(0, size - 2 - len(varint)))
        if len(varint) + 2 == header:
            assert len(made) == size
            return made
    raise AssertionError(size)


# The prefix


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_data_boundaries_mean_nothing(connection: Connection, size: int):
    request = message(payments.GetPaymentRequest(order_id=2**62).SerializeToString() + filler(30))
    parts = [request[start:start + size] for start in range(0, len(request), size)]
    assert connection.call(GET, *parts).status == NOT_FOUND
    assert connection.call(GET, b"", *parts, b"").status == NOT_FOUND


def test_a_message_may_be_empty(connection: Connection):
    answer = connection.call(PING, message())
    assert answer.status == OK and answer.messages == [PONG]
    stream = connection.start(PING, message(), end_stream=False)
    connection.data(stream, b"", end_stream=True)
    assert connection.wait_for(stream).status == OK


@pytest.mark.parametrize("path", [PING, WATCH, HEALTH_WATCH])
@pytest.mark.parametrize("bodies", [[], [b""], [message(), message()], [message() + message()], [message() * 3]])
def test_one_request_is_one_message(connection: Connection, path: str, bodies: list[bytes]):
    answer = connection.call(path, *bodies)
    assert answer.status == UNIMPLEMENTED and answer.is_trailers_only, answer
    assert connection.call(PING, message()).status == OK


@pytest.mark.parametrize("path", [PING, SETTLE, WATCH])
@pytest.mark.parametrize("body", [b"\0", b"\0\0\0\0", b"\0\0\0\0\1", message(b"abc")[:-1], message() + b"\0"])
def test_a_truncated_message_is_internal(connection: Connection, path: str, body: bytes):
    # What follows a whole message is a second one, cut off: either answer would be right.
    allowed = (INTERNAL, UNIMPLEMENTED) if body.startswith(message()) else (INTERNAL,)
    assert connection.call(path, body).status in allowed
    assert connection.call(PING, message()).status == OK


@pytest.mark.parametrize("request_bytes", [
    b"\xff\xff\xff", b"\x08" + b"\xff" * 11, b"\x1a\x10abc", b"\x1a\x04ab\xff\xfe", b"\x0b", b"\x00\x01",
])
def test_a_message_that_cannot_be_parsed_is_internal(connection: Connection, request_bytes: bytes):
    """Text that is not UTF-8 included: the framework itself never makes INVALID_ARGUMENT."""
    answer = connection.call(SETTLE, message(request_bytes))
    assert answer.status == INTERNAL and answer.is_trailers_only, answer


@pytest.mark.parametrize("flag", [2, 3, 128, 255])
def test_a_flag_above_one_is_internal(connection: Connection, flag: int):
    answer = connection.call(PING, message(flag=flag))
    assert answer.status == INTERNAL and answer.is_trailers_only, answer


def is_limit(connection: Connection, path: str, limit: int) -> None:
    """A message of `limit` bytes is taken, and one byte more is not."""
    largest = connection.start(path, end_stream=False, fields=request_headers(path))
    send_in_window(connection, largest, message(filler(limit)))
    assert connection.wait_for(largest).status != RESOURCE_EXHAUSTED
    for length in (limit + 1, 2**32 - 1):
        # Decided from the prefix: nothing of the message has been sent.
        stream = connection.start(path, struct.pack(">BI", 0, length), end_stream=False)
        answer = connection.wait_for(stream)
        assert answer.status == RESOURCE_EXHAUSTED and answer.is_trailers_only, answer
        connection.wait(lambda: answer.reset == NO_ERROR, "RST_STREAM(NO_ERROR) follows")
    assert connection.call(PING, message()).status == OK


@pytest.mark.parametrize("path, limit", [(PING, 64 << 10), (HEALTH_CHECK, 64 << 10), (GET, 16 << 10), (SETTLE, 16 << 10)])
def test_a_message_of_the_limit_is_taken_and_no_more(connection: Connection, path: str, limit: int):
    is_limit(connection, path, limit)


def test_the_limit_is_a_setting(grpc_world: World):
    program = grpc_world.server(CRON_ENABLED="false", SERVER_MAX_MESSAGE_SIZE=str(4 << 20))
    with Connection(program.grpc_port) as connection:
        is_limit(connection, PING, 4 << 20)
        is_limit(connection, GET, 16 << 10)


def send_in_window(connection: Connection, stream: int, data: bytes) -> None:
    """Sends as flow control allows, and ends the stream."""
    connection.wait(lambda: connection.of(SettingsFrame), "SETTINGS come")
    sent = 0

    def room() -> int:
        granted = {number: 0 for number in (0, stream)}
        for frame in connection.of(WindowUpdateFrame):
            if frame.stream_id in granted:
                granted[frame.stream_id] += frame.window_increment
        initial = next(frame.settings.get(4, 65535) for frame in connection.of(SettingsFrame) if "ACK" not in frame.flags)
        return min(65535 + granted[0], initial + granted[stream]) - sent

    while sent < len(data):
        connection.wait(lambda: room() > 0, f"the window opens after {sent} bytes")
        part = data[sent:sent + min(room(), 16384)]
        sent += len(part)
        connection.data(stream, part, end_stream=sent == len(data))


# Answers


def test_an_answer_is_headers_data_and_trailers(connection: Connection):
    stream = connection.start(PING, message())
    answer = connection.wait_for(stream)
    frames = [frame for frame in connection.frames if frame.stream_id == stream]
    kinds = [type(frame) for frame in frames]
    assert kinds == [HeadersFrame, DataFrame, HeadersFrame]
    assert ["END_STREAM" in frame.flags for frame in frames] == [False, False, True]
    assert answer.blocks[0] == [(":status", "200"), ("content-type", "application/grpc")]
    assert answer.blocks[1] == [("grpc-status", "0")]


def test_trailers_only_is_one_block(connection: Connection):
    stream = connection.open(request_headers("/nobody.Service/Nothing"), end_stream=True)
    answer = connection.wait_for(stream)
    frames = [frame for frame in connection.frames if frame.stream_id == stream]
    assert [type(frame) for frame in frames] == [HeadersFrame] and "END_STREAM" in frames[0].flags
    assert [name for name, _ in answer.blocks[0]] == [":status", "content-type", "grpc-status", "grpc-message"]
    assert (answer.http, answer.headers["content-type"]) == (200, "application/grpc")
    assert answer.headers["grpc-status"] == "12"


def test_a_message_is_percent_encoded(connection: Connection):
    path = "/nobody/~ü%€"
    fields = [(name, value.encode()) for name, value in request_headers(path)]
    answer = connection.call(path, message(), fields=fields)
    text = answer.trailers["grpc-message"]
    assert text.endswith("/nobody/~%C3%BC%25%E2%82%AC") and text.isascii(), text
    assert urllib.parse.unquote(text).endswith(path)


def test_early_trailers_are_followed_by_reset_no_error(connection: Connection):
    stream = connection.start("/nobody.Service/Nothing", end_stream=False)
    answer = connection.wait_for(stream)
    assert answer.status == UNIMPLEMENTED
    connection.wait(lambda: answer.reset is not None, "RST_STREAM follows")
    assert answer.reset == NO_ERROR
    # What was under way is ignored.
    connection.data(stream, b"late", end_stream=True)
    assert connection.call(PING, message()).status == OK
    assert [frame.error_code for frame in connection.of(RstStreamFrame)] == [NO_ERROR]


def test_the_framework_makes_no_codes_of_the_application(connection: Connection):
    """INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS, FAILED_PRECONDITION, ABORTED, OUT_OF_RANGE and DATA_LOSS are the
    application's; whatever is wrong with a call to GetPing is the framework's to refuse."""
    ways = [
        [message(flag=2)], [], [message() * 2], [message(b"\xff")], [b"\0\0"], [struct.pack(">BI", 0, 2**31)],
    ]
    fields = [
        request_headers(PING), request_headers(PING, grpc_timeout="x"), request_headers(PING, grpc_timeout="0S"),
        request_headers(PING, ("a-bin", "#")), request_headers(PING, method="GET"),
        request_headers(PING, grpc_encoding="nobody"), request_headers(PING, content_type="application/grpc+json"),
        request_headers("/no/body"),
    ]
    codes = {connection.call(PING, *bodies, fields=headers).status for bodies in ways for headers in fields}
    assert codes and not codes & {3, 5, 6, 9, 10, 11, 15}, codes
