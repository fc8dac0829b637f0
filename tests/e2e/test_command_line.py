"""What every command of the command line shares: tables on a terminal, lines in a pipe, and servers that say nothing."""

import json
import re
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import Iterator

import pytest
from harness.process import BINARIES
from harness.rpc import FAILED
from harness.terminal import Terminal
from harness.world import World


def piped(world: World, *words: str, **settings: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [BINARIES / "paysaga", *words], env=world.environment(LOG_LEVEL="info", **settings), capture_output=True,
        text=True, timeout=60, cwd="/")


@contextmanager
def silence() -> Iterator[str]:
    """The address of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def payments(world: World) -> tuple[World, str]:
    server = world.server()
    client = world.client(server)
    for order in (7, 1234567):
        client.create(order)
    client.settle(7, FAILED, "card declined")
    world.wait_until_published(3)
    return world, f"127.0.0.1:{server.grpc_port}"


def test_lists_are_tables_on_a_terminal_and_lines_elsewhere(payments):
    world, address = payments
    with Terminal(world, "list", "--server", address, columns=240, LOG_LEVEL="info") as terminal:
        assert terminal.wait() == 0
        lines = terminal.read().decode().split("\r\n")
    # Whom it asked is said to people only.
    assert f"from {address}" in lines
    head, first, second = [line for line in lines if line and not line.startswith("from")]
    assert head.split()[:4] == ["ORDER_ID", "STATUS", "PAYMENT_ID", "VERSION"]
    assert first.split()[:2] == ["7", "FAILED"] and second.split()[:2] == ["1234567", "CREATED"]
    at = head.index("STATUS")
    assert first[at:].startswith("FAILED") and second[at:].startswith("CREATED")
    assert "card declined" in first and "\x1b" not in "".join(lines)

    done = piped(world, "list", "--server", address)
    assert done.stdout.startswith('order_id=7 status=FAILED payment_id=') and done.stderr == "", done
    assert len(done.stdout.splitlines()) == 2 and 'reason="card declined"' in done.stdout

    events = piped(world, "outbox", "list", "--status", "DONE").stdout.splitlines()
    with Terminal(world, "outbox", "list", "--status", "DONE", columns=60, LOG_LEVEL="info") as terminal:
        assert terminal.wait() == 0
        text = terminal.read().decode()
    # A narrow terminal shows all of it, in several lines for each record.
    for event in events:
        assert re.search(r"event_id=(\S+)", event)[1] in text
    assert text.count("EVENT_ID") == 1 and all(len(line) <= 60 for line in text.split("\r\n")), text


def test_payments_are_listed_from_the_newest_on_and_by_order(payments):
    world, address = payments

    def orders(*options: str) -> list[int]:
        done = piped(world, "list", "--server", address, "--json", *options)
        assert done.returncode == 0, done
        return [json.loads(line)["order_id"] for line in done.stdout.splitlines()]

    assert orders() == [7, 1234567] and orders("--newest") == [1234567, 7]
    assert orders("--newest", "--limit", "1") == [1234567]
    assert orders("--since", "1h") == [1234567, 7] and orders("--since", "2199-01-01T00:00:00Z") == []
    assert orders("--order", "7") == [7] and orders("--order", "7", "--status", "CREATED") == []
    assert orders("--order", "8") == []
    assert piped(world, "list", "--order", "7", "--since", "1h").returncode == 2


def test_events_are_chosen_by_key_topic_and_time(world: World):
    client = world.client(world.server(CRON_ENABLED="false"))
    for order in (7, 8, 9):
        client.create(order)
    client.settle(7)
    world.sql("UPDATE event_wait SET topic = 'elsewhere' WHERE key = '8'")
    world.sql("UPDATE event_wait SET created_at = now() - interval '3 hours' WHERE key = '9'")

    def events(*options: str) -> list[tuple[str, int]]:
        done = piped(world, "outbox", "list", "--json", *options)
        assert done.returncode == 0, done
        return [(event["key"], event["seq"]) for event in map(json.loads, done.stdout.splitlines())]

    everything = [("7", 1), ("8", 1), ("9", 1), ("7", 2)]
    assert events() == everything and events("--newest") == everything[::-1]
    assert events("--limit", "2") == everything[:2] and events("--newest", "--limit", "2") == everything[:1:-1]
    assert events("--key", "7") == [("7", 1), ("7", 2)] and events("--key", "7", "--newest") == [("7", 2), ("7", 1)]
    assert events("--topic", "elsewhere") == [("8", 1)] and events("--topic", "nowhere") == []
    assert events("--since", "2h") == [("7", 1), ("8", 1), ("7", 2)] and events("--since", "4h") == everything
    assert events("--key", "9", "--since", "2h") == [] and events("--key", "8", "--topic", world.topic) == []
    assert events("--status", "DONE") == []

    world.sql("UPDATE event_wait SET topic = %s WHERE topic = 'elsewhere'", world.topic)
    world.cron()
    world.wait_until_published(4)
    assert sorted(events("--status", "DONE")) == sorted(everything) and events() == []
    # Published ones come newest first, and --since is about their publication.
    done = piped(world, "outbox", "list", "--status", "DONE", "--json").stdout.splitlines()
    times = [json.loads(line)["done_at"] for line in done]
    assert times == sorted(times, reverse=True)
    assert sorted(events("--status", "DONE", "--key", "7")) == [("7", 1), ("7", 2)]
    assert events("--status", "DONE", "--key", "9", "--since", "1h") == [("9", 1)]
    assert events("--status", "DONE", "--since", "2199-01-01T00:00:00Z") == []
    assert events("--status", "DONE", "--topic", "elsewhere") == []


def test_an_order_is_watched(world: World):
    world.push_orders([2, 12, 2, 1])
    watched = ["watch", "--topic", world.inventory, "--from", "earliest", "--json"]
    done = piped(world, *watched, "--order", "2", "--count", "2", "--timeout", "20s")
    assert done.returncode == 0, done
    assert [json.loads(line)["value"]["order_id"] for line in done.stdout.splitlines()] == [2, 2]
    done = piped(world, *watched, "--order", "3", "--count", "1", "--timeout", "2s")
    assert (done.returncode, done.stdout) == (1, "") and "0 of 1 messages came" in done.stderr


@pytest.mark.parametrize("words, setting, scheme", [
    (["get", "--order", "1"], "SERVER_GRPC_ADDR", "{}"),
    (["outbox", "status"], "DB_DSN", "postgres://u:p@{}/d?sslmode=disable"),
    (["payments", "list"], "DB_DSN", "postgres://u:p@{}/d?sslmode=disable"),
    (["lag"], "KAFKA_BROKERS", "{}"),
    (["inventory", "list"], "KAFKA_BROKERS", "{}"),
    (["payments", "cancel", "01980f3e-7c51-7000-8000-000000000000"], "GATEWAY_ADDR", "{}"),
])
def test_a_server_that_says_nothing_is_named_in_time(world: World, words: list[str], setting: str, scheme: str):
    with silence() as address:
        start = time.monotonic()
        done = piped(world, *words, "--timeout", "1s", **{setting: scheme.format(address)})
        elapsed = time.monotonic() - start
    assert done.returncode == 1 and address in done.stderr, done
    assert elapsed < 6, (elapsed, done.stderr)


def test_a_frozen_server_is_named(world: World):
    """A statement that is not answered: the session waits for a lock that somebody holds."""
    world.server()
    with world.connection.transaction():
        world.sql("LOCK TABLE operation_log IN ACCESS EXCLUSIVE MODE")
        done = piped(world, "operations", "list", "--timeout", "700ms")
    assert done.returncode == 1 and world.database in done.stderr, done.stderr


def test_a_timeout_is_a_duration(world: World):
    done = piped(world, "get", "--order", "1", "--timeout", "soon")
    assert done.returncode == 2 and "--timeout expects a duration" in done.stderr
    assert "--timeout" in piped(world, "lag", "--help").stdout
    # watch has its own, which ends it.
    assert piped(world, "watch", "--help").stdout.count("--timeout D ") == 1
