"""The targets of Package.swift with the Swift files of each and what they import."""

import json
import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

# Whatever its access level, attributes or kind.
IMPORT = re.compile(
    r"^\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:(public|package|internal|fileprivate|private)\s+)?import\s+"
    r"(?:(?:struct|class|enum|protocol|func|var|let|typealias)\s+)?(\w+)", re.MULTILINE)


@dataclass
class Target:
    name: str
    folder: str
    dependencies: set[str]
    is_system: bool
    # Modules by file; files relative to the root.
    imports: dict[str, set[str]] = field(default_factory=dict)
    # Modules whose types appear in its API: those of `public import`.
    exposed: set[str] = field(default_factory=set)

    @property
    def module(self) -> str:
        return self.name.replace("-", "_")

    def imported(self) -> set[str]:
        return set().union(*self.imports.values()) if self.imports else set()


@dataclass
class Product:
    name: str
    targets: set[str]
    is_library: bool


@dataclass
class Package:
    targets: dict[str, Target]
    products: list[Product]

    def by_module(self) -> dict[str, Target]:
        return {target.module: target for target in self.targets.values()}


def imports_of(source: str) -> dict[str, str]:
    """The modules that a file imports, each with the access level that is written there."""
    without_block_comments = re.sub(r"/\*.*?\*/", "", source, flags=re.DOTALL)
    return {module: access for access, module in IMPORT.findall(without_block_comments)}


def parse(dump: dict) -> Package:
    """The package of `swift package dump-package`."""
    targets = {}
    for each in dump["targets"]:
        names = {next(iter(dependency.values()))[0] for dependency in each["dependencies"]}
        targets[each["name"]] = Target(each["name"], each["path"], names, each["type"] == "system")
    products = [Product(each["name"], set(each["targets"]), "library" in each["type"]) for each in dump["products"]]
    return Package(targets, products)


def read(root: Path) -> Package:
    """The package in `root`, with its sources. The fuzzer's targets are there only when they are asked for."""
    environment = {**os.environ, "PAYSAGA_FUZZ": "1"}
    done = subprocess.run(["swift", "package", "dump-package"], cwd=root, env=environment, capture_output=True,
                          text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"swift package dump-package failed: {done.stderr.strip()}")
    package = parse(json.loads(done.stdout))
    read_sources(package, root)
    return package


def read_sources(package: Package, root: Path) -> None:
    folders = {target.folder: target for target in package.targets.values()}
    for target in package.targets.values():
        for file in sorted((root / target.folder).rglob("*.swift")):
            name = file.relative_to(root).as_posix()
            # A target may lie in a folder of another one.
            owner = max((folder for folder in folders if name.startswith(f"{folder}/")), key=len)
            if owner == target.folder:
                found = imports_of(file.read_text())
                target.imports[name] = set(found)
                target.exposed |= {module for module, access in found.items() if access == "public"}
