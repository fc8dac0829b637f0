public import Metrics
internal import Values

/// A few figures of a client, from librdkafka's statistics, which come once a second:
/// https://github.com/confluentinc/librdkafka/blob/v2.0.2/STATISTICS.md
public struct ClientStatistics: Sendable, Hashable {
  /// Messages that a producer holds: they wait, or no broker has acknowledged them yet.
  public private(set) var queuedMessages: Int64 = 0
  /// Brokers that are connected.
  public private(set) var connectedBrokers = 0
  /// The 99th percentile of the round trips of the last second, in microseconds, at the broker where it is the longest;
  /// nil when no broker has answered. A consumer's have the time that a broker waits for messages.
  public private(set) var roundTrip: Int64?

  /// What is read of a text: it grows with the partitions.
  private static let maximumBytes = 16 << 20

  /// Reads a text of librdkafka; nil for one that cannot be read.
  init?(_ json: [UInt8]) {
    do throws(JSONError) {
      var scanner = try JSONScanner(json, maximumBytes: Self.maximumBytes)
      try scanner.beginObject()
      while let name = try scanner.nextKey() {
        switch name {
        case "msg_cnt": queuedMessages = try scanner.integer()
        case "brokers":
          try scanner.beginObject()
          while try scanner.nextKey() != nil { try readBroker(&scanner) }
        default: try scanner.skipValue()
        }
      }
      try scanner.end()
    } catch {
      return nil
    }
  }

  private mutating func readBroker(_ scanner: inout JSONScanner) throws(JSONError) {
    // A group's coordinator is there a second time, as a "logical" broker.
    var isLogical = false
    var isUp = false
    var node: Int64 = -1
    var longest: Int64?
    try scanner.beginObject()
    while let name = try scanner.nextKey() {
      switch name {
      case "source": isLogical = try scanner.string() == "logical"
      case "nodeid": node = try scanner.integer()
      case "state": isUp = try scanner.string() == "UP"
      case "rtt": longest = try Self.readWindow(&scanner)
      default: try scanner.skipValue()
      }
    }
    // One without a number is an address to begin with.
    guard !isLogical, node >= 0 else { return }
    if isUp { connectedBrokers += 1 }
    if let longest { roundTrip = max(roundTrip ?? 0, longest) }
  }

  /// - Returns: the 99th percentile; nil when nothing was measured.
  private static func readWindow(_ scanner: inout JSONScanner) throws(JSONError) -> Int64? {
    var count: Int64 = 0
    var percentile: Int64 = 0
    try scanner.beginObject()
    while let name = try scanner.nextKey() {
      switch name {
      case "cnt": count = try scanner.integer()
      case "p99": percentile = try scanner.integer()
      default: try scanner.skipValue()
      }
    }
    return count > 0 ? percentile : nil
  }
}

/// The gauges of Kafka's clients. The label `client` is the name under which the brokers log the client.
public enum KafkaClientGauges {
  /// Registers the gauges of a client, which are left out while it has no statistics.
  /// - Parameters:
  ///   - client: its client id.
  ///   - isProducer: whether it holds messages.
  ///   - read: its newest figures; called on the thread that reads the metrics.
  public static func register(
    _ metrics: MetricsRegistry, client: String, isProducer: Bool, _ read: @escaping @Sendable () -> ClientStatistics?
  ) {
    let labels: MetricsRegistry.Labels = ["client": client]
    if isProducer {
      metrics.gauge(
        "kafka_queued_messages", help: "Messages that the producer holds until a broker has acknowledged them.",
        labels: labels
      ) { read().map { Double($0.queuedMessages) } }
    }
    metrics.gauge("kafka_connected_brokers", help: "Brokers that the client is connected to.", labels: labels) {
      read().map { Double($0.connectedBrokers) }
    }
    metrics.gauge(
      "kafka_round_trip_seconds",
      help: "99th percentile of the last second's round trips, at the broker where it is the longest.", labels: labels
    ) { read()?.roundTrip.map { Double($0) / 1e6 } }
  }
}
