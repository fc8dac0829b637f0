public import Money
public import Postgres
public import Values

/// Something that contradicts the books and waits for a person, with its payment.
public struct OpenException: Sendable, Hashable {
  /// The payment.
  public let paymentID: UniqueID
  /// What contradicts: a raw value of `PaymentException`, or one that this version does not know.
  public let kind: String
  /// Since when.
  public let openedAt: Timestamp
  /// What was found.
  public let detail: String?
  /// The payment's state; nil when there is no such payment.
  public let state: String?
  /// The payment's amount; nil when there is no such payment, or its currency is unknown.
  public let amount: Money?
  /// The saga's order.
  public let orderID: Int64?
}

/// Reads the exceptions that wait for a person (`exception`).
///
/// A value that any thread may use.
public struct ExceptionStore: Sendable {
  private let list: Statement
  private let count: Statement

  /// Exceptions in these tables.
  public init(_ tables: ProcessingTables = ProcessingTables()) {
    list = Statement(
      """
      SELECT e.payment_id, e.kind, e.opened_at, e.detail, p.state, p.amount, p.currency::text, p.order_id
      FROM \(tables.exception) e LEFT JOIN \(tables.allPayment) p ON p.id = e.payment_id
      WHERE e.closed_at IS NULL ORDER BY e.opened_at, e.payment_id, e.kind LIMIT $1
      """, isReadOnly: true)
    count = Statement(
      "SELECT kind, count(*) AS count FROM \(tables.exception) WHERE closed_at IS NULL GROUP BY kind ORDER BY kind",
      isReadOnly: true)
  }

  /// The open exceptions, oldest first.
  /// - Parameter limit: the most, from 1.
  public func list(limit: Int, on connection: Connection) throws(DatabaseError) -> [OpenException] {
    try connection.run(Command(list, [.int64(Int64(limit))])).map { (row) throws(DatabaseError) in
      var amount: Money?
      if let currency = try row.optionalText(ListColumn.currency).flatMap({ Currency($0) }) {
        amount = Money(minorUnits: try row.int64(ListColumn.amount), currency)
      }
      return OpenException(
        paymentID: try row.uuid(ListColumn.paymentID), kind: try row.text(ListColumn.kind),
        openedAt: try row.timestamp(ListColumn.openedAt), detail: try row.optionalText(ListColumn.detail),
        state: try row.optionalText(ListColumn.state), amount: amount,
        orderID: try row.optionalInt64(ListColumn.orderID))
    }
  }

  /// How many are open, by kind.
  public func counts(on connection: Connection) throws(DatabaseError) -> [String: Int] {
    var counts: [String: Int] = [:]
    for row in try connection.run(Command(count)) {
      counts[try row.text(CountColumn.kind)] = try row.int(CountColumn.count)
    }
    return counts
  }

  private enum ListColumn: Int, AnswerColumn {
    case paymentID, kind, openedAt, detail, state, amount, currency, orderID
  }
  private enum CountColumn: Int, AnswerColumn { case kind, count }
}
