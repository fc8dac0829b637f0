internal import Postgres
internal import Values

/// Reads payments as the gateway has them, page by page.
struct GatewayReader {
  private static let page = 2_000
  private static let timeout = Duration.seconds(60)

  private let connection: Connection
  private let schema: String
  private let payments: String

  init(_ connection: Connection, gateway: String) {
    self.connection = connection
    schema = quoteIdentifier(gateway)
    payments = """
      SELECT p.id, p.user_id, p.method, p.amount, p.currency::text, p.order_id, p.state, p.version,
             s.state AS history_state,
             greatest(0, extract(epoch FROM clock_timestamp() - p.since) * 1000)::bigint AS age_ms
      FROM \(schema).all_payment p LEFT JOIN \(schema).all_payment_state s ON s.payment_id = p.id AND s.version = p.version
      """
  }

  /// The next payments by id; empty after the last.
  func page(after last: UniqueID) throws(DatabaseError) -> AuditPage<AuditedIntake> {
    let query = "\(payments) WHERE p.id > $1 ORDER BY p.id LIMIT \(Self.page)"
    return try read(Command(Statement(query, isReadOnly: true), [.uuid(last)]))
  }

  /// These payments, as far as they are there.
  func payments(_ ids: [UniqueID]) throws(DatabaseError) -> AuditPage<AuditedIntake> {
    try read(Command(Statement("\(payments) WHERE p.id = ANY ($1)", isReadOnly: true), [.uuidArray(ids)]))
  }

  /// The orders that are claimed and should not be, and those that should be and are not.
  func orders(into report: inout DirectAuditReport) throws(DatabaseError) {
    let wrong = Statement(
      """
      SELECT c.payment_id, c.order_id, coalesce(p.state, 'not there') AS state FROM \(schema).order_claim c
      LEFT JOIN \(schema).all_payment p ON p.id = c.payment_id
      WHERE (p.id IS NULL OR p.state IN ('REJECTED', 'ERROR') OR p.order_id IS DISTINCT FROM c.order_id)
        AND (c.payment_id < (SELECT id FROM \(schema).all_payment ORDER BY id LIMIT 1)) IS NOT TRUE
      LIMIT 1000
      """, isReadOnly: true)
    for row in try connection.run(Command(wrong), timeout: LedgerReader.timeout) {
      let (order, state) = (try row.int64(OrderColumn.orderID), try row.text(OrderColumn.state))
      report.note(
        Finding(.order, "order \(order) is kept for it, and it is \(state)"), of: try row.uuid(OrderColumn.paymentID))
    }
    let missing = Statement(
      """
      SELECT p.id AS payment_id, p.order_id, p.state FROM \(schema).all_payment p
      WHERE p.order_id IS NOT NULL AND p.state NOT IN ('REJECTED', 'ERROR')
        AND NOT EXISTS (SELECT FROM \(schema).order_claim c WHERE c.order_id = p.order_id AND c.payment_id = p.id)
      LIMIT 1000
      """, isReadOnly: true)
    for row in try connection.run(Command(missing), timeout: LedgerReader.timeout) {
      let (order, state) = (try row.int64(OrderColumn.orderID), try row.text(OrderColumn.state))
      report.note(
        Finding(.order, "it is \(state), and order \(order) is not kept for it"),
        of: try row.uuid(OrderColumn.paymentID))
    }
  }

  /// Payments that are there twice.
  func strays(into report: inout DirectAuditReport) throws(DatabaseError) {
    let twice = Statement(
      """
      SELECT p.id FROM \(schema).payment p
      WHERE EXISTS (SELECT FROM \(schema).payment_archive a WHERE a.id = p.id) LIMIT 1000
      """, isReadOnly: true)
    for row in try connection.run(Command(twice), timeout: LedgerReader.timeout) {
      report.note(Finding(.state, "the gateway has it both live and archived"), of: try row.uuid(0))
    }
  }

  private func read(_ command: Command) throws(DatabaseError) -> AuditPage<AuditedIntake> {
    try AuditPage(connection.run(command, timeout: Self.timeout)) { (row) throws(DatabaseError) in
      let id = try row.uuid(PaymentColumn.id)
      let intake = AuditedIntake(
        id: id, userID: try row.uuid(PaymentColumn.userID), method: try row.text(PaymentColumn.method),
        amount: try row.int64(PaymentColumn.amount), currency: try row.text(PaymentColumn.currency),
        orderID: try row.optionalInt64(PaymentColumn.orderID), state: try row.text(PaymentColumn.state),
        version: try row.int64(PaymentColumn.version), historyState: try row.optionalText(PaymentColumn.historyState),
        age: .milliseconds(try row.int64(PaymentColumn.ageMs)))
      return (id, intake)
    }
  }

  private enum PaymentColumn: Int, AnswerColumn {
    case id, userID, method, amount, currency, orderID, state, version, historyState, ageMs
  }
  private enum OrderColumn: Int, AnswerColumn { case paymentID, orderID, state }
}

/// Reads the saga's payments of orders.
struct SagaReader {
  private let connection: Connection

  /// - Parameter connection: to the saga's database, with its tables on the search path.
  init(_ connection: Connection) { self.connection = connection }

  func orders(_ ids: [Int64]) throws(DatabaseError) -> [Int64: AuditedOrder] {
    guard !ids.isEmpty else { return [:] }
    var orders: [Int64: AuditedOrder] = [:]
    for row in try connection.run(Command(Self.find, [.int64Array(ids)]), timeout: .seconds(60)) {
      orders[try row.int64(Column.orderID)] = AuditedOrder(
        status: try row.text(Column.status), reason: try row.text(Column.reason))
    }
    return orders
  }

  private static let find = Statement(
    "SELECT order_id, status::text, coalesce(reason, '') AS reason FROM all_payment WHERE order_id = ANY ($1)",
    isReadOnly: true)
  private enum Column: Int, AnswerColumn { case orderID, status, reason }
}
