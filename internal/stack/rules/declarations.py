"""Public and package declarations have a doc comment; what implements a documented requirement of a protocol shares its
comment, as in Swift's documentation tools.

Reads what swift format writes: two spaces a level, one declaration a line.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

MODIFIERS = (
    r"(?:(?:nonisolated(?:\(\w+\))?|final|static|override|mutating|consuming|borrowing|indirect|lazy|weak|unowned"
    r"|private\(set\)|internal\(set\)|package\(set\)|convenience|required)\s+)*")
ATTRIBUTES = r"(?:@\w+(?:\([^)]*\))?\s+)*"
LEVEL = re.compile(rf"^\s*{ATTRIBUTES}{MODIFIERS}(public|package|open)\s+(?!import\b|extension\b)(.*)")
WORD = re.compile(
    r"\b(struct|class|enum|protocol|actor|func|var|let|init|subscript|typealias|associatedtype|case|macro)\b\??\s*"
    r"(`[^`]+`|[\w.]+|[^\s\w(]+)?")
REQUIREMENT = re.compile(rf"^\s*{ATTRIBUTES}{MODIFIERS}(?:func|var|init|subscript|associatedtype)\b")
# Initializers are known by their first label.
LABEL = re.compile(r"\binit\??(?:<[^>]*>)?(\(\w*)")
SCOPE = re.compile(
    rf"^(\s*){ATTRIBUTES}{MODIFIERS}(?:(public|package|open|internal|fileprivate|private)\s+)?{MODIFIERS}"
    r"(struct|class|enum|actor|protocol|extension)\s+([\w.]+)")
# The requirements of the standard library's protocols explain themselves.
STANDARD = {"description", "debugDescription", "errorDescription", "hash", "==", "<", "rawValue", "RawValue", "next",
            "makeAsyncIterator", "makeIterator", "Element", "id", "hashValue", "customMirror", "init(rawValue",
            "init(stringLiteral", "init(integerLiteral", "init(booleanLiteral", "init(dictionaryLiteral"}
STANDARD_OF = {
    "Sequence": {"Iterator"}, "AsyncSequence": {"AsyncIterator", "Iterator"},
    "RandomAccessCollection": {"startIndex", "endIndex", "subscript", "Index"},
}


@dataclass
class Protocol:
    """The names of a protocol's documented requirements, and the protocols it refines."""

    documented: set[str] = field(default_factory=set)
    refines: set[str] = field(default_factory=set)


@dataclass
class Conformances:
    """All protocols of the tree, and the protocols that types name, their extensions included."""

    protocols: dict[str, Protocol] = field(default_factory=dict)
    types: dict[str, set[str]] = field(default_factory=dict)

    def requires(self, kind: str, name: str) -> bool:
        """Whether a documented requirement of the type's protocols has this name."""
        waiting, seen = list(self.types.get(kind, ())), set()
        while waiting:
            protocol = waiting.pop()
            if protocol in seen:
                continue
            seen.add(protocol)
            if name in STANDARD_OF.get(protocol, ()):
                return True
            if found := self.protocols.get(protocol):
                if name in found.documented:
                    return True
                waiting += found.refines
        return False


@dataclass(frozen=True)
class Scope:
    """A type or extension: how deep it is indented, what it is and what its header names after the colon."""

    indent: int
    level: str
    keyword: str
    name: str
    inherits: frozenset[str]


def scopes(lines: list[str]) -> Iterator[tuple[int, str, Scope | None]]:
    """Each line with its number and the type or extension around it."""
    stack: list[Scope] = []
    for number, line in enumerate(lines, 1):
        indent = len(line) - len(line.lstrip())
        # A header that goes on over several lines closes with a brace as deep as it began.
        if line.strip() and not re.match(r"^\s*(\{|//|#|where\b|:)", line):
            while stack and indent <= stack[-1].indent:
                stack.pop()
        yield number, line, stack[-1] if stack else None
        if found := SCOPE.match(line):
            name = found.group(4).rpartition(".")[2]
            stack.append(Scope(indent, found.group(2) or "", found.group(3), name, inherited(lines, number)))


def inherited(lines: list[str], number: int) -> frozenset[str]:
    """What the header that begins in that line names after its colon, without the arguments of generics."""
    header = " ".join(lines[number - 1:number + 4]).partition("{")[0]
    while (shorter := re.sub(r"<[^<>]*>", "", header)) != header:
        header = shorter
    names = re.split(r"\bwhere\b", header.partition(":")[2])[0]
    return frozenset(name.rpartition(".")[2] for name in re.findall(r"[\w.]+", names))


def short_name(declaration: str) -> str:
    """What a declaration has in common with the requirement that it implements."""
    word = WORD.search(declaration)
    if word is None:
        return ""
    if word.group(1) == "init":
        label = LABEL.search(declaration)
        return f"init{label.group(1) if label else '('}"
    return word.group(1) if word.group(1) == "subscript" else word.group(2) or ""


def is_documented(lines: list[str], number: int) -> bool:
    above = number - 2
    # Attributes may stand on lines of their own between the comment and the declaration.
    while above >= 0 and re.match(r"^\s*@\w+(\([^)]*\))?\s*$", lines[above]):
        above -= 1
    return above >= 0 and re.match(r"^\s*///|.*\*/\s*$", lines[above]) is not None


def conformances(sources: Iterable[tuple[str, str]]) -> Conformances:
    known = Conformances()
    for _, source in sources:
        lines = source.splitlines()
        for number, line, scope in scopes(lines):
            if found := SCOPE.match(line):
                name = found.group(4).rpartition(".")[2]
                names = inherited(lines, number)
                if found.group(3) == "protocol":
                    known.protocols.setdefault(name, Protocol()).refines |= names
                else:
                    known.types.setdefault(name, set()).update(names)
            elif scope and scope.keyword == "protocol" and is_documented(lines, number):
                if REQUIREMENT.match(line):
                    known.protocols[scope.name].documented.add(short_name(line))
    # What a protocol's own extension declares implements its requirements.
    for name in known.protocols:
        known.types.setdefault(name, set()).add(name)
    return known


def undocumented(name: str, source: str, known: Conformances) -> Iterator[tuple[str, str, str]]:
    """Declarations without a doc comment: place, access level and what is declared."""
    lines = source.splitlines()
    for number, line, scope in scopes(lines):
        level, rest = None, line
        if found := LEVEL.match(line):
            level, rest = found.groups()
        elif scope and scope.keyword == "protocol" and scope.level and REQUIREMENT.match(line):
            level = scope.level
        word = WORD.search(rest) if level else None
        if word is None or is_documented(lines, number):
            continue
        short = short_name(rest)
        if short in STANDARD or (scope and scope.keyword != "protocol" and known.requires(scope.name, short)):
            continue
        yield f"{name}:{number}", level, f"{word.group(1)} {word.group(2) or ''}".strip()
