internal import Kafka
internal import Metrics
internal import Values

/// An inbox's counters.
struct InboxMetrics<Outcome: InboxOutcome>: Sendable {
  private let done: [Outcome: Counter]
  private let deadLettered: Counter
  private let batchSeconds: Histogram
  private let delays: Histogram
  private let failures: Counter

  /// - Parameter name: what all names of metrics begin with.
  init(_ registry: MetricsRegistry, name: String) {
    let counter = { (outcome: String) in
      registry.counter("\(name)_messages_total", help: "Messages by outcome.", labels: ["outcome": outcome])
    }
    done = Dictionary(uniqueKeysWithValues: Outcome.allCases.map { ($0, counter($0.rawValue)) })
    deadLettered = counter("dead_lettered")
    batchSeconds = registry.histogram(
      "\(name)_batch_seconds", help: "From a batch's arrival until its offsets were stored.")
    delays = registry.histogram(
      "\(name)_message_delay_seconds",
      help: "From a message's timestamp until its offset was stored, after the commit of what it asked for.",
      bounds: Histogram.delaySeconds)
    failures = registry.counter(
      "\(name)_batch_failures_total", help: "Attempts at a batch that the database failed; each is tried again.")
  }

  /// The database failed an attempt at a batch.
  func countFailure() { failures.add() }

  /// Counts a batch whose offsets were stored.
  func count<Item>(_ batch: InboxBatch<Item, Outcome>, seconds: Double) {
    let now = Timestamp.now()
    for message in batch.messages {
      if let timestamp = message.timestamp { delays.observe(now.seconds(since: timestamp)) }
    }
    for (outcome, count) in batch.outcomes { done[outcome]?.add(count) }
    deadLettered.add(batch.deadLetters.count)
    batchSeconds.observe(seconds)
  }
}
