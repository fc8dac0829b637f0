internal import CLibpq
internal import Logger
internal import Metrics
internal import Runtime
internal import Values

/// The pipeline: sending and reading at the same time, so that neither side can block the other with full buffers
/// (PostgreSQL manual, 34.5.1: "the client should … read results while sending").
extension Connection {
  /// Bytes of parameters after which the socket is asked whether it still takes more.
  private static let flushEvery = 64 * 1_024

  /// How long a cancelled run has to come to its end.
  private static let grace = Duration.seconds(1)

  func exchange(_ commands: [Command], until deadline: Instant) throws(DatabaseError) -> [Rows] {
    let began = Instant.now()
    defer { configuration.runSeconds?.observe((Instant.now() - began).inSeconds) }
    var exchange = Exchange(commands, wasInTransaction: isInTransaction)
    var deadline = deadline
    if !exchange.wasInTransaction, plansAreDue() { try sendDiscardPlans(&exchange) }
    while true {
      let isBackedUp = try sendMore(&exchange)
      try readAnswers(&exchange)
      if exchange.isComplete { break }
      let outcome = handle.wait(toWrite: isBackedUp, until: deadline)
      if outcome == .timedOut || Instant.now() >= deadline {
        try giveUp(&exchange)
        deadline = .now() + Self.grace
        continue
      }
      if !handle.consumeInput() {
        // What had arrived before the end is still to be read: it may hold the server's reason, or the answers.
        try readAnswers(&exchange)
        if exchange.isComplete { break }
        throw lost(exchange, DatabaseError(.connectionLost, handle.lastMessage))
      }
    }
    return try conclude(exchange)
  }

  /// What came of a run that was answered in full.
  private func conclude(_ exchange: Exchange) throws(DatabaseError) -> [Rows] {
    if handle.hasUnconfirmedCommit {
      close()
      throw unconfirmedCommit()
    }
    // The request to cancel may have come too late for this run and end the next one.
    if exchange.isGivenUp { close() }
    guard let failure = exchange.failure else { return exchange.answers }
    guard exchange.isGivenUp, failure.isCancelled else { throw failure }
    throw exchange.loss(
      DatabaseError(.connectionLost, "it took too long and was cancelled", sqlState: failure.sqlState), farewell: true)
  }

  func unconfirmedCommit() -> DatabaseError {
    DatabaseError(
      .outcomeUnknown,
      "the wait for a synchronous standby was cancelled: what was committed is on this server, and lost if it fails over"
    )
  }

  /// Has the server cancel a run that took too long, so that it does not stay behind there, and tells of it.
  /// - Throws: when the server does not take that, or not in time; otherwise the run may still be answered.
  private func giveUp(_ exchange: inout Exchange) throws(DatabaseError) {
    let reason = DatabaseError(.connectionLost, "the database gave no answer in time")
    if exchange.isGivenUp { throw lost(exchange, reason) }
    exchange.isGivenUp = true
    let outcome = tellGivenUp(exchange.unansweredStatement)
    // What is not sent yet would be executed after what was cancelled.
    guard outcome == .delivered, exchange.syncSent else { throw lost(exchange, reason) }
  }

  /// Has the server cancel what it runs, and writes to the log what was given up.
  func tellGivenUp(_ statement: String) -> Cancellation.Outcome {
    let outcome = handle.cancel()
    // A frozen server takes connections and says nothing: another of the DSN is tried first.
    if outcome != .delivered { configuration.memory.failed(target, silently: true) }
    logger.warning(
      "gave up a statement that took too long",
      [
        "statement": .string(statement), "backend": .number(handle.backendID), "cancellation": .describing(outcome),
      ])
    return outcome
  }

  // MARK: Sending

  /// Sends until all is sent or the socket takes no more.
  /// - Returns: whether bytes wait for the socket.
  private func sendMore(_ exchange: inout Exchange) throws(DatabaseError) -> Bool {
    var unflushed = 0
    try sendParameters(&exchange)
    while exchange.sentCommands < exchange.commands.count {
      if unflushed >= Self.flushEvery {
        unflushed = 0
        if try !flush(exchange) { return true }
      }
      unflushed += try send(&exchange)
    }
    if !exchange.syncSent {
      try check(PQpipelineSync(handle.pointer), exchange)
      exchange.steps.append(.sync)
      exchange.syncSent = true
    }
    return try !flush(exchange)
  }

  private func flush(_ exchange: Exchange) throws(DatabaseError) -> Bool {
    guard let isDone = handle.flush() else {
      throw lost(exchange, DatabaseError(.connectionLost, handle.lastMessage))
    }
    return isDone
  }

  /// With a Sync of its own, because commands such as VACUUM and DETACH CONCURRENTLY must be the first of theirs.
  private func sendDiscardPlans(_ exchange: inout Exchange) throws(DatabaseError) {
    try check(PQsendQueryParams(handle.pointer, "DISCARD PLANS", 0, nil, nil, nil, nil, 1), exchange)
    exchange.steps.append(.discardPlans)
    try check(PQpipelineSync(handle.pointer), exchange)
    exchange.steps.append(.sync)
  }

  /// Puts the configuration's parameters in force where the session has none: for the transaction of this run, which
  /// begins with it or with its first command.
  private func sendParameters(_ exchange: inout Exchange) throws(DatabaseError) {
    guard !configuration.prepared, !exchange.wasInTransaction, exchange.sentCommands == 0, exchange.steps.isEmpty,
      let first = exchange.commands.first?.statement.effect
    else { return }
    if first == .begins {
      _ = try send(&exchange)
    } else if exchange.commands.count == 1, first != .reads {
      // Such as VACUUM, which must be the first of its transaction.
      return
    }
    try check(
      PQsendQueryParams(handle.pointer, configuration.parameterStatement, 0, nil, nil, nil, nil, 1), exchange)
    exchange.steps.append(.parameters)
  }

  /// Sends the next command, its preparation first when that is due.
  /// - Returns: roughly how many bytes that took.
  private func send(_ exchange: inout Exchange) throws(DatabaseError) -> Int {
    let index = exchange.sentCommands
    let command = exchange.commands[index]
    buffer.encode(command.parameters)
    let decision =
      configuration.prepared ? cache.decide(command.statement.id, types: buffer.types) : StatementCache.Decision.unnamed
    switch decision {
    case .prepare(let name, let key):
      let status = PQsendPrepare(
        handle.pointer, name, command.statement.sql, Int32(buffer.types.count), buffer.types)
      try check(status, exchange)
      exchange.steps.append(.prepare(command: index, key: key))
      try check(sendPrepared(name), exchange)
      exchange.steps.append(.execute(command: index, isPrepared: true))
    case .use(let name):
      try check(sendPrepared(name), exchange)
      exchange.steps.append(.execute(command: index, isPrepared: true))
    case .unnamed:
      try check(sendUnnamed(command.statement.sql), exchange)
      exchange.steps.append(.execute(command: index, isPrepared: false))
    }
    exchange.sentCommands += 1
    return buffer.bytes.count + 64
  }

  private func sendPrepared(_ name: String) -> Int32 {
    buffer.withValues { values, formats in
      PQsendQueryPrepared(handle.pointer, name, Int32(values.count), values, buffer.lengths, formats, 1)
    }
  }

  private func sendUnnamed(_ sql: String) -> Int32 {
    buffer.withValues { values, formats in
      PQsendQueryParams(
        handle.pointer, sql, Int32(values.count), buffer.types, values, buffer.lengths, formats, 1)
    }
  }

  private func check(_ status: Int32, _ exchange: Exchange) throws(DatabaseError) {
    if status != 1 { throw lost(exchange, DatabaseError(.connectionLost, handle.lastMessage)) }
  }

  // MARK: Reading

  /// Reads every answer that has arrived; does not block.
  private func readAnswers(_ exchange: inout Exchange) throws(DatabaseError) {
    while exchange.answeredSteps < exchange.steps.count, PQisBusy(handle.pointer) == 0 {
      guard let result = PQgetResult(handle.pointer) else {
        guard exchange.hasResult else {
          throw lost(exchange, DatabaseError(.connectionLost, handle.lastMessage))
        }
        exchange.hasResult = false
        exchange.answeredSteps += 1
        continue
      }
      try take(Rows(result), &exchange)
    }
  }

  private func take(_ rows: Rows, _ exchange: inout Exchange) throws(DatabaseError) {
    switch PQresultStatus(rows.result) {
    case PGRES_PIPELINE_SYNC:
      // The only step without an end mark.
      exchange.answeredSteps += 1
    case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY:
      exchange.hasResult = true
      accept(rows, &exchange)
    case PGRES_PIPELINE_ABORTED:
      exchange.hasResult = true
      if case .prepare(_, let key) = exchange.steps[exchange.answeredSteps] { cache.forget(key) }
    case PGRES_FATAL_ERROR:
      exchange.hasResult = true
      try refuse(rows, &exchange)
    default:
      let status = PQresStatus(PQresultStatus(rows.result)).map { String(cString: $0) } ?? "?"
      close()
      throw DatabaseError(.protocolViolation, "\(status) is not an answer that a run can have (COPY is not supported)")
    }
  }

  private func accept(_ rows: Rows, _ exchange: inout Exchange) {
    switch exchange.steps[exchange.answeredSteps] {
    case .execute(let command, _):
      exchange.answers.append(rows)
      let isCommit = exchange.commands[command].statement.effect == .commits
      if isCommit, rows.tag == "ROLLBACK", exchange.failure == nil {
        // The server answers COMMIT of a failed transaction with success and the tag ROLLBACK.
        exchange.failure = DatabaseError(
          .server, "COMMIT rolled back, because an earlier command of the transaction had failed", sqlState: "25P02",
          commandIndex: command)
      }
    case .prepare, .discardPlans, .parameters, .sync: break
    }
  }

  private func refuse(_ rows: Rows, _ exchange: inout Exchange) throws(DatabaseError) {
    var error = DatabaseError(result: rows)
    // Errors that libpq itself makes have no severity; FATAL and PANIC are the server's farewell.
    guard let severity = rows.field(.severity) else {
      throw lost(exchange, DatabaseError(.connectionLost, handle.lastMessage))
    }
    if severity != "ERROR" || leaves(after: error) { throw lost(exchange, error, farewell: true) }
    switch exchange.steps[exchange.answeredSteps] {
    case .prepare(let command, let key):
      cache.forget(key)
      error.commandIndex = command
    case .execute(let command, let isPrepared):
      if isPrepared, error.isStalePlan { cacheIsStale = true }
      error.commandIndex = command
    case .discardPlans:
      // Outside the run's transaction, which goes on: nothing of the run has failed.
      plansRemainDue()
      return
    case .parameters, .sync: break
    }
    if exchange.failure == nil { exchange.failure = error }
  }

  /// Closes the connection. - Returns: the error that says what may have become of the run.
  private func lost(_ exchange: Exchange, _ reason: DatabaseError, farewell: Bool = false) -> DatabaseError {
    close()
    // Once a command was refused, nothing after it is executed, so its error tells the whole outcome.
    if let failure = exchange.failure { return failure }
    return exchange.loss(reason, farewell: farewell)
  }
}

extension ParameterBuffer {
  /// The arrays that libpq wants: an address for each value, nil for NULL, and all formats binary.
  func withValues(_ body: ([UnsafePointer<CChar>?], [Int32]) -> Int32) -> Int32 {
    bytes.withUnsafeBytes { buffer in
      let base = buffer.baseAddress?.assumingMemoryBound(to: CChar.self)
      let values = offsets.map { offset in offset < 0 ? nil : base.map { UnsafePointer($0 + offset) } }
      return body(values, Array(repeating: 1, count: values.count))
    }
  }
}
