internal import Postgres
internal import ProcessingDomain
internal import Values

/// How a refund lies in the table of payments.
enum RefundRow {
  /// The SELECT list that `decode` reads, of a table or alias named `p`.
  static let columns = "\(PaymentRow.columns), p.note, p.takes_rest, p.updated_at"

  private enum Column: AnswerColumn {
    case note, takesRest, updatedAt

    var place: Int {
      switch self {
      case .note: PaymentRow.columnCount
      case .takesRest: PaymentRow.columnCount + 1
      case .updatedAt: PaymentRow.columnCount + 2
      }
    }
    var name: String? { "\(self)" }
  }

  /// - Throws: `content` for what no refund of ours has.
  static func decode(_ row: Row) throws(DatabaseError) -> StoredRefund {
    let stored = try PaymentRow.decode(row)
    guard stored.payment.refund != nil else { throw .content("payment \(stored.payment.id) is no refund") }
    return StoredRefund(
      stored: stored, note: try row.optionalText(Column.note), takesRest: try row.bool(Column.takesRest),
      updatedAt: try row.timestamp(Column.updatedAt))
  }
}
