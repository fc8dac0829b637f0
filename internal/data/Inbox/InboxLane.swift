internal import Errors
internal import Kafka
internal import Logger
internal import Postgres
internal import Runtime
internal import Synchronization
internal import Tracing
internal import Values

/// The work of one lane, on a thread of its own: polls a batch, has it sorted and executed, writes its dead letters and
/// only then stores its offsets.
///
/// While the database or the broker is away, the batch is retried, the lane's queue fills, and librdkafka stops
/// fetching. Between two attempts a rebalance may move partitions of the batch to another member; their messages are
/// dropped here.
final class InboxLane<Handler: InboxHandler> {
  typealias Batch = InboxBatch<Handler.Item, Handler.Outcome>

  /// What the lanes of an inbox share.
  struct Tools: Sendable {
    let batch: Int
    let member: GroupMember
    let deadLetters: DeadLetterWriter
    let database: DatabaseConfiguration
    let metrics: InboxMetrics<Handler.Outcome>
    let stop: StopFlag
    let logger: Logger

    /// Ends the process. Only our own mistakes and a client that failed permanently lead here; a restart makes a new
    /// client.
    func fail(_ error: KafkaError) -> Never {
      logger.endProcess("the Kafka consumer has failed permanently", ["error": .error(error)])
    }
  }

  /// How long a poll waits for the first message.
  private static var pollWait: Duration { .milliseconds(250) }

  private let tools: Tools
  private let queue: ConsumerLane
  private let handler: Handler
  private let health: LaneHealth
  private let connection: ReconnectingConnection

  init(_ tools: Tools, _ queue: ConsumerLane, _ handler: Handler, _ health: LaneHealth) {
    self.tools = tools
    self.queue = queue
    self.handler = handler
    self.health = health
    connection = ReconnectingConnection(configuration: tools.database, logger: tools.logger, stop: tools.stop)
  }

  /// Works until the stop flag is set.
  func run() {
    while !tools.stop.isStopped {
      // Connects before the first message, so that readiness shows the database while no message comes.
      health.hasDatabase = (try? connected()) != nil
      tools.member.gate.enter()
      defer { tools.member.gate.leave() }
      do throws(KafkaError) {
        var messages = try queue.poll(max: tools.batch, until: .now() + Self.pollWait)
        let claim = tools.member.claim(&messages)
        if messages.isEmpty { handler.idle() } else { process(messages, claim) }
      } catch {
        tools.fail(error)
      }
    }
    handler.close()
    connection.disconnect()
  }

  private func connected() throws(DatabaseError) -> Connection {
    try connection.connected(until: .now() + .seconds(1))
  }

  /// Brings one batch to its end, however long the database or the broker is away. Gives the batch up when the program
  /// stops or when all its partitions have moved to other members.
  private func process(_ messages: [ConsumedMessage], _ claim: LaneClaim) {
    let started = Instant.now()
    health.oldest = messages.lazy.compactMap(\.timestamp).min()
    defer { health.oldest = nil }
    var batch = Batch(messages, claim: claim, sort: handler.sort)
    batch.prepare(handler.prepare)
    guard execute(&batch), bury(&batch) else { return }
    tools.member.store(messages.nextOffsets, claim)
    tools.metrics.count(batch, seconds: (Instant.now() - started).inSeconds)
  }

  // MARK: - The transaction

  /// Has the handler execute the batch.
  /// - Returns: false when the batch was given up.
  private func execute(_ batch: inout Batch) -> Bool {
    var lastFailure: String?
    let results: [InboxResult<Handler.Outcome>]? = retry(&batch) { batch in
      if batch.items.isEmpty { return [] }
      do throws(DatabaseError) {
        let results = try executeOrSplit(batch.items, on: connected())
        health.hasDatabase = true
        return results
      } catch {
        tools.metrics.countFailure()
        health.hasDatabase = error.code == .server && !Self.needsRepair(error)
        // One line per reason, however often it is retried.
        if error.description != lastFailure {
          tools.logger.warning(
            "a batch is tried again", ["messages": .number(batch.messages.count), "error": .error(error)])
        }
        lastFailure = error.description
        return nil
      }
    }
    guard let results else { return false }
    if !results.isEmpty { handler.committed(batch.items, results) }
    batch.settle(results)
    return true
  }

  /// One transaction for all items. When it is refused because of an item's values, one transaction per item, so that
  /// only the culprit fails.
  private func executeOrSplit(_ items: [Handler.Item], on connection: Connection) throws(DatabaseError)
    -> [InboxResult<Handler.Outcome>]
  {
    do throws(DatabaseError) {
      return try handler.execute(items, on: connection)
    } catch {
      guard let reason = handler.reasonToRefuse(error) else { throw error }
      if items.count == 1 { return [.unusable(reason: reason)] }
      var results: [InboxResult<Handler.Outcome>] = []
      for item in items {
        if tools.stop.isStopped { throw error }
        results += try executeOrSplit([item], on: connection)
      }
      return results
    }
  }

  /// Whether the error returns until somebody repairs the tables: a violated constraint, or a sequence at its end.
  private static func needsRepair(_ error: DatabaseError) -> Bool {
    error.sqlState.map { $0.hasPrefix("23") || $0 == "2200H" } ?? false
  }

  // MARK: - Dead letters

  /// Writes the messages that cannot be used to the dead-letter topic.
  /// - Returns: false when the batch was given up.
  private func bury(_ batch: inout Batch) -> Bool {
    if batch.deadLetters.isEmpty { return true }
    var letters = batch.deadLetters.map {
      DeadLetterWriter.Letter(message: batch.messages[$0.index], reason: $0.reason)
    }
    for letter in letters {
      tools.logger.warning(
        "message goes to the dead-letter topic",
        [
          "topic": .string(letter.message.topic), "partition": .number(letter.message.partition),
          "offset": .number(letter.message.offset), "trace_id": .describing(letter.message.trace?.traceIDText),
          "reason": .string(letter.reason),
        ])
    }
    defer { tools.deadLetters.abandon(letters) }
    let done: Bool? = retry(&batch) { batch in
      let owned = tools.member.owned(batch.claim)
      tools.deadLetters.abandon(letters.filter { !owned.contains($0.message.place) })
      letters.removeAll { !owned.contains($0.message.place) }
      if letters.isEmpty { return true }
      // `InboxConsumer` logs obstacles that last.
      return tools.deadLetters.write(&letters, until: .now() + .seconds(5)) == nil ? true : nil
    }
    return done ?? false
  }

  // MARK: - Retries

  /// Repeats `attempt` with backoff until it returns a value; the gate is open to a rebalance between two attempts.
  /// - Parameter batch: loses what belongs to partitions that are no longer ours.
  /// - Returns: nil when the program stops, or when no partition of the batch is ours any more.
  private func retry<Value>(_ batch: inout Batch, _ attempt: (Batch) -> Value?) -> Value? {
    var backoff = Backoff()
    while true {
      if let value = attempt(batch) { return value }
      tools.member.gate.leave()
      let isStopped = tools.stop.wait(until: .now() + backoff.nextDelay())
      tools.member.gate.enter()
      let owned = tools.member.owned(batch.claim)
      if isStopped || owned.isEmpty { return nil }
      batch.keep(owned)
    }
  }
}

/// Whether a lane reaches its database, and how old its work is; for any thread.
final class LaneHealth: Sendable {
  private let database = Atomic(false)
  private let oldestInHand = Atomic(Int64.max)

  /// Whether the last attempt reached the database, and no table needs repair.
  var hasDatabase: Bool {
    get { database.load(ordering: .relaxed) }
    set { database.store(newValue, ordering: .relaxed) }
  }

  /// The timestamp of the oldest message of the batch in hand; nil between batches.
  var oldest: Timestamp? {
    get {
      let microseconds = oldestInHand.load(ordering: .relaxed)
      return microseconds == .max ? nil : Timestamp(microseconds: microseconds)
    }
    set { oldestInHand.store(newValue?.microseconds ?? .max, ordering: .relaxed) }
  }
}
