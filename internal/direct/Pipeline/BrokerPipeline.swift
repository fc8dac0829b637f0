public import Admin
public import ClientSettings
public import Inbox
internal import Kafka
public import OutboxKafka
public import Runtime
public import Service
internal import Settings
public import Values

/// What needs the brokers: the relay of what a program writes for others, and its reader of what others wrote. The
/// program does the rest of its work without it.
public final class BrokerPipeline<Handler: InboxHandler>: ServicePart {
  private let relay: KafkaRelay
  private let inbox: InboxConsumer<Handler>
  private let kafka: KafkaSettings
  private let topics: TopicWait
  private let context: ProgramContext
  private let onStart: @Sendable () -> Void
  private let groups: GroupWatch

  /// - Parameters:
  ///   - topics: what has to be there before either begins.
  ///   - others: the groups of the program at the other end, which cannot tell how far they are behind when it is down.
  ///   - onStart: called once, when both have begun.
  public init(
    _ relay: KafkaRelay, _ inbox: InboxConsumer<Handler>, kafka: KafkaSettings, topics: [String],
    others: [(group: String, topic: String)], _ context: ProgramContext, onStart: @escaping @Sendable () -> Void
  ) {
    self.relay = relay
    self.inbox = inbox
    self.kafka = kafka
    self.topics = TopicWait(topics)
    self.context = context
    self.onStart = onStart
    let watched = others.map { GroupWatch.Group($0.group, on: $0.topic) }
    groups = GroupWatch(
      watched, kafka: kafka.configuration(clientID: "\(context.program.name)-groups"), logger: context.logger
    ) { [weak relay] in relay?.isHousekeeper ?? false && relay?.isConnected ?? false }
    groups.register(context.metrics, watched)
  }

  /// Waits for the topics, then begins.
  /// - Throws: what the wait and `InboxConsumer.start` throw.
  public func start() throws {
    let isThere = try topics.run(kafka, program: context.program.name, logger: context.logger, stop: context.stop)
    guard isThere else { return }
    relay.start()
    try inbox.start()
    groups.start()
    onStart()
  }

  /// Ends the reading. The relay is stopped by `stopRelay`, once nothing is written any more.
  public func stop(until deadline: Instant) { inbox.stop(until: deadline) }

  /// Ends the publishing.
  public func stopRelay(until deadline: Instant) {
    relay.stop(until: deadline)
    groups.stop(until: deadline)
  }

  /// Says that events were committed. Callable on any thread.
  public func wake() { relay.wake() }

  /// Whether every event is published by this process, so that no other need be told of new ones.
  public var ownsAllShards: Bool { relay.ownsAllShards }

  /// The state of what the pipeline depends on.
  public var checks: [ReadinessReport.Check] {
    let waiting = topics.problem
    return [
      ReadinessReport.Check(
        "kafka", isReady: relay.isConnected && (waiting != nil || inbox.isConnected),
        problem: relay.connectionProblem ?? inbox.connectionProblem,
        detail: "\(kafka.brokers), \(relay.ownedShards) shards owned"),
      ReadinessReport.Check("publishing", problem: waiting ?? relay.obstacle),
      ReadinessReport.Check("consuming", problem: waiting ?? inbox.consumingObstacle),
      ReadinessReport.Check("dead_letters", problem: waiting ?? inbox.buryingObstacle),
    ]
  }
}
