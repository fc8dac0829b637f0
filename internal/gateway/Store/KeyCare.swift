internal import Errors
internal import Idempotency
public import Logger
public import Postgres
public import Runtime
internal import Synchronization
public import Values

/// Keeps the keys of payments that are not final: on the third day of a key's life it becomes a key of today, unless
/// its payment has been final for a day. On a thread of its own; of several processes one does it at a time.
///
/// One pass over a day that is over is enough: what it leaves there has long been final, and no key comes to it later.
public final class KeyCare: ServicePart {
  private static let interval = Duration.seconds(3_600)
  private static let retryInterval = Duration.seconds(60)
  /// Keys that are looked at in one transaction.
  private static let pageSize = 2_000

  private let keys: GatewayKeys
  private let connection: SerialConnection
  private let logger: Logger
  private let stopFlag: StopFlag
  private let listDays: Statement
  private let movePage: Statement
  private let job = Mutex<PeriodicJob?>(nil)
  /// The last day that this process has passed, as `YYYY-MM-DD`; after a start all are passed once.
  private let passed = Mutex("")

  /// - Parameter stop: ends waits for the database.
  public init(
    _ tables: GatewayTables, keys: GatewayKeys, configuration: DatabaseConfiguration, logger: Logger, stop: StopFlag
  ) {
    self.keys = keys
    self.logger = logger.labelled("key-care")
    stopFlag = stop
    connection = SerialConnection(configuration, logger: self.logger, stop: stop)
    listDays = Statement(Self.listDays(tables), isReadOnly: true)
    movePage = Statement(Self.movePage(tables))
  }

  /// Starts the thread; the first care begins at once.
  public func start() {
    let job = PeriodicJob(name: "key-care") { [self] in careInTurn() }
    self.job.withLock { $0 = job }
    job.start()
  }

  /// Ends the thread after the page that it is at.
  public func stop(until deadline: Instant) {
    stopFlag.stop()
    job.withLock { $0 }?.stop(until: deadline)
  }

  private func careInTurn() -> Duration {
    do throws(DatabaseError) {
      let pass = try connection.use { [self] connection throws(DatabaseError) in try care(on: connection) }
      if pass.moved > 0 { logger.info("kept the keys of payments that are not final", ["keys": .number(pass.moved)]) }
      return pass.isComplete ? Self.interval : Self.retryInterval
    } catch {
      if !stopFlag.isStopped {
        logger.warning("the keys of payments that are not final are cared for later", ["error": .error(error)])
      }
      return Self.retryInterval
    }
  }

  /// What a pass came to.
  struct Pass {
    /// How many keys were moved to today.
    var moved = 0
    /// Whether it reached the end; otherwise another process was at it, or this one stops.
    var isComplete = true
  }

  /// One pass over the days that are two days old and were not passed.
  func care(on connection: Connection) throws(DatabaseError) -> Pass {
    try keys.table.makeDays(on: connection)
    var pass = Pass()
    let age = GatewayKeys.retention - .seconds(86_400)
    let days = try connection.run(
      Command(
        listDays, [.double(age.inSeconds), .timestampOrNull(keys.now), .text(passed.withLock { $0 })]))
    for row in days where pass.isComplete {
      let day = try row.text(0)
      try care(forDay: day, &pass, on: connection)
      if pass.isComplete { passed.withLock { $0 = day } }
    }
    return pass
  }

  private func care(forDay day: String, _ pass: inout Pass, on connection: Connection) throws(DatabaseError) {
    var last = (method: "", key: "")
    while true {
      let page = try connection.run(
        Command(
          movePage,
          [
            .text(day), .text(last.method), .text(last.key), .int64(Int64(Self.pageSize)), .timestampOrNull(keys.now),
          ])
      ).only
      pass.moved += try page.int(PageColumn.moved)
      pass.isComplete = try page.bool(PageColumn.hasLock) && !stopFlag.isStopped
      guard pass.isComplete, try page.int(PageColumn.seen) == Self.pageSize else { return }
      last = (try page.text(PageColumn.method), try page.text(PageColumn.key))
    }
  }
}

extension KeyCare {
  /// The days that hold keys of this age, oldest first; those up to `$3` were passed.
  private static func listDays(_ t: GatewayTables) -> String {
    """
    SELECT to_char(d.day, 'YYYY-MM-DD') FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    CROSS JOIN LATERAL (SELECT to_date(right(c.relname, 8), 'YYYYMMDD') AS day) d
    WHERE i.inhparent = '\(t.idempotencyKey)'::regclass AND c.relname ~ '_[0-9]{8}$'
      AND d.day <= (coalesce($2::timestamptz, now()) - make_interval(secs => $1)) AT TIME ZONE 'UTC'
      AND to_char(d.day, 'YYYY-MM-DD') > $3::text ORDER BY d.day
    """
  }

  private enum PageColumn: Int, AnswerColumn { case moved, seen, hasLock, method, key }

  /// The next keys of a day, by the day's index. Nobody else changes a key; of two cares at once one moves nothing: the
  /// lock is asked for before the keys are looked at.
  private static func movePage(_ t: GatewayTables) -> String {
    """
    WITH day AS MATERIALIZED (
      SELECT $1::text::date::timestamp AT TIME ZONE 'UTC' AS start, coalesce($5::timestamptz, now()) AS now
      WHERE pg_try_advisory_xact_lock(hashtextextended('key care', '\(t.idempotencyKey)'::regclass::bigint))),
    page AS MATERIALIZED (
      SELECT k.method, k.key, k.used_at, (k.answer ->> 'payment_id')::uuid AS payment_id
      FROM day d CROSS JOIN LATERAL (
        SELECT * FROM \(t.idempotencyKey) k
        WHERE k.used_at >= d.start AND k.used_at < d.start + interval '1 day' AND (k.method, k.key) > ($2, $3)
        ORDER BY k.method, k.key LIMIT $4) k),
    moved AS (
      UPDATE \(t.idempotencyKey) k SET used_at = d.now
      FROM day d, page g JOIN \(t.payment) p ON p.id = g.payment_id
      WHERE k.method = g.method AND k.key = g.key AND k.used_at = g.used_at
        AND k.used_at >= d.start AND k.used_at < d.start + interval '1 day'
        AND (p.state NOT IN ('COMPLETED', 'REJECTED', 'ERROR') OR p.since > d.now - interval '1 day')
      RETURNING 1)
    SELECT (SELECT count(*) FROM moved) AS moved, (SELECT count(*) FROM page) AS seen,
           EXISTS (SELECT FROM day) AS has_lock, l.method, l.key
    FROM (SELECT) one LEFT JOIN LATERAL (
      SELECT g.method, g.key FROM page g ORDER BY g.method DESC, g.key DESC LIMIT 1) l ON true
    """
  }
}
