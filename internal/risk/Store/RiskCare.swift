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

  /// Deletes rows that have not changed for two days, in transactions of `batch` rows.
  /// - Parameters:
  ///   - batches: how many transactions at most; what is left is for the next time.
  /// - Returns: how many rows are gone.
  @discardableResult
  public func run(
    batch: Int = 1_000, batches: Int = 100, on connection: Connection
  ) throws(DatabaseError) -> Int {
    var deleted = 0
    for _ in 0..<batches {
      let gone = try connection.run(Command(deleteUsage, [.int64(Int64(batch))])).affected
      deleted += gone
      if gone < batch { break }
    }
    return deleted
  }
}
