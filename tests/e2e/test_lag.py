"""How far a consumer group is behind is told by others, also when its consumer is dead."""

import subprocess
import uuid

from harness.direct import Direct, account
from harness.process import BINARIES, Program, clean_environment
from harness.topics import produce
from harness.waiting import wait_until
from harness.world import World

# The brokers are asked every 30 s.
PATIENCE = 75


def tells(program: Program, topic: str, group: str, messages: int) -> None:
    labels = {"topic": topic, "group": group}

    def look():
        assert f'paysaga_consumer_group_lag_messages{{topic="{topic}",group="{group}"}} {messages}' in program.get("/metrics")[1]
        return True

    wait_until(look, f"{group} is told to be {messages} behind", PATIENCE, interval=0.5)
    assert (program.metric("paysaga_consumer_group_lag_seconds", **labels) > 0) == (messages > 0)


def test_a_dead_consumer_is_noticed_and_so_are_dead_letters(world: World):
    server = world.server()
    consumer = world.consumer()
    world.push_orders([1, 2])
    produce(world.broker.brokers, world.inventory, [(b"k", b"not JSON"), (b"k", b"nor this")], partition=1)
    world.wait_for_payments(2)
    world.reader(world.dead_letters).wait_for(2)
    assert consumer.stop() == 0
    world.push_orders(range(10, 15))
    tells(server, world.inventory, world.group, 5)
    # Its group is looked at after that.
    wait_until(lambda: server.metric("paysaga_inventory_dead_letters") == 2, "both dead letters are told", PATIENCE)

    environment = clean_environment() | {
        "DB_DSN": world.dsn, "KAFKA_BROKERS": world.broker.brokers, "CONSUMER_TOPIC": world.inventory}
    answer = subprocess.run(
        [BINARIES / "paysaga", "inventory", "discard", "--all", "--limit", "1"], env=environment, capture_output=True,
        text=True, timeout=60)
    assert answer.returncode == 0, answer.stderr
    world.consumer()
    tells(server, world.inventory, world.group, 0)
    wait_until(lambda: server.metric("paysaga_inventory_dead_letters") == 1, "one of them is left", PATIENCE)


def test_gateway_and_processor_tell_of_each_other(world: World):
    direct = Direct(world)
    gateway = direct.gateway()
    body = {"user_id": str(uuid.uuid4()), "method": account(), "amount": 1999, "currency": "EUR"}
    assert gateway.post("/v1/payments", body, key=str(uuid.uuid4())).status == 201
    group = direct.settings["PROCESSING_GROUP"]
    tells(gateway.program, direct.payments_topic, group, 1)
    assert gateway.program.stop() == 0
    processor = direct.processor()
    results = f'paysaga_consumer_group_lag_messages{{topic="{direct.results_topic}",group="{direct.settings["GATEWAY_GROUP"]}"}} '

    def look():
        [line] = [line for line in processor.get("/metrics")[1].splitlines() if line.startswith(results)]
        assert int(line.split()[-1]) > 0
        return True

    wait_until(look, "the results that wait for the gateway are told", PATIENCE, interval=0.5)
    direct.gateway()
    tells(processor, direct.results_topic, direct.settings["GATEWAY_GROUP"], 0)
