internal import Synchronization

/// The metrics of one program, written out in Prometheus' text format 0.0.4. Callable on any thread.
public final class MetricsRegistry: Sendable {
  /// Label names and values of a series, in the order in which they are written.
  public typealias Labels = KeyValuePairs<String, String>

  /// One sample of gauges whose labels are known only when they are read.
  public struct Sample: Sendable {
    let values: [String]
    let value: Double

    /// - Parameter values: of the labels, in their order.
    public init(_ values: [String], _ value: Double) {
      self.values = values
      self.value = value
    }
  }

  private enum Instrument: Sendable {
    case counter(Counter)
    case gauge(Gauge)
    case computed(@Sendable () -> Double?)
    case computedCounter(@Sendable () -> Double?)
    case computedFamily([String], @Sendable () -> [Sample])
    case histogram(Histogram)

    var type: String {
      switch self {
      case .counter, .computedCounter: "counter"
      case .gauge, .computed, .computedFamily: "gauge"
      case .histogram: "histogram"
      }
    }
  }
  private struct Family: Sendable {
    let name: String
    let help: String
    let type: String
    var series: [(labels: String, instrument: Instrument)]
  }
  private let prefix: String
  private let families = Mutex<[Family]>([])

  /// An empty registry; a program has one.
  /// - Parameter namespace: begins every name, an underscore between, so that libraries need no brand. Names that begin
  ///   with `process_`, which Prometheus shares among all programs, stay as they are.
  public init(namespace: String? = nil) {
    prefix = namespace.map { "\($0)_" } ?? ""
  }

  /// A counter under `name`, which ends in `_total`; the same name and labels give the same counter.
  public func counter(_ name: String, help: String, labels: Labels = [:]) -> Counter {
    let made = Counter()
    guard case .counter(let counter) = register(name, help, labels, .counter(made)) else { preconditionFailure() }
    return counter
  }

  /// A gauge that is set by its owner.
  public func gauge(_ name: String, help: String, labels: Labels = [:]) -> Gauge {
    let made = Gauge()
    guard case .gauge(let gauge) = register(name, help, labels, .gauge(made)) else { preconditionFailure() }
    return gauge
  }

  /// A gauge that is computed when it is read, on the reader's thread; nil leaves it out.
  public func gauge(_ name: String, help: String, labels: Labels = [:], _ compute: @escaping @Sendable () -> Double?) {
    _ = register(name, help, labels, .computed(compute))
  }

  /// Gauges that are computed together when they are read, on the reader's thread, one for each sample; for labels
  /// whose values come and go. A name has one such reading.
  public func gauges(_ name: String, help: String, labels: [String], _ read: @escaping @Sendable () -> [Sample]) {
    precondition(labels.allSatisfy(Self.isName), "a label of \(name) is no label name")
    _ = register(name, help, [:], .computedFamily(labels, read))
  }

  /// A counter that somebody else keeps, asked when it is read, on the reader's thread; nil leaves it out.
  public func counter(_ name: String, help: String, labels: Labels = [:], _ read: @escaping @Sendable () -> Double?) {
    _ = register(name, help, labels, .computedCounter(read))
  }

  /// A histogram under `name`, whose unit ends the name (`_seconds`).
  public func histogram(
    _ name: String, help: String, labels: Labels = [:], bounds: [Double] = Histogram.latencySeconds
  ) -> Histogram {
    let made = Histogram(bounds: bounds)
    guard case .histogram(let histogram) = register(name, help, labels, .histogram(made)) else { preconditionFailure() }
    return histogram
  }

  private func register(_ name: String, _ help: String, _ labels: Labels, _ made: Instrument) -> Instrument {
    let name = name.hasPrefix("process_") ? name : prefix + name
    precondition(Self.isName(name) && labels.allSatisfy { Self.isName($0.key) }, "\(name) or a label is no metric name")
    let text = labels.map { "\($0.key)=\"\(Self.escape($0.value))\"" }.joined(separator: ",")
    return families.withLock { families in
      guard let family = families.firstIndex(where: { $0.name == name }) else {
        families.append(Family(name: name, help: help, type: made.type, series: [(text, made)]))
        return made
      }
      precondition(families[family].type == made.type, "metric \(name) is registered as \(families[family].type)")
      if let known = families[family].series.first(where: { $0.labels == text }) { return known.instrument }
      families[family].series.append((text, made))
      return made
    }
  }

  /// All metrics in Prometheus' text format.
  public func exposition() -> String {
    var text = ""
    for family in families.withLock({ $0 }) {
      text += "# HELP \(family.name) \(Self.escape(family.help, quotes: false))\n# TYPE \(family.name) \(family.type)\n"
      for (labels, instrument) in family.series {
        switch instrument {
        case .counter(let counter): text += Self.line(family.name, labels, "\(counter.total)")
        case .gauge(let gauge): text += Self.line(family.name, labels, Self.format(gauge.value))
        case .computed(let compute), .computedCounter(let compute):
          if let value = compute() { text += Self.line(family.name, labels, Self.format(value)) }
        case .computedFamily(let names, let read):
          for sample in read() {
            precondition(sample.values.count == names.count, "\(family.name) has the labels \(names)")
            let pairs = zip(names, sample.values).map { "\($0)=\"\(Self.escape($1))\"" }.joined(separator: ",")
            text += Self.line(family.name, pairs, Self.format(sample.value))
          }
        case .histogram(let histogram): text += Self.lines(family.name, labels, histogram)
        }
      }
    }
    return text
  }

  private static func lines(_ name: String, _ labels: String, _ histogram: Histogram) -> String {
    let (cumulative, sum, count) = histogram.snapshot()
    var text = ""
    for (index, total) in cumulative.enumerated() {
      let bound = index < histogram.bounds.count ? format(histogram.bounds[index]) : "+Inf"
      let all = labels.isEmpty ? "le=\"\(bound)\"" : "\(labels),le=\"\(bound)\""
      text += line("\(name)_bucket", all, "\(total)")
    }
    return text + line("\(name)_sum", labels, format(sum)) + line("\(name)_count", labels, "\(count)")
  }

  private static func line(_ name: String, _ labels: String, _ value: String) -> String {
    labels.isEmpty ? "\(name) \(value)\n" : "\(name){\(labels)} \(value)\n"
  }

  private static func format(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
    return value == value.rounded() && abs(value) < 1e15 ? "\(Int64(value))" : "\(value)"
  }

  /// Scalar by scalar: a carriage return and a line feed are one `Character`, which would hide the line feed.
  private static func escape(_ value: String, quotes: Bool = true) -> String {
    var text = String.UnicodeScalarView()
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\\": text.append(contentsOf: "\\\\".unicodeScalars)
      case "\"" where quotes: text.append(contentsOf: "\\\"".unicodeScalars)
      case "\n": text.append(contentsOf: "\\n".unicodeScalars)
      default: text.append(scalar)
      }
    }
    return String(text)
  }

  /// Letters, digits and underscores, no digit first.
  private static func isName(_ name: String) -> Bool {
    guard let first = name.utf8.first, !(0x30...0x39).contains(first) else { return false }
    return name.utf8.allSatisfy { byte in
      byte == UInt8(ascii: "_") || (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20)
    }
  }
}
