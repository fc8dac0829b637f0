internal import Postgres

/// The texts of a relay's statements on the tables of its outbox, made once for each relay.
final class RelayStatements: Sendable {
  let heartbeat: Statement
  let renew: Statement
  let release: Statement
  let farewell: Statement
  let claim: Statement
  let survey: Statement
  let lastID: Statement
  let snapshot: Statement
  let read: Statement
  let markDone: Statement
  let markDead: Statement

  init(_ tables: OutboxTables, onDead: DeadPolicy) {
    heartbeat = Self.heartbeat(tables)
    renew = Self.renew(tables)
    release = Self.release(tables)
    farewell = Self.farewell(tables)
    claim = Self.claim(tables)
    survey = Self.survey(tables)
    lastID = Self.lastID(tables)
    snapshot = Self.snapshot()
    read = onDead == .hold ? Self.readHolding(tables) : Self.readContinuing(tables)
    markDone = Self.markDone(tables)
    markDead = Self.markDead(tables)
  }
}

/// In the texts `t` stands for the tables.
extension RelayStatements {
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

  /// Says that we live and what is in our way. What begins or ends is an entry of the log of operations.
  private static func heartbeat(_ t: OutboxTables) -> Statement {
    Statement(
      """
      WITH known AS (SELECT obstacle, obstacle_words FROM \(t.relay) WHERE owner = $1::text),
      beat AS (
        INSERT INTO \(t.relay) AS r (owner, alive_to, heard_at, obstacle, obstacle_words, obstacle_since)
        VALUES ($1::text, clock_timestamp() + make_interval(secs => $2), clock_timestamp(), $3::text, $4::text,
                CASE WHEN $3::text IS NOT NULL THEN clock_timestamp() END)
        ON CONFLICT (owner) DO UPDATE SET alive_to = excluded.alive_to, heard_at = excluded.heard_at,
          obstacle = excluded.obstacle, obstacle_words = excluded.obstacle_words,
          obstacle_since = CASE WHEN r.obstacle = excluded.obstacle THEN r.obstacle_since
                                ELSE excluded.obstacle_since END)
      INSERT INTO \(t.operationLog) (action, actor, detail)
      SELECT CASE WHEN $3::text IS NULL THEN 'obstacle_over' ELSE 'obstacle' END, $1::text,
             coalesce($3::text || ': ' || $4::text, k.obstacle || ': ' || k.obstacle_words)
      FROM (SELECT) one LEFT JOIN known k ON true WHERE k.obstacle IS DISTINCT FROM $3::text
      """)
  }

  /// The answer of `renew` and `claim`; `wasOurs` of `claim` alone.
  enum LeaseColumn: Int, AnswerColumn { case shard, epoch, wasOurs }

  private static func renew(_ t: OutboxTables) -> Statement {
    Statement(
      """
      WITH mine AS MATERIALIZED (
        SELECT s.shard FROM \(t.shard) s JOIN unnest($3::smallint[], $4::bigint[]) w(shard, epoch) USING (shard)
        WHERE s.owner = $1::text AND s.epoch = w.epoch AND s.reserved_to > clock_timestamp()
          AND (SELECT \(history)) = $5::text
        ORDER BY s.shard FOR NO KEY UPDATE OF s)
      UPDATE \(t.shard) s SET reserved_to = clock_timestamp() + make_interval(secs => $2)
      FROM mine WHERE s.shard = mine.shard RETURNING s.shard, s.epoch
      """)
  }

  private static func release(_ t: OutboxTables) -> Statement {
    Statement(
      """
      WITH mine AS MATERIALIZED (
        SELECT s.shard FROM \(t.shard) s JOIN unnest($2::smallint[], $3::bigint[]) w(shard, epoch) USING (shard)
        WHERE s.owner = $1::text AND s.epoch = w.epoch ORDER BY s.shard FOR NO KEY UPDATE OF s)
      UPDATE \(t.shard) s SET owner = NULL, reserved_to = '-infinity'
      FROM mine WHERE s.shard = mine.shard
      """)
  }

  private static func farewell(_ t: OutboxTables) -> Statement {
    Statement("DELETE FROM \(t.relay) WHERE owner = $1::text")
  }

  /// A lease of ours that we did not name has been given up here; it is taken like a free one, under a new epoch.
  private static func claim(_ t: OutboxTables) -> Statement {
    Statement(
      """
      WITH live AS (SELECT greatest(count(*), 1) AS relays FROM \(t.relay) WHERE \(isCredible("alive_to"))),
      share AS (
        SELECT (((SELECT count(*) FROM \(t.shard)) + live.relays - 1) / live.relays)
               - cardinality($3::smallint[]) AS missing FROM live),
      candidate AS MATERIALIZED (
        SELECT s.shard, coalesce(s.owner = $1::text AND s.reserved_to > clock_timestamp(), false) AS was_ours
        FROM \(t.shard) s
        WHERE $4::bool AND (s.owner IS NULL OR s.owner = $1::text OR NOT (\(isCredible("s.reserved_to"))))
          AND s.shard <> ALL ($3::smallint[])
        ORDER BY s.shard LIMIT (SELECT greatest(missing, 0) FROM share) FOR NO KEY UPDATE OF s SKIP LOCKED)
      UPDATE \(t.shard) s
      SET owner = $1::text, epoch = \(nextEpoch), reserved_to = clock_timestamp() + make_interval(secs => $2)
      FROM candidate WHERE s.shard = candidate.shard RETURNING s.shard, s.epoch, candidate.was_ours
      """)
  }

  /// The answer of `survey`.
  enum SurveyColumn: Int, AnswerColumn { case shards, relays, nextExpiry, history }

  private static func survey(_ t: OutboxTables) -> Statement {
    Statement(
      """
      SELECT (SELECT count(*) FROM \(t.shard)) AS shards,
             (SELECT count(*) FROM \(t.relay) WHERE \(isCredible("alive_to"))) AS relays,
             (SELECT extract(epoch FROM min(reserved_to) - clock_timestamp())::float8 FROM \(t.shard)
              WHERE owner <> $1::text AND \(isCredible("reserved_to"))) AS next_expiry,
             \(history) AS history
      """)
  }

  /// Taken before `snapshot`: whoever drew an id up to here had a transaction id by then.
  ///
  /// Not by `SELECT last_value`: for one draw in 33 PostgreSQL puts a value 32 ahead into the sequence's page, for the
  /// log, and then the drawn one, under a lock that a SELECT does not take. This function, which stands behind the view
  /// `pg_sequences`, takes it. NULL: nothing was drawn since the sequence was made or set, so no floor may rise.
  private static func lastID(_ t: OutboxTables) -> Statement {
    Statement("SELECT coalesce(pg_sequence_last_value(\(t.idSequenceLiteral)::regclass), 0)")
  }

  /// The answer of `snapshot`.
  enum SnapshotColumn: Int, AnswerColumn { case oldestRunning, next, history }

  /// The snapshot's own xmax would not do: it is the latest *completed* transaction plus one, and writers above it may
  /// be running. The next id to be given is told by `age`, which counts from it when the asking transaction has none.
  private static func snapshot() -> Statement {
    Statement(
      """
      SELECT pg_snapshot_xmin(s)::text::bigint AS oldest_running, x + age((x % 4294967296)::text::xid) AS next,
             \(history) AS history
      FROM (SELECT pg_current_snapshot() AS s, pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS x) q
      """)
  }

  /// The answer of `read`; all but the shard are NULL for a shard of ours without events.
  enum ReadColumn: Int, AnswerColumn {
    case shard, id, eventID, key, seq, topic, payload, headers, createdAt, predecessor
  }

  /// A shard that is no longer ours gives no row; one of ours without events gives a row of nulls. Ours and the events
  /// are seen in one snapshot, so that whoever takes a shard or brings back an old event is never half seen.
  ///
  /// Left out are events of paused topics. The floor may pass what is left out; `OutboxRepair.resume` raises the
  /// epochs.
  private static func readWaiting(_ t: OutboxTables, unless held: String) -> Statement {
    Statement(
      """
      SELECT s.shard, e.id, e.event_id, e.key, e.seq, e.topic, e.payload, e.headers, e.created_at,
        CASE WHEN e.seq > 1 THEN (
          SELECT b.id FROM \(t.wait) b WHERE b.key = e.key AND b.topic = e.topic AND b.seq < e.seq
          ORDER BY b.seq DESC LIMIT 1) END AS predecessor
      FROM unnest($2::smallint[], $3::bigint[], $4::bigint[], $5::int[]) o(shard, epoch, floor, rows)
      JOIN \(t.shard) s ON s.shard = o.shard AND s.epoch = o.epoch AND s.owner = $1::text
        AND (SELECT \(history)) = $6::text
      LEFT JOIN LATERAL (
        SELECT w.* FROM \(t.wait) w
        WHERE w.shard = o.shard AND w.id > o.floor
          AND w.topic <> ALL (ARRAY(SELECT topic FROM \(t.topicPause)))
          \(held)
        ORDER BY w.id LIMIT o.rows) e ON true
      """)
  }

  /// Passes over what is behind a dead event of its key and topic. What is before it can go: after a replay, or
  /// published and not completed when its relay died.
  private static func readHolding(_ t: OutboxTables) -> Statement {
    readWaiting(
      t,
      unless: """
        AND NOT EXISTS (SELECT FROM \(t.dead) d WHERE d.key = w.key AND d.topic = w.topic AND d.seq < w.seq)
        """)
  }

  private static func readContinuing(_ t: OutboxTables) -> Statement { readWaiting(t, unless: "") }

  /// - Parameter history: the parameter that says where the leases were taken and the rows were read.
  private static func fence(_ t: OutboxTables, _ history: String) -> String {
    """
    WITH fence AS MATERIALIZED (
      SELECT s.shard, s.reserved_to FROM \(t.shard) s
      JOIN unnest($2::smallint[], $3::bigint[]) w(shard, epoch) USING (shard)
      WHERE s.owner = $1::text AND s.epoch = w.epoch AND (SELECT \(Self.history)) = \(history)::text
      ORDER BY s.shard FOR SHARE OF s),
    """
  }

  /// The answer of `markDone` and `markDead`.
  enum MovedColumn: Int, AnswerColumn { case shard, moved }

  /// The rows are looked up one by one, in a form that leaves the planner no other way: while a snapshot is held, dead
  /// rows pile up in an index that its statistics call almost empty, and a join by the shard alone, which it then takes
  /// to be as good, read them all for every event (42 s for 2,000 events, seen under a snapshot of a minute).
  ///
  /// The place of an event comes as two arrays without nulls: see `nowhere`.
  ///
  /// Goes with `RelaxedCommit`: a DONE that a crash of the database undoes is published once more, and no worse.
  private static func markDone(_ t: OutboxTables) -> Statement {
    Statement(
      fence(t, "$7") + """
         found AS MATERIALIZED (
          SELECT w.place, f.reserved_to, nullif(d.topic_partition, \(nowhere)) AS topic_partition,
                 nullif(d.topic_offset, \(nowhere)) AS topic_offset
          FROM unnest($4::smallint[], $5::bigint[], $6::uuid[], $8::int[], $9::bigint[])
            d(shard, id, event_id, topic_partition, topic_offset)
          JOIN fence f USING (shard)
          CROSS JOIN LATERAL (
            SELECT e.ctid AS place FROM \(t.wait) e
            WHERE e.shard = d.shard AND e.id = d.id AND e.event_id = d.event_id LIMIT 1) w),
         gone AS (
          DELETE FROM \(t.wait) e USING found WHERE e.ctid = found.place
          RETURNING e.id, e.event_id, e.shard, e.key, e.seq, e.topic, e.payload, e.headers, e.attempts, e.created_at,
                    found.reserved_to AS lease_end, found.topic_partition, found.topic_offset),
        done AS (
          INSERT INTO \(t.done) (id, event_id, shard, key, seq, topic, payload, headers, status, reserved_to, attempts,
                                  last_error, created_at, done_at, topic_partition, topic_offset)
          SELECT id, event_id, shard, key, seq, topic, payload, headers, 'DONE', lease_end, \(attempted), NULL,
                 created_at, (SELECT clock_timestamp()), topic_partition, topic_offset FROM gone
          RETURNING shard)
        SELECT f.shard, (SELECT count(*) FROM done d WHERE d.shard = f.shard) AS moved FROM fence f
        """)
  }

  /// Stands for the NULL of a partition and an offset that no broker told.
  static let nowhere: Int32 = -1

  /// Stands for the NULL of a row that cannot be published for want of an `event_id`: see `refused`.
  private static let noEventID = "'00000000-0000-0000-0000-000000000000'::uuid"

  private static func markDead(_ t: OutboxTables) -> Statement {
    Statement(
      fence(t, "$7") + """
         found AS MATERIALIZED (
          SELECT w.place, f.reserved_to, d.refusal
          FROM unnest($4::smallint[], $5::bigint[], $6::uuid[], $8::text[]) d(shard, id, event_id, refusal)
          JOIN fence f USING (shard)
          CROSS JOIN LATERAL (
            SELECT e.ctid AS place FROM \(t.wait) e
            WHERE e.shard = d.shard AND e.id = d.id AND coalesce(e.event_id, \(noEventID)) = d.event_id
            LIMIT 1) w),
         gone AS (
          DELETE FROM \(t.wait) e USING found WHERE e.ctid = found.place
          RETURNING e.*, found.reserved_to AS lease_end, found.refusal),
        dead AS (
          INSERT INTO \(t.dead) (id, event_id, shard, key, seq, topic, payload, headers, status, reserved_to, attempts,
                                  last_error, created_at, done_at)
          SELECT id, event_id, shard, key, seq, topic, payload, headers, 'DEAD', lease_end, \(attempted), refusal,
                 created_at, clock_timestamp() FROM gone
          RETURNING shard),
        told AS (
          INSERT INTO \(t.operationLog) (action, actor, topic, key, event_id, shard, detail)
          SELECT 'dead', $1::text, topic, key, event_id, shard, refusal FROM gone ORDER BY id)
        SELECT f.shard, (SELECT count(*) FROM dead d WHERE d.shard = f.shard) AS moved FROM fence f
        """)
  }
}
