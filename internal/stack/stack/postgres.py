"""The local stack's PostgreSQL: database `payments` in a cluster (cluster.py) whose data outlive it.

The data lies in STACK_DIR/postgres when the user that the server runs as can get there. A checkout below a directory
only root may enter (/root/…) keeps it in a directory of its own under /var/lib/paysaga instead, with STACK_DIR/postgres
as a link to it; that link is the only way it is found again, so a new checkout at the same path never meets old data.
"""

import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from . import cluster, roles
from .cluster import is_root, run_as_postgres
from .console import Ended, Failure, detail, heading, last_lines, wait_until
from .stack import Stack
from .table import POSTGRES

FALLBACK = Path("/var/lib/paysaga")


def home(stack: Stack) -> Path:
    """Makes STACK_DIR/postgres, or the directory it links to, and returns the real path."""
    link = stack.dir / "postgres"
    if not link.exists():
        link.unlink(missing_ok=True)  # a link whose target was removed
        if not is_root() or run_as_postgres("test", "-x", str(stack.dir)):
            link.mkdir(mode=0o700)
        else:
            _fallback_home(stack, link)
        cluster.give(link.resolve())
    if not run_as_postgres("test", "-w", str(link.resolve())):
        raise Failure(f"{link} cannot be entered by the user PostgreSQL runs as (postgres when that is root)."
                      " Was the checkout moved, or 'make up' run by another user before? 'make reset' as that user"
                      " removes the data.")
    return link.resolve()


def _fallback_home(stack: Stack, link: Path) -> None:
    FALLBACK.mkdir(mode=0o755, parents=True, exist_ok=True)
    FALLBACK.chmod(0o755)
    prefix = hashlib.sha256(str(stack.dir).encode()).hexdigest()[:12]
    target = tempfile.mkdtemp(prefix=f"{prefix}-", dir=FALLBACK)
    link.symlink_to(target)
    detail(f"the user postgres cannot enter {stack.dir}, so the data lies in {target}")


def _initialise(stack: Stack, directory: Path) -> None:
    # Into a directory beside the final one: an interrupted run leaves no half-made cluster to stumble over.
    heading(f"postgres: making a database cluster in {directory}")
    run_as_postgres("rm", "-rf", f"{directory}/new")
    log = stack.log_dir / "initdb.log"
    with log.open("ab") as output:
        try:
            cluster.initialise(directory / "new", output, password=stack.password(roles.SUPERUSER))
        except Failure:
            last_lines(log)
            raise
    run_as_postgres("mv", f"{directory}/new", f"{directory}/data")


def psql(stack: Stack, database: str, statement: str) -> str | None:
    """What the statement gives, without decoration; None when it failed."""
    done = _psql(stack, database, "-Atqc", statement)
    return done.stdout.strip() if done.returncode == 0 else None


def script(stack: Stack, database: str, text: str) -> None:
    """Runs SQL as the superuser, up to the first error, which ends the run."""
    done = _psql(stack, database, "-qv", "ON_ERROR_STOP=1", "-f", "-", given=text)
    if done.returncode != 0:
        raise Failure(f"psql: {done.stderr.strip()}")


def _psql(stack: Stack, database: str, *options: str, given: str = "") -> subprocess.CompletedProcess:
    environment = {
        **os.environ, "PGPASSWORD": stack.password(roles.SUPERUSER), "PGCONNECT_TIMEOUT": "3",
        "PGOPTIONS": "-c client_min_messages=warning"}
    return subprocess.run(
        ["psql", "-X", "-h", "127.0.0.1", "-p", str(stack.ports["STACK_POSTGRES_PORT"]), "-U", roles.SUPERUSER,
         "-d", database, *options],
        env=environment, input=given, capture_output=True, text=True, check=False)


def answers(stack: Stack) -> bool:
    if not stack.process(POSTGRES).is_running():
        raise Ended
    return psql(stack, "postgres", "SELECT 1") == "1"


def start(stack: Stack) -> None:
    process = stack.process(POSTGRES)
    if process.is_running():
        detail(f"postgres: already running (pid {process.pid()}, {stack.address(POSTGRES)})")
        return
    version, programs = cluster.server()
    stack.require_free_ports((POSTGRES,))
    stack.make_dirs()
    directory = home(stack)
    version_file = directory / "data/PG_VERSION"
    if version_file.exists() and roles.SUPERUSER not in roles.read(stack.passwords_file):
        raise Failure(f"nobody knows the password of the data in {directory}: they are of an older stack, whose programs"
                      f" were superusers, or {stack.passwords_file} was removed. 'make reset' removes the data.")
    if not version_file.exists():
        _initialise(stack, directory)
    found = version_file.read_text().strip()
    if found != version:
        raise Failure(f"the data in {directory} are of PostgreSQL {found}, the installed server is in {programs}."
                      " Install that version, or remove the data with 'make reset'.")
    # 256 MB of buffers for the figures of the benchmarks, connections for a few of each program; the rest as PostgreSQL
    # ships it.
    command = cluster.command(directory / "data", stack.ports["STACK_POSTGRES_PORT"], {
        "max_connections": "300", "shared_buffers": "256MB", "max_wal_size": "2GB", "cluster_name": "paysaga"})
    # After a SIGKILL of the postmaster its children take a moment to notice; until then a new one refuses to start.
    for attempt in range(3):
        heading(f"postgres: starting on {stack.address(POSTGRES)}")
        process.launch(command)
        if wait_until(60, "postgres is starting", process.log, lambda: answers(stack)):
            _make_database(stack)
            return
        if process.is_running() or attempt == 2:
            break
        detail("trying again")
        time.sleep(2)
    raise Failure("PostgreSQL did not start")


def _make_database(stack: Stack) -> None:
    if psql(stack, "postgres", "SELECT count(*) FROM pg_database WHERE datname = 'payments'") == "0":
        if psql(stack, "postgres", "CREATE DATABASE payments") is None:
            raise Failure("the database payments could not be created")


def stop(stack: Stack) -> None:
    # SIGINT is PostgreSQL's fast shutdown: open transactions are rolled back, everything is written. SIGQUIT skips the
    # writing and leaves recovery to the next start.
    stack.process(POSTGRES).stop(signal.SIGINT, 60, signal.SIGQUIT)


def remove(stack: Stack) -> None:
    """Removes the data; only directories this file made."""
    link = stack.dir / "postgres"
    if link.is_symlink():
        target = Path(os.readlink(link))
        if target.parent != FALLBACK:
            raise Failure(f"{link} links to {target}, which is not ours: not removed")
        shutil.rmtree(target, ignore_errors=True)
        link.unlink()
    elif link.exists():
        shutil.rmtree(link)
