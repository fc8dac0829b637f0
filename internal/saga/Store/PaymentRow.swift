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

  static func decode(_ row: Row) -> Payment {
    guard let status = PaymentStatus(rawValue: row.text(2)) else {
      preconditionFailure("payment.status holds \(row.text(2)), which no migration of ours allows")
    }
    return Payment(
      id: row.int64(0), orderID: row.int64(1), status: status, reason: row.text(3), version: row.int64(4),
      amountMinor: row.int64(5), currency: row.optionalText(6) ?? "", idempotentKey: row.optionalUUID(7),
      createdAt: row.timestamp(8), updatedAt: row.timestamp(9), expiresAt: row.optionalTimestamp(10))
  }

  static func decode(_ rows: Rows) -> [Payment] {
    (0..<rows.count).map { decode(rows[$0]) }
  }
}
