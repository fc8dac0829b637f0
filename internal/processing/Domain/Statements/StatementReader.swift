internal import Money
internal import Values

/// Reads a bank's statement as it comes, piece by piece: CSV (RFC 4180) with a line of names, or a JSON object a line.
///
/// Both have the fields `operation_id` (a UUID), `amount` (in major units: `19.99`), `currency` (ISO 4217), `status`
/// (`succeed`, `error` or `reversed`) and `time` (RFC 3339), in any order; others are passed over. Memory does not grow
/// with the statement. After a fault the reader must not be used.
public struct StatementReader: Sendable {
  /// The forms of a statement.
  public enum Format: String, Sendable, Hashable, CaseIterable {
    case csv, ndjson
  }

  /// The most bytes of one row.
  public static let maximumRowBytes = 65_536

  private var format: Format?
  private var row: [UInt8] = []
  /// Within quotes of CSV, a line's end belongs to the field.
  private var isQuoted = false
  /// The line that is being read, and the one at which the row began.
  private var line: Int64 = 1
  private var firstLine: Int64 = 1
  private var csv = CSVStatementRows()
  private let json = JSONStatementRows()
  private var currencies = KnownCurrencies()

  /// - Parameter format: nil when the first byte is to tell: a statement in JSON begins with a brace.
  public init(format: Format?) { self.format = format }

  /// Reads on, and appends the rows that are complete. Not of any collection: each byte would be a call.
  public mutating func read(_ bytes: ArraySlice<UInt8>, into rows: inout [StatementRow]) throws(StatementFault) {
    for byte in bytes {
      let format = format ?? (byte == UInt8(ascii: "{") ? .ndjson : .csv)
      self.format = format
      if byte == UInt8(ascii: "\n"), !isQuoted {
        try endRow(into: &rows)
        line += 1
        firstLine = line
        continue
      }
      if byte == UInt8(ascii: "\n") { line += 1 }
      if byte == UInt8(ascii: "\""), format == .csv { isQuoted.toggle() }
      guard row.count < Self.maximumRowBytes else {
        throw StatementFault(firstLine, "a row of more than \(Self.maximumRowBytes) bytes")
      }
      row.append(byte)
    }
  }

  /// Ends the statement: the last line need not have an end.
  public mutating func finish(into rows: inout [StatementRow]) throws(StatementFault) {
    guard !isQuoted else { throw StatementFault(firstLine, "a quoted field that does not end") }
    try endRow(into: &rows)
    if format == .csv || format == nil, !csv.hasNames {
      throw StatementFault(1, "expected a line of names: \(StatementField.list)")
    }
  }

  private mutating func endRow(into rows: inout [StatementRow]) throws(StatementFault) {
    if row.last == UInt8(ascii: "\r") { row.removeLast() }
    if row.isEmpty { return }
    let found: StatementRow?
    switch format {
    case .ndjson: found = try json.row(row, line: firstLine, &currencies)
    case .csv, nil: found = try csv.row(row, line: firstLine, &currencies)
    }
    if let found { rows.append(found) }
    row.removeAll(keepingCapacity: true)
  }
}

/// The fields of a row.
enum StatementField: String, CaseIterable {
  case operationID = "operation_id"
  case amount, currency, status, time

  static var list: String { allCases.map(\.rawValue).joined(separator: ", ") }
}

/// The text of a row's fields, made into values; the same for both forms.
struct StatementValues {
  let line: Int64

  func operationID(_ bytes: some Collection<UInt8>) throws(StatementFault) -> UniqueID {
    guard let id = UniqueID(utf8: bytes) else { throw fault(.operationID, "expected a UUID of 36 characters") }
    return id
  }

  func currency(
    _ bytes: some Collection<UInt8>, _ known: inout KnownCurrencies
  ) throws(StatementFault) -> Currency {
    guard let currency = known.find(bytes) else { throw fault(.currency, "expected a code of ISO 4217, such as EUR") }
    return currency
  }

  func amount(_ bytes: some Collection<UInt8>, _ currency: Currency) throws(StatementFault) -> Money {
    do throws(DecimalAmount.Fault) {
      return Money(minorUnits: try DecimalAmount.minorUnits(of: bytes, exponent: currency.exponent), currency)
    } catch {
      throw fault(.amount, "\(error)")
    }
  }

  func status(_ bytes: some Collection<UInt8>) throws(StatementFault) -> StatementRow.Status {
    for status in StatementRow.Status.allCases where status.rawValue.utf8.elementsEqual(bytes) { return status }
    let known = StatementRow.Status.allCases.map(\.rawValue).joined(separator: ", ")
    throw fault(.status, "expected one of \(known)")
  }

  func time(_ bytes: some Collection<UInt8>) throws(StatementFault) -> Timestamp {
    guard bytes.count <= 35, let time = Timestamp(String(decoding: bytes, as: UTF8.self)) else {
      throw fault(.time, "expected a time such as 2026-01-31T08:15:00Z")
    }
    return time
  }

  func row(
    _ id: UniqueID, _ amount: Money, _ status: StatementRow.Status, _ at: Timestamp
  ) throws(StatementFault) -> StatementRow {
    guard amount.minorUnits > 0 || status != .succeed else { throw fault(.amount, "expected more than zero") }
    return StatementRow(line: line, operationID: id, amount: amount, status: status, at: at)
  }

  func fault(_ field: StatementField, _ problem: String) -> StatementFault {
    StatementFault(line, "\(field.rawValue): \(problem)")
  }

  func missing(_ field: StatementField) -> StatementFault { fault(field, "missing") }
}

/// Currencies by the three bytes of their codes, so that no row makes a text of them.
struct KnownCurrencies: Sendable {
  private var found: [UInt32: Currency] = [:]

  mutating func find(_ bytes: some Collection<UInt8>) -> Currency? {
    guard bytes.count == 3 else { return nil }
    let key = bytes.reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    if let currency = found[key] { return currency }
    guard let currency = Currency(String(decoding: bytes, as: UTF8.self)) else { return nil }
    found[key] = currency
    return currency
  }
}
