public import Postgres
public import Values

/// What people and metrics ask an outbox. Each question is one round trip.
public struct OutboxInspection: Sendable {
  /// A relay that gave no sign of life for so long is called silent; each gives one a second.
  public static let silence = Duration.seconds(5)

  private let statusStatement: Statement
  private let holdingsStatement: Statement
  private let waitsStatement: Statement
  private let holdsDead: Bool
  private let pausedStatement: Statement
  /// The outbox to look at.
  let tables: OutboxTables

  /// - Parameters:
  ///   - tables: the outbox to look at.
  ///   - onDead: what its relays are told to do behind a dead event.
  public init(_ tables: OutboxTables, onDead: DeadPolicy = .hold) {
    self.tables = tables
    holdsDead = onDead == .hold
    waitsStatement = Self.waits(tables)
    statusStatement = Self.status(tables)
    holdingsStatement = Self.holdings(tables)
    pausedStatement = Statement(
      "SELECT topic, paused_at FROM \(tables.topicPause) ORDER BY topic", isReadOnly: true)
  }

  /// How it stands; takes some 300 ms under a backlog of a million.
  public func status(on connection: Connection) throws(DatabaseError) -> OutboxStatus {
    let rows = try connection.run(Command(statusStatement, [.bool(holdsDead)]))
    guard let first = rows.first else { preconditionFailure("the statement has a row without a reason") }
    var reasons: [WaitReason: Int] = [:]
    for row in rows {
      guard let word = try row.optionalText(StatusColumn.reason) else { continue }
      reasons[WaitReason(word), default: 0] += try row.int(StatusColumn.events)
    }
    return OutboxStatus(
      reasons: reasons, dead: try first.int(StatusColumn.dead), pausedTopics: try first.int(StatusColumn.paused),
      oldestWaiting: try first.optionalTimestamp(StatusColumn.oldestWaiting),
      now: try first.timestamp(StatusColumn.now))
  }

  /// Why waiting events wait, in the order of `events`.
  public func waits(
    of events: [EventSummary], on connection: Connection
  ) throws(DatabaseError) -> [EventWait] {
    let parameters: [Parameter] = [
      .int16Array(events.map(\.shard)), .textArray(events.map(\.key)), .int64Array(events.map(\.sequence)),
      .textArray(events.map(\.topic)), .bool(holdsDead),
    ]
    return try connection.run(Command(waitsStatement, parameters)).map { (row) throws(DatabaseError) in
      EventWait(
        reason: WaitReason(try row.text(WaitColumn.reason)), detail: try row.optionalText(WaitColumn.detail))
    }
  }

  /// The shards of all owners, those without one first.
  public func holdings(on connection: Connection) throws(DatabaseError) -> [ShardHolding] {
    try connection.run(Command(holdingsStatement)).map { (row) throws(DatabaseError) in
      let end = try row.timestamp(HoldingColumn.firstEnd)
      return ShardHolding(
        owner: try row.optionalText(HoldingColumn.owner), shards: try row.int(HoldingColumn.shards),
        epochs: try row.int64(HoldingColumn.lowest)...row.int64(HoldingColumn.highest),
        reservedTo: end.microseconds == .min ? nil : end, isCurrent: try row.bool(HoldingColumn.isCurrent),
        heardAt: try row.optionalTimestamp(HoldingColumn.heardAt), isHeard: try row.bool(HoldingColumn.isHeard),
        obstacle: try row.optionalText(HoldingColumn.obstacle),
        obstacleSince: try row.optionalTimestamp(HoldingColumn.obstacleSince))
    }
  }

  /// The topics that are not published for now, by name.
  public func pausedTopics(on connection: Connection) throws(DatabaseError) -> [PausedTopic] {
    try connection.run(Command(pausedStatement)).map { (row) throws(DatabaseError) in
      PausedTopic(topic: try row.text(PauseColumn.topic), since: try row.timestamp(PauseColumn.pausedAt))
    }
  }
}

/// The shards of one owner, as `event_shard` has them.
public struct ShardHolding: Sendable, Hashable {
  /// nil for shards that nobody holds.
  public let owner: String?
  /// The number of shards.
  public let shards: Int
  /// The lowest and the highest fencing number among them.
  public let epochs: ClosedRange<Int64>
  /// When the first of the leases ends; nil when they were never held or were given back.
  public let reservedTo: Timestamp?
  /// Whether every lease is still in force by the database's clock.
  public let isCurrent: Bool
  /// The owner's last sign of life; nil for none, and for a relay of an older version.
  public let heardAt: Timestamp?
  /// Whether the owner gave a sign of life within `OutboxInspection.silence`.
  public let isHeard: Bool
  /// What keeps the owner from publishing: the kind, and the broker's words; nil when nothing is known to, and for a
  /// silent owner, whose last word says nothing of what is now.
  public let obstacle: String?
  /// When that began.
  public let obstacleSince: Timestamp?
}

/// A topic that is not published for now.
public struct PausedTopic: Sendable, Hashable {
  /// The topic whose events wait.
  public let topic: String
  /// When it was paused, by the database's clock.
  public let since: Timestamp
}

extension OutboxInspection {
  private enum StatusColumn: Int, AnswerColumn { case reason, events, dead, paused, oldestWaiting, now }
  private enum HoldingColumn: Int, AnswerColumn {
    case owner, shards, lowest, highest, firstEnd, isCurrent, heardAt, isHeard, obstacle, obstacleSince
  }
  private enum PauseColumn: Int, AnswerColumn { case topic, pausedAt }
  private enum WaitColumn: Int, AnswerColumn { case reason, detail }

  /// Dead events whose followers are counted, and followers counted of each.
  private static let deadLimit = 1_000

  /// Whether a relay gave a sign of life of late. One of an older version tells only until when it counts as alive.
  static func isHeard(_ relay: String) -> String {
    """
    coalesce(\(relay).heard_at > clock_timestamp() - interval '\(silence.components.seconds) s',
      \(relay).alive_to > clock_timestamp(), false)
    """
  }

  /// Why the events of each shard wait that nothing of their own holds back.
  private static func shardStates(_ t: OutboxTables) -> String {
    """
    shard_state AS MATERIALIZED (
      SELECT s.shard,
        CASE WHEN s.owner IS NULL OR s.reserved_to <= clock_timestamp()
             THEN CASE WHEN EXISTS (SELECT FROM \(t.relay) r WHERE \(isHeard("r"))) THEN 'no_lease'
                       ELSE 'no_relay' END
             WHEN NOT \(isHeard("o")) THEN 'relay_silent'
             ELSE coalesce(o.obstacle, 'in_flight') END AS reason,
        CASE WHEN s.owner IS NULL OR s.reserved_to <= clock_timestamp() THEN NULL
             WHEN NOT \(isHeard("o")) THEN s.owner
             ELSE o.obstacle_words END AS detail
      FROM \(t.shard) s LEFT JOIN \(t.relay) o ON o.owner = s.owner)
    """
  }

  /// One row for each reason, and one without, so that there is always one.
  private static func status(_ t: OutboxTables) -> Statement {
    Statement(
      """
      WITH \(shardStates(t)),
      waiting AS MATERIALIZED (
        SELECT shard, topic, count(*) AS n
        FROM (SELECT shard, topic FROM \(t.wait) LIMIT \(OutboxStatus.countLimit)) w GROUP BY shard, topic),
      behind AS MATERIALIZED (
        SELECT w.shard, w.topic, count(*) AS n
        FROM (SELECT key, topic, min(seq) AS seq FROM (SELECT key, topic, seq FROM \(t.dead) LIMIT \(deadLimit)) k
              GROUP BY key, topic) d
        CROSS JOIN LATERAL (
          SELECT shard, topic FROM \(t.wait) w WHERE w.key = d.key AND w.topic = d.topic AND w.seq > d.seq
          LIMIT \(deadLimit)) w
        WHERE $1::bool GROUP BY w.shard, w.topic),
      reasons AS (
        SELECT CASE WHEN p.topic IS NOT NULL THEN 'topic_paused' ELSE coalesce(s.reason, 'no_shard') END AS reason,
               greatest(w.n - coalesce(b.n, 0), 0) AS n
        FROM waiting w LEFT JOIN shard_state s USING (shard) LEFT JOIN \(t.topicPause) p USING (topic)
        LEFT JOIN behind b USING (shard, topic)
        UNION ALL SELECT 'behind_dead', n FROM behind)
      SELECT r.reason, sum(r.n)::bigint AS events,
             (SELECT count(*) FROM (SELECT FROM \(t.dead) LIMIT \(OutboxStatus.countLimit)) d) AS dead,
             (SELECT count(*) FROM \(t.topicPause)) AS paused,
             (SELECT min(e.created_at) FROM \(t.shard) s CROSS JOIN LATERAL (
                SELECT w.created_at FROM \(t.wait) w WHERE w.shard = s.shard ORDER BY w.id LIMIT 1) e) AS oldest_waiting,
             clock_timestamp() AS now
      FROM (SELECT reason, n FROM reasons UNION ALL SELECT NULL, 0) r GROUP BY r.reason
      """, isReadOnly: true)
  }

  /// What holds an event back itself comes first: the relays pass it over, whatever their state.
  private static func waits(_ t: OutboxTables) -> Statement {
    Statement(
      """
      WITH \(shardStates(t))
      SELECT CASE WHEN d.id IS NOT NULL THEN 'behind_dead' WHEN p.topic IS NOT NULL THEN 'topic_paused'
                  ELSE coalesce(s.reason, 'no_shard') END AS reason,
             CASE WHEN d.id IS NOT NULL THEN 'event ' || d.id || ' is dead: ' || coalesce(d.last_error, '')
                  WHEN p.topic IS NOT NULL THEN p.topic ELSE s.detail END AS detail
      FROM unnest($1::smallint[], $2::text[], $3::bigint[], $4::text[]) WITH ORDINALITY e(shard, key, seq, topic, place)
      LEFT JOIN LATERAL (
        SELECT d.id, d.last_error FROM \(t.dead) d
        WHERE $5::bool AND d.key = e.key AND d.topic = e.topic AND d.seq < e.seq
        ORDER BY d.seq LIMIT 1) d ON true
      LEFT JOIN \(t.topicPause) p ON p.topic = e.topic
      LEFT JOIN shard_state s ON s.shard = e.shard
      ORDER BY e.place
      """, isReadOnly: true)
  }

  private static func holdings(_ t: OutboxTables) -> Statement {
    Statement(
      """
      SELECT s.owner, count(*) AS shards, min(s.epoch) AS lowest, max(s.epoch) AS highest,
             min(s.reserved_to) AS first_end, min(s.reserved_to) > clock_timestamp() AS is_current,
             r.heard_at, \(isHeard("r")) AS is_heard, o.obstacle || ': ' || o.obstacle_words AS obstacle,
             o.obstacle_since
      FROM \(t.shard) s LEFT JOIN \(t.relay) r ON r.owner = s.owner
      LEFT JOIN \(t.relay) o ON o.owner = s.owner AND \(isHeard("o"))
      GROUP BY s.owner, r.owner, o.owner ORDER BY s.owner NULLS FIRST
      """, isReadOnly: true)
  }
}
