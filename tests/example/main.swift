// A service that ships orders and says so through the outbox. The whole of it is in docs/outbox.md.

internal import Kafka
internal import Logger
internal import Metrics
internal import Migrator
internal import Outbox
internal import OutboxKafka
internal import OutboxSchema
internal import Postgres
internal import Runtime
internal import Values

let signals = TerminationSignals()
guard CommandLine.arguments.count == 4 else {
  print("usage: outbox-example DB_DSN KAFKA_BROKERS TOPIC")
  throw OutboxError(.configuration, "three arguments are needed")
}
let logger = Logger(label: "shipping")
let metrics = MetricsRegistry()
let database = try DatabaseConfiguration(dsn: CommandLine.arguments[1], applicationName: "shipping")
let topic = CommandLine.arguments[3]

// 1. The outbox's tables in a schema of our own, and a table of ours.
let tables = try OutboxTables(schema: "shipping", channel: "shipping_outbox")
try Migrator(
  configuration: database, line: try OutboxSchema.line("shipping.outbox", of: tables), logger: logger
).up()
let connection = try Connection.open(database, logger: logger)
try connection.script("CREATE TABLE IF NOT EXISTS shipment (order_id bigint PRIMARY KEY, version bigint NOT NULL)")
let shards = try ShardMap.load(tables, on: connection)
let outbox = OutboxWriter(tables, shards: shards)

// 2. The relay, with a session of its own for the care of the tables. Any number of processes may run one.
let relay = try KafkaRelay(
  tables, shards: shards, topics: [topic], try RelayConfiguration(owner: "shipping-\(UniqueID.random())"),
  database: database,
  careDatabase: try DatabaseConfiguration(
    dsn: CommandLine.arguments[1], applicationName: "shipping \(OutboxCare.role(of: tables))",
    parameters: DayCare.limits),
  kafka: KafkaConfiguration(brokers: CommandLine.arguments[2], clientID: "shipping"), retention: .seconds(7 * 86_400),
  logger: logger, metrics: metrics, stop: StopFlag())
relay.start()

// 3. A change and its event in one transaction, as an async handler makes them: the pool's threads wait for the
//    database, and Swift's own never do. The row of the key is written first, so that the events of an order are
//    numbered in the order in which they commit; the version is the event's number.
struct Shipping: Sendable {
  let pool: ConnectionPool
  let outbox: OutboxWriter
  let topic: String

  private static let ship = Statement(
    """
    INSERT INTO shipment VALUES ($1, 1) ON CONFLICT (order_id) DO UPDATE SET version = shipment.version + 1
    RETURNING version
    """)

  func ship(_ order: Int64) async throws(DatabaseError) {
    try await pool.withConnection(deadline: .now() + .seconds(5)) { connection throws(DatabaseError) in
      try connection.transaction { (connection) throws(DatabaseError) in
        let version = try connection.run(Command(Self.ship, [.int64(order)])).only.int64(0)
        let event = NewEvent(
          eventID: .random(), key: String(order), sequence: version, topic: topic,
          payload: Array("{\"order_id\":\(order),\"shipped\":true}".utf8), type: "shipping.order.shipped",
          source: "/shipping")
        try connection.run(outbox.insert([event]))
      }
    }
  }
}

let pool = ConnectionPool(
  configuration: database, size: 4, queueLimit: 1_000, name: "shipping", logger: logger, metrics: metrics)
let shipping = Shipping(pool: pool, outbox: outbox, topic: topic)
// Not with `await` up here: the runtime would start threads before the first line has kept signals from them.
Task.detached { [shipping, relay, logger] in
  do throws(DatabaseError) {
    for order: Int64 in [1, 2, 3, 1] {
      try await shipping.ship(order)
      relay.wake()
    }
    logger.info("shipped")
  } catch {
    logger.error("not shipped", ["error": .error(error)])
  }
}

// 4. Stop: what is with the producer is awaited, and the leases are given back.
_ = signals.wait()
relay.stop(until: .now() + .seconds(10))
pool.stop(until: .now() + .seconds(10))
