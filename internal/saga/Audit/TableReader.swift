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
  /// How many events there are.
  let expected: Int
  let expectedPayments: Int
  /// The first moment of the oldest day of published events that is kept; `.min` when nothing was ever published.
  let keptSince: Int64

  /// Takes the snapshot: everything is read as of now.
  init(_ connection: Connection, topic: String, withPayments: Bool) throws(DatabaseError) {
    self.connection = connection
    self.topic = topic
    let answers = try connection.run(
      [
        Command(Statement("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")),
        // Locks every day, so that none is dropped under the reader.
        Command(Statement("SELECT count(*) FROM event WHERE topic = $1::text", isReadOnly: true), [.text(topic)]),
        Command(
          Statement("SELECT count(*) FROM payment WHERE $1::bool", isReadOnly: true), [.bool(withPayments)]),
        Command(Self.oldestDay),
      ], timeout: Self.timeout)
    expected = answers[1].only.int(0)
    expectedPayments = answers[2].only.int(0)
    keptSince = answers[3].only.optionalTimestamp(0)?.microseconds ?? .min
  }

  /// - Parameter onPage: told how many more rows were read; false ends the reading.
  func events(into ledger: inout AuditLedger, onPage: (Int) throws -> Void) throws {
    var key: [UInt8] = []
    var payload: [UInt8] = []
    try rows(
      "SELECT event_id, key, seq, status::text, payload, created_at FROM event WHERE topic = $1::text",
      [.text(topic)], onPage: onPage
    ) { row in
      key.removeAll(keepingCapacity: true)
      payload.removeAll(keepingCapacity: true)
      row.appendBytes(1, to: &key)
      row.appendBytes(4, to: &payload)
      let status: AuditLedger.Status =
        switch row.text(3) {
        case "WAIT": .waiting
        case "DONE": .done
        default: .dead
        }
      ledger.addEvent(
        id: row.uuid(0), key: key, sequence: row.int64(2), status: status, payload: payload,
        created: row.timestamp(5))
    }
  }

  func payments(into ledger: inout AuditLedger, onPage: (Int) throws -> Void) throws {
    try rows("SELECT order_id, status::text, version, updated_at FROM payment", [], onPage: onPage) { row in
      ledger.addPayment(
        order: row.int64(0), status: PaymentWord(row.text(1)), version: row.int64(2), updated: row.timestamp(3))
    }
  }

  /// Ends the snapshot.
  func close() throws(DatabaseError) { try connection.run(.rollback) }

  private func rows(
    _ query: String, _ parameters: [Parameter], onPage: (Int) throws -> Void, _ body: (Row) -> Void
  ) throws {
    try connection.run(Command(Statement("DECLARE audit NO SCROLL CURSOR FOR \(query)"), parameters))
    let fetch = Command(Statement("FETCH \(Self.page) FROM audit", isReadOnly: true))
    while true {
      let rows = try connection.run(fetch, timeout: Self.timeout)
      for index in 0..<rows.count { body(rows[index]) }
      try onPage(rows.count)
      if rows.count < Self.page { break }
    }
    try connection.run(Command(Statement("CLOSE audit", isReadOnly: true)))
  }

  private static let oldestDay = Statement(
    """
    SELECT min(to_date(right(c.relname, 8), 'YYYYMMDD')::timestamp AT TIME ZONE 'UTC')
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'event_done'::regclass AND NOT i.inhdetachpending AND c.relname ~ '^event_done_[0-9]{8}$'
    """, isReadOnly: true)
}
