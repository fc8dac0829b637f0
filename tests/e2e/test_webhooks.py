"""Webhooks: what receivers get of payments, whatever becomes of receivers, gateways and connections."""

import json
import time
import uuid
from typing import Iterator

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from harness.audit import paysaga
from harness.direct import Direct, Gateway, account, new_card
from harness.receiver import Message, Receiver, add_endpoint, change, deliveries, taken
from harness.waiting import wait_until
from harness.world import World


@pytest.fixture(scope="module")
def direct(shared_world: World) -> Direct:
    direct = Direct(shared_world)
    direct.processor()
    return direct


@pytest.fixture(scope="module")
def gateway(direct: Direct) -> Gateway:
    return direct.gateway()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def path(gateway: Gateway) -> Iterator[str]:
    """A path of the test's own; its endpoints are deleted at the end, so that later tests send nothing there."""
    path = f"/{uuid.uuid4()}"
    yield path
    for endpoint in gateway.get("/v1/webhook_endpoints").json["data"]:
        if path in endpoint["url"]:
            assert gateway.call("DELETE", f"/v1/webhook_endpoints/{endpoint['id']}").status == 204


def await_status(gateway: Gateway, delivery: str, status: str, timeout: float = 30) -> dict:
    def look():
        found = gateway.get(f"/v1/webhook_deliveries/{delivery}").json
        assert found["status"] == status, found
        return found

    return wait_until(look, f"the delivery {delivery} is {status}", timeout)


def test_each_state_of_a_payment_is_told_and_signed(gateway: Gateway, receiver: Receiver, path: str):
    endpoint = add_endpoint(gateway, receiver.url(path), "payment.*")
    assert endpoint["secret"].startswith("whsec_") and endpoint["enabled"]
    paid = gateway.paid(account())
    card = gateway.paid(new_card())
    messages = receiver.await_messages(path, 6)
    found = {(content["data"]["id"], content["data"]["version"]): (content, message)
             for message in messages for content in [message.verified(endpoint["secret"])]}
    for payment in (paid, card):
        types = [found[payment["id"], version][0]["type"] for version in (1, 2, 3)]
        assert types == ["payment.created", "payment.processing", "payment.completed"]
        content, message = found[payment["id"], 3]
        # Whoever is told of payments need not be able to pay with what they were paid with.
        shown = gateway.payment(payment["id"])
        assert shown == payment and content["data"] == {name: shown[name] for name in shown if name != "bank_token"}
        assert content["timestamp"] == payment["updated_at"]
        assert message.headers["content-type"] == "application/json"
        created = found[payment["id"], 1][0]["data"]
        assert created["status"] == "CREATED" and "bank_token" not in created
        # The id names the delivery, and the history has it.
        delivery = await_status(gateway, message.id, "delivered")
        assert (delivery["type"], delivery["payment_id"], delivery["attempts"]) == ("payment.completed", payment["id"], 1)
        [attempt] = delivery["attempt_list"]
        assert (attempt["number"], attempt["status"], attempt["answer"]) == (1, 200, "thank you")
        webhooks = gateway.get(f"/v1/payments/{payment['id']}/history").json["webhooks"]
        assert message.id in [each["id"] for each in webhooks if each["endpoint_id"] == endpoint["id"]]
    assert len({message.id for message in messages}) == 6
    with pytest.raises(WebhookVerificationError):
        messages[0].verified("whsec_" + "a" * 43 + "=")
    # What only looks at an endpoint shows no secret.
    for looked in (f"/{endpoint['id']}", ""):
        assert "whsec_" not in gateway.get(f"/v1/webhook_endpoints{looked}").body.decode()


def test_what_fails_is_sent_again_the_same(gateway: Gateway, receiver: Receiver, path: str):
    receiver.behaviours[path] = lambda _, number: (500, {}, b"x" * 5_000) if number == 1 else (204, {}, b"")
    endpoint = add_endpoint(gateway, receiver.url(path), "payment.completed")
    paid = gateway.paid(account())
    first, second = receiver.await_messages(path, 2)
    assert (first.id, first.body) == (second.id, second.body)
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
    content = second.verified(endpoint["secret"])
    assert (content["type"], content["data"]["id"]) == ("payment.completed", paid["id"])
    delivery = await_status(gateway, first.id, "delivered")
    last, before = delivery["attempt_list"]
    assert (before["number"], before["status"], before["answer"]) == (1, 500, "x" * 1_024)
    assert (last["number"], last["status"], last["answer"], last["error"]) == (2, 204, None, None)
    # Asked for, it comes once more, and may have come when the answer is read.
    answer = gateway.post(f"/v1/webhook_deliveries/{first.id}/redeliver")
    assert answer.status == 202 and answer.json["status"] in ("pending", "delivered")
    assert receiver.await_messages(path, 3)[2].body == first.body
    assert await_status(gateway, first.id, "delivered")["attempts"] == 3


def test_a_dead_endpoint_slows_nobody(gateway: Gateway, receiver: Receiver, path: str):
    receiver.behaviours[f"{path}/hangs"] = lambda *_: None
    hangs = [add_endpoint(gateway, receiver.url(f"{path}/hangs")) for _ in range(3)]
    closed = Receiver()
    add_endpoint(gateway, closed.url(f"{path}/refuses"))
    closed.close()
    add_endpoint(gateway, receiver.url(f"{path}/lives"), "payment.completed")
    paid = [gateway.paid(account()) for _ in range(20)]
    receiver.await_messages(f"{path}/lives", 20)
    assert {json.loads(each.body)["data"]["id"] for each in receiver.messages(f"{path}/lives")} == {
        each["id"] for each in paid}
    assert {each["status"] for each in deliveries(gateway, hangs[0]["id"])} == {"pending"}


def test_an_endpoint_that_is_gone_is_disabled_and_catches_up(gateway: Gateway, receiver: Receiver, path: str):
    receiver.behaviours[path] = lambda *_: (410, {}, b"")
    endpoint = add_endpoint(gateway, receiver.url(path), "payment.completed")
    before = gateway.paid(account())

    def disabled():
        found = gateway.get(f"/v1/webhook_endpoints/{endpoint['id']}").json
        assert (found["enabled"], found["disabled_reason"]) == (False, "gone"), found
        return found

    since = wait_until(disabled, "the endpoint is disabled", 30)["disabled_at"]
    # What waits is failed after it.
    [failed] = wait_until(lambda: deliveries(gateway, endpoint["id"], "&status=failed"), "what waits is failed", 20)
    assert (failed["payment_id"], failed["failure"]) == (before["id"], "endpoint_disabled")
    assert gateway.post(f"/v1/webhook_deliveries/{failed['id']}/redeliver").problem[:2] == (409, "webhook_endpoint_disabled")
    # Of what happens meanwhile it is told nothing.
    gateway.paid(account())
    assert change(gateway, endpoint["id"], enabled=True).json["enabled"]
    receiver.behaviours.pop(path)
    again = gateway.post(f"/v1/webhook_endpoints/{endpoint['id']}/redeliver", {"since": since[:10] + "T00:00:00Z"})
    assert (again.status, again.json) == (202, {"redelivered": 1, "has_more": False})
    assert await_status(gateway, failed["id"], "delivered")["attempts"] == 2
    assert len(receiver.messages(path)) == 2


def test_a_secret_is_changed_without_a_gap(gateway: Gateway, receiver: Receiver, path: str):
    endpoint = add_endpoint(gateway, receiver.url(path), "payment.completed", key=f"key-{path}")
    same = gateway.post("/v1/webhook_endpoints", {"url": receiver.url(path), "events": ["payment.completed"]}, key=f"key-{path}")
    assert same.headers["idempotency-replayed"] == "true" and same.json == endpoint
    rotated = gateway.post(f"/v1/webhook_endpoints/{endpoint['id']}/rotate", {"grace_seconds": 3600}).json
    assert rotated["secret"] != endpoint["secret"]

    def signed_by(*secrets: str) -> bool:
        """Both sign before long: the gateway that sends hears of it."""
        count = len(receiver.messages(path))
        gateway.paid(account())
        message = receiver.await_messages(path, count + 1)[-1]
        signatures = message.headers["webhook-signature"].split(" ")
        for secret in secrets:
            Webhook(secret).verify(message.body, message.headers)
        return len(signatures) == len(secrets)

    wait_until(lambda: signed_by(rotated["secret"], endpoint["secret"]), "both secrets sign", 20)
    last = gateway.post(f"/v1/webhook_endpoints/{endpoint['id']}/rotate", {"grace_seconds": 0}).json
    wait_until(lambda: signed_by(last["secret"]), "the last secret signs alone", 20)


def test_refunds_are_told(gateway: Gateway, receiver: Receiver, path: str):
    endpoint = add_endpoint(gateway, receiver.url(path), "refund.*")
    paid = gateway.paid(account())
    refund = gateway.refund(paid["id"], 500).json
    messages = receiver.await_messages(path, 2)
    contents = sorted((each.verified(endpoint["secret"]) for each in messages), key=lambda each: each["data"]["version"])
    assert [each["type"] for each in contents] == ["refund.processing", "refund.completed"]
    # The event tells when the state began, the answer when it was written.
    assert contents[1]["data"] | {"updated_at": None} == refund | {"updated_at": None}
    assert {each["refund_id"] for each in deliveries(gateway, endpoint["id"])} == {refund["id"]}


def queue(direct: Direct, endpoint: str, payment: str, refund: str | None = None) -> str:
    """A delivery as the transaction of a change queues it; its id tells when."""
    delivery = str(uuid.UUID(int=int(time.time() * 1000) << 80 | 7 << 76 | uuid.uuid4().int % (1 << 76)))
    direct.world.sql(f"""INSERT INTO gateway.webhook_queue (endpoint_id, id, payment_id, refund_id, version, state, at)
        VALUES ('{endpoint}', '{delivery}', '{payment}', {f"'{refund}'" if refund else "NULL"}, 3, 'COMPLETED', now())""")
    return delivery


def test_what_is_nowhere_is_shown_as_failed(direct: Direct, gateway: Gateway, receiver: Receiver, path: str):
    endpoint = add_endpoint(gateway, receiver.url(path), "payment.completed")["id"]
    # A payment and a refund that nobody has, as after a restore.
    lost = [queue(direct, endpoint, str(uuid.uuid4()), refund) for refund in (None, str(uuid.uuid4()))]

    def given_up():
        found = deliveries(gateway, endpoint, "&status=failed")
        assert {each["id"] for each in found} == set(lost), found
        return found

    for each in wait_until(given_up, "both are failed", 30):
        assert (each["failure"], each["attempts"]) == ("payment_missing", 0)
    shown = gateway.get(f"/v1/webhook_endpoints/{endpoint}").json
    assert (shown["enabled"], shown["failing_since"]) == (True, None)
    # What is there goes on; and asked for again, what is nowhere fails again.
    paid = gateway.paid(account())
    assert gateway.post(f"/v1/webhook_deliveries/{lost[0]}/redeliver").status == 202
    [message] = receiver.await_messages(path, 1)
    assert json.loads(message.body)["data"]["id"] == paid["id"]
    wait_until(given_up, "it is failed again", 30)


def test_what_cannot_be_read_here_is_no_fault_of_the_receiver(
        direct: Direct, gateway: Gateway, receiver: Receiver, path: str):
    paid, refunded = gateway.paid(account()), gateway.paid(account())
    refund = gateway.refund(refunded["id"], 500).json["id"]
    rows = [("gateway.payment", paid["id"]), ("processing.payment", refund)]

    def write(currency: str) -> None:
        for table, row in rows:
            direct.world.sql(f"UPDATE {table} SET currency = '{currency}' WHERE id = '{row}'")

    # What no version knows.
    write("ZZZ")
    endpoint = add_endpoint(gateway, receiver.url(path), "payment.completed")["id"]
    kept = {queue(direct, endpoint, paid["id"]), queue(direct, endpoint, refunded["id"], refund)}

    def put_off():
        found = direct.world.sql(f"""SELECT attempts, due_at > now() + interval '4 minutes'
            FROM gateway.webhook_queue WHERE endpoint_id = '{endpoint}'""")
        assert [tuple(each) for each in found] == [(0, True), (0, True)], found
        return True

    wait_until(put_off, "both are put off", 30)
    shown = gateway.get(f"/v1/webhook_endpoints/{endpoint}").json
    assert (shown["enabled"], shown["failing_since"]) == (True, None)
    assert receiver.messages(path) == []
    # Read again, they are sent.
    write("EUR")
    for each in kept:
        assert gateway.post(f"/v1/webhook_deliveries/{each}/redeliver").status == 202
    assert {each.id for each in receiver.await_messages(path, 2)} == kept


def test_commands_show_and_change_webhooks(direct: Direct, gateway: Gateway, receiver: Receiver, path: str):
    def webhooks(*words: str, calls: bool = True) -> list[dict]:
        options = ("--gateway", f"http://127.0.0.1:{gateway.program.http_port}") if calls else ()
        done = paysaga(direct.world, "webhooks", *words, *options, **direct.settings)
        assert done.status == 0, done
        return done.lines

    receiver.behaviours[path] = lambda *_: (503, {"Retry-After": "600"}, b"not now")
    [made] = webhooks("create", "--url", receiver.url(path), "--events", "payment.completed", "--description", "shop")
    endpoint = made["endpoint"]["id"]
    assert made["endpoint"]["secret"].startswith("whsec_")
    assert endpoint in [each["id"] for each in webhooks("list", calls=False)]
    paid = gateway.paid(account())
    [message] = receiver.await_messages(path, 1)

    def tried():
        [found] = webhooks("deliveries", endpoint, "--status", "pending", calls=False)
        assert found["attempts"] == 1, found
        return found

    delivery = wait_until(tried, "the attempt is kept", 20)
    assert (delivery["id"], delivery["payment_id"]) == (message.id, paid["id"])
    # The receiver has asked for ten minutes.
    assert (delivery["due_at"] > delivery["created_at"]) and delivery["status"] == "pending"
    shown, attempt = webhooks("show", message.id, calls=False)
    assert (shown["type"], attempt["status"], attempt["answer"]) == ("payment.completed", 503, "not now")
    assert webhooks("disable", endpoint)[0]["endpoint"]["disabled_reason"] == "asked"
    await_status(gateway, message.id, "failed")
    receiver.behaviours.pop(path)
    webhooks("enable", endpoint)
    assert webhooks("redeliver", endpoint, "--endpoint", "--since", "1h")[0]["redelivered"] == 1
    assert receiver.await_messages(path, 2)[1].id == message.id
    await_status(gateway, message.id, "delivered")
    webhooks("redeliver", message.id)
    assert len({each.id for each in receiver.await_messages(path, 3)}) == 1
    # The same call again, as after an answer that was lost, makes no further secret.
    secrets = [webhooks("rotate", endpoint, "--at-once", "--key", key)[0]["endpoint"]["secret"] for key in ("a", "a", "b")]
    assert secrets[0] == secrets[1] and len({made["endpoint"]["secret"], *secrets}) == 3
    webhooks("delete", endpoint)
    refused = paysaga(direct.world, "webhooks", "show", endpoint, **direct.settings)
    assert refused.status == 1 and "there is no webhook endpoint" in refused.error


def test_private_addresses_are_refused_after_dns(world: World, receiver: Receiver):
    direct = Direct(world, WEBHOOK_ALLOW_PRIVATE="false")
    direct.processor()
    gateway = direct.gateway()
    clear = gateway.post("/v1/webhook_endpoints", {"url": receiver.url("/")})
    assert clear.problem == (422, "invalid_text", "url")
    # The name looks harmless.
    endpoint = add_endpoint(gateway, receiver.url("/inside").replace("http://127.0.0.1", "https://localhost"), "payment.created")
    gateway.paid(account())

    def tried():
        [found] = deliveries(gateway, endpoint["id"])
        assert found["attempts"] == 1, found
        return gateway.get(f"/v1/webhook_deliveries/{found['id']}").json

    [attempt] = wait_until(tried, "the attempt is kept", 20)["attempt_list"]
    assert attempt["status"] is None and "none that may be connected to" in attempt["error"], attempt
    assert receiver.messages("/inside") == []


def test_a_killed_gateway_loses_no_webhook(world: World, receiver: Receiver):
    direct = Direct(world)
    direct.processor()
    first, second = direct.gateway(), direct.gateway()
    refused = set()

    def answer(message: Message, number: int) -> tuple[int, dict[str, str], bytes]:
        """Each fifth or so is refused once."""
        if message.id[-1] in "05a" and message.id not in refused:
            refused.add(message.id)
            return 500, {}, b"not yet"
        return taken(message, number)

    receiver.behaviours["/hook"] = answer
    endpoint = add_endpoint(second, receiver.url("/hook"), "payment.*")
    paid = [second.pay(account()).json["id"] for _ in range(40)]
    receiver.await_messages("/hook", 10)
    # Whichever of the two sends: it dies, and the other takes over.
    first.program.kill()
    paid += [second.pay(account()).json["id"] for _ in range(40)]
    first.program.start().wait_ready()
    second.program.kill()
    paid += [first.pay(account()).json["id"] for _ in range(20)]
    second.program.start().wait_ready()
    wanted = {(payment, version) for payment in paid for version in (1, 2, 3)}

    def arrived():
        found = {(data["id"], data["version"]) for each in receiver.messages("/hook")
                 for data in [json.loads(each.body)["data"]]}
        return found == wanted

    wait_until(arrived, "every event has arrived", 60)
    ids = {}
    for message in receiver.messages("/hook"):
        content = message.verified(endpoint["secret"])
        event = (content["data"]["id"], content["data"]["version"])
        # Whatever comes again is the same message.
        assert ids.setdefault(event, (message.id, message.body)) == (message.id, message.body)
    assert len(set(id for id, _ in ids.values())) == len(wanted)

    left = """SELECT q.attempts, q.due_at, a.status, a.error FROM gateway.webhook_queue q
        LEFT JOIN gateway.webhook_attempt a ON a.delivery_id = q.id"""

    def settled():
        waiting = world.sql(left)
        assert waiting == [], waiting
        return True

    wait_until(settled, "nothing waits", 60)
    assert world.sql("SELECT count(*) FROM gateway.webhook_delivery WHERE failure IS NULL")[0][0] == len(wanted)
