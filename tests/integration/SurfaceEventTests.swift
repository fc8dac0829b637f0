import DirectDomain
import GatewayDomain
import GatewayStore
import Inbox
import Money
import Outbox
import Postgres
import Runtime
import Synchronization
import Testing
import Values

@Suite("What readers of older systems are told", .needsDatabase, .serialized)
struct SurfaceEventTests {
  private func request(_ origin: PaymentOrigin?, account: String = "10000000001") throws -> PaymentRequest {
    guard let origin else { return try GatewayDatabase.request() }
    return try PaymentRequest(
      from: origin, userID: .random(), merchant: UniqueID(high: 9, low: 9), source: .account(number: account),
      amount: Money(minorUnits: 1_999, Currency("USD")!))
  }

  private func events(_ id: UniqueID, _ connection: Connection) throws -> [String] {
    try connection.run(
      Command(
        Statement(
          """
          SELECT concat_ws(' ', seq, topic, headers[array_position(headers, '__TypeId__') + 1]) FROM event
          WHERE key = $1 ORDER BY seq
          """), [.text(id.description)])
    ).map { try $0.text(0) }
  }

  private let payments = PaymentsDetails(user: "u", account: "10000000001", note: nil).origin
  private let transactions = TransactionsDetails(userNumber: 7, userName: "u", coin: 19, account: "7").origin
  private static let payment = "com.mycompany.userservice.src.model.kafka.PaymentDTO"
  private static let status = "com.mycompany.userservice.src.model.kafka.StatusPaymentDTO"

  @Test func `every change has its event, by one number after the other`() async throws {
    try await GatewayDatabase.with { database in
      try await database.withIntake { intake in
        let connection = try database.connect()
        let plain = try await intake.take(try request(nil)).paymentID
        let first = try await intake.take(try request(payments)).paymentID
        let second = try await intake.take(try request(transactions)).paymentID
        // Reordered, late and repeated; one batch has two changes of a payment.
        let results = [first, second, plain].flatMap { id in
          [
            GatewayDatabase.result(id, 2, .processing), GatewayDatabase.result(id, 4, .unknown, .bankUnclear),
            GatewayDatabase.result(id, 3, .review), GatewayDatabase.result(id, 5, .completed),
            GatewayDatabase.result(id, 6, .error), GatewayDatabase.result(id, 5, .completed),
          ]
        }
        _ = try database.take(results)
        _ = try database.take(results)
        #expect(try events(plain, connection) == ["1 direct.payments"])
        #expect(
          try events(first, connection) == ["1 direct.payments", "2 payments \(Self.payment)", "3 paymentsResults"])
        #expect(
          try events(second, connection) == [
            "1 direct.payments", "2 payments \(Self.payment)", "3 status-payments \(Self.status)",
            "4 status-payments \(Self.status)",
          ])
        #expect(try connection.int("SELECT events FROM payment WHERE id = '\(second)'") == 4)
      }
    }
  }

  @Test func `a payment that cannot be shown is nobody else's fault, and nothing of it is lost`() async throws {
    try await GatewayDatabase.with { database in
      try await database.withIntake { intake in
        let connection = try database.connect()
        let bad = try await intake.take(try request(payments)).paymentID
        let good = try await intake.take(try request(payments)).paymentID
        try connection.script("UPDATE payment SET surface_details = '{\"user\":7}' WHERE id = '\(bad)'")
        let results = [bad, good].map { GatewayDatabase.result($0, 2, .completed) }
        let outcomes = try database.handler().execute(results, on: connection)
        guard case .unusable = outcomes[0], case .done(.applied) = outcomes[1] else {
          Issue.record("\(outcomes)")
          return
        }
        #expect(try connection.int("SELECT count(*) FROM payment WHERE id = '\(bad)' AND state = 'CREATED'") == 1)
        #expect(try events(good, connection).count == 3)
      }
    }
  }

  @Test func `the relays are told by the commit`() async throws {
    try await GatewayDatabase.with { database in
      try await database.withIntake { intake in
        let id = try await intake.take(try request(payments)).paymentID
        let heard = Mutex(0)
        let listener = Listener(
          configuration: try TestDatabase.configuration(), channels: [database.outbox.channel],
          logger: TestDatabase.quiet
        ) { _, _ in heard.withLock { $0 += 1 } }
        try await eventually { listener.isConnected }
        _ = try database.take([GatewayDatabase.result(id, 2, .completed)])
        try await eventually { heard.withLock { $0 } > 0 }
        try await blocking { listener.stop() }
      }
    }
  }
}
