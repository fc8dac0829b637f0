"""A drill: a fault is staged, found by the commands that an operator has, and repaired by them.

What an operator types and sees is kept as a transcript, with the addresses and names of a local stack in the place of
those of the test.
"""

import re
import subprocess
import time
from pathlib import Path

from harness.process import BINARIES, Program
from harness.waiting import wait_until
from harness.world import World

# Finding a fault takes an operator less than a minute, and so does repairing it.
MINUTE = 60.0
# Lines of an output that a transcript shows.
LONGEST = 12
# Shows the transcripts of all drills.
DOCUMENT = Path(__file__).resolve().parents[2] / "docs/drills.md"
# Of the programs of `make up`.
ADMIN_PORTS = {"payments-server": 9101, "payments-consumer": 9102, "payments-cron": 9103}


def actions(text: str) -> list[str]:
    """The commands of a transcript, and what is done outside, without the numbers that differ each time."""
    return [re.sub(r"\d+", "N", line) for line in text.splitlines() if line.startswith(("$ ", "# "))]


class Drill:
    """One fault in one world."""

    def __init__(self, title: str, world: World, story: str):
        self.title, self.world, self.story = title, world, story
        self._parts: list[str] = []
        self._began = time.monotonic()

    # What an operator does

    def shows(self, *words: str, expect: str, status: int | None = None, **settings: str) -> str:
        """A command of `paysaga` shows a line that matches `expect`, within a minute; returns its output."""
        return self._shows(["paysaga", *words], [BINARIES / "paysaga", *words], expect, status, settings)

    def doctor(self, expect: str) -> str:
        """`paysaga doctor` has a finding that matches."""
        # Programs of direct payments take no part in a drill: their databases have no table for tomorrow.
        addresses = [f"127.0.0.1:{program.admin_port}" for program in self.world.programs if program.is_running]
        return self._shows(
            ["paysaga", "doctor"], [BINARIES / "paysaga", "doctor", *addresses], expect, None, {}, only=r'^finding=(?!"outbox of \w+" problem="there is no table)')

    def psql(self, query: str, expect: str = "") -> str:
        command = ["psql", "--no-psqlrc", "--quiet", self.world.dsn, "-c", query]
        return self._shows(["psql", '"$DB_DSN"', "-c", f'"{query}"'], command, expect, 0, {})

    def does(self, *words: str, **settings: str) -> str:
        """A command of `paysaga` that repairs; it must succeed."""
        return self._shows(["paysaga", *words], [BINARIES / "paysaga", *words], "", 0, settings)

    def acts(self, words: str) -> None:
        """Something that is done outside: it stands in the transcript as a comment."""
        self._parts.append(f"# {words}")

    def logs(self, program: Program, expect: str) -> None:
        """The program's log has such a line."""
        found = program.wait_for_output(rf"^.*{expect}.*$", MINUTE)
        self._note(f"grep … {program.binary}.log", found[0])

    def ready(self, program: Program, expect: str) -> None:
        """`/readyz` of a program says so."""
        body = wait_until(
            lambda: next((text for text in [program.get("/readyz")[1]] if re.search(expect, text)), None),
            f"/readyz of {program.name} shows /{expect}/", MINUTE)
        self._note(f"curl -s 127.0.0.1:{ADMIN_PORTS[program.binary]}/readyz", body)

    def metric(self, program: Program, name: str, value: str, **labels: str) -> None:
        """`/metrics` of a program has a sample of that name and value, with the labels among its own."""
        wanted = [f'{label}="{text}"' for label, text in labels.items()]

        def look():
            lines = [line for line in program.get("/metrics")[1].splitlines() if line.startswith(name)]
            found = [line for line in lines if all(text in line for text in wanted) and line.endswith(f" {value}")]
            assert found, lines
            return lines

        lines = wait_until(look, f"{name}{labels}", MINUTE)
        self._note(f"curl -s 127.0.0.1:{ADMIN_PORTS[program.binary]}/metrics | grep {name}", "\n".join(lines))

    def found(self, what: str = "") -> None:
        """From here on it is repaired."""
        self._check("found", what)

    def repaired(self) -> None:
        """The end; what was done is what the document shows."""
        self._check("repaired")
        sections = {part.partition("\n")[0]: part for part in DOCUMENT.read_text().split("\n## ")}
        assert self.title in sections, f"{DOCUMENT} has no drill of this name: {self.title}"
        assert actions(sections[self.title]) == actions(self.transcript()), \
            f"{DOCUMENT} shows something else: run make drills OUT=DIR, and put what it writes there"

    # The transcript

    def transcript(self) -> str:
        """Markdown."""
        return f"## {self.title}\n\n{self.story}\n\n```console\n" + "\n".join(self._parts) + "\n```\n"

    def _shows(
        self, shown: list[str], command: list, expect: str, status: int | None, settings: dict[str, str],
        only: str | None = None
    ) -> str:
        def look():
            done = subprocess.run(
                list(map(str, command)), env=self.world.environment(LOG_LEVEL="info", **settings), capture_output=True, text=True,
                timeout=MINUTE, cwd="/")
            text = done.stdout + done.stderr
            assert re.search(expect, text, re.MULTILINE), f"/{expect}/ is not in:\n{text}"
            assert status is None or done.returncode == status, (done.returncode, text)
            return text or "\n"

        # A repair is done once.
        text = wait_until(look, " ".join(shown), MINUTE, interval=0.2) if expect else look()
        lines = [line for line in text.splitlines() if only is None or re.search(only, line)]
        self._note(" ".join(shown), "\n".join(lines))
        return text

    def _note(self, command: str, output: str) -> None:
        lines = self._local(output.strip()).splitlines()
        if len(lines) > LONGEST:
            lines = [*lines[:LONGEST], f"… {len(lines) - LONGEST} lines more"]
        self._parts += [f"$ {self._local(command)}", *lines, ""]

    def _check(self, what: str, words: str = "") -> None:
        now = time.monotonic()
        self._parts.append(f"# {what} after {now - self._began:.0f} s{f': {words}' if words else ''}")
        self._began = now

    def _local(self, text: str) -> str:
        """The names of a local stack."""
        world = self.world
        for name, usual in (
                (world.dead_letters, "inventory.dlq"), (world.inventory, "inventory"), (world.topic, "payment"),
                (world.group, "payments"), (world.broker.brokers, "127.0.0.1:9095")):
            text = text.replace(name, usual)
        return re.sub(r"\be2e_[0-9a-f]{12}\b", "payments", text)
