public import Values

/// What became of one produced record. There is exactly one for each record that `produce` accepted.
public struct DeliveryReport: Sendable {
  /// The record's own token.
  public var token: UInt64
  /// The record's topic.
  public var topic: String
  /// The partition that was chosen; -1 when the record failed before one was.
  public var partition: Int32
  /// nil when it failed.
  public var offset: Int64?
  /// nil when it failed or the broker gave none.
  public var timestamp: Timestamp?
  /// nil means that the record is on the topic, acknowledged by all in-sync replicas.
  public var failure: DeliveryFailure?

  /// - Parameters:
  ///   - token: the record's own.
  ///   - failure: nil for a record that all in-sync replicas have.
  public init(
    token: UInt64, topic: String, partition: Int32, offset: Int64? = nil, timestamp: Timestamp? = nil,
    failure: DeliveryFailure? = nil
  ) {
    self.token = token
    self.topic = topic
    self.partition = partition
    self.offset = offset
    self.timestamp = timestamp
    self.failure = failure
  }
}
