"""Each context of direct payments under a role of its own, as docs/operations.md has it."""

import re
import subprocess
from pathlib import Path
from typing import Callable

import psycopg
import pytest

from harness import direct_oracle
from harness.direct import Direct, account, card
from harness.process import BINARIES, ROOT, clean_environment
from harness.servers import PostgresServer
from harness.world import World

ROLES = re.search(
    r"```sql\n(CREATE ROLE gateway.*?)```", Path(ROOT, "docs/operations.md").read_text(), re.DOTALL)[1]


@pytest.fixture
def world(make_world: Callable[..., World], own_postgres: PostgresServer):
    """A database that the owners have migrated themselves."""
    made = make_world(postgres=own_postgres)
    for schema in ("gateway", "processing", "ledger", "risk"):
        made.sql(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
    made.sql(ROLES.replace("LOGIN", "LOGIN PASSWORD 'payments'").replace("DATABASE payments", f"DATABASE {made.database}"))
    yield made
    for program in made.programs:
        if program.is_running:
            program.stop()
    made.sql("DROP OWNED BY gateway, processing CASCADE")
    made.sql("DROP ROLE gateway, processing")


def test_the_documented_rights_are_enough(world: World):
    own = {f"{name.upper()}_DSN": world.dsn.replace("//payments:", f"//{name}:") for name in ("gateway", "processing")}
    environment = clean_environment() | {"DB_DSN": world.dsn} | own
    subprocess.run([BINARIES / "paysaga", "migrate", "up"], env=environment, check=True, capture_output=True, timeout=60)
    world.sql(f"REVOKE CREATE ON DATABASE {world.database} FROM gateway, processing")
    direct = Direct(world, **own)
    direct.processor()
    gateway = direct.gateway()
    paid = [gateway.paid(card()), gateway.paid(account())]
    assert [each["status"] for each in paid] == ["COMPLETED"] * 2, paid
    gateway.open_account(paid[0]["user_id"], 500)
    direct_oracle.settle(direct)
    direct_oracle.check(direct, {each["id"] for each in paid})
    for role, foreign in (("gateway", "processing.payment"), ("processing", "gateway.payment"), ("processing", "public.payment")):
        with psycopg.connect(own[f"{role.upper()}_DSN"]) as connection:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"SELECT FROM {foreign}")
