internal import LedgerDomain
public import Postgres
public import Values

/// Finds the payments and refunds of transfers, whose ids do not say all of theirs.
///
/// A value that any thread may use.
public struct TransferPayments: Sendable {
  private let find: Statement

  /// Payments in these tables.
  public init(_ tables: ProcessingTables = ProcessingTables()) {
    // One range of ids at a time, so that each is looked for in its month alone.
    find = Statement(
      """
      SELECT u.transfer_id, p.id
      FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS u(transfer_id, low, high)
      CROSS JOIN LATERAL (
        SELECT a.id FROM \(tables.allPayment) a WHERE a.id BETWEEN u.low AND u.high ORDER BY a.id LIMIT 1) p
      """, isReadOnly: true)
  }

  /// The payment or refund of each of these transfers, live or archived, as far as it has one.
  public func find(
    _ transfers: [UniqueID], on connection: Connection
  ) throws(DatabaseError) -> [UniqueID: UniqueID] {
    let ranges = transfers.map(TransferID.payments)
    let parameters: [Parameter] = [
      .uuidArray(transfers), .uuidArray(ranges.map(\.lowerBound)), .uuidArray(ranges.map(\.upperBound)),
    ]
    var found: [UniqueID: UniqueID] = [:]
    for row in try connection.run(Command(find, parameters)) {
      found[try row.uuid(Column.transferID)] = try row.uuid(Column.id)
    }
    return found
  }

  private enum Column: Int, AnswerColumn { case transferID, id }
}
