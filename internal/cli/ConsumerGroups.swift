import Kafka
import SagaSettings
import Settings
import Values

/// The consumer groups of all programs, and how far they are behind.
struct ConsumerGroups {
  let session: Session

  private var payments: String { name("DIRECT_PAYMENT_TOPIC", "direct.payments") }
  private var results: String { name("DIRECT_RESULT_TOPIC", "direct.results") }
  private var gateway: String { name("GATEWAY_GROUP", "direct-gateway") }
  private var inventory: GroupWatch.Group {
    GroupWatch.Group(name("CONSUMER_GROUP", "payments"), on: session.settings.consumer.topic)
  }
  private var processor: GroupWatch.Group {
    GroupWatch.Group(name("PROCESSING_GROUP", "direct-processor"), on: payments)
  }

  /// Those that take messages in for the programs, by the names of their metrics.
  var inboxes: [String: GroupWatch.Group] {
    ["inventory": inventory, "direct_payments": processor, "results": GroupWatch.Group(gateway, on: results)]
  }

  /// The groups and topics of all programs, by the settings given to this one.
  var all: [GroupWatch.Group] {
    let letters = "\(gateway)-dead-letters"
    var groups = [
      inventory, processor, GroupWatch.Group(gateway, on: results),
      GroupWatch.Group(letters, on: "\(payments).dlq"), GroupWatch.Group(letters, on: "\(results).dlq"),
    ]
    if let debits = session.given.text("DEBIT_TOPIC") {
      groups.append(GroupWatch.Group(name("DEBIT_GROUP", "direct-debits"), on: debits))
    }
    return groups
  }

  private func name(_ setting: String, _ standard: String) -> String { session.given.text(setting) ?? standard }

  /// Asks the brokers about one of them.
  /// - Returns: nil when its topic is not there.
  func lag(of group: GroupWatch.Group) throws -> GroupLag? {
    try GroupLag.read(
      group: group.group, topic: group.topic, session.kafka, patience: session.patience(.seconds(10)), needsAges: true,
      logger: session.kafkaLogger)
  }
}
