// A service that ships paid orders and takes returns. The whole of it is in docs/inbox.md.

internal import Inbox
internal import Kafka
internal import Logger
internal import Metrics
internal import Postgres
internal import Runtime
internal import Values

let signals = TerminationSignals()
guard CommandLine.arguments.count == 5 else {
  fatalError("usage: inbox-example DB_DSN KAFKA_BROKERS PAID_TOPIC RETURNS_TOPIC")
}
let logger = Logger(label: "shipping")
let metrics = MetricsRegistry()
let database = try DatabaseConfiguration(dsn: CommandLine.arguments[1], applicationName: "shipping")
let kafka = KafkaConfiguration(brokers: CommandLine.arguments[2], clientID: "shipping")

// 1. Our own table. Messages come at least once: the primary key makes the second time harmless.
try Connection.open(database, logger: logger).script(
  """
  CREATE TABLE IF NOT EXISTS parcel (
    order_id bigint, kind text, weight_g int NOT NULL CHECK (weight_g > 0), PRIMARY KEY (order_id, kind))
  """)

// 2. What a message is, and the transaction on a batch of messages.
struct Parcel {
  let order: Int64
  let weight: Int64
}

struct ParcelHandler: InboxHandler {
  enum Outcome: String, InboxOutcome {
    case stored
    case duplicate
  }

  let kind: String

  /// Messages look like `42 1500`: an order and a weight in grams.
  func sort(_ message: ConsumedMessage) -> InboxSorting<Parcel, Outcome> {
    let numbers = String(decoding: message.value ?? [], as: UTF8.self).split(separator: " ").map { Int64($0) }
    guard numbers.count == 2, let order = numbers[0], let weight = numbers[1] else {
      return .unusable(reason: "expected an order and a weight")
    }
    return .work(Parcel(order: order, weight: weight))
  }

  /// One statement is one transaction; several go into `connection.transaction`.
  func execute(_ parcels: [Parcel], on connection: Connection) throws(DatabaseError) -> [InboxResult<Outcome>] {
    let rows = try connection.run(
      Command(Self.insert, [.int64Array(parcels.map(\.order)), .text(kind), .int64Array(parcels.map(\.weight))]))
    var stored: Set<Int64> = []
    for row in rows { stored.insert(try row.int64(0)) }
    // When an order is twice in a batch, its first message is the one that was stored.
    return parcels.map { stored.remove($0.order) != nil ? .done(.stored) : .done(.duplicate) }
  }

  /// Only these errors are a message's fault. With any other the inbox waits until somebody has repaired the database.
  func reasonToRefuse(_ error: DatabaseError) -> String? {
    if error.constraint == "parcel_weight_g_check" { return "the weight must be above 0" }
    if error.sqlState == "22003" { return "the weight is too large" }
    return nil
  }

  private static let insert = Statement(
    """
    INSERT INTO parcel (order_id, kind, weight_g)
    SELECT order_id, $2, weight FROM unnest($1::bigint[], $3::bigint[]) parcel (order_id, weight)
    ON CONFLICT DO NOTHING RETURNING order_id
    """)
}

// 3. An inbox per topic. Any number of processes may run them; their group distributes the partitions.
let stop = StopFlag()
let inboxes = [("paid", CommandLine.arguments[3]), ("returns", CommandLine.arguments[4])].map { name, topic in
  InboxConsumer(
    InboxConfiguration(name: name, topic: topic, group: "shipping-\(topic)", deadLetterTopic: "\(topic).dlq"),
    kafka: kafka, database: database, logger: logger.labelled(name), metrics: metrics, stop: stop
  ) { _ in ParcelHandler(kind: name) }
}
for inbox in inboxes { try inbox.start() }
print("shipping")

// 4. Stop: batches in flight are finished, and their offsets are committed.
_ = signals.wait()
for inbox in inboxes { inbox.stop(until: .now() + .seconds(10)) }
print(metrics.exposition())
