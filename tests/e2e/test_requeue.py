"""`paysaga inventory requeue`: dead letters go back once, as they were, and not for ever."""

import json
import subprocess

from harness.process import BINARIES, clean_environment
from harness.topics import produce
from harness.waiting import wait_until
from harness.world import World, inventory_message

ORDER = 111
HEADERS = [("trace", b"\x00\xff bytes"), ("trace", b"again")]


def paysaga(world: World, *words: str, expect: int = 0) -> list[dict]:
    """What a command says."""
    environment = clean_environment() | {
        "DB_DSN": world.dsn, "KAFKA_BROKERS": world.broker.brokers, "CONSUMER_TOPIC": world.inventory}
    answer = subprocess.run(
        [BINARIES / "paysaga", *words, "--json"], env=environment, capture_output=True,
        text=True, timeout=60)
    assert answer.returncode == expect, answer.stdout + answer.stderr
    return [json.loads(line) for line in answer.stdout.splitlines()]


def requeue(world: World, *options: str, expect: int = 0) -> list[dict]:
    """What the command says it put back."""
    return paysaga(world, "inventory", "requeue", *options, expect=expect)


def dead_letters(world: World, count: int) -> None:
    """Puts messages on the inventory topic that nobody can read, and waits until they lie in the other."""
    broken = [(b"k%d" % number, b"not JSON %d" % number) for number in range(1, count + 1)]
    produce(world.broker.brokers, world.inventory, broken, headers=HEADERS, partition=1)
    world.consumer()
    world.reader(world.dead_letters).wait_for(count)
    wait_until(lambda: world.lag() == 0, "every inventory message is committed", 30)


def test_dead_letters_go_back_once_as_they_were(world: World):
    dead_letters(world, 5)
    # What went back would only die again.
    for program in world.programs:
        program.stop()
    reader = world.reader(world.inventory)
    before = len(reader.catch_up())

    shown = requeue(world, "--dry-run")
    assert len(shown) == 5 and len(reader.catch_up()) == before
    assert {(line["from_topic"], line["from_partition"]) for line in shown} == {(world.inventory, 1)}

    # One in the middle, by its place; again there is nothing left of it.
    place = shown[2]
    where = ["--partition", str(place["partition"]), "--offset", str(place["offset"])]
    assert [line["key"] for line in requeue(world, *where)] == [place["key"]]
    assert requeue(world, *where, expect=1) == []
    # None has this error, then the rest, then none.
    assert requeue(world, "--error", "no such error") == []
    keys = {line["key"] for line in requeue(world, "--limit", "1") + requeue(world, "--error", "not an inventory")}
    assert keys == {line["key"] for line in shown} - {place["key"]}

    back = reader.wait_for(before + 5)[before:]
    assert {message.key: message.value for message in back} == {
        b"k%d" % number: b"not JSON %d" % number for number in range(1, 6)}
    for message in back:
        assert message.partition == 1
        assert message.headers == (*HEADERS, ("dlq_requeues", b"1"))


def test_dead_letters_are_looked_at_and_given_up(world: World):
    dead_letters(world, 3)
    listed = paysaga(world, "inventory", "list")
    assert len(listed) == 3 and all(letter["error"] for letter in listed)
    where = ["--partition", str(listed[0]["partition"]), "--offset", str(listed[0]["offset"])]
    shown = paysaga(world, "inventory", "show", *where)[0]
    assert shown["key"] == listed[0]["key"] and shown["headers"]["dlq_topic"] == world.inventory
    assert shown["value"].startswith("not JSON")

    assert len(paysaga(world, "inventory", "discard", "--all", "--dry-run")) == 3
    assert paysaga(world, "inventory", "discard", *where, "--operator", "ann")[0]["key"] == listed[0]["key"]
    assert paysaga(world, "inventory", "discard", *where, expect=1) == []
    assert len(paysaga(world, "inventory", "list")) == 2
    assert len(requeue(world)) == 2 and paysaga(world, "operations", "list", "--action", "letter_discard") != []
    entries = [
        entry for entry in paysaga(world, "operations", "list") if entry["topic"] == world.dead_letters]
    assert [(entry["action"], entry["actor"] == "ann") for entry in entries[::-1]] == [
        ("letter_discard", True), ("letter_requeue", False), ("letter_requeue", False)]


def test_the_lag_of_a_group_is_told_with_its_consumer_down(world: World):
    produce(world.broker.brokers, world.inventory, [(b"k", b"1"), (b"k", b"2")], partition=1)
    lag = paysaga(world, "lag", "--group", "nobody", "--topic", world.inventory)[0]
    assert lag["messages"] == 2 and lag["seconds"] is not None
    assert [place["messages"] for place in lag["partitions"]][:2] == [0, 2]


def test_a_message_does_not_go_round_for_ever(world: World):
    """Nothing was mended: each round it dies again, until its requeues are used up."""
    dead_letters(world, 1)
    letters = world.reader(world.dead_letters)
    for round_number in (1, 2):
        assert len(requeue(world, "--max-requeues", "2")) == 1
        letter = letters.wait_for(1 + round_number)[-1]
        assert letter.header("dlq_requeues") == str(round_number)
        assert letter.header("dlq_error") and letter.value == b"not JSON 1"
    assert requeue(world, "--max-requeues", "2") == []
    assert len(requeue(world)) == 1


def test_a_header_of_a_stranger_counts_for_nothing(world: World):
    """Neither to keep a letter from going back, nor to let it go round."""
    for claimed in (b"99", b"-5"):
        produce(world.broker.brokers, world.inventory, [(b"k", b"not JSON")], headers=[("dlq_requeues", claimed)], partition=1)
    world.consumer()
    letters = world.reader(world.dead_letters)
    letters.wait_for(2)
    for round_number in (1, 2):
        assert len(requeue(world, "--max-requeues", "2")) == 2
        assert [letter.header("dlq_requeues") for letter in letters.wait_for(2 + 2 * round_number)[-2:]] \
            == [str(round_number)] * 2
    assert requeue(world, "--max-requeues", "2") == []


def test_what_was_mended_opens_its_payment(world: World):
    world.push(inventory_message(1, key="d978c560-fdba-4e84-b3f1-b570d8d95e4c"))
    world.consumer()
    world.wait_for_payments(1)
    # The filter takes the key for used; once it has forgotten, the order can be opened.
    world.push(inventory_message(2, key="d978c560-fdba-4e84-b3f1-b570d8d95e4c"))
    world.reader(world.dead_letters).wait_for(1)
    for program in world.programs:
        program.stop()
    world.redis_dsn = None
    world.consumer()
    assert len(requeue(world)) == 1
    world.wait_for_payments(2)


def test_dead_letters_are_in_their_orders_story(world: World):
    produce(world.broker.brokers, world.inventory, [(str(ORDER).encode(), b"not JSON")], partition=1)
    world.consumer()
    letter = world.reader(world.dead_letters).wait_for(1)[0]
    died, = paysaga(world, "trace", str(ORDER))
    assert (died["part"], died["what"]) == ("dead letter", "died")
    assert (died["topic"], died["partition"], died["offset"]) == (world.dead_letters, letter.partition, letter.offset)
    assert (died["from_topic"], died["from_partition"]) == (world.inventory, "1") and "not an inventory" in died["reason"]
    paysaga(world, "inventory", "discard", "--all", "--operator", "ann")
    operation = paysaga(world, "trace", str(ORDER))[1]
    assert (operation["part"], operation["what"], operation["by"]) == ("operation", "letter_discard", "ann")


def test_the_log_tells_who_acted_on_the_outbox_and_on_dead_letters(world: World):
    cron = world.cron(LOG_LEVEL="info")
    cron.wait_for_output("took over shards")
    dead_letters(world, 2)
    paysaga(world, "outbox", "pause", world.topic, "--operator", "ann")
    paysaga(world, "outbox", "resume", world.topic, "--operator", "bob")
    paysaga(world, "inventory", "discard", "--all", "--operator", "eve")
    for action, operator, topic, count in (
            ("pause", "ann", world.topic, 1), ("resume", "bob", world.topic, 1),
            ("letter_discard", "eve", world.dead_letters, 2)):
        told = f"an operator acted action={action} operator={operator} topic={topic} count={count}"
        cron.wait_for_output(rf" info payments-cron/\S+ table-care: {told}$", 40)
        assert cron.output.count(told) == 1
