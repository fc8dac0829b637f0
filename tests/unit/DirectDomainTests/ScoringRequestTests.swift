import Money
import Testing
import Values

@testable import DirectDomain

@Suite struct ScoringRequestTests {
  static let ids = (1...4).map { UniqueID(high: 0x0193_0000_0000_7000, low: 0x8000_0000_0000_0000 | UInt64($0)) }

  static func request(_ amount: String = "12.5") throws -> ScoringRequest {
    ScoringRequest(
      requestID: ids[0], userID: ids[1], payeeID: ids[2], paymentMethodID: ids[3], amount: try SixPlaceAmount(amount),
      currency: Currency("EUR")!)
  }

  @Test func `a request has these fields and reads as it was written`() throws {
    let request = try Self.request()
    #expect(
      String(decoding: request.payload(), as: UTF8.self) == """
        {"kind":"score","payment_request_id":"01930000-0000-7000-8000-000000000001",\
        "user_id":"01930000-0000-7000-8000-000000000002","payee_id":"01930000-0000-7000-8000-000000000003",\
        "payment_method_id":"01930000-0000-7000-8000-000000000004","amount":"12.5","currency":"EUR"}
        """)
    #expect(try DirectMessage(request.payload()) == .score(request))
    #expect(throws: UnreadableMessage.self) { try PaymentInstruction(request.payload()) }
  }

  @Test func `a payment is read by its lack of a kind, whatever the fields of requests hold`() throws {
    let instruction = PipelineMessagesTests.instruction(.account(number: "42"))
    #expect(try DirectMessage(instruction.payload()) == .payment(instruction))
    let text = String(decoding: instruction.payload().dropLast(), as: UTF8.self)
    let more = Array("\(text),\"amount\":1e999,\"payment_method_id\":[{}],\"payment_request_id\":null}".utf8)
    #expect(try DirectMessage(more) == .payment(instruction))
    #expect(throws: UnreadableMessage("kind is none that this version knows")) {
      try DirectMessage(Array("\(text),\"kind\":\"refund\"}".utf8))
    }
  }

  @Test(arguments: [
    ("\"amount\":\"12.5\"", "\"amount\":12.5", "amount is missing"),
    ("\"12.5\"", "\"0\"", "amount is no decimal above zero"),
    ("\"12.5\"", "\"1234567\"", nil), ("\"EUR\"", "\"EURO\"", "currency is none of ISO 4217"),
    ("\"payment_request_id\"", "\"x\"", "payment_request_id is missing"),
    ("01930000-0000-7000-8000-000000000004", "4", "payment_method_id is no UUID"),
    ("\"user_id\"", "\"x\"", "user_id is missing"),
  ])
  func `what is wrong with a request is named`(old: String, new: String, reason: String?) throws {
    let text = String(decoding: try Self.request().payload(), as: UTF8.self)
    let changed = Array(text.split(separator: old, omittingEmptySubsequences: false).joined(separator: new).utf8)
    do throws(UnreadableMessage) {
      _ = try DirectMessage(changed)
      #expect(reason == nil)
    } catch {
      #expect(error.description == reason)
    }
  }

  @Test func `a request that is cut anywhere is unreadable`() throws {
    let payload = try Self.request().payload()
    for count in 0..<payload.count {
      #expect(throws: UnreadableMessage.self) { try DirectMessage(Array(payload.prefix(count))) }
    }
  }
}

@Suite struct SixPlaceAmountTests {
  @Test(arguments: [
    ("12.5", "12.5"), ("12.50", "12.5"), ("10", "10"), ("10.000000", "10"), ("0.000001", "0.000001"), ("+7", "7"),
    ("007.10", "7.1"), (".5", "0.5"), ("5.", "5"), ("1e3", "1000"), ("1.5E+2", "150"), ("15e-1", "1.5"),
    ("1e-6", "0.000001"), ("99999999999999.999999", "99999999999999.999999"), ("1e13", "10000000000000"),
    ("0.1000000000000000000000000", "0.1"),
  ])
  func `an amount is read exactly`(text: String, expected: String) throws {
    let amount = try SixPlaceAmount(text)
    #expect(amount.text == expected)
    #expect(try SixPlaceAmount(amount.text) == amount)
    var json: [UInt8] = []
    amount.appendJSON(to: &json)
    #expect(String(decoding: json, as: UTF8.self) == expected)
  }

  @Test(arguments: [
    ("", SixPlaceAmount.Fault.malformed), ("x", .malformed), ("1,5", .malformed), (".", .malformed), ("1e", .malformed),
    ("1e+", .malformed), ("0x1", .malformed), ("1_0", .malformed), ("--1", .malformed), ("1 ", .malformed),
    ("٣", .malformed), ("inf", .notFinite), ("-Infinity", .notFinite), ("NaN", .notFinite), ("0", .notPositive),
    ("0.0", .notPositive), ("-1", .notPositive), ("0e9", .notPositive), ("1.1234567", .tooManyDecimals),
    ("1e-7", .tooManyDecimals), ("1e-99999999999999999999", .tooManyDecimals), ("100000000000000", .tooManyDigits),
    ("1e14", .tooManyDigits), ("1e99999999999999999999", .tooManyDigits),
  ])
  func `what is no amount is told apart`(text: String, fault: SixPlaceAmount.Fault) {
    #expect(throws: fault) { try SixPlaceAmount(text) }
  }

  @Test(arguments: [
    ("12.5", 2, Int64(1_250)), ("12.501", 2, 1_251), ("0.000001", 2, 1), ("10", 0, 10), ("10.5", 0, 11),
    ("1.2345", 4, 12_345), ("99999999999999.999999", 4, 1_000_000_000_000_000_000),
  ])
  func `minor units are rounded up`(text: String, exponent: Int, expected: Int64) throws {
    #expect(try SixPlaceAmount(text).minorUnits(exponent: exponent) == expected)
  }
}
