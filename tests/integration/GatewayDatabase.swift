import Cards
import DirectDomain
import GatewayDomain
import GatewaySchema
import GatewayStore
import Inbox
import Logger
import Metrics
import Migrator
import Outbox
import Postgres
import Runtime
import Testing
import Values

/// A schema with the gateway's tables, and what works on them as the program has it.
struct GatewayDatabase: Sendable {
  static let requestKeys = try! CardFingerprintKeys("test:\(String(repeating: "5a6b", count: 16))")
  static let merchant = UniqueID(high: 9, low: 9)

  let schema: String
  let tables: GatewayTables
  let keys: GatewayKeys
  let outbox: OutboxTables
  let clock: TestClock?
  let readers: ConnectionPool
  let reader: PaymentReader

  /// Runs `body` with a migrated schema of its own.
  static func with(clock: TestClock? = nil, _ body: (GatewayDatabase) async throws -> Void) async throws {
    try await TestDatabase.withSchemaAsync { schema in
      let database = try GatewayDatabase(schema, clock)
      let result: Result<Void, any Error>
      do { result = .success(try await body(database)) } catch { result = .failure(error) }
      try await blocking { database.readers.stop() }
      try result.get()
    }
  }

  private init(_ schema: String, _ clock: TestClock?) throws {
    self.schema = schema
    self.clock = clock
    tables = GatewayTables(schema: schema)
    if let clock {
      keys = GatewayKeys(tables) { clock.now }
    } else {
      keys = GatewayKeys(tables)
    }
    outbox = try OutboxTables(schema: schema, channel: "test_gateway")
    for line in try GatewaySchema.lines(schema: schema, outbox: outbox) {
      try Migrator(configuration: TestDatabase.configuration(), line: line, logger: TestDatabase.quiet).up()
    }
    readers = try Self.pool(schema, nil)
    reader = PaymentReader(tables, readers: readers, scanners: readers)
  }

  static func pool(_ schema: String, _ forwarder: TCPForwarder?) throws -> ConnectionPool {
    ConnectionPool(
      configuration: try TestDatabase.configuration(
        schema: schema, port: forwarder?.port, parameters: ["lock_timeout": "20s"]), size: 2, queueLimit: 1_024,
      name: "test", logger: TestDatabase.quiet, metrics: MetricsRegistry())
  }

  func connect() throws -> Connection { try TestDatabase.open(schema: schema) }

  /// Runs `body` with an intake as a process has it.
  func withIntake<Value>(
    through forwarder: TCPForwarder? = nil, keys: CardFingerprintKeys = requestKeys,
    _ body: (PaymentIntake) async throws -> Value
  ) async throws -> Value {
    let pool = try Self.pool(schema, forwarder)
    let intake = PaymentIntake(
      tables, keys: self.keys, requestKeys: keys, outbox: OutboxWriter(outbox, shards: ShardMap(count: 64)),
      topic: "direct.payments", output: Self.output, writers: pool, readers: readers, logger: TestDatabase.quiet,
      metrics: MetricsRegistry(), onCommit: {})
    intake.start()
    let result: Result<Value, any Error>
    do { result = .success(try await body(intake)) } catch { result = .failure(error) }
    try await blocking {
      intake.stop(until: .distantFuture)
      pool.stop()
    }
    return try result.get()
  }

  /// What readers of older systems are told.
  static let output: SurfaceOutput = {
    var topics = SurfaceTopics()
    (topics.payments, topics.results) = ("payments", "paymentsResults")
    (topics.statuses, topics.requests) = ("status-payments", "payment_request")
    return SurfaceOutput(topics)
  }()

  /// The updater's handler.
  func handler(onChange: @escaping @Sendable ([UniqueID]) -> Void = { _ in }) -> ResultHandler {
    ResultHandler(
      tables, outbox: OutboxWriter(outbox, shards: ShardMap(count: 64)), output: Self.output, onChange: onChange)
  }

  /// Takes results in, as the updater does.
  func take(_ results: [PaymentResult]) throws -> [ResultOutcome] {
    try handler().execute(results, on: connect()).map {
      (result: InboxResult<ResultOutcome>) throws -> ResultOutcome in
      switch result {
      case .done(let outcome): return outcome
      case .unusable: throw Unexpected()
      }
    }
  }

  struct Unexpected: Error {}

  /// Every row of every table, as text.
  func dump() throws -> String { try connect().rows(of: schema) }

  // MARK: - Requests

  static func request(
    method: String = #"{"type":"account","number":"40817810099910004312"}"#, amount: Int = 1_999, order: Int64? = nil,
    user: UniqueID = UniqueID(high: 1, low: 1), others: String = ""
  ) throws -> PaymentRequest {
    let order = order.map { ",\"order_id\":\($0)" } ?? ""
    let text =
      "{\"user_id\":\"\(user)\",\"amount\":\(amount),\"currency\":\"EUR\",\"method\":\(method)\(order)\(others)}"
    return try PaymentRequest(Array(text.utf8), rules: PaymentRequest.Rules(merchant: merchant), now: .now())
  }

  static func card(cvv: String = "123", amount: Int = 1_999) throws -> PaymentRequest {
    try request(
      method: "{\"type\":\"card\",\"card\":{\"number\":\"4242424242424242\",\"exp_month\":12,\"exp_year\":2040,"
        + "\"cvv\":\"\(cvv)\"}}", amount: amount)
  }

  /// An API key.
  static let shop = UniqueID(high: 8, low: 8)

  static func key(_ text: String, of apiKey: UniqueID? = nil) -> RequestKey {
    RequestKey(apiKeyID: apiKey, route: "POST /v1/payments", text: text)
  }

  static func result(
    _ id: UniqueID, _ version: Int64, _ state: PaymentState, _ reason: PaymentReason? = nil, at: Timestamp = .now()
  ) -> PaymentResult {
    PaymentResult(paymentID: id, version: version, state: state, reason: reason, occurredAt: at)
  }
}

extension PaymentIntake {
  /// With the patience of a test.
  func take(_ request: PaymentRequest, _ key: String? = nil) async throws(GatewayStoreError) -> CreatedPayment {
    try await create(request, key: key.map { GatewayDatabase.key($0) }, deadline: .now() + .seconds(30))
  }
}
