internal import Postgres
internal import Values

/// Reads events and payments of one snapshot, page by page.
struct TableReader {
  /// Rows a page: about 2 MB of events.
  private static let page = 5_000
  /// A page, and the count, which reads a table as a whole.
  private static let timeout = Duration.seconds(600)

  private let connection: Connection
  let topic: String
  /// Number of events.
  let expected: Int
  let expectedPayments: Int
  /// The first moment of the oldest day of published events that is kept; `.min` when nothing was ever published.
  let keptSince: Int64
  /// How often operators had an event published once more.
  let replays: [UniqueID: Int]

  /// Takes the snapshot: everything is read as of now.
  init(_ connection: Connection, topic: String, withPayments: Bool) throws(DatabaseError) {
    self.connection = connection
    self.topic = topic
    let answers = try connection.run(
      [
        .beginSnapshot,
        // Locks every day, so that none is dropped under the reader.
        Command(Statement("SELECT count(*) FROM event WHERE topic = $1::text", isReadOnly: true), [.text(topic)]),
        Command(
          Statement("SELECT count(*) FROM all_payment WHERE $1::bool", isReadOnly: true), [.bool(withPayments)]),
        Command(Self.oldestDay), Command(Self.hasLog),
      ], timeout: Self.timeout)
    expected = try answers[1].only.int(0)
    expectedPayments = try answers[2].only.int(0)
    keptSince = try answers[3].only.optionalTimestamp(0)?.microseconds ?? .min
    replays = try answers[4].only.bool(0) ? try Self.replays(of: topic, on: connection) : [:]
  }

  private static func replays(of topic: String, on connection: Connection) throws(DatabaseError) -> [UniqueID: Int] {
    let rows = try connection.run(Command(replayed, [.text(topic)]), timeout: timeout)
    var replays: [UniqueID: Int] = [:]
    for row in rows { replays[try row.uuid(ReplayColumn.eventID)] = try row.int(ReplayColumn.times) }
    return replays
  }

  private enum ReplayColumn: Int, AnswerColumn { case eventID, times }

  /// A row that cannot be read is reported, and reading goes on.
  /// - Parameter onPage: told how many more rows were read; what it throws ends the reading.
  func events(into ledger: inout AuditLedger, onPage: (Int) throws -> Void) throws {
    // As `EventColumn` has them.
    try open(
      "SELECT event_id, key, seq, status::text, payload, created_at, id FROM event WHERE topic = $1::text",
      [.text(topic)])
    while let page = try nextPage() {
      for row in page {
        do throws(DatabaseError) {
          try Self.addEvent(row, to: &ledger)
        } catch {
          guard error.code == .content else { throw error }
          ledger.addUnreadable(
            key: try row.optionalText(EventColumn.key),
            "event \(try row.optionalInt64(EventColumn.id) ?? 0): \(error.message)")
        }
      }
      try onPage(page.count)
    }
    try closeCursor()
  }

  private enum EventColumn: Int, AnswerColumn { case eventID, key, seq, status, payload, createdAt, id }

  private static func addEvent(_ row: Row, to ledger: inout AuditLedger) throws(DatabaseError) {
    let status: AuditLedger.Status =
      switch try row.text(EventColumn.status) {
      case "WAIT": .waiting
      case "DONE": .done
      default: .dead
      }
    ledger.addEvent(
      id: try row.uuid(EventColumn.eventID), key: try row.bytes(EventColumn.key),
      sequence: try row.int64(EventColumn.seq), status: status, payload: try row.bytes(EventColumn.payload),
      created: try row.timestamp(EventColumn.createdAt))
  }

  func payments(into ledger: inout AuditLedger, onPage: (Int) throws -> Void) throws {
    // As `PaymentColumn` has them.
    try open(
      "SELECT order_id, status::text, version, updated_at, amount_minor, currency::text FROM all_payment", [])
    while let page = try nextPage() {
      for row in page {
        do throws(DatabaseError) {
          try Self.addPayment(row, to: &ledger)
        } catch {
          guard error.code == .content else { throw error }
          ledger.addUnreadable(
            key: try row.optionalInt64(PaymentColumn.orderID).map { String($0) }, "payment: \(error.message)")
        }
      }
      try onPage(page.count)
    }
    try closeCursor()
  }

  private enum PaymentColumn: Int, AnswerColumn {
    case orderID, status, version, updatedAt, amountMinor, currency
  }

  private static func addPayment(_ row: Row, to ledger: inout AuditLedger) throws(DatabaseError) {
    let money = PaymentMoney(
      amountMinor: try row.int64(PaymentColumn.amountMinor),
      currency: try row.optionalText(PaymentColumn.currency) ?? "")
    ledger.addPayment(
      order: try row.int64(PaymentColumn.orderID), status: PaymentWord(try row.text(PaymentColumn.status)),
      version: try row.int64(PaymentColumn.version), money: money,
      updated: try row.timestamp(PaymentColumn.updatedAt))
  }

  /// Ends the snapshot.
  func close() throws(DatabaseError) { try connection.run(.rollback) }

  // MARK: - Pages

  private func open(_ query: String, _ parameters: [Parameter]) throws(DatabaseError) {
    try connection.run(Command(Statement("DECLARE audit NO SCROLL CURSOR FOR \(query)"), parameters))
  }

  /// nil after the last.
  private func nextPage() throws(DatabaseError) -> Rows? {
    let rows = try connection.run(Command(Self.fetch), timeout: Self.timeout)
    return rows.isEmpty ? nil : rows
  }

  private func closeCursor() throws(DatabaseError) {
    try connection.run(Command(Statement("CLOSE audit", isReadOnly: true)))
  }

  private static let fetch = Statement("FETCH \(page) FROM audit", isReadOnly: true)

  /// Whether there is a log of operations that we may read: older tables have none.
  private static let hasLog = Statement(
    "SELECT coalesce(has_table_privilege(to_regclass('operation_log'), 'SELECT'), false)", isReadOnly: true)

  private static let replayed = Statement(
    """
    SELECT event_id, count(*) AS times FROM operation_log
    WHERE action = 'replay' AND topic = $1::text AND event_id IS NOT NULL GROUP BY event_id
    """, isReadOnly: true)

  private static let oldestDay = Statement(
    """
    SELECT min(to_date(right(c.relname, 8), 'YYYYMMDD')::timestamp AT TIME ZONE 'UTC')
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'event_done'::regclass AND NOT i.inhdetachpending AND c.relname ~ '^event_done_[0-9]{8}$'
    """, isReadOnly: true)
}
