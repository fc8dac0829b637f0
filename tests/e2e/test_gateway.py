"""`/v1` with its programs: payments of each kind to their end, keys, lists, waiters, cancelling, orders."""

import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Iterator

import pytest

from harness.direct import (
    CARD, DECLINED_ACCOUNT, DECLINED_CARD, FINAL, Answer, Direct, Gateway, account, balance, card, new_card)
from harness.process import Program
from harness.waiting import wait_until
from harness.world import World


@pytest.fixture(scope="module")
def saga(shared_world: World) -> Program:
    return shared_world.server()


@pytest.fixture(scope="module")
def processor(direct: Direct, saga: Program) -> Program:
    return direct.processor(SAGA_GRPC_ADDR=f"127.0.0.1:{saga.grpc_port}")


@pytest.fixture(scope="module")
def gateway(direct: Direct, saga: Program) -> Gateway:
    return direct.gateway(SAGA_GRPC_ADDR=f"127.0.0.1:{saga.grpc_port}")


@pytest.fixture(autouse=True)
def bank_behaves(direct: Direct) -> Iterator[None]:
    yield
    direct.bank.behave(delay_ms=0, faults={}, script=[])


def post_body(method: dict, **more: Any) -> dict:
    return {"user_id": str(uuid.uuid4()), "method": method, "amount": 1999, "currency": "EUR"} | more


# Payments to their end


def test_a_card_is_charged_once(direct: Direct, processor: Program, gateway: Gateway):
    answer = gateway.pay(card(), wait="20s")
    assert answer.status == 201 and answer.headers["location"] == f"/v1/payments/{answer.json['id']}"
    paid = answer.json
    assert (paid["status"], paid["reason"], paid["amount"], paid["currency"]) == ("COMPLETED", None, 1999, "EUR")
    assert paid["method"] == {"type": "card", "brand": "visa", "last4": "4242"}
    assert direct.bank.counts(paid["id"]) == (1, 1)
    assert gateway.payment(paid["id"]) == paid


def test_a_declined_card_is_rejected(direct: Direct, processor: Program, gateway: Gateway):
    declined = gateway.paid(card(DECLINED_CARD))
    assert (declined["status"], declined["reason"]) == ("REJECTED", "bank_declined")


def test_an_account_is_charged_by_the_processor(direct: Direct, processor: Program, gateway: Gateway):
    paid = gateway.paid(account(), description="a book", external_id="b-1", metadata={"shelf": "3"})
    assert paid["status"] == "COMPLETED" and paid["method"] == {"type": "account", "number": "****0001"}
    assert (paid["description"], paid["external_id"], paid["metadata"]) == ("a book", "b-1", {"shelf": "3"})
    assert direct.bank.counts(paid["id"]) == (1, 1)
    assert gateway.paid(account(DECLINED_ACCOUNT))["status"] == "REJECTED"


def test_a_balance_is_paid_from_what_is_there(processor: Program, gateway: Gateway):
    user = str(uuid.uuid4())
    mine = gateway.open_account(user, 3000)
    paid = gateway.paid(balance(mine), user_id=user)
    assert paid["status"] == "COMPLETED"
    poor = gateway.paid(balance(mine), user_id=user)
    assert (poor["status"], poor["reason"]) == ("REJECTED", "insufficient_funds")
    found = gateway.get(f"/v1/accounts/{mine}").json
    assert (found["posted"], found["pending"], found["available"]) == (1001, 0, 1001)
    entries = gateway.get(f"/v1/accounts/{mine}/entries").json
    assert sum(each["posted"] for each in entries["data"]) == 1001 and entries["has_more"] is False


def test_a_history_has_every_state(processor: Program, gateway: Gateway):
    paid = gateway.paid(account())
    history = gateway.get(f"/v1/payments/{paid['id']}/history").json["data"]
    assert [each["version"] for each in history] == list(range(1, paid["version"] + 1))
    assert [history[0]["status"], history[-1]["status"]] == ["CREATED", "COMPLETED"]


# Keys


def test_a_repeated_call_has_one_effect_and_one_answer(direct: Direct, processor: Program, gateway: Gateway):
    body, key = post_body(new_card()), str(uuid.uuid4())
    first = gateway.post("/v1/payments", body, key)
    gateway.await_status(first.json["id"], "COMPLETED")
    again = gateway.post("/v1/payments", body, key)
    assert (again.status, again.body) == (201, first.body) and again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    quoted = gateway.post("/v1/payments", body, f'"{key}"')
    assert quoted.body == first.body
    # One that waits is told how it ended.
    waited = gateway.post("/v1/payments?wait=5s", body, key)
    assert waited.json["status"] == "COMPLETED" and waited.headers["idempotency-replayed"] == "true"
    assert direct.bank.counts(first.json["id"]) == (1, 1)
    other = gateway.post("/v1/payments", body | {"amount": 2000}, key)
    assert other.problem == (422, "idempotency_key_reused", "Idempotency-Key")


def test_calls_at_once_with_one_key_make_one_payment(processor: Program, gateway: Gateway):
    body, key = post_body(account()), str(uuid.uuid4())
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: gateway.post("/v1/payments", body, key), range(20)))
    made = {answer.body for answer in answers if answer.status == 201}
    assert len(made) == 1
    for answer in answers:
        assert answer.status == 201 or answer.problem[:2] == (409, "idempotency_key_in_flight")


def test_a_topup_has_one_effect(gateway: Gateway):
    mine = gateway.open_account(str(uuid.uuid4()))
    wanted, key = {"amount": 500, "currency": "EUR"}, str(uuid.uuid4())
    first = gateway.post(f"/v1/accounts/{mine}/topups", wanted, key)
    again = gateway.post(f"/v1/accounts/{mine}/topups", wanted, key)
    assert (first.status, again.status, again.body) == (201, 201, first.body)
    assert again.headers["idempotency-replayed"] == "true"
    other = gateway.post(f"/v1/accounts/{mine}/topups", wanted | {"amount": 501}, key)
    assert other.problem == (422, "idempotency_key_reused", "Idempotency-Key")
    assert gateway.post(f"/v1/accounts/{mine}/spends", {"amount": 200, "currency": "EUR"}, key).status == 201
    assert gateway.get(f"/v1/accounts/{mine}").json["available"] == 300
    # Just before the top up there was nothing.
    before = gateway.get(f"/v1/accounts/{mine}?at={first.json['created_at']}").json
    assert (before["posted"], before["at"]) == (0, first.json["created_at"])
    user = gateway.get(f"/v1/accounts/{mine}").json["user_id"]
    assert [each["id"] for each in gateway.get(f"/v1/accounts?user_id={user}").json["data"]] == [mine]


# Lists


def test_the_banks_token_pays_again(gateway: Gateway, direct: Direct, processor: Program):
    first = gateway.paid(new_card())
    token = first["bank_token"]
    assert first["status"] == "COMPLETED" and token
    again = gateway.paid({"type": "token", "token": token}, user_id=first["user_id"])
    assert again["status"] == "COMPLETED" and again["method"] == {"type": "token", "token": f"****{token[-4:]}"}
    # A declined charge has none, and no log has one.
    declined = gateway.paid(account(DECLINED_ACCOUNT))
    assert declined["status"] == "REJECTED" and declined["bank_token"] is None
    for program in (gateway.program, processor):
        assert token not in program.log.read_text()


def test_a_payment_method_pays_again_and_again(gateway: Gateway, processor: Program):
    user = gateway.post("/v1/users", {"name": "Ann", "external_id": f"u-{uuid.uuid4()}"}, key=str(uuid.uuid4())).json
    paid = gateway.paid(new_card(), user_id=user["id"])
    kept = gateway.post("/v1/payment_methods", {"user_id": user["id"], "type": "token", "token": paid["bank_token"]})
    assert kept.status == 201 and kept.json["token"] == f"****{paid['bank_token'][-4:]}", kept
    saved = {"type": "saved", "payment_method_id": kept.json["id"]}
    for _ in range(2):
        assert gateway.paid(saved, user_id=user["id"])["status"] == "COMPLETED"
    assert gateway.pay(saved).problem == (422, "unknown_payment_method", "method.payment_method_id")
    found = gateway.get(f"/v1/payment_methods?user_id={user['id']}").json
    assert found == {"data": [kept.json], "has_more": False, "next": None}
    assert gateway.call("DELETE", f"/v1/payment_methods/{kept.json['id']}").status == 204
    assert gateway.get(f"/v1/payment_methods/{kept.json['id']}").problem[:2] == (404, "payment_method_not_found")
    assert gateway.get(f"/v1/users?external_id={user['external_id']}").json["data"] == [user]


def test_a_list_goes_on_by_its_cursor(gateway: Gateway):
    user = str(uuid.uuid4())
    made = [gateway.pay(account(), user_id=user, external_id=f"x-{user}-{n}").json["id"] for n in range(5)]
    path, found = f"/v1/payments?user_id={user}&limit=2", []
    for _ in range(4):
        page = gateway.get(path).json
        found += [each["id"] for each in page["data"]]
        if not page["has_more"]:
            break
        path = f"/v1/payments?user_id={user}&limit=2&after={page['next']}"
    assert found == made[::-1] and page["next"] is None
    by_name = gateway.get(f"/v1/payments?external_id=x-{user}-3").json["data"]
    assert [each["id"] for each in by_name] == [made[3]]
    assert gateway.get(f"/v1/payments?user_id={user}&to=2020-01-01T00:00:00Z").json["data"] == []


# Waiters


def test_callers_that_wait_are_answered_by_the_result(direct: Direct, processor: Program, gateway: Gateway):
    direct.bank.behave(delay_ms=1000)
    made = gateway.pay(new_card()).json
    began = time.monotonic()
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: gateway.payment(made["id"], wait="30s"), range(50)))
    assert {answer["status"] for answer in answers} == {"COMPLETED"} and time.monotonic() - began < 10


def test_a_second_gateway_hears_of_results(direct: Direct, processor: Program, gateway: Gateway):
    other = direct.gateway()
    direct.bank.behave(delay_ms=500)
    for number in range(4):
        # The results of a payment come to one of the two; the waiter is at either.
        made = (gateway, other)[number % 2].pay(account()).json
        began = time.monotonic()
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda each: each.payment(made["id"], wait="60s"), (gateway, other)))
        assert [answer["status"] for answer in answers] == ["COMPLETED"] * 2 and time.monotonic() - began < 30
    assert other.program.stop() == 0


def test_a_wait_that_is_over_shows_the_payment_as_it_is(direct: Direct, processor: Program, gateway: Gateway):
    direct.bank.behave(delay_ms=2000)
    answer = gateway.pay(new_card(), wait="300ms")
    assert answer.status == 201 and answer.json["status"] in ("CREATED", "PROCESSING")
    assert gateway.payment(answer.json["id"], wait="200ms")["status"] in ("CREATED", "PROCESSING")


def test_no_more_callers_wait_than_may(direct: Direct, gateway: Gateway, shared_world: World):
    small = direct.gateway(GATEWAY_MAX_WAITERS="2", GATEWAY_GROUP=f"small-{shared_world.name}")
    direct.bank.behave(delay_ms=2000)
    made = small.pay(new_card()).json
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(small.payment, made["id"], wait="20s") for _ in range(2)]
        wait_until(lambda: small.program.metric("paysaga_gateway_waiters") == 2, "two wait")
        refused = small.get(f"/v1/payments/{made['id']}?wait=1s")
        assert refused.problem == (503, "too_many_waiters", None) and refused.headers["retry-after"] == "1"
        assert small.pay(account(), wait="1s").problem[:2] == (503, "too_many_waiters")
        assert small.payment(made["id"])["status"] in ("CREATED", "PROCESSING")
        assert all(each.result()["status"] == "COMPLETED" for each in waiting)
    assert small.program.metric("paysaga_gateway_waiters") == 0
    assert small.program.stop() == 0


def test_a_gateway_that_stops_answers_whoever_waits(direct: Direct, processor: Program):
    stopping = direct.gateway()
    direct.bank.behave(delay_ms=1500)
    answers: list[Answer] = []

    def pay():
        answers.append(stopping.pay(new_card(), wait="30s"))

    threads = [threading.Thread(target=pay) for _ in range(20)]
    for thread in threads:
        thread.start()
    wait_until(lambda: stopping.program.metric("paysaga_gateway_waiters") == 20, "all wait")
    began = time.monotonic()
    assert stopping.program.stop() == 0
    for thread in threads:
        thread.join(20)
    assert len(answers) == 20 and time.monotonic() - began < 10
    assert {answer.status for answer in answers} == {201}
    # The cards were charged to the end before the process ended, or their payments are known not to be.
    after = direct.gateway()
    for answer in answers:
        final = after.payment(answer.json["id"], wait="30s")
        assert final["status"] == "COMPLETED", final
        assert direct.bank.counts(final["id"]) == (1, 1)


# Cancelling


def test_a_payment_is_cancelled_before_the_bank_is_asked(direct: Direct, shared_world: World, gateway: Gateway):
    # On topics of its own: no processor takes it.
    topic = f"nobody-{shared_world.name}"
    for name in (topic, f"{topic}.dlq"):
        shared_world.broker.create_topic(name, 3)
    alone = direct.gateway(DIRECT_PAYMENT_TOPIC=topic)
    made = alone.pay(account()).json
    cancelled = alone.post(f"/v1/payments/{made['id']}/cancel")
    assert cancelled.status == 200
    assert (cancelled.json["status"], cancelled.json["reason"]) == ("REJECTED", "cancelled")
    again = alone.post(f"/v1/payments/{made['id']}/cancel")
    assert (again.status, again.json["status"]) == (200, "REJECTED")
    assert alone.program.stop() == 0


def test_what_the_bank_was_asked_for_is_not_cancelled(direct: Direct, processor: Program, gateway: Gateway):
    direct.bank.behave(delay_ms=1500)
    made = gateway.pay(new_card()).json
    wait_until(lambda: direct.bank.operations().get(made["id"]), "the bank is asked")
    assert gateway.post(f"/v1/payments/{made['id']}/cancel").problem == (409, "bank_already_asked", None)
    assert gateway.payment(made["id"], wait="20s")["status"] == "COMPLETED"
    assert gateway.post(f"/v1/payments/{made['id']}/cancel").problem == (409, "already_final", None)


def test_a_payment_that_waits_for_nobody_is_not_reviewed(processor: Program, gateway: Gateway):
    paid = gateway.paid(account())
    refused = gateway.post(f"/v1/payments/{paid['id']}/review", {"decision": "approve"})
    assert refused.status == 409 and refused.json["code"] in ("not_in_review", "already_final")


# Orders


def test_an_order_is_paid_once(
    direct: Direct, shared_world: World, saga: Program, processor: Program, gateway: Gateway
):
    client = shared_world.client(saga)
    order = 7_000_001
    client.create(order, 1999, "EUR")
    assert gateway.pay(account(), amount=2000, order_id=order).problem == (422, "amount_differs", "amount")
    assert gateway.pay(account(), currency="USD", order_id=order).problem == (422, "amount_differs", "currency")
    assert gateway.pay(account(), order_id=order + 1).problem == (409, "order_not_payable", "order_id")
    # A payment that was declined leaves the order open.
    assert gateway.paid(account(DECLINED_ACCOUNT), order_id=order)["status"] == "REJECTED"
    body, key = post_body(account(), order_id=order), str(uuid.uuid4())
    first = gateway.post("/v1/payments?wait=20s", body, key)
    assert first.status == 201 and first.json["status"] == "COMPLETED"

    def settled():
        found = client.get(order)
        return found if found.reason == f"direct:{first.json['id']}" else None

    wait_until(settled, "the saga's payment is settled", 20)
    second = gateway.pay(new_card(), order_id=order)
    assert second.status == 409 and second.problem[1] in ("order_not_payable", "order_payment_exists")
    # A repetition is answered although the order can be paid no more.
    assert gateway.post("/v1/payments", body, key).headers["idempotency-replayed"] == "true"


def test_two_payments_at_once_for_an_order_are_one(shared_world: World, saga: Program, gateway: Gateway):
    order = 7_000_002
    shared_world.client(saga).create(order, 1999, "EUR")
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: gateway.pay(account(), order_id=order), range(10)))
    assert sorted(answer.status for answer in answers) == [201] + [409] * 9
    assert {answer.problem[1] for answer in answers if answer.status == 409} <= {
        "order_payment_exists", "order_not_payable"}


def test_a_saga_that_is_away_is_said(direct: Direct, shared_world: World):
    lonely = direct.gateway(SAGA_GRPC_ADDR="127.0.0.1:1", GATEWAY_GROUP=f"lonely-{shared_world.name}")
    refused = lonely.pay(account(), order_id=7_000_003)
    assert refused.problem == (503, "saga_unavailable", "order_id") and refused.headers["retry-after"]
    assert lonely.pay(account()).status == 201
    assert lonely.program.stop() == 0


# Cards that nobody has


def test_a_card_that_nobody_has_ends_as_an_error(shared_world: World, processor: Program, gateway: Gateway):
    """As when a gateway died between its transaction and the claim."""
    made = str(uuid.uuid4())
    shared_world.sql(
        """INSERT INTO gateway.payment (id, user_id, payee_id, method, card_brand, card_last4, amount, currency,
             created_at, since) VALUES (%s, gen_random_uuid(), gen_random_uuid(), 'card', 'visa', '4242', 1999, 'EUR',
             now(), now())""", made)
    shared_world.sql("INSERT INTO gateway.card_waiting VALUES (%s, now() - interval '1 minute')", made)
    lost = gateway.payment(made, wait="30s")
    assert (lost["status"], lost["reason"]) == ("ERROR", "card_data_lost")
    wait_until(lambda: not shared_world.sql("SELECT 1 FROM gateway.card_waiting WHERE payment_id = %s", made), "gone")


# Secrets


def test_no_card_number_is_written(shared_world: World, processor: Program, gateway: Gateway):
    paid = gateway.paid(card())
    for log in shared_world.directory.glob("*.log"):
        assert CARD not in log.read_text(errors="replace")
    row = shared_world.sql("SELECT p::text FROM gateway.payment p WHERE id = %s", paid["id"])
    assert CARD not in row[0][0] and paid["status"] in FINAL
