internal import Postgres
internal import SagaDomain

/// How a payment lies in its table.
enum PaymentRow {
  /// The columns `decode` reads, of a table or alias named `p`.
  static let columns = columns(idColumn: "id")

  /// The same of a table that has a payment among its columns.
  /// - Parameter idColumn: the name that the payment's id has there.
  static func columns(idColumn: String) -> String {
    """
    p.\(idColumn), p.order_id, p.status::text, p.reason, p.version, p.amount_minor, p.currency::text, p.idempotent_key, \
    p.created_at, p.updated_at, p.expires_at
    """
  }

  /// Reads one payment.
  /// - Throws: `content` when the row holds what no payment of ours has; `schema` when a column has another type.
  static func decode(_ row: Row) throws(DatabaseError) -> Payment {
    let payment = Payment(
      id: try row.int64(0), orderID: try row.int64(1), status: try status(try row.text(2)), reason: try row.text(3),
      version: try row.int64(4), amountMinor: try row.int64(5), currency: try row.optionalText(6) ?? "",
      idempotentKey: try row.optionalUUID(7), createdAt: try row.timestamp(8), updatedAt: try row.timestamp(9),
      expiresAt: try row.optionalTimestamp(10))
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
        UnreadablePayment(id: try row.optionalInt64(0), orderID: try row.optionalInt64(1), fault: error.message))
    }
  }

  /// Reads rows that this transaction has written itself.
  /// - Throws: also `content`: the transaction must not commit what it cannot read.
  static func decodeAll(_ rows: Rows) throws(DatabaseError) -> [Payment] {
    try rows.map { (row) throws(DatabaseError) in try decode(row) }
  }
}
