public import Kafka
public import Logger
public import Metrics
public import Outbox
public import Postgres
public import Runtime
public import Tracing
public import Values

/// A relay that publishes to Kafka, with what it needs: connections, a producer, and the care of its outbox's tables.
/// One part of a program, for any context.
public final class KafkaRelay: ServicePart {
  private let topics: [String]
  private let pool: ConnectionPool
  private let publisher: KafkaEventPublisher
  private let relay: Relay
  private let care: OutboxCare

  /// Prepares the relay; the tables must be there.
  /// - Parameters:
  ///   - tables: the outbox.
  ///   - shards: how its keys are spread.
  ///   - topics: the topics of its events; events of one that is not there wait for it.
  ///   - database: sessions of the relay, which get index plans only.
  ///   - careDatabase: a session past PgBouncer, with the application name `OutboxCare.role` and the parameters
  ///     `DayCare.limits`.
  ///   - kafka: the brokers.
  ///   - retention: how long published events are kept.
  ///   - others: further tables of the context with a partition a day.
  ///   - tracer: records the publication of events that belong to a recorded trace.
  ///   - stop: ends waits for the database.
  /// - Throws: `KafkaError` `.invalidConfiguration`.
  public init(
    _ tables: OutboxTables, shards: ShardMap, topics: [String], _ configuration: RelayConfiguration,
    database: DatabaseConfiguration, careDatabase: DatabaseConfiguration, kafka: KafkaConfiguration,
    retention: Duration, others: [DayCare.Table] = [], logger: Logger, metrics: MetricsRegistry,
    tracer: Tracer = .off, stop: StopFlag
  ) throws(KafkaError) {
    self.topics = topics
    pool = ConnectionPool(
      configuration: database, size: 3, queueLimit: 64, name: tables.schema.map { "relay_\($0)" } ?? "relay",
      logger: logger, metrics: metrics)
    let publisher = try KafkaEventPublisher(
      kafka, deliveryTimeout: configuration.deliveryTimeout, topics: topics, logger: logger)
    self.publisher = publisher
    KafkaClientGauges.register(metrics, client: kafka.clientID, isProducer: true) { [weak publisher] in
      publisher?.statistics
    }
    relay = Relay(
      tables: tables, configuration: configuration, pool: pool, publisher: publisher, logger: logger, metrics: metrics,
      tracer: tracer)
    var careDatabase = careDatabase
    // A refusal of the care's statements says nothing about whether events can be written.
    careDatabase.monitor = nil
    care = OutboxCare(
      tables: tables, shards: shards, configuration: careDatabase, relay: relay, retention: retention, others: others,
      logger: logger, metrics: metrics, stop: stop)
  }

  /// Begins to publish.
  public func start() {
    // First, so that today's tables are there, as a rule, before the first event is done.
    care.start()
    for topic in topics { publisher.warmUp(topic: topic) }
    relay.start()
  }

  /// Finishes what is in flight and gives the leases back; the relay gets a second for that in any case.
  public func stop(until deadline: Instant) {
    // First, so that a care that waits for a lock keeps no lease from being given back.
    relay.stop(until: max(deadline, .now() + .seconds(1)))
    care.stop(until: deadline)
    publisher.close()
    pool.stop(until: deadline)
  }

  /// Tells the relay that events were committed, in this process or, as the channel of the outbox says, in another.
  /// Callable on any thread.
  public func wake() { relay.wake() }

  /// Whether every event is published by this process, so that no other has to be told of new ones.
  public var ownsAllShards: Bool { relay.ownsAllShards }

  /// Whether this process does what one does for all: exactly one live relay of the outbox holds the first shard.
  public var isHousekeeper: Bool { relay.isHousekeeper }

  /// The number of shards whose leases this process holds.
  public var ownedShards: Int { relay.ownedShards }

  /// Whether the relay has a connection to the database.
  public var hasDatabase: Bool { pool.isHealthy }

  /// The state of the relay's connections in words.
  public var databaseDescription: String { pool.stateDescription }

  /// Whether a broker is connected.
  public var isConnected: Bool { publisher.isConnected }
  /// Why no broker is connected; nil while one is, and while nothing is known.
  public var connectionProblem: String? { publisher.connectionProblem }

  /// What keeps events from being published although a broker is connected; nil when nothing is known to.
  public var obstacle: String? {
    publisher.obstacle.flatMap { $0.reason == .brokerRefuses ? $0.words : nil }
  }
}
