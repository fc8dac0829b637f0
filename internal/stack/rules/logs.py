"""Names of log fields: each is in the table of docs/logs.md, so that one thing has one name everywhere."""

import re
from collections.abc import Iterable, Iterator

# What takes fields: a call that logs, and fields that are made beforehand.
LOGS = re.compile(r"\b(?:\w*[lL]og(?:ger)?\??\.(?:debug|info|warning|error)|endProcess)\(|\bLogger\.Fields\b[^\n(]*[\[{]")
NAME = re.compile(r"\"(\w+)\":")
# An error's own words have the field `error`; `reason` is what the program itself says.
MISNAMED = re.compile(r"\"reason\":\s*\.(?:error\(|\w+\([^,\n]*\b\w*[eE]rror\b)")
ROW = re.compile(r"^\| `(\w+)` \|", re.MULTILINE)
# LogLine writes it for lines that were held back.
BUILT_IN = {"repeated"}


def body(text: str, start: int) -> str:
    """What stands in the brackets that open right before `start`."""
    depth, end = 1, start
    while depth and end < len(text):
        depth += (text[end] in "([{") - (text[end] in ")]}")
        end += 1
    return text[start:end]


def fields(text: str) -> Iterator[tuple[int, str]]:
    """Line and name of each field that a Swift source logs."""
    for found in LOGS.finditer(text):
        inside = body(text, found.end())
        for name in NAME.finditer(inside):
            yield text.count("\n", 0, found.end() + name.start()) + 1, name.group(1)


def errors_as_reasons(sources: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Errors that are logged under the name `reason`."""
    for file, text in sources:
        for found in LOGS.finditer(text):
            inside = body(text, found.end())
            for each in MISNAMED.finditer(inside):
                line = text.count("\n", 0, found.end() + each.start()) + 1
                yield f"{file}:{line}: an error is logged as \"reason\": its field is \"error\""


def unknown_fields(sources: Iterable[tuple[str, str]], document: str) -> Iterator[str]:
    """Fields that the table lacks, and rows of it that nobody logs."""
    known = set(ROW.findall(document))
    used = set(BUILT_IN)
    for file, text in sources:
        for line, name in fields(text):
            used.add(name)
            if name not in known:
                yield f"{file}:{line}: docs/logs.md does not list the log field \"{name}\": use a name it has, or add it"
    yield from (f"docs/logs.md: no line of the log has the field \"{name}\"" for name in sorted(known - used))
