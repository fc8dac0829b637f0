"""Writes the descriptors that server reflection serves: what protoc makes of the .proto files of api/, as Swift.

descriptors.py           writes the Swift files; run it after a change of a .proto file (`make descriptors`)
descriptors.py --check   writes nothing; names the files that differ from protoc's output and ends with 1 if any does
"""

import base64
import sys
import tempfile
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parents[2]
API = ROOT / "api"
WELL_KNOWN = Path(grpc_tools.__file__).parent / "_proto"

# The Swift file, the access level of its enum, the enum, its summary, and the .proto files; their imports come along.
TARGETS = [
    (
        "internal/net/GRPC/StandardDescriptors.swift", "", "StandardDescriptors",
        "The protocols that come with the server, and the error details that any service may send.",
        [
            "grpc/health/v1/health.proto", "grpc/reflection/v1/reflection.proto",
            "grpc/reflection/v1alpha/reflection.proto", "google/rpc/error_details.proto", "google/rpc/status.proto",
        ],
    ),
    (
        "internal/saga/API/PaymentDescriptors.swift", "package ", "PaymentDescriptors",
        "The APIs of payments.",
        ["payments/v1/payments.proto", "paymentsapi/paymentsapi.proto"],
    ),
]  # fmt: skip


def descriptor_set(names):
    """The serialised FileDescriptorSet of these files and all they import."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "set.pb"
        arguments = ["protoc", f"-I{API}", f"-I{WELL_KNOWN}", "--include_imports", f"--descriptor_set_out={out}"]
        if protoc.main(arguments + [str(API / name) for name in names]) != 0:
            raise SystemExit("protoc refused the .proto files")
        return out.read_bytes()


def swift(access, enum, summary, names):
    text = base64.b64encode(descriptor_set(names)).decode().rstrip("=")
    lines = [text[start : start + 112] for start in range(0, len(text), 112)]
    body = "\\\n".join(f"    {line}" for line in lines)
    return (
        "// Made by internal/stack/descriptors.py with protoc; do not edit.\n\n"
        f"/// {summary}\n{access}enum {enum} {{\n"
        "  /// A serialised `google.protobuf.FileDescriptorSet` with all imports, in Base64.\n"
        f'  {access}static let base64 = """\n{body}\n    """\n}}\n'
    )


def main(arguments):
    differing = []
    for path, access, enum, summary, names in TARGETS:
        text = swift(access, enum, summary, names)
        file = ROOT / path
        if arguments == ["--check"]:
            if not file.exists() or file.read_text() != text:
                differing.append(path)
        else:
            file.write_text(text)
    if differing:
        raise SystemExit(f"not what protoc makes of api/: {', '.join(differing)}; run `make descriptors`")


if __name__ == "__main__":
    main(sys.argv[1:])
