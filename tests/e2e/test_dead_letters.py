"""Dead letters of the pipeline: kept as rows, sent again once, or given up, with nothing of a message shown."""

import json
import uuid

import pytest

from harness.audit import paysaga
from harness.direct import MERCHANT, PARTITIONS, Direct, Gateway
from harness.topics import TopicReader, produce
from harness.waiting import wait_until

SECRET = "40817810099910004311"


@pytest.fixture(scope="module")
def gateway(direct: Direct) -> Gateway:
    return direct.gateway()


def command(direct: Direct, *words: str):
    return paysaga(direct.world, "payments", *words, **direct.settings)


def waiting(direct: Direct, count: int) -> list[dict]:
    """The letters that wait, of which there must be so many."""

    def look():
        answer = command(direct, "dead-letters")
        assert answer.status == 0 and len(answer.lines) == count, answer
        return answer.lines or [None]

    return [each for each in wait_until(look, f"{count} dead letters wait") if each]


def test_a_letter_is_sent_again_behind_what_its_payment_had(direct: Direct, gateway: Gateway):
    payment = gateway.pay({"type": "account", "number": SECRET}).json
    # As a processor of an older version might have buried it.
    value = json.dumps({
        "payment_id": payment["id"], "user_id": payment["user_id"], "payee_id": MERCHANT,
        "method": {"type": "account", "number": SECRET}, "amount_minor": payment["amount"], "currency": "EUR",
        "created_at": payment["created_at"]}).encode()
    produce(direct.world.broker.brokers, f"{direct.payments_topic}.dlq", [(payment["id"].encode(), value)] * 2)
    first, second = waiting(direct, 2)
    assert command(direct, "requeue", "--all").status == 0
    reader = TopicReader(direct.world.broker.brokers, direct.payments_topic, PARTITIONS)

    def mine():
        found = [each for each in reader.messages if each.key == payment["id"].encode()]
        return found if len(found) == 3 else None

    sent = wait_until(mine, "both are on the topic")
    reader.close()
    assert [each.header("seq") for each in sent] == ["1", "2", "3"]
    assert [each.value for each in sent[1:]] == [value, value]
    assert {each.header("dlq_requeues") for each in sent[1:]} == {"1"}
    # The payment is executed once, however often it is instructed.
    direct.processor()
    gateway.await_status(payment["id"], "COMPLETED")
    assert direct.bank.counts(payment["id"]) == (1, 1)
    assert direct.world.sql("SELECT events FROM gateway.payment WHERE id = %s", payment["id"]) == [(3,)]

    # A result as well: it is known, and the audit knows what was sent again.
    result = json.dumps({"payment_id": payment["id"], "version": 2, "state": "PROCESSING",
                         "occurred_at": payment["created_at"]}).encode()
    produce(direct.world.broker.brokers, f"{direct.results_topic}.dlq", [(payment["id"].encode(), result)])
    [letter] = waiting(direct, 1)
    assert command(direct, "requeue", str(letter["id"])).status == 0
    wait_until(lambda: gateway.program.metric("paysaga_results_messages_total", outcome="late") >= 1, "the result is read")
    report = paysaga(direct.world, "audit", "--part", "direct", **direct.settings)
    assert report.status == 0, report


def test_a_message_that_nobody_can_use_is_kept_and_given_up(direct: Direct, gateway: Gateway):
    if not direct.processors:
        direct.processor()
    key = str(uuid.uuid4())
    bad = json.dumps({"payment_id": key, "method": {"type": "account", "number": SECRET}, "amount_minor": "x"})
    produce(direct.world.broker.brokers, direct.payments_topic, [(key.encode(), bad.encode()), (b"\xff\x00", None)])
    produce(direct.world.broker.brokers, direct.results_topic, [(None, b"{")])
    letters = waiting(direct, 3)
    assert sorted(each["source"] for each in letters) == sorted(
        [direct.payments_topic, direct.payments_topic, direct.results_topic])
    [mine] = [each for each in letters if each["payment_id"] == key]
    assert mine["bytes"] == len(bad) and mine["reason"] and mine["state"] == "waiting"
    shown = command(direct, "dead-letters", str(mine["id"]))
    assert shown.lines == [mine] and SECRET not in json.dumps(letters) + shown.error
    wait_until(lambda: gateway.program.metric("paysaga_gateway_dead_letters") == 3, "they are counted")
    assert gateway.program.metric("paysaga_gateway_oldest_dead_letter_seconds") > 0

    # A message without a value is nothing that could be sent.
    [empty] = [each for each in letters if each["bytes"] is None]
    assert command(direct, "requeue", str(empty["id"])).status == 1
    # What is sent again and cannot be used again is another dead letter, which remembers.
    assert command(direct, "requeue", str(mine["id"]), "--by", "ann").lines == [{"requeued": mine["id"], "by": "ann"}]
    again = next(each for each in wait_until(
        lambda: [each for each in waiting(direct, 3) if each["requeues"]], "it comes back"))
    assert again["bytes"] == len(bad) and again["requeues"] == 1
    assert command(direct, "requeue", str(mine["id"])).status == 1
    assert len(command(direct, "discard", "--all", "--by", "ben").lines) == 3
    assert waiting(direct, 0) == []
    kept = direct.world.sql(
        "SELECT state, decided_by, value FROM gateway.dead_letter WHERE decided_by IN ('ann', 'ben')")
    assert sorted(kept) == [("discarded", "ben", None)] * 3 + [("requeued", "ann", None)]
