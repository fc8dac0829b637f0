"""Judges direct payments by their tables and by what the bank has done, trusting neither."""

import uuid
from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from .audit import Faults, paysaga
from .direct import FINAL, Direct
from .direct_load import Load, reconcile
from .waiting import wait_until

LONG_AGO = "2000-01-01T00:00:00Z"


@dataclass
class Verdict:
    states: Counter
    charged: int
    # By cause and state.
    refunds: Counter
    # Payments and refunds that were UNKNOWN for a while.
    unknown: int
    # Exceptions that wait for a person, by kind.
    exceptions: Counter
    # Events that are on a topic more than once.
    copies: int


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


def await_horizon(direct: Direct) -> None:
    """Waits until the bank cannot charge any more what it was asked for, and its statement must list it."""
    # 2 s, BANK_TIMEOUT and BANK_HORIZON.
    over = ("SELECT coalesce(max(asked_at), '-infinity') < clock_timestamp() - interval '5 s' FROM processing.attempt"
            " WHERE call IN ('charge', 'refund')")
    wait_until(lambda: direct.world.sql(over) == [(True,)], "no charge can come any more", 20)


def complete(direct: Direct) -> tuple[str, ...]:
    """What says that the statement lists everything until now."""
    [(now,)] = direct.world.sql(
        "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
    return "--complete-from", LONG_AGO, "--complete-to", now


def check(
    direct: Direct, taken: set[str], behind: set[str] = frozenset(), people: set[str] = frozenset(),
    faults: Faults | None = None
) -> Verdict:
    """D1 to D4 of what is settled.

    `taken` are the payments that a caller was told of, `behind` those that the bank has charged unasked. `people` are the
    kinds of exceptions that may be open. With `faults`, copies on topics were published around one of them.
    """
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
    expected = completed | behind
    assert set(charges) == expected, (
        f"charged and not COMPLETED: {sorted(set(charges) - expected)[:3]};"
        f" COMPLETED and not charged: {sorted(expected - set(charges))[:3]}")
    twice = {id: each for id, each in operations.items()
             if each["charges"] > 1 or each["requests"] > 1 and id not in behind}
    assert not twice, f"asked or charged twice: {list(twice.items())[:3]}"
    check_amounts(direct, {id: operations[id] for id in charges})

    check_ledger(direct)
    # After a crash events may be on a topic twice.
    report = paysaga(world, "audit", "--part", "direct", "--allow-duplicates", "--limit", "100000", **direct.settings)
    assert report.status == 0, report
    copies = [each for line in report.lines for each in line.get("offenders", []) if each["kind"] == "duplicate"]
    stray = [each for each in copies if faults and not faults.explain(
        datetime.fromisoformat(each["written_at"]).timestamp())]
    assert not stray, f"{len(stray)} of {len(copies)} copies without a fault nearby: {stray[:3]}, {faults}"
    orders = world.sql(
        "SELECT p.id, s.status::text, s.reason FROM processing.payment p LEFT JOIN payment s USING (order_id)"
        " WHERE p.state = 'COMPLETED' AND p.order_id IS NOT NULL AND NOT EXISTS ("
        " SELECT FROM processing.exception e WHERE e.payment_id = p.id AND e.kind = 'order_dead')")
    unsettled = [row for row in orders if row[1:] != ("COMPLETED", f"direct:{row[0]}")]
    assert not unsettled, f"orders that are paid and not settled: {unsettled[:3]}"
    exceptions = world.sql("SELECT payment_id, kind, detail FROM processing.exception WHERE closed_at IS NULL")
    assert {kind for _, kind, _ in exceptions} <= people, exceptions
    causes = Counter(world.sql("SELECT cause, state FROM processing.payment WHERE refund_of IS NOT NULL"))
    unknown = world.value("SELECT count(DISTINCT payment_id) FROM processing.attempt WHERE call = 'inquire'")
    return Verdict(Counter(row[0] for row in payments.values()), len(charges), causes, unknown,
                   Counter(kind for _, kind, _ in exceptions), len(copies))


def check_amounts(direct: Direct, charged: dict[str, dict]) -> None:
    """The bank has moved what the tables say, and given back no more of a charge than that."""
    amounts = {str(id): amount for id, amount in direct.world.sql("SELECT id, amount FROM processing.payment")}
    moved = {id: each["amount_minor"] for id, each in charged.items()}
    wrong = {id: (amount, amounts[id]) for id, amount in moved.items() if amount != amounts[id]}
    assert not wrong, f"the bank has moved other amounts: {list(wrong.items())[:3]}"
    back: Counter[str] = Counter()
    for id, each in charged.items():
        if "refund_of" in each:
            back[each["refund_of"]] += moved[id]
    more = {id: amount for id, amount in back.items() if amount > moved[id]}
    assert not more, f"more was given back than charged: {more}"


# What a person decides: the bank has refused to give back, its word may be older than its reversal, or it has not
# acknowledged five reversals in a row.
FOR_PEOPLE = {"order_dead", "charged_not_completed", "charge_doubtful", "reversal_not_acknowledged"}


def check_refunded(direct: Direct, load: Load, faults: Faults, patience: float) -> Verdict:
    """All of `check` after a load with refunds, and that the money of dead orders and of charges without a payment went
    back, unless the bank has refused to; then clearing has returned to zero."""
    world = direct.world
    waits = ("SELECT e.payment_id, e.kind FROM processing.exception e WHERE e.closed_at IS NULL"
             " AND e.kind IN ('order_dead', 'charged_not_completed') AND NOT EXISTS (SELECT FROM processing.payment r"
             " WHERE r.refund_of = e.payment_id AND r.cause = e.kind AND r.state = 'REJECTED')")

    def returned() -> bool:
        settle(direct, patience)
        waiting = world.sql(waits)
        assert not waiting, waiting
        return True

    wait_until(returned, "money goes back by itself", patience, interval=1)
    # Also of what has gone back since the statement was compared.
    await_horizon(direct)
    refunded = reconcile(direct, *complete(direct))
    assert refunded.status in (0, 1) and refunded.only["undecided"] == 0, refunded
    wait_until(returned, "exceptions that were found once more are closed", patience, interval=1)
    verdict = check(direct, load.taken, load.behind, FOR_PEOPLE, faults)
    lost = set(load.refunds) - {str(id) for [id] in world.sql("SELECT id FROM processing.payment WHERE refund_of IS NOT NULL")}
    assert not lost, f"refunds that a caller was told of, and that are not there: {sorted(lost)[:3]}"
    doubtful = world.sql("SELECT payment_id::text FROM processing.exception WHERE kind = 'charge_doubtful'")
    operations = direct.bank.operations()
    assert not [id for [id] in doubtful if operations[id]["charges"]], doubtful
    days = paysaga(world, "reconcile", "clearing", **direct.settings)
    balances = {line["account"]: line["posted"] for line in days.lines if "account" in line}
    aside = world.value(
        "SELECT coalesce(sum(amount), 0)::bigint FROM processing.payment p WHERE id = ANY (%s::uuid[]) AND NOT EXISTS ("
        "SELECT FROM processing.payment r WHERE r.refund_of = p.id AND r.state = 'COMPLETED')", sorted(load.behind))
    assert balances == {"clearing": 0, "suspense": aside}, (days, aside)
    assert all(line["open"] == 0 for line in days.lines if "day" in line), days
    return verdict


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
