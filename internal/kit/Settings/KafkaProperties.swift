/// librdkafka's properties among the settings: `KAFKA_SECURITY_PROTOCOL` is `security.protocol`.
enum KafkaProperties {
  /// Properties that we set ourselves: a guarantee rests on them, or another setting has them.
  private static let taken: [String: String] = [
    "bootstrap.servers": "the brokers are named by KAFKA_BROKERS",
    "metadata.broker.list": "the brokers are named by KAFKA_BROKERS",
    "group.id": "the group is named by CONSUMER_GROUP",
    "acks": "every replica in sync must acknowledge an event, or it could be lost",
    "request.required.acks": "every replica in sync must acknowledge an event, or it could be lost",
    "enable.idempotence": "the producer must be idempotent, or retries could double and reorder events",
    "transactional.id": "the outbox does without Kafka's transactions",
    "message.timeout.ms": "deliveries must end before their lease does; set CRON_RESERVE",
    "delivery.timeout.ms": "deliveries must end before their lease does; set CRON_RESERVE",
    "enable.auto.commit": "offsets move only past messages whose effect has committed",
    "enable.auto.offset.store": "offsets move only past messages whose effect has committed",
    "auto.offset.reset": "a new group starts at the earliest message, or it would miss what came before it",
  ]

  /// The property that a setting's name stands for; nil when it is not of this kind.
  static func property(of name: String) -> String? {
    guard name.hasPrefix("KAFKA_") else { return nil }
    let property = name.dropFirst("KAFKA_".count)
    guard !property.isEmpty, property.utf8.allSatisfy({ Self.isNameByte($0) }) else { return nil }
    return property.lowercased().split(separator: "_", omittingEmptySubsequences: false).joined(separator: ".")
  }

  /// Why a property may not be set, or nil.
  static func refusal(of property: String) -> String? { taken[property] }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"): true
    default: false
    }
  }
}
