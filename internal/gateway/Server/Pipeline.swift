internal import Admin
internal import ClientSettings
internal import GatewayStore
internal import Inbox
internal import Logger
internal import OutboxKafka
internal import Runtime
internal import Synchronization
internal import Values

/// What needs the brokers: the relay of the payments that wait for a processor, and the reader of results. Payments are
/// taken in and shown without it.
final class Pipeline: ServicePart {
  private let relay: KafkaRelay
  private let inbox: InboxConsumer<ResultHandler>
  private let kafka: KafkaSettings
  private let topics: [String]
  private let program: String
  private let logger: Logger
  private let stopFlag: StopFlag
  private let isRunning = Mutex(false)

  init(
    _ relay: KafkaRelay, _ inbox: InboxConsumer<ResultHandler>, kafka: KafkaSettings, topics: [String],
    program: String, logger: Logger, stop: StopFlag
  ) {
    self.relay = relay
    self.inbox = inbox
    self.kafka = kafka
    self.topics = topics
    self.program = program
    self.logger = logger
    stopFlag = stop
  }

  /// Waits for the topics, then begins.
  func start() throws {
    guard try kafka.waitForTopics(topics, program: program, logger: logger, stop: stopFlag) else { return }
    relay.start()
    try inbox.start()
    isRunning.withLock { $0 = true }
    logger.info("publishing payments and reading results")
  }

  func stop(until deadline: Instant) {
    inbox.stop(until: deadline)
    relay.stop(until: deadline)
  }

  /// Says that payments were taken in. Callable on any thread.
  func wake() { relay.wake() }

  /// Whether every payment is published by this process.
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
