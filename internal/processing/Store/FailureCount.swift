internal import DirectDomain
internal import Postgres
internal import ProcessingDomain
internal import RiskDomain
internal import RiskStore
internal import Values

/// Counts the payments of a transaction that end as failed, so that risk sees them in the next one.
struct FailureCount {
  private let payments: [RiskPayment]
  private let risk: RiskBook

  /// Finds by what the failures of payments would be counted; nil when there is nothing to count.
  /// - Parameter suspects: the payments that may fail; refunds have no risk.
  init?(
    _ suspects: Set<UniqueID>, _ work: StepWork, _ risk: RiskBook, on connection: Connection
  ) throws(DatabaseError) {
    let open = suspects.compactMap { work.stored[$0] }.filter { stored in
      stored.payment.refundOf == nil && !stored.payment.state.isFinal
    }
    guard !open.isEmpty else { return nil }
    let cards = try risk.cards(connection.run(risk.findCards(of: open.map(\.payment.id))))
    self.risk = risk
    payments = open.map { stored in
      RiskPayment(
        id: stored.payment.id, facts: RiskFacts(method: stored.payment.method, amount: stored.payment.amount),
        userID: stored.userID, payeeID: stored.payeeID,
        cardFingerprints: cards[stored.payment.id].map { [$0] } ?? [],
        account: stored.payment.method == .account ? stored.source : nil)
    }
  }

  /// Locks what they are counted by; before the locks of accounts.
  var reads: [Command] { risk.failureReads(payments) }

  /// Counts those that the steps have ended as failed.
  func writes(_ work: StepWork, _ answers: some Collection<Rows>) throws(DatabaseError) -> [Command] {
    let failed = payments.map(\.id).filter { id in
      work.stored[id]?.payment.reason.map { $0 == .bankDeclined || $0 == .reviewDeclined } ?? false
    }
    return failed.isEmpty ? [] : try risk.failureWrites(payments, answers, failed: Set(failed))
  }
}
