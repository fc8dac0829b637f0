import Kafka
import ProcessingSettings
import SagaSettings
import Settings
import Values

/// The consumer groups of all programs, and how far they are behind.
struct ConsumerGroups {
  private let session: Session
  private let direct: DirectTopics
  private let debits: DebitOptions

  /// - Throws: a setting that names no group or topic.
  init(_ session: Session) throws {
    self.session = session
    direct = try session.directTopics()
    debits = try session.given.group(DebitOptions.rows([]), of: DebitOptions(), for: .cli)
  }

  private var inventory: GroupWatch.Group {
    GroupWatch.Group(session.settings.consumer.group, on: session.settings.consumer.topic)
  }

  /// Those that take messages in for the programs, by the names of their metrics.
  var inboxes: [String: GroupWatch.Group] {
    [
      "inventory": inventory,
      "direct_payments": GroupWatch.Group(direct.processorGroup, on: direct.payments),
      "results": GroupWatch.Group(direct.gatewayGroup, on: direct.results),
    ]
  }

  /// The groups and topics of all programs, by the settings given to this one.
  var all: [GroupWatch.Group] {
    var groups =
      [inventory] + (direct.processorGroups + direct.gatewayGroups).map { GroupWatch.Group($0.group, on: $0.topic) }
    if debits.isOn { groups.append(GroupWatch.Group(debits.group, on: debits.topic)) }
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
