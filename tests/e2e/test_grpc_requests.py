"""What a gRPC server does about the headers of a request, frame by frame; docs/grpc-conformance.md lists the rules."""

import base64

import pytest
from google.rpc import status_pb2

from harness.frames import (
    DEADLINE_EXCEEDED, ENHANCE_YOUR_CALM, INTERNAL, NO_ERROR, NOT_FOUND, OK, PROTOCOL_ERROR, UNIMPLEMENTED, Answer,
    Connection, message, request_headers, unpadded)
from harness.rpc import payments, small

PING = "/paymentsapi.PaymentsApi/GetPing"
GET = "/payments.v1.PaymentService/GetPayment"
PONG = small.Pong(pong=True).SerializeToString()


def ping(connection: Connection, *more: tuple[str, str], **options) -> Answer:
    """GetPing with headers of the test's own."""
    return connection.call(PING, message(), fields=request_headers(PING, *more, **options))


def assert_pong(answer: Answer) -> None:
    assert (answer.http, answer.status, answer.messages) == (200, OK, [PONG]), answer


def assert_served_on(connection: Connection) -> None:
    """The connection outlived what came before."""
    assert not connection.goaways
    assert_pong(ping(connection))


@pytest.fixture
def connection(grpc_port: int):
    with Connection(grpc_port) as made:
        yield made


# Method, path, content-type


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "OPTIONS", "post"])
def test_only_post_is_served(connection: Connection, method: str):
    answer = ping(connection, method=method)
    assert (answer.http, answer.status) == (405, INTERNAL) and answer.is_trailers_only, answer
    assert_served_on(connection)


@pytest.mark.parametrize("path", [
    "/paymentsapi.PaymentsApi/getping", "/PaymentsApi.PaymentsApi/GetPing", "/paymentsapi.PaymentsApi/Nothing",
    "/nobody.Service/GetPing", "/", "/paymentsapi.PaymentsApi", PING + "/", PING + "?a=b",
])
def test_an_unknown_path_is_unimplemented(connection: Connection, path: str):
    answer = connection.call(path, message())
    assert (answer.http, answer.status) == (200, UNIMPLEMENTED) and answer.is_trailers_only, answer
    assert_served_on(connection)


@pytest.mark.parametrize("value", [None, "", "text/plain", "application/json", "application/grp", "application/grpc-web"])
def test_what_is_not_grpc_gets_415(connection: Connection, value: str | None):
    answer = ping(connection, without=["content-type"]) if value is None else ping(connection, content_type=value)
    assert answer.http == 415 and "grpc-status" not in answer.trailers, answer
    assert 0 < len(answer.data) < 100 and answer.headers["content-type"] == "text/plain", answer
    assert_served_on(connection)


@pytest.mark.parametrize("value", ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"])
def test_the_proto_codec_is_served(connection: Connection, value: str):
    assert_pong(ping(connection, content_type=value))


@pytest.mark.parametrize("value", ["application/grpc+json", "application/grpc+thrift", "application/grpc+"])
def test_another_codec_is_unimplemented(connection: Connection, value: str):
    answer = ping(connection, content_type=value)
    assert (answer.http, answer.status) == (200, UNIMPLEMENTED) and answer.is_trailers_only, answer


# Fields that HTTP/2 knows


def test_te_may_be_missing(connection: Connection):
    assert_pong(ping(connection, without=["te"]))


@pytest.mark.parametrize("name, value", [
    ("connection", "keep-alive"), ("connection", "close"), ("keep-alive", "timeout=5"), ("proxy-connection", "close"),
    ("transfer-encoding", "chunked"), ("upgrade", "h2c"), ("te", "gzip"),
])
def test_fields_of_the_connection_are_protocol_errors(connection: Connection, name: str, value: str):
    assert ping(connection, (name, value), without=["te"]).reset == PROTOCOL_ERROR
    assert_served_on(connection)


@pytest.mark.parametrize("fields", [
    [(":method", "POST"), (":authority", "a"), (":authority", "b"), (":scheme", "http"), (":path", PING)],
    [(":method", "POST"), (":authority", "a"), (":scheme", "http"), (":path", PING), ("host", "a"), ("host", "b")],
    [(":method", "POST"), (":scheme", "http"), (":path", PING), ("host", "a"), ("host", "a")],
])
def test_a_second_authority_or_host_is_refused(connection: Connection, fields: list):
    """gRFC A41 leaves the choice of 400, INTERNAL and RST_STREAM(PROTOCOL_ERROR)."""
    fields = fields + [("content-type", "application/grpc"), ("te", "trailers")]
    assert connection.call(PING, message(), fields=fields).reset == PROTOCOL_ERROR
    assert_served_on(connection)


def test_host_gives_way_to_authority(connection: Connection):
    assert_pong(ping(connection, ("host", "another")))
    assert_pong(ping(connection, ("host", "alone"), without=[":authority"]))


@pytest.mark.parametrize("fields", [
    request_headers(PING, without=[":method"]), request_headers(PING, without=[":path"]),
    request_headers(PING, without=[":scheme"]), request_headers(PING, (":path", PING)),
    request_headers(PING, (":unknown", "x")), request_headers(PING, ("Upper", "x")),
    [("te", "trailers")] + request_headers(PING, without=["te"]), request_headers(PING, ("content-length", "3")),
    # Pseudo-headers: each once and not empty, known ones only.
    *[[(f":{name}", value), *request_headers(PING)]
      for name, value in (("method", "POST"), ("scheme", "http"), ("path", PING), ("authority", "localhost"))],
    *[request_headers(PING, **{name: ""}) for name in ("method", "scheme", "authority")], request_headers(""),
    *[[(name, "x"), *request_headers(PING)] for name in (":", ":protocol", ":status", ":Path", ":pa th")],
    # Their characters.
    *[request_headers(PING, method=value) for value in ("PO ST", "POST\x00", "PÖST", "PO/ST", "POST ")],
    *[request_headers(PING, scheme=value) for value in ("ht tp", "1http", "http:", "http\x7f", "-")],
    *[request_headers(value) for value in (PING + " ", "/a b", "/a\tb", "/\x00", "/1234567\x1f", "/1234567\x7f9", "/\x7f")],
    *[request_headers(PING, authority=value) for value in ("a b", "a/b", "a#", "a\x00", "ä")],
    # What a path may be.
    *[request_headers(value) for value in ("*", "getping", "http://localhost" + PING)],
    request_headers("*", scheme="HTTPS"), request_headers("x", method="OPTIONS"),
    # CONNECT has an authority and nothing else.
    request_headers(PING, method="CONNECT"), request_headers(PING, method="CONNECT", without=[":path"]),
    request_headers(PING, method="CONNECT", without=[":path", ":scheme", ":authority"]),
    # Regular fields.
    *[request_headers(PING, (name, "x")) for name in ("X", "x-Y", "x y-Z", "teE")],
    request_headers(PING, ("te", "")), request_headers(PING, ("te", "trailers,gzip")),
    request_headers(PING, ("host", "")),
    *[request_headers(PING, ("content-length", value))
      for value in ("", "x", "-1", "+5", "5x", "6", "4", "0", "9223372036854775808", "99999999999999999999999")],
    request_headers(PING, ("content-length", "5"), ("content-length", "5")),
])
def test_malformed_requests_are_protocol_errors(connection: Connection, fields: list):
    answer = connection.call(PING, message(), fields=fields)
    assert answer.reset == PROTOCOL_ERROR and not answer.blocks, answer
    assert_served_on(connection)


def test_a_length_without_a_body_is_a_protocol_error(connection: Connection):
    assert connection.call(PING, fields=request_headers(PING, ("content-length", "5"))).reset == PROTOCOL_ERROR
    # Told with the byte that is too much, not at the end.
    stream = connection.start(
        PING, message(b"abc")[:7], fields=request_headers(PING, ("content-length", "5")), end_stream=False)
    assert connection.wait_for(stream).reset == PROTOCOL_ERROR
    assert_served_on(connection)


@pytest.mark.parametrize("name, value", [
    ("", "x"), ("x y", "x"), ("x(y", "x"), ("xä", "x"), ("x-a", " x"), ("x-a", "x\t"), ("x-a", "1234567\x00"), ("x-a", "x\x7f"),
    ("x-a", "12345678\n"), ("host", "a b"), ("connection", "close\x00"), ("te", " trailers"),
    ("content-length", "7 "), ("grpc-timeout", "0S "),
])
def test_odd_characters_are_protocol_errors(connection: Connection, name: str, value: str):
    assert ping(connection, (name, value)).reset == PROTOCOL_ERROR
    assert_served_on(connection)


@pytest.mark.parametrize("fields", [
    request_headers(PING, ("x-a", "12345678\t9")), request_headers(PING, ("x-a", "äöü")), request_headers(PING, ("x-a", "")),
    request_headers(PING, ("!#$%&'*+-.^_`|~", "x")), request_headers(PING, ("host", "!$&'()*+,-.:;=@[]_~%")),
    request_headers(PING, te="Trailers"), request_headers(PING, ("te", "trailers")),
    request_headers(PING, ("content-length", "5")), request_headers(PING, ("content-length", "0005")),
    request_headers(PING, scheme="HTTPS"), request_headers(PING, scheme="a+b-c.1"),
])
def test_what_http_allows_is_served(connection: Connection, fields: list):
    assert_pong(connection.call(PING, message(), fields=fields))


@pytest.mark.parametrize("method, path, fields", [
    ("CONNECT", PING, [":scheme", ":path"]), ("OPTIONS", "*", []), ("OPTIONS", PING, []), ("A!#$%&'*+-.^_`|~z", PING, []),
])
def test_other_requests_of_http_are_told_to_post(connection: Connection, method: str, path: str, fields: list):
    assert connection.call(path, message(), fields=request_headers(path, method=method, without=fields)).http == 405
    assert_served_on(connection)


def test_the_authority_may_be_missing(connection: Connection):
    """So may `host` then: no gRPC document asks for either."""
    assert_pong(ping(connection, without=[":authority"]))
    assert ping(connection, method="CONNECT", without=[":authority", ":path", ":scheme"]).reset == PROTOCOL_ERROR
    assert_served_on(connection)


# Trailers of a request


@pytest.mark.parametrize("trailers", [[], [("x-checksum", "1")], [("content-length", "5")]])
def test_trailers_of_a_request_mean_nothing(connection: Connection, trailers: list):
    stream = connection.start(PING, message(), end_stream=False)
    connection.send(connection.headers_frame(stream, trailers, end_stream=True))
    assert_pong(connection.wait_for(stream))
    assert_served_on(connection)


@pytest.mark.parametrize("trailers, end_stream", [
    ([("x-checksum", "1")], False), ([(":path", PING)], True), ([(":status", "200")], True), ([("X", "1")], True),
    ([("connection", "close")], True), ([("te", "gzip")], True), ([("content-length", "6")], True),
    ([("x", "1"), (":authority", "a")], True), ([("x y", "1")], True), ([("x", " 1")], True),
])
def test_malformed_trailers_are_protocol_errors(connection: Connection, trailers: list, end_stream: bool):
    stream = connection.start(PING, message(), end_stream=False)
    connection.send(connection.headers_frame(stream, trailers, end_stream))
    answer = connection.wait_for(stream)
    assert answer.reset == PROTOCOL_ERROR and not answer.blocks, answer
    assert_served_on(connection)


# grpc-timeout


@pytest.mark.parametrize("value", ["1H", "1M", "60S", "60000m", "60000000u", "99999999n", "99999999H", "00000001H"])
def test_a_timeout_has_eight_digits_and_a_unit(connection: Connection, value: str):
    """99,999,999 hours are beyond what the clock can count: clamped, not wrapped round to the past."""
    answer = ping(connection, grpc_timeout=value)
    if value.endswith("n"):  # a tenth of a second: either is right on a busy machine
        assert answer.status in (OK, DEADLINE_EXCEEDED)
    else:
        assert_pong(answer)


@pytest.mark.parametrize("value", ["", "S", "1", "1s", "1h", "123456789S", "-1S", "+1S", "1.5S", "0x1S", "1 S", "1SS", "S1"])
def test_a_malformed_timeout_is_refused(connection: Connection, value: str):
    answer = ping(connection, grpc_timeout=value)
    assert (answer.http, answer.status) == (400, INTERNAL) and answer.is_trailers_only, answer
    assert_served_on(connection)


@pytest.mark.parametrize("value", ["0S", "0n", "00000000H"])
def test_a_timeout_of_nothing_has_passed(connection: Connection, value: str):
    """Answered at once, without waiting for the request."""
    stream = connection.start(PING, fields=request_headers(PING, grpc_timeout=value), end_stream=False)
    answer = connection.wait_for(stream)
    assert (answer.http, answer.status) == (200, DEADLINE_EXCEEDED) and answer.is_trailers_only, answer
    connection.wait(lambda: answer.reset == NO_ERROR, "RST_STREAM(NO_ERROR) follows")


def test_a_deadline_ends_a_call_that_is_still_being_sent(connection: Connection):
    stream = connection.start(
        PING, message(b"abc")[:6], fields=request_headers(PING, grpc_timeout="150m"), end_stream=False)
    answer = connection.wait_for(stream)
    assert (answer.http, answer.status) == (200, DEADLINE_EXCEEDED) and answer.is_trailers_only, answer
    connection.wait(lambda: answer.reset == NO_ERROR, "RST_STREAM(NO_ERROR) follows")
    assert_served_on(connection)


# Metadata


@pytest.mark.parametrize("data", [b"", b"a", b"ab", b"abc", b"\x00\xff\xfe"])
def test_binary_metadata_may_be_padded(connection: Connection, data: bytes):
    padded = base64.b64encode(data).decode()
    for value in {padded, unpadded(data), f"{padded},{unpadded(data)}", f"{unpadded(data)}, {padded}".strip()}:
        assert_pong(ping(connection, ("x-data-bin", value)))


@pytest.mark.parametrize("value", ["A", "Zg=", "Zh", "Zg===", "Zm9v=", "####", "Zm9v,#", "=,Zm9v", "Zm9v Zm9v", "Zm9_"])
def test_binary_metadata_that_is_none_is_refused(connection: Connection, value: str):
    answer = ping(connection, ("x-data-bin", value))
    assert (answer.http, answer.status) == (400, INTERNAL) and answer.is_trailers_only, answer
    assert_served_on(connection)


def test_reserved_names_are_left_alone(connection: Connection):
    assert_pong(ping(connection, ("grpc-nobody-knows", "x"), ("grpc-data-bin", "####"), ("grpc-status", "5")))


def test_details_are_sent_without_padding(connection: Connection):
    request = payments.GetPaymentRequest(order_id=2**62).SerializeToString()
    answer = connection.call(GET, message(request))
    text = answer.trailers["grpc-status-details-bin"]
    assert answer.status == NOT_FOUND and "=" not in text
    status = status_pb2.Status.FromString(base64.b64decode(text + "=" * (-len(text) % 4)))
    assert status.code == NOT_FOUND and status.details


# The header list


def listed_size(fields: list[tuple[str, str]]) -> int:
    return sum(len(name) + len(value) + 32 for name, value in fields)


def test_a_header_list_of_8_kib_is_taken_and_no_more(connection: Connection):
    base = request_headers(PING)
    room = 8192 - listed_size(base) - len("x-filler") - 32
    assert_pong(ping(connection, ("x-filler", "x" * room)))
    assert ping(connection, ("x-filler", "x" * (room + 1))).reset == ENHANCE_YOUR_CALM
    # Each field counts 32, so that many short ones are no way around.
    assert ping(connection, *[("x", "y")] * (8192 // 34)).reset == ENHANCE_YOUR_CALM
    assert_served_on(connection)
    assert 6 in connection.frames[0].settings and connection.frames[0].settings[6] == 8192
