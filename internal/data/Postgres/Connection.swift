internal import CLibpq
public import Logger
public import Runtime
public import Values

/// One connection to PostgreSQL. Its calls block: use it on a thread of your own, one thread at a time.
public final class Connection {
  /// Commands in one run at most; more are a mistake in batching.
  public static let maximumCommands = 65_536

  var handle: ConnectionHandle
  let configuration: DatabaseConfiguration
  /// Which server of the DSN it is.
  let target: ConnectionTarget
  var cache = StatementCache()
  var buffer = ParameterBuffer()
  /// Set when the server no longer knows, or no longer likes, what was prepared; then all is prepared afresh.
  var cacheIsStale = false
  private var plansMadeAt = Instant.now()
  let logger: Logger

  /// Whether it was left because the server takes no writes; a new one may have the same luck.
  private(set) var isRefusedWriting = false

  /// Connects to the first server of the DSN that answers in time, and takes writes where the configuration asks for
  /// it: first to the one that worked last, at the end to those that were silent.
  /// - Parameters:
  ///   - stop: ends the attempt with `.closed`.
  ///   - deadline: ends it earlier than the configuration does.
  /// - Throws: `.connectionFailed`, `.closed`.
  public static func open(
    _ configuration: DatabaseConfiguration, logger: Logger, stop: StopFlag? = nil,
    until deadline: Instant = .distantFuture
  ) throws(DatabaseError) -> Connection {
    let targets = configuration.memory.ordered(ConnectionTarget.all(of: configuration.connectionKeywords))
    let patience = configuration.timeoutForEach.map { $0 * targets.count } ?? configuration.connectTimeout
    let limit = min(deadline, .now() + patience)
    var failures: [DatabaseError] = []
    for (index, target) in targets.enumerated() {
      let share = configuration.timeoutForEach ?? (limit - .now()) / (targets.count - index)
      let end = min(limit, .now() + share)
      do {
        let connection = try open(target, configuration, logger: logger, stop: stop, until: end)
        configuration.memory.worked(target)
        return connection
      } catch {
        if error.code == .closed { throw error }
        configuration.memory.failed(target, silently: .now() >= end)
        failures.append(error)
      }
    }
    if failures.count == 1 { throw failures[0] }
    let reasons = failures.map(\.message).joined(separator: "; ")
    throw DatabaseError(
      .connectionFailed, "none of the \(targets.count) servers of the DSN: \(reasons)",
      sqlState: failures.last?.sqlState, cause: failures.last?.cause)
  }

  private static func open(
    _ target: ConnectionTarget, _ configuration: DatabaseConfiguration, logger: Logger, stop: StopFlag?,
    until deadline: Instant
  ) throws(DatabaseError) -> Connection {
    let handle = try ConnectionHandle(target, stop: stop, until: deadline)
    let connection = Connection(handle, target, configuration, logger)
    if configuration.requiresWriting {
      do throws(DatabaseError) {
        try connection.requireWriting(asks: !connection.handle.saysWhetherItTakesWrites, until: deadline)
      } catch {
        connection.close()
        throw DatabaseError(
          .connectionFailed, "\(target.name): \(error.message)", sqlState: error.sqlState, cause: error.cause)
      }
    }
    return connection
  }

  /// Leaves a server that takes no writes.
  /// - Parameter asks: with a round trip, for servers and poolers that do not say it unasked.
  /// - Throws: `.connectionLost`.
  func requireWriting(asks: Bool, until deadline: Instant) throws(DatabaseError) {
    var reason = handle.refusalToWrite
    if asks, reason == nil, try run(Self.isReadOnly, timeout: max(.zero, deadline - .now())).only.text(0) == "on" {
      reason = "transaction_read_only is on"
    }
    guard let reason else { return }
    isRefusedWriting = true
    close()
    throw DatabaseError(.connectionLost, "the server takes no writes: \(reason)", sqlState: "25006")
  }

  private static let isReadOnly = Command(Statement("SHOW transaction_read_only", isReadOnly: true))

  private init(
    _ handle: consuming ConnectionHandle, _ target: ConnectionTarget, _ configuration: DatabaseConfiguration,
    _ logger: Logger
  ) {
    self.handle = handle
    self.target = target
    self.configuration = configuration
    self.logger = logger
    logger.debug("connected", ["database": .describing(configuration), "backend": .number(self.handle.backendID)])
  }

  /// Whether the connection can take another run, as far as is known here.
  public var isUsable: Bool { handle.isOpen }

  /// Whether a transaction is open, failed ones included.
  public var isInTransaction: Bool {
    handle.transactionStatus == PQTRANS_INTRANS || handle.transactionStatus == PQTRANS_INERROR
  }

  /// The server's version as `server_version_num` has it: 150004 for 15.4.
  public var serverVersion: Int { Int(handle.serverVersion) }

  /// The server process behind this connection, as in `pg_stat_activity.pid`.
  public var backendID: Int { Int(handle.backendID) }

  /// Looks, without a round trip, whether the server has hung up meanwhile, or said that it takes no writes any more.
  public func checkLiveness() -> Bool {
    guard handle.looksAlive() else {
      close()
      return false
    }
    guard configuration.requiresWriting else { return true }
    do throws(DatabaseError) {
      try requireWriting(asks: false, until: .now())
      return true
    } catch {
      logger.warning("left a server", ["error": .error(error)])
      return false
    }
  }

  /// Hangs up. Harmless when called again.
  public func close() { handle.close() }

  /// Runs one command; see `run(_:timeout:)` for several.
  @discardableResult
  public func run(_ command: Command, timeout: Duration? = nil) throws(DatabaseError) -> Rows {
    try run([command], timeout: timeout)[0]
  }

  /// Runs all commands in one round trip: sent as a pipeline with one Sync, whatever their number and size.
  ///
  /// Outside an open transaction they are one implicit transaction, unless they bring their own BEGIN and COMMIT.
  /// After an error the rest is not executed; a transaction begun within the run is rolled back, one that was open
  /// before is left failed, for its owner to roll back.
  /// - Parameter timeout: how long the whole run may take, `statementTimeout` unless given; then the server is asked to
  ///   cancel it, what was given up is logged, and the connection is closed. It ends two seconds later at most.
  /// - Returns: an answer for each command.
  /// - Throws: `.server` with `commandIndex`; `.connectionLost` when nothing of the run can have committed;
  ///   `.outcomeUnknown` when something may have, or was committed here and not confirmed by a synchronous standby;
  ///   `.closed` on a connection that was closed before.
  @discardableResult
  public func run(_ commands: [Command], timeout: Duration? = nil) throws(DatabaseError) -> [Rows] {
    precondition(commands.count <= Self.maximumCommands, "a run has at most \(Self.maximumCommands) commands")
    guard isUsable else { throw DatabaseError(.closed, "the database connection is closed") }
    guard !commands.isEmpty else { return [] }
    let deadline = Instant.now() + (timeout ?? configuration.statementTimeout)
    let wasInTransaction = isInTransaction
    if cacheIsStale, !wasInTransaction { try resetCache(until: deadline) }
    do {
      return try exchange(commands, until: deadline)
    } catch {
      configuration.monitor?.refused(error, isOfTables: configuration.isFaultOfTables)
      if isUsable, !wasInTransaction, isInTransaction { rollBackAfterFailure() }
      guard isUsable, !wasInTransaction, cacheIsStale, error.isStalePlan, nothingCommitted(commands, before: error)
      else {
        throw error
      }
      logger.debug("prepared statements are gone or out of date; preparing them again")
      try resetCache(until: deadline)
      return try exchange(commands, until: deadline)
    }
  }

  /// Runs several statements of SQL text without parameters, as one implicit transaction outside an open one.
  ///
  /// For migrations. Answers are dropped.
  /// - Throws: as `run`; a lost connection is `.outcomeUnknown` unless a transaction was open before.
  public func script(_ sql: String, timeout: Duration? = nil) throws(DatabaseError) {
    guard isUsable else { throw DatabaseError(.closed, "the database connection is closed") }
    let deadline = Instant.now() + (timeout ?? configuration.statementTimeout)
    do throws(DatabaseError) {
      try exchangeScript(sql, until: deadline)
    } catch {
      configuration.monitor?.refused(error, isOfTables: configuration.isFaultOfTables)
      throw error
    }
  }

  /// BEGIN, `body`, COMMIT; ROLLBACK when `body` throws.
  ///
  /// Costs a round trip for BEGIN and one for COMMIT; on a hot path put both into one run.
  public func transaction<T>(
    _ body: (Connection) throws(DatabaseError) -> T
  ) throws(DatabaseError) -> T {
    precondition(!isInTransaction, "transactions do not nest")
    return try rollingBack { () throws(DatabaseError) in
      try run(.begin)
      let result = try body(self)
      try run(.commit)
      return result
    }
  }

  /// Runs `body`, which begins and ends the transaction itself, in few runs; what it leaves open when it throws is
  /// rolled back.
  public func rollingBack<T>(_ body: () throws(DatabaseError) -> T) throws(DatabaseError) -> T {
    do throws(DatabaseError) {
      return try body()
    } catch {
      if isUsable, isInTransaction { rollBackAfterFailure() }
      throw error
    }
  }

  /// The notifications that have arrived for channels this connection listens to.
  func takeNotifications() -> [(channel: String, payload: String)] {
    var notifications: [(channel: String, payload: String)] = []
    while let notification = handle.takeNotification() { notifications.append(notification) }
    return notifications
  }

  /// Waits until the server sends something unasked, such as a notification, and takes it in; or until the deadline.
  func waitForInput(stop: StopFlag, until deadline: Instant) throws(DatabaseError) {
    switch handle.wait(toWrite: false, stop: stop, until: deadline) {
    case .stopped: throw DatabaseError(.closed, "stopped while waiting for the database")
    case .timedOut: return
    case .ready: break
    }
    guard handle.consumeInput(), isUsable else {
      let message = handle.lastMessage
      close()
      throw DatabaseError(.connectionLost, "connection lost: \(message)")
    }
  }

  /// Whether an error says that the server takes no writes, which every further one would say; the connection is of no
  /// use then.
  func leaves(after error: DatabaseError) -> Bool {
    guard configuration.requiresWriting, error.isReadOnly else { return false }
    isRefusedWriting = true
    return true
  }

  /// Ends an open transaction on the way out of an error; a connection that cannot do that is closed.
  func rollBackAfterFailure() {
    do {
      _ = try exchange([.rollback], until: Instant.now() + configuration.statementTimeout)
    } catch {
      logger.warning("rollback failed; closing the connection", ["error": .error(error)])
      close()
    }
  }

  /// Whether cached plans are due to be thrown away; each true starts a new period.
  func plansAreDue() -> Bool {
    guard configuration.prepared, Instant.now() - plansMadeAt >= configuration.planLifetime else { return false }
    plansMadeAt = Instant.now()
    return true
  }

  /// The server refused to throw its plans away: the next run asks it again.
  func plansRemainDue() { plansMadeAt = Instant.now() - configuration.planLifetime }

  private func resetCache(until deadline: Instant) throws(DatabaseError) {
    try exchangeScript("DEALLOCATE ALL", until: deadline)
    cache = StatementCache()
    cacheIsStale = false
  }

  private func nothingCommitted(_ commands: [Command], before error: DatabaseError) -> Bool {
    !commands.prefix(error.commandIndex ?? commands.count).contains { $0.statement.effect == .commits }
  }
}
