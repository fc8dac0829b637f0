import Money
import ProcessingDomain
import Values

/// A bank's statement, CSV or JSON lines; the first byte says in pieces of how many bytes it comes.
enum StatementsTarget {
  static func run(_ input: [UInt8]) throws(FuzzFinding) {
    guard let first = input.first else { return }
    let text = Array(input.dropFirst())
    let whole = read(text, piece: .max)
    try require(read(text, piece: Int(first) % 67 + 1) == whole, "it is read otherwise in pieces")
    guard case .success(let rows) = whole else { return }
    for row in rows {
      try require(row.line >= 1 && row.amount.minorUnits >= 0, "a row with line \(row.line), amount \(row.amount)")
      try require(row.status != .succeed || row.amount.minorUnits > 0, "nothing has moved")
    }
    try require(rows.map(\.line) == rows.map(\.line).sorted(), "rows that are not in order")
    for text in [csv(rows), json(rows)] {
      guard case .success(let again) = read(text, piece: .max) else {
        throw FuzzFinding("what was read cannot be written")
      }
      try require(again.map(\.content) == rows.map(\.content), "what was read is written as something else")
    }
  }

  private static func read(_ text: [UInt8], piece: Int) -> Result<[StatementRow], StatementFault> {
    var reader = StatementReader(format: nil)
    var rows: [StatementRow] = []
    var rest = text[...]
    do throws(StatementFault) {
      while !rest.isEmpty {
        try reader.read(rest.prefix(piece), into: &rows)
        rest = rest.dropFirst(piece)
      }
      try reader.finish(into: &rows)
    } catch {
      return .failure(error)
    }
    return .success(rows)
  }

  private static func csv(_ rows: [StatementRow]) -> [UInt8] {
    let lines = rows.map { row in
      "\"\(row.operationID)\",\(row.amount.decimal),\(row.amount.currency),\(row.status.rawValue),\(row.at)\r\n"
    }
    return Array("operation_id,amount,currency,status,time\r\n\(lines.joined())".utf8)
  }

  private static func json(_ rows: [StatementRow]) -> [UInt8] {
    if rows.isEmpty { return csv(rows) }
    return rows.flatMap { row in
      JSONWriter.object { line in
        line.add("time", row.at.description)
        line.add("amount", row.amount.decimal)
        line.add("currency", row.amount.currency.code)
        line.add("status", row.status.rawValue)
        line.add("operation_id", row.operationID)
      } + [UInt8(ascii: "\n")]
    }
  }
}

extension StatementRow {
  /// What it says, wherever it stands.
  fileprivate var content: StatementRow {
    StatementRow(line: 1, operationID: operationID, amount: amount, status: status, at: at)
  }
}
