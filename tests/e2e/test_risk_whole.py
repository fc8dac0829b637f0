"""Risk over whole payments: what fails, what is new, what a person decides on the command line."""

import json
import uuid

from harness.audit import paysaga
from harness.direct import DECLINED_ACCOUNT, Direct, account, new_card
from harness.world import World

RULES = [
    {"name": "failing", "points": 80, "subject": "account", "window": "10m", "failures_above": 2},
    {"name": "new_card", "points": 10, "first_use": "card"},
    {"name": "large", "points": 70, "amount_above": {"EUR": 50_000}},
]


def test_failures_first_uses_and_reviews(world: World):
    rules = world.directory / "rules.json"
    rules.write_text(json.dumps({"rules": RULES}))
    direct = Direct(world, RISK_RULES=str(rules))
    direct.processor()
    gateway = direct.gateway()

    def decision(payment_id: str) -> dict:
        return paysaga(world, "risk", "list", "--payment", payment_id).only

    # The bank declines an account three times, each time for another user; then it is not asked any more.
    declined = [gateway.paid(account(DECLINED_ACCOUNT)) for _ in range(3)]
    assert [each["reason"] for each in declined] == ["bank_declined"] * 3
    blocked = gateway.paid(account(DECLINED_ACCOUNT))
    assert (blocked["status"], blocked["reason"]) == ("REJECTED", "risk_blocked")
    assert direct.bank.counts(blocked["id"]) == (0, 0)
    kept = decision(blocked["id"])
    assert kept["reasons"] == ["failing"] and kept["features"]["failures"] == {"account": 3}
    # A user's card is new once.
    user, card = str(uuid.uuid4()), new_card()
    for reasons in (["new_card"], []):
        paid = gateway.paid(card, user_id=user)
        assert paid["status"] == "COMPLETED" and decision(paid["id"])["reasons"] == reasons
    # A person decides on the command line.
    held = [gateway.pay(account(), amount=60_000).json["id"] for _ in range(2)]
    for each in held:
        gateway.await_status(each, "REVIEW")
    for _ in range(2):
        done = paysaga(world, "risk", "approve", held[0], "--by", "ann")
        assert done.status == 0 and done.only["reviewer"] == "ann", done
    assert gateway.payment(held[0], wait="20s")["status"] == "COMPLETED"
    assert direct.bank.counts(held[0]) == (1, 1)
    done = paysaga(world, "risk", "decline", held[1], "--by", "bob")
    assert (done.status, done.only["state"], done.only["reason"]) == (0, "REJECTED", "review_declined")
    assert gateway.payment(held[1], wait="20s")["reason"] == "review_declined"
    late = paysaga(world, "risk", "approve", held[1], "--by", "ann")
    assert late.status == 1 and "already_final: it is REJECTED, as bob has decided" in late.error
    assert paysaga(world, "risk", "decline", str(uuid.uuid4()), "--by", "bob").status == 1
    assert paysaga(world, "risk", "decline", held[1], "--by", "").status == 2
    replayed = paysaga(world, "risk", "replay")
    assert replayed.status == 0 and replayed.only["decisions"] == 8
    assert paysaga(world, "audit", "--part", "direct").status == 0
