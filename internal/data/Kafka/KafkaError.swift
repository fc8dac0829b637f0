internal import CRdkafka
public import Errors

/// The one error of this module.
public struct KafkaError: ModuleError {
  /// What kind of failure it is.
  public enum Code: Sendable, Hashable {
    /// A property is unknown, has a wrong value, or is not the user's to set.
    case invalidConfiguration
    /// The producer's bounded queue is full: wait for delivery reports, then try again.
    case queueFull
    /// The record is larger than `message.max.bytes`; it will never be accepted as it is.
    case messageTooLarge
    /// The topic or the partition does not exist, or not yet.
    case unknownTopicOrPartition
    /// No broker could be reached.
    case brokerUnavailable
    /// No answer before the deadline.
    case timedOut
    /// The broker or this librdkafka does not know the request (devkafka has no CreateTopics and no time look-up).
    case notSupported
    /// This client has failed for good and must be made anew (`RD_KAFKA_RESP_ERR__FATAL`).
    case fatal
    /// The client has been closed.
    case closed
    /// The partition is no longer assigned to this consumer.
    case notAssigned
    /// The broker refused: no right to the topic, group or cluster.
    case notAuthorized
    /// No connection for want of trust: the broker's certificate is not accepted, or it does not accept user, password
    /// or certificate of ours.
    case notTrusted
    /// Any other error; `name` and `number` say which.
    case other
  }

  public let code: Code
  public let message: String
  public let cause: (any Error)?
  public let location: SourceLocation
  /// librdkafka's or the broker's error number; 0 when the error is our own.
  public let number: Int32

  init(
    _ code: Code, _ message: String, number: Int32 = 0, location: SourceLocation = .here()
  ) {
    self.code = code
    self.message = message
    self.cause = nil
    self.location = location
    self.number = number
  }

  /// An error code of librdkafka met while doing `action`, such as "commit offsets".
  init(
    _ error: rd_kafka_resp_err_t, _ action: String, reason: String? = nil, file: String = #fileID, line: Int = #line
  ) {
    let reason = reason ?? String(cString: rd_kafka_err2str(error))
    self.init(
      Code(error), "cannot \(action): \(reason) (\(String(cString: rd_kafka_err2name(error))))",
      number: error.rawValue, location: SourceLocation(file: file, line: line))
  }

  /// Takes over and frees an error object of librdkafka.
  init(consuming error: OpaquePointer, _ action: String, file: String = #fileID, line: Int = #line) {
    let code = rd_kafka_error_is_fatal(error) != 0 ? RD_KAFKA_RESP_ERR__FATAL : rd_kafka_error_code(error)
    let reason = String(cString: rd_kafka_error_string(error))
    rd_kafka_error_destroy(error)
    self.init(code, action, reason: reason, file: file, line: line)
  }

  /// librdkafka's name of `number`, such as `_MSG_TIMED_OUT` or `NOT_LEADER_FOR_PARTITION`.
  public var name: String { String(cString: rd_kafka_err2name(rd_kafka_resp_err_t(rawValue: number))) }

  public var isRetryable: Bool {
    switch code {
    case .queueFull, .unknownTopicOrPartition, .brokerUnavailable, .timedOut, .notAuthorized, .notTrusted, .other: true
    case .invalidConfiguration, .messageTooLarge, .notSupported, .fatal, .closed, .notAssigned: false
    }
  }
}

extension KafkaError.Code {
  init(_ error: rd_kafka_resp_err_t) {
    self =
      switch error {
      case RD_KAFKA_RESP_ERR__QUEUE_FULL: .queueFull
      case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE: .messageTooLarge
      case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION,
        RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
        .unknownTopicOrPartition
      case RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, RD_KAFKA_RESP_ERR__RESOLVE,
        RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE,
        RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, RD_KAFKA_RESP_ERR__WAIT_COORD:
        .brokerUnavailable
      case RD_KAFKA_RESP_ERR__TIMED_OUT, RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
        .timedOut
      case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE, RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION: .notSupported
      case RD_KAFKA_RESP_ERR__FATAL, RD_KAFKA_RESP_ERR__FENCED: .fatal
      case RD_KAFKA_RESP_ERR__DESTROY: .closed
      case RD_KAFKA_RESP_ERR__STATE, RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST, RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION,
        RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS:
        .notAssigned
      case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
        RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
        .notAuthorized
      case RD_KAFKA_RESP_ERR__SSL, RD_KAFKA_RESP_ERR__AUTHENTICATION, RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED,
        RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM, RD_KAFKA_RESP_ERR_ILLEGAL_SASL_STATE:
        .notTrusted
      default: .other
      }
  }
}
