internal import Values

/// What the relay needs from a message broker's producer.
///
/// It must be idempotent, wait for all in-sync replicas, keep the order of messages with equal keys, and give up each
/// message within the delivery timeout that the relay was configured with (G6).
public protocol EventPublisher: Sendable {
  /// Hands messages over, in order. Each is answered exactly once through the handler of `start`, unless the publisher
  /// is closed first.
  func publish(_ messages: [OutboundMessage])
  /// Throws away what is queued or not yet answered; each such message is answered as `transient`.
  func purge()
  /// Sets the handler of outcomes, which is called from any thread; called once, before the first `publish`.
  func start(_ handler: @escaping @Sendable ([PublishOutcome]) -> Void)
}

/// A message as it goes to the topic.
public struct OutboundMessage: Sendable {
  /// Comes back with the outcome.
  public let token: UInt64
  /// The topic to publish to.
  public let topic: String
  /// Messages of one key keep their order.
  public let key: String
  /// The message's value.
  public let payload: [UInt8]
  /// Names and values, in order.
  public let headers: [(name: String, value: String)]

  /// - Parameter token: comes back with the outcome.
  public init(token: UInt64, topic: String, key: String, payload: [UInt8], headers: [(name: String, value: String)]) {
    self.token = token
    self.topic = topic
    self.key = key
    self.payload = payload
    self.headers = headers
  }
}

extension OutboundMessage {
  /// The event in CloudEvents' binary mode (CloudEvents Kafka binding 1.0, section 3.2): attributes as headers.
  init(_ request: PublishRequest) {
    let event = request.event
    var headers: [(name: String, value: String)] = [
      ("ce_specversion", "1.0"), ("ce_id", event.eventID.description), ("ce_time", event.createdAt.description),
      ("seq", String(event.sequence)),
    ]
    for index in stride(from: 0, to: event.headers.count - 1, by: 2) {
      headers.append((event.headers[index], event.headers[index + 1]))
    }
    self.init(
      token: request.token, topic: event.topic, key: event.key, payload: event.payload, headers: headers)
  }
}

/// What became of one message.
public struct PublishOutcome: Sendable {
  /// What the publisher knows of the message.
  public enum Result: Sendable, Equatable {
    /// On the topic, acknowledged by all in-sync replicas.
    case acknowledged
    /// Not known to be on the topic; may be tried again.
    case transient(String)
    /// It will never be taken; not certain when a broker said so of a whole batch that this message was in.
    case permanent(String, isCertain: Bool)
  }
  /// The token of the message.
  public let token: UInt64
  /// What became of it.
  public let result: Result
  /// Whether the message may be on the topic although it was not acknowledged, or may yet come there within its
  /// delivery timeout. False only of what was certainly never taken by a broker: then its shard can be given to another
  /// relay at once.
  public let mayBePersisted: Bool

  /// - Parameter mayBePersisted: false only for a message that no broker can have.
  public init(token: UInt64, result: Result, mayBePersisted: Bool = true) {
    self.token = token
    self.result = result
    self.mayBePersisted = mayBePersisted
  }
}
