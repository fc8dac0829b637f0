import ProcessingDomain
import Testing
import Values

@testable import Processor

@Suite struct DueTests {
  @Test func `waits of cards end before reviews`() {
    let (review, card) = (UniqueID(high: 1, low: 1), UniqueID(high: 1, low: 2))
    #expect(PaymentProcessor.waitsToEnd([.review: [review], .card: [card], .charge: [review]]) == [card, review])
    #expect(PaymentProcessor.waitsToEnd([:]) == [])
  }
}
