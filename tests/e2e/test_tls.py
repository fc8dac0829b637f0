"""TLS of the gRPC API: what stock clients, openssl and h2load see, and what a SIGHUP changes."""

import itertools
import json
import re
import signal
import socket
import ssl
import subprocess
from pathlib import Path
from typing import Any

import grpc
import pytest

from harness.certificates import Authority, Identity
from harness.direct import Direct
from harness.process import BINARIES, Program, clean_environment
from harness.rpc import COMPLETED, CREATED, Client, refused
from harness.world import World

NEXT_ORDER = itertools.count(1)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"), "ours")


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"), "others")


def settings(identity: Identity, **more: str) -> dict[str, str]:
    return {"SERVER_TLS_CERT": str(identity.certificate), "SERVER_TLS_KEY": str(identity.key)} | more


@pytest.fixture(scope="module")
def server(shared_world: World, ours: Authority) -> Program:
    return shared_world.server(**settings(ours.server()))


@pytest.fixture(scope="module")
def strict_server(shared_world: World, ours: Authority) -> Program:
    """One that lets only clients with a certificate of ours in."""
    return shared_world.server(**settings(ours.server("strict"), SERVER_TLS_CLIENT_CA=str(ours.file)))


@pytest.fixture
def order() -> int:
    return next(NEXT_ORDER)


def s_client(server: Program, *arguments: str, say: str = "") -> subprocess.CompletedProcess:
    return subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{server.grpc_port}", *arguments], input=say, text=True,
        capture_output=True, timeout=20)


def shown_certificate(server: Program, authority: Authority) -> bytes:
    """What a new connection is shown, verified."""
    context = ssl.create_default_context(cafile=str(authority.file))
    context.set_alpn_protocols(["h2"])
    with socket.create_connection(("127.0.0.1", server.grpc_port), timeout=10) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as wrapped:
            assert wrapped.selected_alpn_protocol() == "h2"
            return wrapped.getpeercert(binary_form=True)


def test_a_payment_is_made_settled_and_watched(shared_world: World, server: Program, ours: Authority, order: int):
    client = shared_world.client(server, ours.credentials())
    assert client.create(order).status == CREATED
    watch = client.watch(order)
    assert next(watch).status == CREATED
    settled = client.settle(order)
    assert next(watch) == settled and settled.status == COMPLETED


def test_a_client_that_trusts_others_is_not_served(shared_world: World, server: Program, others: Authority):
    refusal = refused(shared_world.client(server, others.credentials()).get, 1)
    assert refusal.code == grpc.StatusCode.UNAVAILABLE


def test_client_certificates_are_asked_for(
    shared_world: World, strict_server: Program, ours: Authority, others: Authority, order: int
):
    client = shared_world.client(strict_server, ours.credentials(ours.client()))
    assert client.create(order).status == CREATED
    for identity in (None, others.client()):
        refusal = refused(shared_world.client(strict_server, ours.credentials(identity)).get, order)
        assert refusal.code == grpc.StatusCode.UNAVAILABLE
    assert client.get(order).status == CREATED


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_new_versions_are_served(server: Program, version: str):
    seen = s_client(server, version, "-alpn", "h2")
    assert "ALPN protocol: h2" in seen.stdout, seen.stdout + seen.stderr


@pytest.mark.parametrize("arguments, alert", [
    (["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0", "-alpn", "h2"], "protocol version"),
    (["-tls1_2", "-cipher", "AES128-SHA", "-alpn", "h2"], "handshake failure"),
    ([], "no application protocol"),
    (["-alpn", "http/1.1"], "no application protocol"),
])
def test_what_is_old_or_not_http2_is_refused(server: Program, arguments: list[str], alert: str):
    seen = s_client(server, *arguments)
    assert alert in seen.stderr and "Cipher is (NONE)" in seen.stdout, seen.stdout + seen.stderr


def test_renegotiation_is_refused(server: Program):
    for _ in range(10):
        seen = s_client(server, "-tls1_2", "-alpn", "h2", say="R\n")
        # openssl gives up by itself when the server's SETTINGS reach it in the middle of its renegotiation.
        if "unexpected record" not in seen.stderr:
            break
    assert "no renegotiation" in seen.stderr, seen.stderr


def test_a_session_is_resumed_by_its_ticket(server: Program, ours: Authority, tmp_path: Path):
    ticket = str(tmp_path / "ticket")
    first = s_client(server, "-tls1_2", "-alpn", "h2", "-sess_out", ticket)
    assert "New, TLSv1.2" in first.stdout
    assert "Reused, TLSv1.2" in s_client(server, "-tls1_2", "-alpn", "h2", "-sess_in", ticket).stdout


def test_plain_text_on_the_tls_port_is_closed(shared_world: World, server: Program, ours: Authority, order: int):
    with socket.create_connection(("127.0.0.1", server.grpc_port), timeout=10) as plain:
        plain.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9))
        answer = plain.recv(4096)
        assert answer == b"" or answer[0] == 21, answer  # an alert
        assert plain.recv(4096) == b""
    assert refused(Client(server.grpc_port).get, 1, timeout=3.0).code == grpc.StatusCode.UNAVAILABLE
    assert shared_world.client(server, ours.credentials()).create(order).status == CREATED


def test_the_goodbye_is_said(server: Program, ours: Authority):
    """After the connection's end comes close_notify; without it Python would raise."""
    context = ssl.create_default_context(cafile=str(ours.file))
    context.set_alpn_protocols(["h2"])
    with socket.create_connection(("127.0.0.1", server.grpc_port), timeout=10) as plain:
        with context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False) as wrapped:
            wrapped.sendall(b"GET / HTTP/1.1\r\n\r\n" + b"\0" * 32)
            while wrapped.recv(4096):
                pass  # SETTINGS and GOAWAY


def test_h2load_gets_its_answers(server: Program, tmp_path: Path):
    body = tmp_path / "empty"
    body.write_bytes(bytes(5))
    load = subprocess.run(
        ["h2load", "-n", "2000", "-c", "8", "-m", "16", "-d", str(body), "-H", "content-type: application/grpc",
         "-H", "te: trailers", f"https://127.0.0.1:{server.grpc_port}/paymentsapi.PaymentsApi/GetPing"],
        capture_output=True, text=True, timeout=60)
    assert "2000 succeeded, 0 failed, 0 errored, 0 timeout" in load.stdout, load.stdout
    assert "2000 2xx" in load.stdout and "Application protocol: h2" in load.stdout, load.stdout
    assert server.metric("paysaga_grpc_server_tls_handshakes_total", outcome="ok") >= 8


# Reload


def test_a_reload_shows_the_new_certificate_and_drops_nobody(make_world, ours: Authority, others: Authority, order: int):
    world = make_world()
    files = ours.server("reloaded")
    clients = ours.file.with_name("clients.pem")
    clients.write_bytes(ours.file.read_bytes())
    server = world.server(**settings(files, SERVER_TLS_CLIENT_CA=str(clients)))
    client = world.client(server, ours.credentials(ours.client("before")))
    client.create(order)
    watch = client.watch(order)
    assert next(watch).status == CREATED

    files.key.write_text("nonsense")
    server.send(signal.SIGHUP)
    server.wait_for_output(r"TLS goes on with the files read before.*SERVER_TLS_KEY=.*private key in PEM")
    again = world.client(server, ours.credentials(ours.client("again")))
    assert again.get(order).status == CREATED

    files.replace(others.server("after"))
    clients.write_bytes(others.file.read_bytes())
    server.send(signal.SIGHUP)
    server.wait_for_output(r"SIGHUP: the files of TLS were read again")
    newcomer = world.client(server, others.credentials(others.client("newcomer")))
    settled = newcomer.settle(order)
    assert next(watch) == settled == client.get(order)
    # Who trusts the old authority, or comes from it, is out from here on.
    assert refused(world.client(server, ours.credentials(ours.client("late"))).get, order).code \
        == grpc.StatusCode.UNAVAILABLE
    assert refused(world.client(server, others.credentials(ours.client("later"))).get, order).code \
        == grpc.StatusCode.UNAVAILABLE


def test_changed_files_are_read_without_a_signal(make_world, ours: Authority, others: Authority):
    world, files = make_world(), ours.server("changed")
    server = world.server(**settings(files))
    before = shown_certificate(server, ours)
    files.replace(ours.server("renewed"))
    server.wait_for_output(r"the files changed: the files of TLS were read again", 30)
    assert shown_certificate(server, ours) != before


def test_names_have_roles_and_certificates_are_revoked(make_world, ours: Authority, order: int, tmp_path: Path):
    world, roles, lists = make_world(), tmp_path / "roles", tmp_path / "revocations.pem"
    reader, teller, stranger = (ours.client(name) for name in ("reader", "teller", "stranger"))
    roles.write_text("# who may do what\nread reader.example\n\nsettle teller.example\n")
    lists.write_bytes(ours.revocations(stranger).read_bytes())
    server = world.server(**settings(
        ours.server("roles"), SERVER_TLS_CLIENT_CA=str(ours.file), SERVER_TLS_CRL=str(lists), SERVER_ROLES=str(roles)))
    reading, telling = (world.client(server, ours.credentials(who)) for who in (reader, teller))
    assert telling.create(order).status == CREATED and reading.get(order).status == CREATED
    for call in (lambda: reading.create(order + 1), lambda: reading.settle(order), lambda: reading.pay_status(order, True)):
        refusal = refused(call)
        assert refusal.code == grpc.StatusCode.PERMISSION_DENIED and "role is read; this method needs settle" in str(refusal)
    assert refused(world.client(server, ours.credentials(stranger)).get, order).code == grpc.StatusCode.UNAVAILABLE
    unnamed = world.client(server, ours.credentials(ours.client("unnamed")))
    assert refused(unnamed.get, order).code == grpc.StatusCode.PERMISSION_DENIED

    roles.write_text("settle reader.example\nboss teller.example\n")
    server.send(signal.SIGHUP)
    server.wait_for_output(r"the callers' roles stay as they were.*line 2: expected read, settle or admin")
    assert refused(reading.settle, order).code == grpc.StatusCode.PERMISSION_DENIED
    roles.write_text("settle reader.example\n")
    lists.write_bytes(ours.revocations(stranger, teller).read_bytes())
    server.send(signal.SIGHUP)
    server.wait_for_output(r"the callers' roles were read again")
    # On the connections that are open, too; a revoked certificate makes no new one.
    assert refused(telling.get, order).code == grpc.StatusCode.PERMISSION_DENIED
    assert reading.settle(order).status == COMPLETED
    assert refused(world.client(server, ours.credentials(teller)).get, order).code == grpc.StatusCode.UNAVAILABLE


def test_a_hangup_in_clear_changes_nothing(shared_world: World, order: int):
    server = shared_world.server()
    server.send(signal.SIGHUP)
    server.wait_for_output(r"nothing to reload")
    assert shared_world.client(server).create(order).status == CREATED


# Start


@pytest.mark.parametrize("name, content, reason", [
    ("SERVER_TLS_CERT", None, "No such file or directory"), ("SERVER_TLS_CERT", "nonsense", "no start line"),
    ("SERVER_TLS_KEY", None, "No such file or directory"), ("SERVER_TLS_KEY", "other", "key values mismatch"),
    ("SERVER_TLS_CLIENT_CA", None, "No such file or directory"), ("SERVER_TLS_CLIENT_CA", "", "no certificate"),
    ("SERVER_TLS_CRL", None, "No such file or directory"), ("SERVER_TLS_CRL", "nonsense", "no start line"),
])
def test_a_wrong_file_stops_the_start(
    shared_world: World, ours: Authority, tmp_path: Path, name: str, content: str | None, reason: str
):
    wrong = tmp_path / "wrong.pem"
    if content is not None:
        wrong.write_bytes(ours.client("mismatch").key.read_bytes() if content == "other" else content.encode())
        wrong.chmod(0o600)
    environment = shared_world.environment(
        **settings(ours.server("start"), SERVER_TLS_CLIENT_CA=str(ours.file)) | {name: str(wrong)})
    ended = subprocess.run(
        [BINARIES / "payments-server"], env=environment, capture_output=True, text=True, timeout=20)
    assert ended.returncode == 2, ended
    assert ended.stderr.startswith(f"payments-server: {name}={wrong}: expected ") and reason in ended.stderr
    assert "PRIVATE" not in ended.stderr + ended.stdout


def test_a_certificate_that_has_ended_is_told_and_makes_the_server_not_ready(make_world, ours: Authority):
    world = make_world()
    server = world.program("payments-server", **settings(ours.ended("past"))).start()
    server.wait_for_output(r" warning .*the certificate ended, and clients refuse it.* setting=SERVER_TLS_CERT"
                           r" certificate_end=2020-01-02T00:00:00")
    server.wait_not_ready("certificate")
    assert server.get("/readyz/api")[0] == 503
    assert "ended 2020-01-02T00:00:00" in server.readiness()[1]["checks"]["certificate"]["detail"]
    doctor = subprocess.run(
        [BINARIES / "paysaga", "doctor", f"127.0.0.1:{server.admin_port}"], env=world.environment(LOG_LEVEL="info"),
        capture_output=True, text=True, timeout=60)
    assert doctor.returncode == 1 and "certificate" in doctor.stdout, doctor


@pytest.mark.parametrize("before, is_told", [("3d", True), ("1d", False)])
def test_a_certificate_that_ends_soon_is_warned_of_in_time(make_world, ours: Authority, before: str, is_told: bool):
    """It ends in two days."""
    world, identity = make_world(), ours.server(f"soon-{before}")
    server = world.server(**settings(identity, SERVER_TLS_WARN_BEFORE=before))
    gateway = Direct(world).gateway(
        GATEWAY_TLS_CERT=str(identity.certificate), GATEWAY_TLS_KEY=str(identity.key), GATEWAY_TLS_WARN_BEFORE=before)
    for program, setting in ((server, "SERVER_TLS_CERT"), (gateway.program, "GATEWAY_TLS_CERT")):
        warned = re.search(rf" warning .*the certificate ends soon.* setting={setting} certificate_end=\d", program.output)
        assert bool(warned) == is_told, program.output[:2000]
        assert program.readiness()[1]["checks"]["certificate"]["ok"]


@pytest.mark.parametrize("is_ended, word", [(True, "ended, and servers refuse it"), (False, "ends soon")])
def test_the_certificates_shown_to_others_are_watched(make_world, ours: Authority, is_ended: bool, word: str):
    """Nobody need be there to show them to: the programs wait."""
    world = make_world()
    identity = ours.ended("past-client") if is_ended else ours.client("soon-client")
    kafka = {"KAFKA_BROKERS": "127.0.0.1:1", "KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CA_LOCATION": str(ours.file),
             "KAFKA_SSL_CERTIFICATE_LOCATION": str(identity.certificate), "KAFKA_SSL_KEY_LOCATION": str(identity.key)}
    saga = {"SAGA_GRPC_ADDR": "127.0.0.1:1", "SAGA_GRPC_CA": str(ours.file), "SAGA_GRPC_CERT": str(identity.certificate),
            "SAGA_GRPC_KEY": str(identity.key)}
    cron = world.program("payments-cron", **kafka).start()
    direct = Direct(world)
    processor, gateway = (world.program(f"payments-{name}", **direct.settings | saga).start() for name in ("processor", "gateway"))
    for program, setting, server in ((cron, "KAFKA_SSL_CERTIFICATE_LOCATION", "kafka"),
                                     (processor, "SAGA_GRPC_CERT", "saga"), (gateway, "SAGA_GRPC_CERT", "saga")):
        program.wait_for_output(rf" warning .*the certificate {word}: .*restart.* setting={setting} certificate_end=\d")
        check = program.readiness()[1]["checks"][f"certificate_{server}"]
        assert check["ok"] != is_ended and check["detail"].startswith("ended 2020" if is_ended else "ends 2"), check
        assert program.metric("paysaga_client_tls_certificate_end_seconds", server=server) > 1_500_000_000
        doctor = subprocess.run(
            [BINARIES / "paysaga", "doctor", f"127.0.0.1:{program.admin_port}"], env=world.environment(LOG_LEVEL="info"),
            capture_output=True, text=True, timeout=60)
        assert f"its certificate for {server} {'ended' if is_ended else 'ends'} at 20" in doctor.stdout, doctor
    checked = subprocess.run(
        [cron.command[0], "--check"], env=cron.environment, capture_output=True, text=True, timeout=20)
    assert checked.returncode == 0 and word in checked.stderr, checked
    # What is not shown to anybody is nobody's trouble.
    plain = world.cron(KAFKA_SSL_CERTIFICATE_LOCATION=str(identity.certificate))
    assert "certificate_kafka" not in plain.readiness()[1]["checks"]


# The command line


def paysaga(server: Program, *arguments: Any) -> subprocess.CompletedProcess:
    return subprocess.run(
        [BINARIES / "paysaga", *map(str, arguments), "--server", f"127.0.0.1:{server.grpc_port}"],
        env=clean_environment(), capture_output=True, text=True, timeout=30)


def test_the_command_line_speaks_tls(
    shared_world: World, strict_server: Program, ours: Authority, others: Authority, order: int
):
    who = ours.client("cli")
    tls = ["--tls-ca", ours.file, "--tls-cert", who.certificate, "--tls-key", who.key]
    shared_world.client(strict_server, ours.credentials(who)).create(order)
    settled = paysaga(strict_server, "pay", "--order", order, "--json", *tls)
    assert settled.returncode == 0 and json.loads(settled.stdout)["status"] == "COMPLETED", settled
    for wrong, reason in [
        ([], "--tls-ca"), (["--tls-ca", ours.file], "certificate required"), (["--tls-ca", others.file], "verify failed"),
    ]:
        refusal = paysaga(strict_server, "get", "--order", order, *wrong)
        assert refusal.returncode == 1 and reason in refusal.stderr, refusal
    for wrong, reason in [
        (["--tls-cert", who.certificate, "--tls-key", who.key], "needs --tls-ca"),
        (["--tls-ca", ours.file, "--tls-key", who.key], "needs --tls-cert"),
        (["--tls-ca", "/nonexistent.pem"], "--tls-ca: expected"),
    ]:
        refusal = paysaga(strict_server, "get", "--order", order, *wrong)
        assert refusal.returncode == 2 and reason in refusal.stderr, refusal
