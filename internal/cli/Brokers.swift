import ClientSettings
import Kafka
import SagaSettings
import Settings
import Values

/// Questions to the brokers before a command begins, with errors in words.
struct Brokers {
  private let session: Session

  init(_ session: Session) { self.session = session }

  /// The topics that are there, after which at least one broker has answered.
  func topics() throws -> [String: Int] {
    let admin = try KafkaAdmin(session.kafka, logger: session.kafkaLogger)
    defer { admin.close() }
    do throws(KafkaError) {
      return try admin.metadata(until: Instant.now() + session.patience(.seconds(10))).topics
    } catch {
      throw unreachable(error)
    }
  }

  /// Number of partitions of the topic; nil when there is no such topic.
  /// - Throws: when we may not see it, in which case brokers leave it out of `topics`.
  func partitions(of topic: String) throws -> Int? {
    if let partitions = try topics()[topic] { return partitions }
    // A reader's question makes no topic.
    let reader = try KafkaConsumer(session.kafka, options: KafkaConsumer.Options(), logger: session.kafkaLogger)
    defer { reader.close(until: Instant.now() + .seconds(1)) }
    let health: TopicHealth
    do throws(KafkaError) {
      health = try reader.health(of: topic, until: Instant.now() + session.patience(.seconds(5)))
    } catch {
      throw unreachable(error)
    }
    if health.isDenied { throw CommandError.failure("no right to \(health.problem ?? topic)") }
    return nil
  }

  /// Sees to it that the topic is there, as the programs do.
  func ensure(_ topic: String) throws {
    if try partitions(of: topic) != nil { return }
    let admin = try KafkaAdmin(session.kafka, logger: session.kafkaLogger)
    defer { admin.close() }
    do throws(KafkaError) {
      try admin.ensureTopics(
        [TopicSpecification(topic, partitions: session.settings.kafka.topicPartitions)],
        until: Instant.now() + session.patience(.seconds(20)), waitsForRights: false)
    } catch {
      throw CommandError.failure("topic \(topic) could not be made: \(error)")
    }
  }

  private func unreachable(_ error: KafkaError) -> CommandError {
    switch error.code {
    case .brokerUnavailable, .timedOut:
      .failure(
        "no Kafka broker answers at \(session.settings.kafka.brokers) (\(error)); is it running? `make up` starts the "
          + "local stack")
    case .notTrusted:
      .failure(
        "the Kafka brokers at \(session.settings.kafka.brokers) and we do not trust each other (\(error)); look at "
          + "KAFKA_SECURITY_PROTOCOL, KAFKA_SSL_… and KAFKA_SASL_…")
    default: explain(error)
    }
  }
}
