import DirectDomain
import GatewayDomain
import GatewayStore
import Inbox
import Kafka
import Outbox
import Postgres
import Runtime
import Synchronization
import Testing
import Values

@Suite("Results of payments", .needsDatabase)
struct ResultHandlerTests {
  @Test func `late, repeated and reordered results change nothing`() async throws {
    try await GatewayDatabase.with { database in
      try await database.withIntake { intake in
        let id = try await intake.take(try GatewayDatabase.request(order: 1)).paymentID
        let moment = Timestamp.now()
        let results = [
          GatewayDatabase.result(id, 2, .processing, at: moment), GatewayDatabase.result(id, 4, .unknown, .bankUnclear),
          GatewayDatabase.result(id, 3, .review), GatewayDatabase.result(id, 4, .unknown, .bankUnclear),
        ]
        #expect(try database.take(results) == [.applied, .applied, .late, .late])
        #expect(try database.take(results) == [.late, .late, .late, .late])
        let completed = GatewayDatabase.result(id, 5, .completed, at: moment + .seconds(1))
        let unlike = GatewayDatabase.result(id, 6, .error, .cardDataLost)
        #expect(try database.take([completed, unlike]) == [.applied, .contradicted])
        #expect(try database.take([unlike, completed]) == [.contradicted, .late])
        let payment = try #require(try await database.reader.payment(id, deadline: .now() + .seconds(30)))
        #expect(
          payment.standing
            == PaymentStanding(state: .completed, reason: nil, version: 5, since: completed.occurredAt))
        let history = try await database.reader.history(id, deadline: .now() + .seconds(30))
        #expect(history.map(\.version) == [1, 2, 3, 4, 5])
        #expect(history.map(\.state) == [.created, .processing, .review, .unknown, .completed])
        #expect(history[1].since == moment && history[3].reason == .bankUnclear)
        // A completed payment keeps its order.
        #expect(try database.connect().int("SELECT count(*) FROM order_claim") == 1)
      }
    }
  }

  @Test func `the bank's token stays with the payment`() async throws {
    try await GatewayDatabase.with { database in
      try await database.withIntake { intake in
        let id = try await intake.take(try GatewayDatabase.request()).paymentID
        let look = { try #require(try await database.reader.payment(id, deadline: .now() + .seconds(30))) }
        _ = try database.take([GatewayDatabase.result(id, 2, .processing)])
        #expect(try await look().bankToken == nil)
        let completed = PaymentResult(
          paymentID: id, version: 3, state: .completed, reason: nil, occurredAt: .now(), token: "tok_1")
        #expect(try database.take([completed, completed]) == [.applied, .late])
        let payment = try await look()
        #expect(payment.bankToken == "tok_1")
        #expect(String(decoding: payment.json(), as: UTF8.self).contains(#""bank_token":"tok_1""#))
      }
    }
  }

  @Test func `another installation's payment is counted and nothing else`() async throws {
    try await GatewayDatabase.with { database in
      let connection = try database.connect()
      #expect(try database.take([GatewayDatabase.result(.random(), 2, .processing)]) == [.notOurs])
      #expect(try connection.int("SELECT count(*) FROM payment_state") == 0)
    }
  }

  @Test func `a refund's result is passed over, and wakes who waits for it`() async throws {
    try await GatewayDatabase.with { database in
      let refund = PaymentResult(
        paymentID: .random(), version: 3, state: .completed, reason: nil, occurredAt: .now(), refundOf: .random())
      let told = Mutex<[UniqueID]>([])
      let handler = database.handler { ids in told.withLock { $0 += ids } }
      let results = try handler.execute([refund], on: database.connect())
      guard case .done(.refund) = results[0] else {
        Issue.record("\(results)")
        return
      }
      handler.committed([refund], results)
      #expect(told.withLock { $0 } == [refund.paymentID])
      #expect(try database.connect().int("SELECT count(*) FROM payment_state") == 0)
    }
  }

  @Test func `an unreadable result is unusable`() throws {
    let outbox = try OutboxTables(channel: "none")
    let handler = ResultHandler(
      GatewayTables(), outbox: OutboxWriter(outbox, shards: ShardMap(count: 64)), output: GatewayDatabase.output)
    let message = { (value: [UInt8]?) in
      ConsumedMessage(topic: "direct.results", partition: 0, offset: 0, key: nil, value: value, headers: [])
    }
    guard case .unusable = handler.sort(message(Array("{}".utf8))), case .unusable = handler.sort(message(nil)) else {
      Issue.record("it was taken")
      return
    }
    let result = GatewayDatabase.result(.random(), 2, .processing)
    guard case .work(result) = handler.sort(message(result.payload())) else {
      Issue.record("it was not read")
      return
    }
  }

  @Test func `a row that cannot be read is the fault of nothing else`() async throws {
    try await GatewayDatabase.with { database in
      try await database.withIntake { intake in
        let bad = try await intake.take(try GatewayDatabase.card()).paymentID
        let good = try await intake.take(try GatewayDatabase.card()).paymentID
        let connection = try database.connect()
        try connection.script(
          """
          ALTER TABLE payment DROP CONSTRAINT payment_state_check;
          UPDATE payment SET state = 'LOST', version = 2 WHERE id = '\(bad)'
          """)
        let found = try await database.reader.payments([bad, good], deadline: .now() + .seconds(30))
        #expect((try? found[good]?.get().id) == good && (try? found[bad]?.get()) == nil && found.count == 2)
        let page = try await database.reader.list(PaymentFilter(), deadline: .now() + .seconds(30))
        #expect(page.payments.map(\.id) == [good] && page.unreadable.map(\.code) == [.internal])
        let overdue = try UnclaimedCards(database.tables).overdue(after: .zero, limit: 10, on: connection)
        #expect(overdue.map(\.id) == [bad, good])
        let results = [bad, good].map { GatewayDatabase.result($0, 3, .completed) }
        let outcomes = try database.handler().execute(results, on: connection)
        guard case .unusable = outcomes[0], case .done(.applied) = outcomes[1] else {
          Issue.record("\(outcomes)")
          return
        }
      }
    }
  }

  /// A card's first result takes it off the list of cards that nobody has claimed.
  @Test func `cards that nobody claims are found`() async throws {
    try await GatewayDatabase.with { database in
      try await database.withIntake { intake in
        let claimed = try await intake.take(try GatewayDatabase.card()).paymentID
        let lost = try await intake.take(try GatewayDatabase.card())
        _ = try database.take([GatewayDatabase.result(claimed, 2, .processing)])
        let cards = UnclaimedCards(database.tables)
        let connection = try database.connect()
        #expect(try cards.overdue(after: .seconds(30), limit: 10, on: connection).isEmpty)
        #expect(try cards.overdue(after: .zero, limit: 10, on: connection).map(\.id) == [lost.paymentID])
        let behind = try cards.overdue(after: .zero, behind: lost.paymentID, limit: 10, on: connection)
        #expect(behind.isEmpty)
        _ = try database.take([GatewayDatabase.result(lost.paymentID, 2, .error, .cardDataLost)])
        #expect(try cards.overdue(after: .zero, limit: 10, on: connection).isEmpty)
        let known = try await intake.take(try GatewayDatabase.card()).paymentID
        try cards.forget([known], on: connection)
        #expect(try cards.overdue(after: .zero, limit: 10, on: connection).isEmpty)
      }
    }
  }

  @Test func `the waiters of every process are told after the commit`() async throws {
    try await GatewayDatabase.with { database in
      try await database.withIntake { intake in
        let heard = Mutex<Set<PaymentChange>>([])
        let listener = Listener(
          configuration: try TestDatabase.configuration(), channels: [GatewayTables.channel],
          logger: TestDatabase.quiet
        ) { _, payload in heard.withLock { $0.formUnion(PaymentNotice.changes(payload) ?? []) } }
        try await eventually { listener.isConnected }
        var ids: [UniqueID] = []
        for _ in 0..<3 { ids.append(try await intake.take(try GatewayDatabase.request()).paymentID) }
        let results = ids.map { GatewayDatabase.result($0, 2, .processing) }
        let told = Mutex<[UniqueID]>([])
        let handler = database.handler { changed in told.withLock { $0 += changed } }
        let outcomes = try handler.execute(results + results, on: database.connect())
        handler.committed(results + results, outcomes)
        #expect(told.withLock(\.self) == ids)
        // Other tests of this database may speak on the channel, too.
        let changes = ids.map { PaymentChange($0, of: UniqueID(high: 1, low: 1)) }
        try await eventually { Set(changes).isSubset(of: heard.withLock(\.self)) }
        try await blocking { listener.stop() }
      }
    }
  }
}
