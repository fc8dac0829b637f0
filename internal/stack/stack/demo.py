"""One order through the running stack, step by step, each command shown before it runs. ORDER chooses the order
(default: one nobody used yet). Ends with an error unless everything happened.
"""

import os
import re
import subprocess
import time
from collections.abc import Callable

from . import docker, local, programs
from .console import Failure, detail, heading, say, wait_until
from .stack import ROOT, Stack
from .table import BACKING, PROGRAMS, find

HIGHEST = 2**63 - 1


def typed(command: list[str], suffix: str = "") -> str:
    """A command as it could be typed, quoted only where it must be."""
    def quoted(word: str) -> str:
        if re.fullmatch(r"[A-Za-z0-9_./:=,@%+-]+", word):
            return word
        return "'" + word.replace("'", "'\\''") + "'"
    return "$ " + " ".join(quoted(word) for word in command) + suffix


def order_number(text: str | None) -> int:
    if not text:
        return int(time.time())
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= HIGHEST):
        raise Failure(f"ORDER is '{text}'; it must be a number from 1 to {HIGHEST}")
    return int(text)


class Demo:
    def __init__(self, stack: Stack, kind: str, order: int) -> None:
        self.stack = stack
        self.order = str(order)
        self.environment = dict(os.environ)
        self.states = ""
        self.messages: list[str] = []
        self.audit_since: str | None = None
        if kind == "docker":
            docker.require_running()
            self.paysaga = ["docker", "compose", "run", "--rm", "--no-deps", "-T", "paysaga"]
            self.psql = ["docker", "compose", "exec", "-T", "postgres", "psql", "-U", "payments", "payments"]
            self.topic = [
                "docker", "compose", "exec", "-T", "kafka", "/opt/kafka/bin/kafka-console-consumer.sh",
                "--bootstrap-server", "kafka:9092", "--topic", "payment", "--from-beginning", "--timeout-ms", "5000",
                "--property", "print.key=true", "--property", "key.separator= "]
            return
        stack.require_running(BACKING + tuple(program for program in PROGRAMS if program.name != "payments-cron"))
        settings = stack.settings()
        self.environment |= settings
        path = programs.require_built(stack, "paysaga")
        self.paysaga = [os.path.relpath(path, ROOT) if path.startswith(f"{ROOT}/") else path]
        self.psql = ["psql", "-X", settings["DB_DSN"]]
        self.topic = ["kcat", "-C", "-b", settings["KAFKA_BROKERS"], "-t", "payment", "-o", "beginning", "-e", "-q",
                      "-f", "%k %s\\n"]
        self.audit_since = local.audit_since(stack)
        say("The commands below find this stack through:")
        for name, value in settings.items():
            say(f"  export {name}='{value}'")

    def run(self) -> None:
        order = ["--order", self.order]
        events = ["-c", "SELECT seq, status, reserved_to, created_at, done_at FROM event"
                        f" WHERE key = '{self.order}' ORDER BY seq"]
        if self._quietly([*self.paysaga, "get", *order])[0]:
            raise Failure(f"order {self.order} has a payment already: choose another ORDER, or none")
        heading(f"1. the inventory service says: the goods of order {self.order} are reserved")
        self._show([*self.paysaga, "push", *order])
        heading("2. the consumer opens exactly one payment")
        self._await("the payment", "payments-consumer", lambda: self._quietly([*self.paysaga, "get", *order])[0])
        self._show([*self.paysaga, "get", *order])
        heading("3. its event waits in the outbox until the relay has published it: WAIT, then DONE")
        self._await("the event to be DONE", "payments-server", lambda: self._events_done(1))
        self._show([*self.psql, *events])
        heading("4. a caller settles the payment over gRPC")
        self._show([*self.paysaga, "pay", *order])
        self._await("the second event to be DONE", "payments-server", lambda: self._events_done(2))
        self._show([*self.psql, *events])
        heading("5. the rest of the saga reads what happened, in order")
        self._await("both messages", "payments-server", self._both_messages)
        say("\n" + typed(self.topic, f" | grep ^{self.order}"))
        print("\n".join(self.messages), flush=True)
        heading("6. the audit compares the topic with the tables: nothing lost, doubled or out of order")
        if self.audit_since is not None:
            detail(f"devkafka keeps messages in memory only and was restarted at {self.audit_since}: events published")
            detail("before then are DONE in PostgreSQL and gone from the topic, so the audit begins there")
        self._show([*self.paysaga, "audit", *(["--since", self.audit_since] if self.audit_since else [])])
        say(f"\ndemo: order {self.order} went through")

    def _show(self, command: list[str]) -> None:
        say("\n" + typed(command))
        status = subprocess.run(command, cwd=ROOT, env=self.environment, check=False).returncode
        if status != 0:
            raise Failure(f"the command above failed with exit code {status}")

    def _quietly(self, command: list[str]) -> tuple[bool, str]:
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)
        return done.returncode == 0, done.stdout

    def _await(self, what: str, program: str, condition: Callable[[], bool]) -> None:
        log = self.stack.process(find(program)).log
        if not wait_until(30, f"waiting for {what} of order {self.order}", log, condition):
            raise Failure(f"{what} of order {self.order}: not there within 30 s")

    def _events_done(self, count: int) -> bool:
        """Whether that many events are DONE. Every state seen on the way is printed once."""
        _, states = self._quietly([
            *self.psql, "-Atc",
            f"SELECT string_agg(seq || ' ' || status, ', ' ORDER BY seq) FROM event WHERE key = '{self.order}'"])
        states = states.strip()
        if states and states != self.states:
            self.states = states
            detail(f"events: {states}")
        return states.count("DONE") == count

    def _both_messages(self) -> bool:
        _, output = self._quietly(self.topic)
        self.messages = [line for line in output.splitlines() if line.startswith(f"{self.order} ")]
        return len(self.messages) >= 2


def run(stack: Stack, kind: str) -> None:
    Demo(stack, kind, order_number(stack.environment.get("ORDER"))).run()
