"""Judges direct payments by their tables and by what the bank has done, trusting neither."""

import uuid
from collections import Counter
from dataclasses import dataclass

from .audit import paysaga
from .direct import FINAL, Direct
from .waiting import wait_until


@dataclass
class Verdict:
    states: Counter
    charged: int


def settle(direct: Direct, timeout: float = 90) -> None:
    """Waits until every payment is final in both places, and hurries those that the bank is asked about."""

    def look() -> bool:
        direct.hurry()
        open_payments = direct.world.sql("SELECT id, state, stage FROM processing.payment WHERE stage <> 'done'")
        assert not open_payments, f"{len(open_payments)} are open: {open_payments[:3]}"
        late = direct.world.sql(
            "SELECT id, state, version FROM gateway.payment WHERE state NOT IN ('COMPLETED', 'REJECTED', 'ERROR')")
        assert not late, f"{len(late)} are not final in the gateway: {late[:3]}"
        return True

    wait_until(look, "all payments are final", timeout, interval=0.5)


def check(direct: Direct, taken: set[str]) -> Verdict:
    """D1 to D4 of what is settled. `taken` are the payments that a caller was told of."""
    world, operations = direct.world, direct.bank.operations()
    payments = {str(id): row for id, *row in world.sql("SELECT id, state, version, reason FROM gateway.payment")}
    executed = {str(id): row for id, *row in world.sql("SELECT id, state, version, reason FROM processing.payment")}
    # Refunds are payments of processing's own.
    refunds = {str(id) for [id] in world.sql("SELECT id FROM processing.payment WHERE refund_of IS NOT NULL")}
    methods = {str(id): method for id, method in world.sql("SELECT id, method FROM processing.payment")}
    assert taken <= set(payments), f"lost: {sorted(taken - set(payments))[:3]}"
    assert not set(executed) - set(payments) - refunds, "processing has payments that nobody made"
    # The gateway ends by itself what nobody executed.
    for id, row in payments.items():
        assert row[0] in FINAL and executed.get(id, row) == row, f"{id}: {row} and {executed.get(id)}"

    # Once each, and exactly those that are COMPLETED.
    completed = {id for id, row in executed.items() if row[0] == "COMPLETED" and methods[id] != "balance"}
    charges = {id: each["charges"] for id, each in operations.items() if each["charges"]}
    assert set(charges) == completed, (
        f"charged and not COMPLETED: {sorted(set(charges) - completed)[:3]};"
        f" COMPLETED and not charged: {sorted(completed - set(charges))[:3]}")
    twice = {id: each for id, each in operations.items() if each["charges"] > 1 or each["requests"] > 1}
    assert not twice, f"asked or charged twice: {list(twice.items())[:3]}"

    check_ledger(direct)
    # After a crash events may be on a topic twice.
    report = paysaga(world, "audit", "--part", "direct", "--allow-duplicates", **direct.settings)
    assert report.status == 0, report
    orders = world.sql(
        "SELECT p.id, s.status::text, s.reason FROM processing.payment p LEFT JOIN payment s USING (order_id)"
        " WHERE p.state = 'COMPLETED' AND p.order_id IS NOT NULL")
    unsettled = [row for row in orders if row[1:] != ("COMPLETED", f"direct:{row[0]}")]
    assert not unsettled, f"orders that are paid and not settled: {unsettled[:3]}"
    exceptions = world.sql("SELECT payment_id, kind, detail FROM processing.exception WHERE closed_at IS NULL")
    assert not exceptions, exceptions
    return Verdict(Counter(row[0] for row in payments.values()), len(charges))


def check_ledger(direct: Direct) -> None:
    """Sums are zero, nothing is held, and every account has what its transfers say."""
    balances = {
        id: (currency, posted, pending) for id, currency, posted, pending in direct.world.sql("""
            SELECT a.id, a.currency, (a.posted + coalesce(sum(d.posted), 0))::bigint,
                   (a.pending + coalesce(sum(d.pending), 0))::bigint
            FROM ledger.account a LEFT JOIN ledger.account_delta d ON d.account = a.id GROUP BY a.id""")}
    sums: Counter[str] = Counter()
    for currency, posted, _ in balances.values():
        sums[currency] += posted
    assert not any(sums.values()), f"the ledger does not sum to zero: {sums}"
    held = {id: row for id, row in balances.items() if row[2]}
    assert not held, f"held although every payment is final: {held}"
    moved = {id: amount for id, amount in direct.world.sql("""
        SELECT account, sum(amount)::bigint FROM (
          SELECT credit AS account, amount FROM ledger.transfer WHERE kind IN (1, 3)
          UNION ALL SELECT debit, -amount FROM ledger.transfer WHERE kind IN (1, 3)) both_sides GROUP BY account""")}
    wrong = {id: (row[1], moved.get(id, 0)) for id, row in balances.items() if row[1] != moved.get(id, 0)}
    assert not wrong, f"accounts that do not have what their transfers say: {wrong}"
    posted = {row[0]: row[1:] for row in direct.world.sql(
        "SELECT coalesce(pending_id, id), debit, credit, amount, currency FROM ledger.transfer WHERE kind IN (1, 3)")}
    for id, state, *movement in direct.world.sql(
            "SELECT id, state, debit, credit, amount, currency FROM processing.payment"):
        # A payment's transfer has its id but for the last four bits.
        found = posted.get(uuid.UUID(int=id.int & ~0xF))
        assert found == (tuple(movement) if state == "COMPLETED" else None), f"{id} is {state} and posted {found}"
