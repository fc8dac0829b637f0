"""Each program under the role that `paysaga migrate roles` and `migrate grants` make for it: enough, and no more."""

import json
import subprocess
import urllib.parse
from pathlib import Path
from typing import Callable

import psycopg
import pytest

from harness import direct_oracle
from harness.direct import Direct, account, card
from harness.process import BINARIES, clean_environment
from harness.servers import PostgresServer
from harness.world import World
from stack import cluster, roles
from stack.stack import ROOT
from stack.table import PROGRAMS

SCHEMAS = ("gateway", "processing", "ledger", "risk")
NAMES = sorted({role for program in PROGRAMS for role in program.roles.values()} | {*roles.OWNERS.values(), "paysaga_reader"})


def dsn(world: World, role: str) -> str:
    return world.dsn.replace("//payments:", f"//{role}:")


def migrate(world: World, *arguments: str) -> str:
    """paysaga migrate, as the owners of the tables."""
    owners = {setting: dsn(world, role) for setting, role in roles.OWNERS.items()}
    return subprocess.run(
        [BINARIES / "paysaga", "migrate", *arguments], env=clean_environment() | owners, check=True, text=True,
        stdout=subprocess.PIPE, timeout=60).stdout


@pytest.fixture
def world(make_world: Callable[..., World], own_postgres: PostgresServer):
    """A database that the owners have migrated, as the local stack does it."""
    made = make_world(postgres=own_postgres)
    made.sql(f"DROP SCHEMA IF EXISTS {', '.join(SCHEMAS)} CASCADE; DROP SCHEMA public CASCADE;"
             " CREATE SCHEMA public AUTHORIZATION pg_database_owner; GRANT USAGE ON SCHEMA public TO PUBLIC")
    creation = migrate(made, "roles")
    assert set(roles.named(creation)) == set(NAMES)
    for _ in range(2):
        made.sql(roles.statements(creation, dict.fromkeys(NAMES, cluster.PASSWORD), made.database))
        migrate(made, "up")
        made.sql(migrate(made, "grants"))
    yield made
    for program in made.programs:
        if program.is_running:
            program.stop()
    made.sql(f"DROP OWNED BY {', '.join(NAMES)} CASCADE; ALTER DATABASE {made.database} OWNER TO payments")
    made.sql(f"DROP ROLE {', '.join(NAMES)}")


# What a role may not do, though another may.
REFUSED = {
    "paysaga_server": ["DELETE FROM payment", "TRUNCATE event_done", "UPDATE event_done SET key = ''",
                       "CREATE TABLE mine ()", "SELECT FROM gateway.payment", "SELECT FROM processing.payment"],
    "paysaga_consumer": ["SELECT FROM event_wait", "UPDATE event_shard SET epoch = 0", "SELECT FROM event_done"],
    "paysaga_cron": ["SELECT FROM gateway.payment", "SELECT FROM ledger.transfer"],
    "paysaga_gateway": ["SELECT FROM payment", "SELECT FROM processing.payment"],
    "paysaga_cards": ["SELECT FROM payment", "SELECT FROM gateway.payment", "DELETE FROM ledger.transfer",
                      "UPDATE ledger.transfer SET amount = 1", "INSERT INTO ledger.block DEFAULT VALUES"],
    "paysaga_processor": ["SELECT FROM payment", "SELECT FROM gateway.payment"],
    "paysaga_reader": ["DELETE FROM payment", "SELECT FROM gateway.api_key", "SELECT FROM processing.payment"],
}


def test_the_script_of_the_containers_gives_roles_passwords_and_rights(world: World, tmp_path: Path):
    for name in ["roles", "grants"]:
        (tmp_path / f"{name}.sql").write_text(migrate(world, name))
    world.sql("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM paysaga_server; ALTER ROLE paysaga_cron PASSWORD NULL")
    server = urllib.parse.urlsplit(world.dsn)
    place = {"PGHOST": server.hostname, "PGPORT": str(server.port), "PGUSER": "payments", "PGPASSWORD": server.password or "",
             "PGDATABASE": world.database, "SQL": str(tmp_path)}

    def run(part: str, passwords: dict[str, str]) -> subprocess.CompletedProcess:
        return subprocess.run(["sh", ROOT / "config/postgres/roles.sh", part], env=clean_environment() | place | passwords,
                              text=True, capture_output=True, timeout=60)

    passwords = {name: f"word-of-{name}" for name in NAMES}
    for part in ["roles", "grants"]:
        done = run(part, passwords)
        assert done.returncode == 0, done.stderr
    known = dict(world.sql("SELECT rolname, rolpassword FROM pg_authid WHERE rolname = ANY(%s)", [NAMES]))
    assert set(known) == set(NAMES) and all(known.values())
    # The server asks for passwords.
    with psycopg.connect(world.dsn, user="paysaga_server", password=passwords["paysaga_server"]) as connection:
        connection.execute("SELECT FROM payment")
    lacking = run("roles", {name: word for name, word in passwords.items() if name != "paysaga_cron"})
    assert lacking.returncode == 1 and "no password for the role paysaga_cron" in lacking.stderr


def test_each_program_can_do_its_work_and_no_more(world: World):
    world.consumer(DB_DSN=dsn(world, "paysaga_consumer"))
    server = world.server(DB_DSN=dsn(world, "paysaga_server"))
    cron = world.cron(DB_DSN=dsn(world, "paysaga_cron"))
    world.push_orders([1, 2])
    world.wait_for_payments(2)
    world.client(server).settle(1)
    world.wait_until_published(3)
    assert "could not be cared for" not in cron.output and "is not made here" not in cron.output
    direct = Direct(world, GATEWAY_DSN=dsn(world, "paysaga_gateway"))
    direct.processor(PROCESSING_DSN=dsn(world, "paysaga_processor"))
    gateway = direct.gateway(PROCESSING_DSN=dsn(world, "paysaga_cards"))
    paid = [gateway.paid(card()), gateway.paid(account())]
    assert [each["status"] for each in paid] == ["COMPLETED"] * 2, paid
    status, story = gateway.program.get(f"/trace?payment={paid[0]['id']}")
    assert status == 200 and {each["part"] for each in json.loads(story)["entries"]} >= {"direct", "risk", "bank", "ledger"}
    gateway.open_account(paid[0]["user_id"], 500)
    direct_oracle.settle(direct)
    direct_oracle.check(direct, {each["id"] for each in paid})
    for role, statements in REFUSED.items():
        for statement in [*statements, "COPY (SELECT 1) TO PROGRAM 'true'", "CREATE ROLE mine"]:
            with psycopg.connect(dsn(world, role)) as connection:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement)
                    pytest.fail(f"{role}: {statement}")
    changed = world.value("SELECT n_tup_upd + n_tup_del FROM pg_stat_user_tables WHERE relid = 'ledger.transfer'::regclass")
    assert changed == 0, "the ledger is appended to, also by who could change it"
    owners = world.sql("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = ANY(%s)", [*SCHEMAS, "public"])
    assert {owner for owner, in owners} == set(roles.OWNERS.values()), "what a program makes is the owner's, too"
    with psycopg.connect(dsn(world, "paysaga_reader")) as connection:
        assert connection.execute("SELECT count(*) FROM event").fetchone() == (3,)
