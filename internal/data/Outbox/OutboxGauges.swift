internal import Metrics
internal import Synchronization
internal import Values

/// The gauges of an outbox as a whole, told by the one process whose relay holds the first shard.
///
/// They say what was found last, and nothing once that is too old to be true: a value that stands still while the
/// database is away would look like calm. `outbox_status_timestamp_seconds` tells the two apart.
final class OutboxGauges: Sendable {
  /// What one look has found.
  struct Look: Sendable {
    let status: OutboxStatus
    let figures: OutboxFigures
    /// When it came, by the monotonic clock.
    let at: Instant
    /// The same by the wall clock.
    let moment: Timestamp
  }

  /// How long a look is believed: three missed ones.
  static let lifetime = Duration.seconds(35)

  private struct State {
    var look: Look?
    /// When this process looked last: also told when another process is the one to look, since there may be none.
    var moment: Timestamp?
  }

  private let state = Mutex(State())

  /// Replaces what was found; nil when this process is not the one to tell any more.
  func show(_ look: Look?) {
    state.withLock { state in
      state.look = look
      if let look { state.moment = look.moment }
    }
  }

  /// What was found, while it is believed.
  func current(at now: Instant) -> Look? {
    state.withLock { state in state.look.flatMap { now - $0.at <= Self.lifetime ? $0 : nil } }
  }

  func register(_ metrics: MetricsRegistry, _ tables: OutboxTables) {
    let labels = tables.metricLabels
    let told = "; told by one process, and left out when older than 35 s"
    let gauge = { (name: String, help: String, value: @escaping @Sendable (Look) -> Double?) in
      metrics.gauge(name, help: "\(help)\(told).", labels: labels) { [weak self] in
        self?.current(at: .now()).flatMap(value)
      }
    }
    gauge("outbox_waiting_events", "Events that wait, up to 1,000,000") { Double($0.status.waiting) }
    gauge("outbox_dead_events", "Events the broker refused for good") { Double($0.status.dead) }
    gauge("outbox_oldest_waiting_seconds", "Age of the oldest waiting event, 0 without one") { look in
      // It goes on waiting until the next look.
      look.status.oldestWaiting == nil ? 0 : (look.status.age + (Instant.now() - look.at)).inSeconds
    }
    for reason in WaitReason.allCases {
      metrics.gauge(
        "outbox_blocked_events", help: "Events that wait, by reason\(told).",
        labels: tables.metricLabels(reason: reason.rawValue)
      ) { [weak self] in self?.current(at: .now()).map { Double($0.status.reasons[reason] ?? 0) } }
    }
    gauge("outbox_paused_topics", "Topics that are paused") { Double($0.status.pausedTopics) }
    gauge("outbox_unleased_shards", "Shards that no relay publishes") { Double($0.figures.unleasedShards) }
    gauge("outbox_first_lease_end_seconds", "Until the first lease of a shard ends, below 0 once it is over") {
      $0.figures.firstLeaseEnd
    }
    gauge("outbox_live_relays", "Relays that say they live") { Double($0.figures.liveRelays) }
    gauge("outbox_dead_rows", "Row versions of waiting events that VACUUM has not removed") {
      Double($0.figures.deadRows)
    }
    gauge("outbox_oldest_snapshot_seconds", "Age of the oldest transaction with a snapshot that the role may see") {
      $0.figures.oldestSnapshot
    }
    metrics.gauge(
      "outbox_status_timestamp_seconds",
      help: "When this process last looked at the outbox, Unix time; the newest counts.",
      labels: labels
    ) { [weak self] in self?.state.withLock { $0.moment.map { Double($0.microseconds) / 1e6 } } }
  }
}
