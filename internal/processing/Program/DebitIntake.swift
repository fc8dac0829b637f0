internal import Admin
internal import ClientSettings
internal import Inbox
internal import LedgerStore
internal import Logger
internal import Outbox
internal import ProcessingDebits
internal import ProcessingSchema
internal import ProcessingSettings
internal import Runtime
internal import Service
internal import Settings
internal import Tracing
internal import Values

/// The reader of debits that are commanded by message; the program does the rest of its work without it.
final class DebitIntake: ServicePart {
  private let inbox: InboxConsumer<DebitHandler>
  private let kafka: KafkaSettings
  private let topics: TopicWait
  private let topic: String
  private let context: ProgramContext

  /// - Parameters:
  ///   - options: with a topic.
  ///   - onCommit: called after commits that wrote results.
  init(
    _ options: DebitOptions, kafka: KafkaSettings, database: ProgramDatabase, shards: ShardMap, batch: Int,
    _ context: ProgramContext, onCommit: @escaping @Sendable () -> Void
  ) throws {
    let deadLetters = DirectTopics.deadLetters(of: options.topic)
    let store = DebitStore(
      ledger: LedgerStore(), outbox: OutboxWriter(ProcessingSchema.outbox, shards: shards), topic: options.results)
    self.kafka = kafka
    self.context = context
    topics = TopicWait([options.topic, deadLetters])
    topic = options.topic
    inbox = InboxConsumer(
      InboxConfiguration(
        name: "debits", topic: options.topic, group: options.group, deadLetterTopic: deadLetters, batch: batch),
      kafka: kafka.configuration(clientID: context.program.name),
      // As for steps: a row that somebody holds makes the batch come again, and does not keep it for ever.
      database: try database.indexed(role: "debits", lockTimeout: .seconds(5)),
      logger: context.logger.labelled("debits"), metrics: context.metrics, stop: context.stop
    ) { [tracer = context.tracer] _ in
      DebitHandler(store, unit: options.unit, tracer: tracer, onCommit: onCommit)
    }
  }

  /// Waits for the topics, then begins.
  func start() throws {
    let isThere = try topics.run(kafka, program: context.program.name, logger: context.logger, stop: context.stop)
    guard isThere else { return }
    try inbox.start()
    context.logger.info("carrying out debits", ["topic": .string(topic)])
  }

  func stop(until deadline: Instant) { inbox.stop(until: deadline) }

  /// The state of what it depends on.
  var checks: [ReadinessReport.Check] {
    let waiting = topics.problem
    return [
      ReadinessReport.Check("debits", problem: waiting ?? inbox.consumingObstacle),
      ReadinessReport.Check("debit_dead_letters", problem: waiting ?? inbox.buryingObstacle),
    ]
  }
}
