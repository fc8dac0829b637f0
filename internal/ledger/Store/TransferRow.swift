internal import LedgerDomain
internal import Money
internal import Postgres
internal import Values

/// How a transfer lies in its table.
enum TransferRow {
  private enum Column: Int, AnswerColumn { case id, kind, debit, credit, amount, currency, pendingID }

  /// The transfer, when nothing else of it can be read.
  static func id(_ row: Row) throws(DatabaseError) -> UniqueID { try row.uuid(Column.id) }

  /// - Throws: `content` for what no transfer of ours has.
  static func decode(_ row: Row) throws(DatabaseError) -> Transfer {
    let number = try row.int16(Column.kind)
    let code = try row.text(Column.currency)
    guard let kind = Transfer.Kind(rawValue: number) else { throw .content("a transfer has kind \(number)") }
    guard let currency = Currency(code) else { throw .content("a transfer has currency \(code)") }
    return Transfer(
      id: try row.uuid(Column.id), kind: kind, debit: try row.uuid(Column.debit), credit: try row.uuid(Column.credit),
      amount: Money(minorUnits: try row.int64(Column.amount), currency),
      pendingID: try row.optionalUUID(Column.pendingID))
  }

  /// The parameters of an INSERT, a column each, by ascending id: neighbours in the index are written together.
  static func encode(_ transfers: [Transfer]) -> [Parameter] {
    let transfers = transfers.sorted { $0.id < $1.id }
    return [
      .uuidArray(transfers.map(\.id)), .int16Array(transfers.map(\.kind.rawValue)), .uuidArray(transfers.map(\.debit)),
      .uuidArray(transfers.map(\.credit)), .int64Array(transfers.map(\.amount.minorUnits)),
      .textArray(transfers.map(\.amount.currency.code)), .optionalUUIDArray(transfers.map(\.pendingID)),
    ]
  }
}
