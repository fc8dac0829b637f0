internal import Admin
internal import ClientSettings
internal import GatewaySettings
internal import GatewayStore
internal import Inbox
internal import Logger
internal import ProcessingSettings
internal import Runtime
internal import Service
internal import Settings
internal import Values

extension GatewayBody {
  /// The readers of the topics for dead letters.
  func makeDeadLetters() throws -> DeadLetterReaders {
    let topics = [settings.topics.payments, settings.topics.results].map { DirectTopics.deadLetters(of: $0) }
    let names = ["payment_dead_letters", "result_dead_letters"]
    let inboxes = try zip(names, topics).map { name, topic in
      InboxConsumer(
        // None of them is unusable, so that nothing is written back.
        InboxConfiguration(
          name: name, topic: topic, group: settings.topics.deadLetterGroup, deadLetterTopic: topic, batch: 100),
        kafka: settings.kafka.configuration(clientID: context.program.name),
        database: try database.indexed(role: "dead-letters"), logger: context.logger.labelled("dead-letters"),
        metrics: context.metrics, stop: context.stop
      ) { _ in DeadLetterHandler(Self.tables) }
    }
    return DeadLetterReaders(inboxes) { [settings, context] in
      try settings.kafka.waitForTopics(
        topics, program: context.program.name, logger: context.logger, stop: context.stop)
    }
  }
}

/// Keeps dead letters as rows, once their topics are there.
final class DeadLetterReaders: ServicePart {
  private let inboxes: [InboxConsumer<DeadLetterHandler>]
  private let waitForTopics: @Sendable () throws -> Bool

  init(_ inboxes: [InboxConsumer<DeadLetterHandler>], waitForTopics: @escaping @Sendable () throws -> Bool) {
    self.inboxes = inboxes
    self.waitForTopics = waitForTopics
  }

  func start() throws {
    guard try waitForTopics() else { return }
    for inbox in inboxes { try inbox.start() }
  }

  /// What keeps letters from being kept.
  var check: ReadinessReport.Check {
    ReadinessReport.Check("dead_letters", problem: inboxes.lazy.compactMap(\.consumingObstacle).first)
  }

  func stop(until deadline: Instant) { for inbox in inboxes { inbox.stop(until: deadline) } }
}
