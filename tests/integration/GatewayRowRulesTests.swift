import DirectDomain
import GatewayStore
import Postgres
import Testing
import Values

@Suite("Rows of the gateway", .needsDatabase)
struct GatewayRowRulesTests {
  /// What no payment of ours has is refused where it is written, also when somebody else writes it.
  @Test(arguments: [
    "state = 'DONE'", "state = 'CREATED', version = 2", "state = 'COMPLETED', version = 1", "version = 0",
    "version = 9223372036854775807, state = 'ERROR'", "amount = 0", "amount = -1", "currency = 'eur'",
    "user_id = payee_id", "method = 'cash'", "method = 'card'", "method = 'balance'", "masked = NULL",
    "masked = '40817810099910004312'", "card_brand = 'visa'", "card_last4 = '4242'",
    "account_id = '00000000-0000-0000-0000-000000000001'", "order_id = 0", "external_id = ''",
    "description = repeat('x', 501)", "metadata = '[]'", "metadata = '7'", "reason = ''", "since = NULL",
    "method = 'card', masked = NULL, card_brand = 'visa', card_last4 = '424242'",
  ])
  func `what no payment has is refused`(change: String) async throws {
    try await GatewayDatabase.with { database in
      let connection = try database.connect()
      try connection.script(
        """
        INSERT INTO payment (id, user_id, payee_id, method, masked, amount, currency, created_at, since)
        VALUES ('00000000-0000-7000-8000-000000000001', '00000000-0000-0000-0000-000000000001',
                '00000000-0000-0000-0000-000000000002', 'account', '****4312', 1, 'EUR', now(), now())
        """)
      let error = #expect(throws: DatabaseError.self) { try connection.script("UPDATE payment SET \(change)") }
      #expect(error?.sqlState == "23514" || error?.sqlState == "23502")
    }
  }

  /// A result changes no indexed column: the new row lies beside the old one, and no index is written.
  @Test func `results are HOT updates`() async throws {
    try await GatewayDatabase.with { database in
      try await database.withIntake { intake in
        var ids: [UniqueID] = []
        for number in 1...5 {
          ids.append(try await intake.take(try GatewayDatabase.request(order: Int64(number))).paymentID)
        }
        let connection = try database.connect()
        _ = try database.take(ids.map { GatewayDatabase.result($0, 2, .processing) })
        try await eventually {
          try connection.int(
            "SELECT pg_stat_get_tuples_hot_updated('\(database.schema).payment'::regclass)::int") == 5
        }
      }
    }
  }
}
