internal import Admin
internal import ClientSettings
internal import Inbox
internal import Logger
internal import OutboxKafka
internal import Runtime
internal import Service
internal import Settings
internal import Synchronization
internal import Values

/// What needs the brokers: the reader of payments and the relay of results. Payments that are claimed go on without it.
final class ResultPipeline: ServicePart {
  private let relay: KafkaRelay
  private let inbox: InboxConsumer<InstructionHandler>
  private let kafka: KafkaSettings
  private let topics: [String]
  private let context: ProgramContext
  private let isRunning = Mutex(false)

  init(
    _ relay: KafkaRelay, _ inbox: InboxConsumer<InstructionHandler>, kafka: KafkaSettings, topics: [String],
    _ context: ProgramContext
  ) {
    self.relay = relay
    self.inbox = inbox
    self.kafka = kafka
    self.topics = topics
    self.context = context
  }

  /// Waits for the topics, then begins.
  func start() throws {
    let isThere = try kafka.waitForTopics(
      topics, program: context.program.name, logger: context.logger, stop: context.stop)
    guard isThere else { return }
    relay.start()
    try inbox.start()
    isRunning.withLock { $0 = true }
    context.logger.info("executing payments", ["topic": .string(topics[0])])
  }

  /// Ends the reading. The relay is stopped by `stopRelay`, once nothing writes results any more.
  func stop(until deadline: Instant) { inbox.stop(until: deadline) }

  func stopRelay(until deadline: Instant) { relay.stop(until: deadline) }

  /// Says that results were committed. Callable on any thread.
  func wake() { relay.wake() }

  /// Whether every result is published by this process, so that no other need be told of new ones.
  var ownsAllShards: Bool { relay.ownsAllShards }

  /// The state of what the pipeline depends on.
  var checks: [ReadinessReport.Check] {
    let waiting = isRunning.withLock { $0 } ? nil : "waiting for the topics \(topics.joined(separator: ", "))"
    return [
      ReadinessReport.Check(
        "kafka", isReady: relay.isConnected && (waiting != nil || inbox.isConnected),
        detail: "\(kafka.brokers), \(relay.ownedShards) shards owned"),
      ReadinessReport.Check("publishing", problem: waiting ?? relay.obstacle),
      ReadinessReport.Check("consuming", problem: waiting ?? inbox.consumingObstacle),
      ReadinessReport.Check("dead_letters", problem: waiting ?? inbox.buryingObstacle),
    ]
  }
}
