"""The interop server (tests/interop) and stubs for it."""

import importlib
import sys
import tempfile
from pathlib import Path

import grpc
from grpc_tools import protoc

from .process import BINARIES, ROOT, Process, clean_environment


def _generate() -> None:
    directory = tempfile.mkdtemp(prefix="paysaga-interop-stubs-")
    source = ROOT / "tests/interop"
    arguments = ["protoc", f"-I{source}", f"--python_out={directory}", f"--grpc_python_out={directory}", "interop.proto"]
    assert protoc.main(arguments) == 0, "protoc failed"
    sys.path.insert(0, directory)


_generate()
messages = importlib.import_module("interop_pb2")
stubs = importlib.import_module("interop_pb2_grpc")


class InteropServer(Process):
    def __init__(self, directory: Path):
        super().__init__("interop-server", [str(BINARIES / "interop-server"), "127.0.0.1:0"], clean_environment(),
                         directory / "interop-server.log")

    @property
    def port(self) -> int:
        return int(self.wait_for_output(r"interop: serving port=(\d+)")[1])

    def channel(self, **options) -> grpc.Channel:
        """A connection of its own; options as gRPC names them, without the leading `grpc.`."""
        arguments = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
        arguments += [(f"grpc.{name}", value) for name, value in options.items()]
        return grpc.insecure_channel(f"127.0.0.1:{self.port}", options=arguments)

    def resident_kib(self, field: str = "VmRSS") -> int:
        """Resident memory; field VmHWM is the most there ever was."""
        for line in Path(f"/proc/{self.handle.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1])
        raise AssertionError(f"{self.name} has no {field}: it has ended")
