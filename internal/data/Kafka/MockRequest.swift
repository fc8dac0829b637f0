internal import CRdkafka

/// Kinds of request that errors can be injected into, by Kafka's ApiKey.
public struct MockRequest: RawRepresentable, Sendable, Hashable {
  public var rawValue: Int16
  public init(rawValue: Int16) { self.rawValue = rawValue }

  /// Produce.
  public static let produce = MockRequest(rawValue: 0)
  /// Fetch.
  public static let fetch = MockRequest(rawValue: 1)
  /// ListOffsets.
  public static let listOffsets = MockRequest(rawValue: 2)
  /// Metadata.
  public static let metadata = MockRequest(rawValue: 3)
  /// OffsetCommit.
  public static let offsetCommit = MockRequest(rawValue: 8)
  /// OffsetFetch.
  public static let offsetFetch = MockRequest(rawValue: 9)
  /// FindCoordinator.
  public static let findCoordinator = MockRequest(rawValue: 10)
  /// JoinGroup.
  public static let joinGroup = MockRequest(rawValue: 11)
  /// Heartbeat.
  public static let heartbeat = MockRequest(rawValue: 12)
  /// SyncGroup.
  public static let syncGroup = MockRequest(rawValue: 14)
  /// InitProducerId, which an idempotent producer sends before its first batch.
  public static let initProducerID = MockRequest(rawValue: 22)

  /// The names used on devkafka's control endpoint and in its help.
  public static let names: [(name: String, request: MockRequest)] = [
    ("Produce", .produce), ("Fetch", .fetch), ("ListOffsets", .listOffsets), ("Metadata", .metadata),
    ("OffsetCommit", .offsetCommit), ("OffsetFetch", .offsetFetch), ("FindCoordinator", .findCoordinator),
    ("JoinGroup", .joinGroup), ("Heartbeat", .heartbeat), ("SyncGroup", .syncGroup),
    ("InitProducerId", .initProducerID),
  ]

  /// The request of that name or ApiKey; nil when there is none.
  public init?(_ text: some StringProtocol) {
    if let known = Self.names.first(where: { $0.name.lowercased() == text.lowercased() }) {
      self = known.request
    } else if let number = Int16(text), number >= 0 {
      self.init(rawValue: number)
    } else {
      return nil
    }
  }
}

/// Error numbers of the Kafka protocol (positive) and of librdkafka (negative) by name.
public enum KafkaErrorNumber {
  /// The number written as such, or by its name such as `MSG_SIZE_TOO_LARGE` or `_TRANSPORT`; nil when unknown.
  public static func parse(_ text: some StringProtocol) -> Int32? {
    if let number = Int32(text) { return number }
    return (RD_KAFKA_RESP_ERR__BEGIN.rawValue..<RD_KAFKA_RESP_ERR_END_ALL.rawValue).first { number in
      guard let name = rd_kafka_err2name(rd_kafka_resp_err_t(rawValue: number)) else { return false }
      return String(cString: name) == text
    }
  }
}
