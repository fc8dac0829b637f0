"""What documents and comments name must exist: tests, files, make targets."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

# (Unit: `one`, `two…`. Integration: …): what stands in backquotes there is a test.
EVIDENCE = re.compile(r"\((?=Unit:|Integration:|e2e:)(?:[^()`]|`[^`]*`|\([^()]*\))*\)")
QUOTED = re.compile(r"`([^`\n]+)`")
PYTHON_FILE = re.compile(r"\b(test_\w+\.py)(?:::(\w+))?")
SUITE = re.compile(r"^([A-Z]\w*Tests)(?:\.(.+))?$")
TOP = r"(?:api|bench|cmd|config|docs|internal|migrations|tests)"
PATH = re.compile(rf"(?<![\w./-])({TOP}/[\w+./-]*\w)(?![\w*…/{{<])")
FILE_IN_COMMENT = re.compile(rf"(?<![\w./-])({TOP}/[\w+./-]+\.(?:md|swift|py|sh|proto|sql|json|env|yml|pml))\b")
LINK = re.compile(r"\[[^\]]*\]\(([^)#:\s]+)(?:#[^)]*)?\)")
DECISION = re.compile(r"\b[Dd]ecision (\d+)\b")
MAKE = re.compile(r"\bmake ([a-z][a-z0-9-]*)\b")
# A type that a table of docs/architecture.md names as the place of a decision.
ROOM = re.compile(r"`([A-Z]\w*[a-z]\w*(?:\+\w+)?)(?:\.\w+)?`")
# Files that a run makes.
MADE = ("bench/results.json",)


@dataclass
class Tests:
    """The names of all tests of the tree."""

    # Functions of each Swift test file, raw identifiers without their backquotes.
    swift: dict[str, set[str]] = field(default_factory=dict)
    # Functions of each Python test file.
    python: dict[str, set[str]] = field(default_factory=dict)
    suites: set[str] = field(default_factory=set)

    def functions(self) -> set[str]:
        return set().union(*self.swift.values(), *self.python.values())

    def has(self, name: str) -> bool:
        """Whether a test has that name, or begins with it when the name ends with an ellipsis."""
        if name.endswith("…"):
            return any(function.startswith(name[:-1]) for function in self.functions())
        if "::" in name:
            file, _, function = name.partition("::")
            return function in self.python.get(file, ())
        if name.endswith(".py"):
            return name in self.python
        if suite := SUITE.match(name):
            if suite.group(2) is None:
                return suite.group(1) in self.suites
            # Extensions of a suite may lie in other files.
            return suite.group(1) in self.suites and suite.group(2) in self.functions()
        return name in self.functions()


def swift_functions(source: str) -> set[str]:
    return {raw or plain for raw, plain in re.findall(r"\bfunc (?:`([^`]+)`|(\w+))", source)}


def read_tests(root: Path) -> Tests:
    tests = Tests()
    for file in (root / "tests").rglob("*.swift"):
        source = file.read_text()
        if "import Testing" in source:
            tests.swift[file.relative_to(root).as_posix()] = swift_functions(source)
            tests.suites |= set(re.findall(r"\b(?:struct|class|actor|enum|extension) (\w+Tests)\b", source))
    for file in (root / "tests").rglob("test_*.py"):
        tests.python[file.name] = set(re.findall(r"^def (test_\w+)\(", file.read_text(), re.MULTILINE))
    return tests


def named_tests(text: str) -> Iterator[str]:
    """The tests that a document names."""
    for file, function in PYTHON_FILE.findall(text):
        yield f"{file}::{function}" if function else file
    for name in QUOTED.findall(text):
        if SUITE.match(name) or re.fullmatch(r"test_\w+…?", name):
            yield name
    for evidence in EVIDENCE.findall(text):
        for name in QUOTED.findall(evidence):
            if not PYTHON_FILE.search(name):
                yield name


def missing_tests(name: str, text: str, tests: Tests) -> Iterator[str]:
    for test in sorted(set(named_tests(text))):
        if not tests.has(test):
            yield f"{name}: there is no test {test}"


def missing_paths(name: str, text: str, root: Path, paths: Iterable[str]) -> Iterator[str]:
    for path in sorted(set(paths)):
        if path not in MADE and not (root / path).exists():
            yield f"{name}: there is no {path}"


def paths_in_document(text: str) -> set[str]:
    return {path for quoted in QUOTED.findall(text) for path in PATH.findall(quoted)}


def paths_in_comments(text: str) -> set[str]:
    comments = "\n".join(re.findall(r"(?://|#|--).*$", text, re.MULTILINE))
    return set(FILE_IN_COMMENT.findall(comments))


def missing_links(name: str, text: str, root: Path) -> Iterator[str]:
    folder = (root / name).parent
    for target in sorted(set(LINK.findall(text))):
        if not (folder / target).exists():
            yield f"{name}: the link to {target} leads nowhere"


def decisions(root: Path) -> dict[int, str]:
    """The file of each decision, by number."""
    found = {}
    for file in sorted((root / "docs/decisions").glob("[0-9]*.md")):
        found[int(file.name.partition("-")[0])] = file.name
    return found


def missing_rooms(text: str, root: Path) -> Iterator[str]:
    """Types in the tables of the modules that have no file of their name: a reader would not find them."""
    rows = [line for line in text.splitlines() if re.match(r"\| [\w, ]+ \|", line)]
    files = {file.stem for file in (root / "internal").rglob("*.swift")}
    for name in sorted({name for row in rows for name in ROOM.findall(row)} - files):
        yield f"docs/architecture.md: there is no file {name}.swift"


def incomplete_index(root: Path) -> Iterator[str]:
    """Decisions that share a number, lack a date, or are not in the index."""
    folder = root / "docs/decisions"
    index = (folder / "README.md").read_text() if (folder / "README.md").exists() else ""
    numbers: set[str] = set()
    for file in sorted(folder.glob("[0-9]*.md")):
        number = file.name.partition("-")[0]
        if number in numbers:
            yield f"docs/decisions: several records have the number {number}"
        numbers.add(number)
        title, _, date = [*file.read_text().splitlines()[:3], "", "", ""][:3]
        if not title.startswith(f"# {int(number)}. ") or not re.fullmatch(r"\d{4}-\d\d-\d\d", date):
            yield f"docs/decisions/{file.name}: expected '# {int(number)}. TITLE', an empty line and the date"
        if f"]({file.name})" not in index:
            yield f"docs/decisions/README.md: the record {file.name} is missing"


def missing_decisions(name: str, text: str, known: Iterable[int]) -> Iterator[str]:
    for number in sorted({int(number) for number in DECISION.findall(text)} - set(known)):
        yield f"{name}: there is no decision {number}"


def missing_targets(name: str, text: str, targets: set[str]) -> Iterator[str]:
    quoted = [*QUOTED.findall(text), *re.findall(r"^```\n?(.*?)^```", text, re.MULTILINE | re.DOTALL)]
    for target in sorted({target for code in quoted for target in MAKE.findall(code)}):
        if target not in targets:
            yield f"{name}: there is no make target {target}"
