import DirectDomain
import GatewayDomain
import GatewayStore
import Postgres
import Testing
import Values

@Suite("Payment lists", .needsDatabase)
struct PaymentReaderTests {
  private func page(_ database: GatewayDatabase, _ change: (inout PaymentFilter) -> Void) async throws -> PaymentPage {
    var filter = PaymentFilter()
    change(&filter)
    return try await database.reader.list(filter, deadline: .now() + .seconds(30))
  }

  @Test func `pages hold each payment once while others come`() async throws {
    try await GatewayDatabase.with { database in
      try await database.withIntake { intake in
        var ids: [UniqueID] = []
        for _ in 0..<30 { ids.append(try await intake.take(try GatewayDatabase.request()).paymentID) }
        var seen: [UniqueID] = []
        var after: PaymentCursor?
        repeat {
          let page = try await page(database) {
            $0.limit = 7
            $0.after = after
            $0.userID = UniqueID(high: 1, low: 1)
          }
          seen += page.payments.map(\.id)
          after = page.next
          _ = try await intake.take(try GatewayDatabase.request())
        } while after != nil && seen.count <= ids.count
        #expect(seen == ids.sorted(by: >), "newest first, none twice, none left out")
      }
    }
  }

  @Test func `every filter is asked`() async throws {
    try await GatewayDatabase.with { database in
      try await database.withIntake { intake in
        let other = UniqueID(high: 2, low: 2)
        let one = try await intake.take(try GatewayDatabase.request(order: 1, others: #","external_id":"a""#)).paymentID
        let two = try await intake.take(
          try GatewayDatabase.request(order: 2, user: other, others: #","external_id":"b""#)
        ).paymentID
        let three = try await intake.take(try GatewayDatabase.request(user: other)).paymentID
        _ = try database.take([GatewayDatabase.result(two, 2, .unknown, .bankUnclear)])
        let list = { (change: (inout PaymentFilter) -> Void) async throws in
          try await page(database, change).payments.map(\.id).sorted()
        }
        #expect(try await list { _ in } == [one, two, three].sorted())
        #expect(try await list { $0.userID = other } == [two, three].sorted())
        #expect(try await list { $0.orderID = 1 } == [one])
        #expect(try await list { $0.externalID = "a" } == [one])
        #expect(try await list { $0.state = .unknown } == [two])
        #expect(try await list { ($0.externalID, $0.userID) = ("b", other) } == [two])
        #expect(try await list { ($0.externalID, $0.userID) = ("a", other) } == [])
        #expect(try await list { ($0.orderID, $0.state) = (1, .unknown) } == [])
        #expect(
          try await list { ($0.orderID, $0.externalID, $0.userID, $0.state) = (2, "b", other, .unknown) } == [two])
        let created = try #require(try await database.reader.payment(two, deadline: .now() + .seconds(30))?.createdAt)
        #expect(try await list { $0.from = created }.contains(two))
        #expect(try await !list { $0.to = created }.contains(two))
        #expect(try await list { $0.to = created + .milliseconds(1) }.contains(two))
        #expect(try await !list { $0.from = created + .microseconds(1) }.contains(two))
      }
    }
  }

  /// A page looks at 10,000 rows; where they hold nothing, it says where to go on.
  @Test func `a rare status costs a bounded look`() async throws {
    try await GatewayDatabase.with { database in
      let connection = try database.connect()
      try connection.script(
        """
        INSERT INTO payment (id, user_id, payee_id, method, masked, amount, currency, created_at, state, version, since)
        SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, '00000000-0000-0000-0000-000000000001',
               '00000000-0000-0000-0000-000000000002', 'account', '****', 1, 'EUR', now(),
               CASE WHEN n = 5 THEN 'UNKNOWN' ELSE 'COMPLETED' END, 2, now()
        FROM generate_series(1, 25000) n
        """)
      var after: PaymentCursor?
      var sizes: [Int] = []
      repeat {
        let page = try await page(database) { ($0.state, $0.after) = (.unknown, after) }
        sizes.append(page.payments.count)
        after = page.next
      } while after != nil && sizes.count < 9
      #expect(sizes == [0, 0, 1])
      #expect(try await database.reader.payments([], deadline: .now() + .seconds(30)).isEmpty)
      #expect(try await database.reader.history(UniqueID.random(), deadline: .now() + .seconds(30)).isEmpty)
    }
  }
}
