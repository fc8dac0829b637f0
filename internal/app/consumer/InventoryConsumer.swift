internal import Config
internal import Database
internal import Errs
internal import Kafka
internal import Logger
internal import Metrics
internal import Outbox
internal import PaymentRepository
internal import Payments
internal import ProgramSupport
internal import Runtime
internal import Synchronization

/// One member of the consumer group on a thread of its own: inventory messages in, payments out.
///
/// A batch goes through the filter, into one transaction, to the dead-letter topic, and only then are its offsets
/// stored (G3). While the database or the broker is away the batch is tried again, and the partitions are paused so
/// that the member stays in the group.
final class InventoryConsumer: Sendable {
  /// How long a poll waits for the first message.
  private static let pollWait = Duration.milliseconds(250)

  private let context: ProgramContext
  private let logger: Logger
  private let consumer: KafkaConsumer
  private let deadLetters: DeadLetterWriter
  private let transactions: PaymentTransactions
  private let database: DatabaseConfiguration
  private let metrics: ConsumerMetrics
  private let onCommit: @Sendable () -> Void
  private let thread = Mutex<WorkerThread?>(nil)
  private let isDatabaseUp = Atomic(false)
  private let isRedisUp = Atomic(true)

  init(_ context: ProgramContext, shards: ShardMap, onCommit: @escaping @Sendable () -> Void) throws {
    self.context = context
    self.onCommit = onCommit
    logger = context.logger.labelled("consumer")
    let settings = context.settings
    consumer = try KafkaConsumer(
      context.kafka(role: "inventory"), options: KafkaConsumer.Options(group: settings.consumer.group), logger: logger)
    deadLetters = try DeadLetterWriter(context)
    transactions = PaymentTransactions(
      outbox: OutboxWriter(shards: shards), topic: settings.producer.topic, ttl: settings.payment.timeToLive)
    database = try context.indexedDatabase(role: "inventory")
    metrics = ConsumerMetrics(context.metrics)
  }

  var isConnected: Bool { consumer.isConnected }
  var hasDatabase: Bool { isDatabaseUp.load(ordering: .relaxed) }
  var hasRedis: Bool { isRedisUp.load(ordering: .relaxed) }

  /// Joins the group and begins.
  func start() throws {
    let logger = logger
    try consumer.subscribe(
      [context.settings.consumer.topic],
      onAssign: { logger.info("took over partitions", ["partitions": .string("\($0.map(\.partition).sorted())")]) },
      onRevoke: { partitions, isLost in
        logger.info(
          "gave up partitions",
          ["partitions": .string("\(partitions.map(\.partition).sorted())"), "lost": .bool(isLost)])
      })
    let filter = context.settings.redis.isEnabled ? Filter(try DuplicateFilter(context)) : nil
    thread.withLock { $0 = WorkerThread(name: "inventory") { [self] in run(filter?.value) } }
  }

  /// Waits for the thread, which ends after the batch under way once the context's stop flag is set.
  func join() {
    consumer.wake()
    thread.withLock { $0 }?.join()
  }

  /// Carries the filter to the thread that owns it from then on.
  private struct Filter: @unchecked Sendable {
    // @unchecked: made by `start`, handed to the one thread, touched by nobody else.
    let value: DuplicateFilter
    init(_ value: DuplicateFilter) { self.value = value }
  }

  // MARK: - The member's thread

  /// What the thread keeps between batches.
  private struct Member {
    let connection: ReconnectingConnection
    let filter: DuplicateFilter?
    /// Partitions that must go back, because messages of theirs were taken and given up.
    var rewinds: [TopicPartition: Int64] = [:]
  }

  private func run(_ filter: DuplicateFilter?) {
    let connection = ReconnectingConnection(configuration: database, logger: logger, stop: context.stop)
    var member = Member(connection: connection, filter: filter)
    while !context.stop.isStopped {
      do throws(KafkaError) {
        // Opened ahead of need, so that readiness tells of the database while no message comes.
        isDatabaseUp.store((try? connection.connected(until: .now() + .seconds(1))) != nil, ordering: .relaxed)
        guard rewind(&member) else {
          _ = context.stop.wait(until: .now() + Self.pollWait)
          continue
        }
        let messages = try consumer.poll(max: context.settings.consumer.batch, until: .now() + Self.pollWait)
        if !messages.isEmpty, !process(messages, &member) { giveUp(messages, &member) }
        metrics.observe(lag: (try? consumer.lag()) ?? [])
      } catch {
        // Only our own mistakes and a client that failed for good come here; a restart makes a new one.
        logger.error("the consumer has failed for good", ["error": .error(error)])
        fatalError("the Kafka consumer has failed for good: \(error)")
      }
    }
    consumer.close(until: .now() + .seconds(5))
    deadLetters.close()
    filter?.close()
    connection.disconnect()
  }

  /// Takes one batch to its end, however long the database or the broker is away.
  /// - Returns: false when it was given up: the program stops, or partitions of it went to another member.
  private func process(_ messages: [ConsumedMessage], _ member: inout Member) -> Bool {
    let started = Instant.now()
    var batch = InventoryBatch(messages, triggerStatus: context.settings.consumer.triggerStatus)
    if let filter = member.filter {
      batch.remove(known: filter.fingerprints(of: batch.keys))
      isRedisUp.store(filter.isReachable, ordering: .relaxed)
    }
    guard let outcomes = open(&batch, messages, &member) else { return false }
    if outcomes.created > 0 { onCommit() }
    guard bury(batch, messages, &member) else { return false }
    member.filter?.remember(batch.openings.map { ($0.message.idempotentKey, $0.message.fingerprint) })
    do throws(KafkaError) {
      try consumer.storeOffsets(InventoryBatch.offsets(of: messages))
    } catch {
      logger.warning("offsets were not stored; the messages come again", ["error": .error(error)])
      return false
    }
    metrics.count(batch, outcomes)
    metrics.batchSeconds.observe((Instant.now() - started).inSeconds)
    return true
  }

  /// How a batch's openings came out.
  struct Outcomes {
    var created = 0
    var existing = 0
  }

  /// Opens the payments of a batch.
  /// - Returns: nil when the batch was given up.
  private func open(_ batch: inout InventoryBatch, _ messages: [ConsumedMessage], _ member: inout Member) -> Outcomes? {
    guard !batch.openings.isEmpty else { return Outcomes() }
    let commands = batch.openings.map(\.message.command)
    let connection = member.connection
    let results = untilDone(messages, &member) { () throws(DatabaseError) in
      try create(commands, on: try connection.connected(until: .now() + .seconds(1)))
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
  /// the database refuses, time or an operator will cure.
  private func create(_ commands: [CreateCommand], on connection: Connection) throws(DatabaseError)
    -> [Result<CreateOutcome, PaymentError>]
  {
    do throws(DatabaseError) {
      return try transactions.create(commands, on: connection)
    } catch {
      guard error.isDataError else { throw error }
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

  /// Puts what cannot be used on the dead-letter topic.
  /// - Returns: false when the batch was given up.
  private func bury(_ batch: InventoryBatch, _ messages: [ConsumedMessage], _ member: inout Member) -> Bool {
    guard !batch.deadLetters.isEmpty else { return true }
    for letter in batch.deadLetters {
      let message = messages[letter.index]
      logger.warning(
        "message goes to the dead-letter topic",
        ["from": .string("\(message.place)@\(message.offset)"), "reason": .string(letter.reason)])
    }
    var letters = batch.deadLetters.map { DeadLetterWriter.Letter(message: messages[$0.index], reason: $0.reason) }
    let done: Bool? = untilDone(messages, &member) { () throws(DatabaseError) in
      guard let failure = deadLetters.write(&letters, until: .now() + .seconds(5)) else { return true }
      logger.warning("the dead-letter topic does not take messages", ["error": .string(failure)])
      return nil
    }
    return done ?? false
  }

  /// Tries again with backoff until it is done, serving the group meanwhile.
  /// - Returns: nil when the program stops, or when partitions of the batch went to another member.
  private func untilDone<Value>(
    _ messages: [ConsumedMessage], _ member: inout Member, _ body: () throws(DatabaseError) -> Value?
  ) -> Value? {
    var backoff = Backoff()
    let places = Set(messages.map(\.place))
    var isPaused = false
    defer { if isPaused { resume() } }
    while true {
      do throws(DatabaseError) {
        if let value = try body() {
          isDatabaseUp.store(true, ordering: .relaxed)
          return value
        }
      } catch {
        isDatabaseUp.store(error.code == .server, ordering: .relaxed)
        logger.warning("a batch is tried again", ["messages": .number(messages.count), "error": .error(error)])
      }
      isPaused = true
      guard let owned = serveGroup(for: backoff.nextDelay(), &member), places.isSubset(of: owned) else { return nil }
    }
  }

  // MARK: - Staying in the group

  /// Keeps the membership alive without taking messages.
  /// - Returns: the partitions still assigned; nil when the program stops.
  private func serveGroup(for pause: Duration, _ member: inout Member) -> Set<TopicPartition>? {
    if context.stop.isStopped { return nil }
    do throws(KafkaError) {
      try consumer.pause(try consumer.assignment())
      // Paused partitions give none; what a rebalance brings here has to come again.
      let early = try consumer.poll(max: 1, until: .now() + pause)
      giveUp(early, &member)
      return context.stop.isStopped ? nil : Set(try consumer.assignment())
    } catch {
      logger.warning("the consumer could not be paused", ["error": .error(error)])
      return context.stop.wait(until: .now() + pause) ? nil : Set((try? consumer.assignment()) ?? [])
    }
  }

  private func resume() {
    do throws(KafkaError) {
      try consumer.resume(try consumer.assignment())
    } catch {
      logger.warning("the consumer could not go on", ["error": .error(error)])
    }
  }

  /// Notes that these messages were taken and nothing came of them: their partitions must go back before the next poll.
  private func giveUp(_ messages: [ConsumedMessage], _ member: inout Member) {
    member.rewinds.merge(InventoryBatch.starts(of: messages)) { min($0, $1) }
  }

  /// Takes partitions back to messages that were given up. A partition that went to another member meanwhile starts
  /// where its stored offsets say, wherever it comes up again.
  /// - Returns: false when it has to be tried again before anything is polled.
  private func rewind(_ member: inout Member) -> Bool {
    guard !member.rewinds.isEmpty else { return true }
    do throws(KafkaError) {
      let owned = Set(try consumer.assignment())
      for (place, offset) in member.rewinds {
        if owned.contains(place) {
          try consumer.seek(
            [TopicPartitionOffset(place.topic, place.partition, offset)], until: .now() + .seconds(1))
        }
        member.rewinds[place] = nil
      }
      return true
    } catch {
      logger.warning("partitions could not go back yet", ["error": .error(error)])
      return false
    }
  }
}
