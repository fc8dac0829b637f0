import HTTPServer
import Testing

@testable import GatewayAPI
@testable import GatewaySurfaces

@Suite struct SurfaceAnswerTests {
  /// Without a key the caller has nothing by which the payment is found again.
  @Test func `nobody is told to ask again where that may pay twice`() {
    let unclear = Fault(StoreTrouble.outcomeUnknown)
    #expect(unclear.mayHaveHappened && SurfaceAnswer.words(unclear).contains("may pay twice"))
    #expect(!SurfaceAnswer.words(unclear).contains("the same call again"))
    let full = Fault.tooManyWaiters
    #expect(full.isOfWaiters && !SurfaceAnswer.words(full).contains("wait`"))
    let busy = Fault(StoreTrouble.overloaded)
    #expect(SurfaceAnswer.words(busy) == busy.problem.detail && !busy.mayHaveHappened)
    #expect(SurfaceAnswer.completed(.json(503, []), busy).fields.contains { $0.name == "Retry-After" })
  }
}
