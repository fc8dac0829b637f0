"""The surface of the payment demo: recorded requests and the documented answers, scores, the topic and the views."""

import json
import re
import uuid
from decimal import Decimal
from typing import Iterator

import pytest

from harness.direct import PARTITIONS, Direct, Gateway
from harness.surfaces import PaymentRequest, Surface, gateway_with, matches_schema, topics
from harness.topics import TopicReader
from harness.waiting import wait_until
from harness.world import World


class Demo:
    """A gateway with the surface, a processor, and a reader of the surface's topic."""

    def __init__(self, world: World):
        self.world, self.direct = world, Direct(world)
        self.processor = self.direct.processor()
        self.topic = topics(self.direct)["GATEWAY_REQUEST_TOPIC"]
        self.gateway: Gateway = gateway_with(self.direct, "demo")
        self.surface = Surface(self.gateway, "demo")
        self.requests = TopicReader(world.broker.brokers, self.topic, PARTITIONS)

    def score(self, id: str) -> tuple:
        def look():
            [row] = self.world.sql(
                "SELECT user_id, payee_id, payment_method_id, amount, currency, risk_score, created_at"
                " FROM risk_schema.auth_request WHERE auth_request_id = %s", id)
            return row

        return wait_until(look, f"the score of request {id}")

    def messages(self, id: str) -> list[dict]:
        return [value for value in map(lambda each: json.loads(each.value), self.requests.messages)
                if value["payment_request_id"] == id]


@pytest.fixture(scope="module")
def demo(shared_world: World) -> Iterator[Demo]:
    made = Demo(shared_world)
    yield made
    made.requests.close()


def request(amount="12.5", **more) -> bytes:
    fields = {"payment_request_id": str(uuid.uuid4()), "user_id": str(uuid.uuid4()), "payee_id": str(uuid.uuid4()),
              "payment_method_id": str(uuid.uuid4())} | more
    known = json.dumps({name: value for name, value in fields.items() if value is not None})
    return f'{known[:-1]}, "amount": {amount}, "currency": "USD"}}'.encode()


U, M, P = (str(uuid.uuid4()) for _ in range(3))
OTHER = "0198c5b2-6c1e-7d55-8a1b-3f2f0a9c7e11"
IDS = f'"user_id":"{U}","payee_id":"{OTHER}","payment_method_id":"{M}"'
# Name, method, path, body, status, answer; in this order. ID stands for a UUID that the server has made.
GOLDEN = [
    ("user", "POST", "/users", f'{{"user_id":"{U}","first_name":"Ann","last_name":"Lee"}}', 200,
     f'{{"user_id":"{U}","first_name":"Ann","last_name":"Lee"}}'),
    ("user without anything", "POST", "/users", "{}", 200, '{"user_id":"ID","first_name":null,"last_name":null}'),
    ("user again", "POST", "/users", f'{{"user_id":"{U}"}}', 400, f'{{"detail":"user_id {U} already exists"}}'),
    ("method", "POST", "/payment_methods", f'{{"payment_method_id":"{M}","name":"card"}}', 200,
     f'{{"payment_method_id":"{M}","name":"card"}}'),
    ("method without anything", "POST", "/payment_methods", '{"name":null}', 200,
     '{"payment_method_id":"ID","name":null}'),
    ("payment", "POST", "/payments", f'{{"payment_request_id":"{P}",{IDS},"amount":12.50,"currency":"USD"}}', 200,
     f'{{"payment_request_id":"{P}",{IDS},"amount":12.5,"currency":"USD"}}'),
    ("an integer stays one", "POST", "/payments", f'{{{IDS},"amount":"10.000000","currency":"EUR"}}', 200,
     f'{{"payment_request_id":"ID",{IDS},"amount":10,"currency":"EUR"}}'),
    ("exactly", "POST", "/payments", f'{{{IDS},"amount":99999999999999.999999,"currency":"JPY"}}', 200,
     f'{{"payment_request_id":"ID",{IDS},"amount":99999999999999.999999,"currency":"JPY"}}'),
    ("payment again", "POST", "/payments", f'{{"payment_request_id":"{P}",{IDS},"amount":12.5,"currency":"USD"}}', 400,
     f'{{"detail":"payment_request_id {P} already exists"}}'),
    ("missing", "POST", "/payments", '{"amount":1,"currency":"USD"}', 422,
     '{"detail":[{"loc":["body","user_id"],"msg":"field required","type":"value_error.missing"},'
     '{"loc":["body","payee_id"],"msg":"field required","type":"value_error.missing"},'
     '{"loc":["body","payment_method_id"],"msg":"field required","type":"value_error.missing"}]}'),
    ("no id", "POST", "/users", '{"user_id":"7"}', 422,
     '{"detail":[{"loc":["body","user_id"],"msg":"value is not a valid uuid","type":"type_error.uuid"}]}'),
    ("no amount", "POST", "/payments", f'{{{IDS},"amount":"x","currency":"USD"}}', 422,
     '{"detail":[{"loc":["body","amount"],"msg":"value is not a valid decimal","type":"type_error.decimal"}]}'),
    ("zero", "POST", "/payments", f'{{{IDS},"amount":0,"currency":"USD"}}', 422,
     '{"detail":[{"loc":["body","amount"],"msg":"ensure this value is greater than 0",'
     '"type":"value_error.number.not_gt","ctx":{"limit_value":0}}]}'),
    ("no JSON", "POST", "/users", "", 422,
     '{"detail":[{"loc":["body"],"msg":"field required","type":"value_error.missing"}]}'),
    ("no object", "POST", "/users", "[]", 422,
     '{"detail":[{"loc":["body"],"msg":"value is not a valid dict","type":"type_error.dict"}]}'),
    ("unknown path", "GET", "/other", None, 404, '{"detail":"Not Found"}'),
    ("method not allowed", "DELETE", "/users", None, 405, '{"detail":"Method Not Allowed"}'),
]


def test_recorded_requests_have_the_documented_answers(demo: Demo):
    for name, method, path, body, status, expected in GOLDEN:
        answer = demo.surface.call(method, path, None if body is None else body.encode())
        made = re.sub(r'^(\{"\w+_id":")[0-9a-f-]{36}"', r'\1ID"', answer.body.decode())
        found = made if '"ID"' in expected else answer.body.decode()
        assert (name, answer.status, found) == (name, status, expected)
    assert demo.surface.call("DELETE", "/users").headers["allow"].split(", ")[0] == "GET"


def test_a_request_is_scored_published_and_shown(demo: Demo):
    body = request("12.345678")
    wanted = json.loads(body, parse_float=Decimal)
    id = wanted["payment_request_id"]
    answer = demo.surface.call("POST", "/payments", body)
    assert answer.status == 200 and json.loads(answer.body, parse_float=Decimal) == wanted
    row = demo.score(id)
    assert [str(each) for each in row[:3]] == [wanted[name] for name in ("user_id", "payee_id", "payment_method_id")]
    assert row[3:5] == (Decimal("12.345678"), "USD") and 0 <= row[5] <= 99 and row[6] is not None
    wait_until(lambda: demo.messages(id), "the request on its topic")
    [message] = [each for each in demo.requests.messages if json.loads(each.value)["payment_request_id"] == id]
    assert json.loads(message.value, parse_float=Decimal) == wanted
    assert matches_schema("payment_request", message) and list(json.loads(message.value)) == [
        "payment_request_id", "user_id", "payee_id", "payment_method_id", "amount", "currency"]
    read = PaymentRequest.parse_raw(message.value)
    assert (str(read.payment_request_id), read.amount, read.currency) == (id, Decimal("12.345678"), "USD")
    [kept] = demo.world.sql(
        "SELECT user_id, amount, currency FROM payment_schema.payment_request WHERE payment_request_id = %s", id)
    assert (str(kept[0]), *kept[1:]) == (wanted["user_id"], Decimal("12.345678"), "USD")
    # It is no payment: nothing is held and the bank knows nothing.
    for table in ("gateway.payment", "processing.payment"):
        assert demo.world.value(f"SELECT count(*) FROM {table} WHERE id = %s", id) == 0
    assert id not in demo.direct.bank.operations()


def test_lists_are_whole_and_have_pages(demo: Demo):
    users = []
    for number in range(5):
        made = demo.surface.call("POST", "/users", {"first_name": f"user {number}"}).json
        users.append(made["user_id"])
    whole = demo.surface.call("GET", "/users").json
    assert [each["user_id"] for each in whole][-5:] == users
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?\+00:00", whole[-1]["created_at"])
    assert list(whole[-1]) == ["user_id", "first_name", "last_name", "created_at"]
    found, path = [], "/users?limit=2"
    while path:
        answer = demo.surface.call("GET", path)
        assert answer.status == 200 and len(answer.json) <= 2
        found += answer.json
        link = answer.headers.get("link")
        path = re.fullmatch(r'<(.*)>; rel="next"', link)[1] if link else None
    assert found == whole
    for path in ("/payment_methods", "/payments"):
        assert all("created_at" in each for each in demo.surface.call("GET", path).json)
    for query in ("limit=0", "limit=10001", "after=x"):
        refused = demo.surface.call("GET", f"/users?{query}")
        assert (refused.status, refused.json["detail"][0]["loc"]) == (422, ["query", query.split("=")[0]])


def test_a_page_ends_after_a_mebibyte(demo: Demo):
    people = 'payment_schema."user"'
    demo.world.sql(
        f"INSERT INTO {people} (user_id, first_name, last_name, created_at)"
        " SELECT gen_random_uuid(), 'old ' || n, repeat('x', 255), '2020-01-01' FROM generate_series(1, 3000) n")
    try:
        assert len(demo.surface.call("GET", "/users").json) == 1000
        found, sizes, path = [], [], "/users?limit=10000"
        while path:
            answer = demo.surface.call("GET", path)
            found += answer.json
            sizes.append(len(answer.body))
            link = answer.headers.get("link")
            path = re.fullmatch(r'<(.*)>; rel="next"', link)[1] if link else None
        assert len(sizes) == 2 and 1 << 20 <= sizes[0] <= (1 << 20) + 1024
        everybody = demo.world.value(f"SELECT count(*) FROM {people}")
        assert len({each["user_id"] for each in found}) == len(found) == everybody
    finally:
        demo.world.sql(f"DELETE FROM {people} WHERE created_at = '2020-01-01'")


def test_a_repeated_key_has_one_effect(demo: Demo):
    body, key = request(payment_request_id=None), str(uuid.uuid4())
    first = demo.surface.call("POST", "/payments", body, Idempotency_Key=key)
    again = demo.surface.call("POST", "/payments", body, Idempotency_Key=key)
    assert (first.status, again.status, again.body) == (200, 200, first.body)
    assert again.headers["idempotency-replayed"] == "true"
    other = demo.surface.call("POST", "/payments", request(payment_request_id=None), Idempotency_Key=key)
    assert other.status == 400
    both = demo.surface.call("POST", "/payments", request(), Idempotency_Key=key)
    assert both.status == 400 and "beside an Idempotency-Key" in both.json["detail"]
    id = first.json["payment_request_id"]
    demo.score(id)
    wait_until(lambda: demo.messages(id), "the request on its topic")
    demo.requests.catch_up()
    assert len(demo.messages(id)) == 1


def test_ids_are_checked_where_that_is_wanted(demo: Demo):
    gateway = gateway_with(demo.direct, "demo", GATEWAY_DEMO_CHECK_IDS="true")
    surface = Surface(gateway, "demo")
    user = surface.call("POST", "/users", {}).json["user_id"]
    method = surface.call("POST", "/payment_methods", {}).json["payment_method_id"]
    assert surface.call("POST", "/payments", request(user_id=user, payment_method_id=method)).status == 200
    for ids, detail in [({"user_id": user}, "payment_method_id not found"),
                        ({"payment_method_id": method}, "user_id not found")]:
        refused = surface.call("POST", "/payments", request(**ids))
        assert (refused.status, refused.json) == (400, {"detail": detail})
    # What was refused is not there.
    assert demo.world.value(
        "SELECT count(*) FROM payment_schema.payment_request WHERE user_id = %s OR payment_method_id = %s",
        user, method) == 1


def test_a_score_survives_the_death_of_processor_and_gateway(demo: Demo):
    demo.processor.kill()
    bodies = [request("1") for _ in range(20)]
    for body in bodies:
        assert demo.surface.call("POST", "/payments", body).status == 200
    demo.gateway.program.kill()
    demo.gateway = gateway_with(demo.direct, "demo")
    demo.surface = Surface(demo.gateway, "demo")
    demo.processor = demo.direct.processor()
    for body in bodies:
        id = json.loads(body)["payment_request_id"]
        assert demo.score(id)[5] == 0
        wait_until(lambda: demo.messages(id), "the request on its topic")
    replayed = demo.world.value("SELECT count(*) FROM risk.decision")
    assert replayed == demo.world.value("SELECT count(*) FROM risk.scored_request")
