import DirectDomain
import GatewayDomain
import Metrics
import Postgres
import Runtime
import Testing
import Values

@testable import GatewayStore

@Suite("Payments that nobody claims", .needsDatabase)
struct CreatedWatchTests {
  @Test func `the oldest payment that nobody has claimed has its age in a metric`() async throws {
    try await GatewayDatabase.with { database in
      try await database.withIntake { intake in
        let first = try await intake.take(try GatewayDatabase.request()).paymentID
        let second = try await intake.take(try GatewayDatabase.request()).paymentID
        let third = try await intake.take(try GatewayDatabase.request()).paymentID
        let connection = try database.connect()
        try connection.script(
          "UPDATE payment SET created_at = created_at - CASE id WHEN '\(first)' THEN 300 ELSE 200 END * interval '1 s'")
        let metrics = MetricsRegistry()
        let watch = CreatedWatch(
          database.tables,
          SerialConnection(try TestDatabase.configuration(), logger: TestDatabase.quiet, stop: StopFlag()),
          logger: TestDatabase.quiet, metrics: metrics)
        func look(after seconds: Int64) throws -> Double {
          #expect(try !watch.look(now: .now() + .seconds(seconds), on: connection))
          return watch.oldestSeconds
        }
        #expect(try look(after: 0) == 0)
        // Only what is older than a minute counts.
        #expect(try look(after: 61) >= 300)
        #expect(metrics.exposition().contains("gateway_oldest_created_seconds 3"))
        _ = try database.take([GatewayDatabase.result(first, 2, .processing)])
        #expect((200..<300).contains(try look(after: 61)))
        _ = try database.take([second, third].map { GatewayDatabase.result($0, 2, .processing) })
        #expect(try look(after: 61) == 0)
      }
    }
  }
}
