internal import LedgerDomain
internal import Postgres
internal import Values

/// Reads what an account had at a moment: the days before, as far as their transfers are sealed, and the transfers that
/// are not among them.
struct MomentBalances: Sendable {
  private let newest: Command
  private let sum: Statement

  init(_ tables: LedgerTables) {
    newest = ChainRows(tables).findNewest
    let columns = "kind, debit, credit, amount, pending_id"
    let since = { (side: String) in
      "SELECT \(columns) FROM \(tables.transfer) WHERE \(side) = $1 AND at >= $2 AND at < $3"
    }
    // What is not sealed is found by its transaction alone: the account may have any number of older transfers.
    sum = Statement(
      """
      WITH fresh AS MATERIALIZED (
        SELECT at, \(columns) FROM \(tables.transfer) WHERE tx >= $4 AND at > $5),
      entries AS (\(since("debit")) UNION ALL \(since("credit")) 
                  UNION ALL SELECT \(columns) FROM fresh WHERE (debit = $1 OR credit = $1) AND at < $2),
      changes AS (\(EntrySums.changes(of: "entries", "kind", holds: tables.transfer))
                  UNION ALL SELECT account, 0, posted, pending FROM \(tables.accountDay)
                  WHERE account = $1 AND day < ($2 AT TIME ZONE 'UTC')::date)
      SELECT coalesce(sum(posted), 0)::bigint AS posted, coalesce(sum(pending), 0)::bigint AS pending
      FROM changes WHERE account = $1
      """, isReadOnly: true)
  }

  /// The sums of everything on the account before the moment; nothing where there is no such account.
  func find(_ account: UniqueID, before moment: Timestamp, on connection: Connection) throws(DatabaseError) -> Balance {
    // One snapshot: what is sealed meanwhile would be counted twice.
    try connection.rollingBack { () throws(DatabaseError) in
      let newest = try connection.run([.beginSnapshot, Command(ChainRows.fewRows), newest])[2].first.map {
        (row) throws(DatabaseError) in
        try ChainRows.block(row)
      }
      let moment = moment.clamped
      let parameters: [Parameter] = [
        .uuid(account), .timestamp(moment.startOfDay), .timestamp(moment),
        .int64(newest?.range.upperBound ?? 0), .timestamp(newest?.laterThan ?? SealingPlan.dawn),
      ]
      let row = try connection.run([Command(sum, parameters), .commit])[0].only
      return Balance(posted: try row.int64(SumColumn.posted), pending: try row.int64(SumColumn.pending))
    }
  }

  private enum SumColumn: Int, AnswerColumn { case posted, pending }
}

extension Timestamp {
  /// The first moment of its day in UTC.
  fileprivate var startOfDay: Timestamp {
    let day: Int64 = 86_400_000_000
    let since = microseconds % day
    return Timestamp(microseconds: microseconds - (since < 0 ? since + day : since))
  }
}
