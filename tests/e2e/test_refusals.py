"""A broker that refuses, and records as any producer may write them: the programs say why, wait, and go on."""

import signal
import subprocess
import time

import pytest

from harness.process import BINARIES
from harness.servers import DevKafka
from harness.waiting import holds_for, wait_until
from harness.world import World, inventory_message

LAST_TIME = 2**63 - 1


@pytest.fixture
def kafka(own_kafka: DevKafka):
    """Refuses nothing when the test ends."""
    yield own_kafka
    for request in ("Produce", "InitProducerId", "FindCoordinator"):
        own_kafka.control(f"clear {request}")


def obstacle(program, check: str) -> str:
    """What the program says is in the way; empty when nothing is."""
    status, report = program.readiness()
    found = report["checks"].get(check, {"ok": True, "detail": ""})
    assert found["ok"] == (found["detail"] == "") and (found["ok"] or status == 503), report
    return found["detail"]


def cli(world: World, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [str(BINARIES / "paysaga"), *arguments], env=world.environment(), capture_output=True, text=True, timeout=60)


def test_a_relay_without_rights_backs_off_and_says_so(make_world, kafka: DevKafka):
    world: World = make_world(kafka=kafka)
    kafka.control("error InitProducerId 10000 CLUSTER_AUTHORIZATION_FAILED")
    cron = world.program("payments-cron", LOG_LEVEL="info").start()
    wait_until(lambda: "uthoriz" in obstacle(cron, "publishing"), "the refusal is told")
    before, cpu = cron.output.count("\n"), cron.cpu_seconds()
    time.sleep(4)
    # 1,020 lines a second and 40 % of a core before there was a backoff.
    assert cron.output.count("\n") - before < 40 and cron.cpu_seconds() - cpu < 1
    assert cron.output.count("events are not published") == 1
    kafka.control("clear InitProducerId")
    world.push_orders([2])
    world.consumer()
    world.wait_until_published(1)
    wait_until(lambda: obstacle(cron, "publishing") == "", "the refusal is over")


def test_a_topic_that_is_gone_or_denied_is_named(make_world, kafka: DevKafka):
    world: World = make_world(kafka=kafka)
    cron, consumer = world.cron(), world.consumer()
    for program, check, topic in (
            (cron, "publishing", world.topic), (consumer, "consuming", world.inventory),
            (consumer, "dead_letters", world.dead_letters)):
        for error in ("TOPIC_AUTHORIZATION_FAILED", "UNKNOWN_TOPIC_OR_PART"):
            kafka.control(f"topic-error {topic} {error}")
            wait_until(lambda: topic in obstacle(program, check) and error in obstacle(program, check),
                       f"{check}: {error} is told")
        kafka.control(f"topic-error {topic} 0")
        wait_until(lambda: obstacle(program, check) == "", f"{check} goes on")
    world.push_orders([1])
    world.wait_until_published(1)


def test_a_group_without_rights_is_named(make_world, kafka: DevKafka):
    world: World = make_world(kafka=kafka)
    kafka.control("error FindCoordinator 10000 GROUP_AUTHORIZATION_FAILED")
    consumer = world.program("payments-consumer").start()
    wait_until(lambda: "GROUP_AUTHORIZATION_FAILED" in obstacle(consumer, "consuming"), "the refusal is told")
    kafka.control("clear FindCoordinator")
    world.push_orders([1])
    world.wait_for_payments(1)
    wait_until(lambda: obstacle(consumer, "consuming") == "", "the refusal is over")


def test_commands_without_rights_say_so_at_once(make_world, kafka: DevKafka):
    world: World = make_world(kafka=kafka)
    denied = "TOPIC_AUTHORIZATION_FAILED"
    for topic in (world.inventory, world.dead_letters, world.topic):
        kafka.control(f"topic-error {topic} {denied}")
    for command in (("push", "--order", "1"), ("inventory", "requeue"), ("watch", "--count", "1"), ("audit",)):
        began = time.monotonic()
        answer = cli(world, *command)
        assert answer.returncode == 1 and denied in answer.stderr, f"{command}: {answer.stderr}"
        assert time.monotonic() - began < 5, command
    for topic in (world.inventory, world.dead_letters, world.topic):
        kafka.control(f"topic-error {topic} 0")
    kafka.control("error FindCoordinator 10000 GROUP_AUTHORIZATION_FAILED")
    answer = cli(world, "inventory", "requeue")
    assert answer.returncode == 1 and "GROUP_AUTHORIZATION_FAILED" in answer.stderr, answer.stderr
    kafka.control("clear FindCoordinator")
    kafka.control("error InitProducerId 10000 CLUSTER_AUTHORIZATION_FAILED")
    answer = cli(world, "push", "--order", "1")
    assert answer.returncode == 1 and "uthoriz" in answer.stderr, answer.stderr


def test_a_dead_letter_is_written_once_though_replicas_are_short(make_world, kafka: DevKafka):
    world: World = make_world(kafka=kafka)
    consumer = world.consumer()
    # Acknowledged before the broker begins to refuse: the consumer meets the refusal, not the test's producer.
    consumer.send(signal.SIGSTOP)
    world.push(b"nonsense", key=b"1")
    kafka.control("error Produce 10000 NOT_ENOUGH_REPLICAS")
    consumer.send(signal.SIGCONT)
    wait_until(lambda: obstacle(consumer, "dead_letters") != "", "the dead-letter topic is said to be in the way")
    time.sleep(8)
    kafka.control("clear Produce")
    letters = world.reader(world.dead_letters)
    wait_until(lambda: letters.messages, "the dead letter is there")
    holds_for(lambda: len(letters.messages) == 1, "there is no copy", 4)


def test_a_time_that_no_clock_shows_ends_nobody(make_world, kafka: DevKafka):
    """CreateTime is any number of 64 bits: it ended every reader of the topic, again after each restart."""
    world: World = make_world(kafka=kafka)
    consumer = world.consumer()
    world.push(inventory_message(1), timestamp=LAST_TIME)
    world.push(b"nonsense", key=b"2", timestamp=LAST_TIME // 1000 + 1)
    world.push(inventory_message(3))
    world.wait_for_payments(2)
    assert consumer.is_running
    letters = world.reader(world.dead_letters)
    wait_until(lambda: letters.messages, "the dead letter is there")
    watched = cli(world, "watch", "--topic", world.inventory, "--from", "earliest", "--count", "3", "--timeout", "20s")
    assert watched.returncode == 0 and "9999-12-31T23:59:59.999999Z" in watched.stdout, watched.stderr
    audited = cli(world, "audit", "--topic", world.inventory)
    assert audited.returncode == 1 and "disagree" in audited.stderr, audited.stderr
    requeued = cli(world, "inventory", "requeue")
    assert requeued.returncode == 0 and "1 messages put back" in requeued.stderr, requeued.stderr
