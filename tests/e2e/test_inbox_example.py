"""The example of docs/inbox.md: a service that is not ours turns messages of two topics into transactions."""

from pathlib import Path

from harness.process import BINARIES, ROOT, Process, clean_environment
from harness.topics import produce
from harness.waiting import wait_until
from harness.world import World


def test_the_document_holds_the_example():
    code = Path(ROOT, "tests/inbox-example/main.swift").read_text()
    assert f"```swift\n{code}```" in Path(ROOT, "docs/inbox.md").read_text()


def test_another_service_uses_two_inboxes(world: World):
    returns = f"returns-{world.name}"
    for topic in (returns, f"{returns}.dlq"):
        world.broker.create_topic(topic, world.partitions)
    service = Process(
        "inbox-example",
        [str(BINARIES / "inbox-example"), world.dsn, world.broker.brokers, world.inventory, returns],
        clean_environment(), world.directory / "inbox-example.log")

    def send(topic: str, *values: str) -> None:
        produce(world.broker.brokers, topic, [(b"key", value.encode()) for value in values])

    # One key, so one partition and one batch; each of the middle ones would spoil the transaction of the others.
    send(world.inventory, "1 1500", "nonsense", "2 -5", "3 99999999999", "1 1500", "4 250")
    send(returns, "1 1490", "1490")
    service.start()
    letters = world.reader(world.dead_letters).wait_for(3, 30)
    assert [(each.value, each.header("dlq_offset"), each.header("dlq_error")) for each in sorted(
        letters, key=lambda each: int(each.header("dlq_offset")))] == [
        (b"nonsense", "1", "expected an order and a weight"), (b"2 -5", "2", "the weight must be above 0"),
        (b"3 99999999999", "3", "the weight is too large"),
    ]
    assert world.reader(f"{returns}.dlq").wait_for(1)[0].value == b"1490"
    assert service.stop() == 0
    parcels = [(1, "paid", 1500), (1, "returns", 1490), (4, "paid", 250)]
    assert world.sql("SELECT order_id, kind, weight_g FROM parcel ORDER BY 1, 2") == parcels
    for line in ('paid_messages_total{outcome="stored"} 2', 'paid_messages_total{outcome="duplicate"} 1',
                 'paid_messages_total{outcome="dead_lettered"} 3', 'returns_messages_total{outcome="stored"} 1'):
        assert line in service.output, line

    # The offsets were committed: the next run sees only what is new.
    send(world.inventory, "5 100")
    service.start()
    wait_until(lambda: world.value("SELECT count(*) FROM parcel") == 4, "the new parcel")
    assert service.stop() == 0
    assert 'paid_messages_total{outcome="stored"} 1' in service.printed
    assert 'paid_messages_total{outcome="duplicate"} 0' in service.printed
