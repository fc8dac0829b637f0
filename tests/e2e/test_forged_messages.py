"""Messages that nobody of ours has written, on both topics of direct payments: what cannot be used becomes a dead letter,
what is known stays as it is, and what was believed is found by the audit.
"""

import json
import uuid
from typing import Any

import pytest

from harness import direct_oracle
from harness.audit import paysaga
from harness.direct import MERCHANT, PARTITIONS, Direct, Gateway, account
from harness.process import Program
from harness.topics import TopicReader, produce
from harness.waiting import wait_until
from harness.world import World, inventory_message

NOW = "2026-11-26T12:00:00.000000Z"


@pytest.fixture(scope="module")
def direct(shared_world: World) -> Direct:
    direct = Direct(shared_world)
    direct.processor()
    direct.gateway()
    direct.bank.behave(idempotent=False)
    return direct


@pytest.fixture(scope="module")
def processor(direct: Direct) -> Program:
    return direct.processors[0]


@pytest.fixture(scope="module")
def gateway(direct: Direct) -> Gateway:
    return direct.gateways[0]


def instruction(**fields: Any) -> dict:
    return {
        "payment_id": str(uuid.uuid4()), "user_id": str(uuid.uuid4()), "payee_id": MERCHANT, "method": account(),
        "amount_minor": 1999, "currency": "EUR", "created_at": NOW} | fields


def result(payment: str, version: int, state: str, **fields: Any) -> dict:
    return {"payment_id": payment, "version": version, "state": state, "occurred_at": NOW} | fields


def encoded(value: Any) -> bytes | None:
    return value if value is None or isinstance(value, bytes) else json.dumps(value).encode()


def put(direct: Direct, topic: str, *values: Any) -> None:
    """On every partition, so that each has to be got past."""
    for partition in range(PARTITIONS):
        produce(direct.world.broker.brokers, topic, [(b"forged", encoded(value)) for value in values],
                partition=partition)


def put_under_its_key(direct: Direct, topic: str, value: dict) -> None:
    produce(direct.world.broker.brokers, topic, [(value["payment_id"].encode(), encoded(value))])


# What is no message of either topic.
STRANGE = [
    None, b"", b"\x00\xff\xfe", b"null", b"[]", b'"text"', b"{", b"{}", b'{"payment_id":1}', b"[" * 5_000,
    b'{"payment_id":"' + b"9" * 20_000 + b'"}', inventory_message(7),
    json.dumps({"specversion": "1.0", "type": "com.example.other", "data": {"x": 1}}).encode(),
]


def rows(world: World, payment: str) -> list[tuple]:
    return world.sql(
        "SELECT p.state, p.version, p.amount, p.source, g.state, g.version, g.amount FROM processing.payment p"
        " JOIN gateway.payment g USING (id) WHERE id = %s", payment)


def letters(direct: Direct, topic: str, count: int) -> list[str]:
    """Why each message became a dead letter."""
    reader = TopicReader(direct.world.broker.brokers, f"{topic}.dlq", PARTITIONS)
    try:
        found = reader.wait_for(count)
        assert len(reader.catch_up()) == count
        return [message.header("dlq_error") or "" for message in found]
    finally:
        reader.close()


def test_what_is_no_instruction_becomes_a_dead_letter(direct: Direct, processor: Program, gateway: Gateway):
    wrong = [
        instruction(amount_minor=0), instruction(amount_minor=-5), instruction(amount_minor="1999.00"),
        instruction(amount_minor=10**19), instruction(currency="XXX"), instruction(order_id=0),
        instruction(method={"type": "card", "number": "4242424242424242"}), instruction(method={"type": "gift"}),
        instruction(method={"type": "account", "number": "1\x00"}), instruction(payment_id="1; DROP TABLE payment"),
        instruction(created_at="yesterday"), result(str(uuid.uuid4()), 3, "COMPLETED"),
    ]
    charged, made = len(direct.bank.operations()), "SELECT count(*) FROM processing.payment"
    before = direct.world.value(made)
    put(direct, direct.payments_topic, *STRANGE, *wrong)
    why = letters(direct, direct.payments_topic, PARTITIONS * (len(STRANGE) + len(wrong)))
    assert all(why) and not any("4242424242424242" in reason for reason in why)
    assert direct.world.value(made) == before
    # What comes behind it is paid.
    for _ in range(PARTITIONS * 2):
        assert gateway.paid(account())["status"] == "COMPLETED"
    assert len(direct.bank.operations()) == charged + PARTITIONS * 2


def test_an_instruction_that_is_known_keeps_what_it_was(direct: Direct, processor: Program, gateway: Gateway):
    """The same payment for more money, from another account, to somebody else, and from a balance."""
    paid = gateway.paid(account())
    id, before = paid["id"], rows(direct.world, paid["id"])
    known = processor.metric("paysaga_direct_payments_messages_total", outcome="known")
    forged = [
        instruction(payment_id=id, amount_minor=1_000_000), instruction(payment_id=id, method=account("10000000099")),
        instruction(payment_id=id, payee_id=str(uuid.uuid4())),
        instruction(payment_id=id, method={"type": "token", "token": "stolen"}),
    ]
    for each in forged:
        put_under_its_key(direct, direct.payments_topic, each)
    wait_until(
        lambda: processor.metric("paysaga_direct_payments_messages_total", outcome="known") == known + len(forged),
        "they are looked at")
    assert rows(direct.world, id) == before and gateway.payment(id) == paid
    assert direct.bank.counts(id) == (1, 1)


def test_nobody_pays_from_an_account_of_somebody_else(direct: Direct, processor: Program, gateway: Gateway):
    victim = str(uuid.uuid4())
    own = gateway.open_account(victim, 5_000)
    forged = instruction(method={"type": "balance", "account_id": own})
    put_under_its_key(direct, direct.payments_topic, forged)
    wait_until(
        lambda: direct.world.sql(
            "SELECT 1 FROM processing.payment WHERE id = %s AND state = 'REJECTED' AND reason = 'ledger_refused'",
            forged["payment_id"]), "it is refused")
    found = gateway.get(f"/v1/accounts/{own}").json
    assert (found["posted"], found["available"]) == (5_000, 5_000)


def test_a_result_changes_nothing_that_is_final(direct: Direct, processor: Program, gateway: Gateway):
    paid = gateway.paid(account())
    id, before = paid["id"], rows(direct.world, paid["id"])

    def outcomes() -> dict[str, float]:
        return {each: gateway.program.metric("paysaga_results_messages_total", outcome=each)
                for each in ("late", "contradicted", "not_ours")}

    former = outcomes()
    for version, state in ((paid["version"] + 1, "ERROR"), (2**62, "REJECTED"), (paid["version"] + 1, "PROCESSING")):
        put_under_its_key(direct, direct.results_topic, result(id, version, state))
    put_under_its_key(direct, direct.results_topic, result(id, 2, "REJECTED", reason="bank_declined"))
    # Of a payment of another installation, or of none.
    for _ in range(3):
        put_under_its_key(direct, direct.results_topic, result(str(uuid.uuid4()), 3, "COMPLETED"))

    def looked_at() -> bool:
        grown = {each: now - former[each] for each, now in outcomes().items()}
        assert grown == {"late": 1, "contradicted": 3, "not_ours": 3}, grown
        return True

    wait_until(looked_at, "all are looked at")
    assert rows(direct.world, id) == before and gateway.payment(id) == paid
    history = gateway.get(f"/v1/payments/{id}/history").json["data"]
    assert [each["version"] for each in history] == list(range(1, paid["version"] + 1))
    assert history[-1]["status"] == "COMPLETED"


def test_what_is_no_result_becomes_a_dead_letter(direct: Direct, processor: Program, gateway: Gateway):
    id = gateway.paid(account())["id"]
    wrong = [
        result(id, 1, "ERROR"), result(id, 0, "ERROR"), result(id, -3, "ERROR"), result(id, 2**63 - 1, "ERROR"),
        result(id, 2**63, "ERROR"), result(id, 5, "CREATED"), result(id, 5, "PAID"), result("4711", 5, "ERROR"),
        result(id, 5, "ERROR", occurred_at="later"), instruction(payment_id=id),
    ]
    put(direct, direct.results_topic, *STRANGE, *wrong)
    assert all(letters(direct, direct.results_topic, PARTITIONS * (len(STRANGE) + len(wrong))))
    for _ in range(PARTITIONS * 2):
        assert gateway.paid(account())["status"] == "COMPLETED"
    direct_oracle.settle(direct)


def test_what_is_believed_is_found_by_the_audit(direct: Direct, processor: Program, gateway: Gateway):
    """Who may write to the topics is believed: the ACLs are the defence, and the audit the net behind it."""
    direct.bank.behave(delay_ms=1_500)
    open_payment = gateway.pay(account()).json["id"]
    gateway.await_status(open_payment, "PROCESSING")
    put_under_its_key(direct, direct.results_topic, result(open_payment, 9, "REJECTED"))
    gateway.await_status(open_payment, "REJECTED")
    forged = instruction()
    put_under_its_key(direct, direct.payments_topic, forged)
    wait_until(
        lambda: direct.world.value(
            "SELECT count(*) FROM processing.payment WHERE state = 'COMPLETED' AND id = ANY (%s)",
            [uuid.UUID(open_payment), uuid.UUID(forged["payment_id"])]) == 2,
        "both are charged")

    def audit() -> tuple[dict, dict, dict]:
        report = paysaga(direct.world, "audit", "--part", "direct", "--late", "1ms", **direct.settings)
        assert report.status == 1 and all(line["outcome"] == "disagree" for line in report.lines), report
        tables, payments, results = report.lines
        assert (payments["topic"], results["topic"]) == (direct.payments_topic, direct.results_topic)
        return tables, payments, results

    tables, payments, results = audit()
    assert tables["missing"] >= 1 and tables["state"] >= 1, tables
    assert payments["unknown"] >= 1 and results["unknown"] >= 1, (payments, results)
    # A message whose event the outbox does not have is as one that somebody else has written.
    for schema in ("gateway", "processing"):
        direct.world.sql(
            f"DELETE FROM {schema}.event WHERE event_id = (SELECT event_id FROM {schema}.event WHERE status = 'DONE'"
            " ORDER BY id DESC LIMIT 1)")
    _, fewer_payments, fewer_results = audit()
    assert fewer_payments["unknown"] == payments["unknown"] + 1, (payments, fewer_payments)
    assert fewer_results["unknown"] == results["unknown"] + 1, (results, fewer_results)
