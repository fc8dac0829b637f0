internal import Values

/// What the relay needs from a message broker's producer.
///
/// It must be idempotent, wait for all in-sync replicas, keep the order of messages with equal keys, and give up each
/// message within the delivery timeout that the relay was configured with (G6).
public protocol EventPublisher: Sendable {
  /// Hands messages over, in order. Each is answered exactly once through the handler of `start`, unless the publisher
  /// is closed first.
  func publish(_ messages: [OutboundMessage])
  /// Drops the messages that are queued or not yet answered; each is answered as `transient`.
  func purge()
  /// Sets the handler of outcomes, which is called from any thread; called once, before the first `publish`.
  func start(_ handler: @escaping @Sendable ([PublishOutcome]) -> Void)
  /// What keeps messages from being acknowledged for more than a few seconds; nil when nothing is known to. Asked on
  /// any thread; must not block.
  var obstacle: PublishObstacle? { get }
}

extension EventPublisher {
  /// Nothing is known.
  public var obstacle: PublishObstacle? { nil }
}

/// What keeps messages from being acknowledged.
public struct PublishObstacle: Sendable, Hashable {
  /// The kind of obstacle.
  public enum Reason: String, Sendable, CaseIterable {
    /// A broker is connected and acknowledges nothing: for want of rights, of a topic, of a leader, of replicas, or
    /// without a word.
    case brokerRefuses = "broker_refuses"
    /// No broker is connected.
    case brokerAway = "broker_away"
  }
  /// The longest words, in characters.
  private static let longestWords = 1_000

  /// The kind of obstacle.
  public let reason: Reason
  /// The same in the broker's words.
  public let words: String

  /// - Parameter words: what the broker says; cut after 1,000 characters.
  public init(_ reason: Reason, _ words: String) {
    self.reason = reason
    self.words = String(words.prefix(Self.longestWords))
  }
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

/// Where a message lies on its topic.
public struct MessagePlace: Sendable, Hashable {
  /// From 0.
  public let partition: Int32
  /// From 0.
  public let offset: Int64

  /// - Parameter offset: within the partition.
  public init(partition: Int32, offset: Int64) {
    self.partition = partition
    self.offset = offset
  }
}

/// The result of one message.
public struct PublishOutcome: Sendable {
  /// Whether a message is on its topic.
  public enum Result: Sendable, Equatable {
    /// It is, acknowledged by all in-sync replicas.
    case acknowledged
    /// It may not be, for this reason; it may be sent again.
    case transient(String)
    /// It never will be, for this reason; not certain when a broker refused a whole batch that held this message.
    case permanent(String, isCertain: Bool)
  }
  /// The token of the message.
  public let token: UInt64
  /// Whether it is on its topic.
  public let result: Result
  /// Where an acknowledged message lies on its topic; nil when the broker did not say.
  public let place: MessagePlace?
  /// Whether a message that was not acknowledged may be on the topic, or may still arrive there within its delivery
  /// timeout. False only when certainly no broker has accepted it: then its shard can go to another relay at once.
  public let mayBePersisted: Bool

  /// - Parameters:
  ///   - place: where an acknowledged message lies.
  ///   - mayBePersisted: false only for a message that no broker can have.
  public init(token: UInt64, result: Result, place: MessagePlace? = nil, mayBePersisted: Bool = true) {
    self.token = token
    self.result = result
    self.place = place
    self.mayBePersisted = mayBePersisted
  }
}
