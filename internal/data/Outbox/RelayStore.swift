internal import Postgres
internal import Values

/// The statements of the relay. Each function is one round trip on the connection it is given.
struct RelayStore: Sendable {
  /// Who we are: unique to this run of the process.
  let owner: String
  let reserve: Duration
  private let statements: RelayStatements

  private typealias Survey = RelayStatements.SurveyColumn
  private typealias Snapshot = RelayStatements.SnapshotColumn
  private typealias Read = RelayStatements.ReadColumn
  private typealias Lease = RelayStatements.LeaseColumn
  private typealias Moved = RelayStatements.MovedColumn

  /// - Parameters:
  ///   - owner: unique to this run of the process.
  ///   - reserve: how long a lease lasts.
  ///   - onDead: what happens to the rest of a key behind a dead event.
  init(tables: OutboxTables, owner: String, reserve: Duration, onDead: DeadPolicy = .hold) {
    self.owner = owner
    self.reserve = reserve
    statements = RelayStatements(tables, onDead: onDead)
  }

  private var reserveSeconds: Parameter { .double(reserve.inSeconds) }

  // MARK: - Leases

  /// Shows that we live, prolongs leases, gives some back, and takes free ones up to the fair share.
  ///
  /// Three transactions one after another: releasing waits for completing statements that hold the lease rows, and
  /// must not do so while holding others.
  /// - Parameter obstacle: what keeps us from publishing.
  func maintainLeases(
    _ request: LeaseRequest, obstacle: PublishObstacle? = nil, on connection: Connection
  ) throws(DatabaseError) -> LeaseReport {
    let history: Parameter = .text(request.history?.name ?? "")
    let renewed = try connection.run([
      Command(
        statements.heartbeat,
        [.text(owner), reserveSeconds, .textOrNull(obstacle?.reason.rawValue), .textOrNull(obstacle?.words)]),
      Command(statements.renew, [.text(owner), reserveSeconds] + Self.columns(request.renew) + [history]),
    ])
    if !request.release.isEmpty {
      _ = try connection.run(Command(statements.release, [.text(owner)] + Self.columns(request.release)))
    }
    let kept: [Parameter] = [.int16Array(request.keeping.map(\.shard)), .bool(request.mayClaim)]
    let claimed = try connection.run([
      Command(statements.claim, [.text(owner), reserveSeconds] + kept), Command(statements.survey, [.text(owner)]),
    ])
    let survey = claimed[1][0]
    var report = LeaseReport(history: ServerHistory(name: try survey.text(Survey.history)))
    report.renewed = try Self.leases(renewed[1])
    report.claimed = try Self.leases(claimed[0])
    for row in claimed[0] where try row.bool(Lease.wasOurs) { report.recalled.insert(try row.int16(Lease.shard)) }
    report.shardCount = try survey.int(Survey.shards)
    report.liveRelays = try survey.int(Survey.relays)
    report.nextExpiry = try survey.optionalDouble(Survey.nextExpiry).map { .nanoseconds(Int64(saturating: $0 * 1e9)) }
    return report
  }

  /// Gives all leases back, so that others can take over at once.
  func releaseAll(_ leases: [ShardEpoch], on connection: Connection) throws(DatabaseError) {
    _ = try connection.run([
      Command(statements.release, [.text(owner)] + Self.columns(leases)), Command(statements.farewell, [.text(owner)]),
    ])
  }

  // MARK: - Reading and completing

  /// Reads what waits in the shards that are still ours.
  func read(_ request: ReadRequest, on connection: Connection) throws(DatabaseError) -> ReadReport {
    let shards = request.shards
    let results = try connection.run([
      Command(statements.lastID), Command(statements.snapshot),
      Command(
        statements.read,
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
      history: ServerHistory(name: try bounds.text(Snapshot.history)), events: [], held: [],
      lastID: try results[0][0].int64(0),
      snapshot: (try bounds.int64(Snapshot.oldestRunning), try bounds.int64(Snapshot.next)))
    let rows = results[2]
    report.events.reserveCapacity(rows.count)
    for index in 0..<rows.count {
      let row = rows[index]
      let shard = try row.int16(Read.shard)
      report.held.insert(shard)
      if row.isNull(Read.id) { continue }
      let event = try Self.event(row, shard: shard)
      report.events.append(event)
      if let predecessor = try row.optionalInt64(Read.predecessor) { report.predecessors[event.id] = predecessor }
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
    if request.isDead {
      parameters.append(.textArray(items.map { $0.refusal ?? "" }))
    } else {
      parameters.append(.int32Array(items.map { $0.place?.partition ?? RelayStatements.nowhere }))
      parameters.append(.int64Array(items.map { $0.place?.offset ?? Int64(RelayStatements.nowhere) }))
    }
    let results = try connection.run(
      request.isDead
        ? [Command(statements.markDead, parameters)]
        : [RelaxedCommit.command, Command(statements.markDone, parameters)])
    guard let rows = results.last else { preconditionFailure("a run answers each of its commands") }
    var report = CompletionReport(moved: [:])
    for row in rows { report.moved[try row.int16(Moved.shard)] = try row.int(Moved.moved) }
    return report
  }

  private static func columns(_ leases: [ShardEpoch]) -> [Parameter] {
    [.int16Array(leases.map(\.shard)), .int64Array(leases.map(\.epoch))]
  }

  private static func leases(_ rows: Rows) throws(DatabaseError) -> [ShardEpoch] {
    try rows.map { (row) throws(DatabaseError) in
      ShardEpoch(shard: try row.int16(Lease.shard), epoch: try row.int64(Lease.epoch))
    }
  }

  /// What a row holds is input: a value that cannot be read makes the event one that is refused, and its neighbours go
  /// on. A column of another type is no row's fault: then nothing is read.
  private static func event(_ row: Row, shard: Int16) throws(DatabaseError) -> WaitingEvent {
    let id = try row.int64(Read.id)
    do throws(DatabaseError) {
      let headers = try row.textArray(Read.headers)
      guard headers.count.isMultiple(of: 2) else {
        return try refused(row, id: id, shard: shard, fault: "headers has a name without a value")
      }
      return WaitingEvent(
        id: id, shard: shard, eventID: try row.uuid(Read.eventID), key: try row.text(Read.key),
        sequence: try row.int64(Read.seq), topic: try row.text(Read.topic), payload: try row.bytes(Read.payload),
        headers: headers, createdAt: try row.timestamp(Read.createdAt))
    } catch  where error.code == .content {
      return try refused(row, id: id, shard: shard, fault: error.message)
    }
  }

  private static func refused(_ row: Row, id: Int64, shard: Int16, fault: String) throws(DatabaseError) -> WaitingEvent
  {
    // No text holds a NUL, so a row without a key has one of its own.
    let key = try row.optionalText(Read.key) ?? "\0\(shard)/\(id)"
    return WaitingEvent(
      id: id, shard: shard, eventID: try row.optionalUUID(Read.eventID) ?? UniqueID(high: 0, low: 0), key: key,
      sequence: try row.optionalInt64(Read.seq) ?? 0, topic: try row.optionalText(Read.topic) ?? "", payload: [],
      headers: [], createdAt: try row.optionalTimestamp(Read.createdAt) ?? Timestamp(microseconds: 0),
      fault: "the row cannot be published: \(fault)")
  }
}
