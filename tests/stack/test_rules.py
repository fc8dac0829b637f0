"""Each rule finds what it is for, and leaves the rest alone."""

import subprocess

import pytest

from rules import declarations, documents, imports, layers, logs, package, text
from rules.layers import Layer
from stack.stack import ROOT


def target(name, folder, *dependencies, kind="regular"):
    return {"name": name, "path": folder, "type": kind, "dependencies": [{"byName": [each, None]} for each in dependencies]}


def make(tmp_path, targets, sources, products=()):
    """A package of these targets, with these files."""
    for name, content in sources.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    found = package.parse({"targets": targets, "products": [
        {"name": name, "targets": names, "type": {"library": ["automatic"]}} for name, names in products]})
    package.read_sources(found, tmp_path)
    return found


@pytest.mark.parametrize("line", [
    "import Kafka", "  import Kafka // why", "public import Kafka", "@testable import Kafka",
    "@preconcurrency internal import struct Kafka.Record", "@_spi(x) import func Kafka.produce",
])  # fmt: skip
def test_an_import_is_found_however_it_is_written(line):
    assert set(package.imports_of(f"// import Redis\n/* import Outbox */\n{line}\n")) == {"Kafka"}


def test_dependencies_are_declared_and_used(tmp_path):
    found = make(
        tmp_path,
        [target("Kafka", "internal/clients/kafka"), target("Redis", "internal/clients/redis"),
         target("tool-box", "cmd/tools", "Kafka"), target("Inner", "cmd/tools/inner", "tool-box")],
        {"internal/clients/kafka/K.swift": "", "internal/clients/redis/R.swift": "",
         "cmd/tools/T.swift": "import Redis\nimport Foundation\n", "cmd/tools/inner/I.swift": "import tool_box\n"})
    problems = list(imports.dependencies(found))
    assert problems == [
        "Package.swift: tool-box declares the dependency Kafka and imports it nowhere",
        "cmd/tools/T.swift: tool-box imports Redis, which Package.swift does not declare for it",
    ]


HOUSE = (
    Layer("internal/kit"),
    Layer("internal/data", ("internal/kit",)),
    Layer("internal/service", ("internal/kit",)),
    Layer("internal/saga", ("internal/kit", "internal/data", "internal/service")),
    Layer("internal/saga/Domain", ("internal/kit",), outside=("Synchronization",)),
    Layer("internal/ledger", ("internal/kit", "internal/data", "internal/service")),
    Layer("cmd", ("internal",)),
)


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A file of each module that imports what the test says; returns the problems."""
    monkeypatch.setattr(layers, "LAYERS", HOUSE)
    folders = {"Runtime": "internal/kit/Runtime", "Service": "internal/service/Service",
               "Postgres": "internal/data/Postgres", "Kafka": "internal/data/Kafka",
               "SagaDomain": "internal/saga/Domain", "SagaStore": "internal/saga/Store",
               "LedgerStore": "internal/ledger/Store", "server": "cmd/server"}

    def problems(**imported):
        targets = [target(name, folder) for name, folder in folders.items()]
        sources = {f"{folder}/F.swift": "\n".join(f"import {module}" for module in imported.get(name, ()))
                   for name, folder in folders.items()}
        return list(imports.direction(make(tmp_path, targets, sources)))

    return problems


def test_imports_with_the_direction_are_fine(house):
    assert not house(SagaStore=["SagaDomain", "Postgres", "Runtime", "Service", "Foundation"],
                     Service=["Runtime"], Kafka=["Postgres", "Runtime"],
                     server=["SagaStore", "LedgerStore"], SagaDomain=["Runtime", "Synchronization"])


@pytest.mark.parametrize(("module", "imported"), [
    ("SagaStore", "LedgerStore"), ("Runtime", "Postgres"), ("Postgres", "SagaStore"), ("SagaDomain", "Postgres"),
    ("SagaDomain", "SagaStore"), ("SagaDomain", "Foundation"), ("SagaStore", "server"), ("Runtime", "Service"),
    ("Postgres", "Service"), ("SagaDomain", "Service"), ("Service", "Postgres"),
])  # fmt: skip
def test_imports_against_the_direction_are_named(house, module, imported):
    [problem] = house(**{module: [imported]})
    assert f"may not import {imported}" in problem


def test_a_folder_without_a_layer_is_named(house, monkeypatch):
    monkeypatch.setattr(layers, "LAYERS", HOUSE[:-1])
    assert house() == ["cmd/server: server lies in no layer of internal/stack/rules/layers.py"]


def test_a_c_library_has_one_user(tmp_path):
    found = make(
        tmp_path, [target("CLibpq", "internal/system/CLibpq", kind="system"), target("A", "a"), target("B", "b")],
        {"a/A.swift": "internal import CLibpq", "b/B.swift": "import CLibpq"})
    assert list(imports.c_libraries(found)) == ["the C library CLibpq is imported by several modules: A, B"]


def test_a_product_has_what_its_api_shows(tmp_path):
    found = make(tmp_path, [target("Errs", "e"), target("Logger", "l"), target("Outbox", "o")],
                 {"e/E.swift": "", "l/L.swift": "", "o/O.swift": "public import Errs\ninternal import Logger"},
                 [("Outbox", ["Outbox"])])
    assert list(imports.products(found)) == ["Package.swift: the product Outbox lacks Errs, which is in the API of Outbox"]


def test_long_comments_are_named_and_long_code_is_not():
    source = f"/// {'x' * 117}\nlet a = \"{'x' * 130}\"\n    // {'é' * 114}\n"
    assert list(text.long_lines("A.swift", source)) == [
        "A.swift:1: the comment is 121 characters long, 120 are allowed",
        "A.swift:3: the comment is 121 characters long, 120 are allowed",
    ]
    assert not list(text.long_lines("a.json", source))


@pytest.mark.parametrize(("line", "word"), [
    ('let group = "paysaga-reader"', "paysaga"), ("/// Such as `payments.v1.Payment`.", "payment"),
    ("/// What the saga needs.", "saga"), ("/// A message of its own.", None), ("/// The usages of it.", None),
])  # fmt: skip
def test_brands_in_libraries_are_named(line, word):
    assert list(text.brands("A.swift", f"\n{line}\n")) == (
        [f'A.swift:2: "{word}" is a word of a context; its users give it by configuration'] if word else [])


def test_public_declarations_have_doc_comments():
    source = """
/// Said.
public struct A: Sendable {
  public let b: Int
  /// Said.
  @inlinable
  public func c() {}
  // not a doc comment
  package private(set) static var d = 1
  public var description: String { "" }
  public init() {}
  func e() {}
  public extension Int {}
}
public import Errs
"""
    assert undocumented(source) == [
        ("A.swift:4", "public", "let b"), ("A.swift:9", "package", "var d"), ("A.swift:11", "public", "init")]


def undocumented(*sources: str) -> list[tuple[str, str, str]]:
    named = [(f"{name}.swift", source) for name, source in zip("AB", sources, strict=False)]
    known = declarations.conformances(named)
    return [found for name, source in named for found in declarations.undocumented(name, source, known)]


FAILURE = """
/// Said.
public protocol Failure: Error {
  associatedtype Code
  /// Said.
  var code: Code { get }
  /// Said.
  init(code: Code)
}
"""


def test_what_implements_a_documented_requirement_needs_no_comment_of_its_own():
    source = """
/// Said.
public struct A<Kind: Sendable>:
  Specific
{
  public let code: Int
  public init(code: Int) {}
  public init(other: Int) {}
  /// Said.
  public struct Inner {
    public let code: Int
  }
  public enum Code {}
}
extension B: Failure {
  public var code: Int { 0 }
}
protocol Specific: Failure {}
"""
    assert undocumented(FAILURE, source) == [
        ("A.swift:4", "public", "associatedtype Code"), ("B.swift:8", "public", "init"),
        ("B.swift:11", "public", "let code"), ("B.swift:13", "public", "enum Code")]


def test_the_page_of_the_house_names_files(tmp_path):
    for name in ("PoolQueue", "RelayCore+Leases"):
        (tmp_path / "internal").mkdir(exist_ok=True)
        (tmp_path / f"internal/{name}.swift").write_text("")
    page = """
Prose may name `Anything`.
| module | decided there |
|---|---|
| Postgres | who is next (`PoolQueue`, `PoolQueue.next`), what a lost COMMIT means (`LossVerdict`), `COMMIT` |
| SagaServer, SagaCron | leases (`RelayCore+Leases`, `RelayCore+Gone`) |
"""
    assert list(documents.missing_rooms(page, tmp_path)) == [
        "docs/architecture.md: there is no file LossVerdict.swift",
        "docs/architecture.md: there is no file RelayCore+Gone.swift",
    ]


TESTS = documents.Tests(
    swift={"tests/unit/X/OrderTests.swift": {"aThingHappens", "only one event per key is in flight"}},
    python={"test_flow.py": {"test_it_flows"}}, suites={"OrderTests"})


@pytest.mark.parametrize("prose", [
    "(Unit: `aThingHappens`, `aThing…`. Integration: `only one event per key is in flight`.)", "`OrderTests.aThingHappens`",
    "`OrderTests`", "e2e: test_flow.py", "`test_flow.py::test_it_flows`", "`test_it_flows`", "`notATest` (see `x`)",
])  # fmt: skip
def test_tests_that_exist_may_be_named(prose):
    assert not list(documents.missing_tests("d.md", prose, TESTS))


@pytest.mark.parametrize(("prose", "missing"), [
    ("(Unit: `aThingHappened`.)", "aThingHappened"), ("(e2e: x. Integration: `noThing…`)", "noThing…"),
    ("`OrderTests.gone`", "OrderTests.gone"), ("`OtherTests`", "OtherTests"), ("see test_gone.py", "test_gone.py"),
    ("`test_flow.py::test_gone`", "test_flow.py::test_gone"), ("`test_gone`", "test_gone"),
])  # fmt: skip
def test_tests_that_do_not_exist_are_named(prose, missing):
    assert list(documents.missing_tests("d.md", prose, TESTS)) == [f"d.md: there is no test {missing}"]


def test_paths_links_and_targets_exist(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/there.md").touch()
    prose = "`docs/there.md` `docs/gone.md` `tests/*` [a](there.md#x) [b](gone.md) [c](https://x.y/z)\n`make up` `make gone`"
    assert list(documents.missing_paths("d", prose, tmp_path, documents.paths_in_document(prose))) == [
        "d: there is no docs/gone.md"]
    assert list(documents.missing_links("docs/d.md", prose, tmp_path)) == ["docs/d.md: the link to gone.md leads nowhere"]
    assert list(documents.missing_targets("d", prose, {"up"})) == ["d: there is no make target gone"]
    d, t = "docs", "tests"  # or this file would name them
    source = f'let a = "{d}/else.md" // see {d}/gone.md and {d}/there.md\n# {t}/old.py\n'
    assert documents.paths_in_comments(source) == {"docs/gone.md", "docs/there.md", "tests/old.py"}


def test_decisions_are_dated_numbered_and_in_the_index(tmp_path):
    folder = tmp_path / "docs/decisions"
    folder.mkdir(parents=True)
    (folder / "README.md").write_text("[a](0001-a.md) [b](0002-b.md)")
    (folder / "0001-a.md").write_text("# 1. A\n\n2026-11-21\n\nWhy.\n")
    assert not list(documents.incomplete_index(tmp_path)) and documents.decisions(tmp_path) == {1: "0001-a.md"}
    (folder / "0001-b.md").write_text("# 1. B\n\nWhy.\n")
    assert list(documents.incomplete_index(tmp_path)) == [
        "docs/decisions: several records have the number 0001",
        "docs/decisions/0001-b.md: expected '# 1. TITLE', an empty line and the date",
        "docs/decisions/README.md: the record 0001-b.md is missing",
    ]
    known, unknown = 1, 9
    assert list(documents.missing_decisions("d", f"see decision {known} and Decision {unknown}", {known})) == [
        f"d: there is no decision {unknown}"]


def test_every_folder_of_the_layout_exists():
    folders = {layer.folder for layer in layers.LAYERS} | {folder for layer in layers.LAYERS for folder in layer.imports}
    assert not [folder for folder in folders if not (ROOT / folder).is_dir()]


def test_the_check_finds_something_to_check(tmp_path):
    """An empty folder is no success."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    done = subprocess.run(["/usr/bin/python3", "-EsB", str(ROOT / "internal/stack/check_rules.py"), str(tmp_path)],
                          capture_output=True, text=True, check=False)
    assert done.returncode != 0


def test_columns_are_read_by_name():
    source = "internal import Postgres\n  let id = try row.int64(0)\n  let key = try rows[0].optionalText(12)\n"
    assert [problem.split(": ")[:2] for problem in text.numbered_columns("R.swift", source)] == [
        ["R.swift:3", "column 12 has no name"]]
    assert not list(text.numbered_columns("R.swift", source.replace("12", "Column.key")))
    # The fields of a descriptor have numbers of their own.
    assert not list(text.numbered_columns("D.swift", "import Protobuf\nlet name = file.text(2)\n"))


def test_each_log_field_is_in_the_table():
    source = (
        'logger.warning(\n  "lost (again)", ["order_id": .number(call.order), "why": .error(error)])\n'
        'let record = ["other": .number(1)]\nlet fields: Logger.Fields = [\n  "peer": .string(peer)\n]\n'
        'log.endProcess("gone", ["error": .error(error)])\n')
    assert list(logs.fields(source)) == [(2, "order_id"), (2, "why"), (5, "peer"), (7, "error")]
    table = "| field | meaning |\n|---|---|\n| `order_id` | x |\n| `error` | x |\n| `peer` | x |\n| `gone_id` | x |\n"
    assert list(logs.unknown_fields([("A.swift", source)], table)) == [
        'A.swift:2: docs/logs.md does not list the log field "why": use a name it has, or add it',
        'docs/logs.md: no line of the log has the field "gone_id"']


def test_an_error_is_no_reason():
    lines = ['"reason": .error(error)', '"reason": .string(error.message)', '"reason": .string("\\(lastError)")',
             '"reason": .string(words), "error": .error(error)', '"reason": .describing(verdict)']
    source = "".join(f'logger.warning("x", [{line}])\n' for line in lines)
    assert [problem.split(":")[1] for problem in logs.errors_as_reasons([("A.swift", source)])] == ["1", "2", "3"]
