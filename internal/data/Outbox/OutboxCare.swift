internal import Errors
internal import Logger
internal import Outbox
internal import Postgres
internal import SagaSchema
internal import SagaStore
internal import Synchronization
internal import Values

/// The care of the tables with a partition a day, events and the keys of calls: days made ahead and dropped; of events
/// that no relay can read; and a look at how the outbox stands. Done by the relay that holds the first shard.
///
/// Trouble with one table is logged, and the next is cared for. Nothing is waited for without an end: a day that
/// somebody reads, as a backup does, is detached another time.
final class TableCareJob: Sendable {
  /// How often the outbox is looked at.
  private static let interval = Duration.seconds(10)
  /// How often partitions are made and dropped.
  private static let partitionInterval = Duration.seconds(600)
  /// How soon they are cared for again when something was in the way.
  private static let retryInterval = Duration.seconds(60)
  /// The end of its sessions' names. DETACH CONCURRENTLY needs a session of its own, so it goes past PgBouncer.
  static let role = "table-care"
  /// The server ends what waits longer for a lock, well before the client gives the statement up.
  static let limits = ["lock_timeout": "3s"]
  /// A statement of an earlier care that has run longer is one that was given up and goes on.
  private static let longest = Duration.seconds(30)

  private let connection: SerialConnection
  private let relay: Relay
  private let inspection = OutboxInspection(SagaSchema.outbox)
  private let partitions = OutboxPartitions(SagaSchema.outbox)
  private let strays: OutboxStrays
  private let retention: Duration
  private let keyRetention: Duration
  private let nextPartitions = Mutex(Instant.now())
  private let logger: Logger
  private let onStatus: @Sendable (OutboxStatus?) -> Void

  /// - Parameters:
  ///   - connection: the job's own, with `limits`, past PgBouncer and under the name `role`.
  ///   - relay: the process's; it knows whether the care is this process's.
  ///   - retention: how long published events are kept.
  ///   - keyRetention: how long the key of a call is kept.
  ///   - onStatus: told how the outbox stands; nil when another process takes care.
  init(
    _ connection: SerialConnection, relay: Relay, shards: ShardMap, retention: Duration, keyRetention: Duration,
    logger: Logger, onStatus: @escaping @Sendable (OutboxStatus?) -> Void
  ) {
    self.connection = connection
    self.relay = relay
    strays = OutboxStrays(SagaSchema.outbox, shards: shards)
    self.retention = retention
    self.keyRetention = keyRetention
    self.logger = logger.labelled(Self.role)
    self.onStatus = onStatus
  }

  func run() -> Duration {
    guard relay.isHousekeeper else {
      onStatus(nil)
      return .seconds(1)
    }
    do {
      let status = try connection.use { [inspection] connection throws(DatabaseError) in
        try inspection.status(on: connection)
      }
      onStatus(status)
      try connection.use { [self] connection throws(DatabaseError) in
        try isolated("waiting events without a shard") { () throws(DatabaseError) in try buryStrays(on: connection) }
        guard nextPartitions.withLock({ $0 }) <= .now() else { return }
        let isDone = try careForDays(on: connection)
        nextPartitions.withLock { $0 = .now() + (isDone ? Self.partitionInterval : Self.retryInterval) }
      }
    } catch {
      logger.warning("table care failed and is tried again", ["error": .error(error)])
    }
    return Self.interval
  }

  /// - Returns: false when something is left to do.
  private func careForDays(on connection: Connection) throws(DatabaseError) -> Bool {
    guard try isAlone(on: connection) else { return false }
    var isDone = try isolated("published events") { () throws(DatabaseError) in
      try care(partitions.days, OutboxPartitions.daysAhead, retention, on: connection)
    }
    let keys = try isolated("the keys of calls") { () throws(DatabaseError) in
      try care(PaymentKeys.days, PaymentKeys.daysAhead, keyRetention, on: connection)
    }
    isDone = isDone && keys
    let relays = try isolated("gone relays") { () throws(DatabaseError) in
      try partitions.forgetGoneRelays(on: connection)
      return true
    }
    return isDone && relays
  }

  private func care(
    _ days: DayPartitions, _ daysAhead: Int, _ retention: Duration, on connection: Connection
  ) throws(DatabaseError) -> Bool {
    var troubles = try days.ensure(daysAhead: daysAhead, on: connection)
    let dropped = try days.drop(olderThan: retention, on: connection)
    for table in dropped.tables { logger.info("dropped a day", ["table": .string(table)]) }
    troubles += dropped.troubles
    for trouble in troubles {
      logger.warning(
        "a day's table could not be cared for and is tried again",
        [
          "table": .string(trouble.table), "error": .error(trouble.error),
          "held_by": .string(trouble.holder ?? "nobody that is known"),
        ])
    }
    return troubles.isEmpty
  }

  private func buryStrays(on connection: Connection) throws(DatabaseError) -> Bool {
    for event in try strays.bury(on: connection) {
      logger.warning(
        "an event is dead",
        [
          "shard": .number(Int(event.shard)), "id": .number(event.id), "key": .string(event.key),
          "reason": .string(event.lastError ?? ""),
        ])
    }
    return true
  }

  /// One care at a time: what an earlier one has left running is waited for, and cancelled when it takes too long.
  private func isAlone(on connection: Connection) throws(DatabaseError) -> Bool {
    guard let running = try SessionsOfRole.running(suffix: " \(Self.role)", on: connection) else { return true }
    let isGivenUp = running.duration > Self.longest
    if isGivenUp { try SessionsOfRole.cancel(running, on: connection) }
    logger.warning(
      isGivenUp ? "cancelled an earlier care of the tables" : "another care of the tables is under way",
      [
        "backend": .number(running.backendID), "seconds": .double(running.duration.inSeconds),
        "waits_for": .string(running.wait ?? ""),
      ])
    return false
  }

  /// What the server refuses of one table is logged and does not keep the next from its care.
  @discardableResult
  private func isolated(_ what: String, _ body: () throws(DatabaseError) -> Bool) throws(DatabaseError) -> Bool {
    do throws(DatabaseError) {
      return try body()
    } catch  where error.code == .server || error.code == .content || error.code == .schema {
      logger.warning(
        "a table could not be cared for and is tried again", ["of": .string(what), "error": .error(error)])
      return false
    }
  }
}
