"""The libraries, as a package of somebody else depends on them."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = {"Outbox": "docs/outbox.md", "Inbox": "docs/inbox.md", "GRPC": "docs/grpc.md"}


def manifest(product: str) -> str:
    """The Package.swift of a library's document, with this checkout in the place of the address."""
    text = (ROOT / DOCUMENTS[product]).read_text()
    found = re.search(r"```swift\n(// swift-tools-version.*?)```", text, re.DOTALL)[1]
    replaced, places = re.subn(r"\.package\(url: .*?\)\)", f'.package(name: "paysaga", path: "{ROOT}")', found)
    assert places == 1 and f'name: "{product}"' in replaced
    return replaced


@pytest.mark.timeout(300)
def test_packages_of_the_documents_find_their_products(tmp_path: Path):
    """Their graph is loaded, with the products and all that they need; nothing is compiled."""
    one = manifest("Outbox")
    assert manifest("Inbox").replace('"Inbox"', '"Outbox"') == manifest("GRPC").replace('"GRPC"', '"Outbox"') == one
    every = ", ".join(f'.product(name: "{product}", package: "paysaga")' for product in DOCUMENTS)
    (tmp_path / "Package.swift").write_text(one.replace('.product(name: "Outbox", package: "paysaga")', every))
    (tmp_path / "Sources/shipping").mkdir(parents=True)
    (tmp_path / "Sources/shipping/main.swift").write_text("")
    graph = subprocess.run(["swift", "package", "show-dependencies"], cwd=tmp_path, capture_output=True, text=True,
                           check=False)
    assert graph.returncode == 0, graph.stderr
