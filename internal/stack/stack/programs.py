"""The programs of this repository, devkafka among them, with the stack's addresses as their settings."""

import http.client
import os
import signal
import subprocess
from collections.abc import Iterable

from . import ports, postgres, roles
from .console import Ended, Failure, detail, heading, wait_until
from .stack import ROOT, Stack
from .table import HOST, Program, address


def get_answers(port: int, path: str) -> bool:
    """Whether GET of the path answers 200 within three seconds."""
    connection = http.client.HTTPConnection(HOST, port, timeout=3)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def is_ready(stack: Stack, program: Program) -> bool:
    if not stack.process(program).is_running():
        raise Ended
    port = stack.ports[program.ports[0].variable]
    return ports.is_taken(port) if program.ready_path is None else get_answers(port, program.ready_path)


def require_built(stack: Stack, name: str) -> str:
    path = stack.bin / name
    if not os.access(path, os.X_OK):
        raise Failure(f"{path} is not built: run 'make build'")
    return str(path)


def launch(stack: Stack, program: Program) -> None:
    process = stack.process(program)
    if process.is_running():
        detail(f"{program.name}: already running (pid {process.pid()}, {stack.address(program)})")
        if process.runs_older_build(str(stack.bin / program.name)):
            detail(f"{program.name} runs an older build: 'make restart' starts the new one")
        return
    path = require_built(stack, program.name)
    stack.require_free_ports((program,))
    heading(f"{program.name}: starting ({program.ports[0].what} on {stack.address(program)})")
    own = {port.setting: address(stack.ports, port.variable) for port in program.ports if port.setting}
    own |= {setting: str(stack.files_dir / name) for setting, name in program.files.items()}
    stack.files_dir.mkdir(parents=True, exist_ok=True)
    process.launch([path, *program.arguments(stack.ports, str(stack.config))],
                   {**os.environ, **stack.program_settings(program), **own})


def start(stack: Stack, programs: Iterable[Program]) -> None:
    """Starts all, then waits until all are ready."""
    programs = list(programs)
    for program in programs:
        launch(stack, program)
    for program in programs:
        if not wait_until(program.ready_seconds, f"{program.name} is getting ready", stack.process(program).log,
                          lambda program=program: is_ready(stack, program)):
            state = f"; its state: http://{stack.address(program)}{program.ready_path}" if program.ready_path else ""
            raise Failure(f"{program.name} did not become ready{state}")


def stop(stack: Stack, programs: Iterable[Program]) -> None:
    """All get the signal before the first is waited for: they drain side by side."""
    programs = list(programs)
    for program in programs:
        stack.process(program).send(signal.SIGTERM)
    for program in programs:
        stack.process(program).stop(signal.SIGTERM, program.stop_seconds, signal.SIGKILL)


def migrate(stack: Stack, arguments: list[str]) -> None:
    """paysaga migrate against this stack; `up` makes the roles before it and gives them their rights after it."""
    heading("migrating the database")
    makes_roles = arguments[:1] == ["up"]
    if makes_roles:
        creation = _paysaga(stack, ["migrate", "roles"])
        passwords = {role: stack.password(role) for role in roles.named(creation)}
        postgres.script(stack, "payments", roles.statements(creation, passwords, "payments"))
    print(_paysaga(stack, ["migrate", *arguments]), end="", flush=True)
    if makes_roles:
        postgres.script(stack, "payments", _paysaga(stack, ["migrate", "grants"]))


def _paysaga(stack: Stack, arguments: list[str]) -> str:
    """What the command line prints, as the owner of the tables."""
    command = [require_built(stack, "paysaga"), *arguments]
    try:
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, **stack.settings()}, timeout=120, check=False,
                              stdout=subprocess.PIPE, text=True)
    except subprocess.TimeoutExpired:
        raise Failure(f"paysaga {' '.join(arguments)} took more than two minutes") from None
    if done.returncode != 0:
        raise Failure(f"'paysaga {' '.join(arguments)}' failed with exit code {done.returncode}")
    return done.stdout
