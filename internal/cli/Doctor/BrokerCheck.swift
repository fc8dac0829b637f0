import ClientSettings
import Inbox
import Kafka
import SagaSettings
import Settings
import Values

/// What is wrong with the brokers, their topics and the consumer groups.
struct BrokerCheck {
  /// A group that is further behind is a finding.
  private static let longestLag = Duration.seconds(60)

  let session: Session

  func run() throws -> (facts: [Record], findings: [Finding]) {
    let topics = try Brokers(session).topics()
    var facts: [Record] = [
      [
        "checked": .text("kafka"), "brokers": .text(session.settings.kafka.brokers),
        "topics": .number(Int64(topics.count)),
      ]
    ]
    var findings: [Finding] = []
    for topic in [session.settings.consumer.topic, session.settings.producer.topic] where topics[topic] == nil {
      findings.append(
        Finding("topic \(topic)", "it is not there, or may not be described", "docs/operations.md, Kafka refuses"))
    }
    let known = try ConsumerGroups(session)
    for group in known.all where topics[group.topic] != nil {
      guard let lag = try known.lag(of: group) else { continue }
      let age = lag.age(at: .now()) ?? .zero
      facts.append([
        "checked": .text("group \(group.group)"), "topic": .text(group.topic), "messages": .number(lag.messages),
        "seconds": .number(age.inMilliseconds / 1_000),
      ])
      guard age > Self.longestLag else { continue }
      findings.append(
        Finding(
          "group \(group.group)",
          "\(lag.messages) messages of \(group.topic) wait, the oldest for \(DurationText.format(age))",
          "is its program running and ready? paysaga lag --partitions"))
    }
    return (facts, findings + (try letters(topics, known)))
  }

  private func letters(_ topics: [String: Int], _ known: ConsumerGroups) throws -> [Finding] {
    let group = GroupWatch.Group(SagaSettings.Consumer.requeueGroup, on: session.settings.consumer.deadLetterTopic)
    guard topics[group.topic] != nil, let lag = try known.lag(of: group) else { return [] }
    let waiting = RequeueLedger.waiting(lag)
    guard waiting > 0 else { return [] }
    return [
      Finding(
        "topic \(group.topic)", "\(waiting) dead letters wait for a decision",
        "paysaga inventory list; then paysaga inventory requeue or discard")
    ]
  }
}
