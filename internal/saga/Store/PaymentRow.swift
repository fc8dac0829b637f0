internal import Postgres
internal import SagaDomain

/// How a payment lies in its table.
enum PaymentRow {
  /// The columns that `decode` reads; what else a statement reads comes after them.
  enum Column: Int, AnswerColumn {
    case id, orderID, status, reason, version, amountMinor, currency, idempotentKey, createdAt, updatedAt, expiresAt
  }

  /// The SELECT list of `Column`, of a table or alias named `p`.
  static let columns = """
    p.id, p.order_id, p.status::text, p.reason, p.version, p.amount_minor, p.currency::text, p.idempotent_key, \
    p.created_at, p.updated_at, p.expires_at
    """

  /// Reads one payment.
  /// - Throws: `content` when the row holds what no payment of ours has; `schema` when a column has another type.
  static func decode(_ row: Row) throws(DatabaseError) -> Payment {
    let payment = Payment(
      id: try row.int64(Column.id), orderID: try row.int64(Column.orderID),
      status: try status(try row.text(Column.status)), reason: try row.text(Column.reason),
      version: try row.int64(Column.version), amountMinor: try row.int64(Column.amountMinor),
      currency: try row.optionalText(Column.currency) ?? "", idempotentKey: try row.optionalUUID(Column.idempotentKey),
      createdAt: try row.timestamp(Column.createdAt), updatedAt: try row.timestamp(Column.updatedAt),
      expiresAt: try row.optionalTimestamp(Column.expiresAt))
    if let fault = payment.fault { throw .content(fault) }
    return payment
  }

  private static func status(_ text: String) throws(DatabaseError) -> PaymentStatus {
    guard let status = PaymentStatus(rawValue: text) else {
      throw .content("status is \(text), which this version does not know")
    }
    return status
  }

  /// Reads all rows; one that cannot be read is named, and the rest goes on.
  /// - Throws: `schema`.
  static func decode(_ rows: Rows) throws(DatabaseError) -> FoundPayments {
    var found = FoundPayments()
    found.payments.reserveCapacity(rows.count)
    for row in rows { try append(row, to: &found) }
    return found
  }

  static func append(_ row: Row, to found: inout FoundPayments) throws(DatabaseError) {
    do throws(DatabaseError) {
      found.payments.append(try decode(row))
    } catch  where error.code == .content {
      found.unreadable.append(
        UnreadablePayment(
          id: try row.optionalInt64(Column.id), orderID: try row.optionalInt64(Column.orderID), fault: error.message))
    }
  }

  /// Reads rows that this transaction has written itself.
  /// - Throws: also `content`: the transaction must not commit what it cannot read.
  static func decodeAll(_ rows: Rows) throws(DatabaseError) -> [Payment] {
    try rows.map { (row) throws(DatabaseError) in try decode(row) }
  }
}
