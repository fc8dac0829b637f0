"""Finished payments move to the archive, are read as before, and are never executed again."""

import json

import pytest

from harness.audit import paysaga
from harness.direct import Direct, account, card
from harness.topics import produce
from harness.waiting import wait_until
from harness.world import World

# Everything about the payments lies forty days back, their ids too. The chain over transfers, which knows the ids of
# those that it has sealed, begins anew.
AGE = """
CREATE FUNCTION pg_temp.earlier(id uuid) RETURNS uuid LANGUAGE sql AS $$
  SELECT (lpad(to_hex(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint - 40 * 86400000::bigint), 12, '0')
          || substr(replace(id::text, '-', ''), 13))::uuid $$;
UPDATE gateway.payment SET id = pg_temp.earlier(id), created_at = created_at - interval '40 days',
                           since = since - interval '40 days';
UPDATE gateway.payment_state SET payment_id = pg_temp.earlier(payment_id);
UPDATE processing.payment SET id = pg_temp.earlier(id), updated_at = updated_at - interval '40 days';
UPDATE processing.attempt SET payment_id = pg_temp.earlier(payment_id);
UPDATE risk.decision SET payment_id = pg_temp.earlier(payment_id);
UPDATE ledger.transfer SET id = pg_temp.earlier(id), pending_id = pg_temp.earlier(pending_id);
DELETE FROM ledger.block;
DELETE FROM ledger.account_day;
"""


@pytest.fixture
def direct(world: World) -> Direct:
    return Direct(world)


def test_archived_payments_are_read_as_before_and_never_executed_again(direct: Direct, world: World):
    processor, gateway = direct.processor(), direct.gateway()
    paid = [gateway.paid(account()), gateway.paid(card())]
    assert [each["status"] for each in paid] == ["COMPLETED"] * 2
    # Whatever was written about them is published.
    wait_until(lambda: world.sql("SELECT count(*) FROM processing.event_wait")[0][0] == 0, "all results are published")
    processor.stop()
    gateway.program.stop()
    charges = {id: each["charges"] for id, each in direct.bank.operations().items()}
    world.sql(AGE)
    before = {
        table: world.sql(f"SELECT * FROM {table} ORDER BY 1, 2")
        for table in ("gateway.all_payment", "gateway.all_payment_state", "processing.all_payment", "processing.all_attempt")}
    ids = [str(row[0]) for row in world.sql("SELECT id FROM gateway.payment ORDER BY id")]
    user = str(world.sql("SELECT user_id FROM gateway.payment WHERE id = %s", ids[0])[0][0])

    processor, gateway = direct.processor(), direct.gateway()
    wait_until(lambda: gateway.program.metric("paysaga_gateway_archived_total") == 2, "the gateway's are archived")
    wait_until(lambda: processor.metric("paysaga_processing_archived_total") == 2, "those of processing are archived")
    for table, rows in before.items():
        assert world.sql(f"SELECT * FROM {table} ORDER BY 1, 2") == rows, table
        assert world.sql(f"SELECT count(*) FROM {table.replace('all_', '')}") == [(0,)], table

    # Read as before, over HTTP and by the command line.
    for id in ids:
        assert (gateway.payment(id)["status"], gateway.payment(id, wait="1s")["id"]) == ("COMPLETED", id)
        history = gateway.get(f"/v1/payments/{id}/history").json
        assert [each["status"] for each in history["data"]] == ["CREATED", "PROCESSING", "COMPLETED"]
        assert [(each["call"], each["answer"]) for each in history["attempts"]] == [("charge", "approved")]
    assert [each["id"] for each in gateway.get("/v1/payments").json["data"]] == ids[::-1]
    assert [each["id"] for each in gateway.get(f"/v1/payments?user_id={user}").json["data"]] == ids[:1]
    settings = direct.settings
    assert [each["id"] for each in paysaga(world, "payments", "list", **settings).lines] == ids[::-1]
    lines = paysaga(world, "payments", "history", ids[0], **settings).lines
    assert [each.get("status") or each.get("call") for each in lines] == ["CREATED", "PROCESSING", "COMPLETED", "charge"]
    assert world.sql("SELECT masked_card_number, payment_status FROM gateway.all_payment_information ORDER BY 1") == [
        ("************4242", "succeed"), ("****0001", "succeed")]
    assert world.sql("SELECT count(*) FROM gateway.actual_payment_information") == [(0,)]

    # Its message again, a cancel, and a result again.
    assert gateway.post(f"/v1/payments/{ids[0]}/cancel").problem == (409, "already_final", None)
    known = processor.metric("paysaga_direct_payments_messages_total", outcome="known")
    instruction = {
        "payment_id": ids[0], "user_id": user, "payee_id": paid[0]["payee_id"], "method": account(), "amount_minor": 1999,
        "currency": "EUR", "created_at": "2026-01-01T00:00:00.000000Z"}
    again = [(ids[0].encode(), json.dumps(instruction).encode())]
    produce(world.broker.brokers, direct.payments_topic, again)
    wait_until(
        lambda: processor.metric("paysaga_direct_payments_messages_total", outcome="known") == known + 1,
        "the message finds its payment")
    result = {"payment_id": ids[1], "version": 3, "state": "COMPLETED", "occurred_at": "2026-01-01T00:00:00.000000Z"}
    late = gateway.program.metric("paysaga_results_messages_total", outcome="late")
    produce(world.broker.brokers, direct.results_topic, [(ids[1].encode(), json.dumps(result).encode())])
    wait_until(
        lambda: gateway.program.metric("paysaga_results_messages_total", outcome="late") == late + 1, "the result is known")
    assert {id: each["charges"] for id, each in direct.bank.operations().items()} == charges
    assert world.sql("SELECT id FROM processing.all_payment ORDER BY id") == [row[:1] for row in before["processing.all_payment"]]
    audit = paysaga(world, "audit", "--part", "direct", "--allow-duplicates", **settings)
    assert audit.lines[0]["outcome"] == "agree", audit
