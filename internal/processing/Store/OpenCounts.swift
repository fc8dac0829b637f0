public import Postgres

/// How much is open, for those who watch.
public struct OpenCounts: Sendable, Hashable {
  /// Payments that wait for room at the bank.
  public let waiting: Int
  /// UNKNOWN payments.
  public let unknown: Int
  /// Payments in REVIEW.
  public let reviews: Int
  /// How long ago the bank was asked for the oldest UNKNOWN payment; zero without one.
  public let oldestUnknown: Duration

  private enum Column: Int, AnswerColumn { case waiting, unknown, reviews, oldestUnknown }

  init(_ row: Row) throws(DatabaseError) {
    waiting = try row.int(Column.waiting)
    unknown = try row.int(Column.unknown)
    reviews = try row.int(Column.reviews)
    oldestUnknown = .seconds(max(0, try row.int64(Column.oldestUnknown)))
  }

  /// Counts, where no store is at hand. Reads all that is open.
  public static func read(
    _ tables: ProcessingTables = ProcessingTables(), on connection: Connection
  ) throws(DatabaseError) -> OpenCounts {
    try OpenCounts(connection.run(Command(statement(tables))).only)
  }

  static func statement(_ t: ProcessingTables) -> Statement {
    Statement(
      """
      SELECT count(*) FILTER (WHERE d.chore = 'charge') AS waiting,
             count(*) FILTER (WHERE d.chore = 'inquiry') AS unknown,
             count(*) FILTER (WHERE d.chore = 'review') AS reviews,
             coalesce(extract(epoch FROM clock_timestamp() - (
               SELECT min(p.asked_at) FROM \(t.due) i JOIN \(t.payment) p ON p.id = i.payment_id
               WHERE i.chore = 'inquiry')), 0)::bigint AS oldest_unknown
      FROM \(t.due) d
      """, isReadOnly: true)
  }
}
