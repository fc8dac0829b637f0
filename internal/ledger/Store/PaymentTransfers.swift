public import LedgerDomain
internal import Money
public import Postgres
public import Values

/// A transfer with when it was written.
public struct WrittenTransfer: Sendable, Hashable {
  /// The transfer.
  public let transfer: Transfer
  /// The begin of the transaction that wrote it.
  public let at: Timestamp

  /// A transfer of then.
  public init(transfer: Transfer, at: Timestamp) {
    self.transfer = transfer
    self.at = at
  }
}

/// Finds what payments and refunds have moved: their transfers' ids follow from theirs.
///
/// A value that any thread may use.
public struct PaymentTransfers: Sendable {
  private let find: Statement

  /// Transfers in these tables.
  public init(_ tables: LedgerTables = LedgerTables()) {
    find = Statement(
      """
      SELECT id, kind, debit, credit, amount, currency::text, pending_id, at FROM \(tables.transfer)
      WHERE id = ANY ($1) ORDER BY at, id
      """, isReadOnly: true)
  }

  /// The transfers of payments and refunds, oldest first.
  public func find(_ payments: [UniqueID], on connection: Connection) throws(DatabaseError) -> [WrittenTransfer] {
    let ids = payments.flatMap { payment in
      TransferID.Step.allCases.flatMap { step in
        let id = TransferID.of(payment, step)
        return [id, TransferID.resolution(of: id)]
      }
    }
    return try connection.run(Command(find, [.uuidArray(ids)])).map { (row) throws(DatabaseError) in
      WrittenTransfer(transfer: try TransferRow.decode(row), at: try row.timestamp(Column.at))
    }
  }

  private enum Column: Int, AnswerColumn { case id, kind, debit, credit, amount, currency, pendingID, at }
}
