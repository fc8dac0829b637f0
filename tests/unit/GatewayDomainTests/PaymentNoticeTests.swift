import Testing
import Values

@testable import GatewayDomain

@Suite("Payment notices")
struct PaymentNoticeTests {
  @Test func `changes survive the payload`() {
    let ids = (0..<250).map { _ in UniqueID.random() } + [UniqueID(high: 0, low: 0), UniqueID(high: .max, low: .max)]
    let changes = ids.map { PaymentChange($0, of: .random()) } + [PaymentChange(.random(), of: nil)]
    let payloads = PaymentNotice.payloads(changes)
    #expect(payloads.count == 2)
    #expect(payloads.allSatisfy { $0.utf8.count <= 7_999 })
    #expect(payloads.flatMap { PaymentNotice.changes($0) ?? [] } == changes)
    #expect(PaymentNotice.payloads([]).isEmpty)
  }

  @Test(arguments: [
    "", "+", "+A", "+" + String(repeating: "A", count: 43), "+" + String(repeating: "*", count: 44),
    "+" + String(repeating: "A", count: 43) + "B", "+" + String(repeating: "A", count: 45),
    // As a version before this one wrote them.
    String(repeating: "A", count: 44),
  ])
  func `anything else is no payload`(text: String) {
    #expect(PaymentNotice.changes(text) == nil)
  }
}
