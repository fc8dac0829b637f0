"""What this checkout started, on which ports, and what it refuses to touch."""

import re
import shutil
import signal
import socket

import pytest

from stack import cli, cluster, docker, local, ports as machine, postgres, roles, table
from stack.console import Failure
from stack.stack import ALL_PORTS, ROOT, Stack, programs, read_port
from stack.table import BACKING, PARTS, POSTGRES, PROGRAMS


@pytest.fixture
def folder(tmp_path):
    """A folder for a stack, and whatever it started stopped at the end."""
    yield tmp_path / "stack"
    for part in PARTS:
        Stack({"STACK_DIR": str(tmp_path / "stack")}).process(part).stop(signal.SIGKILL, 5, signal.SIGKILL)


def make(folder, **environment):
    return Stack({"STACK_DIR": str(folder), "STACK": "local", **environment})


def pretend(stack, part):
    """Something that runs under the part's pid file."""
    stack.process(part).launch(["sleep", "60"])


def test_every_port_has_a_variable_and_a_default_of_its_own():
    assert len({port.variable for port in ALL_PORTS}) == len(ALL_PORTS)
    defaults = [port.default for port in ALL_PORTS if port.default is not None]
    assert len(set(defaults)) == len(defaults)
    assert all(port.variable.startswith("STACK_") for port in ALL_PORTS)
    assert all(port.variable in cli.usage() for port in ALL_PORTS)


def test_a_new_program_is_one_entry(folder, monkeypatch):
    port = table.Port("STACK_SHOP_PORT", 9008, "the shop", "SHOP_ADDR")
    shop = table.Program("shop", (port,), ready_path=None)
    for module in (table, local, cli):
        monkeypatch.setattr(module, "PROGRAMS", (*PROGRAMS, shop))
    for name in ("stack.stack", "stack.local", "stack.cli", "stack.table"):
        monkeypatch.setattr(f"{name}.PARTS", (*PARTS, shop))
    monkeypatch.setattr("stack.stack.PROGRAMS", (*PROGRAMS, shop))
    monkeypatch.setattr(cli, "ALL_PORTS", (*ALL_PORTS, *shop.ports))
    stack = make(folder)
    assert programs(stack)[-1] is shop
    assert stack.ports["STACK_SHOP_PORT"] == 9008
    assert stack.settings()["SHOP_ADDR"] == "127.0.0.1:9008"
    assert "STACK_SHOP_PORT" in cli.usage() and "shop" in cli.usage()
    assert "the shop " in local.addresses(stack, programs(stack))


def test_settings_name_where_the_stack_listens(folder):
    stack = make(folder, STACK_POSTGRES_PORT="5000", STACK_GRPC_PORT="5001")
    assert stack.settings() == {
        "DB_DSN": "postgres://paysaga_saga_owner@127.0.0.1:5000/payments?sslmode=disable",
        "PROCESSING_DSN": "postgres://paysaga_processing_owner@127.0.0.1:5000/payments?sslmode=disable",
        "GATEWAY_DSN": "postgres://paysaga_gateway_owner@127.0.0.1:5000/payments?sslmode=disable",
        "REDIS_DSN": "redis://127.0.0.1:63790/0",
        "GATEWAY_REDIS_DSN": "redis://127.0.0.1:63790/0",
        "KAFKA_BROKERS": "127.0.0.1:9095",
        "BANK_URL": "http://127.0.0.1:9002",
        "SAGA_GRPC_ADDR": "127.0.0.1:5001",
        "PAYSAGA_PROGRAMS": "127.0.0.1:9101,127.0.0.1:9102,127.0.0.1:9103,127.0.0.1:9105,127.0.0.1:9104",
        "SERVER_GRPC_ADDR": "127.0.0.1:5001",
        "BANKSTUB_ADDR": "127.0.0.1:9002",
        "GATEWAY_ADDR": "127.0.0.1:8090",
        "GATEWAY_CARDS_ADDR": "127.0.0.1:9000",
        "GATEWAY_PAYMENTS_ADDR": "127.0.0.1:8010",
        "GATEWAY_PAGE_ADDR": "127.0.0.1:4000",
        "GATEWAY_UPDATER_ADDR": "127.0.0.1:8011",
        "GATEWAY_TRANSACTIONS_ADDR": "127.0.0.1:9191",
        "GATEWAY_DEMO_ADDR": "127.0.0.1:8000",
    }


def test_each_program_knows_its_own_password_alone(folder):
    stack = make(folder)
    words = {role: stack.password(role) for program in PROGRAMS for role in program.roles.values()}
    words["payments"] = stack.password("payments")
    assert len(set(words.values())) == len(words) and all(len(word) == 32 for word in words.values())
    assert stack.passwords_file.stat().st_mode & 0o777 == 0o600
    for program in PROGRAMS:
        given = str(stack.program_settings(program))
        assert {role for role, word in words.items() if word in given} == set(program.roles.values())
    assert make(folder).password("payments") == words["payments"], "they are kept"


def test_the_roles_of_programs_are_those_that_get_rights():
    sources = "".join(path.read_text() for path in (ROOT / "internal").glob("*/Schema/*+Roles.swift"))
    named = {role for program in PROGRAMS for role in program.roles.values()} | {*roles.OWNERS.values(), "paysaga_reader"}
    assert named == set(re.findall(r'"(paysaga_\w+)"', sources))


def test_data_whose_password_nobody_knows_are_left_alone(folder, tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/PG_VERSION").write_text(cluster.server()[0] + "\n")
    monkeypatch.setattr(postgres, "home", lambda _: tmp_path)
    with pytest.raises(Failure, match="nobody knows the password"):
        postgres.start(make(folder, STACK_POSTGRES_PORT=str(machine.pick_free(1)[0])))


@pytest.mark.parametrize("text", ["0", "65536", "-1", "x", "8_0", "٨"])
def test_a_wrong_port_is_named(text):
    with pytest.raises(Failure, match="STACK_X"):
        read_port("STACK_X", text)


def test_free_ports_leave_alone_what_a_variable_names_and_what_is_off(folder):
    stack = make(folder, STACK_GRPC_PORT="5001")
    stack.choose_free_ports()
    assert stack.ports["STACK_GRPC_PORT"] == 5001
    assert stack.ports["STACK_KAFKA_CONTROL_PORT"] is None
    others = [port.variable for port in ALL_PORTS if port.default and port.variable != "STACK_GRPC_PORT"]
    assert all(15000 <= stack.ports[name] < 32000 for name in others)
    stack.choose_all_ports(BACKING)
    assert stack.ports["STACK_KAFKA_CONTROL_PORT"] is not None


def test_what_runs_keeps_its_ports(folder):
    stack = make(folder, STACK_POSTGRES_PORT="5000")
    stack.write_record("local")
    assert make(folder).ports["STACK_POSTGRES_PORT"] == 54321, "nothing runs"
    pretend(stack, POSTGRES)
    again = make(folder, STACK_POSTGRES_PORT="6000")
    assert again.ports["STACK_POSTGRES_PORT"] == 5000
    again.choose_free_ports()
    assert again.ports["STACK_POSTGRES_PORT"] == 5000


def test_ports_are_checked_together_before_anything_is_done(folder, monkeypatch):
    done = []
    monkeypatch.setattr("stack.packages.ensure", lambda *_: done.append("packages"))
    monkeypatch.setattr("stack.build.release", lambda: done.append("build"))
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        first, second = (server.getsockname()[1] for server in (one, two))
        stack = make(folder, STACK_POSTGRES_PORT=str(first), STACK_CRON_ADMIN_PORT=str(second))
        stack._give_free_ports(port.variable for port in ALL_PORTS if port.variable not in stack.environment)
        with pytest.raises(Failure) as failure:
            cli.up(stack)
    assert f"port {first} for PostgreSQL" in str(failure.value) and f"port {second} for payments-cron" in str(failure.value)
    assert not done and not folder.exists()


@pytest.mark.parametrize("command", [cli.demonstrate, lambda stack: cli.migrate(stack, ["up"])])
def test_a_stack_of_somebody_else_is_refused(folder, command):
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        with pytest.raises(Failure, match=rf"has not started postgres(.|\n)*port {port} \(PostgreSQL\): process"):
            command(make(folder, STACK_POSTGRES_PORT=str(port)))


def test_down_touches_nothing_that_was_not_started_here(folder, capsys):
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        cli.down(make(folder, STACK_REDIS_PORT=str(port)))
    told = capsys.readouterr().err
    assert "nothing to stop" in told and f"port {port} (Redis): process" in told


def test_a_copied_folder_does_not_stop_the_original(folder, tmp_path):
    stack = make(folder)
    stack.write_record("local")
    pretend(stack, POSTGRES)
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    for command in (cli.down, cli.reset, cli.status, lambda stack: cli.migrate(stack, ["up"])):
        with pytest.raises(Failure, match="is a copy of"):
            command(make(copy))
    assert stack.process(POSTGRES).is_running()


def test_a_moved_folder_is_still_ours(folder, tmp_path):
    stack = make(folder)
    stack.write_record("local")
    pretend(stack, POSTGRES)
    moved = tmp_path / "moved"
    folder.rename(moved)
    cli.stop_part(make(moved), ["postgres"])
    assert not make(moved).process(POSTGRES).is_running()


def test_reset_refuses_while_something_runs(folder):
    stack = make(folder)
    pretend(stack, POSTGRES)
    with pytest.raises(Failure, match="postgres still run"):
        cli.reset(make(folder))


def test_a_restart_keeps_the_ports(folder, monkeypatch):
    stack = make(folder)
    stack.choose_free_ports()
    stack.write_record("local")
    seen = []
    monkeypatch.setattr(cli, "up", seen.append)
    cli.restart(make(folder))
    assert seen[0].ports == stack.ports


@pytest.mark.parametrize(("name", "value"), [("STACK", "podman"), ("PORTS", "any"), ("STACK_SERVICES", "nobody")])
def test_a_wrong_choice_is_named(folder, name, value):
    with pytest.raises(Failure, match=value):
        cli.up(make(folder, **{name: value}))


def test_free_ports_are_for_the_local_stack(folder):
    with pytest.raises(Failure, match="PORTS=free is for the local stack"):
        cli.up(make(folder, STACK="docker", PORTS="free"))


DOCKER = """#!/bin/sh
case "$*" in
*config*) echo '{"name": "paysaga", "services": {"db": {"ports": [{"published": "'$PORT'"}]}, "none": {}}}' ;;
ps*) printf '%s' "$OWNER" ;;
*) echo "$*" >>"$CALLS" ;;
esac
"""


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """A docker of ours in PATH: `engine(owner, port)` says whose containers there are; returns the calls so far."""
    program = tmp_path / "bin/docker"
    program.parent.mkdir()
    program.write_text(DOCKER)
    program.chmod(0o755)
    calls = tmp_path / "calls"
    monkeypatch.setattr(docker, "ENV", tmp_path / ".env")
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("CALLS", str(calls))

    def answer(owner="", port=1):
        monkeypatch.setenv("OWNER", owner)
        monkeypatch.setenv("PORT", str(port))
        return lambda: calls.read_text().splitlines() if calls.exists() else []

    return answer


def test_containers_of_another_checkout_are_not_touched(folder, engine):
    calls = engine(owner="/elsewhere/paysaga")
    for command in (cli.up, cli.down, cli.reset, cli.demonstrate, lambda stack: cli.migrate(stack, ["up"])):
        with pytest.raises(Failure, match="started from /elsewhere/paysaga"):
            command(make(folder, STACK="docker"))
    assert not [call for call in calls() if "compose down" in call or "compose up" in call or "compose run" in call]


def test_passwords_of_containers_are_made_once(tmp_path):
    file = tmp_path / ".env"
    file.write_text("MINE=1\nPAYSAGA_CRON_PASSWORD=kept\n")
    docker.make_passwords(file)
    made = dict(line.split("=") for line in file.read_text().splitlines())
    assert made["MINE"] == "1" and made["PAYSAGA_CRON_PASSWORD"] == "kept" and len(set(made.values())) == len(made) >= 11
    assert file.stat().st_mode & 0o777 == 0o600
    docker.make_passwords(file)
    assert dict(line.split("=") for line in file.read_text().splitlines()) == made


def test_containers_of_ours_are_stopped(folder, engine):
    calls = engine(owner=str(ROOT))
    cli.down(make(folder, STACK="docker"))
    assert calls() == ["compose down --timeout 40"]


def test_published_ports_are_checked_before_the_image_is_built(folder, engine):
    with socket.create_server(("127.0.0.1", 0)) as server:
        calls = engine(port=server.getsockname()[1])
        with pytest.raises(Failure, match="for db"):
            docker.up()
    assert not [call for call in calls() if "compose up" in call]
