"""The commands of stack.sh."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable

from . import build, demo, docker, local, packages, programs, release
from .console import Failure, say
from .stack import ALL_PORTS, Stack
from .table import PARTS, POSTGRES, PROGRAMS, Part, find

USAGE = """usage: stack.sh COMMAND

the whole stack
  up                 install what is missing, build, start, migrate, wait until ready, print the addresses
  down               stop it; data are kept
  restart            down, then up on the same ports
  status             what runs, and is it ready
  logs               follow the logs
  demo               play an order and some direct payments through it
  reset              remove the data (the stack must be down)
  migrate ARG…       paysaga migrate against it

parts (local only)
  deps [GROUP…]      install the missing Debian packages of build, run, test (the default), bench
  build              release build
  sbom, dist         what the release build consists of, and an archive of it, in .build/dist
  venv               the Python environment of the tests, .local/venv
  backing-up [--free-ports]   PostgreSQL, Redis and devkafka; prints `export TEST_DB_DSN=…` lines to evaluate
  services-up        the programs, and wait until they are ready
  start|stop NAME    one of {parts}
  settings           the addresses of this stack as settings

environment
  STACK=docker|local          default: what 'up' started, or docker when an engine answers, otherwise local
  PORTS=free                  up: choose free ports (local only)
  STACK_DIR (.local)          data, logs and pid files
  STACK_BIN (.build/release)  the programs
  STACK_BUILD=0               up: do not build
  STACK_SERVICES              up: which programs ({programs})
  STACK_CONFIG (config/local.env)
  ORDER                       demo: the order
ports, each from the environment or as here
{ports}"""


def usage() -> str:
    return USAGE.format(
        parts=" ".join(part.name for part in PARTS), programs=" ".join(program.name for program in PROGRAMS),
        ports="\n".join(f"  {port.variable:27} {port.default or 'off':<6} {port.what}" for port in ALL_PORTS))


def kind_of(stack: Stack) -> str:
    """STACK decides, then the stack that was brought up, then what this machine can do."""
    chosen = stack.environment.get("STACK", "")
    if chosen not in ("", "docker", "local"):
        raise Failure(f"STACK is '{chosen}'; allowed are docker and local")
    if chosen:
        return chosen
    if stack.running():
        return "local"
    recorded = stack.record().get("kind")
    if recorded in ("docker", "local"):
        return recorded
    return "docker" if docker.answers() else "local"


def wants_free_ports(stack: Stack) -> bool:
    value = stack.environment.get("PORTS", "")
    if value not in ("", "free"):
        raise Failure(f"PORTS is '{value}'; 'free' is allowed, to choose free ports")
    return value == "free"


def up(stack: Stack) -> None:
    kind = kind_of(stack)
    free_ports = wants_free_ports(stack)
    if kind == "docker":
        if free_ports:
            raise Failure("PORTS=free is for the local stack; docker-compose.yml has fixed ports: add STACK=local")
        if not docker.answers():
            raise Failure("STACK=docker, but no Docker engine with the compose plugin answers"
                          " ('docker info', 'docker compose version')")
        docker.up()
        stack.write_record("docker")
        return
    if free_ports:
        stack.choose_free_ports()
    local.up(stack)


def down(stack: Stack) -> None:
    stack.require_own()
    if kind_of(stack) == "docker":
        docker.down()
    else:
        local.down(stack)
    stack.forget_record()


def restart(stack: Stack) -> None:
    """Down, then up on the ports it had."""
    kind = kind_of(stack)
    had = {variable: str(port) for variable, port in stack.record().get("ports", {}).items() if port is not None}
    down(stack)
    up(Stack({**had, "STACK": kind, **stack.environment}))


def reset(stack: Stack) -> None:
    if kind_of(stack) == "docker":
        docker.down("--volumes")
        stack.forget_record()
    else:
        local.reset(stack)


def status(stack: Stack) -> None:
    if kind_of(stack) == "docker":
        docker.compose("ps", "--all")
    else:
        local.status(stack)


def logs(stack: Stack) -> None:
    if kind_of(stack) == "docker":
        docker.compose("logs", "--follow", "--tail", "20")
        return
    files = sorted(str(log) for log in stack.log_dir.glob("*.log"))
    if not files:
        raise Failure(f"there are no logs in {stack.log_dir}: 'make up' first")
    os.execvp("tail", ["tail", "-n", "20", "-F", *files])


def migrate(stack: Stack, arguments: list[str]) -> None:
    if kind_of(stack) == "docker":
        docker.require_running()
        if not docker.compose("run", "--rm", "--no-deps", "-T", "paysaga", "migrate", *arguments):
            raise Failure(f"'paysaga migrate {' '.join(arguments)}' failed")
        return
    stack.require_running((POSTGRES,))
    programs.migrate(stack, arguments)


def backing_up(stack: Stack, arguments: list[str]) -> None:
    if arguments not in ([], ["--free-ports"]):
        raise Failure(f"backing-up does not know {' '.join(arguments)}; it takes --free-ports")
    local.backing_up(stack, bool(arguments))


def start_part(stack: Stack, arguments: list[str]) -> None:
    part = one_part("start", arguments)
    stack.require_own()
    stack.write_record("local")
    local.start(stack, part)


def stop_part(stack: Stack, arguments: list[str]) -> None:
    part = one_part("stop", arguments)
    stack.require_own()
    local.stop(stack, part)


def one_part(action: str, arguments: list[str]) -> Part:
    try:
        [name] = arguments
        return find(name)
    except (ValueError, KeyError):
        raise Failure(f"{action} what? '{' '.join(arguments)}' is none of {', '.join(p.name for p in PARTS)}") from None


def services_up(stack: Stack) -> None:
    from .stack import programs as chosen

    stack.require_own()
    stack.write_record("local")
    programs.start(stack, chosen(stack))


def print_settings(stack: Stack) -> None:
    for name, value in stack.settings().items():
        print(f"{name}={value}")


def demonstrate(stack: Stack) -> None:
    demo.run(stack, kind_of(stack))


LOCKED: dict[str, Callable[[Stack], None]] = {"up": up, "down": down, "restart": restart, "reset": reset}
PLAIN: dict[str, Callable[[Stack], None]] = {
    "status": status, "logs": logs, "demo": demonstrate, "settings": print_settings, "services-up": services_up,
    "sbom": release.sbom, "dist": release.dist,
}
WITH_ARGUMENTS: dict[str, Callable[[Stack, list[str]], None]] = {
    "deps": lambda stack, groups: packages.ensure(stack, groups or ["build", "run", "test"]),
    "install-packages": packages.install,
    "migrate": migrate,
    "backing-up": backing_up,
    "start": start_part,
    "stop": stop_part,
}


def run(command: str, arguments: list[str]) -> None:
    if command in WITH_ARGUMENTS:
        WITH_ARGUMENTS[command](Stack(), arguments)
        return
    if arguments:
        raise Failure(f"{command} takes no arguments, found {' '.join(arguments)}")
    if command in ("help", "--help", "-h"):
        print(usage())
    elif command == "build":
        build.release()
    elif command == "venv":
        build.venv()
    elif command in LOCKED:
        with Stack().lock():
            # Read again: another run may have changed what runs and where while this one waited.
            LOCKED[command](Stack())
    elif command in PLAIN:
        PLAIN[command](Stack())
    else:
        raise Failure(f"there is no command {command}; 'stack.sh help' lists all")


def main() -> int:
    # Whoever reads our output may go away.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    command, *arguments = sys.argv[1:] or ["help"]
    try:
        run(command, arguments)
    except Failure as failure:
        say(f"error: {failure}")
        return 1
    except subprocess.SubprocessError as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
