"""Lines that are too long."""

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
