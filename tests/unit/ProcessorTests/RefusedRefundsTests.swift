import Testing
import Values

@testable import Processor

@Suite("Refused refunds")
struct RefusedRefundsTests {
  private func id(_ number: Int) -> UniqueID { UniqueID(high: 1, low: UInt64(number) << 4) }

  @Test func `a payment is passed over for a while`() {
    let start = Instant.now()
    var refused = RefusedRefunds()
    #expect(refused.payments.isEmpty && refused.reason == nil)
    refused.note(id(1), "first", at: start)
    refused.note(id(2), "second", at: start + .seconds(10))
    refused.expire(at: start + .seconds(59))
    #expect(Set(refused.payments) == [id(1), id(2)] && refused.reason == "second")
    refused.expire(at: start + .seconds(60))
    #expect(refused.payments == [id(2)])
    refused.note(id(2), "again", at: start + .seconds(60))
    refused.expire(at: start + .seconds(119))
    #expect(refused.payments == [id(2)] && refused.reason == "again")
    refused.expire(at: start + .seconds(120))
    #expect(refused.payments.isEmpty && refused.reason == nil)
  }

  @Test func `of too many the oldest come back early`() {
    let start = Instant.now()
    var refused = RefusedRefunds()
    for number in 0...RefusedRefunds.limit { refused.note(id(number), "no", at: start + .milliseconds(number)) }
    #expect(refused.payments.count == RefusedRefunds.limit && !refused.payments.contains(id(0)))
  }
}
