"""Lines that are too long, and public declarations without a comment."""

import re
from collections.abc import Iterator
from pathlib import Path

LIMIT = 120  # as .swift-format and .editorconfig have it

COMMENT = {".swift": re.compile(r"^\s*//"), ".py": re.compile(r"^\s*#"), ".sh": re.compile(r"^\s*#")}

DECLARATION = re.compile(
    r"^\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:(?:nonisolated(?:\(\w+\))?|final|static|override|mutating|consuming|borrowing"
    r"|indirect|lazy|weak|unowned|private\(set\)|internal\(set\)|package\(set\)|convenience|required)\s+)*"
    r"(public|package|open)\s+(?!import\b|extension\b)(.*)")
WORD = re.compile(
    r"\b(struct|class|enum|protocol|actor|func|var|let|init|subscript|typealias|associatedtype|case|macro)\b\??\s*"
    r"(`[^`]+`|[\w.]+|[^\s\w(]+)?")
# What a protocol of the standard library asks for explains itself.
WITNESSES = {"description", "debugDescription", "errorDescription", "hash", "==", "<", "rawValue", "RawValue", "next",
             "makeAsyncIterator", "makeIterator", "Element", "id", "hashValue", "customMirror"}


def long_lines(name: str, text: str) -> Iterator[str]:
    """Comment lines beyond the limit. swift format breaks code and leaves comments as they are."""
    pattern = COMMENT.get(Path(name).suffix)
    if pattern is None:
        return
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > LIMIT and pattern.match(line):
            yield f"{name}:{number}: the comment is {len(line)} characters long, {LIMIT} are allowed"


def undocumented(name: str, text: str) -> Iterator[tuple[str, str, str]]:
    """Declarations without a doc comment: place, access level and what is declared."""
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        found = DECLARATION.match(line)
        if found is None:
            continue
        word = WORD.search(found.group(2))
        if word is None or word.group(2) in WITNESSES:
            continue
        above = number - 2
        # Attributes may stand on lines of their own between the comment and the declaration.
        while above >= 0 and re.match(r"^\s*@\w+(\([^)]*\))?\s*$", lines[above]):
            above -= 1
        if above < 0 or not re.match(r"^\s*///|.*\*/\s*$", lines[above]):
            yield f"{name}:{number}", found.group(1), f"{word.group(1)} {word.group(2) or ''}".strip()
