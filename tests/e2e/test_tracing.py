"""Tracing: what programs tell a collector, from a message or call to the event on the topic."""

import uuid
from typing import Iterator

import pytest

from harness.collector import Collector
from harness.direct import Direct, account, new_card
from harness.receiver import Receiver, add_endpoint
from harness.waiting import wait_until
from harness.world import World, inventory_message

ORDER = 111


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


def traceparent(trace: int) -> tuple[str, str]:
    return f"{trace:032x}", f"00-{trace:032x}-00f067aa0ba902b7-01"


def test_one_trace_goes_from_the_message_or_call_to_the_event(world: World, collector: Collector):
    # Only what others record, so that the test knows all spans.
    settings = collector.settings(OTEL_TRACES_SAMPLER="parentbased_always_off")
    consumer = world.consumer(**settings)
    server = world.server(**settings)
    opened, parent = traceparent(0xA)
    world.push(inventory_message(ORDER), headers=[("traceparent", parent.encode())])
    world.wait_for_payments(1)
    settled, call_parent = traceparent(0xB)
    world.client(server).settle(ORDER, metadata=[("traceparent", call_parent)])
    # No trace, and one that is not recorded: nothing of them comes.
    world.client(server).create(ORDER + 1)
    world.client(server).create(ORDER + 2, metadata=[("traceparent", f"00-{0xC:032x}-00f067aa0ba902b7-00")])
    events = {message.header("ce_id"): message for message in world.events.wait_for(4)}
    publish = f"publish {world.topic}"

    found = collector.await_spans(opened, f"process {world.inventory}", "create payments", publish)
    message, batch, event = found[f"process {world.inventory}"], found["create payments"], found[publish]
    assert (message.service, message.kind, message.parent) == ("payments-consumer", "consumer", "00f067aa0ba902b7")
    assert message.attributes["paysaga.order_id"] == ORDER and message.attributes["messaging.kafka.offset"] == 0
    assert (batch.kind, batch.parent, batch.attributes) == ("internal", message.id, {"messaging.batch.message_count": 1})
    assert (event.service, event.kind, event.parent) == ("payments-server", "producer", message.id)
    assert events[event.attributes["messaging.message.id"]].header("traceparent") == message.context
    assert message.message.start_time_unix_nano <= batch.message.start_time_unix_nano
    assert batch.message.end_time_unix_nano <= message.message.end_time_unix_nano

    method = "payments.v1.PaymentService/UpdatePaymentStatus"
    found = collector.await_spans(settled, method, "settle payments", publish)
    call, batch, event = found[method], found["settle payments"], found[publish]
    assert (call.service, call.kind, call.parent) == ("payments-server", "server", "00f067aa0ba902b7")
    assert call.attributes["rpc.grpc.status_code"] == 0
    assert batch.parent == call.id and event.parent == call.id
    assert events[event.attributes["messaging.message.id"]].header("traceparent") == call.context
    assert collector.trace(f"{0xC:032x}") == []
    for program in (consumer, server):
        assert program.stop() == 0
    assert len(collector.trace(opened)) == 3 and len(collector.trace(settled)) == 3


def test_an_expiry_is_a_trace_that_goes_to_the_event(world: World, collector: Collector):
    server = world.server(PAYMENT_TTL="1s", **collector.settings())
    world.client(server).create(ORDER)
    expired = [message for message in world.events.wait_for(2)
               if message.header("ce_type") == "paysaga.payment.failed"]
    trace = expired[0].header("traceparent").split("-")[1]
    found = collector.await_spans(trace, "expire payments", f"publish {world.topic}")
    sweep = found["expire payments"]
    assert (sweep.service, sweep.kind, sweep.parent) == ("payments-server", "internal", "")
    assert sweep.attributes == {"paysaga.payments": 1}
    assert found[f"publish {world.topic}"].parent == sweep.id and expired[0].header("traceparent") == sweep.context


def test_a_trace_goes_on_after_the_processor_was_killed(world: World, collector: Collector):
    direct = Direct(world, **collector.settings(OTEL_TRACES_SAMPLER="parentbased_always_off"))
    first = direct.processor()
    gateway = direct.gateway()
    direct.bank.behave(delay_ms=3_000)
    with Receiver() as receiver:
        add_endpoint(gateway, receiver.url("/hook"), "payment.completed")
        id, parent = traceparent(0x1D)
        body = {"user_id": str(uuid.uuid4()), "method": account(), "amount": 1999, "currency": "EUR"}
        made = gateway.post("/v1/payments", body, key=str(uuid.uuid4()), traceparent=parent).json
        unrecorded = gateway.post("/v1/payments", body, key=str(uuid.uuid4())).json
        wait_until(lambda: len(direct.bank.operations()) == 2, "the bank is asked")
        first.kill()
        direct.bank.behave(delay_ms=0)
        direct.processor()

        def ended() -> bool:
            direct.hurry()
            assert gateway.payment(made["id"])["status"] == "COMPLETED"
            return True

        wait_until(ended, "another processor finds out", 60, interval=0.5)
        found = collector.await_spans(
            id, "POST /v1/payments", "bank inquire", f"publish {direct.results_topic}", "take results in",
            "webhook payment.completed")
        request = found["POST /v1/payments"]
        assert {span.parent for name, span in found.items() if name != request.name} == {request.id}, found
    kept = dict(world.sql("SELECT id::text, traceparent FROM processing.payment"))
    assert kept[made["id"]].split("-")[1] == id and kept[unrecorded["id"]] is None


def test_a_webhook_is_part_of_its_trace_after_a_restart_of_the_gateway(world: World, collector: Collector):
    direct = Direct(world, **collector.settings(OTEL_TRACES_SAMPLER="parentbased_always_off"))
    direct.processor()
    first = direct.gateway()
    with Receiver() as receiver:
        receiver.behaviours["/hook"] = lambda message, number: None
        add_endpoint(first, receiver.url("/hook"), "payment.completed", "refund.completed")
        id, parent = traceparent(0x3F)
        body = {"user_id": str(uuid.uuid4()), "method": account(), "amount": 1999, "currency": "EUR"}
        made = first.post("/v1/payments", body, key=str(uuid.uuid4()), traceparent=parent).json
        unrecorded = first.post("/v1/payments", body, key=str(uuid.uuid4())).json
        receiver.await_messages("/hook", 2)
        assert first.refund(made["id"]).status in (200, 201, 202)
        wait_until(lambda: world.value("SELECT count(*) FROM gateway.webhook_queue") == 3, "three webhooks wait")
        first.program.kill()
        kept = {(str(payment), refund is not None): trace for payment, refund, trace in world.sql(
            "SELECT payment_id, refund_id, traceparent FROM gateway.webhook_queue")}
        assert kept[unrecorded["id"], False] is None
        request = kept[made["id"], False]
        assert request.split("-")[1] == id and kept[made["id"], True] == request
        receiver.behaviours.clear()
        direct.gateway()
        found = collector.await_spans(id, "webhook payment.completed", "webhook refund.completed")
        assert {span.parent for name, span in found.items() if name.startswith("webhook")} == {request.split("-")[2]}
        for name in ("payment", "refund"):
            span = found[f"webhook {name}.completed"]
            sent = [message for message in receiver.messages("/hook") if message.headers.get("traceparent") == span.context]
            assert [message.headers["webhook-id"] for message in sent] == [span.attributes["paysaga.webhook_id"]]


def test_one_trace_goes_from_the_request_to_bank_result_and_webhook(world: World, collector: Collector):
    direct = Direct(world, **collector.settings(OTEL_TRACES_SAMPLER="parentbased_always_off"))
    direct.processor()
    gateway = direct.gateway()
    with Receiver() as receiver:
        add_endpoint(gateway, receiver.url("/hook"), "payment.completed")
        for trace, method, claims in ((0xD, new_card(), False), (0xE, account(), True)):
            id, parent = traceparent(trace)
            body = {"user_id": str(uuid.uuid4()), "method": method, "amount": 1999, "currency": "EUR"}
            answer = gateway.post("/v1/payments", body, key=str(uuid.uuid4()), traceparent=parent)
            assert answer.status == 201, answer
            names = ["POST /v1/payments", "take payments in", "bank charge", f"publish {direct.results_topic}",
                     "take results in", "webhook payment.completed"]
            names += [f"publish {direct.payments_topic}", "claim payments"] if claims else []
            found = collector.await_spans(id, *names)
            request = found["POST /v1/payments"]
            assert (request.service, request.kind, request.parent) == ("payments-gateway", "server", "00f067aa0ba902b7")
            assert request.attributes["http.response.status_code"] == 201
            for name in names[1:]:
                assert found[name].parent == request.id, (name, found[name])
            assert found["bank charge"].service == ("payments-processor" if claims else "payments-gateway")
            webhook = found["webhook payment.completed"]
            assert webhook.attributes["paysaga.payment_id"] == answer.json["id"]
            sent = [message for message in receiver.await_messages("/hook", 1)
                    if message.headers["webhook-id"] == webhook.attributes["paysaga.webhook_id"]]
            assert [message.headers["traceparent"] for message in sent] == [webhook.context]
