public import Postgres

/// Deletes what no window covers any more.
///
/// A value that any thread may use.
public struct RiskCare: Sendable {
  private let deleteUsage: Statement

  /// The care of these tables.
  public init(_ tables: RiskTables = RiskTables()) {
    // A window of 24 hours and its bucket reach over one midnight, and for half an hour over a second one.
    deleteUsage = Statement(
      """
      DELETE FROM \(tables.usage) h WHERE (h.subject, h.key) IN (
        SELECT o.subject, o.key FROM \(tables.usage) o WHERE o.day < (now() AT TIME ZONE 'UTC')::date - 2
        ORDER BY o.day LIMIT $1 FOR UPDATE SKIP LOCKED)
      """)
  }

  /// How many rows `run` deletes at most, so that it ends.
  public static let limit = 100_000

  /// Deletes rows that have not changed for two days, in transactions of `batch` rows.
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
