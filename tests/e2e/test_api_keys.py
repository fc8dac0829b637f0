"""API keys: made, rotated and revoked on the command line, and taken by every gateway."""

import time
import uuid

import pytest

from harness.audit import paysaga
from harness.direct import Answer, Direct, Gateway, account
from harness.waiting import wait_until
from harness.world import World


@pytest.fixture(scope="module")
def direct(shared_world: World) -> Direct:
    redis = {"GATEWAY_REDIS_DSN": shared_world.redis_dsn} if shared_world.redis_dsn else {}
    return Direct(shared_world, GATEWAY_AUTH="keys", **redis)


@pytest.fixture(scope="module")
def gateways(direct: Direct) -> list[Gateway]:
    return [direct.gateway(), direct.gateway()]


def keys(direct: Direct, *words: str) -> dict:
    done = paysaga(direct.world, "keys", *words, **direct.settings)
    assert done.status == 0, done
    return done.lines[0]


def create(direct: Direct, scopes: str, *options: str) -> dict:
    return keys(direct, "create", "--name", f"k-{uuid.uuid4()}", "--scopes", scopes, *options)


def bearer(key: dict) -> dict[str, str]:
    return {"Authorization": f"Bearer {key['secret']}"}


def status(gateway: Gateway, key: dict) -> int:
    return gateway.get("/v1/payments?limit=1", **bearer(key)).status


def pay(gateway: Gateway, key: dict, **more: object) -> Answer:
    body = {"user_id": str(uuid.uuid4()), "method": account(), "amount": 5, "currency": "EUR"} | more
    return gateway.post("/v1/payments", body, key=str(uuid.uuid4()), **bearer(key))


def test_a_key_opens_what_it_is_for_on_every_gateway(direct: Direct, gateways: list[Gateway]):
    key = create(direct, "pay,read")
    assert key["secret"].startswith("psk_") and key["state"] == "active" and key["scopes"] == "pay,read"
    for gateway in gateways:
        wait_until(lambda: status(gateway, key) == 200, "the key is taken", 5, interval=0.02)
        refused = gateway.get("/v1/payments")
        assert refused.problem[:2] == (401, "api_key_required")
        assert refused.headers["www-authenticate"] == 'Bearer realm="paysaga"'
        wrong = gateway.get("/v1/payments", Authorization=f"Bearer psk_{'0' * 64}")
        assert wrong.problem[:2] == (401, "api_key_invalid")
        lacking = gateway.post("/v1/accounts", {"user_id": str(uuid.uuid4()), "currency": "EUR"}, **bearer(key))
        assert lacking.problem[:2] == (403, "scope_missing")
    taken = pay(gateways[0], key)
    assert taken.status == 201 and taken.json["api_key_id"] == key["id"]
    shown = paysaga(direct.world, "payments", "get", taken.json["id"], **direct.settings).lines[0]
    assert shown["api_key_id"] == key["id"]
    # A secret is in no log; APIKeyStoreTests looks for it in the tables.
    for gateway in gateways:
        assert key["secret"][4:] not in gateway.program.log.read_text()


def test_a_revoked_key_is_refused_at_once_everywhere(direct: Direct, gateways: list[Gateway]):
    key = create(direct, "read")
    for gateway in gateways:
        wait_until(lambda: status(gateway, key) == 200, "the key is taken", 5, interval=0.02)
    assert keys(direct, "revoke", key["id"])["state"] == "revoked"
    for gateway in gateways:
        # Faster than the look every 5 s.
        wait_until(lambda: status(gateway, key) == 401, "the key is refused", 2, interval=0.02)
    # Also by SQL, without a notification: within the look every 5 s.
    other = create(direct, "read")
    for gateway in gateways:
        wait_until(lambda: status(gateway, other) == 200, "the key is taken", 5, interval=0.02)
    direct.world.sql(f"UPDATE gateway.api_key SET revoked_at = now() WHERE id = '{other['id']}'")
    for gateway in gateways:
        wait_until(lambda: status(gateway, other) == 401, "the key is refused", 8, interval=0.1)


def test_a_rotated_key_has_two_secrets_for_a_while(direct: Direct, gateways: list[Gateway]):
    old = create(direct, "read")
    new = keys(direct, "rotate", old["id"], "--grace", "1h")
    assert (new["id"], new["name"]) == (old["id"], old["name"])
    for gateway in gateways:
        wait_until(lambda: status(gateway, new) == 200, "the new secret is taken", 5, interval=0.02)
        assert status(gateway, old) == 200
    newest = keys(direct, "rotate", old["id"], "--at-once")
    for gateway in gateways:
        wait_until(lambda: status(gateway, newest) == 200, "the newest secret is taken", 5, interval=0.02)
        assert (status(gateway, old), status(gateway, new)) == (401, 401)


def test_an_external_id_belongs_to_a_key(direct: Direct, gateways: list[Gateway]):
    one, two = create(direct, "pay,read"), create(direct, "pay,read")
    name = f"order-{uuid.uuid4()}"
    for key in (one, two):
        wait_until(lambda: status(gateways[0], key) == 200, "the key is taken", 5, interval=0.02)
    first = pay(gateways[0], one, external_id=name)
    again = pay(gateways[0], one, external_id=name)
    assert again.problem == (409, "external_id_exists", "external_id")
    assert again.json["payment_id"] == first.json["id"]
    assert pay(gateways[0], two, external_id=name).status == 201
    found = gateways[0].get(f"/v1/payments?external_id={name}", **bearer(one)).json["data"]
    assert len(found) == 2


def test_who_calls_the_gateway_from_the_command_line_shows_a_key(direct: Direct, gateways: list[Gateway]):
    key = create(direct, "pay,read")
    wait_until(lambda: status(gateways[0], key) == 200, "the key is taken", 5, interval=0.02)
    # No processor runs: it stays CREATED.
    id = pay(gateways[0], key).json["id"]
    url = f"http://127.0.0.1:{gateways[0].program.http_port}"
    words = ("payments", "cancel", id, "--gateway", url)
    bare = paysaga(direct.world, *words, **direct.settings)
    assert bare.status == 1 and "api_key_required" in bare.error
    shown = paysaga(direct.world, *words, PAYSAGA_API_KEY=key["secret"], **direct.settings)
    assert shown.status == 0, shown


@pytest.mark.parametrize("words, expected", [
    (("create", "--name", "a b", "--scopes", "pay"), "--name expects"),
    (("create", "--name", "a", "--scopes", "pay,fly"), "--scopes expects"),
    (("create", "--name", "a", "--scopes", "pay", "--rate", "0"), "--rate expects"),
    (("revoke", str(uuid.UUID(int=1))), "no API key"),
    (("rotate", str(uuid.UUID(int=1)), "--grace", "1h", "--at-once"), "exclude each other"),
])
def test_a_mistake_is_named(direct: Direct, words: tuple[str, ...], expected: str):
    done = paysaga(direct.world, "keys", *words, **direct.settings)
    assert done.status != 0 and expected in done.error, done


def test_gateways_share_the_rate_of_a_key(direct: Direct, gateways: list[Gateway]):
    key = create(direct, "read", "--rate", "5")
    for gateway in gateways:
        wait_until(lambda: status(gateway, key) in (200, 429), "the key is taken", 5, interval=0.5)
    time.sleep(1.1)
    began = time.monotonic()
    answers = [gateways[n % 2].get("/v1/payments?limit=1", **bearer(key)) for n in range(30)]
    passed = [answer for answer in answers if answer.status == 200]
    assert 5 <= len(passed) <= 6 + 5 * (time.monotonic() - began), [answer.status for answer in answers]
    refused = next(answer for answer in answers if answer.status == 429)
    assert refused.problem == (429, "rate_limited", None)
    assert refused.headers["retry-after"] == "1" and refused.headers["ratelimit-policy"] == '"key";q=5;w=1'
    time.sleep(0.5)
    assert status(gateways[0], key) == 200
