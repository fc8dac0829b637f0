import Kafka
import Runtime
import Values

/// Publishes the original messages of dead letters, a batch at a time.
final class RequeuePublisher {
  private struct Failure: Error { let words: String }

  private struct Answers {
    /// Where the record lies, or why it does not.
    var byToken: [UInt64: Result<TopicPartitionOffset, Failure>] = [:]
    /// Set when the producer can do no more.
    var fatal: String?
  }

  private let answers: Monitor<Answers>
  private let producer: KafkaProducer
  private let topic: String
  private let partitions: Int

  init(_ session: Session, topic: String, partitions: Int) throws {
    let answers = Monitor(Answers())
    self.answers = answers
    self.topic = topic
    self.partitions = partitions
    producer = try KafkaProducer(
      session.kafka, options: KafkaProducer.Options(deliveryTimeout: .seconds(30)), logger: session.kafkaLogger,
      onDelivery: { reports in
        answers.update { answers in
          for report in reports {
            answers.byToken[report.token] =
              report.failure.map { .failure(Failure(words: "\($0)")) }
              ?? .success(TopicPartitionOffset(report.topic, report.partition, report.offset ?? 0))
          }
        }
      }, onFatal: { error in answers.update { $0.fatal = "\(error)" } })
  }

  /// - Returns: those that the topic has, where they lie there, and why it does not have the others.
  func publish(
    _ letters: [DeadLetter]
  ) throws -> (published: [DeadLetter], places: [TopicPartitionOffset], failure: String?) {
    answers.withLock { $0.byToken = [:] }
    let records = letters.enumerated().map { number, letter in
      letter.revived(to: topic, partitions: partitions, token: UInt64(number))
    }
    let (accepted, refusal) = producer.produce(records)
    // Every record is answered for by its delivery timeout.
    _ = answers.wait(until: .now() + .seconds(40)) { $0.byToken.count == accepted || $0.fatal != nil ? true : nil }
    let (known, fatal) = answers.withLock { ($0.byToken, $0.fatal) }
    var published: [DeadLetter] = []
    var places: [TopicPartitionOffset] = []
    var failure = fatal
    for (number, letter) in letters.enumerated() {
      switch known[UInt64(number)] {
      case .success(let place)?:
        published.append(letter)
        places.append(place)
      case .failure(let error)?: failure = failure ?? error.words
      case nil: failure = failure ?? refusal.map { "\($0)" }
      }
    }
    let isWhole = published.count == letters.count
    return (published, places, isWhole ? nil : failure ?? "the broker did not acknowledge in time")
  }

  func close() { producer.close() }
}
