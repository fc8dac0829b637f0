"""The bank's statements: `paysaga reconcile` on the real programs, the exceptions that it opens, and clearing."""

import subprocess
import time

import pytest

from harness import direct_oracle
from harness.audit import Answer, paysaga
from harness.direct import ACCOUNT, DECLINED_ACCOUNT, Direct, account, card
from harness.direct_oracle import await_horizon, complete
from harness.process import BINARIES
from harness.terminal import Terminal
from harness.waiting import wait_until
from harness.world import World


@pytest.fixture(params=["csv", "ndjson"])
def form(request) -> str:
    return request.param


def statement(direct: Direct, form: str = "csv") -> str:
    """The path of the bank's statement as it is now."""
    path = direct.world.directory / f"statement-{time.monotonic_ns()}"
    answer = direct.bank.call("GET", f"/statement?format={form}")
    assert answer.status == 200, answer
    path.write_bytes(answer.body)
    return str(path)


def reconcile(direct: Direct, path: str, *options: str) -> Answer:
    return paysaga(direct.world, "reconcile", "--statement", path, *options, **direct.settings)


def counts(answer: Answer) -> dict[str, int]:
    """What was counted, without the zeros."""
    names = ("matched", "resolved", "undecided", "contradicted", "missing_here", "missing_there", "amount_differs",
             "duplicate", "settled")
    return {name: answer.only[name] for name in names if answer.only[name]}


def clearing(direct: Direct, *options: str) -> tuple[int, list[dict], dict[str, int]]:
    """Exit status, days, and the balances of clearing and suspense."""
    answer = paysaga(direct.world, "reconcile", "clearing", *options, **direct.settings)
    return (answer.status, [line for line in answer.lines if "day" in line],
            {line["account"]: line["posted"] for line in answer.lines if "account" in line})


def end_the_day(direct: Direct) -> None:
    """As if the statements were complete to the end of this day."""
    direct.world.sql("UPDATE processing.statement SET complete_to = complete_to + interval '1 day'")


def test_a_statement_ends_what_is_unknown_and_brings_clearing_to_zero(world: World, form: str):
    direct = Direct(world, BANK_REVERSAL="false")
    direct.processor()
    gateway = direct.gateway()
    paid = [gateway.paid(card()), gateway.paid(account(), amount=500)]
    refused = gateway.paid(account(DECLINED_ACCOUNT))
    # The bank charges the first one and not the second one; it answers neither, nor any question.
    direct.bank.behave(script=["lost_answer", "closed"], faults={})
    charged = gateway.pay(account(), amount=700).json["id"]
    gateway.await_status(charged, "UNKNOWN")
    direct.bank.behave(script=["closed"], faults={"error_500": 1000})
    never = gateway.pay(account()).json["id"]
    gateway.await_status(never, "UNKNOWN")
    assert gateway.payment(charged)["status"] == "UNKNOWN"
    await_horizon(direct)
    until = complete(direct)
    path = statement(direct, form)

    status, [day], balances = clearing(direct)
    assert (status, day["open"], day["due"], balances["clearing"]) == (0, 2499, False, -2499)
    foreseen = reconcile(direct, path, *until, "--dry-run")
    assert (foreseen.status, counts(foreseen)) == (0, {"matched": 3, "resolved": 2, "settled": 3}), foreseen
    assert gateway.payment(charged)["status"] == "UNKNOWN"
    done = reconcile(direct, path, *until)
    assert (done.status, counts(done)) == (0, counts(foreseen)), done
    final = [gateway.await_status(each, "COMPLETED", "ERROR") for each in (charged, never)]
    assert [(each["status"], each["reason"]) for each in final] == [
        ("COMPLETED", None), ("ERROR", "bank_never_charged")], final

    status, [day], balances = clearing(direct)
    assert (status, day["charges"], day["charged"], day["open"], day["due"]) == (0, 3, 3199, 0, False), day
    assert balances["clearing"] == 0, balances
    before = world.sql("SELECT count(*), sum(amount) FROM ledger.transfer")
    again = reconcile(direct, path, *until)
    assert again.status == 0 and again.only["repeated"] and counts(again) == counts(done), again
    # Also for another time, as after a comparison that broke off: everything is written once.
    other = reconcile(direct, path)
    assert (other.status, counts(other)) == (0, {"matched": 4}), other
    assert world.sql("SELECT count(*), sum(amount) FROM ledger.transfer") == before
    evidence = world.sql("SELECT payment_id::text, answer, detail FROM processing.attempt WHERE call = 'statement'")
    assert {(id, said) for id, said, _ in evidence} == {(charged, "approved"), (never, "no_such_payment")}, evidence
    direct.bank.behave(faults={})
    direct_oracle.settle(direct)
    direct_oracle.check(direct, {each["id"] for each in [*paid, refused, *final]})


def test_each_fault_of_a_statement_is_an_exception_that_a_person_closes(world: World):
    direct = Direct(world)
    direct.processor()
    gateway = direct.gateway()
    lost, double, other, denied, beside = [gateway.paid(account())["id"] for _ in range(5)]
    direct.bank.behave(statement_script=["missing", "duplicate", "other_amount", "other_status", "foreign"])
    await_horizon(direct)
    found = reconcile(direct, statement(direct), *complete(direct))
    assert found.status == 1, found
    assert counts(found) == {"matched": 2, "contradicted": 1, "missing_here": 1, "missing_there": 1, "amount_differs": 1,
                             "duplicate": 1, "settled": 2}, found
    foreign = str(next(each["id"] for each in found.only["findings"] if each["kind"] == "missing_here"))
    assert {(each["id"], each["kind"]) for each in found.only["findings"]} == {
        (lost, "missing_there"), (double, "duplicate_in_statement"), (other, "amount_differs"),
        (denied, "completed_not_charged"), (foreign, "missing_here")}
    # The books themselves agree, and nobody's state has changed.
    report = paysaga(world, "audit", "--part", "direct", **direct.settings)
    assert (report.status, report.lines[0]["exceptions"]) == (0, 5), report
    assert {gateway.payment(each)["status"] for each in (lost, double, other, denied, beside)} == {"COMPLETED"}
    end_the_day(direct)
    today = time.strftime("%Y-%m-%d", time.gmtime())
    status, [day], _ = clearing(direct, "--day", today)
    assert (status, day["open_count"], day["due"]) == (1, 3, True), day
    unsettled = paysaga(world, "reconcile", "clearing", "--day", today, **direct.settings).lines
    assert {each["payment_id"] for each in unsettled if "payment_id" in each} == {lost, other, denied}, unsettled
    # On a terminal each part is a table, with its own head.
    with Terminal(world, "reconcile", "clearing", "--day", today, columns=200, **direct.settings) as terminal:
        assert terminal.wait() == 1
        lines = terminal.read().decode().split("\r\n")
    heads = [line.split()[:3] for line in lines if line.isupper()]
    assert heads == [["DAY", "CURRENCY", "CHARGES"], ["PAYMENT_ID", "TRANSFER_ID", "AT"], ["ACCOUNT", "CURRENCY", "POSTED"]], lines
    assert not [line for line in lines if "currency=" in line], lines

    listed = paysaga(world, "exceptions", **direct.settings).lines
    assert {each["payment_id"] for each in listed} == {lost, double, other, denied, foreign}
    shown = paysaga(world, "exceptions", "show", other, **direct.settings).only
    assert [each["exception"] for each in shown["exceptions"]] == ["amount_differs"] and "19.98" in shown["exceptions"][0]["detail"]
    assert shown["payment"]["state"] == "COMPLETED" and [each["answer"] for each in shown["attempts"]] == ["approved"]
    assert paysaga(world, "exceptions", "show", foreign, **direct.settings).only["payment"] is None
    nameless = paysaga(world, "exceptions", "close", other, **direct.settings)
    assert nameless.status == 2 and "--note" in nameless.error
    closed = paysaga(world, "exceptions", "close", other, "--note", "typing error", "--by", "ann", **direct.settings)
    assert closed.only == {"payment_id": other, "closed": "amount_differs", "by": "ann"}
    assert paysaga(world, "exceptions", "close", other, "--note", "again", **direct.settings).status == 1
    kept = paysaga(world, "exceptions", "show", other, **direct.settings).only["exceptions"][0]
    assert (kept["closed_by"], kept["note"]) == ("ann", "typing error") and kept["closed_at"]
    assert len(paysaga(world, "exceptions", "list", **direct.settings).lines) == 4


def test_a_statement_that_cannot_be_read_changes_nothing(world: World):
    text = (b"operation_id,amount,currency,status,time\n"
            b"0198c5b2-6c1e-7d55-8a1b-3f2f0a9c7e10,19.99,EUR,succeed,2026-11-26T10:00:00Z\n"
            b"0198c5b2-6c1e-7d55-8a1b-3f2f0a9c7e11,19.999,EUR,succeed,2026-11-26T10:00:00Z\n")
    path = world.directory / "bad.csv"
    path.write_bytes(text)
    refused = paysaga(world, "reconcile", "--statement", str(path))
    assert refused.status == 2 and "bad.csv, line 3: amount: more decimals" in refused.error, refused
    assert world.sql("SELECT count(*) FROM processing.exception") == [(0,)]
    piped = subprocess.run(
        [BINARIES / "paysaga", "reconcile", "--statement", "-"], input=text.replace(b"19.999", b"19.99"),
        env=world.environment(), capture_output=True, timeout=60)
    assert piped.returncode == 1 and b"missing_here=2" in piped.stdout, piped
    absent = paysaga(world, "reconcile", "--statement", str(world.directory / "none.csv"))
    assert absent.status == 2 and "No such file" in absent.error
    for options, problem in (
            (("--complete-to", "1h"), "--complete-to needs --complete-from"),
            (("--complete-from", "1h", "--complete-to", "2h"), "--complete-from is after --complete-to"),
            (("--complete-from", "1h", "--complete-to", "2100-01-01T00:00:00Z"), "--complete-to is in the future")):
        unclear = paysaga(world, "reconcile", "--statement", str(path), *options)
        assert unclear.status == 2 and problem in unclear.error, unclear


def test_the_wrong_file_opens_no_exceptions(world: World):
    rows = [f"0198c5b2-6c1e-7d55-8a1b-{number:012x},19.99,EUR,succeed,2026-11-26T10:00:00Z" for number in range(1001)]
    path = world.directory / "theirs.csv"
    path.write_text("\n".join(["operation_id,amount,currency,status,time", *rows, ""]))
    refused = paysaga(world, "reconcile", "--statement", str(path))
    assert refused.status == 2 and "1001 of the 1001 operations of theirs.csv are of nobody here" in refused.error, refused
    assert world.sql("SELECT count(*) FROM processing.exception") == [(0,)]
    assert paysaga(world, "reconcile", "--statement", str(path), "--dry-run").only["missing_here"] == 1001
    assert paysaga(world, "reconcile", "--statement", str(path), "--force").only["missing_here"] == 1001
    assert world.sql("SELECT count(*) FROM processing.exception") == [(1001,)]


def test_a_refund_and_a_charge_without_a_payment_settle_like_charges(world: World):
    direct = Direct(world)
    direct.processor()
    gateway = direct.gateway()
    paid = gateway.paid(account())
    back = gateway.refund(paid["id"], 500)
    assert (back.status, back.json["status"]) == (201, "COMPLETED"), back
    found = reconcile(direct, statement(direct), *complete(direct))
    assert (found.status, counts(found)) == (0, {"matched": 2, "settled": 2}), found
    end_the_day(direct)
    status, [day], balances = clearing(direct)
    assert (status, day["charged"], day["refunded"], day["open"], day["due"]) == (0, 1999, 500, 0, True), day
    assert (balances["clearing"], balances["suspense"]) == (0, 0)
    # The bank says that it has charged what it had declined here: the money goes back by itself.
    refused = gateway.paid(account(DECLINED_ACCOUNT), amount=700)
    direct.bank.behave(statement_script=[None, None, "other_status"])
    wrong = reconcile(direct, statement(direct))
    assert (wrong.status, counts(wrong)) == (1, {"matched": 2, "contradicted": 1, "settled": 1}), wrong

    def aside() -> bool:
        [(count,)] = world.sql(
            "SELECT count(*) FROM ledger.transfer WHERE amount = 700 AND kind = 1"
            " AND debit = '00000000-0000-0002-0000-000000455552'")
        return count == 1

    wait_until(aside, "the charge is put aside", 20)
    assert gateway.payment(refused["id"])["status"] == "REJECTED"


def test_a_charge_that_cannot_go_back_is_moved_out_of_suspense(world: World):
    direct = Direct(world)
    direct.processor()
    gateway = direct.gateway()
    direct.bank.program.kill()
    payment = gateway.pay(account()).json["id"]
    gateway.await_status(payment, "PROCESSING")
    assert gateway.post(f"/v1/payments/{payment}/cancel").json["reason"] == "cancelled"
    direct.bank.program.start().wait_ready()
    # The bank charges it all the same, and takes nothing back.
    [(user,)] = world.sql("SELECT user_id FROM processing.payment WHERE id = %s", payment)
    charge = {"operation_id": payment, "user_id": str(user), "amount": 19.99, "currency": "EUR", "account_number": ACCOUNT}
    assert direct.bank.call("POST", "/payment", charge).json["status"] == "succeed"
    direct.bank.behave(approval=0)
    found = reconcile(direct, statement(direct))
    assert (found.status, counts(found)) == (1, {"contradicted": 1, "settled": 1}), found
    assert gateway.await_refund(payment, "REJECTED")["cause"] == "charged_not_completed"
    assert clearing(direct)[2] == {"clearing": 0, "suspense": 1999}

    def release(*words: str) -> Answer:
        return paysaga(world, "reconcile", "release", payment, *words, "--by", "ann", **direct.settings)

    for words, problem in ((("--to", "fees"), "needs --note"), (("--note", "why"), "needs --to"),
                           (("--to", "suspense", "--note", "why"), "expects fees, world, clearing or the id of a user's account")):
        refused = release(*words)
        assert refused.status == 2 and problem in refused.error, refused
    foreign = release("--to", "00000000-0000-0002-0000-000000455552", "--note", "into clearing")
    assert foreign.status == 1 and "there is no user's account" in foreign.error, foreign
    never = release("--to", "clearing", "--note", "never made")
    assert never.status == 1 and "a statement lists the charge" in never.error, never
    moved = release("--to", "fees", "--note", "the bank agrees")
    assert moved.status == 0 and moved.only == {
        "payment_id": payment, "account_id": "00000000-0000-0003-0000-000000455552", "amount_minor": 1999,
        "currency": "EUR", "by": "ann", "repeated": False}, moved
    assert release("--to", "fees", "--note", "once more").only == moved.only | {"by": None, "repeated": True}
    elsewhere = release("--to", "world", "--note", "elsewhere")
    assert elsewhere.status == 1 and "moved to another account before" in elsewhere.error, elsewhere

    status, _, balances = clearing(direct)
    assert (status, balances) == (0, {"clearing": 0, "suspense": 0})
    ours = paysaga(world, "accounts", "list", "--currency", "EUR", **direct.settings).lines
    assert {each["kind"]: each["posted"] for each in ours} == {"clearing": 0, "fees": 1999, "suspense": 0, "world": -1999}
    [entry] = paysaga(world, "operations", "list", "--outbox", "processing", "--action", "suspense_release",
                      **direct.settings).lines
    assert (entry["actor"], entry["key"]) == ("ann", payment) and entry["detail"].endswith("the bank agrees"), entry
    # Another statement lists it again: the exception is closed by itself, and names who has moved the charge.
    again = reconcile(direct, statement(direct, "ndjson"))
    assert (again.status, counts(again)) == (1, {"matched": 1, "contradicted": 1}), again
    wait_until(lambda: not paysaga(world, "exceptions", **direct.settings).lines, "the exception is closed", 30)
    [kept] = paysaga(world, "exceptions", "show", payment, **direct.settings).only["exceptions"]
    assert (kept["closed_by"], kept["note"]) == ("ann", "the bank agrees")
    assert gateway.await_refund(payment, "REJECTED") and gateway.payment(payment)["status"] == "REJECTED"
    report = paysaga(world, "audit", "--part", "direct", **direct.settings)
    assert report.status == 0, report


def test_a_time_without_a_statement_is_a_gap(world: World):
    path = world.directory / "quiet.csv"
    path.write_text("operation_id,amount,currency,status,time\n")
    midnight = int(time.time()) // 86_400 * 86_400

    def day(number: int) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(midnight + number * 86_400))

    def compare(first: int, last: int) -> None:
        done = paysaga(world, "reconcile", "--statement", str(path), "--complete-from", day(first), "--complete-to", day(last))
        assert done.status == 0, done

    def gaps() -> tuple[int, list[tuple[str, str]]]:
        answer = paysaga(world, "reconcile", "clearing")
        return answer.status, [(line["gap_from"][:10], line["gap_to"][:10]) for line in answer.lines if "gap_from" in line]

    assert gaps() == (0, [])
    # A day is left out, and the newest is of two days ago: yesterday's may still come.
    compare(-5, -4)
    compare(-3, -2)
    assert gaps() == (1, [(day(-4)[:10], day(-3)[:10]), (day(-2)[:10], day(-1)[:10])])
    compare(-4, -3)
    assert gaps() == (1, [(day(-2)[:10], day(-1)[:10])])
    compare(-3, -1)
    assert gaps() == (0, [])
