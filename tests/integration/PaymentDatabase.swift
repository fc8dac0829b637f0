import Foundation
import Logger
import Metrics
import Migrator
import Outbox
import OutboxSchema
import Postgres
import Runtime
import SagaDomain
import SagaStore
import Testing
import Values

/// A schema with our tables, and what writes to it.
struct PaymentDatabase: Sendable {
  let configuration: DatabaseConfiguration
  let transactions: PaymentTransactions
  let outbox: OutboxWriter

  /// Runs `body` with a migrated schema of its own.
  static func with(ttl: Duration? = nil, _ body: (PaymentDatabase) async throws -> Void) async throws {
    try await TestDatabase.withSchemaAsync { schema in
      let configuration = try TestDatabase.configuration(schema: schema)
      let outbox = OutboxWriter(TestDatabase.outbox, shards: ShardMap(count: 64))
      let transactions = PaymentTransactions(outbox: outbox, topic: "payment", ttl: ttl)
      let database = PaymentDatabase(configuration: configuration, transactions: transactions, outbox: outbox)
      _ = try database.migrator(configuration).up()
      let line = try OutboxSchema.line("test.outbox", of: TestDatabase.outbox, inherited: 1)
      _ = try Migrator(configuration: configuration, line: line, logger: TestDatabase.quiet).up()
      try await body(database)
    }
  }

  /// The folder of the saga's migrations.
  static let migrations = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
    "../../migrations/saga"
  ).path

  func migrator(_ configuration: DatabaseConfiguration) throws -> Migrator {
    Migrator(
      configuration: configuration,
      line: MigrationLine(name: "saga", migrations: try MigrationSet(directory: Self.migrations)),
      logger: TestDatabase.quiet)
  }

  func connect() throws -> Connection { try Connection.open(configuration, logger: TestDatabase.quiet) }

  func pool(_ size: Int, metrics: MetricsRegistry = MetricsRegistry()) -> ConnectionPool {
    ConnectionPool(
      configuration: configuration, size: size, queueLimit: 10_000, name: "test", logger: TestDatabase.quiet,
      metrics: metrics)
  }

  /// Opens payments for these orders, each with its first event.
  func create(orders: some Sequence<Int64>) throws {
    let commands = try orders.map { try CreateCommand(orderID: $0) }
    for outcome in try transactions.create(commands, on: try connect()) { _ = try outcome.get() }
  }
}

/// Runs what blocks on a thread of its own, so that the test's pool is never blocked.
func blocking<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
  try await withCheckedThrowingContinuation { continuation in
    _ = WorkerThread(name: "blocking") { continuation.resume(with: Result(catching: body)) }
  }
}
