"""Decisions of risk on the command line: shown, and made again from what is kept."""

import hashlib
import json

from harness.audit import paysaga
from harness.world import World

RULES = (
    '{"review":65,"block":75,"rules":[{"name":"card_burst","points":80,"subject":"card","window":"1m",'
    '"count_above":5}]}')
VERSION = hashlib.sha256(RULES.encode()).hexdigest()


def identity(number: int) -> str:
    return f"00000000-0000-7000-8000-{number:012}"


def keep(world: World, number: int, counted: int | None, score: int, verdict: str, *reasons: str) -> None:
    """Keeps a decision about a card payment, as the programs do."""
    count = [counted, 100 * (counted or 0)]
    features = json.dumps({"card": {"1m": count, "1h": count, "24h": count}})
    known = "NULL, 'open'" if counted is None else f"'{features}', NULL"
    world.sql(
        "INSERT INTO risk.decision (payment_id, method, amount, currency, rules, features, failed, score, verdict, reasons)"
        f" VALUES ('{identity(number)}', 'card', 100, 'EUR', '{VERSION}', {known}, {score}, '{verdict}',"
        f" '{{{','.join(reasons)}}}')")


def test_decisions_are_listed_and_replayed(world: World):
    assert paysaga(world, "risk", "list").lines == []
    world.sql(f"INSERT INTO risk.rule_set (version, content) VALUES ('{VERSION}', '{RULES}')")
    keep(world, 1, 4, 0, "allow")
    keep(world, 2, 5, 80, "block", "card_burst")
    keep(world, 3, None, 0, "allow", "features_unavailable")
    listed = paysaga(world, "risk", "list").lines
    assert [each["payment_id"] for each in listed] == [identity(3), identity(2), identity(1)]
    assert listed[0]["failed"] == "open" and listed[0]["features"] is None
    (blocked,) = paysaga(world, "risk", "list", "--verdict", "block").lines
    assert blocked["score"] == 80 and blocked["reasons"] == ["card_burst"] and blocked["rules"] == VERSION
    assert blocked["features"]["card"]["1m"] == [5, 500] and blocked["amount_minor"] == 100
    (one,) = paysaga(world, "risk", "list", "--payment", identity(1)).lines
    assert one["verdict"] == "allow"
    replayed = paysaga(world, "risk", "replay")
    assert replayed.status == 0 and replayed.lines == [{"outcome": "agree", "decisions": 3, "wrong": 0}]


def test_replay_finds_a_decision_that_was_changed(world: World):
    world.sql(f"INSERT INTO risk.rule_set (version, content) VALUES ('{VERSION}', '{RULES}')")
    keep(world, 1, 4, 0, "allow")
    keep(world, 2, 5, 0, "allow")
    replayed = paysaga(world, "risk", "replay")
    assert replayed.status == 1 and "1 of 2 decisions cannot be confirmed" in replayed.error
    outcome, changed = replayed.lines
    assert outcome == {"outcome": "disagree", "decisions": 2, "wrong": 1}
    assert changed["payment_id"] == identity(2) and changed["again_score"] == 80
    assert changed["again_verdict"] == "block" and changed["again_reasons"] == ["card_burst"]
    world.sql("UPDATE risk.rule_set SET content = content || ' '")
    assert [each.get("unreadable") for each in paysaga(world, "risk", "replay").lines[1:]] == [
        f"rule set {VERSION} is missing, or was changed"] * 2
