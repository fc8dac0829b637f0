internal import Errors
internal import Logger
internal import Metrics
internal import Runtime
internal import Synchronization
internal import Values

/// One thread of a pool: keeps a connection alive and runs jobs on it.
struct PoolWorker {
  let core: PoolCore
  let index: Int

  /// How soon an idle worker notices that the server hung up.
  private static let livenessInterval = Duration.seconds(1)

  func run() {
    var backoff = Backoff()
    var isFirst = true
    while let connection = connect(&backoff) {
      if !isFirst {
        core.reconnects.add()
        core.logger.info("database connection restored", ["worker": .number(index)])
      }
      isFirst = false
      core.state.withLock {
        $0.connected += 1
        $0.lastError = nil
      }
      let goesOn = serve(connection)
      connection.close()
      core.state.withLock { $0.connected -= 1 }
      if !goesOn { return }
      // One that takes no writes is met again at once where a pooler, or the name's record, still leads to it.
      if connection.isRefusedWriting {
        let reason = DatabaseError(.connectionFailed, "the server takes no writes", sqlState: "25006")
        core.state.withLock { $0.lastError = reason }
        core.draining.wait(until: Instant.now() + backoff.nextDelay())
      } else {
        backoff.reset()
      }
    }
  }

  /// A connection, or nil when the pool closes first.
  private func connect(_ backoff: inout Backoff) -> Connection? {
    while !core.draining.isStopped {
      do {
        return try Connection.open(core.configuration, logger: core.logger, stop: core.draining)
      } catch {
        let isNew = core.state.withLock { state in
          defer { state.lastError = error }
          return state.lastError?.message != error.message
        }
        if isNew { core.logger.warning("database unreachable", ["error": .error(error)]) }
        core.draining.wait(until: Instant.now() + backoff.nextDelay())
      }
    }
    return nil
  }

  /// Runs jobs.
  /// - Returns: false when the pool closed, true when the connection is gone.
  private func serve(_ connection: Connection) -> Bool {
    while true {
      if !connection.isUsable { return true }
      switch core.state.withLock({ $0.queue.next(for: index) }) {
      case .job(let waiting): if !start(waiting, on: connection) { return true }
      case .closed: return false
      case .idle:
        switch waitForMail(connection) {
        case .job(let waiting): if !start(waiting, on: connection) { return true }
        case .closed: return false
        case nil: return true
        }
      }
    }
  }

  /// The next mail, or nil when the connection died while idle.
  private func waitForMail(_ connection: Connection) -> PoolCore.Mail? {
    let mailbox = core.mailboxes[index]
    while true {
      let mail = mailbox.wait(until: Instant.now() + Self.livenessInterval) { mail -> PoolCore.Mail? in
        defer { mail = nil }
        return mail
      }
      if let mail { return mail }
      if connection.checkLiveness() { continue }
      if core.state.withLock({ $0.queue.withdraw(worker: index) }) { return nil }
      // Mail is on its way: a job in it will find no connection and be put back.
    }
  }

  /// Runs one job.
  /// - Returns: false when the connection was found dead, and the job put back.
  private func start(_ waiting: PoolCore.Queue.Waiting, on connection: Connection) -> Bool {
    guard connection.checkLiveness() else {
      core.putBack(waiting)
      return false
    }
    let started = Instant.now()
    guard started < waiting.deadline else {
      waiting.job(.failure(core.unavailable("had no free connection before the deadline")))
      return true
    }
    core.state.withLock { $0.busy += 1 }
    core.waits.observe((started - waiting.since).inSeconds)
    waiting.job(.success(connection))
    core.jobs.observe((Instant.now() - started).inSeconds)
    core.state.withLock { $0.busy -= 1 }
    if connection.isUsable, connection.isInTransaction {
      core.logger.error("a job left its transaction open; rolling it back")
      connection.rollBackAfterFailure()
    }
    return true
  }
}
