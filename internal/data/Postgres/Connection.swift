internal import CLibpq
public import Logger
public import Values

/// One connection to PostgreSQL. Its calls block: use it on a thread of your own, one thread at a time.
public final class Connection {
  /// Commands in one run at most; more are a mistake in batching.
  public static let maximumCommands = 65_536

  var handle: ConnectionHandle
  let configuration: DatabaseConfiguration
  var cache = StatementCache()
  var buffer = ParameterBuffer()
  /// Set when the server no longer knows, or no longer likes, what was prepared; then all is prepared afresh.
  var cacheIsStale = false
  private var plansMadeAt = Instant.now()
  let logger: Logger

  /// Connects within `connectTimeout`.
  /// - Parameters:
  ///   - stop: ends the attempt with `.closed`.
  ///   - deadline: ends it earlier than `connectTimeout`.
  /// - Throws: `.connectionFailed`, `.closed`.
  public static func open(
    _ configuration: DatabaseConfiguration, logger: Logger, stop: StopFlag? = nil,
    until deadline: Instant = .distantFuture
  ) throws(DatabaseError) -> Connection {
    let limit = min(deadline, Instant.now() + configuration.connectTimeout)
    let handle = try ConnectionHandle(keywords: configuration.connectionKeywords, stop: stop, until: limit)
    return Connection(handle: handle, configuration: configuration, logger: logger)
  }

  private init(handle: consuming ConnectionHandle, configuration: DatabaseConfiguration, logger: Logger) {
    self.handle = handle
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

  /// Whether a transaction is open that an error has doomed: only ROLLBACK is of use.
  public var isTransactionFailed: Bool { handle.transactionStatus == PQTRANS_INERROR }

  /// The server's version as `server_version_num` has it: 150004 for 15.4.
  public var serverVersion: Int { Int(handle.serverVersion) }

  /// The server process behind this connection, as in `pg_stat_activity.pid`.
  public var backendID: Int { Int(handle.backendID) }

  /// Looks, without a round trip, whether the server has hung up meanwhile.
  public func checkLiveness() -> Bool {
    let isAlive = handle.looksAlive()
    if !isAlive { close() }
    return isAlive
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
    try exchangeScript(sql, until: deadline)
  }

  /// BEGIN, `body`, COMMIT; ROLLBACK when `body` throws.
  ///
  /// Costs a round trip for BEGIN and one for COMMIT; on a hot path put both into one run.
  public func transaction<T>(
    _ body: (Connection) throws(DatabaseError) -> T
  ) throws(DatabaseError) -> T {
    precondition(!isInTransaction, "transactions do not nest")
    try run(.begin)
    do {
      let result = try body(self)
      try run(.commit)
      return result
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

  /// Waits until the server sends something unasked, such as a notification, and takes it in.
  func waitForInput(stop: StopFlag, until deadline: Instant) throws(DatabaseError) {
    if handle.wait(toWrite: false, stop: stop, until: deadline) == .stopped {
      throw DatabaseError(.closed, "stopped while waiting for the database")
    }
    guard handle.consumeInput(), isUsable else {
      let message = handle.lastMessage
      close()
      throw DatabaseError(.connectionLost, "connection lost: \(message)")
    }
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

  private func resetCache(until deadline: Instant) throws(DatabaseError) {
    try exchangeScript("DEALLOCATE ALL", until: deadline)
    cache = StatementCache()
    cacheIsStale = false
  }

  private func nothingCommitted(_ commands: [Command], before error: DatabaseError) -> Bool {
    !commands.prefix(error.commandIndex ?? commands.count).contains { $0.statement.effect == .commits }
  }
}
