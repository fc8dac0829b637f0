"""Lines that are too long, brands where no context is known, and columns read by a number."""

import re
from collections.abc import Iterator
from pathlib import Path

LIMIT = 120  # as .swift-format and .editorconfig have it

COMMENT = {".swift": re.compile(r"^\s*//"), ".py": re.compile(r"^\s*#"), ".sh": re.compile(r"^\s*#")}


def long_lines(name: str, text: str) -> Iterator[str]:
    """Comment lines beyond the limit. swift format breaks code and leaves comments as they are."""
    pattern = COMMENT.get(Path(name).suffix)
    if pattern is None:
        return
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > LIMIT and pattern.match(line):
            yield f"{name}:{number}: the comment is {len(line)} characters long, {LIMIT} are allowed"


# The name of this package and what its contexts are about: the libraries below the contexts know neither.
BRAND = re.compile(r"paysaga|payment|\bsaga", re.IGNORECASE)


def brands(name: str, text: str) -> Iterator[str]:
    """Words of a user in a library: they belong to its configuration, which the user gives."""
    for number, line in enumerate(text.splitlines(), 1):
        if found := BRAND.search(line):
            yield f"{name}:{number}: \"{found.group()}\" is a word of a context; its users give it by configuration"


# A row is read in files that import the client, and in the client's own.
READS_ROWS = re.compile(r"^\s*(?:@\w+\s+|public\s+|internal\s+)*import\s+Postgres\b|^public final class Rows\b", re.MULTILINE)
NUMBERED_COLUMN = re.compile(
    r"\.(?:isNull|bool|u?int(?:16|32|64)?|double|text|bytes|uuid|timestamp|optional[A-Z]\w*|[a-z0-9]+Array)\((\d+)\)")


def numbered_columns(name: str, text: str) -> Iterator[str]:
    """Columns read by their place; the only column of an answer may be 0."""
    if not READS_ROWS.search(text):
        return
    for number, line in enumerate(text.splitlines(), 1):
        for found in NUMBERED_COLUMN.finditer(line):
            if found.group(1) != "0":
                yield f"{name}:{number}: column {found.group(1)} has no name: give the statement an enum of AnswerColumn"
