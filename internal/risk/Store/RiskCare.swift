public import Postgres

/// Deletes what no window covers any more.
///
/// A value that any thread may use.
public struct RiskCare: Sendable {
  private let deleteUsage: Statement

  /// The care of these tables.
  public init(_ tables: RiskTables = RiskTables()) {
    deleteUsage = Statement(
      """
      DELETE FROM \(tables.usage) h WHERE h.id IN (
        SELECT o.id FROM \(tables.usage) o WHERE o.until <= (now() AT TIME ZONE 'UTC')::date
        ORDER BY o.until LIMIT $1 FOR UPDATE SKIP LOCKED)
      """)
  }

  /// After how many days without a change a row may go: a window of 24 hours and its bucket reach over one midnight,
  /// and for half an hour over a second one.
  static let days: Int32 = 3
  /// After how many days the cards and accounts of a user are forgotten, who has not paid meanwhile.
  static let memory: Int32 = 400

  /// How many rows `run` deletes at most, so that it ends.
  public static let limit = 100_000

  /// Deletes rows whose time is over, in transactions of `batch` rows.
  /// - Returns: how many rows are gone; when these are `limit`, more may be left.
  @discardableResult
  public func run(
    batch: Int = 1_000, limit: Int = RiskCare.limit, on connection: Connection
  ) throws(DatabaseError) -> Int {
    var deleted = 0
    while deleted < limit {
      let wanted = min(batch, limit - deleted)
      let gone = try connection.run(Command(deleteUsage, [.int64(Int64(wanted))])).affected
      deleted += gone
      if gone < wanted { break }
    }
    return deleted
  }
}
