internal import CRdkafka

/// How to reach the brokers, and the user's own librdkafka properties.
///
/// Properties override this program's defaults, save those in `reserved`, on which its guarantees rest.
public struct KafkaConfiguration: Sendable {
  /// `host:port`, several with commas between.
  public var brokers: String
  /// What brokers log us as.
  public var clientID: String
  /// librdkafka's names and values: https://github.com/confluentinc/librdkafka/blob/v2.0.2/CONFIGURATION.md
  public var properties: [String: String]

  /// Nothing is checked yet; `validate` has librdkafka check it.
  /// - Parameters:
  ///   - brokers: `host:port`, several with commas between.
  ///   - clientID: the name under which brokers log the client.
  ///   - properties: librdkafka's names and values.
  public init(brokers: String, clientID: String, properties: [String: String] = [:]) {
    self.brokers = brokers
    self.clientID = clientID
    self.properties = properties
  }

  /// Properties that `properties` may not hold, each with the reason.
  public static let reserved: [String: String] = [
    "bootstrap.servers": "set the brokers instead",
    "metadata.broker.list": "set the brokers instead",
    "group.id": "set the consumer's group instead",
    "acks": "every replica in sync must acknowledge an event, or it could be lost",
    "request.required.acks": "every replica in sync must acknowledge an event, or it could be lost",
    "enable.idempotence": "the producer must be idempotent, or retries could double and reorder events",
    "transactional.id": "the outbox does without Kafka's transactions",
    "message.timeout.ms": "deliveries must end before the relay's lease does, which decides it",
    "delivery.timeout.ms": "deliveries must end before the relay's lease does, which decides it",
    "enable.auto.commit": "offsets move only past messages whose effect has committed",
    "enable.auto.offset.store": "offsets move only past messages whose effect has committed",
    "auto.offset.reset": "a new group starts at the earliest message, or it would miss what came before it",
    "log.queue": "logs go to this program's log",
  ]

  /// Tries every property the way a producer and a consumer will use it. Connects to nothing; takes some ms.
  /// - Throws: `.invalidConfiguration` with the property's name and librdkafka's reason.
  public func validate() throws(KafkaError) {
    guard !brokers.isEmpty else {
      throw KafkaError(.invalidConfiguration, "no Kafka brokers are set; expected host:port, several with commas")
    }
    var offline = self
    offline.brokers = ""
    let producer = try ClientHandle(
      RD_KAFKA_PRODUCER, offline, KafkaProducer.Options().settings, context: .silent())
    producer.close(flags: 0)
    let consumer = try ClientHandle(
      RD_KAFKA_CONSUMER, offline, KafkaConsumer.Options(group: "validation").settings(clientID: clientID),
      context: .silent())
    consumer.close(flags: Int32(RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE))
  }

  /// Defaults of every client; the user's properties override them.
  static let defaults: [(name: String, value: String)] = [
    // librdkafka's 10 s would leave us blind that long after a broker is back.
    ("reconnect.backoff.ms", "100"),
    ("reconnect.backoff.max.ms", "2000"),
    ("socket.keepalive.enable", "true"),
    ("log.connection.close", "false"),
    // Partitions that are added are found within half a minute: librdkafka's 5 minutes are long for new keys.
    ("topic.metadata.refresh.interval.ms", "30000"),
    // Feeds `isConnected`, and the low watermarks.
    ("statistics.interval.ms", "1000"),
  ]

  /// Whether a property's value must never be shown, such as that of `sasl.password`.
  public static func isSecret(_ name: String) -> Bool {
    [
      "password", "secret", "key.pem", "oauthbearer.config", "sasl.jaas", "certificate.pem", "token", "credential",
      "kinit.cmd",
    ].contains {
      name.contains($0)
    }
  }
}
