internal import Money
public import Values

/// What the bank does wrong with a row of its statement. The raw values are those of the control endpoint.
public enum StatementRowFault: String, Sendable, Hashable, CaseIterable {
  /// The row is not there.
  case missing
  /// The row is there twice.
  case duplicate
  /// The row has another amount.
  case otherAmount = "other_amount"
  /// The row has another status.
  case otherStatus = "other_status"
  /// A row of an operation that nobody has asked for stands beside it.
  case foreign
}

/// The bank's statement: a row for each operation with an amount, as the bank has it at the end of the time.
public struct BankStatement: Sendable {
  /// The forms of a statement.
  public enum Format: String, Sendable, Hashable, CaseIterable {
    case csv, ndjson

    /// Its media type.
    public var mediaType: String { self == .csv ? "text/csv" : "application/x-ndjson" }
  }

  private struct Row {
    var id: UniqueID
    var amount: Money
    var status: BankOperation.Status
    var at: Timestamp
  }

  private var rows: [Row] = []

  /// The operations that were first charged from `from` on and before `to`, in this order of time.
  /// - Parameter behaviour: says what is wrong with its rows; the script is used up.
  public init(
    _ operations: some Sequence<BankOperation>, from: Timestamp, to: Timestamp, _ behaviour: inout BankBehaviour,
    using random: inout some RandomNumberGenerator
  ) {
    let listed = operations.compactMap { operation -> Row? in
      guard let amount = operation.amount, let at = operation.at, operation.status != .none, from <= at, at < to
      else { return nil }
      return Row(id: operation.id, amount: amount, status: operation.status, at: at)
    }
    for row in listed.sorted(by: { ($0.at, $0.id) < ($1.at, $1.id) }) {
      add(row, behaviour.statementFault(using: &random), using: &random)
    }
  }

  private mutating func add(_ row: Row, _ fault: StatementRowFault?, using random: inout some RandomNumberGenerator) {
    var row = row
    switch fault {
    case .missing: return
    case .otherAmount: row.amount = Money(minorUnits: row.amount.minorUnits ^ 1, row.amount.currency)
    case .otherStatus: row.status = row.status == .succeed ? .error : .succeed
    case .duplicate: rows.append(row)
    case .foreign:
      var other = row
      other.id = UniqueID.random(using: &random)
      rows.append(other)
    case nil: break
    }
    rows.append(row)
  }

  /// The statement's bytes.
  public func bytes(_ format: Format) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(128 * (rows.count + 1))
    switch format {
    case .csv:
      bytes += "operation_id,amount,currency,status,time\n".utf8
      for row in rows {
        row.id.append(to: &bytes)
        bytes += ",\(row.amount.decimal),\(row.amount.currency),\(row.status.rawValue),\(row.at)\n".utf8
      }
    case .ndjson:
      for row in rows {
        bytes += JSONWriter.object(reserving: 192) { line in
          line.add("operation_id", row.id)
          line.add("amount", row.amount.decimal)
          line.add("currency", row.amount.currency.code)
          line.add("status", row.status.rawValue)
          line.add("time", row.at.description)
        }
        bytes.append(UInt8(ascii: "\n"))
      }
    }
    return bytes
  }
}
