"""The Debian packages this repository needs, and their installation.

Installing Debian's postgresql and redis-server normally makes a cluster and starts both as services. Nobody asked for
that: while apt-get runs, a policy forbids starting services and createcluster.conf forbids the cluster. Both files are
put back as they were, also after a failure, and after a SIGKILL at the next run.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from .console import Failure, detail, heading, last_lines, wait_until
from .process import start_time
from .stack import ROOT, Stack

GROUPS: dict[str, tuple[str, ...]] = {
    "build": (
        "libpq-dev", "libhiredis-dev", "librdkafka-dev", "libnghttp2-dev", "libmicrohttpd-dev", "libgnutls28-dev", "libssl-dev",
        "libcurl4-openssl-dev", "zlib1g-dev", "pkg-config",
    ),
    "run": ("postgresql", "redis-server", "redis-tools", "kcat", "curl"),
    "test": (
        "python3", "python3-venv", "protobuf-compiler", "nghttp2-client", "nghttp2-server", "openssl", "pgbouncer", "stunnel4",
        "shellcheck", "pyflakes3", "spin", "gcc", "g++", "libgrpc++-dev", "ruby-grpc", "chromium-headless-shell",
    ),
    # grpc-c++ is a baseline, callgrind counts instructions.
    "bench": ("valgrind", "g++", "protobuf-compiler-grpc", "libgrpc++-dev", "libprotobuf-dev"),
}  # fmt: skip

POLICY = Path("/usr/sbin/policy-rc.d")
CLUSTER_CONF = Path("/etc/postgresql-common/createcluster.conf")
# What the two files held before; exists only while apt-get runs.
SAVED = Path("/var/lib/paysaga/installing")


def parse_installed(listing: str) -> set[str]:
    """The installed packages of dpkg-query's lines "NAME STATUS"."""
    pairs = (line.split() for line in listing.splitlines())
    return {pair[0].partition(":")[0] for pair in pairs if len(pair) == 2 and pair[1] == "installed"}


def missing(packages: Iterable[str]) -> list[str]:
    packages = list(packages)
    # It ends with an error for each package it does not know, and lists the others all the same.
    listing = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *packages],
        capture_output=True, text=True, check=False).stdout
    installed = parse_installed(listing)
    return [package for package in packages if package not in installed]


def ensure(stack: Stack, groups: Iterable[str]) -> None:
    """Installs what is missing of the groups."""
    groups = list(groups)
    if unknown := [group for group in groups if group not in GROUPS]:
        raise Failure(f"there is no group of packages named {', '.join(unknown)}; there are {', '.join(GROUPS)}")
    if shutil.which("dpkg-query") is None:
        raise Failure("only Debian 12 is supported without Docker: dpkg was not found")
    is_root = os.geteuid() == 0
    if is_root:
        recover(stack)
    wanted = missing(package for group in groups for package in GROUPS[group])
    if not wanted:
        detail("packages: everything needed is installed")
        return
    heading(f"installing {len(wanted)} Debian packages: {' '.join(wanted)}")
    if is_root:
        install(stack, wanted)
    elif shutil.which("sudo"):
        # Made here, so that they are this user's: root only writes into them.
        stack.make_dirs()
        apt_log(stack).touch()
        done = subprocess.run(
            ["sudo", "env", f"STACK_DIR={stack.dir}", str(ROOT / "internal/stack/stack.sh"), "install-packages", *wanted],
            check=False)
        if done.returncode != 0:
            raise Failure("the packages could not be installed")
    else:
        raise Failure(
            f"these Debian packages are missing and only root may install them:\n  apt-get install {' '.join(wanted)}\n"
            "(postgresql and redis-server start as services when installed by hand; this stack does not need them"
            " running)")


def install(stack: Stack, packages: list[str]) -> None:
    recover(stack)
    fresh_redis = bool(missing(["redis-server"]))
    # The two files are put back on a signal too.
    before = {number: signal.signal(number, lambda number, _: sys.exit(128 + number))
              for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        _apt_get(stack, "update")
        _hold_services()
        if "postgresql" in packages:
            # Its own file must be there before the server's installation script reads it.
            _apt_get(stack, "install", "postgresql-common")
            _forbid_cluster()
        _apt_get(stack, "install", *packages)
    finally:
        recover(stack)
        for number, handler in before.items():
            signal.signal(number, handler)
    # Never ours to have running, so it must not come up at the next boot either.
    if fresh_redis and not missing(["redis-server"]):
        subprocess.run(["update-rc.d", "redis-server", "disable"], capture_output=True, check=False)


def apt_log(stack: Stack) -> Path:
    return stack.log_dir / "apt.log"


def _apt_get(stack: Stack, *arguments: str) -> None:
    """apt-get with its output in a log, the elapsed time on the terminal, and patience with another apt-get."""
    stack.make_dirs()
    log = apt_log(stack)
    with log.open("ab") as output:
        child = subprocess.Popen(
            ["apt-get", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300",
             "-o", "Dpkg::Options::=--force-confold", "-o", "Acquire::Retries=3", *arguments],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            # A session of its own: Ctrl-C must not stop it halfway.
            start_new_session=True,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_SUSPEND": "1"})
    if SAVED.is_dir():
        (SAVED / "apt.pid").write_text(f"{child.pid} {start_time(child.pid)}\n")
    if not wait_until(900, f"apt-get {arguments[0]}", log, lambda: child.poll() is not None):
        child.terminate()
        child.wait()
        raise Failure(f"apt-get {' '.join(arguments)} took too long")
    if child.returncode != 0:
        last_lines(log)
        raise Failure(f"apt-get {' '.join(arguments)} failed")


def _exists(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _hold_services() -> None:
    SAVED.mkdir(parents=True, exist_ok=True)
    if _exists(POLICY):
        shutil.move(POLICY, SAVED / "policy-rc.d")
    (SAVED / "policy-is-ours").touch()
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)


def _forbid_cluster() -> None:
    if CLUSTER_CONF.exists():
        shutil.copy2(CLUSTER_CONF, SAVED / "createcluster.conf")
    with CLUSTER_CONF.open("a") as file:
        file.write("create_main_cluster = false\n")


def recover(stack: Stack) -> None:
    """Puts the two files back, once an apt-get that is still at work has ended: an interrupted one goes on by itself
    (stopping it halfway would leave half-installed packages) and must not find services allowed again.
    """
    if not SAVED.is_dir():
        return
    try:
        pid, start = (int(word) for word in (SAVED / "apt.pid").read_text().split())
    except (OSError, ValueError):
        pid, start = 0, 0
    if pid and start_time(pid) == start:
        detail(f"an interrupted installation is still at work (pid {pid}): waiting for it to end")
        if not wait_until(900, "apt-get", apt_log(stack), lambda: start_time(pid) != start):
            raise Failure(f"apt-get (pid {pid}) does not end")
    if (SAVED / "policy-is-ours").exists():
        POLICY.unlink(missing_ok=True)
    if _exists(SAVED / "policy-rc.d"):
        shutil.move(SAVED / "policy-rc.d", POLICY)
    if (SAVED / "createcluster.conf").exists():
        shutil.copy2(SAVED / "createcluster.conf", CLUSTER_CONF)
    shutil.rmtree(SAVED)
