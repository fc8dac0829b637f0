internal import Postgres

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
}
