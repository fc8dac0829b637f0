import Testing
import Values

@testable import CLI

@Suite("Tables on a terminal")
struct TableTests {
  private let rows: [Record] = [
    ["id": .number(7), "status": .text("WAIT"), "reason": .text(""), "detail": .text("a b")],
    ["id": .number(1_234), "status": .text("DEAD"), "reason": .null, "at": .time(Timestamp(microseconds: 1_500_000))],
  ]

  @Test func columnsAreAlignedUnderTheirNames() {
    var table = Table()
    #expect(
      table.lines(rows, width: 80) == [
        "  ID  STATUS  DETAIL  AT",
        "   7  WAIT    a b",
        "1234  DEAD            1970-01-01T00:00:01Z",
      ])
  }

  @Test func whatFollowsContinuesTheTable() {
    var table = Table()
    _ = table.lines(rows, width: 80)
    #expect(table.lines([["id": .number(5), "status": .text("DONE")]], width: 80) == ["   5  DONE"])
    #expect(table.lines([["other": .bool(true)]], width: 80) == ["OTHER", "true"])
    #expect(table.lines([], width: 80) == [])
  }

  @Test func nothingIsLeftOutWhereItIsTooWide() {
    var table = Table()
    let lines = table.lines(rows, width: 14)
    #expect(
      lines == ["  ID  STATUS", "  DETAIL", "  AT", "   7  WAIT", "  a b", "1234  DEAD", "  1970-01-01T00:00:01Z"])
  }

  @Test func noValueReachesTheTerminalRaw() {
    var table = Table()
    let lines = table.lines([["a": .text("x\n\u{1B}[31m"), "b": .text("y")]], width: 80)
    #expect(lines.count == 2 && lines.allSatisfy { !$0.contains("\u{1B}") && !$0.contains("\n") })
  }

  @Test func aTableWithoutValuesIsEmpty() {
    var table = Table()
    #expect(table.lines([["a": .null]], width: 80) == [])
  }
}
