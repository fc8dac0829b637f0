"""What `/v1` refuses: each with status, code and field, and nothing is written."""

import json
import re
import uuid
from pathlib import Path
from typing import Any, Iterator

import pytest

from harness.direct import CARD, MERCHANT, Direct, Gateway, card
from harness.process import ROOT
from harness.world import World

USER = "11111111-1111-4111-8111-111111111111"
OTHER = "22222222-2222-4222-8222-222222222222"
ACCOUNT = {"type": "account", "number": "DE02120300000000202051"}


@pytest.fixture(scope="module")
def api(direct: Direct) -> Gateway:
    return direct.gateway()


@pytest.fixture(autouse=True)
def nothing_is_written(shared_world: World, api: Gateway) -> Iterator[None]:
    def rows() -> list[int]:
        tables = ("gateway.payment", "gateway.event", "gateway.idempotency_key", "processing.payment", "ledger.transfer")
        return [shared_world.value(f"SELECT count(*) FROM {table}") for table in tables]

    before = rows()
    yield
    assert rows() == before


def payment(**fields: Any) -> dict:
    """A payment that would be taken; a field that is None is left out."""
    wanted = {"user_id": USER, "method": ACCOUNT, "amount": 1999, "currency": "EUR"} | fields
    return {name: value for name, value in wanted.items() if value is not None}


def refusal(api: Gateway, body: Any, path: str = "/v1/payments", **options: Any) -> tuple[int, str, str | None]:
    answer = api.post(path, body, str(uuid.uuid4()), **options)
    shown = answer.body.decode()
    assert CARD not in shown and "DE0212" not in shown, "a value of the caller is shown"
    return answer.problem


@pytest.mark.parametrize("text, code", [
    (b"", "invalid_json"), (b"{", "invalid_json"), (b"null", "invalid_type"), (b"[]", "invalid_type"),
    (b"\xff", "invalid_json"), (b'{"user_id":}', "invalid_json"), (b"{} {}", "invalid_json"),
    (b'\xef\xbb\xbf{}', "invalid_json"),
])
def test_unreadable_json(api: Gateway, text: bytes, code: str):
    status, found, _ = refusal(api, text)
    assert (status, found) == (422 if code == "invalid_type" else 400, code)


def test_deep_nesting_and_duplicate_fields(api: Gateway):
    deep = b'{"metadata":' + b'{"a":' * 40 + b"1" + b"}" * 41
    assert refusal(api, deep)[:2] in ((400, "nesting_too_deep"), (422, "invalid_type"))
    twice = b'{"user_id":"%s","user_id":"%s"}' % (USER.encode(), OTHER.encode())
    assert refusal(api, twice) == (400, "duplicate_field", "user_id")
    inner = json.dumps(payment(method=card())).replace('"cvv"', '"cvv": "123", "cvv"').encode()
    assert refusal(api, inner) == (400, "duplicate_field", "method.card.cvv")


@pytest.mark.parametrize("fields, code, field", [
    ({"user_id": None}, "missing_field", "user_id"), ({"user_id": 5}, "invalid_type", "user_id"),
    ({"user_id": "me"}, "invalid_id", "user_id"), ({"payee_id": USER}, "payer_is_payee", "payee_id"),
    ({"user_id": MERCHANT}, "payer_is_payee", "payee_id"), ({"order": 7}, "unknown_field", "order"),
    ({"order_id": "7"}, "invalid_type", "order_id"), ({"order_id": 0}, "invalid_order_id", "order_id"),
    ({"order_id": 1.5}, "invalid_type", "order_id"),
    ({"metadata": {"a": 1}}, "invalid_type", "metadata"), ({"metadata": []}, "invalid_type", "metadata"),
    ({"description": f"card {CARD}"}, "card_number_in_text", "description"),
    ({"metadata": {"note": "4242 4242 4242 4242"}}, "card_number_in_text", "metadata"),
    ({"description": "x" * 501}, "text_too_long", "description"), ({"external_id": ""}, "invalid_text", "external_id"),
])
def test_fields(api: Gateway, fields: dict, code: str, field: str):
    assert refusal(api, payment(**fields)) == (422, code, field)


@pytest.mark.parametrize("amount, code", [
    (None, "missing_field"), (19.99, "invalid_amount"), ("19.99", "invalid_amount"), ("inf", "invalid_amount"),
    ("NaN", "invalid_amount"), (-1, "amount_not_positive"), (0, "amount_not_positive"), ("-1", "amount_not_positive"),
    (10**15, "amount_too_large"), (10**30, "amount_too_large"), (True, "invalid_type"), ({}, "invalid_type"),
    ("", "invalid_amount"), ("1,000", "invalid_amount"),
])
def test_amounts(api: Gateway, amount: Any, code: str):
    assert refusal(api, payment(amount=amount)) == (422, code, "amount")


def test_an_amount_with_an_exponent(api: Gateway):
    assert refusal(api, json.dumps(payment()).replace("1999", "1e3").encode()) == (422, "invalid_amount", "amount")


@pytest.mark.parametrize("currency", ["eur", "XXX", "EURO", "", "€"])
def test_currencies(api: Gateway, currency: str):
    assert refusal(api, payment(currency=currency)) == (422, "unknown_currency", "currency")


@pytest.mark.parametrize("method, code, field", [
    (None, "missing_field", "method"), ("card", "invalid_type", "method"), ({}, "missing_field", "method.type"),
    ({"type": "cash"}, "unknown_method", "method.type"), ({"type": "card"}, "missing_field", "method.card"),
    ({"type": "account"}, "missing_field", "method.number"), (ACCOUNT | card(), "unknown_field", "method.number"),
    ({"type": "account", "number": "4242424242424242"}, "card_number_in_text", "method.number"),
    ({"type": "balance", "account_id": "x"}, "invalid_id", "method.account_id"),
])
def test_methods(api: Gateway, method: Any, code: str, field: str):
    assert refusal(api, payment(method=method)) == (422, code, field)


@pytest.mark.parametrize("fields, code, field", [
    ({"number": "4242424242424241"}, "invalid_card_number", "number"),
    ({"number": "4242"}, "invalid_card_number", "number"), ({"number": None}, "missing_field", "number"),
    ({"number": 4242424242424242}, "invalid_type", "number"),
    ({"exp_year": 2020}, "card_expired", "exp_year"), ({"exp_month": 13}, "invalid_expiry", "exp_month"),
    ({"exp_month": 0}, "invalid_expiry", "exp_month"), ({"cvv": "12"}, "invalid_cvv", "cvv"),
    ({"cvv": "12a"}, "invalid_cvv", "cvv"), ({"cvv": "12345"}, "invalid_cvv", "cvv"),
    ({"cvv": None}, "missing_field", "cvv"), ({"holder": "x" * 256}, "invalid_text", "holder"),
])
def test_cards(api: Gateway, fields: dict, code: str, field: str):
    found = refusal(api, payment(method=card(**fields)))
    assert found[:2] == (422, code)
    assert found[2] in (f"method.card.{field}", "method.card.exp_month" if field == "exp_year" else None)


def test_balances(api: Gateway):
    method = {"type": "balance", "account_id": str(uuid.uuid4())}
    assert refusal(api, payment(method=method)) == (422, "unknown_account", "method.account_id")
    # Somebody else's account is as unknown as one that is not there.
    account = api.open_account(OTHER)
    method = {"type": "balance", "account_id": account}
    assert refusal(api, payment(method=method)) == (422, "unknown_account", "method.account_id")
    assert refusal(api, payment(user_id=OTHER, method=method, currency="USD")) == (422, "currency_differs", "currency")


def test_orders_without_a_saga(api: Gateway):
    assert refusal(api, payment(order_id=7)) == (422, "orders_not_supported", "order_id")


def test_keys(api: Gateway):
    assert api.post("/v1/payments", payment()).problem == (400, "idempotency_key_required", "Idempotency-Key")
    for key in ("", '"a', "x" * 256):
        assert api.post("/v1/payments", payment(), key).problem == (400, "idempotency_key_invalid", "Idempotency-Key")


@pytest.mark.parametrize("query, code, field", [
    ("wait=61s", "invalid_parameter", "wait"), ("wait=1", "invalid_parameter", "wait"),
    ("wiat=1s", "unknown_parameter", "wiat"),
])
def test_parameters_of_a_payment(api: Gateway, query: str, code: str, field: str):
    assert refusal(api, payment(), f"/v1/payments?{query}") == (400, code, field)
    assert api.get(f"/v1/payments/{uuid.uuid4()}?{query}").problem == (400, code, field)


@pytest.mark.parametrize("query, code, field", [
    ("status=PAID", "invalid_parameter", "status"), ("limit=0", "invalid_parameter", "limit"),
    ("limit=101", "invalid_parameter", "limit"), ("user_id=me", "invalid_parameter", "user_id"),
    ("from=yesterday", "invalid_parameter", "from"), ("after=abc", "invalid_cursor", "after"),
    ("limit=1&limit=2", "invalid_parameter", "limit"), ("order_id=-1", "invalid_parameter", "order_id"),
    ("state=CREATED", "unknown_parameter", None),
])
def test_parameters_of_a_list(api: Gateway, query: str, code: str, field: str | None):
    assert api.get(f"/v1/payments?{query}").problem == (400, code, field)


def test_what_is_not_there(api: Gateway):
    for path in (f"/v1/payments/{uuid.uuid4()}", "/v1/payments/7", f"/v1/payments/{uuid.uuid4()}/history",
                 f"/v1/payments/{uuid.uuid4()}?wait=30s"):
        assert api.get(path).problem == (404, "payment_not_found", None)
    assert api.post(f"/v1/payments/{uuid.uuid4()}/cancel").problem == (404, "payment_not_found", None)
    assert api.get(f"/v1/accounts/{uuid.uuid4()}").problem == (404, "account_not_found", None)
    assert api.get("/v1/nothing").problem == (404, "unknown_path", None)


def test_methods_and_types_of_http(api: Gateway):
    deleted = api.call("DELETE", "/v1/payments")
    assert deleted.problem == (405, "method_not_allowed", None)
    assert sorted(deleted.headers["allow"].split(", ")) == ["GET", "HEAD", "POST"]
    other = api.post("/v1/payments", payment(), "k", Content_Type="text/plain")
    assert other.problem == (415, "unsupported_content_type", None)
    assert refusal(api, payment(description="x" * 70_000)) == (413, "body_too_large", None)


def test_accounts(api: Gateway):
    path = "/v1/accounts"
    assert api.post(path, {"user_id": USER}).problem == (422, "missing_field", "currency")
    assert api.post(path, {"user_id": "x", "currency": "EUR"}).problem == (422, "invalid_id", "user_id")
    assert api.get(path).problem == (400, "invalid_parameter", "user_id")
    account = api.open_account(OTHER)
    wanted = {"amount": 5, "currency": "EUR"}
    for call in ("topups", "spends"):
        assert api.post(f"{path}/{account}/{call}", wanted).problem == (
            400, "idempotency_key_required", "Idempotency-Key")
        assert refusal(api, wanted | {"amount": -5}, f"{path}/{account}/{call}") == (
            422, "amount_not_positive", "amount")
        assert refusal(api, wanted | {"currency": "USD"}, f"{path}/{account}/{call}") == (
            422, "currency_differs", "currency")
        assert refusal(api, wanted, f"{path}/{uuid.uuid4()}/{call}") == (404, "account_not_found", None)
    assert refusal(api, wanted, f"{path}/{account}/spends") == (409, "insufficient_funds", "amount")
    assert api.get(f"{path}/{account}/entries?after=x").problem == (400, "invalid_cursor", "after")


def test_every_code_is_documented():
    page = "".join(Path(ROOT, "docs", name).read_text() for name in ("direct-payments.md", "webhooks.md"))
    for source in ("API/Fault.swift", "Domain/RequestFault.swift"):
        text = Path(ROOT, "internal/gateway", source).read_text()
        codes = re.findall(r'^ *case \w+ = "(\w+)"$', text, re.MULTILINE)
        assert len(codes) > 10 and not [code for code in codes if f"`{code}`" not in page]
