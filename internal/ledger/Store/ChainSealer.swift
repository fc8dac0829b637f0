internal import LedgerDomain
public import Postgres
internal import Values

/// Seals transfers in blocks, off the way of payments, and keeps what the days have changed on each account.
///
/// A value that any thread may use.
public struct ChainSealer: Sendable {
  /// What a call may seal.
  public struct Limits: Sendable {
    /// A block ends with the transaction in which it reaches so many transfers.
    public var transfers = 10_000
    /// After so many blocks a call ends.
    public var blocks = 20

    /// The limits that the programs have.
    public init() {}
  }

  /// What a call has sealed.
  public struct Report: Sendable, Hashable {
    /// New blocks.
    public var blocks = 0
    /// The transfers in them.
    public var transfers: Int64 = 0
    /// Whether there is more to seal now.
    public var isBehind = false
    /// Whether another process is sealing, so that nothing was done.
    public var isBusy = false
    /// Whether transactions are numbered anew, as after the restore of a dump.
    public var isAfresh = false
  }

  private let rows: ChainRows
  private let limits: Limits
  private let lock: Statement
  private let server: Statement
  private let strangers: Statement
  private let firstTransaction: Statement
  private let insertBlock: Statement
  private let addDays: Statement
  private let oldest: Statement

  /// Seals the transfers of these tables.
  public init(_ tables: LedgerTables = LedgerTables(), limits: Limits = Limits()) {
    rows = ChainRows(tables)
    self.limits = limits
    let transfer = tables.transfer
    lock = Statement(
      """
      SELECT pg_try_advisory_xact_lock(hashtextextended('ledger chain', '\(tables.block)'::regclass::bigint))
      """)
    server = Statement(
      """
      SELECT pg_snapshot_xmin(s.now)::text::bigint AS oldest_running, pg_snapshot_xmax(s.now)::text::bigint AS next,
             c.system_identifier AS history
      FROM (SELECT pg_current_snapshot() AS now) s CROSS JOIN pg_control_system() c
      """, isReadOnly: true)
    strangers = Statement("SELECT max(at) AS at FROM \(transfer) WHERE tx >= $1", isReadOnly: true)
    firstTransaction = Statement(
      "SELECT min(tx) AS tx FROM \(transfer) WHERE tx >= $1 AND tx < $2 AND at > $3 AND at <= $4", isReadOnly: true)
    insertBlock = Statement(
      """
      INSERT INTO \(tables.block) (number, first_tx, end_tx, later_than, last_at, transfers, hash, history)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
      """)
    addDays = Statement(
      """
      WITH sealed AS MATERIALIZED (
        SELECT (at AT TIME ZONE 'UTC')::date AS day, kind, debit, credit, amount, pending_id FROM \(transfer)
        WHERE tx >= $1 AND tx < $2 AND at > $3 AND at <= $4),
      changes AS (\(EntrySums.changes(of: "sealed", "day", holds: transfer)))
      INSERT INTO \(tables.accountDay) AS d (account, day, posted, pending)
      SELECT account, day, sum(posted)::bigint, sum(pending)::bigint FROM changes GROUP BY account, day
      ORDER BY account, day
      ON CONFLICT (account, day) DO UPDATE SET posted = d.posted + excluded.posted, pending = d.pending + excluded.pending
      """)
    oldest = Statement(
      """
      SELECT (extract(epoch FROM clock_timestamp() - min(at)) * 1000)::bigint AS age_ms FROM \(transfer)
      WHERE tx >= $1 AND at > $2
      """, isReadOnly: true)
  }

  /// Seals what no running transaction can add to any more, in one transaction. One process at a time does.
  public func seal(on connection: Connection) throws(DatabaseError) -> Report {
    try connection.transaction { (connection) throws(DatabaseError) in
      // The server is asked before transfers are read by statements of their own.
      let answers = try connection.run([
        Command(lock), rows.findNewest, Command(server), Command(ChainRows.fewRows),
      ])
      guard try answers[0].only.bool(0) else { return Report(isBusy: true) }
      let newest = try answers[1].first.map { (row) throws(DatabaseError) in try ChainRows.block(row) }
      let plan = try plan(newest, try Self.server(answers[2].only), connection)
      var work = Work(newest, limits)
      for stretch in plan.stretches where !work.isFull { try seal(stretch, &work, connection) }
      let commands = work.blocks.map(insert)
      if !commands.isEmpty { try connection.run(commands) }
      for done in work.done { try connection.run(Command(addDays, done.parameters), timeout: ChainRows.timeout) }
      return Report(
        blocks: work.blocks.count, transfers: work.blocks.reduce(0) { $0 + $1.count }, isBehind: work.isFull,
        isAfresh: plan.isAfresh)
    }
  }

  /// For how long the oldest transfer that is in no block has waited; nil when there is none.
  public func lag(on connection: Connection) throws(DatabaseError) -> Duration? {
    try connection.transaction { (connection) throws(DatabaseError) in
      let newest = try connection.run([Command(ChainRows.fewRows), rows.findNewest])[1].first.map {
        (row) throws(DatabaseError) in try ChainRows.block(row)
      }
      let command = Command(
        oldest,
        [.int64(newest?.range.upperBound ?? 0), .timestamp(newest?.laterThan ?? SealingPlan.dawn)])
      return try connection.run(command).only.optionalInt64(LagColumn.ageMs).map { .milliseconds(max(0, $0)) }
    }
  }

  private func plan(
    _ newest: ChainBlock?, _ server: SealingPlan.Server, _ connection: Connection
  ) throws(DatabaseError) -> SealingPlan {
    guard let newest, SealingPlan.needsStrangers(after: newest, server) else {
      return SealingPlan(after: newest, server)
    }
    let first = max(newest.range.upperBound, server.next)
    let latest = try connection.run(Command(strangers, [.int64(first)]), timeout: ChainRows.timeout).only
      .optionalTimestamp(StrangerColumn.at)
    return SealingPlan(after: newest, server, latestStranger: latest)
  }

  // MARK: - Blocks

  /// What one call makes.
  private struct Work: ~Copyable {
    let limits: Limits
    var builder = BlockBuilder()
    var newest: ChainBlock?
    var blocks: [ChainBlock] = []
    /// What the new blocks have, in as few parts as possible.
    var done: [ChainRows.Wanted] = []

    init(_ newest: ChainBlock?, _ limits: Limits) {
      self.newest = newest
      self.limits = limits
    }

    var isFull: Bool { blocks.count >= limits.blocks }

    mutating func end(_ range: Range<Int64>, _ stretch: SealingPlan.Stretch) {
      guard builder.count > 0 else { return }
      let block = builder.finish(
        range, laterThan: stretch.laterThan, history: stretch.history, after: newest)
      newest = block
      blocks.append(block)
    }
  }

  /// How many transactions are read at first, and between how many transfers at a time their number stays as it is.
  private static let window = (first: Int64(64), few: Int64(20_000), many: Int64(100_000))

  /// Reads a window of transactions after the other: what has waited for long is not sorted at once.
  private func seal(
    _ stretch: SealingPlan.Stretch, _ work: inout Work, _ connection: Connection
  ) throws(DatabaseError) {
    let end = stretch.end ?? .max
    guard stretch.first < end else { return }
    var (first, next, width) = (stretch.first, stretch.first, Self.window.first)
    while next < end, !work.isFull {
      let limit = end - next <= width ? end : next + width
      var count: Int64 = 0
      try rows.forEach(stretch.wanted(next, limit), on: connection) { (transfer) throws(DatabaseError) in
        if work.builder.count >= work.limits.transfers, transfer.transaction != work.builder.transaction {
          work.end(first..<transfer.transaction, stretch)
          first = transfer.transaction
        }
        work.builder.add(transfer)
        count += 1
      }
      next = limit
      if count == 0, next < end {
        let gap = Command(firstTransaction, stretch.wanted(next, end).parameters)
        next = try connection.run(gap, timeout: ChainRows.timeout).only.optionalInt64(GapColumn.tx) ?? end
      }
      if count < Self.window.few { width = width.multiplied(saturating: 4) }
      if count > Self.window.many { width = max(1, width / 4) }
    }
    if work.builder.count > 0 {
      // The rest of an old server has no end but its last transfer.
      let limit = stretch.end == nil && next == end ? work.builder.transaction + 1 : next
      work.end(first..<limit, stretch)
      first = limit
    }
    guard first > stretch.first else { return }
    work.done.append(stretch.wanted(stretch.first, first))
  }

  private func insert(_ block: ChainBlock) -> Command {
    Command(
      insertBlock,
      [
        .int64(block.number), .int64(block.range.lowerBound), .int64(block.range.upperBound),
        .timestamp(block.laterThan), .timestamp(block.lastAt), .int64(block.count), .bytes(block.hash),
        .int64(block.history),
      ])
  }

  // MARK: - Rows

  private enum ServerColumn: Int, AnswerColumn { case oldestRunning, next, history }
  private enum StrangerColumn: Int, AnswerColumn { case at }
  private enum GapColumn: Int, AnswerColumn { case tx }
  private enum LagColumn: Int, AnswerColumn { case ageMs }

  private static func server(_ row: Row) throws(DatabaseError) -> SealingPlan.Server {
    SealingPlan.Server(
      oldestRunning: try row.int64(ServerColumn.oldestRunning), next: try row.int64(ServerColumn.next),
      history: try row.int64(ServerColumn.history))
  }
}

extension SealingPlan.Stretch {
  /// The transfers of some of its transactions.
  fileprivate func wanted(_ first: Int64, _ end: Int64) -> ChainRows.Wanted {
    ChainRows.Wanted(first: first, end: end, laterThan: laterThan, until: until)
  }
}
