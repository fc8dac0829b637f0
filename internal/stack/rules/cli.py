"""check_rules.py [ROOT]: all rules; ends with 1 when one is broken."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from . import declarations, documents, imports, layers, logs, text
from .package import Package, read

# Written by a generator or another implementation.
GENERATED = re.compile(r"(Descriptors|Golden)\.swift$|_pb2\.py$|/golden/")
# Says what was true when it was written.
HISTORY = re.compile(r"^(CHANGELOG\.md|docs/decisions/\d+.*\.md)$")


def files(root: Path, *patterns: str) -> Iterator[tuple[str, str]]:
    """Name and text of the files git knows, or would add."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", *patterns],
        cwd=root, capture_output=True, text=True, check=True).stdout
    for name in sorted(set(listing.split("\0")) - {""}):
        if (root / name).is_file() and not GENERATED.search(name):
            yield name, (root / name).read_text()


def check_imports(package: Package) -> Iterator[str]:
    yield from imports.dependencies(package)
    yield from imports.direction(package)
    yield from imports.c_libraries(package)
    yield from imports.products(package)


def check_documents(root: Path) -> Iterator[str]:
    tests = documents.read_tests(root)
    known = documents.decisions(root)
    yield from documents.incomplete_index(root)
    yield from documents.missing_rooms((root / "docs/architecture.md").read_text(), root)
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", (root / "Makefile").read_text(), re.MULTILINE))
    for name, content in files(root, "*.md"):
        yield from documents.missing_tests(name, content, tests)
        yield from documents.missing_links(name, content, root)
        yield from documents.missing_decisions(name, content, known)
        if not HISTORY.match(name):
            yield from documents.missing_paths(name, content, root, documents.paths_in_document(content))
            yield from documents.missing_targets(name, content, targets)
    for name, content in files(root, "*.swift", "*.py", "*.sh", "*.sql", "*.yml", "*.env", ".ci/run", "Makefile"):
        yield from documents.missing_paths(name, content, root, documents.paths_in_comments(content))
        yield from documents.missing_decisions(name, content, known)


def check_comments(root: Path) -> Iterator[str]:
    for name, content in files(root, "*.swift", "*.py", "*.sh"):
        yield from text.long_lines(name, content)


def check_brands(root: Path) -> Iterator[str]:
    for name, content in files(root, *(f"{folder}/*" for folder in (layers.KIT, layers.NET, layers.DATA))):
        if not (root / name).is_symlink():
            yield from text.brands(name, content)


def check_columns(root: Path) -> Iterator[str]:
    for name, content in files(root, "internal/*.swift"):
        yield from text.numbered_columns(name, content)


def check_logs(root: Path) -> Iterator[str]:
    # Commands print to their caller.
    sources = [(name, content) for name, content in files(root, "internal/*.swift") if "/cli/" not in name]
    yield from logs.unknown_fields(sources, (root / "docs/logs.md").read_text())
    yield from logs.errors_as_reasons(sources)


def check_declarations(root: Path) -> Iterator[str]:
    sources = list(files(root, "internal/*.swift"))
    known = declarations.conformances(sources)
    for name, content in sources:
        for place, access, what in declarations.undocumented(name, content, known):
            yield f"{place}: {access} {what} has no doc comment"


def main(arguments: list[str]) -> int:
    if len(arguments) > 1 or any(argument.startswith("-") for argument in arguments):
        print(__doc__, file=sys.stderr)
        return 2
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parents[3]
    package = read(root)
    problems = [
        *check_imports(package), *check_documents(root), *check_comments(root), *check_declarations(root),
        *check_brands(root), *check_columns(root), *check_logs(root),
    ]
    for problem in problems:
        print(f"error: {problem}")
    print(f"rules: {len(package.targets)} targets, {sum(len(t.imports) for t in package.targets.values())} Swift files")
    return 1 if problems or not package.targets else 0
