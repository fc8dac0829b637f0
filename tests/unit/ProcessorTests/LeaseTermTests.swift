import ProcessingDomain
import Testing
import Values

@testable import Processor

@Suite struct LeaseTermTests {
  private static let claim = Claim(owner: UniqueID(high: 1, low: 1), epoch: 1)
  private static let other = Claim(owner: UniqueID(high: 1, low: 2), epoch: 1)

  private func at(_ seconds: Double) -> Instant { Instant(nanoseconds: Int64(seconds * 1e9)) }

  /// A lease of 15 s that was renewed every 5 s until then.
  private func term(renewedUntil end: Int) -> LeaseTerm {
    var term = LeaseTerm(length: .seconds(15))
    for second in stride(from: 100, through: end, by: 5) { term.hold(Self.claim, from: at(Double(second))) }
    return term
  }

  @Test func `who was renewed in time for a whole lease may take over`() {
    #expect(!LeaseTerm(length: .seconds(15)).mayTakeOver(at: at(1_000)))
    let term = term(renewedUntil: 110)
    #expect(!term.mayTakeOver(at: at(114.9)) && term.mayTakeOver(at: at(115)))
  }

  @Test func `after an outage that ends leases everybody gets the time to renew`() {
    // Others were renewed just before ours, or up to 5 s after it: an outage of 10 s and more ends some of them.
    var term = term(renewedUntil: 200)
    #expect(term.mayTakeOver(at: at(201)))
    term.hold(Self.claim, from: at(210))
    #expect(!term.mayTakeOver(at: at(224.9)) && term.mayTakeOver(at: at(225)))
    // A renewal that is merely late.
    term.hold(Self.claim, from: at(219))
    #expect(term.mayTakeOver(at: at(225)))
  }

  @Test func `an outage loses no lease, and a new owner begins anew`() {
    var term = term(renewedUntil: 200)
    #expect(term.isHeld(at: at(214.9)) && !term.isHeld(at: at(215)))
    #expect(term.claim == Self.claim)
    term.lose()
    #expect(term.claim == nil && !term.isHeld(at: at(201)) && !term.mayTakeOver(at: at(201)))
    term.hold(Self.other, from: at(202))
    #expect(term.claim == Self.other && !term.mayTakeOver(at: at(216)) && term.mayTakeOver(at: at(217)))
  }
}
