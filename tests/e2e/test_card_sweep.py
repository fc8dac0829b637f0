"""Cards that nobody has claimed: those of a gateway that died end, those that wait for a database do not."""

import re

from harness.direct import Direct, Gateway, new_card
from harness.forwarder import Forwarder
from harness.waiting import holds_for, wait_until
from harness.world import World

CLAIM_TIMEOUT = 1
# Of one look: CardSweep.swift.
LIMIT = 200


def forget_cards(world: World, count: int, age: int = 1, currency: str = "EUR") -> set[str]:
    """As when a gateway died between its transaction and the claim. Those of a higher age come first; those with a
    currency that is none cannot be read."""
    return {str(id) for id, in world.sql(
        """WITH made AS (
             INSERT INTO gateway.payment (id, user_id, payee_id, method, card_brand, card_last4, amount, currency,
               created_at, since)
             SELECT (to_char(100 - %s, 'FM000') || substr(gen_random_uuid()::text, 4))::uuid, gen_random_uuid(),
                    gen_random_uuid(), 'card', 'visa', '4242', 1999, %s, now(), now()
             FROM generate_series(1, %s) RETURNING id),
           listed AS (INSERT INTO gateway.card_waiting SELECT id, now() - interval '1 hour' FROM made)
           SELECT id FROM made""", age, currency, count)}


def listed(world: World) -> set[str]:
    return {str(id) for id, in world.sql("SELECT payment_id FROM gateway.card_waiting")}


def told(gateway: Gateway) -> int:
    """How many cards it has said that it cannot end; the log gathers lines that are alike."""
    lines = re.findall(
        r"nobody claimed cannot be ended .*?(?:repeated=(\d+))?$", gateway.program.output, re.MULTILINE)
    return sum(int(repeated or 1) for repeated in lines)


def unclaimed(gateway: Gateway) -> float:
    return gateway.program.metric("gateway_cards_unclaimed_total")


def test_a_long_outage_of_the_database_of_processing_loses_no_card(world: World):
    """Cards of two gateways wait in memory for longer than CARD_CLAIM_TIMEOUT; neither ends those of the other."""
    road = Forwarder("127.0.0.1", world.connection.info.port)
    dsn = world.dsn.replace(f":{world.connection.info.port}/", f":{road.port}/")
    assert dsn != world.dsn
    direct = Direct(world, PROCESSING_DSN=dsn, CARD_CLAIM_TIMEOUT=f"{CLAIM_TIMEOUT}s")
    direct.processor()
    gateways = [direct.gateway(), direct.gateway()]
    try:
        for gateway in gateways:
            assert gateway.paid(new_card())["status"] == "COMPLETED"
        road.cut()
        waiting = [(gateway, gateway.pay(new_card()).json["id"]) for gateway in gateways * 5]

        def all_wait() -> bool:
            return world.value("SELECT count(*) FROM gateway.payment WHERE state = 'CREATED'") == len(waiting)

        holds_for(all_wait, "cards wait for the database", 4 * CLAIM_TIMEOUT, interval=0.2)
        road.mend()
        for gateway, payment in waiting:
            found = gateway.payment(payment, wait="30s")
            assert found["status"] == "COMPLETED", found
            assert direct.bank.counts(payment) == (1, 1)
        assert [unclaimed(gateway) for gateway in gateways] == [0, 0]
        # What nobody has ends as soon as all has been well for long enough.
        [lost] = forget_cards(world, 1)
        assert gateways[0].payment(lost, wait="20s")["reason"] == "card_data_lost"
    finally:
        road.mend()
        for program in world.programs:
            program.stop()
        road.close()


def test_the_sweep_goes_on_behind_cards_that_it_cannot_end(world: World):
    """A whole look of rows that nobody can read, and behind them some that can be ended."""
    unreadable = forget_cards(world, LIMIT, age=2, currency="ZZZ")
    readable = forget_cards(world, 3)
    direct = Direct(world)
    direct.processor()
    gateways = [direct.gateway(), direct.gateway()]
    for payment in readable:
        found = gateways[0].payment(payment, wait="20s")
        assert (found["status"], found["reason"]) == ("ERROR", "card_data_lost"), found
    assert {str(id) for id, in world.sql("SELECT id FROM processing.payment")} == readable
    wait_until(lambda: listed(world) == unreadable, "those that cannot be read stay on the list")
    for gateway in gateways:
        wait_until(lambda: told(gateway) == LIMIT, f"each is told once, not {told(gateway)} times")
