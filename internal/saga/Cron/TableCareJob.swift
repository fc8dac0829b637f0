internal import Errors
internal import Logger
internal import Outbox
internal import Postgres
internal import SagaSettings
internal import SagaStore
internal import Service
internal import Settings
internal import Synchronization
internal import Values

/// The care of the tables with a partition a day, events and the keys of calls: days made ahead and dropped; and a look
/// at how the outbox stands. Done by the relay that holds the first shard.
final class TableCareJob: Sendable {
  /// How often the outbox is looked at.
  private static let interval = Duration.seconds(10)
  /// How often partitions are made and dropped.
  private static let partitionInterval = Duration.seconds(600)

  private let connection: SerialConnection
  private let relay: Relay
  private let retention: Duration
  private let keyRetention: Duration
  private let nextPartitions = Mutex(Instant.now())
  private let logger: Logger
  private let onStatus: @Sendable (OutboxStatus?) -> Void

  init(_ context: ProgramContext, relay: Relay, onStatus: @escaping @Sendable (OutboxStatus?) -> Void) {
    // DETACH CONCURRENTLY needs a session of its own, so it goes past PgBouncer.
    connection = SerialConnection(context, role: "table-care", isDirect: true)
    self.relay = relay
    retention = context.settings.event.retention
    keyRetention = context.settings.idempotency.retention
    logger = context.logger.labelled("table-care")
    self.onStatus = onStatus
  }

  func run() -> Duration {
    guard relay.isHousekeeper else {
      onStatus(nil)
      return .seconds(1)
    }
    do {
      let status = try connection.use { connection throws(DatabaseError) in try OutboxStatus.load(connection) }
      onStatus(status)
      if nextPartitions.withLock({ $0 }) <= .now() {
        try connection.use { [self] connection throws(DatabaseError) in try careForDays(on: connection) }
        nextPartitions.withLock { $0 = .now() + Self.partitionInterval }
      }
    } catch {
      if error.code == .server { logger.warning("table care failed and is tried again", ["error": .error(error)]) }
    }
    return Self.interval
  }

  private func careForDays(on connection: Connection) throws(DatabaseError) {
    try OutboxPartitions.ensureDays(on: connection)
    for table in try OutboxPartitions.dropOldDays(retention: retention, on: connection) {
      logger.info("dropped a day of published events", ["table": .string(table)])
    }
    try OutboxPartitions.forgetGoneRelays(on: connection)
    let keys = IdempotencyKeyTable.days
    try keys.ensure(daysAhead: IdempotencyKeyTable.daysAhead, on: connection)
    for table in try keys.drop(olderThan: keyRetention, on: connection) {
      logger.info("dropped a day of calls' keys", ["table": .string(table)])
    }
  }
}
