"""A PostgreSQL in a folder: what the local stack, the tests and the benchmarks all start theirs with.

Loopback only, superuser `payments`, fsync on: the guarantees are measured with it. PostgreSQL refuses to run as
root, so as root it runs as `postgres` through setpriv.
"""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import IO

from .console import Failure

INSTALLED = Path("/usr/lib/postgresql")
USER = PASSWORD = "payments"
SETTINGS = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "on",
            "log_line_prefix": "%m [%p] %q%a "}


def is_root() -> bool:
    return os.geteuid() == 0


def as_postgres(command: list[str]) -> list[str]:
    runner = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--"] if is_root() else []
    return runner + command


def run_as_postgres(*command: str, **options) -> bool:
    return subprocess.run(as_postgres(list(command)), cwd="/", check=False, **options).returncode == 0


def give(path: Path | str) -> None:
    """Makes a file or folder the server's own."""
    if is_root():
        shutil.chown(path, "postgres", "postgres")


def newest_version(names: list[str]) -> str | None:
    """The highest of the folders of /usr/lib/postgresql."""
    versions = [name for name in names if re.fullmatch(r"\d+(\.\d+)?", name)]
    return max(versions, key=lambda name: [int(number) for number in name.split(".")], default=None)


def installed() -> tuple[str, Path] | None:
    """Version and programs' directory of the newest installed server."""
    version = newest_version(os.listdir(INSTALLED)) if INSTALLED.is_dir() else None
    if version is None or not os.access(INSTALLED / version / "bin/postgres", os.X_OK):
        return None
    return version, INSTALLED / version / "bin"


def server() -> tuple[str, Path]:
    """As `installed`, which must be there."""
    found = installed()
    if found is None:
        raise Failure(f"no PostgreSQL server below {INSTALLED}: run 'make deps', or install the package postgresql")
    return found


def initialise(
    data: Path, output: IO[bytes] | int | None = None, is_durable: bool = True, password: str = PASSWORD
) -> None:
    """Makes the cluster in a folder that is missing, or empty and the server's own.

    `is_durable` says whether it must outlive a crash of the machine right after; `password` is the superuser's, known
    only where the cluster lasts no longer than a test.
    """
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(f"{password}\n")
        file.flush()
        give(file.name)
        done = run_as_postgres(
            f"{server()[1]}/initdb", f"--pgdata={data}", f"--username={USER}", f"--pwfile={file.name}",
            "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", *([] if is_durable else ["--no-sync"]),
            stdout=output, stderr=output, timeout=120)
    if not done:
        raise Failure("initdb failed")


def command(data: Path, port: int, settings: dict[str, str]) -> list[str]:
    """What runs the server; the process is the postmaster."""
    words = (word for name, value in (SETTINGS | settings).items() for word in ("-c", f"{name}={value}"))
    return as_postgres([f"{server()[1]}/postgres", "-D", str(data), "-p", str(port), *words])
