import Admin
import ClientSettings
import Inbox
import Kafka
import Logger
import Outbox
import OutboxKafka
import Postgres
import Runtime
import Service
import Settings
import Values

/// The inside of the program: waits for what its parts need, and lists them.
final class ShippingBody: ProgramBody {
  private let settings: ShippingSettings
  private let database: ProgramDatabase
  private let context: ProgramContext

  init(_ settings: ShippingSettings, _ context: ProgramContext) {
    self.settings = settings
    self.context = context
    database = ProgramDatabase(settings.database, program: context.program.name, metrics: context.metrics)
  }

  /// There is no API.
  var neededForAPI: Set<String>? { nil }

  func reload() { context.logger.info("SIGHUP: nothing to reload") }

  func assemble() throws -> ProgramParts {
    let shards = try ShippingSchema.wait(
      try database.configuration(role: "start-up"), logger: context.logger, stop: context.stop)
    let topics = [settings.paymentTopic, settings.deadLetterTopic, settings.topic]
    _ = try settings.kafka.waitForTopics(
      topics, program: context.program.name, logger: context.logger, stop: context.stop)
    let relay = try makeRelay(shards)
    let inbox = try makeInbox(shards) { relay.wake() }
    let probe = try database.startWriteProbe(tables: ShippingSchema.written, logger: context.logger)
    // They start in this order and stop in reverse.
    return ProgramParts(
      [.part(relay), .part(probe), .part(inbox)],
      checks: { [database] in
        [
          ReadinessReport.Check(
            "postgres", isReady: inbox.hasDatabase && relay.hasDatabase, problem: database.writes.problem),
          ReadinessReport.Check("kafka", isReady: inbox.isConnected && relay.isConnected),
          ReadinessReport.Check("consuming", problem: inbox.consumingObstacle),
          ReadinessReport.Check("dead_letters", problem: inbox.buryingObstacle),
          ReadinessReport.Check("publishing", problem: relay.obstacle),
        ]
      })
  }

  private func makeInbox(
    _ shards: ShardMap, onCommit: @escaping @Sendable () -> Void
  ) throws -> InboxConsumer<ShipmentHandler> {
    let topic = settings.topic
    return InboxConsumer(
      InboxConfiguration(
        name: "shipping", topic: settings.paymentTopic, group: settings.group,
        deadLetterTopic: settings.deadLetterTopic),
      kafka: settings.kafka.configuration(clientID: context.program.name),
      database: try database.indexed(role: "inbox"), logger: context.logger.labelled("inbox"),
      metrics: context.metrics, stop: context.stop
    ) { _ in
      ShipmentHandler(
        outbox: OutboxWriter(ShippingSchema.outbox, shards: shards), topic: topic, onCommit: onCommit)
    }
  }

  /// The relay of the outbox, with the care of its tables.
  private func makeRelay(_ shards: ShardMap) throws -> KafkaRelay {
    try KafkaRelay(
      ShippingSchema.outbox, shards: shards, topics: [settings.topic],
      try RelayConfiguration(owner: context.instance), database: try database.indexed(role: "relay"),
      careDatabase: try database.configuration(
        role: OutboxCare.role(of: ShippingSchema.outbox), isDirect: true, parameters: DayCare.limits),
      kafka: settings.kafka.configuration(clientID: "\(context.program.name)-relay"),
      retention: .seconds(7 * 86_400), logger: context.logger, metrics: context.metrics, stop: context.stop)
  }
}
