import Kafka
import Runtime
import Values

/// Publishes the original messages of dead letters, a batch at a time.
final class RequeuePublisher {
  private struct Answers {
    var byToken: [UInt64: String?] = [:]
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
          for report in reports { answers.byToken[report.token] = .some(report.failure.map { "\($0)" }) }
        }
      }, onFatal: { error in answers.update { $0.fatal = "\(error)" } })
  }

  /// - Returns: those that the topic has, and why it does not have the others.
  func publish(_ letters: [DeadLetter]) throws -> (published: [ConsumedMessage], failure: String?) {
    answers.withLock { $0.byToken = [:] }
    let records = letters.enumerated().map { number, letter in
      letter.revived(to: topic, partitions: partitions, token: UInt64(number))
    }
    let (accepted, refusal) = producer.produce(records)
    // Every record is answered for by its delivery timeout.
    _ = answers.wait(until: .now() + .seconds(40)) { $0.byToken.count == accepted || $0.fatal != nil ? true : nil }
    let (known, fatal) = answers.withLock { ($0.byToken, $0.fatal) }
    let published = letters.indices.filter { number in
      if case .some(.none) = known[UInt64(number)] { true } else { false }
    }
    let failure = fatal ?? known.values.compactMap { $0 }.first ?? refusal.map { "\($0)" }
    let isWhole = published.count == letters.count
    return (published.map { letters[$0].letter }, isWhole ? nil : failure ?? "the broker did not acknowledge in time")
  }

  func close() { producer.close() }
}
