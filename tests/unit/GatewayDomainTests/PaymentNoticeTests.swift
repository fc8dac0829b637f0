import Testing
import Values

@testable import GatewayDomain

@Suite("Payment notices")
struct PaymentNoticeTests {
  @Test func `ids survive the payload`() {
    let ids = (0..<500).map { _ in UniqueID.random() } + [UniqueID(high: 0, low: 0), UniqueID(high: .max, low: .max)]
    let payloads = PaymentNotice.payloads(ids)
    #expect(payloads.count == 2)
    #expect(payloads.allSatisfy { $0.utf8.count <= 7_999 })
    #expect(payloads.flatMap { PaymentNotice.ids($0) ?? [] } == ids)
    #expect(PaymentNotice.payloads([]).isEmpty)
  }

  @Test(arguments: [
    "", "A", String(repeating: "A", count: 21), String(repeating: "*", count: 22),
    String(repeating: "A", count: 21) + "B", String(repeating: "A", count: 23),
  ])
  func `anything else is no payload`(text: String) {
    #expect(PaymentNotice.ids(text) == nil)
  }
}
