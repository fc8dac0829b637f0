/// What a program tells on `/metrics`, in Prometheus' text format 0.0.4. It is input: lines that cannot be read are
/// left out.
struct MetricsPage: Sendable {
  /// A series with its value.
  struct Sample: Sendable {
    /// The name with the labels, as the program writes them.
    let key: String
    let labels: [String: String]
    let value: Double
  }

  private var samples: [String: [Sample]] = [:]
  private var values: [String: Double] = [:]
  /// Metrics that the program has, also those without a series.
  private var names: Set<String> = []

  /// - Parameter body: the answer.
  init(_ body: [UInt8]) {
    for line in body.split(separator: UInt8(ascii: "\n")) {
      if line.first == UInt8(ascii: "#") { takeType(line) } else { takeSample(line) }
    }
  }

  /// Whether the program has the metric, though perhaps no series of it yet.
  func has(_ name: String) -> Bool { names.contains(name) }

  /// The series of a metric; none where the program leaves it out.
  func series(_ name: String) -> [Sample] { samples[name] ?? [] }

  /// The value of a series by its key, which is the name where it has no labels.
  func value(_ key: String) -> Double? { values[key] }

  /// The series of all metrics whose names end so.
  func series(endingIn suffix: String) -> [Sample] {
    samples.filter { $0.key.hasSuffix(suffix) }.flatMap(\.value)
  }

  // MARK: - Reading

  private mutating func takeType(_ line: ArraySlice<UInt8>) {
    let words = line.split(separator: UInt8(ascii: " "))
    if words.count == 4, words[1].elementsEqual("TYPE".utf8) { names.insert(Self.text(words[2])) }
  }

  private mutating func takeSample(_ line: ArraySlice<UInt8>) {
    let name = line.prefix { $0 != UInt8(ascii: "{") && $0 != UInt8(ascii: " ") }
    var rest = line.dropFirst(name.count)
    var labels: [String: String] = [:]
    if rest.first == UInt8(ascii: "{") {
      guard let found = Self.takeLabels(&rest) else { return }
      labels = found
    }
    let key = Self.text(line[..<rest.startIndex])
    // A time may follow.
    let words = rest.split(separator: UInt8(ascii: " "))
    guard (1...2).contains(words.count), let value = Double(Self.text(words[0])) else { return }
    samples[Self.text(name), default: []].append(Sample(key: key, labels: labels, value: value))
    values[key] = value
  }

  /// Takes `{name="value",…}`; nil when it is none.
  private static func takeLabels(_ rest: inout ArraySlice<UInt8>) -> [String: String]? {
    var labels: [String: String] = [:]
    rest = rest.dropFirst()
    while let first = rest.first, first != UInt8(ascii: "}") {
      if first == UInt8(ascii: ",") {
        rest = rest.dropFirst()
        continue
      }
      let name = rest.prefix { $0 != UInt8(ascii: "=") }
      rest = rest.dropFirst(name.count + 1)
      guard rest.first == UInt8(ascii: "\"") else { return nil }
      rest = rest.dropFirst()
      guard let value = takeValue(&rest) else { return nil }
      labels[text(name)] = value
    }
    guard rest.first == UInt8(ascii: "}") else { return nil }
    rest = rest.dropFirst()
    return labels
  }

  /// Takes a value up to its closing quote.
  private static func takeValue(_ rest: inout ArraySlice<UInt8>) -> String? {
    var value: [UInt8] = []
    while let byte = rest.popFirst() {
      switch byte {
      case UInt8(ascii: "\""): return text(value[...])
      case UInt8(ascii: "\\"):
        guard let escaped = rest.popFirst() else { return nil }
        value.append(escaped == UInt8(ascii: "n") ? UInt8(ascii: "\n") : escaped)
      default: value.append(byte)
      }
    }
    return nil
  }

  private static func text(_ bytes: ArraySlice<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }
}
