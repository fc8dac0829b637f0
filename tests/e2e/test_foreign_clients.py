"""gRPC's other implementations as callers: good calls beside cancels and short deadlines, none of the good ones fails.

Each is skipped where its packages are missing; `libgrpc++-dev`, `ruby-grpc`, and for Java a JDK, `libgrpc-java`,
`libnetty-java`, `libguava-java` and `libperfmark-java`.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.process import ROOT, Program
from harness.world import World

SOURCES = ROOT / "tests/foreign"
JARS = Path("/usr/share/java")


@pytest.fixture(scope="module")
def server(grpc_world: World) -> Program:
    return grpc_world.server(CRON_ENABLED="false")


def run(command: list[str], server: Program, each: int) -> None:
    """The calls, which must neither fail nor end a connection."""
    ended = server.output.count("a connection was ended for its peer's fault")
    done = subprocess.run(
        [*command, str(server.grpc_port), str(each)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    found = re.search(r"good=(\d+) failed=(\d+) late=(\d+)", done.stdout)
    assert found and int(found[1]) > 0 and int(found[2]) == 0, done.stdout + done.stderr[-2000:]
    assert int(found[3]) > 0, "no deadline passed: the calls prove little"
    assert server.output.count("a connection was ended for its peer's fault") == ended
    assert server.is_running


def test_java(server: Program, tmp_path: Path):
    jars = [JARS / f"{name}.jar" for name in (
        "grpc-api", "grpc-context", "grpc-core", "grpc-netty", "grpc-stub", "guava", "perfmark-api",
        "netty-all")]
    missing = [jar.name for jar in jars if not jar.exists()]
    if missing or not shutil.which("javac"):
        pytest.skip(f"no grpc-java here: {', '.join(missing) or 'no javac'}")
    path = ":".join(map(str, [*jars, *JARS.glob("netty-*.jar")]))
    subprocess.run(
        ["javac", "-cp", path, "-d", str(tmp_path), str(SOURCES / "Calls.java")], check=True, capture_output=True,
        text=True, timeout=120)
    run(["java", "-cp", f"{path}:{tmp_path}", "Calls"], server, 1_000)


def test_cpp(server: Program, tmp_path: Path):
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "grpc++"], capture_output=True, text=True)
    if flags.returncode != 0 or not shutil.which("g++"):
        pytest.skip("no gRPC for C++ here: libgrpc++-dev, g++ and pkg-config")
    program = tmp_path / "calls"
    subprocess.run(
        ["g++", "-O0", "-std=c++17", str(SOURCES / "calls.cc"), "-o", str(program), *flags.stdout.split()], check=True,
        capture_output=True, text=True, timeout=180)
    run([str(program)], server, 1_000)


def test_ruby(server: Program):
    ruby = shutil.which("ruby")
    if not ruby or subprocess.run([ruby, "-e", "require 'grpc'"], capture_output=True).returncode != 0:
        pytest.skip("no gRPC for Ruby here: ruby-grpc")
    run([ruby, str(SOURCES / "calls.rb")], server, 250)
