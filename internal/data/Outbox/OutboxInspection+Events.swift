public import Postgres
public import Values

/// Which events of one status to show.
public struct EventFilter: Sendable, Hashable {
  /// Their status.
  public var status: EventStatus
  /// Only of this key; nil for all.
  public var key: String?
  /// Only of this topic; nil for all.
  public var topic: String?
  /// Only those published (DONE) or written (others) since then; nil for all.
  public var since: Timestamp?
  /// Whether the newest come first; published ones always do.
  public var hasNewestFirst = false
  /// At most so many.
  public var limit: Int

  /// All of one status, the oldest first (published ones: the newest).
  public init(_ status: EventStatus, limit: Int) {
    self.status = status
    self.limit = limit
  }
}

/// Events, for people who look for some.
extension OutboxInspection {
  /// How long after a change its event has usually been published.
  private static let usualDelay = Duration.seconds(60)
  /// The most events of one key that are shown.
  private static let most = 1_000

  /// Events of one status. Waiting and dead ones are found by shard or key. Published ones of a key are found by the
  /// indexes of days that are over; of today they are read from `since` on, or as a whole.
  public func events(_ filter: EventFilter, on connection: Connection) throws(DatabaseError) -> [EventSummary] {
    var parameters: [Parameter] = [.int64(Int64(filter.limit))]
    var conditions: [String] = []
    func add(_ condition: String, _ type: String, _ parameter: Parameter?) {
      guard let parameter else { return }
      parameters.append(parameter)
      conditions.append("\(condition) $\(parameters.count)::\(type)")
    }
    add("w.key =", "text", filter.key.map { .text($0) })
    add("w.topic =", "text", filter.topic.map { .text($0) })
    add(
      filter.status == .done ? "w.done_at >=" : "w.created_at >=", "timestamptz", filter.since.map { .timestamp($0) })
    let sql = select(filter, conditions)
    return try EventSummary.read(
      try connection.run(Command(Statement(sql, isReadOnly: true), parameters)), filter.status)
  }

  private func select(_ filter: EventFilter, _ conditions: [String]) -> String {
    let order = filter.hasNewestFirst ? "DESC" : "ASC"
    let all = conditions.isEmpty ? "true" : conditions.joined(separator: " AND ")
    switch filter.status {
    case .done:
      return "SELECT \(EventSummary.columns) FROM \(tables.done) w WHERE \(all) ORDER BY done_at DESC, id DESC LIMIT $1"
    case .waiting, .dead:
      let table = filter.status == .waiting ? tables.wait : tables.dead
      if filter.key != nil {
        return "SELECT \(EventSummary.columns) FROM \(table) w WHERE \(all) ORDER BY id \(order) LIMIT $1"
      }
      // Through the index on (shard, id), so that a backlog is not read as a whole.
      return """
        SELECT e.* FROM \(tables.shard) s CROSS JOIN LATERAL (
          SELECT \(EventSummary.columns) FROM \(table) w WHERE w.shard = s.shard AND \(all)
          ORDER BY w.id \(order) LIMIT $1) e
        ORDER BY e.id \(order) LIMIT $1
        """
    }
  }

  /// All kept events of a key, by ascending number. Today's published ones are looked for where they should be, by the
  /// index of today; only when some are missing there the whole day is read, which takes seconds with millions of them.
  /// - Parameters:
  ///   - times: when events of the key were written.
  ///   - count: how many events there should be; nil when that is not known.
  ///   - longest: how long after `times` today's events are looked for that were not published at once; nil reads the
  ///     whole day.
  public func history(
    of key: String, near times: [Timestamp], count: Int?, within longest: Duration? = nil, on connection: Connection
  ) throws(DatabaseError) -> [EventSummary] {
    let of = [Parameter.text(key)]
    let answers = try connection.run([
      Command(Statement(byKey(tables.wait), isReadOnly: true), of),
      Command(Statement(byKey(tables.dead), isReadOnly: true), of),
      Command(Statement(byKey(tables.done, "AND w.done_at < \(Self.today)"), isReadOnly: true), of),
      near(key, times, Self.usualDelay),
    ])
    var found: [Int64: EventSummary] = [:]
    for (rows, status) in zip(answers, [EventStatus.waiting, .dead, .done, .done]) {
      for event in try EventSummary.read(rows, status) { found[event.id] = event }
    }
    if found.count < count ?? .max {
      let late =
        longest.map { near(key, times, $0) }
        ?? Command(Statement(byKey(tables.done, "AND w.done_at >= \(Self.today)"), isReadOnly: true), of)
      for event in try EventSummary.read(try connection.run(late), .done) { found[event.id] = event }
    }
    return found.values.sorted { ($0.sequence, $0.id) < ($1.sequence, $1.id) }
  }

  /// The event with an identity (`ce_id`); nil when none is kept. Reads all that waits, all that is dead and today's
  /// published ones when no day that is over has it, which takes seconds with millions of them.
  public func event(_ id: UniqueID, on connection: Connection) throws(DatabaseError) -> EventSummary? {
    let places = [
      (tables.done, "AND w.done_at < \(Self.today)", EventStatus.done), (tables.dead, "", .dead),
      (tables.wait, "", .waiting), (tables.done, "AND w.done_at >= \(Self.today)", .done),
    ]
    for (table, bounds, status) in places {
      let sql = "SELECT \(EventSummary.columns) FROM \(table) w WHERE w.event_id = $1::uuid \(bounds) LIMIT 1"
      let rows = try connection.run(Command(Statement(sql, isReadOnly: true), [.uuid(id)]))
      if let event = try EventSummary.read(rows, status).first { return event }
    }
    return nil
  }

  /// The begin of the day, in UTC; a constant for the planner, so that other days are left out.
  private static let today = "(date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC')"

  private func byKey(_ table: String, _ bounds: String = "") -> String {
    "SELECT \(EventSummary.columns) FROM \(table) w WHERE w.key = $1::text \(bounds) LIMIT \(Self.most)"
  }

  /// Through the BRIN index on `done_at`, one range of time for changes that are close to each other.
  private func near(_ key: String, _ times: [Timestamp], _ delay: Duration) -> Command {
    var ranges: [(from: Timestamp, to: Timestamp)] = []
    for time in times.sorted() {
      if let last = ranges.last, time <= last.to {
        ranges[ranges.count - 1].to = time + delay
      } else {
        ranges.append((time, time + delay))
      }
    }
    let statement = Statement(
      """
      SELECT e.* FROM unnest($2::timestamptz[], $3::timestamptz[]) t(first, last) CROSS JOIN LATERAL (
        SELECT \(EventSummary.columns) FROM \(tables.done) w
        WHERE w.key = $1::text AND w.done_at >= \(Self.today) AND w.done_at BETWEEN t.first AND t.last
        LIMIT \(Self.most)) e
      """, isReadOnly: true)
    return Command(
      statement,
      [.text(key), .timestampArray(ranges.map(\.from)), .timestampArray(ranges.map(\.to))])
  }
}
