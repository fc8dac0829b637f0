"""Builds the C++ server of bench/grpcpp with Debian's protoc and grpc++."""

import shutil
from pathlib import Path

from .bench import run

ROOT = Path(__file__).resolve().parents[2]


def build(directory: Path) -> Path:
    """The program, made in `directory`."""
    plugin = shutil.which("grpc_cpp_plugin")
    assert plugin, "grpc_cpp_plugin is missing: install protobuf-compiler-grpc"
    api = ROOT / "api/paymentsapi"
    run(["protoc", f"-I{api}", f"--cpp_out={directory}", f"--grpc_out={directory}",
         f"--plugin=protoc-gen-grpc={plugin}", "paymentsapi.proto"])
    flags = run(["pkg-config", "--cflags", "--libs", "grpc++", "protobuf"]).split()
    program = directory / "ping"
    sources = [ROOT / "bench/grpcpp/ping.cc", directory / "paymentsapi.pb.cc", directory / "paymentsapi.grpc.pb.cc"]
    run(["g++", "-O2", "-std=c++17", f"-I{directory}", "-o", str(program), *map(str, sources), *flags])
    return program
