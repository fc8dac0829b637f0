import Testing
import Values

@testable import ProcessingAudit

@Suite struct PaymentJudgeTests {
  private typealias Movement = AuditedPayment.Movement
  private typealias Attempt = AuditedPayment.Attempt

  private static let asked = Timestamp(microseconds: 5)
  private static let owner = UniqueID(high: 7, low: 7)

  private func payment(
    _ state: String = "COMPLETED", _ change: (inout AuditedPayment) -> Void = { _ in }
  ) -> AuditedPayment {
    var payment = AuditedPayment(
      id: UniqueID(high: 1, low: 16), userID: UniqueID(high: 2, low: 0), method: "account", amount: 100,
      currency: "EUR", debit: UniqueID(high: 3, low: 0), credit: UniqueID(high: 4, low: 0), orderID: nil, state: state,
      version: 3, stage: "done", askedAt: nil, claimOwner: nil, hasHold: false, due: nil, age: .seconds(1))
    switch state {
    case "COMPLETED": (payment.movement, payment.resolution) = (movement(2), movement(3))
    case "UNKNOWN":
      (payment.movement, payment.hasHold, payment.due, payment.hasDueRow) = (movement(2), true, Self.asked, true)
      payment.askedAt = Self.asked
    default: break
    }
    payment.attempts = [Attempt(askedAt: Self.asked, call: "charge", answer: "approved")]
    change(&payment)
    return payment
  }

  private func movement(_ kind: Int16, _ change: (inout Movement) -> Void = { _ in }) -> Movement {
    var movement = Movement(
      kind: kind, debit: UniqueID(high: 3, low: 0), credit: UniqueID(high: 4, low: 0), amount: 100, currency: "EUR")
    change(&movement)
    return movement
  }

  private func kinds(_ payment: AuditedPayment) -> [DirectAuditReport.Kind] {
    PaymentJudge.findings(payment).map(\.kind)
  }

  @Test func `payments that are as they should be have no finding`() {
    #expect(kinds(payment()) == [])
    #expect(kinds(payment { ($0.movement, $0.resolution) = (movement(1), nil) }) == [])
    #expect(kinds(payment("UNKNOWN")) == [])
    for state in ["REJECTED", "ERROR"] {
      #expect(kinds(payment(state)) == [])
      #expect(kinds(payment(state) { ($0.movement, $0.resolution) = (movement(2), movement(4)) }) == [])
    }
    #expect(kinds(payment("PROCESSING")) == [])
    #expect(kinds(payment("REVIEW") { ($0.movement, $0.hasHold) = (movement(2), true) }) == [])
    let claimed = payment("PROCESSING") {
      ($0.claimOwner, $0.claimRow, $0.hasOwner) = (Self.owner, Self.owner, true)
    }
    #expect(kinds(claimed) == [])
  }

  @Test func `a state that the ledger does not bear out is found`() {
    #expect(kinds(payment { $0.resolution = nil }) == [.posting])
    #expect(kinds(payment { ($0.movement, $0.resolution) = (nil, nil) }) == [.posting])
    #expect(kinds(payment { $0.resolution = movement(4) }) == [.posting])
    #expect(kinds(payment { ($0.movement, $0.resolution) = (nil, movement(3)) }) == [.posting])
    for state in ["REJECTED", "ERROR"] {
      #expect(kinds(payment(state) { $0.movement = movement(2) }) == [.posting])
      #expect(kinds(payment(state) { $0.movement = movement(1) }) == [.posting])
      #expect(kinds(payment(state) { ($0.movement, $0.resolution) = (movement(2), movement(3)) }) == [.posting])
    }
    #expect(kinds(payment("UNKNOWN") { $0.resolution = movement(4) }) == [.posting])
    #expect(kinds(payment("UNKNOWN") { $0.movement = nil }) == [.posting])
    #expect(kinds(payment("PROCESSING") { $0.movement = movement(2) }) == [.posting])
    for change: (inout Movement) -> Void in [
      { $0.debit = Self.owner }, { $0.credit = Self.owner }, { $0.amount = 99 }, { $0.currency = "USD" },
    ] {
      #expect(kinds(payment { $0.movement = movement(2, change) }) == [.posting])
      #expect(kinds(payment { $0.resolution = movement(3, change) }) == [.posting])
    }
    #expect(kinds(payment("SOMEHOW")) == [.unreadable])
  }

  @Test func `two charges without a word that nothing was sent are found`() {
    func charges(_ answers: [String?]) -> AuditedPayment {
      payment {
        $0.attempts = answers.enumerated().map {
          Attempt(askedAt: Timestamp(microseconds: Int64($0.offset)), call: "charge", answer: $0.element)
        }
      }
    }
    #expect(kinds(charges(["not_sent", "not_sent", "approved"])) == [])
    #expect(kinds(charges(["not_sent", nil])) == [])
    #expect(kinds(charges(["unclear", "approved"])) == [.attempt])
    #expect(kinds(charges([nil, "approved"])) == [.attempt])
    #expect(kinds(charges(["approved", "not_sent"])) == [.attempt])
    #expect(kinds(charges([])) == [.attempt])
    #expect(kinds(payment { $0.method = "balance" }) == [.attempt])
    #expect(kinds(payment("UNKNOWN") { $0.attempts = [] }) == [.attempt])
    #expect(kinds(payment("UNKNOWN") { $0.askedAt = Timestamp(microseconds: 6) }) == [.attempt])
  }

  private func refund(_ change: (inout AuditedPayment) -> Void = { _ in }) -> AuditedPayment {
    payment {
      $0.refund = AuditedPayment.Refund(
        of: Self.owner, cause: "caller",
        payment: AuditedPayment.Original(
          userID: $0.userID, method: $0.method, currency: "EUR", debit: $0.credit, credit: $0.debit, state: "COMPLETED",
          isRefund: false))
      $0.attempts = [Attempt(askedAt: Self.asked, call: "refund", answer: "approved")]
      change(&$0)
    }
  }

  @Test func `refunds beyond their payment, and those of no payment, are found`() {
    #expect(kinds(refund()) == [])
    #expect(kinds(refund { $0.attempts[0].call = "charge" }) == [.attempt])
    #expect(kinds(payment { $0.attempts[0].call = "refund" }) == [.attempt])
    #expect(kinds(refund { $0.attempts += [Attempt(askedAt: Self.asked, call: "refund", answer: nil)] }) == [.attempt])
    #expect(kinds(payment { $0.refunded = 100 }) == [])
    #expect(kinds(payment { $0.refunded = 101 }) == [.refund])
    #expect(kinds(refund { $0.refund?.payment = nil }) == [.refund])
    for change: (inout AuditedPayment.Original) -> Void in [
      { $0.isRefund = true }, { $0.state = "REJECTED" }, { $0.state = "UNKNOWN" }, { $0.userID = Self.owner },
      { $0.method = "token" }, { $0.currency = "USD" }, { $0.debit = Self.owner }, { $0.credit = Self.owner },
    ] {
      #expect(kinds(refund { change(&$0.refund!.payment!) }) == [.refund])
    }
    // A charge without a payment.
    #expect(
      kinds(
        refund { payment in
          payment.refund?.cause = "charged_not_completed"
          payment.refund?.payment?.state = "ERROR"
          payment.refund?.payment?.credit = Self.owner
        }) == [])
    #expect(kinds(refund { $0.refund?.cause = "charged_not_completed" }) == [.refund])
    #expect(kinds(payment("ERROR") { $0.isRefundedFromSuspense = true }) == [.refund])
    #expect(kinds(payment("ERROR") { $0.putAside = movement(1) }) == [.refund])
    #expect(
      kinds(payment("ERROR") { ($0.isRefundedFromSuspense, $0.putAside) = (true, movement(1)) }) == [])
    #expect(
      kinds(payment("ERROR") { ($0.isRefundedFromSuspense, $0.putAside) = (true, movement(1) { $0.amount = 9 }) })
        == [.refund])
  }

  @Test func `what is moved out of suspense is a charge that was put aside and does not go back`() {
    func moved(
      _ change: (inout Movement) -> Void = { _ in }, of payment: (inout AuditedPayment) -> Void = { _ in }
    ) -> AuditedPayment {
      let aside = movement(1)
      return self.payment("ERROR") {
        ($0.isRefundedFromSuspense, $0.putAside) = (true, aside)
        $0.release = movement(1) {
          ($0.debit, $0.credit) = (aside.credit, UniqueID(high: 5, low: 0))
          change(&$0)
        }
        payment(&$0)
      }
    }
    #expect(kinds(moved()) == [])
    for change: (inout Movement) -> Void in [
      { $0.kind = 2 }, { $0.debit = Self.owner }, { $0.amount = 99 }, { $0.currency = "USD" },
    ] {
      #expect(kinds(moved(change)) == [.refund])
    }
    #expect(kinds(moved(of: { $0.refunded = 100 })) == [.refund])
    #expect(kinds(moved(of: { ($0.isRefundedFromSuspense, $0.putAside) = (false, nil) })) == [.refund])
  }

  @Test func `side tables that say something else are found`() {
    #expect(kinds(payment("PROCESSING") { $0.claimOwner = Self.owner }) == [.claim])
    #expect(kinds(payment("PROCESSING") { $0.claimRow = Self.owner }) == [.claim])
    #expect(
      kinds(payment("PROCESSING") { ($0.claimOwner, $0.claimRow) = (Self.owner, Self.owner) }) == [.claim])
    #expect(
      kinds(payment { ($0.claimOwner, $0.claimRow, $0.hasOwner) = (Self.owner, Self.owner, true) }) == [.claim])
    #expect(kinds(payment("UNKNOWN") { $0.hasDueRow = false }) == [.claim])
    #expect(kinds(payment { $0.hasDueRow = true }) == [.claim])
    #expect(kinds(payment("REJECTED") { ($0.hasSettlement, $0.orderID) = (true, 7) }) == [.order])
    #expect(kinds(payment { $0.hasSettlement = true }) == [.order])
    #expect(kinds(payment { ($0.hasSettlement, $0.orderID) = (true, 7) }) == [])
  }

  @Test func `an order is settled by its payment, waits for it, or is dead`() {
    let ours = AuditedOrder(status: "COMPLETED", reason: "direct:x")
    func finding(_ order: AuditedOrder?, _ change: (inout AuditedPayment) -> Void = { _ in }) -> DirectAuditReport.Kind?
    {
      let payment = payment {
        $0.orderID = 7
        change(&$0)
      }
      return PaymentJudge.order(payment, order, reason: "direct:x")?.kind
    }
    #expect(finding(ours) == nil)
    #expect(finding(nil) == .order)
    #expect(finding(AuditedOrder(status: "COMPLETED", reason: "cash")) == .order)
    #expect(finding(AuditedOrder(status: "CREATED", reason: "")) == .order)
    #expect(finding(AuditedOrder(status: "CREATED", reason: "")) { $0.hasSettlement = true } == nil)
    #expect(finding(AuditedOrder(status: "FAILED", reason: "")) { $0.isOrderDead = true } == nil)
    #expect(finding(ours) { $0.isOrderDead = true } == .order)
    #expect(finding(nil) { $0.state = "REJECTED" } == nil)
  }

  private func intake(_ state: String, _ version: Int64, age: Duration = .seconds(1)) -> AuditedIntake {
    let payment = payment()
    return AuditedIntake(
      id: payment.id, userID: payment.userID, method: payment.method, amount: payment.amount,
      currency: payment.currency, orderID: nil, state: state, version: version, historyState: state, age: age)
  }

  @Test func `what the gateway has is there in processing`() {
    let grace = Duration.seconds(60)
    func finding(_ intake: AuditedIntake, _ payment: AuditedPayment?) -> DirectAuditReport.Kind? {
      PaymentJudge.earlier(intake, than: payment, grace: grace)?.kind
    }
    #expect(finding(intake("COMPLETED", 3), payment()) == nil)
    #expect(finding(intake("PROCESSING", 2), payment()) == nil)
    #expect(finding(intake("CREATED", 1), nil) == nil)
    #expect(finding(intake("CREATED", 1, age: .seconds(61)), nil) == .late)
    #expect(finding(intake("PROCESSING", 2), nil) == .missing)
    #expect(finding(intake("COMPLETED", 4), payment()) == .state)
    #expect(finding(intake("REJECTED", 3), payment()) == .state)
    #expect(finding(intake("REJECTED", 2), payment()) == .state)
    var forgetful = intake("COMPLETED", 3)
    forgetful.historyState = nil
    #expect(finding(forgetful, payment()) == .state)
  }

  @Test func `what processing has decided reaches the gateway in time`() {
    let grace = Duration.seconds(60)
    func finding(_ intake: AuditedIntake?, age: Duration = .seconds(1)) -> DirectAuditReport.Kind? {
      PaymentJudge.later(intake, than: payment { $0.age = age }, grace: grace)?.kind
    }
    #expect(finding(intake("COMPLETED", 3), age: .seconds(9_000)) == nil)
    #expect(finding(intake("PROCESSING", 2)) == nil)
    #expect(finding(intake("PROCESSING", 2), age: .seconds(61)) == .late)
    #expect(finding(nil) == .missing)
    for change: (inout AuditedIntake) -> Void in [
      { $0.userID = Self.owner }, { $0.method = "card" }, { $0.amount = 1 }, { $0.currency = "USD" },
      { $0.orderID = 1 },
    ] {
      var other = intake("COMPLETED", 3)
      change(&other)
      #expect(finding(other) == .state)
    }
  }
}
