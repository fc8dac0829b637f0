"""Cards that nobody has claimed: those of a gateway that died end, those that wait for a database do not."""

import re
import uuid

from harness.direct import Direct, Gateway, new_card
from harness.forwarder import Forwarder
from harness.waiting import holds_for, wait_until
from harness.world import World

CLAIM_TIMEOUT = 8
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
    return gateway.program.metric("paysaga_gateway_cards_unclaimed_total")


def test_a_long_outage_of_the_database_of_processing_loses_no_card(world: World):
    """Cards of two gateways wait in memory for longer than CARD_CLAIM_TIMEOUT. Afterwards one gateway is back before the
    other, and leaves its cards alone."""
    port = world.connection.info.port
    direct = Direct(world, CARD_CLAIM_TIMEOUT=f"{CLAIM_TIMEOUT}s")
    direct.processor()
    roads = [Forwarder("127.0.0.1", port) for _ in range(2)]
    gateways = [
        direct.gateway(PROCESSING_DSN=world.dsn.replace(f":{port}/", f":{road.port}/")) for road in roads]
    try:
        for gateway in gateways:
            assert gateway.paid(new_card())["status"] == "COMPLETED"
        for road in roads:
            road.cut()
        waiting = [(gateway, gateway.pay(new_card()).json["id"]) for gateway in gateways * 5]
        wait = "SELECT count(*) FROM gateway.payment WHERE state = 'CREATED'"
        holds_for(
            lambda: world.value(wait) == len(waiting), "cards wait for the database", CLAIM_TIMEOUT + 0.5, interval=0.2)
        roads[0].mend()
        # The first one looks for forgotten cards within two seconds: those of the second are old enough.
        others = [uuid.UUID(payment) for _, payment in waiting[1::2]]
        wait += " AND id = ANY (%s)"
        holds_for(lambda: world.value(wait, others) == len(others), "the others wait on", 2.2, interval=0.2)
        roads[1].mend()
        for gateway, payment in waiting:
            found = gateway.payment(payment, wait="20s")
            assert found["status"] == "COMPLETED", found
            assert direct.bank.counts(payment) == (1, 1)
        assert [unclaimed(gateway) for gateway in gateways] == [0, 0]
        # What nobody has ends as soon as all has been well for long enough.
        [lost] = forget_cards(world, 1)
        assert gateways[0].payment(lost, wait="20s")["reason"] == "card_data_lost"
    finally:
        for program in world.programs:
            program.stop()
        for road in roads:
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
