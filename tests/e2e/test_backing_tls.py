"""TLS to PostgreSQL, by libpq, and to Redis, by stunnel beside the program: who is not verified gets no password."""

import shutil
import subprocess
import uuid
from pathlib import Path

import psycopg
import pytest

from harness.certificates import Authority
from harness.process import BINARIES, Process, clean_environment, free_port
from harness.servers import PostgresServer, RedisServer
from harness.waiting import wait_until
from harness.world import World
from stack import cluster


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"), "ours")


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"), "others")


@pytest.fixture
def postgres(directory: Path, ours: Authority):
    """A server that takes nobody without TLS."""
    server, identity = PostgresServer(directory, ssl="on"), ours.server("postgres")
    try:
        server.initialise()
        for source, name in ((identity.certificate, "server.crt"), (identity.key, "server.key")):
            shutil.copyfile(source, server.data / name)
            (server.data / name).chmod(0o600)
            cluster.give(server.data / name)
        (server.data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 scram-sha-256\n")
        server.dsn = server.dsn.replace("sslmode=disable", f"sslmode=verify-full&sslrootcert={ours.file}")
        server.databases.dsn = server.dsn
        server.start()
        yield server
    finally:
        server.remove()


def test_postgresql_is_verified(postgres: PostgresServer, make_world, ours: Authority, others: Authority):
    world = make_world(postgres=postgres)
    cron = world.cron()
    with psycopg.connect(world.dsn) as connection:
        sessions = connection.execute(
            "SELECT s.ssl, s.version FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid)"
            " WHERE a.application_name LIKE '%%cron%%'", ()).fetchall()
    assert sessions and all(ssl and version in ("TLSv1.2", "TLSv1.3") for ssl, version in sessions), sessions
    assert cron.stop() == 0
    for change, reason in [
        (("sslmode=verify-full", "sslmode=disable"), "no encryption"),
        ((str(ours.file), str(others.file)), "certificate verify failed"),
        # The certificate is for 127.0.0.1 and localhost.
        (("@127.0.0.1:", "@ip6-localhost.example:"), "does not match host name"),
    ]:
        dsn = world.dsn.replace(*change) + ("&hostaddr=127.0.0.1" if ".example" in change[1] else "")
        refused = subprocess.run(
            [BINARIES / "paysaga", "migrate", "status", "--line", "saga"], env=clean_environment() | {"DB_DSN": dsn},
            capture_output=True, text=True, timeout=60)
        assert refused.returncode == 1 and reason in refused.stderr, (change, refused)


class Stunnel(Process):
    """A tunnel from a port in clear to one with TLS, or back."""

    def __init__(self, directory: Path, name: str, to: int, **options: str):
        self.port = free_port()
        lines = {"accept": f"127.0.0.1:{self.port}", "connect": f"127.0.0.1:{to}"} | options
        configuration = directory / f"{name}.conf"
        configuration.write_text(
            "foreground = yes\npid =\n[redis]\n" + "".join(f"{option} = {value}\n" for option, value in lines.items()))
        super().__init__(name, ["stunnel4", str(configuration)], clean_environment(), directory / f"{name}.log")

    def start(self) -> None:
        super().start()
        self.wait_for_output("Configuration successful")


def test_redis_is_verified_by_a_tunnel(
    world: World, own_redis: RedisServer, ours: Authority, others: Authority, tmp_path: Path
):
    identity = ours.server("redis")
    server = Stunnel(tmp_path, "far", own_redis.port, cert=str(identity.certificate), key=str(identity.key))
    near = {
        authority: Stunnel(tmp_path, f"near-{number}", server.port, client="yes", verifyChain="yes",
                           CAfile=str(authority.file), checkIP="127.0.0.1")
        for number, authority in enumerate((ours, others))}
    tunnels = [server, *near.values()]
    try:
        for tunnel in tunnels:
            tunnel.start()
        # The second tunnel does not believe the server: Redis is away, and the database alone decides.
        for order, (authority, source) in enumerate(((ours, "redis"), (others, "postgres")), 1):
            program = world.server(REDIS_DSN=f"redis://127.0.0.1:{near[authority].port}/0")
            wait_until(
                lambda: program.readiness()[1]["checks"]["redis"]["detail"].endswith("decides alone") == (source == "postgres"),
                "Redis is seen as it is", 20)
            client, key = world.client(program), (("idempotency-key", str(uuid.uuid4())),)

            def is_replayed():
                client.create(order, metadata=key)
                return program.metric("paysaga_idempotency_replays_total", **{"from": source}) > 0

            wait_until(is_replayed, f"calls are replayed from {source}", 20)
    finally:
        for tunnel in tunnels:
            tunnel.kill()
