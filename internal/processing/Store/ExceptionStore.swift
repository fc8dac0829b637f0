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

/// A payment as a person is shown it beside its exceptions. Text is as the tables have it.
public struct ExplainedPayment: Sendable, Hashable {
  /// How it is paid.
  public let method: String
  /// How much, in minor units.
  public let amount: Int64
  /// Of ISO 4217.
  public let currency: String
  /// Its state.
  public let state: String
  /// Why it is in it.
  public let reason: String?
  /// The saga's order.
  public let orderID: Int64?
  /// The payment that it gives money back of.
  public let refundOf: UniqueID?
  /// When it was claimed.
  public let since: Timestamp
}

/// What became of the wish to close an exception.
public enum ExceptionClosing: Sendable, Hashable {
  /// It is closed now.
  case closed(kind: String)
  /// None is open.
  case none
  /// Several are open, of these kinds: one has to be named.
  case several([String])
}

/// The exceptions that wait for a person (`exception`).
///
/// A value that any thread may use.
public struct ExceptionStore: Sendable {
  private let list: Statement
  private let count: Statement
  private let findPayment: Statement
  private let lockOpen: Statement
  private let close: Statement

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
    findPayment = Statement(
      """
      SELECT method, amount, currency::text, state, reason, order_id, refund_of, since FROM \(tables.allPayment)
      WHERE id = $1
      """, isReadOnly: true)
    lockOpen = Statement(
      """
      SELECT kind FROM \(tables.exception)
      WHERE payment_id = $1 AND closed_at IS NULL AND ($2::text IS NULL OR kind = $2) ORDER BY kind FOR UPDATE
      """)
    close = Statement(
      """
      UPDATE \(tables.exception) SET closed_at = clock_timestamp(), closed_by = $3, note = $4
      WHERE payment_id = $1 AND kind = $2 AND closed_at IS NULL
      """)
  }

  // MARK: - One payment's

  /// The payment under an exception's id; nil when there is none.
  public func payment(_ id: UniqueID, on connection: Connection) throws(DatabaseError) -> ExplainedPayment? {
    try connection.run(Command(findPayment, [.uuid(id)])).first.map { (row) throws(DatabaseError) in
      ExplainedPayment(
        method: try row.text(PaymentColumn.method), amount: try row.int64(PaymentColumn.amount),
        currency: try row.text(PaymentColumn.currency), state: try row.text(PaymentColumn.state),
        reason: try row.optionalText(PaymentColumn.reason), orderID: try row.optionalInt64(PaymentColumn.orderID),
        refundOf: try row.optionalUUID(PaymentColumn.refundOf), since: try row.timestamp(PaymentColumn.since))
    }
  }

  /// Closes the open exception of a payment.
  /// - Parameters:
  ///   - kind: which one; needed when there are several.
  ///   - person: who has seen to it, 1 to 255 bytes.
  ///   - note: what was done; cut at 1,000 bytes.
  public func close(
    _ id: UniqueID, kind: String?, by person: String, note: String, on connection: Connection
  ) throws(DatabaseError) -> ExceptionClosing {
    try connection.transaction { (connection) throws(DatabaseError) in
      let open = try connection.run(Command(lockOpen, [.uuid(id), .textOrNull(kind)])).map {
        (row) throws(DatabaseError) in try row.text(0)
      }
      guard let only = open.first else { return .none }
      guard open.count == 1 else { return .several(open) }
      try connection.run(
        Command(close, [.uuid(id), .text(only), .text(ColumnText.clean(person)), .text(ColumnText.clean(note))]))
      return .closed(kind: only)
    }
  }

  // MARK: - All that are open

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
  private enum PaymentColumn: Int, AnswerColumn {
    case method, amount, currency, state, reason, orderID, refundOf, since
  }
  private enum AttemptColumn: Int, AnswerColumn { case askedAt, call, answeredAt, answer, detail }
}
