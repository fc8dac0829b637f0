"""The example of docs/outbox.md: a service that is not ours puts events into its own transactions."""

import json
from pathlib import Path

from harness.process import BINARIES, ROOT, Process, clean_environment
from harness.waiting import wait_until
from harness.world import World


def test_the_document_holds_the_example():
    code = Path(ROOT, "tests/example/main.swift").read_text()
    assert f"```swift\n{code}```" in Path(ROOT, "docs/outbox.md").read_text()


def test_another_service_uses_the_outbox(world: World):
    reader = world.events
    service = Process(
        "outbox-example", [str(BINARIES / "outbox-example"), world.dsn, world.broker.brokers, world.topic],
        clean_environment(), world.directory / "outbox-example.log")
    service.start()
    wait_until(
        lambda: world.value("SELECT count(*) FROM shipping.event_done") == 4, "the example's events are DONE")
    assert service.stop() == 0
    messages = reader.catch_up()
    assert [json.loads(each.value)["order_id"] for each in messages].count(1) == 2
    assert [each.header("seq") for each in messages if each.key == b"1"] == ["1", "2"]
    assert {each.header("ce_type") for each in messages} == {"shipping.order.shipped"}
    assert world.value("SELECT count(*) FROM shipping.event_shard WHERE owner IS NOT NULL") == 0
    # The outbox that was there already has seen none of it.
    assert world.value("SELECT count(*) FROM public.event") == 0
    assert world.value("SELECT max(epoch) FROM public.event_shard") == 0
