import Kafka
import ProcessingSettings
import SagaSettings
import Settings
import Values

/// The consumer groups of all programs, and how far they are behind.
struct ConsumerGroups {
  let session: Session

  private var inventory: GroupWatch.Group {
    GroupWatch.Group(name("CONSUMER_GROUP", "payments"), on: session.settings.consumer.topic)
  }
  private var direct: DirectTopics {
    var topics = DirectTopics()
    topics.payments = name("DIRECT_PAYMENT_TOPIC", "direct.payments")
    topics.results = name("DIRECT_RESULT_TOPIC", "direct.results")
    topics.processorGroup = name("PROCESSING_GROUP", "direct-processor")
    topics.gatewayGroup = name("GATEWAY_GROUP", "direct-gateway")
    return topics
  }

  /// Those that take messages in for the programs, by the names of their metrics.
  var inboxes: [String: GroupWatch.Group] {
    let direct = direct
    return [
      "inventory": inventory,
      "direct_payments": GroupWatch.Group(direct.processorGroup, on: direct.payments),
      "results": GroupWatch.Group(direct.gatewayGroup, on: direct.results),
    ]
  }

  /// The groups and topics of all programs, by the settings given to this one.
  var all: [GroupWatch.Group] {
    let direct = direct
    var groups =
      [inventory] + (direct.processorGroups + direct.gatewayGroups).map { GroupWatch.Group($0.group, on: $0.topic) }
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
