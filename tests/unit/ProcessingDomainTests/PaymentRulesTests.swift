import Testing
import Values

@testable import ProcessingDomain

struct PaymentRulesTests {
  @Test(arguments: [0.0, 0.5, 0.99])
  func `the bank is asked at 1 s, 5 s, 30 s, 5 m, the horizon, 1 h, and then daily, with jitter`(spread: Double) {
    let rules = PaymentRules(bankTimeout: .seconds(30), bankHorizon: .seconds(600))
    let askedAt = Timestamp(microseconds: 1_000_000_000)
    var now = askedAt
    func next(_ inquiries: Int) -> Double {
      let at = rules.nextInquiry(after: inquiries, askedAt: askedAt, at: now, spread: spread)
      defer { now = at }
      return Double(at.microseconds - now.microseconds) / 1e6
    }
    for (inquiries, wait) in [1.0, 5, 30, 300].enumerated() {
      #expect((wait...wait * 1.1).contains(next(inquiries)))
    }
    // The moment from which "no such payment" counts: 2 s to send, 30 s to answer, 10 m for the bank to show it.
    #expect(rules.countsFrom(askedAt) == askedAt + .seconds(632))
    _ = next(4)
    #expect((askedAt + .seconds(632)...askedAt + .seconds(694)).contains(now))
    for (inquiries, wait) in [(5, 3_600.0), (6, 86_400), (7, 86_400), (1_000, 86_400)] {
      #expect((wait...wait * 1.1).contains(next(inquiries)))
    }
  }
}
