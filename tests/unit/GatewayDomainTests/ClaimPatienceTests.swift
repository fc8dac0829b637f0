import GatewayDomain
import Testing
import Values

@Suite struct ClaimPatienceTests {
  private let start = Instant(nanoseconds: 1_000_000_000)

  @Test func `nothing counts as forgotten until claims could be made for as long as one may take`() {
    var patience = ClaimPatience(.seconds(30))
    #expect(patience.isOver(at: start))
    patience.noteTrouble(at: start)
    patience.noteTrouble(at: start + .seconds(40))
    #expect(!patience.isOver(at: start + .seconds(40)))
    #expect(!patience.isOver(at: start + .seconds(69)))
    #expect(patience.isOver(at: start + .seconds(70)))
  }
}
