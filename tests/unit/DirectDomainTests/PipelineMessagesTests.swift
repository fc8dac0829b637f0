import Money
import Testing
import Values

@testable import DirectDomain

@Suite struct PipelineMessagesTests {
  static let ids = (1...4).map { UniqueID(high: 0x0193_0000_0000_7000, low: 0x8000_0000_0000_0000 | UInt64($0)) }
  static let moment = Timestamp("2026-11-26T05:14:41.776466Z")!

  static func instruction(_ source: PaymentInstruction.Source, orderID: Int64? = nil) -> PaymentInstruction {
    PaymentInstruction(
      paymentID: ids[0], userID: ids[1], payeeID: ids[2], source: source,
      amount: Money(minorUnits: 1_999, Currency("EUR")!), orderID: orderID, createdAt: moment)
  }

  @Test(arguments: [
    PaymentInstruction.Source.account(number: "40817810099910004312"), .token("tok_\u{1F4B6}\"\\"),
    .balance(accountID: ids[3]),
  ])
  func `an instruction reads as it was written`(source: PaymentInstruction.Source) throws {
    for orderID in [nil, 1, Int64.max] {
      let instruction = Self.instruction(source, orderID: orderID)
      #expect(try PaymentInstruction(instruction.payload()) == instruction)
    }
  }

  @Test(arguments: ["2026-11-26T15:00:00Z", "2026-11-26T15:00:00.5+01:00", "2026-11-26T15:00:00.123456789Z"])
  func `a time is read in each spelling of RFC 3339`(time: String) throws {
    let moment = "2026-11-26T05:14:41.776466Z"
    func replaced(_ payload: [UInt8]) -> [UInt8] {
      Array(String(decoding: payload, as: UTF8.self).split(separator: moment).joined(separator: time).utf8)
    }
    let instruction = try PaymentInstruction(replaced(Self.instruction(.account(number: "42"), orderID: 1).payload()))
    #expect(instruction.createdAt == Timestamp(time))
    let result = PaymentResult(
      paymentID: Self.ids[0], version: 3, state: .completed, reason: nil, occurredAt: Self.moment)
    #expect(try PaymentResult(replaced(result.payload())).occurredAt == Timestamp(time))
  }

  @Test func `an instruction has these fields`() {
    let payload = Self.instruction(.account(number: "42"), orderID: 111).payload()
    #expect(
      String(decoding: payload, as: UTF8.self) == """
        {"payment_id":"01930000-0000-7000-8000-000000000001","user_id":"01930000-0000-7000-8000-000000000002",\
        "payee_id":"01930000-0000-7000-8000-000000000003","method":{"type":"account","number":"42"},\
        "amount_minor":1999,"currency":"EUR","order_id":111,"created_at":"2026-11-26T05:14:41.776466Z"}
        """)
  }

  @Test(arguments: [
    ("\"payment_id\":\"01930000-0000-7000-8000-000000000001\"", "\"payment_id\":null", "payment_id is missing"),
    ("1999", "0", "amount_minor must be above zero"), ("1999", "-1", "amount_minor must be above zero"),
    ("1999", "19.99", "amount_minor"), ("\"EUR\"", "\"eur\"", "currency is none of ISO 4217"),
    ("\"EUR\"", "7", "currency"), ("111", "0", "order_id must be above zero"),
    ("\"type\":\"account\"", "\"type\":\"card\"", "card payments do not come by message"),
    ("\"type\":\"account\"", "\"type\":\"cash\"", "method must have a type"),
    ("\"type\":\"account\"", "\"type\":\"token\"", "token is missing"),
    ("\"type\":\"account\"", "\"type\":\"balance\"", "account_id is missing"),
    ("\"42\"", "\"\"", "number must have 1 to 255 bytes"),
    ("\"42\"", "\"a\\u0000\"", "number must have 1 to 255 bytes"),
    ("2026-11-26T", "2026-11-26 ", "created_at is no RFC 3339 time"),
    ("{\"payment_id\"", "[\"payment_id\"", "not a payment"),
  ])
  func `what is wrong is named by its field`(found: String, put: String, words: String) throws {
    let text = String(decoding: Self.instruction(.account(number: "42"), orderID: 111).payload(), as: UTF8.self)
    let parts = text.split(separator: found, maxSplits: 1, omittingEmptySubsequences: false)
    try #require(parts.count == 2)
    let error = try #require(throws: UnreadableMessage.self) {
      try PaymentInstruction(Array("\(parts[0])\(put)\(parts[1])".utf8))
    }
    #expect(error.description.contains(words), "\(error)")
  }

  @Test(arguments: PaymentState.allCases.filter { $0 != .created })
  func `a result reads as it was written`(state: PaymentState) throws {
    for reason in [nil] + PaymentReason.allCases.map(Optional.some) {
      let result = PaymentResult(
        paymentID: Self.ids[0], version: 3, state: state, reason: reason, occurredAt: Self.moment)
      #expect(try PaymentResult(result.payload()) == result)
    }
  }

  @Test func `a result may carry the bank's token`() throws {
    let result = { (token: String) in
      PaymentResult(
        paymentID: Self.ids[0], version: 3, state: .completed, reason: nil, occurredAt: Self.moment, token: token)
    }
    for token in ["t", "tok_ä\"\\", String(repeating: "x", count: 255)] {
      #expect(try PaymentResult(result(token).payload()) == result(token))
    }
    for token in ["", "a\u{0}b", String(repeating: "x", count: 256)] {
      #expect(throws: UnreadableMessage.self) { try PaymentResult(result(token).payload()) }
    }
  }

  @Test func `a refund's result says what it gives back`() throws {
    let result = PaymentResult(
      paymentID: Self.ids[0], version: 3, state: .completed, reason: nil, occurredAt: Self.moment, refundOf: Self.ids[1]
    )
    #expect(try PaymentResult(result.payload()) == result)
    #expect(String(decoding: result.payload(), as: UTF8.self).contains(#""refund_of":"\#(Self.ids[1])""#))
  }

  @Test func `a result of another version's words is refused`() throws {
    let result = PaymentResult(
      paymentID: Self.ids[0], version: 2, state: .completed, reason: nil, occurredAt: Self.moment)
    #expect(result.type == "paysaga.direct.completed")
    let text = String(decoding: result.payload(), as: UTF8.self)
    for (found, put) in [
      ("COMPLETED", "CREATED"), ("COMPLETED", "PAID"), (":2,", ":1,"),
    ] {
      let parts = text.split(separator: found, maxSplits: 1, omittingEmptySubsequences: false)
      #expect(throws: UnreadableMessage.self) { try PaymentResult(Array("\(parts[0])\(put)\(parts[1])".utf8)) }
    }
    #expect(throws: UnreadableMessage.self) { try PaymentResult(nil) }
    let last = PaymentResult(
      paymentID: .random(), version: .max, state: .completed, reason: nil, occurredAt: result.occurredAt)
    #expect(throws: UnreadableMessage.self) { try PaymentResult(last.payload()) }
  }
}
