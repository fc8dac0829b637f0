"""Brokers that we do not trust, and brokers that do not trust us: the readiness page, the log and commands say why."""

import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.certificates import Authority
from harness.process import BINARIES, Process, clean_environment, free_port
from harness.waiting import wait_until
from harness.world import World


class TLSBroker(Process):
    """A server that shows a certificate for 127.0.0.1 and localhost, on all addresses of loopback, and says nothing."""

    def __init__(self, directory: Path, authority: Authority):
        identity = authority.server("broker")
        self.port = free_port()
        super().__init__(
            "broker", ["openssl", "s_server", "-quiet", "-accept", f"0.0.0.0:{self.port}",
                       "-cert", str(identity.certificate), "-key", str(identity.key)],
            clean_environment(), directory / "broker.log")


class SASLBroker:
    """A broker that knows no user: it says which requests it takes, asks for PLAIN and refuses."""

    # Lowest and highest version by the number of a request (Kafka's protocol guide).
    REQUESTS = {3: (0, 4), 17: (0, 1), 18: (0, 3), 36: (0, 0)}

    def __init__(self):
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        stream = connection.makefile("rb")
        with connection:
            while head := stream.read(4):
                request = stream.read(struct.unpack(">i", head)[0])
                number, version, correlation = struct.unpack(">hhi", request[:8])
                answer = struct.pack(">i", correlation) + self._answer(number, version)
                connection.sendall(struct.pack(">i", len(answer)) + answer)

    def _answer(self, number: int, version: int) -> bytes:
        if number == 18:
            rows = b"".join(
                struct.pack(">hhh", key, *versions) + b"\0" * (version >= 3) for key, versions in self.REQUESTS.items())
            count = len(self.REQUESTS)
            # From version 3 on lengths are short, and fields that nobody knows may follow.
            return b"\0\0" + bytes([count + 1]) + rows + b"\0\0\0\0\0" if version >= 3 \
                else struct.pack(">hi", 0, count) + rows + (b"\0\0\0\0" if version >= 1 else b"")
        if number == 17:
            return struct.pack(">hih", 0, 1, 5) + b"PLAIN"
        words = b"Authentication failed: Invalid username or password"
        return struct.pack(">hh", 58, len(words)) + words + struct.pack(">i", 0)


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> tuple[Authority, Authority]:
    folder = tmp_path_factory.mktemp("trust")
    return Authority(folder, "ours"), Authority(folder, "others")


@pytest.fixture
def tls_broker(tmp_path: Path, authorities: tuple[Authority, Authority]) -> Iterator[TLSBroker]:
    broker = TLSBroker(tmp_path, authorities[0])
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def sasl_broker() -> Iterator[SASLBroker]:
    broker = SASLBroker()
    yield broker
    broker.close()


def expect(world: World, settings: dict[str, str], reason: str) -> None:
    """The reason is on the readiness page of a program, in its log, and in what commands say."""
    cron = world.program("payments-cron", **settings).start()
    cron.wait_for_output(rf"waiting for the broker.*{reason}", 30)

    def is_told() -> bool:
        check = cron.readiness()[1]["checks"].get("kafka", {})
        assert check.get("ok") is False and reason in check["detail"], check
        return True

    wait_until(is_told, "the readiness page names the reason", 30)
    environment = world.environment(**settings)
    for command in [["lag"], ["doctor", f"127.0.0.1:{cron.admin_port}"]]:
        done = subprocess.run(
            [BINARIES / "paysaga", *command], env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and reason in done.stdout + done.stderr, done
        assert "wrong-word" not in done.stdout + done.stderr + cron.output


def test_a_broker_of_an_unknown_authority_is_named(world: World, tls_broker: TLSBroker, authorities):
    expect(world, {
        "KAFKA_BROKERS": f"127.0.0.1:{tls_broker.port}", "KAFKA_SECURITY_PROTOCOL": "SSL",
        "KAFKA_SSL_CA_LOCATION": str(authorities[1].file),
    }, "its certificate comes from an authority that is not trusted")


def test_a_broker_under_a_wrong_name_is_named(world: World, tls_broker: TLSBroker, authorities):
    expect(world, {
        "KAFKA_BROKERS": f"127.0.0.2:{tls_broker.port}", "KAFKA_SECURITY_PROTOCOL": "SSL",
        "KAFKA_SSL_CA_LOCATION": str(authorities[0].file),
    }, "its certificate is for another IP address")


def test_a_wrong_password_is_named(world: World, sasl_broker: SASLBroker):
    expect(world, {
        "KAFKA_BROKERS": f"127.0.0.1:{sasl_broker.port}", "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "KAFKA_SASL_MECHANISM": "PLAIN", "KAFKA_SASL_USERNAME": "cron", "KAFKA_SASL_PASSWORD": "wrong-word",
    }, "Invalid username or password")
