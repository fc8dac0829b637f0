import Foundation
import Money
import Randomness
import Testing
import Values

@testable import BankStubDomain

@Suite struct BankBookTests {
  private func request(_ number: UInt64 = 1, _ source: String = #""card_number":4242424242424242"#) throws
    -> ChargeRequest
  {
    try ChargeRequest(
      Array(
        """
        {"operation_id":"\(UniqueID(high: 1, low: number))","user_id":"\(UniqueID(high: 2, low: 2))","amount":19.99,\
        "currency":"EUR",\(source),"card_holder_name":"N N","cvv":"123"}
        """.utf8))
  }

  @Test(arguments: [
    (#""card_number":"4242424242424242""#, BankOperation.Status.succeed, ""),
    (#""card_number":4000000000000002"#, .error, "declined"),
    (#""card_number":4000000000009995"#, .error, "insufficient funds"),
    (#""account_number":"DE1""#, .succeed, ""), (#""account_number":"DE2""#, .error, "declined"),
    (#""account_number":"DE5""#, .error, "insufficient funds"), (#""card_token":"tok""#, .succeed, ""),
  ])
  func `the number decides`(source: String, status: BankOperation.Status, error: String) throws {
    var book = BankBook()
    var random = SplitMix64(seed: 1)
    let operation = book.charge(try request(1, source), BankBehaviour(), using: &random)
    #expect(operation.status == status && operation.error == error && operation.charges == (status == .succeed ? 1 : 0))
    #expect(operation.amount == Money(minorUnits: 1_999, Currency("EUR")!))
  }

  @Test func `an idempotent bank charges once, the other one each time`() throws {
    var random = SplitMix64(seed: 1)
    var behaviour = BankBehaviour()
    var book = BankBook()
    for _ in 0..<3 { _ = book.charge(try request(), behaviour, using: &random) }
    #expect(book.operations.values.map(\.charges) == [1] && book.operations.values.map(\.requests) == [3])
    behaviour.isIdempotent = false
    _ = book.charge(try request(), behaviour, using: &random)
    #expect(book.operations.values.map(\.charges) == [2])
  }

  @Test func `a reversed operation is not charged any more`() throws {
    var random = SplitMix64(seed: 1)
    var book = BankBook()
    let behaviour = BankBehaviour()
    _ = book.charge(try request(1), behaviour, using: &random)
    #expect(book.reverse(UniqueID(high: 1, low: 1)).charges == 0)
    #expect(book.reverse(UniqueID(high: 1, low: 2)).status == .reversed)
    let late = book.charge(try request(2), behaviour, using: &random)
    #expect(late.status == .reversed && late.charges == 0 && late.requests == 1)
  }

  private func refund(_ number: UInt64, _ amount: String, of charge: UInt64 = 1) throws -> RefundRequest {
    let body = #"{"refund_id":"\#(UniqueID(high: 3, low: number))","amount":\#(amount),"currency":"EUR"}"#
    return try RefundRequest(Array(body.utf8), of: UniqueID(high: 1, low: charge))
  }

  @Test func `a bank gives back once, and at most what it has charged`() throws {
    var random = SplitMix64(seed: 1)
    var book = BankBook()
    var behaviour = BankBehaviour()
    #expect(book.refund(try refund(1, "1.00"), behaviour, using: &random).error == "nothing was charged")
    _ = book.charge(try request(), behaviour, using: &random)
    let first = book.refund(try refund(2, "15.00"), behaviour, using: &random)
    #expect(first.status == .succeed && first.charges == 1 && first.refundOf == UniqueID(high: 1, low: 1))
    #expect(book.refund(try refund(2, "15.00"), behaviour, using: &random).charges == 1)
    #expect(book.refund(try refund(3, "5.00"), behaviour, using: &random).error == "more than was charged")
    // As after a crash.
    book = BankBook(try book.operations.values.map { try #require(BankOperation(line: $0.line)) })
    #expect(book.refund(try refund(4, "5.00"), behaviour, using: &random).error == "more than was charged")
    #expect(book.reverse(first.id).charges == 0)
    #expect(book.refund(try refund(5, "19.99"), behaviour, using: &random).status == .succeed)
    #expect(book.refund(try refund(2, "15.00"), behaviour, using: &random).status == .reversed)
    behaviour.isIdempotent = false
    #expect(book.refund(try refund(5, "19.99"), behaviour, using: &random).charges == 2)
  }

  @Test func `a request that nothing is done about is counted`() throws {
    var random = SplitMix64(seed: 1)
    var book = BankBook()
    let ignored = book.ignore(try request().operationID)
    #expect(ignored.requests == 1 && ignored.charges == 0 && book.find(ignored.id) == nil)
    let kept = try #require(BankOperation(line: ignored.line))
    book = BankBook([kept])
    #expect(book.charge(try request(), BankBehaviour(), using: &random).requests == 2)
    #expect(book.find(ignored.id)?.charges == 1)
  }

  @Test func `a bank that forgets is asked so often`() throws {
    var random = SplitMix64(seed: 1)
    var book = BankBook()
    var behaviour = BankBehaviour()
    behaviour.forgets = 2
    let id = book.charge(try request(), behaviour, using: &random).id
    #expect(book.find(id) == nil && book.find(id) == nil)
    #expect(book.find(id)?.status == .succeed)
    #expect(book.find(UniqueID(high: 9, low: 9)) == nil)
  }

  @Test func `a journal's lines give the operations back`() throws {
    var random = SplitMix64(seed: 1)
    var book = BankBook()
    _ = book.charge(try request(1), BankBehaviour(), using: &random)
    _ = book.charge(try request(2, #""account_number":"2""#), BankBehaviour(), using: &random)
    _ = book.reverse(UniqueID(high: 1, low: 3))
    for operation in book.operations.values {
      #expect(BankOperation(line: operation.line) == operation)
      for length in 0..<operation.line.count {
        #expect(BankOperation(line: Array(operation.line.prefix(length))) == nil)
      }
    }
  }

  @Test(arguments: [
    ("19.99", "19.999", "amount"), ("19.99", "0", "amount must be above zero"), ("19.99", "1e3", "amount"),
    ("\"EUR\"", "\"XXX\"", "currency"), ("\"operation_id\"", "\"x\"", "operation_id is missing"),
    ("\"card_number\"", "\"y\"", "card_number, account_number or card_token is missing"),
    ("{", "[", "expected an object"),
  ])
  func `what is no request is named`(found: String, put: String, words: String) throws {
    let text = """
      {"operation_id":"\(UniqueID(high: 1, low: 1))","user_id":"\(UniqueID(high: 2, low: 2))","amount":19.99,\
      "currency":"EUR","card_number":4242424242424242}
      """
    let parts = text.split(separator: found, maxSplits: 1, omittingEmptySubsequences: false)
    let error = try #require(throws: ChargeRequest.Unreadable.self) {
      try ChargeRequest(Array("\(parts[0])\(put)\(parts[1])".utf8))
    }
    #expect(error.description.contains(words) && !error.description.contains("4242"), "\(error)")
  }

  @Test func `a behaviour changes what is named`() throws {
    var behaviour = BankBehaviour()
    try behaviour.change(
      by: Array(
        #"{"delay_ms":[5,10],"approval":80,"idempotent":false,"forgets":2,"faults":{"cut":10},"script":["hang","html"]}"#
          .utf8))
    #expect(behaviour.delay == 5...10 && behaviour.approval == 80 && !behaviour.isIdempotent && behaviour.forgets == 2)
    var random = SplitMix64(seed: 1)
    #expect(BankBook.fault(&behaviour, using: &random) == .hang && BankBook.fault(&behaviour, using: &random) == .html)
    let drawn = (0..<10_000).map { _ in BankBook.fault(&behaviour, using: &random) }
    #expect((50...150).contains(drawn.count { $0 == .cut }) && drawn.allSatisfy { $0 == nil || $0 == .cut })
    let before = behaviour
    for wrong in [
      "{\"delay_ms\":-1}", "{\"delay_ms\":[2,1]}", "{\"approval\":101}", "{\"faults\":{\"fire\":1}}", "{\"x\":1}", "[]",
      "{\"faults\":{\"cut\":600,\"html\":600}}", "{\"delay_ms\":[1,2,3]}",
    ] {
      #expect(throws: BankBehaviour.Unreadable.self) { try behaviour.change(by: Array(wrong.utf8)) }
    }
    #expect(behaviour == before)
  }

  @Test func `the document names every fault`() throws {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
      "../../../docs/bank-stub.md")
    let text = try String(contentsOf: file, encoding: .utf8)
    for fault in BankFault.allCases { #expect(text.contains("`\(fault.rawValue)`"), "\(fault.rawValue)") }
  }

  // MARK: - Statements

  @Test func `a statement lists what was charged in its time, and goes wrong as it is told`() throws {
    var random = SplitMix64(seed: 1)
    var behaviour = BankBehaviour()
    var book = BankBook()
    for number in UInt64(1)...6 {
      let source = number == 6 ? #""account_number":"2""# : #""account_number":"1""#
      let operation = book.charge(try request(number, source), behaviour, using: &random)
      let dated = book.date(operation, at: Timestamp(microseconds: Int64(number) * 1_000_000))
      // The time is in the journal, and stays.
      #expect(BankOperation(line: dated.line) == dated)
      #expect(book.date(dated, at: .now()) == dated)
    }
    _ = book.reverse(UniqueID(high: 1, low: 2))
    _ = book.reverse(UniqueID(high: 1, low: 9))
    func rows(_ from: Int64, _ to: Int64) -> [[Substring]] {
      let statement = BankStatement(
        book.operations.values, from: Timestamp(microseconds: from), to: Timestamp(microseconds: to), &behaviour,
        using: &random)
      let lines = String(decoding: statement.bytes(.csv), as: UTF8.self).split(separator: "\n")
      #expect(lines.first == "operation_id,amount,currency,status,time")
      return lines.dropFirst().map { $0.split(separator: ",") }
    }
    let all = rows(0, .max)
    #expect(all.map { $0[3] } == ["succeed", "reversed", "succeed", "succeed", "succeed", "error"])
    #expect(all.allSatisfy { $0[1] == "19.99" && $0[2] == "EUR" })
    #expect(rows(2_000_000, 4_000_000).map { $0[0] } == all[1..<3].map { $0[0] })
    try behaviour.change(
      by: Array(#"{"statement_script":["missing",null,"duplicate","other_amount","other_status","foreign"]}"#.utf8))
    let wrong = rows(0, .max)
    #expect(wrong.map { $0[3] } == ["reversed", "succeed", "succeed", "succeed", "error", "error", "error"])
    #expect(wrong[1] == wrong[2] && wrong[3][1] == "19.98" && wrong[6] == all[5])
    #expect(!all.contains { $0[0] == wrong[5][0] })
    #expect(rows(0, .max) == all)
    try behaviour.change(by: Array(#"{"statement_faults":{"missing":1000}}"#.utf8))
    #expect(rows(0, .max).isEmpty)
    #expect(throws: BankBehaviour.Unreadable.self) {
      try behaviour.change(by: Array(#"{"statement_faults":{"x":1}}"#.utf8))
    }
  }
}
