"""The surface of the Kafka pipeline: recorded requests and the documented answers, and what its consumers read."""

import json
import re
import uuid
from typing import Iterator

import pytest

from harness.direct import PARTITIONS, Direct, Gateway
from harness.surfaces import Payment, Surface, as_spring_reads, gateway_with, matches_schema, topics
from harness.topics import TopicReader
from harness.waiting import wait_until
from harness.world import World

BASIC = {"Authorization": "Basic dXNlcjoxMjM0"}  # user:1234
NAMES = uuid.UUID("b0f1e6a4-5c0e-4f5d-9a3b-7d2c8e91f604")
PATH = "/api/payment_transactions"
WRONG = "Ошибка валидации данных. Передано некорректное значение:"
UNKNOWN = "11111111-1111-4111-8111-111111111111"


class Pipeline:
    """A gateway with the surface, a processor, and the readers of the surface's topics."""

    def __init__(self, world: World):
        self.direct = Direct(world)
        self.direct.processor()
        names = topics(self.direct)
        self.gateway: Gateway = gateway_with(self.direct, "transactions")
        self.surface = Surface(self.gateway, "transactions")
        self.payments, self.statuses = (
            TopicReader(world.broker.brokers, names[setting], PARTITIONS)
            for setting in ("GATEWAY_PAYMENT_TOPIC", "GATEWAY_STATUS_TOPIC"))

    def post(self, body, **headers):
        return self.surface.call("POST", PATH, body, **BASIC | headers)

    def get(self, path: str):
        return self.surface.call("GET", path, **BASIC)

    def pay(self, name: str, amount: int = 100, currency: str = "EUR") -> str:
        answer = self.post({"userName": name, "amount": amount, "currency": currency})
        assert answer.status == 200, answer
        return answer.json["id"]

    def await_status(self, id: str, *wanted: str) -> None:
        def look():
            found = self.get(f"/api/payment_statuses?payment_id={id}").json
            assert found["status"] in wanted, found
            return True

        wait_until(look, f"payment {id} is {' or '.join(wanted)}", 30, interval=0.1)


@pytest.fixture(scope="module")
def pipeline(shared_world: World) -> Iterator[Pipeline]:
    made = Pipeline(shared_world)
    yield made
    made.payments.close()
    made.statuses.close()


def body_of(answer) -> str:
    return answer.body.decode()


# Name, method, path, body, headers, status, answer: ID stands for any UUID.
GOLDEN = [
    ("created", "POST", PATH, b'{"userName":"alice1","amount":100,"currency":"USD"}', BASIC, 200,
     '{"id":"ID","status":"CREATED"}'),
    ("unknown fields are passed over", "POST", PATH,
     b'{"id":7,"userName":"alice1","amount":"100","currency":"BYN","createDate":null}', BASIC, 200,
     '{"id":"ID","status":"CREATED"}'),
    ("highest amount", "POST", PATH, b'{"userName":"alice1","amount":2147483647,"currency":"JPY"}', BASIC, 200,
     '{"id":"ID","status":"CREATED"}'),
    ("fields", "POST", PATH, b'{"userName":"ab","amount":2147483648,"currency":"GBP"}', BASIC, 400,
     f'{{"status":400,"error":"Bad Request","message":"{WRONG}","fieldErrors":['
     '{"field":"userName","rejectedValue":"ab","message":"размер должен находиться в диапазоне от 3 до 32"},'
     '{"field":"amount","rejectedValue":2147483648,"message":"должно быть не больше 2147483647"},'
     '{"field":"currency","rejectedValue":"GBP","message":"должно быть одним из значений: BYN, RUB, USD, EUR, JPY"}]}'),
    ("absent fields", "POST", PATH, b"{}", BASIC, 400,
     f'{{"status":400,"error":"Bad Request","message":"{WRONG}","fieldErrors":['
     '{"field":"userName","message":"не должно равняться null"},'
     '{"field":"amount","message":"не должно равняться null"},'
     '{"field":"currency","message":"не должно равняться null"}]}'),
    ("no JSON", "POST", PATH, b"{", BASIC, 400,
     f'{{"status":400,"error":"Bad Request","message":"{WRONG} тело запроса не является объектом JSON"}}'),
    ("no credentials", "POST", PATH, b"{}", {}, 401,
     '{"status":401,"error":"Unauthorized","message":"Пользователь не аутентифицирован: '
     'Full authentication is required to access this resource"}'),
    ("wrong credentials", "GET", f"{PATH}?payment_id={UNKNOWN}", None, {"Authorization": "Basic dXNlcjoxMjM1"}, 401,
     '{"status":401,"error":"Unauthorized","message":"Пользователь не аутентифицирован: Bad credentials"}'),
    ("no payment", "GET", f"{PATH}?payment_id={UNKNOWN}", None, BASIC, 404,
     '{"status":404,"error":"Not Found","message":"Платёж не найден"}'),
    ("no status", "GET", f"/api/payment_statuses?payment_id={UNKNOWN}", None, BASIC, 200, '{"status":"NOT_FOUND"}'),
    ("no id", "GET", "/api/payment_statuses", None, BASIC, 400,
     f'{{"status":400,"error":"Bad Request","message":"{WRONG}","fieldErrors":['
     '{"field":"payment_id","message":"не должно равняться null"}]}'),
    ("wrong id", "GET", f"{PATH}?payment_id=7", None, BASIC, 400,
     f'{{"status":400,"error":"Bad Request","message":"{WRONG}","fieldErrors":['
     '{"field":"payment_id","rejectedValue":"7","message":"должно быть UUID"}]}'),
    ("nobody's list", "GET", f"{PATH}/list?user_name=nobody", None, BASIC, 200, "[]"),
    ("no list", "GET", f"{PATH}/list", None, BASIC, 400,
     f'{{"status":400,"error":"Bad Request","message":"{WRONG}","fieldErrors":['
     '{"field":"user_name","message":"не должно равняться null"}]}'),
    ("unknown path", "GET", "/api/other", None, BASIC, 404,
     '{"status":404,"error":"Not Found","message":"Ресурс не найден"}'),
    ("method", "DELETE", PATH, None, BASIC, 405,
     '{"status":405,"error":"Method Not Allowed","message":"Метод не поддерживается"}'),
]


@pytest.mark.parametrize("row", GOLDEN, ids=lambda row: row[0])
def test_a_recorded_request_has_the_documented_answer(pipeline: Pipeline, row):
    _, method, path, body, headers, status, expected = row
    answer = pipeline.surface.call(method, path, body, **headers)
    found = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", body_of(answer))
    assert (answer.status, found) == (status, expected)
    assert answer.headers["content-type"].startswith("application/json")
    if status == 401:
        assert answer.headers["www-authenticate"].startswith("Basic ")
    if status == 405:
        assert "POST" in answer.headers["allow"]


def test_another_type_of_body_is_refused(pipeline: Pipeline):
    answer = pipeline.post(b"userName=alice1", Content_Type="application/x-www-form-urlencoded")
    assert (answer.status, answer.json["error"]) == (415, "Unsupported Media Type")


def test_a_payment_goes_its_way_and_is_told(pipeline: Pipeline):
    # The bank stub approves accounts that end in 1.
    name = f"u{uuid.uuid4().hex[:8]}1"
    id = pipeline.pay(name, 25)
    pipeline.await_status(id, "COMPLETED")
    assert body_of(pipeline.get(f"{PATH}?payment_id={id}")) == (
        f'{{"userName":"{name}","coin":25,"currency":"EUR"}}')
    shown = pipeline.gateway.payment(id)
    assert (shown["amount"], shown["user_id"]) == (2500, str(uuid.uuid5(NAMES, name)))

    [message] = wait_until(
        lambda: [each for each in pipeline.payments.messages if each.key == id.encode()], "the payment's message")
    assert matches_schema("payments", message)
    value = as_spring_reads(message)
    number = value["user"]["id"]
    assert number > 0 and value["user"]["userName"] == name and str(value["id"]) == id
    assert (value["money"]["amount"], value["money"]["currency"]) == (25, "EUR")
    # Readers of the payment API share the topic.
    read = Payment.model_validate_json(message.value)
    assert (str(read.paymentId), read.userId, read.state, read.amount) == (id, str(uuid.uuid5(NAMES, name)), "pending", 25)

    def statuses():
        found = [each for each in pipeline.statuses.messages if each.key == id.encode()]
        assert json.loads(found[-1].value)["statusPayment"] == "COMPLETED"
        return found

    told = wait_until(statuses, "the payment's end on the topic")
    assert all(matches_schema("status-payments", each) for each in told)
    words = [as_spring_reads(each) for each in told]
    assert all(str(each["paymentId"]) == id for each in words)
    assert [each["statusPayment"] for each in words] in (["PROCESSING", "COMPLETED"], ["COMPLETED"])
    # The same user keeps its number.
    again = pipeline.pay(name)
    [second] = wait_until(
        lambda: [each for each in pipeline.payments.messages if each.key == again.encode()], "the next message")
    assert json.loads(second.value)["user"]["id"] == number


def test_a_bank_that_declines_rejects(pipeline: Pipeline):
    id = pipeline.pay(f"u{uuid.uuid4().hex[:8]}2")
    pipeline.await_status(id, "REJECTED")


def test_a_list_has_pages(pipeline: Pipeline):
    name = f"Я {uuid.uuid4().hex[:8]}"
    ids = [pipeline.pay(name, amount) for amount in (1, 2, 3)]
    path = f"{PATH}/list?user_name={'%D0%AF%20' + name[2:]}"
    whole = pipeline.get(path)
    assert [each["id"] for each in whole.json] == ids[::-1] and "link" not in whole.headers
    assert [each["coin"] for each in whole.json] == [3, 2, 1]
    assert set(whole.json[0]) == {"id", "userName", "coin", "currency", "status", "createDate"}
    found, path = [], f"{path}&limit=2"
    while path:
        answer = pipeline.get(path)
        found += [each["id"] for each in answer.json]
        link = answer.headers.get("link")
        path = re.fullmatch(r'<(.*)>; rel="next"', link)[1] if link else None
    assert found == ids[::-1]


def test_a_repeated_key_has_one_effect(pipeline: Pipeline):
    body, key = {"userName": "alice1", "amount": 7, "currency": "RUB"}, str(uuid.uuid4())
    first = pipeline.post(body, Idempotency_Key=key)
    again = pipeline.post(body, Idempotency_Key=key)
    assert first.body == again.body and again.headers["idempotency-replayed"] == "true"
    other = pipeline.post(body | {"amount": 8}, Idempotency_Key=key)
    assert (other.status, other.json["error"]) == (422, "Unprocessable Content")
    assert pipeline.post(body).json["id"] != first.json["id"]


def test_a_payment_of_another_surface_is_none_here(pipeline: Pipeline):
    other = pipeline.gateway.paid({"type": "account", "number": "10000000001"})["id"]
    assert pipeline.get(f"{PATH}?payment_id={other}").status == 404
    assert pipeline.get(f"/api/payment_statuses?payment_id={other}").json == {"status": "NOT_FOUND"}


def test_balances_pay_in_minor_units(pipeline: Pipeline):
    gateway = gateway_with(
        pipeline.direct, "transactions", GATEWAY_TRANSACTIONS_METHOD="balance", GATEWAY_TRANSACTIONS_AMOUNT="minor",
        GATEWAY_TRANSACTIONS_BASIC="me:secret:x")
    surface = Surface(gateway, "transactions")
    name = f"u{uuid.uuid4().hex[:8]}"
    body = {"userName": name, "amount": 100, "currency": "EUR"}
    mine = {"Authorization": "Basic bWU6c2VjcmV0Ong="}
    assert surface.call("POST", PATH, body, **BASIC).status == 401
    poor = surface.call("POST", PATH, body, **mine).json["id"]
    pipeline.await_status(poor, "REJECTED")
    account = gateway.open_account(str(uuid.uuid5(NAMES, name)), 150)
    rich = surface.call("POST", PATH, body, **mine).json["id"]
    pipeline.await_status(rich, "COMPLETED")
    assert gateway.get(f"/v1/accounts/{account}").json["posted"] == 50
