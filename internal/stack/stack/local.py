"""The stack without Docker: up, down, status, reset."""

import math
import shutil
from datetime import UTC, datetime

from . import build, packages, postgres, programs, redis, roles
from .console import Ended, Failure, detail, say
from .stack import ROOT, Stack
from .stack import programs as chosen_programs
from .table import BACKING, PARTS, POSTGRES, PROGRAMS, REDIS, Part, Program, address


def start(stack: Stack, part: Part) -> None:
    if part is POSTGRES:
        postgres.start(stack)
    elif part is REDIS:
        redis.start(stack)
    else:
        programs.start(stack, [part])


def stop(stack: Stack, part: Part) -> None:
    if part is POSTGRES:
        postgres.stop(stack)
    elif part is REDIS:
        redis.stop(stack)
    else:
        programs.stop(stack, [part])


def is_ready(stack: Stack, part: Part) -> bool:
    try:
        if part is POSTGRES:
            return postgres.answers(stack)
        if part is REDIS:
            return redis.answers(stack)
        return programs.is_ready(stack, part)
    except Ended:
        return False


def start_backing(stack: Stack) -> None:
    for part in BACKING:
        start(stack, part)


def up(stack: Stack) -> None:
    chosen = chosen_programs(stack)
    stack.require_own()
    # Before anything is built or installed: it takes minutes.
    stack.require_free_ports(BACKING + chosen)
    packages.ensure(stack, ["build", "run"])
    if stack.environment.get("STACK_BUILD", "1") == "1":
        build.release()
    stack.write_record("local")
    start_backing(stack)
    programs.migrate(stack, ["up"])
    programs.start(stack, chosen)
    say(addresses(stack, chosen))
    if (since := audit_since(stack)) is not None:
        say(f"\ndevkafka keeps messages in memory only and was started at {since}: what was published before is DONE in\n"
            f"PostgreSQL and no longer on its topics. 'paysaga audit --since {since}' judges the rest; without --since it\n"
            "reports those events as missing.")


def down(stack: Stack) -> None:
    stack.require_own()
    if not stack.running():
        detail("nothing to stop: this checkout runs no stack")
        for line in stack.strangers():
            detail(line)
        # Files of processes that ended by themselves.
        for part in PARTS:
            stack.process(part).pid_file.unlink(missing_ok=True)
        return
    programs.stop(stack, PROGRAMS)
    for part in reversed(BACKING):
        stop(stack, part)
    detail(f"everything of ours is stopped; the data in {stack.dir / 'postgres'} are kept ('make reset' removes them)")


def addresses(stack: Stack, chosen: tuple[Program, ...]) -> str:
    kafka = address(stack.ports, "STACK_KAFKA_PORT")
    width = max(len(port.what) for program in chosen for port in program.ports)
    lines = ["", "Paysaga is up."]
    rows = [
        ("PostgreSQL", stack.settings()["DB_DSN"]), ("Redis", stack.settings()["REDIS_DSN"]),
        ("Kafka", f"{kafka} (devkafka: in memory, gone with 'make down')"),
    ]
    for program in chosen:
        for index, port in enumerate(program.ports):
            # The first port of a program with a readiness path is its admin endpoint.
            is_admin = index == 0 and program.ready_path is not None
            where = address(stack.ports, port.variable)
            rows.append((port.what, f"http://{where} (/healthz /readyz /metrics)" if is_admin else where))
    rows.append(("logs", f"{_short(stack.log_dir)}/"))
    lines += [f"  {what:{width}}  {where}" for what, where in rows]
    lines += [
        "",
        "Try next:",
        "  make demo",
        '  echo \'111:{"idempotent_key":"d978c560-fdba-4e84-b3f1-b570d8d95e4c","order_id":111,"status":"COMPLETED"}\''
        f" | kcat -P -b {kafka} -t inventory -K :",
        f"  kcat -C -b {kafka} -t payment -o beginning -e -q -f '%k %s\\n'",
        "",
        "'make status' shows what runs, 'make logs' follows the logs, 'make down' stops it.",
    ]
    return "\n".join(lines)


def _short(path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def audit_since(stack: Stack) -> str | None:
    """Where an audit must begin, when events were published to a devkafka that has been stopped since; else None."""
    started = stack.broker_started()
    if started is None:
        return None
    lost = postgres.psql(
        stack, "payments",
        "SELECT count(*) > 0 FROM (SELECT done_at FROM event UNION ALL SELECT done_at FROM gateway.event"
        f" UNION ALL SELECT done_at FROM processing.event) e WHERE done_at < to_timestamp({started:.3f})")
    if lost != "t":
        return None
    # Rounded up: nothing new is published within a second of the broker's start.
    return datetime.fromtimestamp(math.ceil(started), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def status(stack: Stack) -> None:
    stack.require_own()
    for part in PARTS:
        pid = stack.process(part).pid()
        state = f"pid {pid}" if pid is not None else "stopped"
        where = stack.address(part) if pid is not None else "-"
        ready = "-" if pid is None else "yes" if is_ready(stack, part) else "no"
        print(f"{part.name:18} {state:12} {where:20} ready: {ready}")
    for line in stack.strangers():
        print(line)


def reset(stack: Stack) -> None:
    """Removes what the stack has stored. The build and the Python environment stay."""
    stack.require_own()
    if running := stack.running():
        raise Failure(f"{', '.join(part.name for part in running)} still run: 'make down' first")
    postgres.remove(stack)
    for folder in (stack.log_dir, stack.run_dir, stack.files_dir):
        shutil.rmtree(folder, ignore_errors=True)
    stack.passwords_file.unlink(missing_ok=True)
    stack.forget_record()
    detail(f"the data of {stack.dir} are removed")


def backing_up(stack: Stack, free_ports: bool) -> None:
    """PostgreSQL, Redis and devkafka alone, for tests: starts them and prints their addresses as shell assignments."""
    stack.require_own()
    if free_ports:
        stack.choose_all_ports(BACKING)
    stack.require_free_ports(BACKING)
    stack.write_record("local")
    start_backing(stack)
    control = stack.ports["STACK_KAFKA_CONTROL_PORT"]
    exports = {
        "STACK_DIR": stack.dir,
        "STACK_BIN": stack.bin,
        **{port.variable: "" if stack.ports[port.variable] is None else stack.ports[port.variable]
           for part in BACKING for port in part.ports},
        # Tests make databases and change the server's settings.
        "TEST_DB_DSN": stack.dsn(roles.SUPERUSER),
        "TEST_REDIS_DSN": stack.settings()["REDIS_DSN"],
        "TEST_KAFKA_BROKERS": stack.settings()["KAFKA_BROKERS"],
        "TEST_KAFKA_CONTROL": "" if control is None else address(stack.ports, "STACK_KAFKA_CONTROL_PORT"),
    }
    for name, value in exports.items():
        print(f"export {name}='{value}'")
