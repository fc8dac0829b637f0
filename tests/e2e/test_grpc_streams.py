"""Streams of all four kinds, frame by frame, on the interop server; see docs/grpc-conformance.md."""

import base64
import time
from pathlib import Path
from typing import Iterator

import pytest
from hyperframe.frame import RstStreamFrame, WindowUpdateFrame

from harness.frames import (
    CANCEL, DEADLINE_EXCEEDED, FLOW_CONTROL_ERROR, NO_ERROR, OK, RESOURCE_EXHAUSTED, Connection, message,
    request_headers, unpadded)
from harness.interop import InteropServer, messages
from harness.waiting import holds_for

SERVICE = "/grpc.testing.TestService/"
MINUTE = 60_000_000


@pytest.fixture(scope="module")
def server(directory: Path) -> Iterator[InteropServer]:
    made = InteropServer(directory)
    made.start()
    yield made
    assert made.stop() == 0


@pytest.fixture
def connection(server: InteropServer) -> Iterator[Connection]:
    with Connection(server.port) as made:
        yield made


def wanted(*sizes: int, interval_us: int = 0) -> bytes:
    """A request for responses of those sizes."""
    parameters = [messages.ResponseParameters(size=size, interval_us=interval_us) for size in sizes]
    return message(messages.StreamingOutputCallRequest(response_parameters=parameters).SerializeToString())


def served(connection: Connection) -> bool:
    return connection.call(SERVICE + "EmptyCall", message()).status == OK


@pytest.mark.parametrize("kind, request_bytes, ends", [
    ("UnaryCall", b"\0\0", False), ("StreamingInputCall", message(), False),
    ("StreamingOutputCall", wanted(1, interval_us=MINUTE), True),
    ("FullDuplexCall", wanted(1, interval_us=MINUTE), False),
])
def test_a_deadline_ends_each_kind(connection: Connection, kind: str, request_bytes: bytes, ends: bool):
    fields = request_headers(SERVICE + kind, grpc_timeout="150m")
    before = time.monotonic()
    stream = connection.start(SERVICE + kind, request_bytes, fields=fields, end_stream=ends)
    answer = connection.wait_for(stream)
    assert answer.status == DEADLINE_EXCEEDED and time.monotonic() - before > 0.14
    if not ends:
        connection.wait(lambda: answer.reset == NO_ERROR, "RST_STREAM(NO_ERROR) follows")
    assert served(connection)


def test_a_duplex_ends_when_both_have(connection: Connection):
    """Responses go on after the client's end, and requests do not wait for responses to be read."""
    stream = connection.start(SERVICE + "FullDuplexCall", wanted(5), wanted(6), wanted(7, interval_us=50_000))
    answer = connection.wait_for(stream)
    sizes = [len(messages.StreamingOutputCallResponse.FromString(one).payload.body) for one in answer.messages]
    assert (sizes, answer.status, answer.reset) == ([5, 6, 7], OK, None)


@pytest.mark.parametrize("values", [
    [base64.b64encode(b"\xab\xab").decode()], [unpadded(b"\xab\xab")],
    [f"{base64.b64encode(b'a').decode()},{unpadded(b'bc')}"], [unpadded(b"a"), unpadded(b"bc")],
])
def test_binary_metadata_comes_back(connection: Connection, values: list[str]):
    """Decoded on the way in, sent without padding on the way out, several values as several."""
    name = "x-grpc-test-echo-trailing-bin"
    sent = [part for value in values for part in value.split(",")]
    fields = request_headers(SERVICE + "EmptyCall", *[(name, value) for value in values])
    answer = connection.call(SERVICE + "EmptyCall", message(), fields=fields)
    assert [value for key, value in answer.blocks[-1] if key == name] == [value.rstrip("=") for value in sent]


# What a handler does not take


def stalled(connection: Connection) -> int:
    """A duplex call whose handler takes one request and then sleeps."""
    return connection.start(SERVICE + "FullDuplexCall", wanted(1, interval_us=MINUTE), end_stream=False)


def test_windows_open_only_as_the_handler_takes(connection: Connection):
    stream = stalled(connection)
    first = len(wanted(1, interval_us=MINUTE))
    # As much as the stream's window holds beside the first request, which the handler has.
    filler = message(messages.StreamingOutputCallRequest(payload=messages.Payload(body=bytes(60_000))).SerializeToString())
    for _ in range(4):
        connection.data(stream, filler)
    assert served(connection)

    def given() -> int:
        return sum(frame.window_increment for frame in connection.of(WindowUpdateFrame) if frame.stream_id == stream)

    # The message that is being put together counts as taken: it may be longer than the window.
    holds_for(lambda: (connection.pump(), given() <= first + len(filler))[1], "no more is given back", 0.2)
    connection.send(RstStreamFrame(stream, error_code=CANCEL))
    assert served(connection)


def test_more_than_the_window_is_a_flow_control_error(connection: Connection):
    stream = stalled(connection)
    for _ in range(20):
        connection.try_send(connection.data_frame(stream, bytes(16_384)).serialize())
    connection.wait(lambda: connection.goaways or connection.answer(stream).is_over, "it is refused")
    code = connection.goaways[-1].error_code if connection.goaways else connection.answer(stream).reset
    assert code == FLOW_CONTROL_ERROR


def test_what_a_cancelled_stream_held_is_given_back(connection: Connection):
    """Eight times a quarter of the connection's window goes in and is never taken."""
    filler = message(messages.StreamingOutputCallRequest(payload=messages.Payload(body=bytes(60_000))).SerializeToString())
    for _ in range(8):
        stream = stalled(connection)
        for _ in range(4):
            connection.data(stream, filler)
        connection.send(RstStreamFrame(stream, error_code=CANCEL))
        assert served(connection)
    assert not connection.goaways


def test_many_small_messages_hold_little(server: InteropServer):
    """An array costs more than the byte in it: 30 streams' windows full of messages of one byte."""
    one = b"\0\0\0\0\1\0"
    before = server.resident_kib()
    with Connection(server.port) as connection:
        streams = [stalled(connection) for _ in range(4)]
        for stream in streams:
            connection.try_send(b"".join(
                connection.data_frame(stream, one * 2_700).serialize() for _ in range(15)), 5.0)
        assert served(connection)
        assert server.resident_kib() - before < 24 << 10
        for stream in streams:
            connection.send(RstStreamFrame(stream, error_code=CANCEL))
        assert served(connection)


def test_answers_that_are_not_read_are_bounded(server: InteropServer):
    """Beyond 16 MiB of them a connection gets no further call, until it reads."""
    request = message(messages.SimpleRequest(response_size=4 << 20).SerializeToString())
    with Connection(server.port, settings={4: 0}, window_updates=False) as connection:
        streams = [connection.start(SERVICE + "UnaryCall", request) for _ in range(4)]
        connection.wait(lambda: all(connection.answer(stream).blocks for stream in streams), "four answers wait")
        refused = connection.call(SERVICE + "UnaryCall", request)
        assert refused.status == RESOURCE_EXHAUSTED and refused.is_trailers_only, refused
        connection.send(*[WindowUpdateFrame(stream, window_increment=5 << 20) for stream in [0] + streams])
        connection.window_updates = True
        for stream in streams:
            assert len(connection.wait_for(stream).data) > 4 << 20
        again = connection.start(SERVICE + "EmptyCall", message())
        connection.wait(lambda: connection.answer(again).blocks, "another call is answered")
        assert not connection.answer(again).is_over, "and let in: its answer waits for the window"
