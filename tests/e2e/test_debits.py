"""Debits that are commanded by message: spent from a user's balance once each, with a result for each."""

import json
import re
import uuid
from typing import Iterator

import pytest

from harness.audit import paysaga
from harness.direct import PARTITIONS, Direct, Gateway, account
from harness.process import Program
from harness.servers import DevKafka
from harness.surfaces import matches_schema
from harness.topics import TopicReader, produce
from harness.waiting import wait_until
from harness.world import World

NAMES = uuid.UUID("b0f1e6a4-5c0e-4f5d-9a3b-7d2c8e91f604")


class Debits:
    """A processor that carries debits out, the topics, and what is on them."""

    def __init__(self, world: World):
        self.world = world
        self.topic, self.result_topic = f"debits-{world.name}", f"debits-results-{world.name}"
        self.direct = Direct(world)
        self.gateway: Gateway = self.direct.gateway()
        for topic in (self.topic, f"{self.topic}.dlq", self.result_topic):
            world.broker.create_topic(topic, PARTITIONS)
        self.processor: Program = self.direct.processor(**self.settings)
        self.results = self.reader(self.result_topic)
        self.dead = self.reader(f"{self.topic}.dlq")

    def reader(self, topic: str) -> TopicReader:
        return TopicReader(self.world.broker.brokers, topic, PARTITIONS)

    @property
    def settings(self) -> dict[str, str]:
        return {"DEBIT_TOPIC": self.topic, "DEBIT_RESULT_TOPIC": self.result_topic,
                "DEBIT_GROUP": f"debits-{self.world.name}"}

    def push(self, *debits: dict) -> None:
        # Under the user's name, so that those of a user are carried out in their order.
        records = [(debit.get("userName", "").encode(), json.dumps(debit).encode()) for debit in debits]
        produce(self.world.broker.brokers, self.topic, records)

    def result(self, id: str) -> dict:
        """The result of a debit, once it is on the topic."""
        key = f"debit:{id}".encode()

        def look():
            [found] = [message for message in self.results.messages if message.key == key]
            return found

        message = wait_until(look, f"a result of debit {id}")
        assert message.header("ce_type").startswith("paysaga.debit."), message
        assert matches_schema("debits-results", message)
        return json.loads(message.value)

    def balance(self, account: str) -> int:
        return self.gateway.get(f"/v1/accounts/{account}").json["posted"]


@pytest.fixture(scope="module")
def debits(shared_world: World) -> Iterator[Debits]:
    made = Debits(shared_world)
    yield made
    made.results.close()
    made.dead.close()


def debit(name: str, amount: int, id: str | None = None, currency: str = "EUR") -> dict:
    return {"id": id or str(uuid.uuid4()), "userName": name, "amount": amount, "currency": currency}


def new_name() -> str:
    return f"user-{uuid.uuid4().hex[:8]}"


def test_a_debit_spends_from_the_balance_of_a_name(debits: Debits):
    name = new_name()
    account = debits.gateway.open_account(str(uuid.uuid5(NAMES, name)), 10_000)
    paid, poor = debit(name, 60), debit(name, 60)
    debits.push(paid, poor)
    assert debits.result(paid["id"]) == {"id": paid["id"], "status": "COMPLETED", "reason": None}
    assert debits.result(poor["id"]) == {"id": poor["id"], "status": "REJECTED", "reason": "insufficient_funds"}
    assert debits.balance(account) == 4_000
    # Whoever has a debit's id, or that of its event, finds what became of it.
    settings = {"PROCESSING_DSN": debits.direct.settings["PROCESSING_DSN"],
                "GATEWAY_DSN": debits.direct.settings["GATEWAY_DSN"]}
    story = paysaga(debits.world, "trace", paid["id"], **settings)
    told = {(each["part"], each["what"]): each for each in story.lines}
    assert story.status == 0 and told["debit", "COMPLETED"]["user"] == name, story
    assert told["ledger", "moved"]["debit"] == account and told["event", "published"]["topic"] == debits.result_topic
    event = told["event", "written"]["event_id"]
    assert paysaga(debits.world, "trace", "--event", event, **settings).lines == story.lines
    refused, *_ = paysaga(debits.world, "trace", "--payment", poor["id"], **settings).lines
    assert (refused["what"], refused["reason"]) == ("REJECTED", "insufficient_funds")
    stranger = debit(new_name(), 1)
    debits.push(stranger)
    assert debits.result(stranger["id"])["reason"] == "unknown_account"
    assert debits.processor.metric("paysaga_debits_messages_total", outcome="completed") >= 1


def test_a_debit_that_comes_again_has_one_effect_and_one_result(debits: Debits):
    name = new_name()
    account = debits.gateway.open_account(str(uuid.uuid5(NAMES, name)), 10_000)
    # The ids differ in their last digit only, in which the ledger's ids of one movement would be the same.
    id = str(uuid.uuid4())[:-1]
    first, second = debit(name, 10, id + "6"), debit(name, 10, id + "7")
    known = debits.processor.metric("paysaga_debits_messages_total", outcome="known")
    debits.push(first, first, second)
    debits.push(first)
    assert debits.result(first["id"])["status"] == debits.result(second["id"])["status"] == "COMPLETED"
    wait_until(lambda: debits.processor.metric("paysaga_debits_messages_total", outcome="known") >= known + 2, "two are known")
    # The money that came meanwhile does not make a rejected one good.
    poor = debit(name, 90)
    debits.push(poor)
    assert debits.result(poor["id"])["status"] == "REJECTED"
    debits.gateway.post(f"/v1/accounts/{account}/topups", {"amount": 5_000, "currency": "EUR"}, str(uuid.uuid4()))
    debits.push(poor)
    wait_until(lambda: debits.processor.metric("paysaga_debits_messages_total", outcome="known") >= known + 3, "three are known")
    assert debits.balance(account) == 13_000
    assert len([each for each in debits.results.catch_up() if each.key == f"debit:{poor['id']}".encode()]) == 1


def test_what_is_no_debit_goes_to_the_dead_letters(debits: Debits):
    good = debit(new_name(), 1)
    other = good | {"amount": 2}
    before = debits.dead.count
    debits.push(good)
    assert debits.result(good["id"])["status"] == "REJECTED"
    debits.push(other, debit("al", 1), debit("alice", 0), debit("alice", 1, currency="XXX"), {"id": 7})
    letters = debits.dead.wait_for(before + 5)[before:]
    reasons = sorted(letter.header("dlq_error") for letter in letters)
    assert any("another debit has this id" in reason for reason in reasons), reasons
    assert not any("alice" in reason for reason in reasons)


def test_a_processor_that_dies_loses_and_doubles_no_debit(debits: Debits):
    name = new_name()
    account = debits.gateway.open_account(str(uuid.uuid5(NAMES, name)), 100_000)
    wanted = [debit(name, 1) for _ in range(200)]
    debits.push(*wanted[:100])
    debits.processor.kill()
    debits.push(*wanted[100:], *wanted[:50])
    debits.processor = debits.direct.processor(**debits.settings)

    def look():
        done = {json.loads(message.value)["id"] for message in debits.results.messages}
        assert {each["id"] for each in wanted} <= done, f"{len(done)} results"
        return True

    wait_until(look, "a result of each debit", 60)
    assert debits.balance(account) == 80_000
    audited = paysaga(debits.world, "audit", "--ledger")
    assert audited.status == 0, audited


def test_a_topic_of_results_that_cannot_be_made_stops_no_payment(make_world, own_kafka: DevKafka):
    direct = Direct(make_world(kafka=own_kafka))
    debits, requests = (f"{name}-{direct.world.name}" for name in ("debits", "payment_request"))
    denied = (f"{debits}-results", requests)
    for topic in (debits, f"{debits}.dlq", *denied):
        own_kafka.create_topic(topic, PARTITIONS)
    for topic in denied:
        own_kafka.control(f"topic-error {topic} TOPIC_AUTHORIZATION_FAILED")
    settings = direct.settings | {
        "DEBIT_TOPIC": debits, "DEBIT_RESULT_TOPIC": denied[0], "DEBIT_GROUP": debits,
        "GATEWAY_DEMO_ADDR": "127.0.0.1:0", "GATEWAY_REQUEST_TOPIC": requests}
    processor, gateway = (
        direct.world.program(name, **settings).start() for name in ("payments-processor", "payments-gateway"))

    def waits(program: Program, topic: str) -> bool:
        return re.search(rf"waiting for .*{re.escape(topic)}", program.output) is not None

    try:
        paid = Gateway(gateway).paid(account())
        assert paid["status"] == "COMPLETED"
        for program, topic in zip((processor, gateway), denied):
            wait_until(lambda: waits(program, topic), f"{program.name} says that it waits for {topic}")
    finally:
        for topic in denied:
            own_kafka.control(f"topic-error {topic} 0")
    for program in (processor, gateway):
        program.wait_ready()
