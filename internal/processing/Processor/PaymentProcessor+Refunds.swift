internal import Bank
internal import DirectDomain
internal import Postgres
internal import ProcessingDomain
public import ProcessingStore
public import Values

/// Refunds that callers want.
extension PaymentProcessor {
  /// Opens a refund, and asks the bank for it when there is room; otherwise it waits in the tables. The same wish again
  /// finds what it has opened.
  public func refund(_ wish: NewRefund, deadline: Instant) async -> RefundAnswer {
    let result: RefundResult
    do {
      let results = try await pool.withConnection(deadline: deadline) { [store] connection throws(DatabaseError) in
        try store.open([wish], on: connection)
      }
      guard let first = results.first else { return .faulty("the transaction has no result") }
      result = first
    } catch {
      if RefusedWrite.isOfValues(error) { return .faulty(error.description) }
      return .unavailable(mayHaveHappened: error.code == .outcomeUnknown)
    }
    switch result {
    case .opened(let refund):
      opened([refund])
      return .done(refund, isRepetition: false)
    case .known(let refund): return .done(refund, isRepetition: true)
    case .differs: return .differs
    case .missing: return .missing
    case .unreadable(let fault): return .faulty(fault)
    case .refused(let refusal): return .refused(refusal)
    }
  }

  /// Goes on with refunds whose transaction has committed. Callable on any thread.
  func opened(_ refunds: [StoredRefund]) {
    claimed.opened(refunds)
    for refund in refunds where refund.stored.payment.stage == .ready && refund.stored.payment.hasHold {
      guard let claim = lease.current, reserveUnlessAwaited(1) == 1 else { return }
      if inHand.take(refund.stored.payment.id) {
        startCharge(refund.stored.payment.id, by: claim)
      } else {
        bank.release(1)
      }
    }
  }
}
