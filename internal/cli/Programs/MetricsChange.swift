import Values

/// What programs counted between two looks at them. A program that was seen once, or not now, counts for nothing; what
/// none of the others tells is nil, never 0. Pure.
struct MetricsChange: Sendable {
  /// Which series of a metric are meant.
  typealias Choice = @Sendable ([String: String]) -> Bool

  /// A value below which a share of the observations lies.
  struct Percentile: Sendable, Hashable {
    let value: Double
    /// Whether it lies above `value`, which is the highest bound of the histogram.
    let isBeyond: Bool
  }

  fileprivate struct Pair: Sendable {
    let before: MetricsPage
    let now: MetricsPage
    let seconds: Double
    /// Whether it is the same process; one that began meanwhile has counted from 0.
    let isSame: Bool
  }

  private let pairs: [Pair]
  private let pages: [MetricsPage]

  /// - Parameters:
  ///   - before: the looks before; empty at first.
  ///   - now: the newest looks.
  init(from before: ProgramLooks, to now: ProgramLooks) {
    pages = now.compactMap(\.metrics)
    pairs = now.compactMap { look in
      guard let page = look.metrics, let earlier = before.first(where: { $0.address == look.address }),
        let old = earlier.metrics, look.at > earlier.at
      else { return nil }
      let start = "process_start_time_seconds"
      return Pair(
        before: old, now: page, seconds: (look.at - earlier.at).inSeconds,
        isSame: old.value(start) == page.value(start))
    }
  }

  // MARK: - Counters

  /// How much a counter grew in a second, over all programs.
  func rate(_ name: String, _ choice: Choice = { _ in true }) -> Double? { rate(of: name, in: name, choice) }

  /// How many observations a histogram had in a second.
  func observations(_ name: String, _ choice: Choice = { _ in true }) -> Double? {
    rate(of: "\(name)_count", in: name, choice)
  }

  /// How much the series of a metric grew in a second, over all programs that have the metric.
  private func rate(of series: String, in name: String, _ choice: Choice) -> Double? {
    let telling = pairs.filter { $0.now.has(name) }
    guard !telling.isEmpty else { return nil }
    return telling.reduce(0) { $0 + $1.growth(series, choice) / $1.seconds }
  }

  /// A percentile of what was observed meanwhile, by the buckets of a histogram over all programs; within a bucket as
  /// if evenly spread. nil when nothing was observed.
  /// - Parameter share: such as 0.99.
  func percentile(_ share: Double, of name: String, _ choice: Choice = { _ in true }) -> Percentile? {
    var counts: [Double: Double] = [:]
    for pair in pairs {
      for sample in pair.now.series("\(name)_bucket") where choice(sample.labels) {
        guard let bound = sample.labels["le"].flatMap({ Double($0) }) else { continue }
        counts[bound, default: 0] += pair.growth(sample)
      }
    }
    let buckets = counts.sorted { $0.key < $1.key }
    guard let total = buckets.last, total.key == .infinity, total.value > 0 else { return nil }
    let rank = share * total.value
    var (lower, below) = (0.0, 0.0)
    for (bound, count) in buckets {
      if count >= rank {
        if bound == .infinity { return Percentile(value: lower, isBeyond: true) }
        let part = count > below ? (rank - below) / (count - below) : 1
        return Percentile(value: lower + (bound - lower) * part, isBeyond: false)
      }
      (lower, below) = (bound, count)
    }
    return nil
  }

  // MARK: - Gauges

  /// The sum of a gauge over all programs that tell it now.
  func sum(_ name: String, _ choice: Choice = { _ in true }) -> Double? {
    let values = values(name, choice)
    return values.isEmpty ? nil : values.reduce(0, +)
  }

  /// The largest value of a gauge over all programs that tell it now.
  func largest(_ name: String, _ choice: Choice = { _ in true }) -> Double? { values(name, choice).max() }

  /// The values of a label over all series of a metric that is told now.
  func labels(_ label: String, of name: String) -> Set<String> {
    Set(pages.flatMap { $0.series(name) }.compactMap { $0.labels[label] })
  }

  private func values(_ name: String, _ choice: Choice) -> [Double] {
    pages.flatMap { $0.series(name) }.filter { choice($0.labels) && !$0.value.isNaN }.map(\.value)
  }
}

extension MetricsChange.Pair {
  /// How much the series of a name have grown together.
  fileprivate func growth(_ name: String, _ choice: MetricsChange.Choice) -> Double {
    var sum = 0.0
    for sample in now.series(name) where choice(sample.labels) { sum += growth(sample) }
    return sum
  }

  /// How much a series has grown; one that went back, and one that is new, began at 0.
  fileprivate func growth(_ sample: MetricsPage.Sample) -> Double {
    let old = isSame ? before.value(sample.key) ?? 0 : 0
    return max(0, sample.value < old ? sample.value : sample.value - old)
  }
}
