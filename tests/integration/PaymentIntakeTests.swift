import Cards
import DirectDomain
import GatewayDomain
import GatewayStore
import Postgres
import Runtime
import Testing
import Values

@Suite("Payment intake", .needsDatabase)
struct PaymentIntakeTests {
  private func code(_ body: () async throws -> Void) async -> GatewayStoreError.Code? {
    do {
      try await body()
      return nil
    } catch {
      return (error as? GatewayStoreError)?.code
    }
  }

  @Test func `a payment, its state, its event and its key commit together`() async throws {
    try await GatewayDatabase.with { database in
      try await database.withIntake { intake in
        let request = try GatewayDatabase.request(order: 7, others: #","metadata":{"b":"2","a":"1"},"external_id":"e""#)
        let created = try await intake.create(
          request, key: GatewayDatabase.key("k"), apiKeyID: GatewayDatabase.shop, traceparent: nil,
          deadline: .now() + .seconds(30))
        #expect(!created.isReplay && created.payment?.id == created.paymentID)
        #expect(created.payment?.apiKeyID == GatewayDatabase.shop)
        let found = try #require(try await database.reader.payment(created.paymentID, deadline: .now() + .seconds(30)))
        #expect(found == created.payment)
        #expect(found.json() == created.body)
        let connection = try database.connect()
        let event = try connection.run(
          Command(Statement("SELECT payload FROM event WHERE topic = 'direct.payments' AND seq = 1"))
        ).only.bytes(0)
        let instruction = try PaymentInstruction(event)
        #expect(instruction.paymentID == created.paymentID && instruction.orderID == 7)
        #expect(instruction.source == .account(number: "40817810099910004312"))
        #expect(instruction.payeeID == GatewayDatabase.merchant)
        let history = try await database.reader.history(created.paymentID, deadline: .now() + .seconds(30))
        #expect(history == [found.standing])
        #expect(try connection.int("SELECT count(*) FROM order_claim WHERE order_id = 7") == 1)
        #expect(try connection.int("SELECT count(*) FROM idempotency_key") == 1)
      }
    }
  }

  @Test(arguments: [
    "payment", "payment_state", "event_wait", "idempotency_key", "order_claim", "external_claim", "card_waiting",
  ])
  func `what cannot be written as a whole is not taken in`(table: String) async throws {
    try await GatewayDatabase.with { database in
      try await database.withIntake { intake in
        _ = try database.keys.days.ensure(daysAhead: 1, on: try database.connect())
        let before = try database.dump()
        try database.connect().refuseRows(of: "\(database.schema).\(table)")
        let request =
          table == "card_waiting"
          ? try GatewayDatabase.card() : try GatewayDatabase.request(order: 7, others: #","external_id":"e""#)
        do throws(GatewayStoreError) {
          _ = try await intake.create(
            request, key: GatewayDatabase.key("k", of: GatewayDatabase.shop), apiKeyID: GatewayDatabase.shop,
            deadline: .now() + .seconds(30))
          Issue.record("it is taken in without a row of \(table)")
        } catch {
          #expect((error.cause as? DatabaseError)?.isRefusal == true, "\(error)")
        }
        #expect(try database.dump() == before)
      }
    }
  }

  /// D7: of a card the tables have brand and last four digits, and no event tells of it.
  @Test func `a card leaves nothing behind`() async throws {
    try await GatewayDatabase.with { database in
      try await database.withIntake { intake in
        let created = try await intake.take(try GatewayDatabase.card(cvv: "9876".dropLast().description), "k")
        let connection = try database.connect()
        #expect(try connection.int("SELECT count(*) FROM event") == 0)
        #expect(try connection.int("SELECT count(*) FROM card_waiting") == 1)
        let dump = try database.dump()
        #expect(dump.contains("\(created.paymentID)") && !dump.contains("424242") && !dump.contains("987"))
        #expect(String(decoding: created.body, as: UTF8.self).contains(#""brand":"visa","last4":"4242""#))
      }
    }
  }

  @Test func `a repetition gets the same bytes, and another request none`() async throws {
    try await GatewayDatabase.with { database in
      try await database.withIntake { intake in
        let first = try await intake.take(try GatewayDatabase.request(), "k")
        _ = try database.take([GatewayDatabase.result(first.paymentID, 2, .processing)])
        let again = try await intake.take(try GatewayDatabase.request(), "k")
        #expect(again.isReplay && again.body == first.body && again.paymentID == first.paymentID)
        let looked = try await intake.replay(
          try GatewayDatabase.request(), key: GatewayDatabase.key("k"), deadline: .now() + .seconds(30))
        #expect(looked?.body == first.body)
        let other = try GatewayDatabase.request(amount: 2_000)
        #expect(await code { _ = try await intake.take(other, "k") } == .keyReused)
        #expect(
          await code {
            _ = try await intake.replay(other, key: GatewayDatabase.key("k"), deadline: .now() + .seconds(30))
          } == .keyReused)
        #expect(
          try await intake.replay(other, key: GatewayDatabase.key("x"), deadline: .now() + .seconds(30)) == nil)
        // Another API key, another key.
        let neighbour = try await intake.create(
          other, key: GatewayDatabase.key("k", of: GatewayDatabase.shop), deadline: .now() + .seconds(30))
        #expect(!neighbour.isReplay)
        #expect(try database.connect().int("SELECT count(*) FROM payment") == 2)
      }
    }
  }

  /// D6 with a name of the caller's own: an external id names one payment of an API key, whatever becomes of it.
  @Test func `an external id names one payment of an API key, for ever`() async throws {
    try await GatewayDatabase.with { database in
      try await database.withIntake { intake in
        let request = { (order: Int64?) in
          try GatewayDatabase.request(order: order, others: #","external_id":"e""#)
        }
        let create = { (key: String, request: PaymentRequest, apiKey: UniqueID?) in
          try await intake.create(
            request, key: GatewayDatabase.key(key, of: apiKey), apiKeyID: apiKey, deadline: .now() + .seconds(30))
        }
        let first = try await create("a", try request(nil), nil)
        _ = try database.take([GatewayDatabase.result(first.paymentID, 2, .rejected)])
        let taken = GatewayStoreError.Code.externalIDExists(first.paymentID)
        #expect(await code { _ = try await create("b", try request(5), nil) } == taken)
        #expect(try await create("a", try request(nil), nil).isReplay)
        #expect(try await !create("a", try request(5), GatewayDatabase.shop).isReplay)
        let connection = try database.connect()
        #expect(try connection.int("SELECT count(*) FROM payment") == 2)
        // The refused one has given the order back, and kept no answer under its key.
        #expect(try connection.int("SELECT count(*) FROM order_claim WHERE order_id = 5") == 1)
        #expect(try connection.int("SELECT count(*) FROM idempotency_key") == 2)
      }
    }
  }

  @Test func `of many callers with one external id one is served`() async throws {
    try await GatewayDatabase.with { database in
      try await database.withIntake { one in
        try await database.withIntake { two in
          let made = try await withThrowingTaskGroup(of: UniqueID?.self) { group in
            for number in 0..<60 {
              group.addTask {
                let intake = number % 2 == 0 ? one : two
                let request = try GatewayDatabase.request(
                  order: Int64(number / 3 + 1), others: #","external_id":"e\#(number % 5)""#)
                do throws(GatewayStoreError) {
                  return try await intake.take(request, "k\(number)").paymentID
                } catch {
                  guard error.code == .orderPaymentExists || error.isExternalID else { throw error }
                  return nil
                }
              }
            }
            return try await group.reduce(into: [UniqueID]()) { made, id in if let id { made.append(id) } }
          }
          #expect(made.count == 5)
          let connection = try database.connect()
          #expect(try connection.int("SELECT count(*) FROM payment") == 5)
          #expect(try connection.int("SELECT count(*) FROM external_claim JOIN payment ON id = payment_id") == 5)
          #expect(try connection.int("SELECT count(*) FROM order_claim JOIN payment ON id = payment_id") == 5)
          #expect(try connection.int("SELECT count(*) FROM order_claim") == 5)
        }
      }
    }
  }

  @Test func `a card is the same request whatever its CVV, also after the keys were changed`() async throws {
    try await GatewayDatabase.with { database in
      let first = try await database.withIntake { intake in try await intake.take(try GatewayDatabase.card(), "k") }
      let keys = try CardFingerprintKeys(
        "new:\(String(repeating: "7b8c", count: 16)),test:\(String(repeating: "5a6b", count: 16))")
      try await database.withIntake(keys: keys) { intake in
        let again = try await intake.take(try GatewayDatabase.card(cvv: "321"), "k")
        #expect(again.isReplay && again.body == first.body)
        let other = try GatewayDatabase.card(amount: 5)
        #expect(await code { _ = try await intake.take(other, "k") } == .keyReused)
      }
      #expect(try database.connect().int("SELECT count(*) FROM payment") == 1)
    }
  }

  /// As a caller does who is told 409.
  private func insist(
    _ intake: PaymentIntake, _ request: PaymentRequest, _ key: String
  ) async throws -> CreatedPayment {
    while true {
      do {
        return try await intake.take(request, key)
      } catch {
        guard error.code == .keyInFlight else { throw error }
      }
    }
  }

  /// Nil when the order has a payment.
  private func take(
    _ intake: PaymentIntake, _ request: PaymentRequest, _ key: String?
  ) async throws -> CreatedPayment? {
    do {
      return try await intake.take(request, key)
    } catch {
      guard error.code == .orderPaymentExists else { throw error }
      return nil
    }
  }

  @Test func `of 32 callers with one key one makes a payment`() async throws {
    try await GatewayDatabase.with { database in
      try await database.withIntake { one in
        try await database.withIntake { other in
          let request = try GatewayDatabase.request(order: 1)
          let answers = try await withThrowingTaskGroup(of: CreatedPayment.self) { group in
            for caller in 0..<32 {
              let intake = caller % 2 == 0 ? one : other
              group.addTask { try await insist(intake, request, "k") }
            }
            return try await group.reduce(into: []) { $0.append($1) }
          }
          #expect(answers.count == 32 && answers.count(where: { !$0.isReplay }) == 1)
          #expect(Set(answers.map(\.body)).count == 1)
          let connection = try database.connect()
          #expect(try connection.int("SELECT count(*) FROM payment") == 1)
          #expect(try connection.int("SELECT count(*) FROM event") == 1)
        }
      }
    }
  }

  @Test(arguments: [
    (PaymentState.rejected, PaymentReason.bankDeclined), (.error, .bankNeverCharged),
  ])
  func `an order has one payment, until that is over`(end: PaymentState, reason: PaymentReason) async throws {
    try await GatewayDatabase.with { database in
      try await database.withIntake { one in
        try await database.withIntake { other in
          let outcomes = try await withThrowingTaskGroup(of: CreatedPayment?.self) { group in
            for (number, intake) in [one, other, one, other].enumerated() {
              let request = try GatewayDatabase.request(amount: 100 + number, order: 5)
              group.addTask { try await take(intake, request, number < 2 ? nil : "k\(number)") }
            }
            return try await group.reduce(into: []) { $0.append($1) }
          }
          let created = outcomes.compactMap(\.self)
          #expect(created.count == 1)
          let connection = try database.connect()
          #expect(try connection.int("SELECT count(*) FROM payment") == 1)
          // Nothing is kept for what was refused.
          #expect(
            try connection.int("SELECT count(*) FROM idempotency_key WHERE answer ->> 'payment_id' IS NULL") == 0)
          let request = try GatewayDatabase.request(order: 5)
          #expect(await code { _ = try await one.take(request, "again") } == .orderPaymentExists)
          #expect(
            try database.take([
              GatewayDatabase.result(created[0].paymentID, 2, .processing),
              GatewayDatabase.result(created[0].paymentID, 3, end, reason),
            ]) == [.applied, .applied])
          #expect(try await !one.take(request, "again").isReplay)
        }
      }
    }
  }

  /// The last statements of the first run wait for a table until its answers are held back; then the connection breaks.
  @Test(arguments: ["with a key", "without a key", "with an order", "by card"])
  func `an answer lost after the commit is found out`(kind: String) async throws {
    try await GatewayDatabase.with { database in
      _ = try database.keys.days.ensure(daysAhead: 1, on: try database.connect())
      let forwarder = try DatabaseFaultTests.forwarder()
      try await database.withIntake(through: forwarder) { intake in
        let blocker = try database.connect()
        try blocker.run([
          .begin, Command(Statement("SET LOCAL idle_in_transaction_session_timeout = 0")),
          Command(Statement("LOCK TABLE payment_state IN ACCESS EXCLUSIVE MODE")),
        ])
        let request =
          try kind == "by card"
          ? GatewayDatabase.card() : GatewayDatabase.request(order: kind == "with an order" ? 3 : nil)
        let task = Task { try await intake.take(request, kind == "with a key" || kind == "by card" ? "k" : nil) }
        let watcher = try TestDatabase.open()
        try await eventually {
          try watcher.int(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = '\(database.schema).payment_state'::regclass"
          )
            == 1
        }
        forwarder.setHoldingAnswers(true)
        try blocker.run(.rollback)
        try await eventually { try blocker.int("SELECT count(*) FROM payment") == 1 }
        // Meanwhile the payment is over, and its order free.
        let id = try blocker.run(Command(Statement("SELECT id FROM payment"))).only.uuid(0)
        _ = try database.take([GatewayDatabase.result(id, 2, .rejected, .cancelled)])
        forwarder.setHoldingAnswers(false)
        forwarder.cut()
        let created = try await task.value
        // Its own run is no repetition: the card has still to be handed over.
        #expect(!created.isReplay && created.paymentID == id)
        #expect(try blocker.int("SELECT count(*) FROM payment") == 1)
        #expect(try blocker.int("SELECT count(*) FROM event") == (kind == "by card" ? 0 : 1))
        #expect(try blocker.int("SELECT count(*) FROM order_claim") == 0)
      }
    }
  }

  @Test func `what is refused in a batch fails alone, and a missing day is made`() async throws {
    try await GatewayDatabase.with { database in
      try await database.withIntake { intake in
        let outcomes = await withTaskGroup(of: GatewayStoreError.Code?.self) { group in
          for number in 0..<8 {
            group.addTask {
              await code {
                _ = try await intake.take(try GatewayDatabase.request(amount: number + 1, order: 1), "same")
              }
            }
          }
          return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(outcomes.count(where: { $0 == nil }) == 1)
        #expect(outcomes.allSatisfy { $0 == nil || $0 == .keyReused || $0 == .keyInFlight })
      }
    }
  }
}

extension GatewayStoreError {
  fileprivate var isExternalID: Bool { if case .externalIDExists = code { true } else { false } }
}
