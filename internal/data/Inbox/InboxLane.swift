internal import Errors
internal import Kafka
internal import Logger
internal import Metrics
internal import Postgres
internal import SagaDomain
internal import SagaSettings
internal import SagaStore
internal import Service
internal import Settings
internal import Values

/// One lane's work, on a thread of its own: batches of messages in, payments out.
///
/// A batch goes through the filter, whose word the database confirms, into one transaction, to the dead-letter topic,
/// and only then are its offsets stored (G3). While the database or the broker is away it is tried again, the lane's
/// queue fills, and librdkafka fetches no more; between two attempts a rebalance may take partitions of the batch
/// away, whose messages are dropped.
final class InventoryLane {
  /// What all lanes share.
  struct Tools: Sendable {
    let context: ProgramContext
    let logger: Logger
    let member: GroupMember
    let deadLetters: DeadLetterWriter
    let transactions: PaymentTransactions
    let database: DatabaseConfiguration
    let metrics: ConsumerMetrics
    let onCommit: @Sendable () -> Void

    /// Only our own mistakes and a client that failed for good come here; a restart makes a new one.
    func endForGood(_ error: KafkaError) -> Never {
      logger.error("the consumer has failed for good", ["error": .error(error)])
      fatalError("the Kafka consumer has failed for good: \(error)")
    }
  }

  /// How a batch's openings came out.
  struct Outcomes {
    var created = 0
    var existing = 0
  }

  /// How long a poll waits for the first message.
  private static let pollWait = Duration.milliseconds(250)

  private let tools: Tools
  private let queue: ConsumerLane
  private let health: LaneHealth
  private let filter: DuplicateFilter?
  private let connection: ReconnectingConnection

  private var context: ProgramContext { tools.context }

  init(_ tools: Tools, _ queue: ConsumerLane, _ health: LaneHealth, filter: DuplicateFilter?) {
    self.tools = tools
    self.queue = queue
    self.health = health
    self.filter = filter
    connection = ReconnectingConnection(
      configuration: tools.database, logger: tools.logger, stop: tools.context.stop)
  }

  /// Works until the context's stop flag is set.
  func run() {
    while !context.stop.isStopped {
      // Opened ahead of need, so that readiness tells of the database while no message comes.
      health.hasDatabase = (try? connection.connected(until: .now() + .seconds(1))) != nil
      tools.member.gate.enter()
      defer { tools.member.gate.leave() }
      do throws(KafkaError) {
        var messages = try queue.poll(max: context.settings.consumer.batch, until: .now() + Self.pollWait)
        let claim = tools.member.claim(&messages)
        if !messages.isEmpty { process(messages, claim) }
      } catch {
        tools.endForGood(error)
      }
    }
    filter?.close()
    connection.disconnect()
  }

  /// Takes one batch to its end, however long the database or the broker is away, or gives it up because the program
  /// stops or its partitions went to other members.
  private func process(_ messages: [ConsumedMessage], _ claim: GroupMember.Claim) {
    let started = Instant.now()
    var batch = InventoryBatch(messages, triggerStatus: context.settings.consumer.triggerStatus)
    if let filter {
      batch.note(claims: filter.fingerprints(of: batch.keys))
      health.hasRedis = filter.isReachable
      guard dropRepeated(&batch, messages, claim) else { return }
    }
    guard let outcomes = open(&batch, messages, claim) else { return }
    if outcomes.created > 0 { tools.onCommit() }
    guard bury(&batch, messages, claim) else { return }
    filter?.remember(batch.openings.map { ($0.message.idempotentKey, $0.message.fingerprint) })
    tools.member.store(InventoryBatch.offsets(of: messages), claim)
    tools.metrics.count(batch, outcomes)
    tools.metrics.batchSeconds.observe((Instant.now() - started).inSeconds)
  }

  // MARK: - Repeated messages

  /// Drops what the filter claims to be done once the database has confirmed it: one look at the payments instead of a
  /// transaction that inserts nothing.
  /// - Returns: false when the batch was given up.
  private func dropRepeated(
    _ batch: inout InventoryBatch, _ messages: [ConsumedMessage], _ claim: GroupMember.Claim
  ) -> Bool {
    if batch.claimedOrders.isEmpty { return true }
    let payments = untilDone(&batch, messages, claim) { (batch) throws(DatabaseError) -> [Payment] in
      try tools.transactions.find(
        orderIDs: batch.claimedOrders, on: try connection.connected(until: .now() + .seconds(1))
      ).payments
    }
    guard let payments else { return false }
    batch.remove(confirmedBy: payments)
    return true
  }

  // MARK: - Opening payments

  /// Opens the payments of a batch.
  /// - Returns: nil when the batch was given up.
  private func open(_ batch: inout InventoryBatch, _ messages: [ConsumedMessage], _ claim: GroupMember.Claim)
    -> Outcomes?
  {
    let results = untilDone(&batch, messages, claim) {
      (batch) throws(DatabaseError) -> [Result<CreateOutcome, PaymentError>] in
      if batch.openings.isEmpty { return [] }
      let commands = batch.openings.map(\.message.command)
      return try create(commands, on: try connection.connected(until: .now() + .seconds(1)))
    }
    guard let results else { return nil }
    var outcomes = Outcomes()
    batch.settle(
      failures: results.map { result in
        switch result {
        case .success(.created): outcomes.created += 1
        case .success(.existing), .success(.replayed): outcomes.existing += 1
        case .failure(let error): return error.message
        }
        return nil
      })
    return outcomes
  }

  /// One transaction for all; where values are to blame, one for each, so that only the culprit fails. Whatever else
  /// the database refuses, time or an operator will cure: the messages wait, and the consumer is not ready.
  private func create(_ commands: [CreateCommand], on connection: Connection) throws(DatabaseError)
    -> [Result<CreateOutcome, PaymentError>]
  {
    do throws(DatabaseError) {
      return try tools.transactions.create(commands, on: connection)
    } catch {
      guard WriteFault.isOfValues(error) else { throw error }
      guard commands.count > 1 else {
        return [.failure(PaymentError(.internal, "the database refused the payment: \(error.message)", cause: error))]
      }
      var results: [Result<CreateOutcome, PaymentError>] = []
      for command in commands {
        if context.stop.isStopped { throw error }
        results += try create([command], on: connection)
      }
      return results
    }
  }

  // MARK: - Dead letters

  /// Puts what cannot be used on the dead-letter topic.
  /// - Returns: false when the batch was given up.
  private func bury(_ batch: inout InventoryBatch, _ messages: [ConsumedMessage], _ claim: GroupMember.Claim) -> Bool {
    guard !batch.deadLetters.isEmpty else { return true }
    for letter in batch.deadLetters {
      let message = messages[letter.index]
      tools.logger.warning(
        "message goes to the dead-letter topic",
        ["from": .string("\(message.place)@\(message.offset)"), "reason": .string(letter.reason)])
    }
    var letters = batch.deadLetters.map { DeadLetterWriter.Letter(message: messages[$0.index], reason: $0.reason) }
    defer { tools.deadLetters.abandon(letters) }
    let done: Bool? = untilDone(&batch, messages, claim) { (_) throws(DatabaseError) in
      let owned = tools.member.owned(claim)
      tools.deadLetters.abandon(letters.filter { !owned.contains($0.message.place) })
      letters.removeAll { !owned.contains($0.message.place) }
      if letters.isEmpty { return true }
      // `InventoryConsumer.look` tells of what stays in the way.
      return tools.deadLetters.write(&letters, until: .now() + .seconds(5)) == nil ? true : nil
    }
    return done ?? false
  }

  // MARK: - Trying again

  /// Tries again with backoff until it is done; the gate is open to a rebalance between two attempts.
  /// - Parameter batch: loses what belongs to partitions that are not ours any more.
  /// - Returns: nil when the program stops, or when nothing of the batch is ours any more.
  private func untilDone<Value>(
    _ batch: inout InventoryBatch, _ messages: [ConsumedMessage], _ claim: GroupMember.Claim,
    _ body: (InventoryBatch) throws(DatabaseError) -> Value?
  ) -> Value? {
    var backoff = Backoff()
    var lastFailure: String?
    while true {
      do throws(DatabaseError) {
        if let value = try body(batch) {
          health.hasDatabase = true
          return value
        }
      } catch {
        health.hasDatabase = error.code == .server && !WriteFault.isOfTables(error)
        // Once for each reason, however often it is tried.
        if error.description != lastFailure {
          tools.logger.warning("a batch is tried again", ["messages": .number(messages.count), "error": .error(error)])
        }
        lastFailure = error.description
      }
      tools.member.gate.leave()
      let isStopped = context.stop.wait(until: .now() + backoff.nextDelay())
      tools.member.gate.enter()
      let owned = tools.member.owned(claim)
      if isStopped || owned.isEmpty { return nil }
      batch.keep { owned.contains(messages[$0].place) }
    }
  }
}
