"""docs/grpc-conformance.md names tests that exist, for every rule."""

import re

from harness.process import ROOT

TABLE = (ROOT / "docs/grpc-conformance.md").read_text()


def rows() -> list[list[str]]:
    lines = [line for line in TABLE.splitlines() if line.startswith("| ") and not line.startswith("| rule ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def exists(name: str) -> bool:
    if "::" in name:
        file, function = name.split("::")
        return re.search(rf"^def {function}\(", (ROOT / "tests/e2e" / file).read_text(), re.MULTILINE) is not None
    suite, function = name.split(".")
    return any(re.search(rf"@Test.*\bfunc {function}\(|^  func {function}\(", file.read_text(), re.MULTILINE)
               for file in (ROOT / "tests").glob(f"*/*/{suite}.swift"))


def test_every_rule_has_tests_that_exist():
    found = rows()
    assert len(found) > 40
    for rule, tests, result in found:
        names = re.findall(r"`([^`]+)`", tests)
        assert names, f"no test: {rule}"
        missing = [name for name in names if not exists(name)]
        assert not missing, f"no such tests: {missing}"
        assert result == "yes" or result.startswith("yes: "), f"{rule}: {result}"
