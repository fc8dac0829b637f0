public import Metrics
internal import SagaDomain

/// Counts the payments that transactions of this program have brought to a status. Callable on any thread.
///
/// A transaction whose COMMIT got no answer is not counted, although it may have committed.
public struct PaymentChanges: Sendable {
  private let counters: [PaymentStatus: Counter]

  /// Counters at zero, one for each status.
  public init(_ metrics: MetricsRegistry) {
    counters = Dictionary(
      uniqueKeysWithValues: PaymentStatus.allCases.map { status in
        let counter = metrics.counter(
          "payments_changes_total", help: "Payments that this program has brought to a status.",
          labels: ["status": status.rawValue])
        return (status, counter)
      })
  }

  func count(_ payments: [Payment]) {
    // Those of a batch have one or two statuses.
    for (status, counter) in counters {
      let count = payments.count { $0.status == status }
      if count > 0 { counter.add(count) }
    }
  }
}
