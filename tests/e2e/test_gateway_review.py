"""Payments that a person decides about."""

import json

from harness.direct import Direct, account, new_card
from harness.world import World


def test_a_person_decides(world: World):
    rules = world.directory / "rules.json"
    rules.write_text(json.dumps({"rules": [{"name": "large", "points": 70, "amount_above": {"EUR": 50_000}}]}))
    direct = Direct(world, RISK_RULES=str(rules))
    direct.processor()
    gateway = direct.gateway()

    def held() -> str:
        made = gateway.pay(account(), amount=60_000)
        return gateway.await_status(made.json["id"], "REVIEW")["id"]

    def decide(payment_id: str, decision: str):
        return gateway.post(f"/v1/payments/{payment_id}/review", {"decision": decision})

    approved, declined, cancelled = held(), held(), held()
    assert direct.bank.operations() == {}
    assert decide(approved, "approve").json["status"] == "PROCESSING"
    assert gateway.payment(approved, wait="20s")["status"] == "COMPLETED"
    assert direct.bank.counts(approved) == (1, 1)
    said_no = decide(declined, "decline")
    assert (said_no.status, said_no.json["status"], said_no.json["reason"]) == (200, "REJECTED", "review_declined")
    assert decide(declined, "approve").problem == (409, "already_final", None)
    gone = gateway.post(f"/v1/payments/{cancelled}/cancel")
    assert (gone.status, gone.json["reason"]) == (200, "cancelled")
    history = gateway.get(f"/v1/payments/{approved}/history").json["data"]
    assert [each["status"] for each in history if each["status"] in ("REVIEW", "COMPLETED")] == ["REVIEW", "COMPLETED"]
    # A card cannot wait for a person.
    card = gateway.paid(new_card(), amount=60_000)
    assert (card["status"], card["reason"]) == ("REJECTED", "review_required")
