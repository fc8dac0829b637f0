"""The stack with Docker: docker-compose.yml does the work."""

import json
import os
import re
import secrets
import shutil
import subprocess
from pathlib import Path

from . import ports
from .console import Failure, heading, say
from .stack import ROOT

WORKING_DIR = "com.docker.compose.project.working_dir"

UP = """
Paysaga is up, in Docker.
  gRPC         127.0.0.1:8081 (clear, h2c)
  PostgreSQL   127.0.0.1:54321, database payments; .env has the passwords of its roles
  Redis        redis://127.0.0.1:6379/0
  Kafka        127.0.0.1:9095, kafka-ui http://127.0.0.1:8080
  payments     http://127.0.0.1:8090 (/v1)
  surfaces     http://127.0.0.1:9000 (cards)  :9191 (transactions)  :8010 (payments)  :8011 (updater)  :8000 (demo)
  bank         http://127.0.0.1:9002 (imitated)
  admin        http://127.0.0.1:9101  :9102  :9103  :9104  :9105  :9107  (/healthz /readyz /metrics)
  Prometheus   http://127.0.0.1:9090, Grafana http://127.0.0.1:3000

Try next:
  make demo
  docker compose run --rm paysaga push --order 111
  docker compose run --rm paysaga get --order 111

'make status' shows what runs, 'make logs' follows the logs, 'make down' stops it."""


# Read by docker compose; not in git.
ENV = ROOT / ".env"


def make_passwords(file: Path) -> None:
    """Gives each password that docker-compose.yml asks for a random word, unless it has one in the file."""
    wanted = sorted(set(re.findall(r"\$\{([A-Z_]+):\?", (ROOT / "docker-compose.yml").read_text())))
    known = file.read_text().splitlines() if file.exists() else []
    missing = [name for name in wanted if not any(line.startswith(f"{name}=") for line in known)]
    if not missing:
        return
    new = file.with_name(f"{file.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
        output.writelines(f"{line}\n" for line in known)
        output.writelines(f"{name}={secrets.token_hex(16)}\n" for name in missing)
    new.replace(file)


def compose(*arguments: str) -> bool:
    return subprocess.run(["docker", "compose", *arguments], cwd=ROOT, check=False).returncode == 0


def _output(*command: str) -> str | None:
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def answers() -> bool:
    return shutil.which("docker") is not None and _output("docker", "info") is not None \
        and _output("docker", "compose", "version") is not None


def _configuration() -> dict:
    text = _output("docker", "compose", "config", "--format", "json")
    if text is None:
        raise Failure("docker-compose.yml cannot be read: see 'docker compose config'")
    return json.loads(text)


def published_ports(configuration: dict) -> list[ports.Wanted]:
    """What the services of a compose file listen on, on this machine."""
    return [
        ports.Wanted(int(port["published"]), name, "docker-compose.yml")
        for name, service in configuration.get("services", {}).items()
        for port in service.get("ports", []) if str(port.get("published", "")).isdigit()
    ]


def _owners(project: str) -> set[str]:
    """The folders from which the containers of a project were started."""
    listing = _output("docker", "ps", "--all", "--filter", f"label=com.docker.compose.project={project}",
                      "--format", f'{{{{.Label "{WORKING_DIR}"}}}}')
    return set((listing or "").split("\n")) - {""}


def require_own() -> set[str]:
    """Ends the run when the containers of this project's name were started from another checkout."""
    project = _configuration().get("name", "")
    owners = _owners(project)
    if owners - {str(ROOT)}:
        raise Failure(f"the containers of the project {project} were started from {', '.join(sorted(owners))}, not by"
                      " this checkout. Nothing was touched: work there, or set COMPOSE_PROJECT_NAME to another name")
    return owners


def require_running() -> None:
    if not require_own():
        raise Failure("this checkout has started no containers: 'make up' first")


def up() -> None:
    make_passwords(ENV)
    if not require_own():
        ports.require_free(published_ports(_configuration()))
    heading("docker compose: building the image and starting the containers")
    if not compose("up", "--build", "--detach", "--wait", "--wait-timeout", "600"):
        compose("ps", "--all")
        compose("logs", "--tail", "20")
        raise Failure("docker compose up failed; the lines above say which container and why")
    say(UP)


def down(*options: str) -> None:
    require_own()
    if not compose("down", "--timeout", "40", *options):
        raise Failure("docker compose down failed")
