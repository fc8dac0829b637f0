internal import Postgres
internal import Values

/// The statements of the relay. Each function is one round trip on the connection it is given.
struct RelayStore: Sendable {
  /// Who we are: unique to this run of the process.
  let owner: String
  let reserve: Duration
  /// What happens to the rest of a key behind a dead event.
  var onDead = DeadPolicy.hold

  private var reserveSeconds: Parameter { .double(reserve.inSeconds) }

  // MARK: - Leases

  /// Shows that we live, prolongs leases, gives some back, and takes free ones up to the fair share.
  ///
  /// Three transactions one after another: releasing waits for completing statements that hold the lease rows, and
  /// must not do so while holding others.
  func maintainLeases(_ request: LeaseRequest, on connection: Connection) throws(DatabaseError) -> LeaseReport {
    let history: Parameter = .text(request.history?.name ?? "")
    let renewed = try connection.run([
      Command(Self.heartbeat, [.text(owner), reserveSeconds]),
      Command(Self.renew, [.text(owner), reserveSeconds] + Self.columns(request.renew) + [history]),
    ])
    if !request.release.isEmpty {
      _ = try connection.run(Command(Self.release, [.text(owner)] + Self.columns(request.release)))
    }
    let kept: [Parameter] = [.int16Array(request.keeping.map(\.shard)), .bool(request.mayClaim)]
    let claimed = try connection.run([
      Command(Self.claim, [.text(owner), reserveSeconds] + kept), Command(Self.survey, [.text(owner)]),
    ])
    let survey = claimed[1][0]
    var report = LeaseReport(history: ServerHistory(name: try survey.text(3)))
    report.renewed = try Self.leases(renewed[1])
    report.claimed = try Self.leases(claimed[0])
    report.shardCount = try survey.int(0)
    report.liveRelays = try survey.int(1)
    report.nextExpiry = try survey.optionalDouble(2).map { .nanoseconds(Int64(saturating: $0 * 1e9)) }
    return report
  }

  /// Gives all leases back, so that others can take over at once.
  func releaseAll(_ leases: [ShardEpoch], on connection: Connection) throws(DatabaseError) {
    _ = try connection.run([
      Command(Self.release, [.text(owner)] + Self.columns(leases)), Command(Self.farewell, [.text(owner)]),
    ])
  }

  // MARK: - Reading and completing

  /// Reads what waits in the shards that are still ours.
  func read(_ request: ReadRequest, on connection: Connection) throws(DatabaseError) -> ReadReport {
    let shards = request.shards
    let results = try connection.run([
      Command(Self.lastID), Command(Self.snapshot),
      Command(
        onDead == .hold ? Self.readHolding : Self.readContinuing,
        [
          .text(owner), .int16Array(shards.map(\.shard)), .int64Array(shards.map(\.epoch)),
          .int64Array(shards.map(\.floor)), .int32Array(shards.map { Int32(clamping: $0.limit) }),
          .text(request.history.name),
        ]),
      // What a failover may take back must not be published.
      ReplicationBarrier.command,
    ])
    let bounds = results[1][0]
    var report = ReadReport(
      history: ServerHistory(name: try bounds.text(2)), events: [], held: [], lastID: try results[0][0].int64(0),
      snapshot: (try bounds.int64(0), try bounds.int64(1)))
    let rows = results[2]
    report.events.reserveCapacity(rows.count)
    for index in 0..<rows.count {
      let row = rows[index]
      let shard = try row.int16(0)
      report.held.insert(shard)
      if row.isNull(1) { continue }
      let event = try Self.event(row, shard: shard)
      report.events.append(event)
      if let predecessor = try row.optionalInt64(9) { report.predecessors[event.id] = predecessor }
    }
    return report
  }

  /// Moves published events to DONE, or refused ones to DEAD, in the shards whose lease still holds.
  func complete(_ request: CompletionRequest, on connection: Connection) throws(DatabaseError) -> CompletionReport {
    let items = request.items
    var parameters: [Parameter] =
      [.text(owner)] + Self.columns(request.leases)
      + [
        .int16Array(items.map(\.shard)), .int64Array(items.map(\.id)), .uuidArray(items.map(\.eventID)),
        .text(request.history.name),
      ]
    if request.isDead { parameters.append(.textArray(items.map { $0.refusal ?? "" })) }
    let results = try connection.run(
      request.isDead
        ? [Command(Self.markDead, parameters)] : [RelaxedCommit.command, Command(Self.markDone, parameters)])
    guard let rows = results.last else { preconditionFailure("a run answers each of its commands") }
    var report = CompletionReport(moved: [:])
    for index in 0..<rows.count { report.moved[try rows[index].int16(0)] = try rows[index].int(1) }
    return report
  }

  private static func columns(_ leases: [ShardEpoch]) -> [Parameter] {
    [.int16Array(leases.map(\.shard)), .int64Array(leases.map(\.epoch))]
  }

  private static func leases(_ rows: Rows) throws(DatabaseError) -> [ShardEpoch] {
    try rows.map { (row) throws(DatabaseError) in ShardEpoch(shard: try row.int16(0), epoch: try row.int64(1)) }
  }

  /// What a row holds is input: a value that cannot be read makes the event one that is refused, and its neighbours go
  /// on. A column of another type is no row's fault: then nothing is read.
  private static func event(_ row: Row, shard: Int16) throws(DatabaseError) -> WaitingEvent {
    let id = try row.int64(1)
    do throws(DatabaseError) {
      let headers = try row.textArray(7)
      guard headers.count.isMultiple(of: 2) else {
        return try refused(row, id: id, shard: shard, fault: "headers has a name without a value")
      }
      return WaitingEvent(
        id: id, shard: shard, eventID: try row.uuid(2), key: try row.text(3), sequence: try row.int64(4),
        topic: try row.text(5), payload: try row.bytes(6), headers: headers, createdAt: try row.timestamp(8))
    } catch  where error.code == .content {
      return try refused(row, id: id, shard: shard, fault: error.message)
    }
  }

  private static func refused(_ row: Row, id: Int64, shard: Int16, fault: String) throws(DatabaseError) -> WaitingEvent
  {
    // No text holds a NUL, so a row without a key has one of its own.
    let key = try row.optionalText(3) ?? "\0\(shard)/\(id)"
    return WaitingEvent(
      id: id, shard: shard, eventID: try row.optionalUUID(2) ?? UniqueID(high: 0, low: 0), key: key,
      sequence: try row.optionalInt64(4) ?? 0, topic: try row.optionalText(5) ?? "", payload: [], headers: [],
      createdAt: try row.optionalTimestamp(8) ?? Timestamp(microseconds: 0),
      fault: "the row cannot be published: \(fault)")
  }
}

extension RelayStore {
  /// The name of a `ServerHistory`. A restart shows in the server's start; a crash of one of its processes, which the
  /// others do not survive but their parent does, in the statistics, which it throws away; a promotion in the timeline.
  /// A standby hands out no ids: nothing is held there. All of it is open to every user.
  private static let history = """
    concat_ws(' ', extract(epoch FROM pg_postmaster_start_time()),
      extract(epoch FROM pg_stat_get_bgwriter_stat_reset_time()),
      CASE WHEN pg_is_in_recovery() THEN 'standby' ELSE left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) END)
    """

  /// Whether a moment in the future is one that a relay can have set: none reserves for longer, and none lives longer
  /// without saying so. What is beyond was set before the server's clock was put back, and would hold for as long.
  private static func isCredible(_ column: String) -> String {
    let seconds = RelayConfiguration.longestReserve.components.seconds + 60
    return "\(column) > clock_timestamp() AND \(column) < clock_timestamp() + interval '\(seconds) s'"
  }

  /// The epoch after a shard's. One that a hand in the table has set, below zero or to the last there is, starts anew:
  /// as long as it changes, whoever held the shard is fenced off, and no row fails the claim of the others.
  static let nextEpoch = "CASE WHEN s.epoch BETWEEN 0 AND 9223372036854775806 THEN s.epoch + 1 ELSE 1 END"

  /// The attempts of an event after one more.
  private static let attempted = "least(attempts, 2147483646) + 1"

  private static let heartbeat = Statement(
    """
    INSERT INTO event_relay (owner, alive_to) VALUES ($1::text, clock_timestamp() + make_interval(secs => $2))
    ON CONFLICT (owner) DO UPDATE SET alive_to = excluded.alive_to
    """)

  private static let renew = Statement(
    """
    WITH mine AS MATERIALIZED (
      SELECT s.shard FROM event_shard s JOIN unnest($3::smallint[], $4::bigint[]) w(shard, epoch) USING (shard)
      WHERE s.owner = $1::text AND s.epoch = w.epoch AND s.reserved_to > clock_timestamp()
        AND (SELECT \(history)) = $5::text
      ORDER BY s.shard FOR NO KEY UPDATE OF s)
    UPDATE event_shard s SET reserved_to = clock_timestamp() + make_interval(secs => $2)
    FROM mine WHERE s.shard = mine.shard RETURNING s.shard, s.epoch
    """)

  private static let release = Statement(
    """
    WITH mine AS MATERIALIZED (
      SELECT s.shard FROM event_shard s JOIN unnest($2::smallint[], $3::bigint[]) w(shard, epoch) USING (shard)
      WHERE s.owner = $1::text AND s.epoch = w.epoch ORDER BY s.shard FOR NO KEY UPDATE OF s)
    UPDATE event_shard s SET owner = NULL, reserved_to = '-infinity'
    FROM mine WHERE s.shard = mine.shard
    """)

  private static let farewell = Statement("DELETE FROM event_relay WHERE owner = $1::text")

  /// A lease of ours that we did not name has been given up here; it is taken like a free one, under a new epoch.
  private static let claim = Statement(
    """
    WITH live AS (SELECT greatest(count(*), 1) AS relays FROM event_relay WHERE \(isCredible("alive_to"))),
    share AS (
      SELECT (((SELECT count(*) FROM event_shard) + live.relays - 1) / live.relays)
             - cardinality($3::smallint[]) AS missing FROM live),
    candidate AS MATERIALIZED (
      SELECT s.shard FROM event_shard s
      WHERE $4::bool AND (s.owner IS NULL OR s.owner = $1::text OR NOT (\(isCredible("s.reserved_to"))))
        AND s.shard <> ALL ($3::smallint[])
      ORDER BY s.shard LIMIT (SELECT greatest(missing, 0) FROM share) FOR NO KEY UPDATE OF s SKIP LOCKED)
    UPDATE event_shard s
    SET owner = $1::text, epoch = \(nextEpoch), reserved_to = clock_timestamp() + make_interval(secs => $2)
    FROM candidate WHERE s.shard = candidate.shard RETURNING s.shard, s.epoch
    """)

  private static let survey = Statement(
    """
    SELECT (SELECT count(*) FROM event_shard),
           (SELECT count(*) FROM event_relay WHERE \(isCredible("alive_to"))),
           (SELECT extract(epoch FROM min(reserved_to) - clock_timestamp())::float8 FROM event_shard
            WHERE owner <> $1::text AND \(isCredible("reserved_to"))),
           \(history)
    """)

  /// Taken before `snapshot`: whoever drew an id up to here had a transaction id by then.
  ///
  /// Not by `SELECT last_value`: for one draw in 33 PostgreSQL puts a value 32 ahead into the sequence's page, for the
  /// log, and then the drawn one, under a lock that a SELECT does not take. This function, which stands behind the view
  /// `pg_sequences`, takes it. NULL: nothing was drawn since the sequence was made or set, so no floor may rise.
  static let lastIDQuery = "SELECT coalesce(pg_sequence_last_value('event_id_seq'::regclass), 0)"
  private static let lastID = Statement(lastIDQuery)

  /// The snapshot's own xmax would not do: it is the latest *completed* transaction plus one, and writers above it may
  /// be running. The next id to be given is told by `age`, which counts from it when the asking transaction has none.
  private static let snapshot = Statement(
    """
    SELECT pg_snapshot_xmin(s)::text::bigint, x + age((x % 4294967296)::text::xid), \(history)
    FROM (SELECT pg_current_snapshot() AS s, pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS x) q
    """)

  /// A shard that is no longer ours gives no row; one of ours without events gives a row of nulls. Ours and the events
  /// are seen in one snapshot, so that whoever takes a shard or brings back an old event is never half seen.
  ///
  /// Left out are events of paused topics and all that is behind them in their keys: the first test is cheap and passes
  /// over a paused backlog, the second is made only while something is paused. The floor may pass what is left out;
  /// `OutboxRepair.resume` raises the epochs.
  private static func readWaiting(unless held: String) -> Statement {
    Statement(
      """
      SELECT s.shard, e.id, e.event_id, e.key, e.seq, e.topic, e.payload, e.headers, e.created_at,
        CASE WHEN e.seq > 1 THEN (
          SELECT b.id FROM event_wait b WHERE b.key = e.key AND b.seq < e.seq ORDER BY b.seq DESC LIMIT 1) END
      FROM unnest($2::smallint[], $3::bigint[], $4::bigint[], $5::int[]) o(shard, epoch, floor, rows)
      JOIN event_shard s ON s.shard = o.shard AND s.epoch = o.epoch AND s.owner = $1::text
        AND (SELECT \(history)) = $6::text
      LEFT JOIN LATERAL (
        SELECT w.* FROM event_wait w
        WHERE w.shard = o.shard AND w.id > o.floor
          AND w.topic <> ALL (ARRAY(SELECT topic FROM event_topic_pause))
          AND (NOT (SELECT EXISTS (SELECT FROM event_topic_pause)) OR NOT EXISTS (
            SELECT FROM event_wait b JOIN event_topic_pause p USING (topic) WHERE b.key = w.key AND b.seq < w.seq))
          \(held)
        ORDER BY w.id LIMIT o.rows) e ON true
      """)
  }

  /// Passes over what is behind a dead event in its key. What is before it can go: after a replay, or published and not
  /// completed when its relay died.
  private static let readHolding = readWaiting(
    unless: "AND NOT EXISTS (SELECT FROM event_dead d WHERE d.key = w.key AND d.seq < w.seq)")

  private static let readContinuing = readWaiting(unless: "")

  /// - Parameter history: the parameter that says where the leases were taken and the rows were read.
  private static func fence(_ history: String) -> String {
    """
    WITH fence AS MATERIALIZED (
      SELECT s.shard, s.reserved_to FROM event_shard s
      JOIN unnest($2::smallint[], $3::bigint[]) w(shard, epoch) USING (shard)
      WHERE s.owner = $1::text AND s.epoch = w.epoch AND (SELECT \(Self.history)) = \(history)::text
      ORDER BY s.shard FOR SHARE OF s),
    """
  }

  /// The rows are looked up one by one, in a form that leaves the planner no other way: while a snapshot is held, dead
  /// rows pile up in an index that its statistics call almost empty, and a join by the shard alone, which it then takes
  /// to be as good, read them all for every event (42 s for 2,000 events, seen under a snapshot of a minute).
  ///
  /// Goes with `RelaxedCommit`: a DONE that a crash of the database undoes is published once more, and no worse.
  private static let markDone = Statement(
    fence("$7") + """
       found AS MATERIALIZED (
        SELECT w.place, f.reserved_to FROM unnest($4::smallint[], $5::bigint[], $6::uuid[]) d(shard, id, event_id)
        JOIN fence f USING (shard)
        CROSS JOIN LATERAL (
          SELECT e.ctid AS place FROM event_wait e
          WHERE e.shard = d.shard AND e.id = d.id AND e.event_id = d.event_id LIMIT 1) w),
       gone AS (
        DELETE FROM event_wait e USING found WHERE e.ctid = found.place
        RETURNING e.*, found.reserved_to AS lease_end),
      done AS (
        INSERT INTO event_done (id, event_id, shard, key, seq, topic, payload, headers, status, reserved_to, attempts,
                                last_error, created_at, done_at)
        SELECT id, event_id, shard, key, seq, topic, payload, headers, 'DONE', lease_end, \(attempted), NULL,
               created_at, clock_timestamp() FROM gone
        RETURNING shard)
      SELECT f.shard, (SELECT count(*) FROM done d WHERE d.shard = f.shard) FROM fence f
      """)

  /// Stands for the NULL of a row that cannot be published for want of an `event_id`: see `refused`.
  private static let noEventID = "'00000000-0000-0000-0000-000000000000'::uuid"

  /// What lies in DEAD already, under its number or its id, stays in WAIT and is refused again at leisure: to insert it
  /// would fail the whole statement, and with it every other event's.
  private static let markDead = Statement(
    fence("$7") + """
       found AS MATERIALIZED (
        SELECT w.place, f.reserved_to, d.refusal
        FROM unnest($4::smallint[], $5::bigint[], $6::uuid[], $8::text[]) d(shard, id, event_id, refusal)
        JOIN fence f USING (shard)
        CROSS JOIN LATERAL (
          SELECT e.ctid AS place FROM event_wait e
          WHERE e.shard = d.shard AND e.id = d.id AND coalesce(e.event_id, \(noEventID)) = d.event_id
            AND NOT EXISTS (SELECT FROM event_dead x WHERE x.key = e.key AND x.seq = e.seq)
            AND NOT EXISTS (SELECT FROM event_dead x WHERE x.shard = e.shard AND x.id = e.id) LIMIT 1) w),
       gone AS (
        DELETE FROM event_wait e USING found WHERE e.ctid = found.place
        RETURNING e.*, found.reserved_to AS lease_end, found.refusal),
      dead AS (
        INSERT INTO event_dead (id, event_id, shard, key, seq, topic, payload, headers, status, reserved_to, attempts,
                                last_error, created_at, done_at)
        SELECT id, event_id, shard, key, seq, topic, payload, headers, 'DEAD', lease_end, \(attempted), refusal,
               created_at, clock_timestamp() FROM gone
        RETURNING shard)
      SELECT f.shard, (SELECT count(*) FROM dead d WHERE d.shard = f.shard) FROM fence f
      """)
}
