"""The books of direct payments on the command line: accounts, exceptions, payments and their audit."""

import uuid

from harness.audit import paysaga
from harness.direct import Direct
from harness.waiting import wait_until
from harness.world import World


def account(world: World) -> str:
    opened, = paysaga(world, "accounts", "open", "--user", str(uuid.uuid4()), "--currency", "EUR").lines
    assert opened["opened"] and opened["available"] == 0
    return opened["id"]


def payment(world: World, state: str, order: int | None = None) -> str:
    """A payment as both contexts have it once it is final; nothing of it is in the ledger."""
    identity = str(uuid.uuid4())[:-1] + "0"
    row = {"id": identity, "state": state, "order": order}
    world.sql(
        "INSERT INTO processing.payment (id, user_id, payee_id, method, source, amount, currency, debit, credit, order_id,"
        " since, state, version, reason, stage, has_hold, inquiries) VALUES (%s, gen_random_uuid(), gen_random_uuid(),"
        " 'account', '4711', 1999, 'EUR', gen_random_uuid(), gen_random_uuid(), %s, now(), %s, 3, NULL, 'done', false, 0)",
        row["id"], row["order"], row["state"])
    world.sql(
        "INSERT INTO gateway.payment (id, user_id, payee_id, method, masked, amount, currency, order_id, created_at, state,"
        " version, since) SELECT id, user_id, payee_id, method, '****4711', amount, currency, order_id, since, state,"
        " version, now() FROM processing.payment WHERE id = %s", identity)
    world.sql(
        "INSERT INTO gateway.payment_state SELECT id, version, state, reason, since FROM gateway.payment WHERE id = %s",
        identity)
    if order:
        world.sql("INSERT INTO gateway.order_claim VALUES (%s, %s)", order, identity)
    return identity


def test_a_top_up_and_a_spend_are_carried_out_once(world: World):
    owned = account(world)
    topped, = paysaga(world, "accounts", "topup", owned, "--amount-minor", "1999").lines
    again, = paysaga(world, "accounts", "topup", owned, "--amount-minor", "1999", "--id", topped["id"]).lines
    assert again == {**topped, "repeated": True} and not topped["repeated"]
    other = paysaga(world, "accounts", "topup", owned, "--amount-minor", "2000", "--id", topped["id"])
    assert other.status == 1 and "its amount differs" in other.error
    assert paysaga(world, "accounts", "spend", owned, "--amount-minor", "1500").status == 0
    poor = paysaga(world, "accounts", "spend", owned, "--amount-minor", "500")
    assert poor.status == 1 and "insufficient_funds" in poor.error
    shown, = paysaga(world, "accounts", "get", owned).lines
    assert (shown["posted"], shown["pending"], shown["available"]) == (499, 0, 499)
    entries = paysaga(world, "accounts", "entries", owned).lines
    assert [(entry["side"], entry["posted"]) for entry in entries] == [("debit", -1500), ("credit", 1999)]
    assert paysaga(world, "accounts", "list", "--user", shown["owner"]).lines == [shown]
    audited, = paysaga(world, "audit", "--part", "direct").lines
    assert (audited["outcome"], audited["transfers"]) == ("agree", 2)


def test_a_sabotaged_balance_and_payment_are_found(world: World):
    owned = account(world)
    paysaga(world, "accounts", "topup", owned, "--amount-minor", "100")
    world.sql("UPDATE ledger.account SET posted = 101 WHERE id = %s", owned)
    false = payment(world, "COMPLETED", order=7)
    answer = paysaga(world, "audit", "--part", "direct")
    assert answer.status == 1, answer
    report, = answer.lines
    found = {(offender["kind"], offender["id"]) for offender in report["offenders"]}
    assert found == {
        ("balance", owned), ("balance", None), ("posting", false), ("attempt", false), ("order", false)}, report


def test_what_is_sealed_is_verified_and_a_balance_is_shown_as_it_was(world: World):
    """`payments-processor` seals; whoever changes a transfer afterwards, with all balances, is found by the chain."""
    direct = Direct(world)
    direct.processor()
    owned = account(world)
    first, = paysaga(world, "accounts", "topup", owned, "--amount-minor", "100").lines
    second, = paysaga(world, "accounts", "topup", owned, "--amount-minor", "20").lines
    for moment, posted in ((first["at"], 0), (second["at"], 100), ("2099-01-01T00:00:00Z", 120)):
        shown, = paysaga(world, "accounts", "get", owned, "--at", moment).lines
        assert (shown["posted"], shown["available"]) == (posted, posted), (moment, shown)
    wait_until(lambda: world.sql("SELECT sum(transfers) FROM ledger.block")[0][0] == 2, "both are sealed", timeout=30)
    shown, = paysaga(world, "accounts", "get", owned, "--at", second["at"]).lines
    assert shown["posted"] == 100
    audited, = paysaga(world, "audit", "--ledger").lines
    assert audited["outcome"] == "agree" and audited["blocks"] > 0, audited
    assert paysaga(world, "audit", "--ledger", "--head", audited["head"]).status == 0
    [processor] = direct.processors
    assert processor.metric("paysaga_ledger_transfers_sealed_total") == 2
    assert processor.metric("paysaga_ledger_unsealed_seconds") == 0
    # A forgery in transfers and balances alike.
    world.sql("UPDATE ledger.transfer SET amount = amount + 5 WHERE id = (SELECT id FROM ledger.transfer ORDER BY at LIMIT 1)")
    world.sql("UPDATE ledger.account SET posted = posted + CASE WHEN id = %s THEN 5 ELSE -5 END"
              " WHERE id = %s OR kind = 5 AND currency = 'EUR'", owned, owned)
    forged = paysaga(world, "audit", "--ledger")
    report, = forged.lines
    assert forged.status == 1 and report["chain"] > 0 and report["balance"] == 0, report
    assert any(offender["detail"].startswith("block 1 ") for offender in report["offenders"]), report


def test_exceptions_and_payments_are_shown(world: World):
    assert paysaga(world, "exceptions").lines == []
    paid = payment(world, "COMPLETED", order=7)
    world.sql(
        "INSERT INTO processing.exception (payment_id, kind, detail) VALUES (%s, 'order_dead', 'order 7 has failed')", paid)
    waiting, = paysaga(world, "exceptions", "list").lines
    assert waiting == {
        "payment_id": paid, "kind": "order_dead", "opened_at": waiting["opened_at"], "state": "COMPLETED",
        "amount_minor": 1999, "currency": "EUR", "order_id": 7, "detail": "order 7 has failed"}
    listed, = paysaga(world, "payments", "list", "--order", "7", "--status", "completed").lines
    assert (listed["id"], listed["number"], listed["version"]) == (paid, "****4711", 3)
    assert paysaga(world, "payments", "get", paid).lines == [listed]
    history, exception = paysaga(world, "payments", "history", paid).lines
    assert (exception["exception"], exception["operation_id"]) == ("order_dead", paid)
    assert (history["status"], history["version"]) == ("COMPLETED", 3)
    assert paysaga(world, "payments", "list", "--status", "UNKNOWN").lines == []
    old = "01900000-0000-7000-8000-000000000001"
    world.sql("UPDATE gateway.payment SET id = %s, state = 'CREATED', version = 1", old)
    unclaimed = ("payments", "list", "--status", "created", "--older")
    assert [each["id"] for each in paysaga(world, *unclaimed, "5m").lines] == [old]
    assert paysaga(world, *unclaimed, "100000d").lines == []
    both = paysaga(world, *unclaimed, "5m", "--to", "1h")
    assert both.status == 2 and "--to and --older exclude each other" in both.error
    absent = paysaga(world, "payments", "get", str(uuid.uuid4()))
    assert absent.status == 1 and "there is no payment" in absent.error
