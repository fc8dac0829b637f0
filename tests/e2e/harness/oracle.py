"""Compares the tables with the topic, trusting neither."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass

from . import audit
from .audit import Faults
from .topics import Message
from .world import World

SOURCE = "/paysaga/payments"


@dataclass
class Verdict:
    payments: int
    events: int
    messages: int
    duplicates: int


def check(
    world: World, duplicates_allowed: bool = False, timeout: float = 30.0, faults: Faults | None = None
) -> Verdict:
    """Nothing lost, nothing doubled, order kept, and tables and topic tell the same story; `paysaga audit` agrees.

    Waits until no event waits. A duplicate, where it is allowed, is a copy with the same identity and number; with
    `faults` it was published around one of them.
    """
    world.wait_until_published(timeout=timeout)
    messages = world.events.catch_up(timeout)
    payments = _payments(world)
    events = _events(world)
    _check_tables(payments, events)
    duplicates = _check_messages(events, messages)
    assert duplicates_allowed or faults or duplicates == 0, f"{duplicates} messages are on the topic twice"
    _check_order(messages)
    verdict = Verdict(len(payments), len(events), len(messages), duplicates)
    report = audit.check(world, faults, copies_allowed=duplicates_allowed)
    assert verdict == Verdict(report["payments"], report["done"], report["messages"], report["duplicate"]), report
    return verdict


def _payments(world: World) -> dict[int, dict]:
    rows = world.sql("SELECT order_id, id, status::text, reason, version FROM payment")
    assert len({row[0] for row in rows}) == len(rows), "an order has two payments"
    return {row[0]: dict(zip(("order_id", "id", "status", "reason", "version"), row)) for row in rows}


def _events(world: World) -> dict[str, dict]:
    names = ("event_id", "id", "key", "seq", "topic", "payload", "status", "reserved_to", "done_at", "attempts")
    rows = world.sql(
        "SELECT event_id::text, id, key, seq, topic, payload, status::text, reserved_to, done_at, attempts FROM event")
    events = {row[0]: dict(zip(names, row)) for row in rows}
    assert len(events) == len(rows), "an event identity is there twice"
    return events


def _check_tables(payments: dict[int, dict], events: dict[str, dict]) -> None:
    by_order = defaultdict(dict)
    for event in events.values():
        assert event["status"] == "DONE", f"event {event['id']} is {event['status']}"
        assert event["reserved_to"] is not None and event["done_at"] is not None, event
        assert event["attempts"] == 1, f"event {event['id']} took {event['attempts']} attempts"
        order = int(event["key"])
        assert event["seq"] not in by_order[order], f"order {order} has seq {event['seq']} twice"
        by_order[order][event["seq"]] = event
    assert set(by_order) == set(payments), f"orders differ: {set(by_order) ^ set(payments)}"
    for order, payment in payments.items():
        own = by_order[order]
        assert sorted(own) == list(range(1, payment["version"] + 1)), f"order {order}: {sorted(own)} for {payment}"
        ids = [own[seq]["id"] for seq in sorted(own)]
        assert ids == sorted(ids), f"order {order}: ids {ids} are not in the order of seq"
        for seq, event in own.items():
            _check_payload(event, payment, seq)


def _check_payload(event: dict, payment: dict, seq: int) -> None:
    told = json.loads(event["payload"])
    is_last = seq == payment["version"]
    status = payment["status"] if is_last else "CREATED"
    expected = {
        "idempotent_key": event["event_id"], "order_id": payment["order_id"], "status": status,
        "payment_id": payment["id"], "version": seq, "reason": payment["reason"] if is_last else "",
    }
    assert {name: told[name] for name in expected} == expected, f"{told} for {payment}"
    assert told["occurred_at"].endswith("Z"), told


def _check_messages(events: dict[str, dict], messages: list[Message]) -> int:
    seen: Counter[str] = Counter()
    for message in messages:
        identity = message.header("ce_id")
        assert identity in events, f"a message the tables do not know: {message}"
        event = events[identity]
        seen[identity] += 1
        assert message.value == event["payload"], f"{message} differs from {event}"
        assert message.key == event["key"].encode(), message
        assert message.header("seq") == str(event["seq"]), message
        assert message.header("ce_specversion") == "1.0", message
        assert message.header("ce_source") == SOURCE, message
        status = json.loads(message.value)["status"]
        assert message.header("ce_type") == f"paysaga.payment.{status.lower()}", message
        assert message.header("ce_time"), message
    missing = set(events) - set(seen)
    assert not missing, f"{len(missing)} of {len(events)} events are not on the topic: {sorted(missing)[:3]}"
    return sum(count - 1 for count in seen.values())


def _check_order(messages: list[Message]) -> None:
    """Within a key, numbers first appear as 1, 2, 3, …, all in one partition."""
    places: dict[bytes, set[int]] = defaultdict(set)
    first: dict[bytes, list[int]] = defaultdict(list)
    for message in sorted(messages, key=lambda message: (message.partition, message.offset)):
        number = int(message.header("seq"))
        places[message.key].add(message.partition)
        if number not in first[message.key]:
            first[message.key].append(number)
    for key, numbers in first.items():
        assert len(places[key]) == 1, f"key {key!r} is in partitions {places[key]}"
        assert numbers == list(range(1, len(numbers) + 1)), f"key {key!r} appears as {numbers}"
