"""`paysaga top` on a terminal, in a pipe, and for machines."""

import json
import re
import signal
import subprocess
import time

import pytest
from harness.process import BINARIES, free_port
from harness.rpc import COMPLETED
from harness.terminal import Terminal
from harness.waiting import wait_until
from harness.world import World

AWAY = "-"


def addresses(*programs) -> list[str]:
    return [f"127.0.0.1:{program.admin_port}" for program in programs]


def work(object: dict, name: str) -> dict:
    return next(line for line in object["work"] if line["name"] == name)


@pytest.fixture
def busy(world: World):
    """A server and a consumer with something to do, and their addresses."""
    server, consumer = world.server(), world.consumer()
    world.push_orders(range(1, 51))
    world.wait_for_payments(50)
    return world, world.client(server), addresses(server, consumer)


def test_a_page_fits_the_terminal_and_tells_what_goes_on(busy):
    world, client, asked = busy
    away = f"127.0.0.1:{free_port()}"
    with Terminal(world, "top", *asked, away, "--interval", "300ms") as terminal:
        terminal.await_page("payments-consumer")
        for order in range(1, 51):
            client.settle(order, COMPLETED)
        world.push_orders(range(51, 101))
        terminal.await_page("no answer")
        wait_until(
            lambda: any(
                line.split()[2] not in ("0.0", AWAY) for page in terminal.pages() for line in page
                if line.startswith("gRPC calls")),
            "calls are seen", 15)
        wait_until(lambda: len(terminal.pages()) > 8, "it goes on", 15)
        pages = terminal.pages()
        assert all(len(page) <= 24 and all(len(line) <= 80 for line in page) for page in pages), pages[-1]
        # Nothing scrolls: the last row of a page ends without a line feed.
        assert not re.search(rb"\n(\x1b\[H|$)", terminal.raw) and b"\x1b[S" not in terminal.raw
        # Rows are cleared before they are written: behind a full one the cursor stands on its last character.
        assert not re.search(rb"[^\nH]\x1b\[[JK]", terminal.raw)
        assert any(line.split()[:2] == [AWAY, away] and "no answer" in line for line in pages[-1]), pages[-1]
        assert any(line.startswith("saga") and line.split()[4] == "0" for line in pages[-1]), pages[-1]
        terminal.press(b"x")
        terminal.press(b"q")
        assert terminal.wait() == 0 and terminal.is_as_before


def test_it_survives_another_size(busy):
    world, _, asked = busy
    with Terminal(world, "top", *asked, "--interval", "300ms") as terminal:
        terminal.await_page("PEOPLE")
        for columns, lines in [(120, 50), (40, 8), (1, 1), (80, 24)]:
            seen = len(terminal.pages())
            terminal.resize(columns, lines)
            wait_until(lambda: len(terminal.pages()) > seen + 2, "it is drawn anew", 10)
            assert len(terminal.pages()[-1]) <= lines and all(len(line) <= columns for line in terminal.pages()[-1])
        terminal.press(b"\x03")
        assert terminal.wait() == 0 and terminal.is_as_before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGABRT, signal.SIGSEGV])
def test_the_terminal_is_given_back_whatever_happens(world: World, number: int):
    with Terminal(world, "top", f"127.0.0.1:{free_port()}", "--interval", "300ms") as terminal:
        terminal.await_page("no answer")
        assert not terminal.is_as_before
        terminal.process.send_signal(number)
        status = terminal.wait()
        assert status == {signal.SIGTERM: 0, signal.SIGHUP: 129}.get(number, -number)
        assert terminal.is_as_before


def test_elsewhere_it_writes_plain_blocks(busy):
    world, _, asked = busy
    done = subprocess.Popen(
        [BINARIES / "paysaga", "top", *asked, "--interval", "300ms"], env=world.environment(LOG_LEVEL="info"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/")
    text = b""
    while text.count(b"\n\n") < 3:
        text += done.stdout.read1()
    done.send_signal(signal.SIGINT)
    rest, error = done.communicate(timeout=15)
    assert done.returncode == 0 and error == b"", (done.returncode, error)
    assert b"\x1b" not in text + rest
    block = text.decode().split("\n\n")[0].splitlines()
    assert block[0].startswith("paysaga top") and any(line.startswith("ORDERS") for line in block), block
    once = subprocess.run(
        [BINARIES / "paysaga", "top", *asked, "--once", "--interval", "300ms"], env=world.environment(),
        capture_output=True, text=True, timeout=30, cwd="/")
    assert once.returncode == 0 and once.stdout.count("paysaga top") == 1, once


def test_machines_get_numbers_and_null(busy):
    world, client, asked = busy
    away = f"127.0.0.1:{free_port()}"
    # The relay publishes meanwhile, so that there is something to count.
    process = subprocess.Popen(
        [BINARIES / "paysaga", "top", *asked, away, "--json", "--interval", "1s"], env=world.environment(),
        stdout=subprocess.PIPE, text=True, cwd="/")
    try:
        json.loads(process.stdout.readline())
        before = time.monotonic()
        for order in range(1, 41):
            client.settle(order, COMPLETED)
        assert time.monotonic() - before < 10
        counted = 0.0
        end = time.monotonic() + 30
        # Rates are by the measured time between two looks, which is the interval but for some hundredths.
        while counted < 36 and time.monotonic() < end:
            line = json.loads(process.stdout.readline())
            counted += work(line, "gRPC calls")["rate"] * line["interval_ms"] / 1000
        assert 36 <= counted <= 44, counted
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(15)
    assert line["missing"] and line["missing"][0].startswith(f"{away}: no answer"), line["missing"]
    assert [program["ready"] for program in line["programs"]] == [True, True, False]
    # No processor is there to tell: that is not 0.
    assert work(line, "bank calls") == {
        "name": "bank calls", "rate": None, "p50_s": None, "p99_s": None, "failed_rate": None, "in_flight": None}
    assert line["outboxes"][0]["outbox"] == "saga" and line["outboxes"][0]["relays"] == 1
    assert line["people"]["exceptions"] == 0 and line["direct"]["unknown"] == 0


def test_a_restart_is_no_negative_rate(world: World):
    server = world.server()
    client = world.client(server)
    port = server.admin_port
    for order in range(1, 101):
        client.create(order)
    process = subprocess.Popen(
        [BINARIES / "paysaga", "top", f"127.0.0.1:{port}", "--json", "--interval", "300ms"], env=world.environment(),
        stdout=subprocess.PIPE, text=True, cwd="/")
    try:
        seen = [json.loads(process.stdout.readline())]
        server.kill()
        seen.append(json.loads(process.stdout.readline()))
        world.server(ADMIN_ADDR=f"127.0.0.1:{port}")
        while not (seen[-1]["programs"][0]["ready"] and work(seen[-1], "gRPC calls")["rate"] is not None
                   and any(line["missing"] for line in seen)):
            seen.append(json.loads(process.stdout.readline()))
            assert len(seen) < 100
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(15)
    rates = [work(line, "gRPC calls")["rate"] for line in seen]
    assert None in rates and all(rate is None or 0 <= rate < 1000 for rate in rates), rates


def test_a_database_that_is_away_is_named(world: World):
    done = subprocess.run(
        [BINARIES / "paysaga", "top", f"127.0.0.1:{free_port()}", "--once", "--json", "--interval", "300ms"],
        env=world.environment(DB_DSN=f"postgres://u:p@127.0.0.1:{free_port()}/x?sslmode=disable"), capture_output=True,
        text=True, timeout=60, cwd="/")
    answer = json.loads(done.stdout)
    assert done.returncode == 0 and answer["outboxes"] == [] and answer["direct"]["unknown"] is None
    assert any("saga at u@127.0.0.1" in problem for problem in answer["missing"]), answer["missing"]
