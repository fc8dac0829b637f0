import Randomness
import SagaDomain
import Testing
import Tracing
import Values

@Suite struct SettleBatchTests {
  private func decide(_ commands: [SettleCommand], _ locked: [Payment]) -> SettleBatch {
    SettleBatch(commands, locked: FoundPayments(locked), now: Samples.now, newID: Samples.counter())
  }

  @Test func aPaymentThatCannotBeReadIsNotTakenForAbsent() throws {
    let unreadable = UnreadablePayment(id: 3, orderID: 1, fault: "status is REFUNDED")
    let batch = SettleBatch(
      [
        try SettleCommand(orderID: 1, to: .completed, reason: ""),
        try SettleCommand(orderID: 2, to: .failed, reason: ""),
      ],
      locked: FoundPayments([Samples.payment(order: 2)], unreadable: [unreadable]), now: Samples.now,
      newID: Samples.counter())
    let error = #expect(throws: PaymentError.self) { try batch.outcomes[0].get() }
    #expect(error?.code == .internal && error?.message == "payment 3 of order 1 cannot be read: status is REFUNDED")
    #expect(batch.changed.map(\.orderID) == [2])
  }

  @Test(arguments: [(FinalStatus.completed, PaymentStatus.completed), (.failed, .failed)])
  func anOpenPaymentIsSettledWithOneEvent(to final: FinalStatus, becomes status: PaymentStatus) throws {
    let batch = decide([try SettleCommand(orderID: 7, to: final, reason: "why")], [Samples.payment(order: 7)])
    let settled = try batch.outcomes[0].get()
    #expect(settled.status == status)
    #expect(settled.reason == "why")
    #expect(settled.version == 2)
    #expect(settled.updatedAt == Samples.now)
    #expect(settled.createdAt == Samples.created)
    #expect(batch.changed == [settled])
    #expect(batch.events.map(\.payment) == [settled])
    #expect(batch.events[0].sequence == 2)
  }

  @Test func theLastVersionThereIsEndsNothing() throws {
    let batch = decide(
      [try SettleCommand(orderID: 7, to: .completed, reason: "")], [Samples.payment(order: 7, version: .max)])
    #expect(throws: PaymentError.self) { try batch.outcomes[0].get() }
    #expect(batch.changed.isEmpty && batch.events.isEmpty)
  }

  @Test func theEventHasTheTraceOfTheCallThatSettled() throws {
    let trace = try #require(TraceContext(traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"))
    let other = try #require(TraceContext(traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b8-01"))
    let commands = [
      try SettleCommand(orderID: 7, to: .failed, reason: "", trace: trace),
      try SettleCommand(orderID: 7, to: .failed, reason: "", trace: other),
      try SettleCommand(orderID: 8, to: .failed, reason: ""),
    ]
    let batch = decide(commands, [Samples.payment(order: 7), Samples.payment(order: 8)])
    #expect(batch.events.map(\.trace) == [trace, nil])
  }

  @Test func theSameFinalStatusAgainAnswersWhatIsStored() throws {
    let stored = Samples.payment(order: 7, status: .failed, reason: "first", version: 2)
    let batch = decide([try SettleCommand(orderID: 7, to: .failed, reason: "second")], [stored])
    #expect(try batch.outcomes[0].get() == stored)
    #expect(batch.changed.isEmpty && batch.events.isEmpty)
  }

  @Test func theOtherFinalStatusIsRefused() throws {
    let stored = Samples.payment(order: 7, status: .completed, version: 2)
    let batch = decide([try SettleCommand(orderID: 7, to: .failed, reason: "")], [stored])
    #expect(throws: PaymentError.self) { try batch.outcomes[0].get() }
    guard case .failure(let error) = batch.outcomes[0] else { return }
    #expect(error.code == .alreadySettled)
    #expect(error.message.contains("COMPLETED"))
    #expect(batch.changed.isEmpty && batch.events.isEmpty)
  }

  @Test func anUnknownOrderIsNotFoundAndHurtsNoNeighbour() throws {
    let commands = [
      try SettleCommand(orderID: 1, to: .completed, reason: ""),
      try SettleCommand(orderID: 2, to: .completed, reason: ""),
    ]
    let batch = decide(commands, [Samples.payment(order: 2)])
    guard case .failure(let error) = batch.outcomes[0] else {
      Issue.record("order 1 has no payment")
      return
    }
    #expect(error.code == .notFound)
    #expect(try batch.outcomes[1].get().status == .completed)
  }

  private func same(_ left: Result<Payment, PaymentError>, _ right: Result<Payment, PaymentError>) -> Bool {
    switch (left, right) {
    case (.success(let left), .success(let right)): left == right
    case (.failure(let left), .failure(let right)): left.code == right.code && left.message == right.message
    default: false
    }
  }

  /// Random batches come out as if their commands came one after another.
  @Test(arguments: 0..<200) func aBatchEqualsItsCommandsOneByOne(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    var stored: [Int64: Payment] = [:]
    for order in Int64(1)...6 where Bool.random(using: &random) {
      stored[order] = Samples.payment(order: order, status: PaymentStatus.allCases.randomElement(using: &random)!)
    }
    let commands = try (0..<Int.random(in: 1...30, using: &random)).map { _ in
      try SettleCommand(
        orderID: Int64.random(in: 1...7, using: &random), to: Bool.random(using: &random) ? .completed : .failed,
        reason: "r\(UInt8.random(in: 0...3, using: &random))")
    }
    let whole = decide(commands, Array(stored.values))
    var state = stored
    var changes: [Payment] = []
    for (index, command) in commands.enumerated() {
      let single = decide([command], state[command.orderID].map { [$0] } ?? [])
      for payment in single.changed {
        state[payment.orderID] = payment
        changes.append(payment)
      }
      #expect(same(whole.outcomes[index], single.outcomes[0]))
    }
    #expect(whole.changed == changes.sorted { $0.orderID < $1.orderID })
    #expect(whole.events.map(\.payment) == whole.changed)
    #expect(Set(whole.events.map(\.eventID)).count == whole.events.count)
  }
}
