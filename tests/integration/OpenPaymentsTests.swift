import Postgres
import SagaDomain
import Testing
import Values

@testable import SagaStore

@Suite("Open payments", .needsDatabase)
struct OpenPaymentsTests {
  private static let day = Duration.seconds(86_400)

  /// Payments that were made so many seconds ago.
  private func insert(_ payments: [(order: Int64, status: String, age: Int)], on connection: Connection) throws {
    for payment in payments {
      try connection.script(
        """
        INSERT INTO payment (order_id, status, created_at, expires_at)
        SELECT \(payment.order), '\(payment.status)', t.at, t.at + interval '1 day'
        FROM (SELECT now() - interval '\(payment.age) s' AS at) t
        """)
    }
  }

  private func seconds(_ finding: OpenPayments.Finding) -> Int? {
    if case .oldest(let age) = finding { Int(age.inSeconds) } else { nil }
  }

  @Test func theOldestIsFoundPageByPage() async throws {
    try await PaymentDatabase.with { database in
      let connection = try database.connect()
      var open = OpenPayments(timeToLive: Self.day, page: 3)
      #expect(try open.look(on: connection) == .none)

      open = OpenPayments(timeToLive: Self.day, page: 3)
      try insert((1...7).map { ($0, "COMPLETED", 4_000 - Int($0)) }, on: connection)
      // Of one moment, as one transaction makes them.
      try connection.script(
        """
        INSERT INTO payment (order_id, status, created_at, expires_at)
        SELECT n, CASE n WHEN 29 THEN 'CREATED' ELSE 'FAILED' END::payment_status, now() - interval '3000 s',
               now() - interval '3000 s' + interval '1 day' FROM generate_series(20, 30) n
        """)
      try insert([(40, "CREATED", 2_000), (41, "CREATED", 10)], on: connection)
      var looks: [OpenPayments.Finding] = []
      repeat { looks.append(try open.look(on: connection)) } while looks.last == .unknown && looks.count < 20
      // Sixteen final ones before it, three at a time.
      #expect(looks.count == 6 && (2_999...3_060).contains(seconds(looks[5]) ?? 0))
      // It stays the oldest, whatever is settled behind it.
      #expect((2_999...3_060).contains(seconds(try open.look(on: connection)) ?? 0))
      try connection.script("UPDATE payment SET status = 'COMPLETED' WHERE order_id = 29")
      #expect((1_999...2_060).contains(seconds(try open.look(on: connection)) ?? 0))
      try connection.script("UPDATE payment SET status = 'COMPLETED' WHERE order_id = 40")
      // One that is young may still be followed by an older one that has not committed.
      #expect(try open.look(on: connection) == .none)
      try insert([(42, "CREATED", 301)], on: connection)
      #expect(try open.look(on: connection) == .none)
    }
  }

  @Test func aPageHoldsSoMany() async throws {
    try await PaymentDatabase.with { database in
      let connection = try database.connect()
      try connection.script(
        """
        INSERT INTO payment (order_id, status, created_at, expires_at)
        SELECT n, CASE WHEN n > 20000 THEN 'CREATED' ELSE 'COMPLETED' END::payment_status, t.at, t.at + interval '1 day'
        FROM generate_series(1, 20010) n CROSS JOIN LATERAL (SELECT now() - interval '1 h' + n * interval '10 ms' AS at) t;
        ANALYZE payment
        """)
      var open = OpenPayments(timeToLive: Self.day)
      var looks = 0
      repeat { looks += 1 } while try open.look(on: connection) == .unknown
      #expect(looks == 5)
    }
  }
}
