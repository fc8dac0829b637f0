import DirectDomain
import GatewayDomain
import Postgres
import Runtime
import Testing
import Values

@testable import GatewayStore

@Suite("The life of keys", .needsDatabase)
struct KeyCareTests {
  /// Days of a key whose payment is not final: every third day it becomes a key of today.
  @Test func `a key lives until a day after its payment is final`() async throws {
    let clock = try TestClock("2026-03-01 23:30Z")
    try await GatewayDatabase.with(clock: clock) { database in
      try await database.withIntake { intake in
        let open = try await intake.take(try GatewayDatabase.request(), "open")
        let final = try await intake.take(try GatewayDatabase.request(), "final")
        let recent = try await intake.take(try GatewayDatabase.request(), "recent")
        let day = Duration.seconds(86_400)
        _ = try database.take([
          GatewayDatabase.result(open.paymentID, 2, .unknown, .bankUnclear, at: clock.now + .seconds(60)),
          GatewayDatabase.result(final.paymentID, 2, .completed, at: clock.now + .seconds(60)),
          GatewayDatabase.result(recent.paymentID, 2, .completed, at: clock.now + .seconds(86_400 * 2)),
        ])
        let care = KeyCare(
          database.tables, keys: database.keys, configuration: try TestDatabase.configuration(),
          logger: TestDatabase.quiet, stop: StopFlag())
        let connection = try database.connect()
        let other = KeyCare(
          database.tables, keys: database.keys, configuration: try TestDatabase.configuration(),
          logger: TestDatabase.quiet, stop: StopFlag())
        // Too young.
        clock.advance(by: .seconds(3_600))
        #expect(try care.care(on: connection).moved == 0)
        clock.advance(by: day + day)
        // While another is at it, nothing counts as done.
        let rival = try database.connect()
        try rival.run([
          .begin,
          Command(
            Statement(
              "SELECT pg_advisory_xact_lock(hashtextextended('key care',"
                + " '\(database.schema).idempotency_key'::regclass::bigint))")),
        ])
        let pass = try care.care(on: connection)
        #expect(pass.moved == 0 && !pass.isComplete)
        try rival.run(.rollback)
        #expect(try care.care(on: connection).moved == 2)
        #expect(try care.care(on: connection).moved == 0)
        // After a start a day is passed again, and has nothing to move.
        #expect(try other.care(on: connection).moved == 0)
        #expect(try connection.int("SELECT count(*) FROM idempotency_key") == 3)
        clock.advance(by: day)
        // The third day is over for the key that was not moved.
        #expect(try await intake.take(try GatewayDatabase.request(), "open").body == open.body)
        #expect(try await intake.take(try GatewayDatabase.request(), "recent").isReplay)
        #expect(try await !intake.take(try GatewayDatabase.request(), "final").isReplay)
        clock.advance(by: day + day)
        #expect(try care.care(on: connection).moved >= 1)
        clock.advance(by: day)
        #expect(try await intake.take(try GatewayDatabase.request(), "open").isReplay)
      }
    }
  }
}
