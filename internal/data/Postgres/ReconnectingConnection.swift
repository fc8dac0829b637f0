public import Logger
public import Runtime
public import Values

/// A connection that is opened again when it is gone, for a dedicated thread such as a relay's. One thread at a time.
public final class ReconnectingConnection {
  private let configuration: DatabaseConfiguration
  private let logger: Logger
  private let stop: StopFlag
  private var backoff: Backoff
  private var connection: Connection?
  private var hasConnectedBefore = false

  /// How often a lost connection was opened again.
  public private(set) var reconnects = 0

  /// - Parameter stop: ends waits from another thread.
  public init(
    configuration: DatabaseConfiguration, logger: Logger, stop: StopFlag = StopFlag(), backoff: Backoff = Backoff()
  ) {
    self.configuration = configuration
    self.logger = logger
    self.stop = stop
    self.backoff = backoff
  }

  /// The connection, opened first when there is none that lives; tries with backoff until `deadline`.
  ///
  /// Blocks the calling thread. At least one attempt is made, cut short by the deadline.
  /// - Throws: `.unavailable` with the last attempt's error as its cause when the deadline passes, `.closed` when
  ///   stopped.
  public func connected(until deadline: Instant) throws(DatabaseError) -> Connection {
    if let connection, connection.checkLiveness() {
      backoff.reset()
      return connection
    }
    let mustWait = connection?.isRefusedWriting ?? false
    connection = nil
    // A server that takes no writes is met again at once where a pooler, or the name's record, still leads to it.
    if mustWait { stop.wait(until: min(deadline, Instant.now() + backoff.nextDelay())) }
    while true {
      if stop.isStopped { throw DatabaseError(.closed, "stopped while the database was away") }
      do {
        let opened = try Connection.open(configuration, logger: logger, stop: stop, until: deadline)
        remember(opened)
        return opened
      } catch {
        if error.code == .closed { throw error }
        let next = Instant.now() + backoff.nextDelay()
        logger.warning("database unreachable", ["error": .error(error)])
        if stop.wait(until: min(next, deadline)) { continue }
        if Instant.now() >= deadline {
          throw DatabaseError(.unavailable, "the database did not come back in time", cause: error)
        }
      }
    }
  }

  private func remember(_ opened: Connection) {
    connection = opened
    if hasConnectedBefore {
      reconnects += 1
      logger.info("database connection restored")
    }
    hasConnectedBefore = true
  }

  /// Whether there is a connection that lives, as far as is known without a round trip.
  public var isConnected: Bool { connection?.isUsable ?? false }

  /// Hangs up; the next `connected(until:)` opens anew.
  public func disconnect() {
    connection?.close()
    connection = nil
  }
}
