"""Card numbers and CVVs are in memory only (D7): after payments with all outcomes they are nowhere else, in no form."""

import base64
import hashlib
import hmac
import json
import os
import random
import re
import resource
import signal
import subprocess
import uuid
from functools import cached_property
from pathlib import Path
from typing import Callable, Iterator

import pytest
from stack import cluster

from harness.direct import PARTITIONS, Direct, Gateway, card
from harness.process import Program, clean_environment
from harness.servers import PostgresServer
from harness.topics import TopicReader
from harness.waiting import wait_until
from harness.world import World

FAULTS = ("lost_answer", "cut", "closed", "error_500", "error_500_done", "unauthorized", "html", "hang", "hang_done",
          "other_amount", "other_id")


def luhn(digits: str) -> str:
    """The check digit."""
    weighed = [int(digit) * (2 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(digits))]
    return str(-sum(n - 9 if n > 9 else n for n in weighed) % 10)


class Secrets:
    """Cards that nobody else has, and every form in which one could be written down."""

    def __init__(self) -> None:
        # All numbers begin so: one pass over a large memory finds any of them.
        self.prefix = f"4{random.randrange(10**7, 10**8)}"
        self.numbers: list[str] = []
        # With a zero in front, so that they are no number of anything else.
        self.cvvs: set[str] = set()

    def card(self, **fields: str) -> dict:
        digits = f"{self.prefix}{random.randrange(10**6):06}"
        number, cvv = digits + luhn(digits), f"0{random.randrange(11, 100)}"
        self.numbers.append(number)
        self.cvvs.add(cvv)
        return card(number, cvv=cvv, **fields)

    @cached_property
    def forms(self) -> dict[bytes, str]:
        """Of all cards so far: asked for when there are no more to come."""
        found: dict[bytes, str] = {}
        for number in self.numbers:
            text = number.encode()
            groups = [number[n:n + 4] for n in range(0, 16, 4)]
            found |= {text: "plain", " ".join(groups).encode(): "with blanks", "-".join(groups).encode(): "with hyphens",
                      text.hex().encode(): "in hex", bytes.fromhex(number): "as BCD",
                      int(number).to_bytes(8, "big"): "as an integer", int(number).to_bytes(8, "little"): "as an integer",
                      text[:12]: "but for its last digits"}
            for shift in range(3):
                # What is around it changes the first and last letters.
                found[base64.b64encode(b"x" * shift + text)[4 if shift else 0:-4]] = "in base64"
            for hashing in (hashlib.md5, hashlib.sha1, hashlib.sha256, hashlib.sha512):
                digest = hashing(text)
                found |= {digest.digest(): "hashed without a key", digest.hexdigest().encode(): "hashed without a key"}
        return found

    def assert_absent(self, content: bytes, where: str) -> None:
        for form, name in self.forms.items():
            assert form not in content, f"a card number, {name}, is in {where}"

    def assert_absent_from(self, paths: list[Path], patterns: Path) -> None:
        """In files that are large; `patterns` is a file to be written."""
        # A form with one of these bytes cannot be a line of patterns; others of the same number can.
        patterns.write_bytes(b"".join(form + b"\n" for form in self.forms if not set(form) & {0, 10}))
        found = subprocess.run(
            ["grep", "-alsF", "-f", patterns, *paths], env=clean_environment() | {"LC_ALL": "C"}, capture_output=True,
            text=True, timeout=120)
        patterns.unlink()
        # Not its status: files of a server that works come and go, about which -s makes it silent.
        assert not found.stdout and not found.stderr, f"a card number is in {found.stdout} {found.stderr}"

    def assert_no_cvv(self, text: str, where: str) -> None:
        words = "|".join(sorted(self.cvvs))
        found = re.search(rf"(?<![\w.:+/-])({words})(?![\w.:+/-])", text)
        assert not found, f"a CVV is in {where}: …{text[max(0, found.start() - 60):found.end() + 20]!r}…"


@pytest.fixture
def direct(make_world: Callable[..., World], own_postgres: PostgresServer) -> Direct:
    return Direct(make_world(postgres=own_postgres), BANK_TIMEOUT="1s")


def dump(dsn: str) -> str:
    return subprocess.run(
        [f"{cluster.server()[1]}/pg_dump", "--inserts", dsn], env=clean_environment(), check=True, capture_output=True,
        text=True, timeout=60).stdout


def files(server: PostgresServer, world: World) -> Iterator[Path]:
    """The write-ahead log, and the files of the world's database."""
    number = world.value("SELECT oid FROM pg_database WHERE datname = current_database()")
    for folder in (server.data / "pg_wal", server.data / "base" / str(number)):
        yield from (path for path in folder.rglob("*") if path.is_file())


def memory(program: Program) -> Iterator[bytes]:
    """What the program could write down of itself: all memory that it may write to."""
    directory = Path(f"/proc/{program.handle.pid}")
    with open(directory / "mem", "rb", buffering=0) as content:
        for line in (directory / "maps").read_text().splitlines():
            place, rights = line.split()[:2]
            start, end = (int(part, 16) for part in place.split("-"))
            if rights.startswith("rw") and end - start < 1 << 30:
                content.seek(start)
                try:
                    yield content.read(end - start)
                except OSError:
                    continue


def pay_in_all_ways(direct: Direct, gateway: Gateway, secrets: Secrets) -> list[str]:
    """Payments with each outcome and each fault, and requests that are refused. Returns the ids of the payments."""
    ids = [gateway.paid(secrets.card())["id"] for _ in range(8)]
    direct.bank.behave(approval=0)
    ids += [gateway.paid(secrets.card())["id"] for _ in range(3)]
    direct.bank.behave(approval=100)
    for fault in FAULTS:
        direct.bank.behave(script=[fault])
        ids.append(gateway.paid(secrets.card(), wait="100ms")["id"])
        gateway.await_status(ids[-1], "UNKNOWN", "COMPLETED", "ERROR")
        # The bank is well again: it goes on being asked.
        ids.append(gateway.paid(secrets.card())["id"])

    # The same again, another card under the same key, and what is refused.
    key, method, user = str(uuid.uuid4()), secrets.card(), str(uuid.uuid4())
    assert gateway.pay(method, key=key, user_id=user, wait="20s").status == 201
    assert gateway.pay(method, key=key, user_id=user).headers["idempotency-replayed"] == "true"
    assert gateway.pay(secrets.card(), key=key, user_id=user).status == 422
    number = secrets.card()["card"]["number"]
    broken = number[:-1] + str((int(number[-1]) + 1) % 10)
    secrets.numbers.append(broken)
    assert gateway.pay(card(broken)).status == 422
    assert gateway.pay(secrets.card(), description=f"for card {number}").status == 422
    assert gateway.pay(secrets.card(holder=number)).status == 422
    spaced = " ".join(number[n:n + 4] for n in range(0, 16, 4))
    assert gateway.pay(secrets.card(), metadata={"card": spaced}).status == 422
    torn = json.dumps({"method": secrets.card()}).encode()[:-3]
    assert gateway.post("/v1/payments", torn, key=str(uuid.uuid4()), Content_Type="application/json").status == 400
    assert gateway.post("/v1/nothing", {"method": secrets.card()}, key=str(uuid.uuid4())).status == 404
    return ids


def test_card_data_is_in_memory_only(direct: Direct, own_postgres: PostgresServer):
    world, secrets = direct.world, Secrets()
    processor, gateway = direct.processor(), direct.gateway(LOG_LEVEL="debug")
    ids = pay_in_all_ways(direct, gateway, secrets)
    direct.hurry()
    for id in ids:
        shown = json.dumps([gateway.payment(id), gateway.get(f"/v1/payments/{id}/history").json])
        secrets.assert_absent(shown.encode(), "an answer")
        secrets.assert_no_cvv(shown, "an answer")

    text = dump(world.dsn)
    assert all(id in text for id in ids)
    secrets.assert_absent(text.encode(), "the database")
    secrets.assert_no_cvv(text, "the database")
    world.sql("CHECKPOINT")
    paths = list(files(own_postgres, world))
    assert any(uuid.UUID(ids[0]).bytes in path.read_bytes() for path in paths)
    secrets.assert_absent_from(paths, world.directory / "patterns")

    events = "SELECT count(*) FROM {}.event WHERE status = 'WAIT'"
    for schema in ("gateway", "processing"):
        wait_until(lambda: world.value(events.format(schema)) == 0 or None, f"{schema} has published its events", 20)
    topics = (direct.payments_topic, direct.results_topic)
    for topic in (*topics, *(f"{topic}.dlq" for topic in topics)):
        reader = TopicReader(world.broker.brokers, topic, PARTITIONS)
        messages = reader.catch_up()
        if topic == direct.results_topic:
            assert {message.key.decode() for message in messages} >= set(ids)
        else:
            assert not messages, f"{topic} has messages of cards"
        for message in messages:
            content = b"\0".join([message.key or b"", message.value or b"", *(value for _, value in message.headers)])
            secrets.assert_absent(content, topic)
            secrets.assert_no_cvv(content.decode(errors="replace"), topic)
        reader.close()
    for program in (processor, gateway.program, direct.bank.program):
        for content, name in ((program.output, "the log"), (program.get("/metrics")[1], "metrics")):
            secrets.assert_absent(content.encode(), f"{name} of {program.name}")
            secrets.assert_no_cvv(content, f"{name} of {program.name}")
    secrets.assert_absent((world.directory / "bank.ndjson").read_bytes(), "the bank's file")
    assert_memory_is_clean(direct, gateway, secrets)


def assert_memory_is_clean(direct: Direct, gateway: Gateway, secrets: Secrets) -> None:
    """The gateway has a card while the bank is asked, in pages that no dump and no swap has; afterwards it has none."""

    def count() -> int:
        return numbers_in_memory(gateway, secrets)

    direct.bank.behave(delay_ms=800)
    # An answer may come later than the bank's on a machine that is busy.
    for _ in range(20):
        waiting = gateway.paid(secrets.card(), wait="10ms")["id"]
        # Looking may take longer than the bank does.
        with gateway.program.frozen():
            found = count()
        if found:
            break
    else:
        raise AssertionError("a card that is at the bank is not found in memory")
    regions = Path(f"/proc/{gateway.program.handle.pid}/smaps").read_text()
    flags = [set(line.split()[1:]) for line in regions.splitlines() if line.startswith("VmFlags:")]
    assert any({"dd", "wf"} <= each for each in flags), "no memory is left out of dumps"
    if resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] > 1 << 20 or os.geteuid() == 0:
        assert any({"dd", "lo"} <= each for each in flags), "no memory is locked"
    gateway.await_status(waiting, "COMPLETED", "UNKNOWN")
    wait_until(lambda: count() == 0 or None, "no card number is in the gateway's memory", 20)


def numbers_in_memory(gateway: Gateway, secrets: Secrets) -> int:
    return sum(content.count(secrets.prefix.encode()) for content in memory(gateway.program))


def test_the_card_of_a_stranger_is_erased_unread(direct: Direct):
    gateway, secrets = direct.gateway(GATEWAY_AUTH="keys"), Secrets()
    for _ in range(20):
        assert gateway.pay(secrets.card()).status == 401
    wait_until(lambda: numbers_in_memory(gateway, secrets) == 0 or None, "no card number is in the gateway's memory", 20)


def stored_digests(world: World) -> set[bytes]:
    """The beginnings of everything in the tables that could be a hash: in hex, in base64, as bytes."""
    tables = world.sql(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
        " WHERE schemaname IN ('public', 'gateway', 'processing', 'risk', 'ledger')")
    text = "\n".join(row for table, in tables for row, in world.sql(f"SELECT t::text FROM {table} t"))
    found = {bytes.fromhex(word[:16]) for word in re.findall(r"[0-9a-fA-F]{16,}", text)}
    for word in re.findall(r"[A-Za-z0-9+/_-]{11,}", text):
        found.add(base64.b64decode(word[:11].replace("-", "+").replace("_", "/") + "=")[:8])
    return found


def candidates(prefix: str, last4: str) -> Iterator[bytes]:
    """Every card number with these digits and the right check digit: what somebody tries who has the tables."""
    for middle in range(10**3):
        digits = f"{prefix}{middle:03}?{last4}"
        for digit in "0123456789":
            number = digits.replace("?", digit)
            if luhn(number[:-1]) == number[-1]:
                yield number.encode()
                break


def test_a_number_cannot_be_guessed_from_what_is_stored(direct: Direct):
    """The tables have the last four digits, and who has them may know the bank's first eight: there are 1,000 numbers."""
    direct.processor()
    gateway, secrets = direct.gateway(), Secrets()
    method = secrets.card()
    paid = gateway.paid(method)
    assert paid["status"] == "COMPLETED"
    number = secrets.numbers[0]
    stored = stored_digests(direct.world)
    key = bytes.fromhex(direct.settings["CARD_FINGERPRINT_KEYS"].split(":")[1])
    tries = [
        *(lambda text, hashing=hashing: hashing(text).digest()
          for hashing in (hashlib.md5, hashlib.sha1, hashlib.sha256, hashlib.sha512, hashlib.blake2b)),
        lambda text: hmac.digest(b"", text, "sha256"),
        lambda text: hmac.digest(paid["user_id"].encode(), text, "sha256"),
    ]
    for text in candidates(number[:8], paid["method"]["last4"]):
        assert not any(attempt(text)[:8] in stored for attempt in tries), "a hash in the tables gives the number away"
    # With the key it is found: what is looked for would be there.
    assert hmac.digest(key, number.encode(), "sha256")[:8] in stored


def test_a_crash_leaves_no_core(direct: Direct):
    gateway = direct.gateway()
    pid = gateway.program.handle.pid
    limits = Path(f"/proc/{pid}/limits").read_text()
    assert re.search(r"Max core file size\s+0\s+0\s", limits), limits
    gateway.program.is_killed = True
    os.kill(pid, signal.SIGSEGV)
    ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert ended.si_code == os.CLD_KILLED, "a core was dumped"
    gateway.program.wait()
