internal import Kafka
internal import Metrics
internal import Synchronization
internal import Values

/// This member's lag in each of its partitions: the high watermark less the offset up to which everything is done.
///
/// `observe` belongs to the group's thread; everything else may be called on any thread.
final class LagBook: Sendable {
  private struct State {
    /// The offset up to which everything is done.
    var done: [TopicPartition: Int64] = [:]
    var lag: [TopicPartition: Int64] = [:]
    /// When committed offsets may be asked for again, after a group's coordinator did not answer.
    var nextQuestion = Instant(nanoseconds: 0)
  }

  private let state = Mutex(State())
  private let registry: MetricsRegistry
  private let partitionLag: String
  private let total: Gauge
  private let partitions: Gauge

  init(_ registry: MetricsRegistry, _ configuration: InboxConfiguration) {
    self.registry = registry
    partitionLag = "\(configuration.name)_partition_lag_messages"
    total = registry.gauge(
      "consumer_lag_messages",
      help: "Messages in the partitions of this member that are not done, as far as is known.",
      labels: configuration.lagLabels)
    partitions = registry.gauge("\(configuration.name)_partitions", help: "Partitions assigned to this member.")
  }

  /// Records that everything below these offsets is done.
  func noteDone(_ offsets: [TopicPartitionOffset]) {
    state.withLock { state in
      for offset in offsets { state.done[offset.place] = offset.offset }
    }
  }

  /// Forgets partitions that went to another member.
  func forget(_ places: [TopicPartition]) {
    state.withLock { state in
      for place in places {
        state.done[place] = nil
        state.lag[place] = nil
      }
    }
  }

  /// Measures the lag of these partitions, which are ours now. Asks the broker once for the committed offset of each
  /// partition in which nothing has been done yet.
  func observe(_ places: [TopicPartition], _ consumer: KafkaConsumer) {
    learnStarts(of: places, consumer)
    var lag: [TopicPartition: Int64] = [:]
    for place in places {
      guard let high = try? consumer.knownWatermarks(place).high, let done = state.withLock({ $0.done[place] }) else {
        continue
      }
      lag[place] = max(0, high.subtracting(saturating: done))
    }
    let new = state.withLock { state in
      defer { state.lag = lag }
      return lag.keys.filter { state.lag[$0] == nil }
    }
    for place in new { show(place) }
    total.set(lag.values.reduce(Int64(0)) { $0.adding(saturating: $1) })
    partitions.set(places.count)
  }

  /// Members start at the group's committed offsets; without one they start at the low watermark.
  private func learnStarts(of places: [TopicPartition], _ consumer: KafkaConsumer) {
    let unknown = state.withLock { state in
      Instant.now() < state.nextQuestion ? [] : places.filter { state.done[$0] == nil }
    }
    guard !unknown.isEmpty else { return }
    let deadline = Instant.now() + .seconds(1)
    var starts: [TopicPartition: Int64] = [:]
    do throws(KafkaError) {
      for (place, offset) in try consumer.committed(unknown, until: deadline) {
        if let offset { starts[place] = offset } else { starts[place] = try consumer.knownWatermarks(place).low }
      }
    } catch {
      // The coordinator is away or the group is rebalancing: asked again later.
    }
    state.withLock { state in
      state.nextQuestion = .now() + .seconds(1)
      // An offset stored meanwhile is newer.
      state.done.merge(starts) { known, _ in known }
    }
  }

  private func show(_ place: TopicPartition) {
    registry.gauge(
      partitionLag,
      help: "Messages of a partition that are not done: its high watermark less the offset stored or committed.",
      labels: ["topic": place.topic, "partition": String(place.partition)]
    ) { [weak self] in self?.state.withLock { $0.lag[place].map(Double.init) } }
  }
}
