"""The main job as its users see it: kcat in, tables in the middle, gRPC, kcat out."""

import json
import subprocess

from harness import oracle
from harness.rpc import COMPLETED
from harness.waiting import holds_for, wait_until
from harness.world import World, inventory_message

ORDER = 111
LINE = b'{"idempotent_key":"d978c560-fdba-4e84-b3f1-b570d8d95e4c","order_id":111,"status":"COMPLETED"}'


def kcat(world: World, *arguments: str, text: bytes = b"") -> str:
    command = ["kcat", "-b", world.broker.brokers, "-X", "topic.metadata.refresh.interval.ms=1000", *arguments]
    done = subprocess.run(command, input=text, capture_output=True, timeout=60, check=True)
    return done.stdout.decode()


def test_an_inventory_message_becomes_a_payment_and_an_event(world: World):
    # Without a relay the event is seen waiting.
    world.consumer()
    kcat(world, "-P", "-t", world.inventory, text=LINE + b"\n")
    world.wait_for_payments(1)
    assert world.sql("SELECT order_id, status::text, version, idempotent_key::text FROM payment") == [
        (ORDER, "CREATED", 1, "d978c560-fdba-4e84-b3f1-b570d8d95e4c")]
    assert world.sql("SELECT key, seq, topic, status::text, reserved_to FROM event") == [
        (str(ORDER), 1, world.topic, "WAIT", None)]

    server = world.server()
    world.wait_until_published(1)
    [(status, reserved_to, done_at)] = world.sql("SELECT status::text, reserved_to, done_at FROM event")
    assert status == "DONE" and reserved_to is not None and done_at is not None
    printed = kcat(world, "-C", "-t", world.topic, "-o", "beginning", "-e", "-q", "-f", "%k %s\n").splitlines()
    assert len(printed) == 1
    key, _, value = printed[0].partition(" ")
    event = json.loads(value)
    assert key == str(ORDER)
    assert (event["order_id"], event["status"], event["version"]) == (ORDER, "CREATED", 1)

    # Sent again it changes nothing: when a later message has been taken, this one has been passed.
    before = world.sql("SELECT * FROM payment")
    kcat(world, "-P", "-t", world.inventory, text=LINE + b"\n" + LINE + b"\n")
    wait_until(lambda: world.lag() == 0, "the repeated messages are committed")
    assert world.sql("SELECT * FROM payment") == before
    assert world.value("SELECT count(*) FROM event") == 1
    holds_for(lambda: world.events.count <= 1, "a repeated message was published", 0.5)

    answer = world.client(server).settle(ORDER)
    assert answer.status == COMPLETED and answer.version == 2
    assert oracle.check(world) == oracle.Verdict(payments=1, events=2, messages=2, duplicates=0)


def test_the_settling_is_on_the_topic_within_a_second(world: World):
    server = world.server()
    client = world.client(server)
    world.events.catch_up()
    for order in range(1, 6):
        client.create(order)
    world.events.wait_for(5)
    for order in range(1, 6):
        client.settle(order)
        wait_until(lambda: world.events.count >= 5 + order, f"the event of order {order}", timeout=1.0)
    oracle.check(world)


def test_a_trace_goes_from_the_message_or_call_to_its_event(world: World):
    def trace(span: int) -> str:
        return f"00-4bf92f3577b34da6a3ce929d0e0e4736-{span:016x}-01"

    world.consumer()
    server = world.server()
    world.push(inventory_message(ORDER), headers=[("traceparent", trace(1).encode())])
    world.push(inventory_message(ORDER + 1), headers=[("traceparent", b"nonsense")])
    world.wait_for_payments(2)
    client = world.client(server)
    client.settle(ORDER, metadata=[("traceparent", trace(2))])
    client.create(ORDER + 2, metadata=[("traceparent", trace(3))])
    found = {(message.key.decode(), message.header("seq")): message.header("traceparent")
             for message in world.events.wait_for(4)}
    assert found == {("111", "1"): trace(1), ("112", "1"): None, ("111", "2"): trace(2), ("113", "1"): trace(3)}


def test_many_orders_from_message_to_event(world: World):
    world.consumer()
    server = world.server()
    world.push_orders(range(1, 501))
    world.wait_for_payments(500)
    client = world.client(server)
    calls = [
        client.payments.UpdatePaymentStatus.future(request, timeout=20)
        for request in (settle_request(order) for order in range(1, 501))
    ]
    for call in calls:
        call.result()
    verdict = oracle.check(world)
    assert verdict == oracle.Verdict(payments=500, events=1000, messages=1000, duplicates=0)


def settle_request(order: int):
    from harness.rpc import FAILED, payments

    status, reason = (COMPLETED, "") if order % 2 else (FAILED, f"Grund {order}: ungültig \"\\\n\t\u0001 😀")
    return payments.UpdatePaymentStatusRequest(order_id=order, status=status, reason=reason)
