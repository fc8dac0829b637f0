/// The rows of a statement in CSV. The first one has the names of the columns.
struct CSVStatementRows: Sendable {
  /// Where each field is, in the order of `StatementField.allCases`.
  private var columns: [Int] = []
  private var columnCount = 0
  /// The fields of a row without their quotes, one behind the other, and where each ends.
  private var text: [UInt8] = []
  private var ends: [Int] = []

  private static let quote = UInt8(ascii: "\"")
  /// A byte order mark, as spreadsheets write it.
  private static let mark: [UInt8] = [0xEF, 0xBB, 0xBF]

  var hasNames: Bool { !columns.isEmpty }

  /// - Returns: nil for the line of names.
  mutating func row(
    _ bytes: [UInt8], line: Int64, _ currencies: inout KnownCurrencies
  ) throws(StatementFault) -> StatementRow? {
    try split(hasNames || !bytes.starts(with: Self.mark) ? bytes[...] : bytes.dropFirst(3), line)
    guard hasNames else {
      try readNames(line)
      return nil
    }
    guard ends.count == columnCount else {
      throw StatementFault(line, "expected \(columnCount) fields, found \(ends.count)")
    }
    let values = StatementValues(line: line)
    let currency = try values.currency(field(.currency), &currencies)
    return try values.row(
      values.operationID(field(.operationID)), values.amount(field(.amount), currency), values.status(field(.status)),
      values.time(field(.time)))
  }

  private mutating func readNames(_ line: Int64) throws(StatementFault) {
    let names = ends.indices.map { String(decoding: text[bounds($0)], as: UTF8.self) }
    var found: [Int] = []
    for field in StatementField.allCases {
      let places = names.indices.filter { names[$0] == field.rawValue }
      guard let place = places.first else {
        throw StatementFault(line, "the line of names has no \(field.rawValue); expected \(StatementField.list)")
      }
      guard places.count == 1 else { throw StatementFault(line, "the line of names has \(field.rawValue) twice") }
      found.append(place)
    }
    columns = found
    columnCount = names.count
  }

  private func field(_ field: StatementField) -> ArraySlice<UInt8> {
    switch field {
    case .operationID: text[bounds(columns[0])]
    case .amount: text[bounds(columns[1])]
    case .currency: text[bounds(columns[2])]
    case .status: text[bounds(columns[3])]
    case .time: text[bounds(columns[4])]
    }
  }

  private func bounds(_ number: Int) -> Range<Int> { (number == 0 ? 0 : ends[number - 1])..<ends[number] }

  /// Takes a row apart. Quotes enclose a whole field, and a quote in one is doubled.
  private mutating func split(_ bytes: ArraySlice<UInt8>, _ line: Int64) throws(StatementFault) {
    text.removeAll(keepingCapacity: true)
    ends.removeAll(keepingCapacity: true)
    var position = bytes.startIndex
    while true {
      if position < bytes.endIndex, bytes[position] == Self.quote {
        try takeQuoted(bytes, &position, line)
      } else {
        while position < bytes.endIndex, bytes[position] != UInt8(ascii: ",") {
          guard bytes[position] != Self.quote else {
            throw StatementFault(line, "a quote within a field without quotes")
          }
          text.append(bytes[position])
          position += 1
        }
      }
      ends.append(text.count)
      guard position < bytes.endIndex else { return }
      guard bytes[position] == UInt8(ascii: ",") else {
        throw StatementFault(line, "expected a comma after a quoted field")
      }
      position += 1
    }
  }

  private mutating func takeQuoted(
    _ bytes: ArraySlice<UInt8>, _ position: inout Int, _ line: Int64
  ) throws(StatementFault) {
    position += 1
    while position < bytes.endIndex {
      if bytes[position] == Self.quote {
        position += 1
        guard position < bytes.endIndex, bytes[position] == Self.quote else { return }
      }
      text.append(bytes[position])
      position += 1
    }
    throw StatementFault(line, "a quoted field that does not end")
  }
}
