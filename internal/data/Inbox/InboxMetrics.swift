internal import Metrics

/// The consumer's counters.
struct ConsumerMetrics: Sendable {
  private let created: Counter
  private let duplicate: Counter
  private let filtered: Counter
  private let skipped: Counter
  private let deadLettered: Counter
  let batchSeconds: Histogram

  init(_ registry: MetricsRegistry) {
    let outcome = { (name: String) in
      registry.counter(
        "inventory_messages_total", help: "Inventory messages by what became of them.", labels: ["outcome": name])
    }
    created = outcome("created")
    duplicate = outcome("duplicate")
    filtered = outcome("filtered")
    skipped = outcome("skipped")
    deadLettered = outcome("dead_lettered")
    batchSeconds = registry.histogram(
      "inventory_batch_seconds", help: "From a batch's arrival until its offsets were stored.")
  }

  func count(_ batch: InventoryBatch, _ outcomes: InventoryLane.Outcomes) {
    created.add(outcomes.created)
    duplicate.add(outcomes.existing)
    filtered.add(batch.repeated)
    skipped.add(batch.skipped)
    deadLettered.add(batch.deadLetters.count)
  }
}
