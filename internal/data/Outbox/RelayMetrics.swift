internal import Metrics
internal import Values

/// The relay's counters.
struct RelayMetrics: Sendable {
  let reads: Counter
  let read: Counter
  let done: Counter
  let dead: Counter
  let lostLeases: Counter
  let passedOver: Counter
  private let delays: Histogram
  let ownedShards: Gauge
  let inMemory: Gauge

  init(_ registry: MetricsRegistry, labels: MetricsRegistry.Labels) {
    reads = registry.counter(
      "outbox_reads_total", help: "Times the relay has looked for waiting events.", labels: labels)
    read = registry.counter(
      "outbox_read_total", help: "Rows the relay has read from the waiting events.", labels: labels)
    done = registry.counter(
      "outbox_published_total", help: "Events acknowledged by the broker and marked DONE.", labels: labels)
    dead = registry.counter("outbox_dead_total", help: "Events refused by the broker and marked DEAD.", labels: labels)
    lostLeases = registry.counter(
      "outbox_lost_leases_total", help: "Times a lease was lost while it was held.", labels: labels)
    passedOver = registry.counter(
      "outbox_passed_over_total",
      help: "Times an event was found below where the relay reads, by its successor, which waited for it.",
      labels: labels)
    delays = registry.histogram(
      "outbox_publish_delay_seconds",
      help: "From the writing of an event, by the database's clock, to the broker's acknowledgement, by this one.",
      labels: labels, bounds: Histogram.delaySeconds)
    ownedShards = registry.gauge("outbox_owned_shards", help: "Shards this relay publishes.", labels: labels)
    inMemory = registry.gauge("outbox_in_memory_events", help: "Events this relay holds in memory.", labels: labels)
  }

  /// Counts the events that the broker has acknowledged since the last call.
  func countAcknowledged(by core: inout RelayCore) {
    if core.acknowledgedWritings.isEmpty { return }
    let now = Timestamp.now()
    core.takeAcknowledgedWritings { delays.observe(now.seconds(since: $0)) }
  }

  func count(_ report: CompletionReport, isDead: Bool) {
    let moved = report.moved.values.reduce(0, +)
    (isDead ? dead : done).add(moved)
  }
}
