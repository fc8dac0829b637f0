import SagaDomain
import Testing
import Tracing
import Values

@Suite struct CreateBatchTests {
  @Test func insertsAreOneAnOrderInTheOrderOfLocks() throws {
    let batch = CreateBatch(
      try [30, 10, 20, 10].map { (order: Int64) in
        try CreateCommand(orderID: order, amountMinor: order, currency: "EUR")
      })
    #expect(batch.inserts.map(\.orderID) == [10, 20, 30])
  }

  @Test func theFirstOfAnOrderIsCreatedAndTheOthersFindIt() throws {
    let batch = CreateBatch(try [5, 5, 6].map { (order: Int64) in try CreateCommand(orderID: order) })
    let created = Samples.payment(order: 5)
    let stored = Samples.payment(order: 6, status: .completed, version: 2)
    let outcomes = try batch.outcomes(created: [created], existing: FoundPayments([stored])).map { try $0.get() }
    #expect(outcomes == [.created(created), .existing(created), .existing(stored)])
  }

  @Test func theEventHasTheTraceOfTheCommandThatOpenedThePayment() throws {
    let trace = try #require(TraceContext(traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"))
    let other = try #require(TraceContext(traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b8-01"))
    let batch = CreateBatch([
      try CreateCommand(orderID: 6), try CreateCommand(orderID: 5, trace: trace),
      try CreateCommand(orderID: 5, trace: other),
    ])
    let events = batch.events(of: [5, 6].map { Samples.payment(order: $0) }, newID: Samples.counter())
    #expect(events.map(\.trace) == [trace, nil])
  }

  @Test func anotherAmountIsRefusedAndNoAmountClaimsNone() throws {
    let commands = [
      try CreateCommand(orderID: 5, amountMinor: 100, currency: "EUR"),
      try CreateCommand(orderID: 5, amountMinor: 101, currency: "EUR"),
      try CreateCommand(orderID: 5, amountMinor: 100, currency: "USD"), try CreateCommand(orderID: 5),
    ]
    let stored = Samples.payment(order: 5, amount: 100, currency: "EUR")
    let outcomes = CreateBatch(commands).outcomes(created: [], existing: FoundPayments([stored]))
    #expect(try outcomes[0].get() == .existing(stored))
    #expect(try outcomes[3].get() == .existing(stored))
    for index in 1...2 {
      guard case .failure(let error) = outcomes[index] else {
        Issue.record("\(index) must be refused")
        continue
      }
      #expect(error.code == .alreadyExists)
    }
  }

  @Test func anOrderThatIsNowhereIsAnErrorOfOurs() throws {
    let outcomes = CreateBatch([try CreateCommand(orderID: 5)]).outcomes(created: [], existing: FoundPayments([]))
    guard case .failure(let error) = outcomes[0] else {
      Issue.record("must fail")
      return
    }
    #expect(error.code == .internal)
  }
}

@Suite struct KeyedCreateBatchTests {
  private func command(_ order: Int64, _ key: String?, amount: Int64 = 0) throws -> CreateCommand {
    try CreateCommand(
      orderID: order, amountMinor: amount, currency: amount == 0 ? "" : "EUR",
      callKey: try key.map { try IdempotencyKey(Array($0.utf8)) })
  }

  private func words(_ outcomes: [Result<CreateOutcome, PaymentError>]) -> [String] {
    outcomes.map { outcome in
      switch outcome {
      case .success(.created(let payment)): "created \(payment.orderID)"
      case .success(.existing(let payment)): "existing \(payment.orderID)"
      case .success(.replayed(let payment)): "replayed \(payment.orderID)"
      case .failure(let error): "\(error.code)"
      }
    }
  }

  @Test func whatTheKeysTellIsNotExecuted() throws {
    let stored = try command(5, "known")
    let states = KeyStates(
      answered: [
        KeyedAnswer(
          key: try #require(stored.callKey), fingerprint: stored.fingerprint, payment: Samples.payment(order: 5))
      ], inFlight: [try IdempotencyKey(Array("busy".utf8))])
    let batch = CreateBatch(
      [stored, try command(6, "known"), try command(7, "busy"), try command(8, "new"), try command(9, nil)],
      keys: states)
    #expect(batch.inserts.map(\.orderID) == [8, 9])
    let outcomes = batch.outcomes(
      created: [Samples.payment(order: 8)],
      existing: FoundPayments([Samples.payment(order: 8), Samples.payment(order: 9)]))
    #expect(words(outcomes) == ["replayed 5", "keyReused", "keyInFlight", "created 8", "existing 9"])
    #expect(batch.answers(outcomes).map(\.key.text) == ["new"])
  }

  @Test func theSecondUseOfAKeyFollowsTheFirst() throws {
    let batch = CreateBatch([
      try command(5, "k", amount: 1), try command(5, "k", amount: 1), try command(6, "k"),
      try command(5, nil, amount: 1),
    ])
    #expect(batch.inserts.map(\.orderID) == [5])
    let payment = Samples.payment(order: 5, amount: 1, currency: "EUR")
    let outcomes = batch.outcomes(created: [payment], existing: FoundPayments([]))
    #expect(words(outcomes) == ["created 5", "replayed 5", "keyReused", "existing 5"])
    #expect(batch.answers(outcomes).map(\.payment) == [payment])
    // When the first is refused nothing is kept; another request was not executed and may come again.
    let stands = Samples.payment(order: 5, amount: 2, currency: "EUR")
    let refused = batch.outcomes(created: [], existing: FoundPayments([stands]))
    #expect(words(refused) == ["alreadyExists", "alreadyExists", "keyInFlight", "alreadyExists"])
    #expect(batch.answers(refused).isEmpty)
  }

  @Test func fingerprintsHoldEverythingThatIsAskedFor() throws {
    #expect(String(decoding: try command(111, nil, amount: 250).fingerprint, as: UTF8.self) == "111/250/EUR")
    let all = try [command(1, "a"), command(1, "a", amount: 1), command(11, "a"), command(1, "b", amount: 11)]
    #expect(Set(all.map(\.fingerprint)).count == 4)
  }

  @Test func keysAreOneTo255VisibleCharacters() throws {
    func refusal(_ values: [[UInt8]]) -> String? {
      do {
        _ = try IdempotencyKey.only(of: values)
        return nil
      } catch {
        return error.code == .invalidArgument ? error.field : "another error"
      }
    }
    let visible = Array(UInt8(0x21)...0x7E)
    #expect(try IdempotencyKey.only(of: []) == nil)
    #expect(try IdempotencyKey.only(of: [visible])?.text.utf8.count == visible.count)
    #expect(refusal([Array(repeating: 0x61, count: 255)]) == nil)
    for wrong in [[], Array(repeating: 0x61, count: 256), [0x61, 0x20], [0x7F], [0x80], [0x09], [0xC3, 0xA4]]
      as [[UInt8]]
    {
      #expect(refusal([wrong]) == "idempotency-key")
    }
    #expect(refusal([[0x61], [0x61]]) == "idempotency-key")
  }

  @Test func aKeyIsNotShown() throws {
    let key = try IdempotencyKey(Array("secret-1".utf8))
    #expect(!"\(key) \(String(reflecting: key))".contains("secret"))
  }
}

@Suite struct ValidationTests {
  private func field(_ body: () throws -> Void) -> String? {
    do {
      try body()
      return nil
    } catch {
      let error = error as? PaymentError
      return error?.code == .invalidArgument ? error?.field : "another error"
    }
  }

  @Test(arguments: [Int64.min, -1, 0]) func orderIDsAreAboveZero(_ order: Int64) {
    #expect(field { _ = try CreateCommand(orderID: order) } == "order_id")
    #expect(field { _ = try SettleCommand(orderID: order, to: .failed, reason: "") } == "order_id")
    #expect(field { try SettleCommand.check(orderID: order) } == "order_id")
  }

  @Test func reasonsAreAtMost500BytesWithoutNUL() {
    let settle = { (reason: String) in _ = try SettleCommand(orderID: 1, to: .failed, reason: reason) }
    #expect(field { try settle(String(repeating: "x", count: 500)) } == nil)
    #expect(field { try settle(String(repeating: "x", count: 501)) } == "reason")
    #expect(field { try settle(String(repeating: "ä", count: 251)) } == "reason")
    #expect(field { try settle("a\0b") } == "reason")
  }

  @Test func amountsAreNotNegativeAndNeedACurrency() {
    #expect(field { _ = try CreateCommand(orderID: 1, amountMinor: -1, currency: "EUR") } == "amount_minor")
    #expect(field { _ = try CreateCommand(orderID: 1, amountMinor: 5) } == "currency")
    for currency in ["eur", "EU", "EURO", "E1R"] {
      #expect(field { _ = try CreateCommand(orderID: 1, amountMinor: 5, currency: currency) } == "currency")
    }
    #expect(field { _ = try CreateCommand(orderID: 1, amountMinor: .max, currency: "EUR") } == nil)
  }

  @Test func pagesHaveADefaultAndALimit() throws {
    #expect(try PaymentQuery(status: nil, pageSize: 0, after: 0).limit == PaymentLimits.defaultPageSize)
    #expect(try PaymentQuery(status: nil, pageSize: 5_000, after: 0).limit == PaymentLimits.pageSize)
    #expect(field { _ = try PaymentQuery(status: nil, pageSize: -1, after: 0) } == "page_size")
  }
}
