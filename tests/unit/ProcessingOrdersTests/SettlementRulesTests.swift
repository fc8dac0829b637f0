import ProcessingStore
import SagaClient
import Testing
import Values

@testable import ProcessingOrders

@Suite struct SettlementRulesTests {
  private let rules = SettlementRules()

  private func settlement(attempts: Int = 1, unknownFor: Duration = .zero) -> Settlement {
    Settlement(
      paymentID: UniqueID(high: 1, low: 2), orderID: 77, since: Timestamp(microseconds: 0), attempts: attempts,
      unknownFor: unknownFor)
  }

  private func isDead(_ answer: SettleAnswer, unknownFor: Duration = .zero) -> Bool {
    if case .dead = rules.verdict(answer, on: settlement(unknownFor: unknownFor), spread: 0) { true } else { false }
  }

  @Test func `the answers that last end a settlement`() {
    #expect(rules.verdict(.settled, on: settlement(), spread: 0) == .finished)
    #expect(isDead(.settledByAnother(reason: "cash")))
    #expect(isDead(.refused("the payment has failed")))
    let other = rules.verdict(.settledByAnother(reason: "cash"), on: settlement(), spread: 0)
    #expect(other == .dead(detail: "order 77 was paid by somebody else: the saga has the reason \"cash\""))
  }

  @Test func `an order that the saga does not know is dead after a day, and not before`() {
    #expect(!isDead(.unknownOrder))
    #expect(!isDead(.unknownOrder, unknownFor: .seconds(24 * 3_600 - 1)))
    #expect(isDead(.unknownOrder, unknownFor: .seconds(24 * 3_600)))
    guard case .again(_, _, isUnknown: true) = rules.verdict(.unknownOrder, on: settlement(), spread: 0) else {
      Issue.record("an unknown order is asked for again")
      return
    }
  }

  @Test func `a saga that is away is asked for ever, with pauses that grow to a minute`() {
    let away = SettleAnswer.unavailable(SagaFailure("no connection"))
    #expect(!isDead(away, unknownFor: .seconds(90 * 86_400)))
    func pause(_ attempts: Int, _ spread: Double) -> Duration? {
      guard
        case .again(let pause, "no connection", false) = rules.verdict(
          away, on: settlement(attempts: attempts), spread: spread)
      else { return nil }
      return pause
    }
    #expect(pause(1, 1) == .seconds(1))
    #expect(pause(1, 0) == .milliseconds(500))
    #expect(pause(2, 1) == .seconds(2))
    #expect(pause(6, 1) == .seconds(32))
    #expect(pause(7, 1) == .seconds(60))
    #expect(pause(.max, 1) == .seconds(60))
  }
}
