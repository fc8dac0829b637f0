"""The interop cases that gRPC's implementations hold each other to, for our server and grpcio's client.

Named as in the public description of the cases; what they send and expect is as it says there.
"""

import queue
from pathlib import Path
from typing import Iterator

import grpc
import pytest
from hyperframe.frame import SettingsFrame, WindowUpdateFrame

from harness import frames
from harness.interop import InteropServer, messages, stubs
from harness.waiting import wait_until

TIMEOUT = 10.0
Code = grpc.StatusCode
REQUEST_SIZES = [27182, 8, 1828, 45904]
RESPONSE_SIZES = [31415, 9, 2653, 58979]


@pytest.fixture(scope="module")
def server(directory: Path) -> Iterator[InteropServer]:
    made = InteropServer(directory)
    made.start()
    yield made
    assert made.stop() == 0


@pytest.fixture
def channel(server: InteropServer) -> Iterator[grpc.Channel]:
    with server.channel() as channel:
        yield channel


@pytest.fixture
def stub(channel: grpc.Channel):
    return stubs.TestServiceStub(channel)


def payload(size: int):
    return messages.Payload(body=bytes(size))


def output_request(*sizes: int, sent: int = 0, interval_us: int = 0):
    parameters = [messages.ResponseParameters(size=size, interval_us=interval_us) for size in sizes]
    return messages.StreamingOutputCallRequest(response_parameters=parameters, payload=payload(sent))


def ends(call) -> tuple[Code, str]:
    """The status of a call that is expected to fail."""
    with pytest.raises(grpc.RpcError) as raised:
        answer = call()
        if hasattr(answer, "__next__"):
            list(answer)
    return raised.value.code(), raised.value.details()


class Requests:
    """The requests of a streaming call, one when it is put."""

    def __init__(self):
        self.waiting: queue.Queue = queue.Queue()

    def __iter__(self):
        return iter(self.waiting.get, None)

    def put(self, request) -> None:
        self.waiting.put(request)

    def close(self) -> None:
        self.waiting.put(None)


def test_empty_unary(stub):
    assert stub.EmptyCall(messages.Empty(), timeout=TIMEOUT) == messages.Empty()


def test_large_unary(stub):
    request = messages.SimpleRequest(response_size=314159, payload=payload(271828))
    assert stub.UnaryCall(request, timeout=TIMEOUT).payload.body == bytes(314159)


def test_client_streaming(stub):
    requests = [messages.StreamingInputCallRequest(payload=payload(size)) for size in REQUEST_SIZES]
    assert stub.StreamingInputCall(iter(requests), timeout=TIMEOUT).aggregated_payload_size == 74922


def test_server_streaming(stub):
    answers = stub.StreamingOutputCall(output_request(*RESPONSE_SIZES), timeout=TIMEOUT)
    assert [len(answer.payload.body) for answer in answers] == RESPONSE_SIZES


def test_ping_pong(stub):
    requests = Requests()
    answers = stub.FullDuplexCall(iter(requests), timeout=TIMEOUT)
    for sent, wanted in zip(REQUEST_SIZES, RESPONSE_SIZES):
        requests.put(output_request(wanted, sent=sent))
        assert len(next(answers).payload.body) == wanted
    requests.close()
    assert list(answers) == []


def test_half_duplex(stub):
    requests = [output_request(size) for size in RESPONSE_SIZES]
    answers = stub.HalfDuplexCall(iter(requests), timeout=TIMEOUT)
    assert [len(answer.payload.body) for answer in answers] == RESPONSE_SIZES


def test_empty_stream(stub):
    assert list(stub.FullDuplexCall(iter(()), timeout=TIMEOUT)) == []


def test_custom_metadata(stub):
    initial, trailing = ("x-grpc-test-echo-initial", "test_initial_metadata_value"), b"\xab\xab\xab"
    metadata = (initial, ("x-grpc-test-echo-trailing-bin", trailing))
    request = messages.SimpleRequest(response_size=314159, payload=payload(271828))
    _, unary = stub.UnaryCall.with_call(request, metadata=metadata, timeout=TIMEOUT)
    duplex = stub.FullDuplexCall(iter([output_request(314159, sent=271828)]), metadata=metadata, timeout=TIMEOUT)
    assert len(list(duplex)) == 1
    for call in (unary, duplex):
        assert initial in call.initial_metadata()
        assert ("x-grpc-test-echo-trailing-bin", trailing) in call.trailing_metadata()


STATUS = messages.EchoStatus(code=2, message="test status message")
SPECIAL = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"


def test_status_code_and_message(stub):
    expected = (Code.UNKNOWN, "test status message")
    assert ends(lambda: stub.UnaryCall(messages.SimpleRequest(response_status=STATUS), timeout=TIMEOUT)) == expected
    request = messages.StreamingOutputCallRequest(response_status=STATUS)
    assert ends(lambda: stub.FullDuplexCall(iter([request]), timeout=TIMEOUT)) == expected


def test_special_status_message(stub):
    request = messages.SimpleRequest(response_status=messages.EchoStatus(code=2, message=SPECIAL))
    assert ends(lambda: stub.UnaryCall(request, timeout=TIMEOUT)) == (Code.UNKNOWN, SPECIAL)


def test_unimplemented_method(stub):
    assert ends(lambda: stub.UnimplementedCall(messages.Empty(), timeout=TIMEOUT))[0] == Code.UNIMPLEMENTED


def test_unimplemented_service(channel: grpc.Channel):
    other = stubs.UnimplementedServiceStub(channel)
    assert ends(lambda: other.UnimplementedCall(messages.Empty(), timeout=TIMEOUT))[0] == Code.UNIMPLEMENTED


def test_cancel_after_begin(stub):
    requests = Requests()
    call = stub.StreamingInputCall.future(iter(requests), timeout=TIMEOUT)
    call.cancel()
    assert call.code() == Code.CANCELLED
    requests.close()


def test_cancel_after_first_response(server: InteropServer, stub):
    requests = Requests()
    call = stub.FullDuplexCall(iter(requests), timeout=TIMEOUT)
    requests.put(output_request(31415, sent=27182))
    assert len(next(call).payload.body) == 31415
    call.cancel()
    assert call.code() == Code.CANCELLED
    requests.close()


def test_timeout_on_sleeping_server(stub):
    requests = Requests()
    requests.put(output_request(31415, sent=27182, interval_us=60_000_000))
    call = stub.FullDuplexCall(iter(requests), timeout=0.1)
    assert ends(lambda: next(call))[0] == Code.DEADLINE_EXCEEDED
    requests.close()


def flag(value: bool):
    return messages.BoolValue(value=value)


def test_client_compressed_unary(stub):
    def call(expects: bool, compression: grpc.Compression):
        request = messages.SimpleRequest(
            expect_compressed=flag(expects), response_size=314159, payload=payload(271828))
        return stub.UnaryCall(request, compression=compression, timeout=TIMEOUT)

    # First that the server looks at all: a request that is not what it says is refused.
    assert ends(lambda: call(True, grpc.Compression.NoCompression))[0] == Code.INVALID_ARGUMENT
    assert ends(lambda: call(False, grpc.Compression.Gzip))[0] == Code.INVALID_ARGUMENT
    assert len(call(True, grpc.Compression.Gzip).payload.body) == 314159
    assert len(call(False, grpc.Compression.NoCompression).payload.body) == 314159


def test_client_compressed_streaming(stub):
    requests = [messages.StreamingInputCallRequest(expect_compressed=flag(True), payload=payload(size))
                for size in (27182, 45904)]
    sent = {"compression": grpc.Compression.Gzip, "timeout": TIMEOUT}
    assert stub.StreamingInputCall(iter(requests), **sent).aggregated_payload_size == 73086
    plain = {"timeout": TIMEOUT}
    assert ends(lambda: stub.StreamingInputCall(iter(requests), **plain))[0] == Code.INVALID_ARGUMENT


@pytest.mark.parametrize("compressed", [True, False])
def test_server_compressed_unary(stub, compressed: bool):
    request = messages.SimpleRequest(
        response_compressed=flag(compressed), response_size=314159, payload=payload(271828))
    assert stub.UnaryCall(request, timeout=TIMEOUT).payload.body == bytes(314159)


def test_server_compressed_streaming(stub):
    parameters = [messages.ResponseParameters(size=31415, compressed=flag(True)),
                  messages.ResponseParameters(size=92653, compressed=flag(False))]
    answers = stub.StreamingOutputCall(
        messages.StreamingOutputCallRequest(response_parameters=parameters), timeout=TIMEOUT)
    assert [len(answer.payload.body) for answer in answers] == [31415, 92653]


# How calls of the four kinds end early: the server's handler hears of it and leaves.


def begin(kind: str, stub, requests: Requests, timeout: float):
    """A call whose handler waits: for a request, or for the minute that stands before its response."""
    slow = output_request(1, interval_us=60_000_000)
    if kind == "StreamingInputCall":
        return stub.StreamingInputCall.future(iter(requests), timeout=timeout)
    if kind == "StreamingOutputCall":
        return stub.StreamingOutputCall(slow, timeout=timeout)
    return getattr(stub, kind)(iter(requests), timeout=timeout)


KINDS = ["StreamingInputCall", "StreamingOutputCall", "FullDuplexCall"]


def count(server: InteropServer, what: str, kind: str) -> int:
    return server.output.count(f"{what} path=/grpc.testing.TestService/{kind}")


def test_calls_are_logged(server: InteropServer, stub):
    ends(lambda: stub.UnaryCall(messages.SimpleRequest(response_status=STATUS), timeout=TIMEOUT))
    server.wait_for_output(
        r'grpc: call failed method=/grpc.testing.TestService/UnaryCall peer=ipv4:127.0.0.1:\d+ code=UNKNOWN '
        r'reason="test status message" duration_ms=\d')


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", ["cancel", "deadline", "disconnect"])
def test_a_call_that_ends_early_ends_its_handler(server: InteropServer, kind: str, way: str):
    began, left = count(server, "handler began", kind), count(server, "handler left", kind)
    requests = Requests()
    with server.channel() as channel:
        call = begin(kind, stubs.TestServiceStub(channel), requests, 0.5 if way == "deadline" else 60)
        wait_until(lambda: count(server, "handler began", kind) == began + 1, "the handler runs")
        if way == "cancel":
            call.cancel()
        if way != "disconnect":
            assert call.code() == (Code.CANCELLED if way == "cancel" else Code.DEADLINE_EXCEEDED)
    requests.close()
    wait_until(lambda: count(server, "handler left", kind) == left + 1, "the handler has left")
    assert count(server, "handler cancelled", kind) >= 1


# Back pressure


def settled(look) -> int:
    """A figure that has come to rest: the same for half a second."""
    seen: list[int] = []

    def rests() -> bool:
        seen.append(look())
        return len(seen) > 10 and len(set(seen[-10:])) == 1

    wait_until(rests, "the figure comes to rest", interval=0.05)
    return seen[-1]


def test_a_slow_reader_does_not_grow_the_server(server: InteropServer):
    """1.6 GB are wanted and one message of each call is read: what is not read is not made."""
    size, responses = 100_000, 2_000
    with server.channel(http2_bdp_probe=0) as channel:
        stub = stubs.TestServiceStub(channel)
        before = server.resident_kib()
        calls = [stub.StreamingOutputCall(output_request(*[size] * responses), timeout=120) for _ in range(8)]
        for call in calls:
            assert len(next(call).payload.body) == size
        resting = settled(lambda: server.resident_kib())
        assert resting - before < 8 << 10, f"{before} KiB before, {resting} KiB while nobody reads"
        # Others on the connection are not held up.
        assert stub.EmptyCall(messages.Empty(), timeout=TIMEOUT) == messages.Empty()
        for call in calls:
            call.cancel()


def test_a_reader_that_is_always_a_little_behind_does_not_grow_the_server(server: InteropServer):
    """Its window opens by steps that fit no message, so its queue is never empty; what has left it is let go."""
    size, responses, step = 9_000, 3_000, 7_000
    request = frames.message(output_request(*[size] * responses).SerializeToString())
    before = server.resident_kib()
    with frames.Connection(server.port, window_updates=False, settings={SettingsFrame.INITIAL_WINDOW_SIZE: step}) as raw:
        stream = raw.start("/grpc.testing.TestService/StreamingOutputCall", request)
        raw.send(WindowUpdateFrame(0, window_increment=1 << 30))
        answer, opened = raw.answer(stream), step
        while not answer.is_over:
            raw.wait(lambda: answer.is_over or len(answer.data) >= opened, "the window is used", TIMEOUT)
            opened += step
            raw.send(WindowUpdateFrame(stream, window_increment=step))
        assert answer.status == frames.OK and len(answer.data) > size * responses
    assert server.resident_kib("VmHWM") - before < 8 << 10


def test_compressed_answers_have_the_flag(server: InteropServer):
    """What a client library hides: on the wire one response is compressed and the next is not."""
    parameters = [messages.ResponseParameters(size=31415, compressed=flag(value)) for value in (True, False)]
    request = messages.StreamingOutputCallRequest(response_parameters=parameters).SerializeToString()
    path = "/grpc.testing.TestService/StreamingOutputCall"
    with frames.Connection(server.port) as raw:
        headers = frames.request_headers(path, ("grpc-accept-encoding", "gzip"))
        answer = raw.call(path, frames.message(request), fields=headers)
        assert answer.headers["grpc-encoding"] == "gzip"
        length = int.from_bytes(answer.data[1:5], "big")
        assert answer.data[0] == 1 and length < 1000
        assert answer.data[5 + length] == 0 and len(answer.data) > 31415
        # Never a codec that was not offered.
        plain = raw.call(path, frames.message(request))
        assert "grpc-encoding" not in plain.headers
        assert [len(one) > 31415 for one in plain.messages] == [True, True]


def test_a_slow_handler_stops_its_caller(server: InteropServer):
    """The handler sleeps before its first response and reads nothing meanwhile: the caller cannot go on sending."""
    taken = 0

    def requests():
        nonlocal taken
        yield output_request(1, interval_us=60_000_000)
        while taken < 2_000:
            taken += 1
            yield output_request(sent=100_000)

    with server.channel(http2_bdp_probe=0) as channel:
        stub = stubs.TestServiceStub(channel)
        before = server.resident_kib()
        call = stub.FullDuplexCall(requests(), timeout=60)
        sent = settled(lambda: taken)
        assert sent < 30, f"{sent} requests of 100 kB were taken from the caller, the windows hold fewer"
        assert server.resident_kib() - before < 4 << 10
        # Others on the connection are not held up.
        assert stub.EmptyCall(messages.Empty(), timeout=TIMEOUT) == messages.Empty()
        call.cancel()
