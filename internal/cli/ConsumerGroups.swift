import Kafka
import SagaSettings
import Settings
import Values

/// The consumer groups of all programs, and how far they are behind.
struct ConsumerGroups {
  let session: Session

  /// The groups and topics of all programs, by the settings given to this one.
  var all: [GroupWatch.Group] {
    func name(_ setting: String, _ standard: String) -> String { session.given.text(setting) ?? standard }
    let payments = name("DIRECT_PAYMENT_TOPIC", "direct.payments")
    let results = name("DIRECT_RESULT_TOPIC", "direct.results")
    let gateway = name("GATEWAY_GROUP", "direct-gateway")
    let letters = "\(gateway)-dead-letters"
    var groups = [
      GroupWatch.Group(name("CONSUMER_GROUP", "payments"), on: session.settings.consumer.topic),
      GroupWatch.Group(name("PROCESSING_GROUP", "direct-processor"), on: payments),
      GroupWatch.Group(gateway, on: results),
      GroupWatch.Group(letters, on: "\(payments).dlq"), GroupWatch.Group(letters, on: "\(results).dlq"),
    ]
    if let debits = session.given.text("DEBIT_TOPIC") {
      groups.append(GroupWatch.Group(name("DEBIT_GROUP", "direct-debits"), on: debits))
    }
    return groups
  }

  /// Asks the brokers about one of them.
  /// - Returns: nil when its topic is not there.
  func lag(of group: GroupWatch.Group) throws -> GroupLag? {
    try GroupLag.read(
      group: group.group, topic: group.topic, session.kafka, patience: session.patience(.seconds(10)), needsAges: true,
      logger: session.kafkaLogger)
  }
}
