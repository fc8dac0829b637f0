internal import Metrics

/// An inbox's counters.
struct InboxMetrics<Outcome: InboxOutcome>: Sendable {
  private let done: [Outcome: Counter]
  private let deadLettered: Counter
  private let batchSeconds: Histogram

  /// - Parameter name: what all names of metrics begin with.
  init(_ registry: MetricsRegistry, name: String) {
    let counter = { (outcome: String) in
      registry.counter("\(name)_messages_total", help: "Messages by outcome.", labels: ["outcome": outcome])
    }
    done = Dictionary(uniqueKeysWithValues: Outcome.allCases.map { ($0, counter($0.rawValue)) })
    deadLettered = counter("dead_lettered")
    batchSeconds = registry.histogram(
      "\(name)_batch_seconds", help: "From a batch's arrival until its offsets were stored.")
  }

  /// Counts a batch whose offsets were stored.
  func count<Item>(_ batch: InboxBatch<Item, Outcome>, seconds: Double) {
    for (outcome, count) in batch.outcomes { done[outcome]?.add(count) }
    deadLettered.add(batch.deadLetters.count)
    batchSeconds.observe(seconds)
  }
}
