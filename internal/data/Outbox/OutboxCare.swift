public import Logger
public import Metrics
public import Postgres
public import Runtime
internal import Synchronization
public import Values

/// The care of an outbox's tables, on a thread of its own: the days of published events, made ahead and dropped after
/// a retention, with their indexes; events that no relay can read; relays that are gone; and the state of the outbox,
/// for the metrics.
///
/// Every process whose role owns the tables cares for the days (`DayCare`). The rest is done by the process whose relay
/// holds the first shard.
public final class OutboxCare: ServicePart {
  /// How often the outbox is looked at.
  private static let interval = Duration.seconds(10)
  /// How often the relay is asked whether it has come to hold the first shard.
  private static let askInterval = Duration.seconds(1)

  private let connection: SerialConnection
  private let relay: Relay
  private let inspection: OutboxInspection
  private let log: OperationLog
  private let actions: Mutex<OperatorActions>
  private let figures: Statement
  private let partitions: OutboxPartitions
  private let strays: OutboxStrays
  private let days: DayCare
  private let indexing: DayIndexing
  private let logger: Logger
  private let gauges = OutboxGauges()
  private let job = Mutex<PeriodicJob?>(nil)

  /// How the application name of the care's session ends, after a space. It has one for each outbox of a database.
  public static func role(of tables: OutboxTables) -> String {
    tables.schema.map { "table-care-\($0)" } ?? "table-care"
  }

  /// - Parameters:
  ///   - configuration: a session of `role`, past PgBouncer, with the parameters `DayCare.limits`. What the care is
  ///     refused says nothing of whether events can be written, so it needs no write monitor.
  ///   - relay: of the same outbox, in this process.
  ///   - retention: how long published events are kept.
  ///   - others: further tables of the context with a partition a day.
  ///   - stop: ends waits for the database.
  public init(
    tables: OutboxTables, shards: ShardMap, configuration: DatabaseConfiguration, relay: Relay, retention: Duration,
    others: [DayCare.Table] = [], logger: Logger, metrics: MetricsRegistry, stop: StopFlag
  ) {
    let role = Self.role(of: tables)
    self.relay = relay
    self.logger = logger.labelled(role)
    connection = SerialConnection(configuration, logger: self.logger, stop: stop)
    inspection = OutboxInspection(tables, onDead: relay.onDead)
    log = OperationLog(tables)
    actions = Mutex(OperatorActions(tables))
    figures = OutboxFigures.statement(tables)
    gauges.register(metrics, tables)
    partitions = OutboxPartitions(tables)
    strays = OutboxStrays(tables, shards: shards)
    indexing = DayIndexing(
      partitions, retention: retention, configuration: configuration, logger: self.logger, stop: stop)
    let events = DayCare.Table(
      "published events", partitions.days, daysAhead: OutboxPartitions.daysAhead, retention: retention)
    days = DayCare([events] + others, role: role, logger: self.logger)
  }

  /// Begins to care.
  public func start() {
    let made = PeriodicJob(name: "table-care") { [self] in run() }
    job.withLock { $0 = made }
    made.start()
    indexing.start()
  }

  /// Waits for the statement in flight, which the limit on locks bounds.
  public func stop(until deadline: Instant) {
    // Let go: it holds us.
    let ended = job.withLock { $0.take() }
    indexing.stop(until: deadline, through: connection)
    ended?.stop(until: deadline)
  }

  /// Cares once, on the calling thread.
  /// - Returns: when to care again.
  func run() -> Duration {
    let isHousekeeper = relay.isHousekeeper
    if !isHousekeeper {
      gauges.show(nil)
      actions.withLock { $0.forget() }
      guard days.isDue else { return Self.askInterval }
    }
    do {
      try connection.use { [self] connection throws(DatabaseError) in
        if isHousekeeper { try look(connection) }
        try days.run(on: connection)
      }
    } catch {
      logger.warning("table care failed and is tried again", ["error": .error(error)])
      return Self.interval
    }
    if isHousekeeper { return Self.interval }
    // The next care is ten minutes off.
    connection.disconnect()
    return Self.askInterval
  }

  private func look(_ connection: Connection) throws(DatabaseError) {
    let status = try inspection.status(on: connection)
    let figures = try OutboxFigures(try connection.run(Command(figures)).only)
    gauges.show(OutboxGauges.Look(status: status, figures: figures, at: .now(), moment: .now()))
    _ = try logger.isolating("operators' actions") { () throws(DatabaseError) in
      try tellActions(on: connection)
      return true
    }
    _ = try logger.isolating("waiting events without a shard") { () throws(DatabaseError) in
      try buryStrays(on: connection)
    }
    _ = try logger.isolating("gone relays") { () throws(DatabaseError) in
      try partitions.forgetGoneRelays(on: connection)
      return true
    }
    _ = try logger.isolating("old operations") { () throws(DatabaseError) in
      try log.forgetOld(on: connection)
      return true
    }
  }

  private func tellActions(on connection: Connection) throws(DatabaseError) {
    let found = try actions.withLock { (actions) throws(DatabaseError) in try actions.look(on: connection) }
    for action in found {
      let named = relay.named(action.key)
      logger.info(
        "an operator acted",
        [
          "action": .string(action.action), "operator": .string(action.person), "topic": .describing(action.topic),
          "key": .describing(action.key), named.field: named.value, "count": .number(action.count),
        ])
    }
  }

  private func buryStrays(on connection: Connection) throws(DatabaseError) -> Bool {
    for event in try strays.bury(on: connection) {
      let named = relay.named(event.key)
      logger.warning(
        "an event is dead",
        [
          "event_id": .describing(event.eventID), "outbox_id": .number(event.id), "key": .string(event.key),
          named.field: named.value, "trace_id": .describing(event.traceIDText), "topic": .string(event.topic),
          "shard": .number(event.shard), "error": .string(event.lastError ?? ""),
        ])
    }
    return true
  }
}
