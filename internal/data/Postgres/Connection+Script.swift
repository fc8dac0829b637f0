internal import CLibpq
internal import Runtime
internal import Values

/// The simple query protocol, which alone takes several statements at once; libpq has it outside pipeline mode only.
extension Connection {
  func exchangeScript(_ sql: String, until deadline: Instant) throws(DatabaseError) {
    let wasInTransaction = isInTransaction
    guard PQexitPipelineMode(handle.pointer) == 1, PQsendQuery(handle.pointer, sql) == 1 else {
      throw lostScript(handle.lastMessage, wasInTransaction: true)
    }
    var failure: DatabaseError?
    while true {
      try waitForScript(sql, until: deadline, wasInTransaction: wasInTransaction)
      guard let result = PQgetResult(handle.pointer) else { break }
      let rows = Rows(result)
      switch PQresultStatus(result) {
      case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY: break
      case PGRES_FATAL_ERROR:
        guard rows.field(.severity) == "ERROR" else {
          throw lostScript(rows.field(.message) ?? handle.lastMessage, wasInTransaction: wasInTransaction)
        }
        failure = failure ?? DatabaseError(result: rows)
      default:
        close()
        throw DatabaseError(.protocolViolation, "COPY is not supported in a script")
      }
    }
    guard PQenterPipelineMode(handle.pointer) == 1 else {
      throw lostScript(handle.lastMessage, wasInTransaction: wasInTransaction)
    }
    if handle.hasUnconfirmedCommit {
      close()
      throw unconfirmedCommit()
    }
    if let failure {
      if leaves(after: failure) { close() }
      throw failure
    }
  }

  /// Waits until the next answer can be taken without blocking.
  private func waitForScript(_ sql: String, until deadline: Instant, wasInTransaction: Bool) throws(DatabaseError) {
    while true {
      guard let isFlushed = handle.flush() else {
        throw lostScript(handle.lastMessage, wasInTransaction: wasInTransaction)
      }
      if PQisBusy(handle.pointer) == 0 { return }
      if handle.wait(toWrite: !isFlushed, until: deadline) == .timedOut {
        _ = tellGivenUp(Statement.shorten(sql))
        throw lostScript("it took too long and was given up", wasInTransaction: wasInTransaction)
      }
      // When the connection broke, PQgetResult tells the reason.
      if !handle.consumeInput() { return }
    }
  }

  private func lostScript(_ reason: String, wasInTransaction: Bool) -> DatabaseError {
    close()
    return wasInTransaction
      ? DatabaseError(.connectionLost, "connection lost: \(reason)")
      : DatabaseError(.outcomeUnknown, "connection lost while a script was running: \(reason)")
  }
}
