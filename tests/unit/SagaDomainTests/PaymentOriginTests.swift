import Testing
import Tracing
import Values

@testable import SagaDomain

/// Who asked for a change of a payment.
@Suite struct PaymentOriginTests {
  private static let trace = TraceContext(traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")

  @Test func aLineHasWhoAskedAndTheTraceOfTheCall() throws {
    let created = try CreateCommand(orderID: 1, trace: Self.trace, place: "inventory/3@17")
    #expect(created.origin == "inventory/3@17 trace=4bf92f3577b34da6a3ce929d0e0e4736")
    let settled = try SettleCommand(orderID: 1, to: .completed, reason: "", caller: "shop@10.0.0.1:4444")
    #expect(settled.origin == "shop@10.0.0.1:4444")
    #expect(try SettleCommand(expiring: 1).origin == "expiry")
    #expect(try SettleCommand(orderID: 1, to: .completed, reason: "", trace: Self.trace).origin == nil)
  }

  @Test func aLineIsTakenApartAgain() {
    #expect(PaymentOrigin.who(in: "a@b trace=12") == "a@b" && PaymentOrigin.trace(in: "a@b trace=12") == "12")
    #expect(PaymentOrigin.who(in: "expiry") == "expiry" && PaymentOrigin.trace(in: "expiry") == nil)
    #expect(PaymentOrigin.who(in: "") == "" && PaymentOrigin.trace(in: "trace=") == nil)
  }

  @Test func aLineNeverOutgrowsItsColumn() throws {
    let caller = String(repeating: "é", count: 600)
    let origin = try #require(
      try SettleCommand(orderID: 1, to: .failed, reason: "", trace: Self.trace, caller: caller).origin)
    #expect(origin.utf8.count <= PaymentOrigin.longest && origin.utf8.count >= PaymentOrigin.longest - 1)
    #expect(PaymentOrigin.trace(in: origin) == "4bf92f3577b34da6a3ce929d0e0e4736")
  }

  @Test func theCommandThatChangedAPaymentIsItsOrigin() throws {
    let commands = try [1, 2, 1].enumerated().map { index, order in
      try SettleCommand(orderID: Int64(order), to: .completed, reason: "", caller: "caller-\(index)")
    }
    let batch = SettleBatch(
      commands, locked: FoundPayments([Samples.payment(order: 2), Samples.payment(order: 1)]), now: Samples.now
    ) { .random() }
    #expect(batch.changed.map(\.orderID) == [1, 2] && batch.origins == ["caller-0", "caller-1"])
  }
}
