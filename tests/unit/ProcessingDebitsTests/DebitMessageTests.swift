import LedgerDomain
import Money
import ProcessingDebits
import Testing
import UserNames
import Values

@Suite struct DebitMessageTests {
  static let id = UniqueID("0198c5b2-6c1e-7d55-8a1b-3f2f0a9c7e10")!
  static let text = #"{"id":"0198c5b2-6c1e-7d55-8a1b-3f2f0a9c7e10","userName":"alice","amount":25,"currency":"EUR"}"#

  @Test func `a debit is read in either unit`() throws {
    let euro = Currency("EUR")!
    for (unit, minorUnits) in [(AmountUnit.major, Int64(2_500)), (.minor, 25)] {
      let expected = DebitCommand(
        id: Self.id, user: try #require(UserName("alice")), amount: Money(minorUnits: minorUnits, euro))
      #expect(try DebitCommand(Array(Self.text.utf8), unit: unit) == expected)
    }
    let yen = Self.text.split(separator: "EUR").joined(separator: "JPY")
    #expect(try DebitCommand(Array(yen.utf8), unit: .major).amount.minorUnits == 25)
    let more = #"{"createDate":{},"# + Self.text.dropFirst()
    #expect(try DebitCommand(Array(more.utf8), unit: .minor).id == Self.id)
  }

  @Test(arguments: [
    ("\"id\":\"0198c5b2-6c1e-7d55-8a1b-3f2f0a9c7e10\"", "\"id\":null", "id is missing"),
    ("0198c5b2-6c1e-7d55-8a1b-3f2f0a9c7e10", "7", "not a debit"), ("\"alice\"", "\"al\"", "userName"),
    ("\"alice\"", "7", "not a debit"), ("25", "0", "amount is no integer above zero"),
    ("25", "-25", "amount is no integer above zero"), ("25", "2.5", "not a debit"), ("25", "\"25\"", "not a debit"),
    ("25", "9223372036854775807", "amount is more"), ("25", "9223372036854775808", "not a debit"),
    ("\"EUR\"", "\"XXX\"", "currency is none of ISO 4217"), ("\"currency\"", "\"x\"", "currency is none of ISO 4217"),
  ])
  func `what is wrong with a debit is named`(old: String, new: String, reason: String) {
    let changed = Self.text.split(separator: old, omittingEmptySubsequences: false).joined(separator: new)
    do throws(UnreadableDebit) {
      _ = try DebitCommand(Array(changed.utf8), unit: .major)
      Issue.record("it was read")
    } catch {
      #expect(error.description.hasPrefix(reason))
    }
  }

  @Test func `a debit that is cut anywhere is unreadable`() {
    for count in 0..<Self.text.utf8.count {
      #expect(throws: UnreadableDebit.self) { try DebitCommand(Array(Self.text.utf8.prefix(count)), unit: .major) }
    }
    #expect(throws: UnreadableDebit.self) { try DebitCommand(nil, unit: .major) }
  }

  @Test func `a result says why nothing was moved`() {
    let outcomes: [(TransferOutcome?, String)] = [
      (.created, #""COMPLETED","reason":null"#), (.exists, #""COMPLETED","reason":null"#),
      (nil, #""REJECTED","reason":"unknown_account""#),
      (.refused(.insufficientFunds), #""REJECTED","reason":"insufficient_funds""#),
      (.refused(.amountOutOfRange), #""REJECTED","reason":"amount_too_large""#),
      (.refused(.sameAccount), #""REJECTED","reason":"ledger_refused""#),
    ]
    for (outcome, rest) in outcomes {
      let payload = String(decoding: DebitResult(Self.id, outcome).payload(), as: UTF8.self)
      #expect(payload == #"{"id":"0198c5b2-6c1e-7d55-8a1b-3f2f0a9c7e10","status":"# + rest + "}")
    }
  }
}
