internal import CRdkafka

/// Why a record was not acknowledged.
public struct DeliveryFailure: Sendable, Hashable, CustomStringConvertible {
  /// What the owner can do about it.
  public enum Kind: Sendable, Hashable {
    /// The broker can never accept what was sent: too large, invalid record, invalid timestamp, invalid topic name.
    ///
    /// A broker refuses whole batches: innocent records that shared the batch are reported so too. Publish one alone
    /// before calling it dead.
    case permanent
    /// Anything that time or an operator may cure: leader changes, missing topics, too few replicas, missing rights
    /// (`TOPIC_AUTHORIZATION_FAILED`: an ACL mistake must not kill a backlog), a producer that failed for good.
    case transient
    /// No acknowledgement within the delivery timeout.
    case timedOut
    /// The owner purged it.
    case purged
    /// librdkafka calls it delivered, by inference alone: it had no acknowledgement of its own, but a later record of
    /// its partition has one, which a broker gives only when all before it are there. A broker without a memory of the
    /// producer gives it too (Kafka's `ProducerAppendInfo.checkSequence`), so it may be on the topic or not.
    case unconfirmed
  }

  /// What the owner can do about it.
  public var kind: Kind
  /// librdkafka's or the broker's error number; 0 of what is unconfirmed.
  public var number: Int32
  /// The record was sent and may be on the topic all the same; false means that it certainly is not.
  public var mayBePersisted: Bool

  /// - Parameter number: librdkafka's or the broker's error number.
  public init(kind: Kind, number: Int32, mayBePersisted: Bool) {
    self.kind = kind
    self.number = number
    self.mayBePersisted = mayBePersisted
  }

  /// What librdkafka reports without an offset: with acks=all an acknowledgement brings one.
  static let unconfirmed = DeliveryFailure(kind: .unconfirmed, number: 0, mayBePersisted: true)

  init(_ error: rd_kafka_resp_err_t, _ status: rd_kafka_msg_status_t) {
    self.init(
      kind: Kind(error), number: error.rawValue, mayBePersisted: status != RD_KAFKA_MSG_STATUS_NOT_PERSISTED)
  }

  /// librdkafka's name of the error, such as `MSG_SIZE_TOO_LARGE`.
  public var name: String { String(cString: rd_kafka_err2name(rd_kafka_resp_err_t(rawValue: number))) }

  public var description: String {
    if kind == .unconfirmed { return "no acknowledgement of its own, only of a later record" }
    return "\(String(cString: rd_kafka_err2str(rd_kafka_resp_err_t(rawValue: number)))) (\(name))"
  }
}

extension DeliveryFailure.Kind {
  init(_ error: rd_kafka_resp_err_t) {
    self =
      switch error {
      case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR_INVALID_MSG, RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE,
        RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, RD_KAFKA_RESP_ERR_INVALID_RECORD,
        RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP, RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT,
        RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
        .permanent
      case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, RD_KAFKA_RESP_ERR__TIMED_OUT, RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE,
        RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
        .timedOut
      case RD_KAFKA_RESP_ERR__PURGE_QUEUE, RD_KAFKA_RESP_ERR__PURGE_INFLIGHT: .purged
      default: .transient
      }
  }
}
