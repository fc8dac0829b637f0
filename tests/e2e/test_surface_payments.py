"""The surface payments: recorded requests of the payment API's callers get the documented answers, byte for byte, and
readers of its topics read ours."""

import json
import re
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import Callable
from uuid import UUID

import pytest

from harness.audit import paysaga
from harness.direct import Direct, Gateway
from harness.process import Program
from harness.servers import DevKafka
from harness.surfaces import Payment, Surface, as_spring_reads, gateway_with, matches_schema, topics
from harness.topics import Message, TopicReader
from harness.waiting import wait_until
from harness.world import World

USER = "0198c5b2-6c1e-7d55-8a1b-3f2f0a9c7e11"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}"
ID = r"[0-9a-f-]{36}"
# A zone without summer time, half an hour off whole hours.
ZONE, OFFSET = "Asia/Kolkata", timedelta(hours=5, minutes=30)


@pytest.fixture(scope="module")
def gateway(direct: Direct) -> Gateway:
    return gateway_with(direct, "payments", "updater", TZ=ZONE)


@pytest.fixture(scope="module")
def surface(gateway: Gateway) -> Surface:
    return Surface(gateway, "payments")


@pytest.fixture(autouse=True)
def bank_behaves(direct: Direct):
    yield
    direct.bank.behave(delay_ms=0, approval=100, script=[])


def body(**fields) -> dict:
    return {"userId": USER, "accountNumber": "10000000001", "amount": 100.5, "description": "a book"} | fields


def view(state="pending", processed="null", amount="100.5", account="10000000001", user=USER, text="a book",
         outcome="null") -> str:
    """The nine fields in their order."""
    return (rf'\{{"paymentId":"{ID}","userId":"{user}","created":"{TIME}","processed":{processed},"state":"{state}",'
            rf'"accountNumber":"{account}","amount":{re.escape(amount)},"description":"{text}",'
            rf'"extPaymentDetails":{outcome}\}}')


COMPLETED = dict(state="completed", processed=f'"{TIME}"', outcome=r'"Payment processed in \d+ seconds"')
REJECTED = dict(state="rejected", processed=f'"{TIME}"', outcome=r'"Payment rejected after \d+ seconds"')

CREATED = {
    "a number": (body(), view()),
    "a text": (body(amount="7"), view(amount="7.0")),
    "a text with an exponent": (body(amount=" 1e2 "), view(amount="100.0")),
    "what is the server's": (
        body(paymentId=str(uuid.uuid4()), created="2020-01-01T00:00:00", processed="2020-01-01T00:00:00",
             state="completed", extPaymentDetails="mine", more=[1]), view(outcome='"mine"')),
    "no description": ({"userId": "ann", "accountNumber": "17", "amount": 0.01},
                       view(user="ann", account="17", amount="0.01", text="")),
}


@pytest.mark.parametrize("name", CREATED)
def test_post_payments(surface: Surface, name: str):
    request, expected = CREATED[name]
    answer = surface.call("POST", "/payments/", request)
    assert answer.status == 201 and re.fullmatch(expected, answer.body.decode()), answer
    assert answer.headers["content-type"] == "application/json"
    assert answer.json["paymentId"] != request.get("paymentId")


def missing(field: str, given: str) -> str:
    return f'{{"type":"missing","loc":["body","{field}"],"msg":"Field required","input":{given}}}'


NUMBER = "Input should be a valid number"
INVALID = {
    "{}": ",".join(missing(field, "{}") for field in ("userId", "accountNumber", "amount")),
    '{ "userId": 5, "accountNumber": "1", "amount": 1}':
        '{"type":"string_type","loc":["body","userId"],"msg":"Input should be a valid string","input":5}',
    '{"userId":"4242424242424242"}':
        '{"type":"value_error","loc":["body","userId"],"msg":"Value error, expected text without card numbers",'
        '"input":null,"ctx":{"error":{}}},' + ",".join(missing(field, "null") for field in ("accountNumber", "amount")),
    '{"userId":"u","accountNumber":"1","amount":"ten"}':
        f'{{"type":"float_parsing","loc":["body","amount"],"msg":"{NUMBER}, unable to parse string as a number",'
        '"input":"ten"}',
    '{"userId":"u","accountNumber":"1","amount":[]}':
        f'{{"type":"float_type","loc":["body","amount"],"msg":"{NUMBER}","input":[]}}',
    '{"userId":"u","accountNumber":"1","amount":"inf"}':
        '{"type":"finite_number","loc":["body","amount"],"msg":"Input should be a finite number","input":"inf"}',
    '{"userId":"u","accountNumber":"1","amount":0}':
        '{"type":"greater_than","loc":["body","amount"],"msg":"Input should be greater than 0","input":0,"ctx":{"gt":0.0}}',
    '{"userId":"u","accountNumber":"1","amount":-1.5}':
        '{"type":"greater_than","loc":["body","amount"],"msg":"Input should be greater than 0","input":-1.5,"ctx":{"gt":0.0}}',
    '{"userId":"u","accountNumber":"1","amount":1,"state":"done"}':
        '{"type":"enum","loc":["body","state"],"msg":"Input should be \'pending\', \'completed\' or \'rejected\'",'
        '"input":"done","ctx":{"expected":"\'pending\', \'completed\' or \'rejected\'"}}',
    '{"userId":"u","accountNumber":"1","amount":NaN}':
        '{"type":"json_invalid","loc":["body",43],"msg":"JSON decode error","input":{},'
        '"ctx":{"error":"Expecting value"}}',
    "{": '{"type":"json_invalid","loc":["body",1],"msg":"JSON decode error","input":{},'
         '"ctx":{"error":"Expecting property name enclosed in double quotes"}}',
    '{"userId":"ю","amount" 1}': '{"type":"json_invalid","loc":["body",23],"msg":"JSON decode error","input":{},'
                                 '"ctx":{"error":"Expecting \':\' delimiter"}}',
    "{} x": '{"type":"json_invalid","loc":["body",3],"msg":"JSON decode error","input":{},"ctx":{"error":"Extra data"}}',
    "[1]": '{"type":"model_attributes_type","loc":["body"],"msg":"Input should be a valid dictionary or object to'
           ' extract fields from","input":[1]}',
    "": '{"type":"missing","loc":["body"],"msg":"Field required","input":null}',
}


@pytest.mark.parametrize("request_body", INVALID)
def test_invalid_bodies(surface: Surface, request_body: str):
    answer = surface.call("POST", "/payments/", request_body.encode())
    assert (answer.status, answer.body.decode()) == (422, f'{{"detail":[{INVALID[request_body]}]}}')


def test_a_page_cannot_pay_with_a_form(surface: Surface):
    answer = surface.call("POST", "/payments/", json.dumps(body()).encode(), Content_Type="text/plain")
    assert answer.status == 422 and answer.json["detail"][0]["type"] == "model_attributes_type"


def test_calls_without_a_payment(gateway: Gateway, surface: Surface):
    nowhere, updater = str(uuid.uuid4()), Surface(gateway, "updater")
    rows = [
        (surface, "GET", "/", 200, b'{"message":"Hello my friend :) It\'s a payment service"}', {}),
        (updater, "GET", "/", 200, b'{"message":"Hello my friend :) It\'s a updater service"}', {}),
        (updater, "GET", "/x", 404, b'{"detail":"Not Found"}', {}),
        (surface, "GET", "/x", 404, b'{"detail":"Not Found"}', {}),
        (surface, "GET", "/payments/", 405, b'{"detail":"Method Not Allowed"}', {"allow": "POST"}),
        (surface, "POST", "/payments", 307, b"", {"location": "/payments/"}),
        (surface, "GET", f"/payments/{nowhere}", 404, b'{"detail":"Payment not found"}', {}),
        (surface, "GET", "/payments/17", 404, b'{"detail":"Payment not found"}', {}),
        (surface, "GET", f"/payments/lp/{nowhere}", 404, b'{"detail":"Payment not found"}', {}),
        (surface, "GET", "/payments/lp/17", 404, b'{"detail":"Payment not found"}', {}),
    ]
    for where, method, path, status, expected, headers in rows:
        answer = where.call(method, path, body() if method == "POST" else None)
        assert (answer.status, answer.body) == (status, expected), (method, path, answer)
        assert {name: answer.headers.get(name) for name in headers} == headers
    # A payment of /v1, which asks for API keys elsewhere, cannot be seen here.
    foreign = gateway.pay({"type": "account", "number": "10000000001"}).json["id"]
    for path in (f"/payments/{foreign}", f"/payments/lp/{foreign}"):
        assert surface.call("GET", path).status == 404


def test_a_long_poll_answers_when_the_payment_ends(direct: Direct, processor: Program, surface: Surface):
    ends = {"10000000001": COMPLETED, "10000000002": REJECTED}
    direct.bank.behave(delay_ms=700)
    for account, end in ends.items():
        made = surface.call("POST", "/payments/", body(accountNumber=account)).json["paymentId"]
        polled = surface.call("GET", f"/payments/lp/{made}")
        assert polled.status == 200 and re.fullmatch(view(account=account, **end), polled.body.decode()), polled
        # A final one is answered at once.
        assert surface.call("GET", f"/payments/lp/{made}").body == polled.body
        assert surface.call("GET", f"/payments/{made}").body == polled.body


def test_a_long_poll_gives_up_after_ten_seconds(direct: Direct, processor: Program, surface: Surface):
    direct.bank.behave(script=["hang"] * 20)
    made = surface.call("POST", "/payments/", body(accountNumber="10000000003")).json["paymentId"]
    with ThreadPoolExecutor(1) as pool:
        began = time.monotonic()
        answer = pool.submit(surface.call, "GET", f"/payments/lp/{made}").result()
        took = time.monotonic() - began
    expected = b'{"detail":"Timeout: Payment status did not change from pending within 10 seconds"}'
    assert (answer.status, answer.body) == (408, expected) and took >= 10, took


def test_times_are_local(surface: Surface):
    created = surface.call("POST", "/payments/", body()).json["created"]
    local = datetime.now(timezone.utc).replace(tzinfo=None) + OFFSET
    assert abs(datetime.fromisoformat(created) - local) < timedelta(minutes=5)


def test_an_idempotency_key_has_one_effect(processor: Program, surface: Surface):
    key = str(uuid.uuid4())
    first = surface.call("POST", "/payments/", body(), Idempotency_Key=key)
    surface.call("GET", f"/payments/lp/{first.json['paymentId']}")
    again = surface.call("POST", "/payments/", body(), Idempotency_Key=key)
    assert (again.status, again.body) == (201, first.body) and again.headers["idempotency-replayed"] == "true"
    other = surface.call("POST", "/payments/", body(amount=2), Idempotency_Key=key)
    assert other.status == 422 and isinstance(other.json["detail"], str)


# Topics


def of(reader: TopicReader, payment: str) -> list[Message]:
    return [each for each in reader.messages if each.key == payment.encode()]


def test_readers_of_both_systems_read_the_topics(direct: Direct, processor: Program, gateway: Gateway, surface: Surface):
    names = topics(direct)
    asked, ended = (direct.world.reader(names[f"GATEWAY_{each}_TOPIC"]) for each in ("PAYMENT", "RESULT"))
    made = surface.call("POST", "/payments/", body(amount="19.99"))
    payment = made.json["paymentId"]
    final = surface.call("GET", f"/payments/lp/{payment}")
    [creation] = wait_until(lambda: of(asked, payment), "the payment is on its topic")
    [result] = wait_until(lambda: of(ended, payment), "its end is on its topic")
    assert matches_schema("payments", creation) and matches_schema("paymentsResults", result)
    # The value of the result is what callers are shown, and the fields of the creation are those of the answer.
    assert result.value == final.body and result.header("__TypeId__") is None
    assert creation.value.startswith(made.body[:-1])
    read = Payment.model_validate_json(creation.value)
    assert (str(read.paymentId), read.userId, read.state, read.amount) == (payment, USER, "pending", 19.99)
    read = Payment.model_validate_json(result.value)
    assert read.state == "completed" and read.processed >= read.created
    spring = as_spring_reads(creation)
    assert spring["money"] == {"id": UUID(payment), "amount": 19, "currency": "USD"}
    assert spring["user"]["userName"] == USER and spring["createDate"] == read.created.replace(microsecond=0)
    # One order for a key: the processor's event is the first.
    assert [creation.header("seq"), result.header("seq")] == ["2", "3"]
    assert direct.world.value("SELECT events FROM gateway.payment WHERE id = %s", payment) == 3


def test_payments_of_v1_are_on_no_topic_of_the_surfaces(direct: Direct, processor: Program, gateway: Gateway,
                                                        surface: Surface):
    foreign = gateway.paid({"type": "account", "number": "10000000001"})["id"]
    mine = surface.call("POST", "/payments/", body()).json["paymentId"]
    surface.call("GET", f"/payments/lp/{mine}")
    names = topics(direct)
    ended = direct.world.reader(names["GATEWAY_RESULT_TOPIC"])
    wait_until(lambda: of(ended, mine), "the end of a later payment is on its topic")
    assert not of(ended, foreign) and not of(direct.world.reader(names["GATEWAY_PAYMENT_TOPIC"]), foreign)


@pytest.mark.parametrize("error", ["TOPIC_AUTHORIZATION_FAILED", "UNKNOWN_TOPIC_OR_PART"])
def test_a_topic_that_is_away_holds_back_no_other(make_world: Callable[..., World], own_kafka: DevKafka, error: str):
    """Each topic has an order of its own: what a reader's topic refuses delays neither money nor other readers."""
    world = make_world(kafka=own_kafka)
    direct = Direct(world)
    names = topics(direct)
    direct.processor()
    gateway = gateway_with(direct, "payments")
    surface = Surface(gateway, "payments")
    own_kafka.control(f"topic-error {names['GATEWAY_PAYMENT_TOPIC']} {error}")
    waiting = "SELECT topic FROM gateway.event WHERE key = ANY (%s) AND status = 'WAIT'"

    def is_refused() -> bool:
        """The producer hears of it when it asks for the topic's partitions again."""
        payment = surface.call("POST", "/payments/", body()).json["paymentId"]
        surface.call("GET", f"/payments/lp/{payment}")
        time.sleep(1)
        return world.sql(waiting, [payment]) != []

    wait_until(is_refused, "the topic refuses", 60)
    made = [surface.call("POST", "/payments/", body()).json["paymentId"] for _ in range(3)]
    for each in made:
        assert surface.call("GET", f"/payments/lp/{each}").json["state"] == "completed"
    ended = world.reader(names["GATEWAY_RESULT_TOPIC"])
    wait_until(lambda: all(of(ended, each) for each in made), "the ends are on their topic", 20)
    assert [row[0] for row in world.sql(waiting, made)] == [names["GATEWAY_PAYMENT_TOPIC"]] * 3
    # A message that an operator sends again is behind those that wait, and does not wait for them.
    world.sql("""INSERT INTO gateway.dead_letter
        (topic, partition, message_offset, died_at, source, key, value, headers, reason)
        VALUES ('x.dlq', 0, 0, now(), %s, convert_to(%s, 'UTF8'), convert_to('no message', 'UTF8'), '[]', 'made up')""",
              direct.payments_topic, made[0])
    assert paysaga(world, "payments", "requeue", "--all", **direct.settings).status == 0
    pipeline = world.reader(direct.payments_topic)
    wait_until(lambda: [each for each in of(pipeline, made[0]) if each.header("dlq_requeues")], "it is sent again", 20)
    own_kafka.control(f"topic-error {names['GATEWAY_PAYMENT_TOPIC']} 0")
    asked = world.reader(names["GATEWAY_PAYMENT_TOPIC"])
    wait_until(lambda: all(of(asked, each) for each in made), "the topic gets what waited", 40)


def test_a_crash_loses_and_doubles_no_message(direct: Direct, processor: Program, gateway: Gateway, surface: Surface):
    """The gateway dies with payments under way; what it had taken in is told to the end, each once."""
    direct.bank.behave(delay_ms=700)
    made = [surface.call("POST", "/payments/", body(accountNumber=f"1000000{n}1")).json["paymentId"] for n in range(4)]
    gateway.program.kill()
    direct.bank.behave(delay_ms=0)
    gateway.program.start().wait_ready()
    names = topics(direct)
    for topic in ("GATEWAY_PAYMENT_TOPIC", "GATEWAY_RESULT_TOPIC"):
        reader = direct.world.reader(names[topic])
        wait_until(lambda: all(of(reader, each) for each in made), f"all are on {reader.topic}", 40)
        # A message that was sent before the crash may be sent again, as the same event.
        for each in made:
            assert len({(message.header("ce_id"), message.value) for message in of(reader, each)}) == 1
