internal import Errors
internal import Idempotency
public import Logger
public import Postgres
public import Runtime
internal import Synchronization
public import Values

/// Keeps the keys of payments that are not final: on the third day of a key's life it becomes a key of today, unless
/// its payment has been final for a day. On a thread of its own; of several processes one does it at a time.
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
      let moved = try connection.use { [self] connection throws(DatabaseError) in try care(on: connection) }
      if moved > 0 { logger.info("kept the keys of payments that are not final", ["keys": .number(moved)]) }
      return Self.interval
    } catch {
      if !stopFlag.isStopped {
        logger.warning("the keys of payments that are not final are cared for later", ["error": .error(error)])
      }
      return Self.retryInterval
    }
  }

  /// One pass over the keys that are older than two days.
  /// - Returns: how many were moved to today.
  func care(on connection: Connection) throws(DatabaseError) -> Int {
    try keys.table.makeDays(on: connection)
    var moved = 0
    let age = GatewayKeys.retention - .seconds(86_400)
    for row in try connection.run(Command(listDays, [.double(age.inSeconds), .timestampOrNull(keys.now)])) {
      moved += try care(forDay: row.text(0), on: connection)
    }
    return moved
  }

  private func care(forDay day: String, on connection: Connection) throws(DatabaseError) -> Int {
    var moved = 0
    var last = (method: "", key: "")
    while !stopFlag.isStopped {
      let page = try connection.run(
        Command(
          movePage,
          [
            .text(day), .text(last.method), .text(last.key), .int64(Int64(Self.pageSize)), .timestampOrNull(keys.now),
          ])
      ).only
      moved += try page.int(PageColumn.moved)
      guard try page.int(PageColumn.seen) == Self.pageSize else { break }
      last = (try page.text(PageColumn.method), try page.text(PageColumn.key))
    }
    return moved
  }
}

extension KeyCare {
  /// The days that hold keys of this age, oldest first.
  private static func listDays(_ t: GatewayTables) -> String {
    """
    SELECT to_char(d.day, 'YYYY-MM-DD') FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    CROSS JOIN LATERAL (SELECT to_date(right(c.relname, 8), 'YYYYMMDD') AS day) d
    WHERE i.inhparent = '\(t.idempotencyKey)'::regclass AND c.relname ~ '_[0-9]{8}$'
      AND d.day <= (coalesce($2::timestamptz, now()) - make_interval(secs => $1)) AT TIME ZONE 'UTC' ORDER BY d.day
    """
  }

  private enum PageColumn: Int, AnswerColumn { case moved, seen, method, key }

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
    SELECT (SELECT count(*) FROM moved) AS moved, (SELECT count(*) FROM page) AS seen, l.method, l.key
    FROM (SELECT) one LEFT JOIN LATERAL (
      SELECT g.method, g.key FROM page g ORDER BY g.method DESC, g.key DESC LIMIT 1) l ON true
    """
  }
}
