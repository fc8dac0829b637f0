"""The surface cards: recorded requests of the card gateway's callers get the documented answers, byte for byte."""

import json
import re
import uuid

import pytest

from harness.direct import Direct, Gateway
from harness.process import Program
from harness.surfaces import Surface, gateway_with
from harness.world import World

USER = "0198c5b2-6c1e-7d55-8a1b-3f2f0a9c7e11"
NOBODY = "00000000-0000-0000-0000-000000000000"
# The system's own README; a number of 16 digits did not fit its 32 bits.
EXAMPLE = (b'{"user_id":"%s","amount":999.99,"card_number":1111222233334444,"card_holder_name":"NAME NAME","cvv":123}'
           % USER.encode())


@pytest.fixture(scope="module")
def gateway(direct: Direct, processor: Program) -> Gateway:
    return gateway_with(direct, "cards")


@pytest.fixture(scope="module")
def cards(gateway: Gateway) -> Surface:
    return Surface(gateway, "cards")


@pytest.fixture(autouse=True)
def bank_behaves(direct: Direct):
    direct.bank.behave(delay_ms=0, approval=100, script=[])
    yield
    direct.bank.behave(delay_ms=0, approval=100, script=[])


def body(number="4242424242424242", cvv="123", amount="10.00", user=None, **more) -> bytes:
    fields = {"user_id": json.dumps(user or str(uuid.uuid4())), "amount": amount, "card_number": number,
              "card_holder_name": '"NAME NAME"', "cvv": cvv} | more
    return ("{" + ",".join(f'"{name}":{value}' for name, value in fields.items()) + "}").encode()


def shape(user: str, status: str, error: str, operation: str = r"[0-9a-f-]{36}") -> str:
    """The one shape, with its keys in their order."""
    return (rf'\{{"operation_id":"{operation}","user_id":"{user}","status":"{status}","error":"{re.escape(error)}"\}}')


# request, status, answer
POSTS = {
    "the readme's example": (EXAMPLE, 200, shape(USER, "succeed", "")),
    "texts of digits": (body('"5555555555554444"', '"042"', user=USER), 200, shape(USER, "succeed", "")),
    "a number as CVV is padded": (body("5105105105105100", "7", user=USER), 200, shape(USER, "succeed", "")),
    "unknown fields": (body(user=USER, extra='{"a":[1]}'), 200, shape(USER, "succeed", "")),
    "a declined card": (
        body("4000000000000002", user=USER), 500, shape(USER, "error", "the payment was declined by the bank")),
    "no JSON": (b"{", 400, shape(NOBODY, "error", "the body is no JSON object: see byte 1", NOBODY)),
    "no body": (b"", 400, shape(NOBODY, "error", "the body is no JSON object: see byte 0", NOBODY)),
    "no user": (b"{}", 400, shape(NOBODY, "error", "user_id is missing", NOBODY)),
    "a user that is none": (
        body(user="me"), 400,
        shape(NOBODY, "error", "user_id: expected a UUID of 36 characters, found another string", NOBODY)),
    "a mistyped number": (
        body("4242424242424241", user=USER), 400,
        shape(USER, "error", "card_number is no card number: its last digit does not fit the others", NOBODY)),
    "no cvv": (body(cvv="null", user=USER), 400, shape(USER, "error", "cvv is missing", NOBODY)),
    "no amount": (body(amount="null", user=USER), 400, shape(USER, "error", "amount is missing", NOBODY)),
    "a negative amount": (
        body(amount="-1", user=USER), 400, shape(USER, "error", "amount: expected an amount above zero", NOBODY)),
    "a fraction of a cent": (
        body(amount="1.001", user=USER), 400, shape(USER, "error", "amount: USD has 2 decimals", NOBODY)),
}


@pytest.mark.parametrize("name", POSTS)
def test_post_payment(cards: Surface, name: str):
    request, status, expected = POSTS[name]
    answer = cards.call("POST", "/payment", request)
    assert answer.status == status, answer
    assert re.fullmatch(expected, answer.body.decode()), answer
    assert answer.headers["content-type"] == "application/json"
    digits = re.findall(r"\d{12,}", request.decode())
    assert not any(each.encode() in answer.body for each in digits)


def test_get_payment(direct: Direct, cards: Surface):
    paid = cards.call("POST", "/payment", EXAMPLE)
    found = cards.call("GET", f"/payment/{paid.json['operation_id']}")
    assert (found.status, found.body) == (200, paid.body)
    assert direct.bank.counts(paid.json["operation_id"]) == (1, 1)
    declined = cards.call("POST", "/payment", body("4000000000000002"))
    found = cards.call("GET", f"/payment/{declined.json['operation_id']}")
    assert (declined.status, found.status, found.body) == (500, 200, declined.body)


def test_what_is_not_there(gateway: Gateway, cards: Surface):
    other = str(uuid.uuid4())
    for path, operation in ((f"/payment/{other}", other), ("/payment/7", NOBODY)):
        answer = cards.call("GET", path)
        assert answer.status == 404
        assert re.fullmatch(shape(NOBODY, "error", "there is no such payment", operation), answer.body.decode())
    # A payment of /v1, which asks for API keys elsewhere, cannot be seen here.
    foreign = gateway.pay({"type": "account", "number": "10000000001"}).json["id"]
    assert cards.call("GET", f"/payment/{foreign}").status == 404
    for method, path, status, allow in (
        ("GET", "/", 404, None), ("GET", "/payment", 405, "POST, OPTIONS"),
        ("DELETE", f"/payment/{other}", 405, "GET, HEAD, OPTIONS"),
    ):
        answer = cards.call(method, path)
        assert (answer.status, answer.headers.get("allow"), answer.json["status"]) == (status, allow, "error"), answer


def test_a_result_that_is_not_known_in_time(direct: Direct, gateway: Gateway, cards: Surface):
    """The bank does not answer: the caller waits ten seconds and learns that it is not known."""
    direct.bank.behave(script=["hang"] * 20)
    answer = cards.call("POST", "/payment", body("4111111111111111", user=USER))
    assert answer.status == 200 and re.fullmatch(shape(USER, "processing", ""), answer.body.decode()), answer
    assert cards.call("GET", f"/payment/{answer.json['operation_id']}").body == answer.body
    direct.bank.behave(script=[])
    gateway.await_status(answer.json["operation_id"], "COMPLETED", "ERROR", timeout=40)


def test_an_idempotency_key_has_one_effect(direct: Direct, cards: Surface):
    request, key = body("4012888888881881"), str(uuid.uuid4())
    first, again = (cards.call("POST", "/payment", request, Idempotency_Key=key) for _ in range(2))
    assert (first.status, again.status, first.body) == (200, 200, again.body)
    assert again.headers["idempotency-replayed"] == "true" and "idempotency-replayed" not in first.headers
    assert direct.bank.counts(first.json["operation_id"]) == (1, 1)
    other = cards.call("POST", "/payment", body("4012888888881881", amount="11"), Idempotency_Key=key)
    assert (other.status, other.json["status"]) == (400, "error")
    # Without a key each call is a payment of its own.
    assert cards.call("POST", "/payment", request).json["operation_id"] != first.json["operation_id"]


def test_cors(cards: Surface):
    origin = "https://shop.example"
    asked = cards.call("OPTIONS", "/payment", Origin=origin, Access_Control_Request_Method="POST",
                       Access_Control_Request_Headers="content-type")
    assert asked.status == 200 and asked.body == b""
    expected = {
        "access-control-allow-origin": origin, "access-control-allow-credentials": "true",
        "access-control-allow-methods": "GET, POST, PUT, DELETE, OPTIONS",
        "access-control-allow-headers": "content-type", "access-control-max-age": "300"}
    assert {name: asked.headers.get(name) for name in expected} == expected
    for answer in (
        cards.call("GET", f"/payment/{uuid.uuid4()}", Origin=origin), cards.call("POST", "/payment", b"{", Origin=origin),
        cards.call("GET", "/nowhere", Origin=origin),
    ):
        assert answer.headers["access-control-allow-origin"] == origin and answer.headers["vary"] == "Origin"
        assert answer.headers["access-control-allow-credentials"] == "true"
    for stranger in ("null", "file:///x", "http://"):
        answer = cards.call("OPTIONS", "/payment", Origin=stranger, Access_Control_Request_Method="POST")
        assert "access-control-allow-origin" not in answer.headers
    assert "access-control-allow-origin" not in cards.call("GET", "/nowhere").headers


def test_views_show_the_holder(shared_world: World, cards: Surface):
    paid = cards.call("POST", "/payment", EXAMPLE).json["operation_id"]
    [row] = shared_world.sql(
        "SELECT amount::text, masked_card_number, card_holder_name, payment_status, operation_status"
        " FROM gateway.actual_payment_information WHERE operation_id = %s", paid)
    assert row == ("999.99", "************4444", "NAME NAME", "succeed", "COMPLETED")
