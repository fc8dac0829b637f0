"""Who asked for a cancel and for a refund: kept with the payment, and told by trace, history and the page."""

import json
import uuid

from harness.audit import paysaga
from harness.direct import Direct, account
from harness.waiting import wait_until
from harness.world import World


def test_a_cancel_and_a_refund_name_who_asked(world: World):
    rules = world.directory / "rules.json"
    rules.write_text(json.dumps({"rules": [{"name": "large", "points": 70, "amount_above": {"EUR": 50_000}}]}))
    direct = Direct(world, RISK_RULES=str(rules), GATEWAY_AUTH="keys")
    direct.processor()
    gateway = direct.gateway()
    made = paysaga(world, "keys", "create", "--name", "shop", "--scopes", "pay,read,refund,review", **direct.settings)
    secret = made.only["secret"]
    shop = {"Authorization": f"Bearer {secret}"}
    wait_until(lambda: gateway.get("/v1/payments", **shop).status == 200, "the key is taken", 20)

    def pay(amount: int, status: str) -> str:
        body = {"user_id": str(uuid.uuid4()), "method": account(), "amount": amount, "currency": "EUR"}
        id = gateway.post("/v1/payments", body, key=str(uuid.uuid4()), **shop).json["id"]
        wait_until(lambda: gateway.get(f"/v1/payments/{id}", **shop).json["status"] == status, status, 20)
        return id

    def run(*words: str):
        url = f"http://127.0.0.1:{gateway.program.http_port}"
        return paysaga(world, *words, "--gateway", url, PAYSAGA_API_KEY=secret, **direct.settings)

    def told(id: str) -> dict:
        story = paysaga(world, "trace", id, **direct.settings)
        assert story.status == 0, story
        return {(each["part"], each["what"]): each for each in story.lines}

    def history(id: str) -> dict:
        return gateway.get(f"/v1/payments/{id}/history", **shop).json

    # By the command line, which names its operator.
    cancelled, paid = pay(60_000, "REVIEW"), pay(1_999, "COMPLETED")
    assert run("payments", "cancel", cancelled, "--operator", "ann@desk").status == 0
    assert run("payments", "refund", paid, "--amount-minor", "5", "--operator", "ann@desk").status == 0
    wait_until(lambda: told(cancelled)["direct", "REJECTED"]["by"] == "shop (ann@desk)", "the cancel is told", 20)
    refund = told(paid)["refund", "wanted"]
    assert (refund["by"], refund["cause"]) == ("shop (ann@desk)", "caller")
    assert told(paid)["direct", "CREATED"]["by"] == "shop"
    assert "by" not in {name for name, value in told(paid)["direct", "COMPLETED"].items() if value is not None}
    assert [each["requested_by"] for each in history(cancelled)["data"]][-1] == "shop (ann@desk)"
    assert history(paid)["refunds"][0]["requested_by"] == "shop (ann@desk)"
    shown = paysaga(world, "payments", "refunds", paid, **direct.settings).only
    assert shown["requested_by"] == "shop (ann@desk)"
    listed = paysaga(world, "payments", "history", cancelled, **direct.settings).lines
    assert [each["requested_by"] for each in listed if each.get("status") == "REJECTED"] == ["shop (ann@desk)"]
    # By a call, which is answered the same when somebody else makes it again: the first one asked.
    other = pay(60_000, "REVIEW")
    for names in ({}, {"Paysaga_Operator": "bob"}):
        assert gateway.post(f"/v1/payments/{other}/cancel", **shop, **names).json["reason"] == "cancelled"
    wait_until(lambda: told(other)["direct", "REJECTED"]["by"] == "shop", "the cancel is told", 20)
    status, body = gateway.program.get(f"/trace?payment={other}")
    assert status == 200 and json.loads(body)["entries"][-1]["part"] in ("direct", "event")
    assert ["shop"] == [each["by"] for each in json.loads(body)["entries"] if each["what"] == "REJECTED"]
