"""What the demo is played on: the running stack, its command line, and commands that are shown before they run."""

import os
import re
import subprocess
from collections.abc import Callable

from . import docker, local, programs
from .console import Failure, say, wait_until
from .stack import ROOT, Stack
from .table import BACKING, PROGRAMS, address, find


def typed(command: list[str], suffix: str = "") -> str:
    """A command as it could be typed, quoted only where it must be."""
    def quoted(word: str) -> str:
        if re.fullmatch(r"[A-Za-z0-9_./:=,@%+-]+", word):
            return word
        return "'" + word.replace("'", "'\\''") + "'"
    return "$ " + " ".join(quoted(word) for word in command) + suffix


class Scene:
    def __init__(self, stack: Stack, kind: str) -> None:
        self.stack = stack
        self.environment = dict(os.environ)
        self.audit_since: str | None = None
        if kind == "docker":
            docker.require_running()
            self.paysaga = ["docker", "compose", "run", "--rm", "--no-deps", "-T", "paysaga"]
            self.psql = ["docker", "compose", "exec", "-T", "postgres", "psql", "-U", "payments", "payments"]
            self.topic = [
                "docker", "compose", "exec", "-T", "kafka", "/opt/kafka/bin/kafka-console-consumer.sh",
                "--bootstrap-server", "kafka:9092", "--topic", "payment", "--from-beginning", "--timeout-ms", "5000",
                "--property", "print.key=true", "--property", "key.separator= "]
            # docker-compose.yml publishes these ports.
            self.gateway, self.bank, self.page = "127.0.0.1:8090", "127.0.0.1:9002", "127.0.0.1:4000"
            return
        stack.require_running(BACKING + tuple(program for program in PROGRAMS if program.name != "payments-cron"))
        settings = stack.settings()
        self.environment |= settings
        path = programs.require_built(stack, "paysaga")
        self.paysaga = [os.path.relpath(path, ROOT) if path.startswith(f"{ROOT}/") else path]
        self.psql = ["psql", "-X", settings["DB_DSN"]]
        self.topic = ["kcat", "-C", "-b", settings["KAFKA_BROKERS"], "-t", "payment", "-o", "beginning", "-e", "-q",
                      "-f", "%k %s\\n"]
        self.gateway = address(stack.ports, "STACK_GATEWAY_PORT")
        self.bank = address(stack.ports, "STACK_BANK_PORT")
        self.page = address(stack.ports, "STACK_PAGE_PORT")
        self.audit_since = local.audit_since(stack)
        say("The commands below find this stack through:")
        for name, value in settings.items():
            say(f"  export {name}='{value}'")

    def show(self, command: list[str]) -> str:
        """Shows the command, runs it, and shows what it writes; returns that."""
        say("\n" + typed(command))
        done = subprocess.run(command, cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, text=True, check=False)
        print(done.stdout.rstrip("\n"), flush=True)
        if done.returncode != 0:
            raise Failure(f"the command above failed with exit code {done.returncode}")
        return done.stdout

    def quietly(self, command: list[str]) -> tuple[bool, str]:
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)
        return done.returncode == 0, done.stdout

    def wait_for(self, what: str, program: str, condition: Callable[[], bool]) -> None:
        log = self.stack.process(find(program)).log
        if not wait_until(30, f"waiting for {what}", log, condition):
            raise Failure(f"{what}: not there within 30 s")
