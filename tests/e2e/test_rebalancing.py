"""Cooperative rebalancing: members come, go and die under flow, and only the partitions that move pause."""

import json
import re

from harness import oracle
from harness.flow import Flow
from harness.process import Program
from harness.waiting import wait_until
from harness.world import World

COOPERATIVE = {"KAFKA_PARTITION_ASSIGNMENT_STRATEGY": "cooperative-sticky"}


def moves(program: Program, words: str) -> list[int]:
    """The partitions that it took over or gave up since it was started."""
    found = re.findall(rf'{words} partitions .*?partitions="?(\[[\d, ]*\])', program.output)
    return [place for list_of_places in found for place in json.loads(list_of_places)]


def share_all(world: World, *members: Program) -> None:
    """Waits until these members hold all partitions, each of them some."""

    def look():
        shares = [member.metric("paysaga_inventory_partitions") for member in members]
        assert sum(shares) == world.partitions and min(shares) > 0, shares
        return True

    wait_until(look, f"{[member.name for member in members]} hold all partitions", 30)


def test_cooperative_members_come_go_and_die_under_flow(world: World):
    settings = COOPERATIVE | world.broker.quick_groups
    first, second, third = [world.program("payments-consumer", REDIS_DSN="", **settings) for _ in range(3)]
    world.cron()
    # In librdkafka 2.0.2 a member that is freed before its first assignment aborts.
    early = world.program("payments-consumer", REDIS_DSN="", CONSUMER_GROUP=f"{world.group}-early", **settings)
    for member in (first, second, early):
        member.start()
    early.wait_for_output("consuming")
    assert early.stop() == 0
    share_all(world, first, second)
    flow = Flow(world)
    try:
        flow.passes()
        before = [len(moves(member, "gave up")) for member in (first, second)]
        third.start()
        share_all(world, first, second, third)
        after = [len(moves(member, "gave up")) for member in (first, second)]
        assert sum(after) - sum(before) == 1, "of four partitions one moves, and none pauses for it"
        flow.passes()
        first.kill()
        # The one that goes tells the group, which then finds that the other does not answer.
        assert second.stop() == 0
        share_all(world, third)
        flow.passes()
    finally:
        flow.end()
    wait_until(lambda: world.lag() == 0, "every inventory message is committed", 30)
    assert oracle.check(world) == oracle.Verdict(flow.orders, flow.orders, flow.orders, 0)
    assert sorted(moves(third, "took over")) == list(range(world.partitions))
    assert world.reader(world.dead_letters).catch_up() == []
