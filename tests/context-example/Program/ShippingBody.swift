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
    database = ProgramDatabase(settings.database, program: context.program.name)
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
    let pool = ConnectionPool(
      configuration: try database.indexed(role: "relay"), size: 3, queueLimit: 64, name: "relay",
      logger: context.logger, metrics: context.metrics)
    let rules = try RelayConfiguration(owner: context.instance)
    let publisher = try KafkaEventPublisher(
      settings.kafka.configuration(clientID: "\(context.program.name)-relay"), deliveryTimeout: rules.deliveryTimeout,
      topics: [settings.topic], logger: context.logger)
    let relay = Relay(
      tables: ShippingSchema.outbox, configuration: rules, pool: pool, publisher: publisher, logger: context.logger,
      metrics: context.metrics)
    let inbox = try makeInbox(shards) { relay.wake() }
    let probe = try database.startWriteProbe(tables: ShippingSchema.written, logger: context.logger)
    // They start in this order and stop in reverse.
    return ProgramParts(
      [
        .part(pool), .part(stop: { _ in publisher.close() }), .part(relay), .part(try makeCare(shards, relay)),
        .part(probe), .part(inbox),
      ],
      checks: { [database] in
        [
          ReadinessReport.Check(
            "postgres", isReady: inbox.hasDatabase && pool.isHealthy, problem: database.writes.problem),
          ReadinessReport.Check("kafka", isReady: inbox.isConnected && publisher.isConnected),
          ReadinessReport.Check("consuming", problem: inbox.consumingObstacle),
          ReadinessReport.Check("dead_letters", problem: inbox.buryingObstacle),
          ReadinessReport.Check("publishing", problem: publisher.obstacle),
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

  /// Makes and drops the days of the outbox.
  private func makeCare(_ shards: ShardMap, _ relay: Relay) throws -> OutboxCare {
    var configuration = try database.configuration(
      role: OutboxCare.role(of: ShippingSchema.outbox), isDirect: true, parameters: DayCare.limits)
    configuration.monitor = nil
    return OutboxCare(
      tables: ShippingSchema.outbox, shards: shards, configuration: configuration, relay: relay,
      retention: .seconds(7 * 86_400), logger: context.logger, metrics: context.metrics, stop: context.stop)
  }
}
