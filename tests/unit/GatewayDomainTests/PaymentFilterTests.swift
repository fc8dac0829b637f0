import DirectDomain
import Testing
import Values

@testable import GatewayDomain

@Suite("Lists of payments")
struct PaymentFilterTests {
  private func filter(_ items: [(String, String)]) throws(RequestFault) -> PaymentFilter {
    try PaymentFilter(items.map { (name: $0.0, value: $0.1) })
  }

  @Test func `all parameters are read`() throws {
    let id = UniqueID("11111111-1111-7111-8111-111111111111")!
    let filter = try filter([
      ("user_id", "\(id)"), ("status", "UNKNOWN"), ("from", "2026-11-26T12:00:00Z"),
      ("to", "2026-11-26T14:00:00.5+01:00"), ("order_id", "7"), ("external_id", "e"), ("limit", "100"),
      ("after", PaymentCursor(id).text),
    ])
    #expect(filter.userID == id && filter.state == .unknown && filter.orderID == 7 && filter.externalID == "e")
    #expect(filter.limit == 100 && filter.after?.id == id)
    #expect(filter.from == noon && filter.to == noon + .milliseconds(3_600_500))
    #expect(try self.filter([]).limit == 25)
  }

  @Test(arguments: [
    ("user_id", "7", "invalid_parameter"), ("status", "created", "invalid_parameter"),
    ("from", "yesterday", "invalid_parameter"), ("to", "2026-11-26", "invalid_parameter"),
    ("order_id", "0", "invalid_parameter"), ("order_id", "x", "invalid_parameter"),
    ("external_id", "", "invalid_parameter"), ("limit", "0", "invalid_parameter"),
    ("limit", "101", "invalid_parameter"), ("limit", "99999999999999999999", "invalid_parameter"),
    ("after", "x", "invalid_cursor"), ("after", String(repeating: "0", count: 40), "invalid_cursor"),
    ("statsu", "CREATED", "unknown_parameter"),
  ])
  func `a bad parameter is refused`(name: String, value: String, code: String) {
    do throws(RequestFault) {
      _ = try filter([(name, value)])
      Issue.record("it was taken")
    } catch {
      #expect(error.status == 400 && error.code.rawValue == code)
      #expect(error.field == (code == "unknown_parameter" ? nil : name))
    }
  }

  @Test func `a parameter comes once, and time runs forwards`() {
    #expect(throws: RequestFault.self) { try filter([("limit", "1"), ("limit", "1")]) }
    #expect(throws: RequestFault.self) {
      try filter([("from", "2026-11-26T12:00:01Z"), ("to", "2026-11-26T12:00:00Z")])
    }
  }

  /// Ids tell the time to the millisecond.
  @Test func `ids bound the time`() throws {
    var filter = PaymentFilter()
    filter.from = noon + .microseconds(1)
    filter.to = noon + .milliseconds(2)
    let bounds = filter.ids
    let made = { (ms: Int64) in UniqueID.ordered(at: noon + .milliseconds(ms)) }
    let (first, end) = (try #require(bounds.first), try #require(bounds.end))
    #expect(made(0) < first && made(1) >= first && made(1) < end && made(2) >= end)
    filter.after = PaymentCursor(made(1))
    #expect(filter.ids.end == filter.after?.id)
    filter.after = PaymentCursor(made(3))
    #expect(filter.ids.end == end)
  }

  @Test func `a cursor is what was given, and nothing like it`() throws {
    let cursor = PaymentCursor(UniqueID.random())
    let text = cursor.text
    #expect(PaymentCursor(text) == cursor)
    for (index, character) in text.enumerated() {
      var letters = Array(text)
      letters[index] = character == "0" ? "1" : "0"
      #expect(PaymentCursor(String(letters)) == nil)
    }
    #expect(PaymentCursor(text.uppercased() + "") == nil || text.uppercased() == text)
    #expect(
      PaymentCursor(text + "0") == nil && PaymentCursor("") == nil && PaymentCursor("+" + text.dropFirst()) == nil)
  }
}
