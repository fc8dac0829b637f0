internal import Config
internal import Errs
internal import Kafka
internal import Logger
internal import ProgramSupport
internal import Runtime

/// Puts messages on the dead-letter topic as they came, with headers that say from where and why.
///
/// For one thread: `write` blocks it until the broker has answered.
final class DeadLetterWriter: Sendable {
  private struct Reports {
    /// The first token of the write under way; reports of earlier ones come late and are ignored.
    var first: UInt64 = 0
    var next: UInt64 = 0
    var answered = 0
    var failure: String?
  }

  private let producer: KafkaProducer
  private let topic: String
  private let reports: Monitor<Reports>

  /// - Throws: `KafkaError` `.invalidConfiguration`.
  init(_ context: ProgramContext) throws(KafkaError) {
    let reports = Monitor(Reports())
    self.reports = reports
    topic = context.settings.consumer.deadLetterTopic
    producer = try KafkaProducer(
      context.kafka(role: "dead-letters"), logger: context.logger.labelled("dead-letters"),
      onDelivery: { delivered in
        reports.update { reports in
          for report in delivered where report.token >= reports.first {
            reports.answered += 1
            if let failure = report.failure { reports.failure = "\(failure)" }
          }
        }
      })
  }

  /// Writes the messages and waits until all in-sync replicas have them.
  /// - Returns: nil when all are there, otherwise why not; writing them again is safe, if they may then lie there twice.
  func write(_ letters: [(message: ConsumedMessage, reason: String)], until deadline: Instant) -> String? {
    reports.withLock { reports in
      reports.first = reports.next
      reports.answered = 0
      reports.failure = nil
    }
    for letter in letters {
      do throws(KafkaError) {
        try produce(letter)
      } catch {
        return error.description
      }
    }
    let answer = reports.wait(until: deadline) { reports -> String?? in
      guard reports.answered == letters.count else { return nil }
      return .some(reports.failure)
    }
    return answer ?? "the broker did not acknowledge in time"
  }

  func close() { producer.close() }

  private func produce(_ letter: (message: ConsumedMessage, reason: String)) throws(KafkaError) {
    let token = reports.withLock { reports in
      defer { reports.next += 1 }
      return reports.next
    }
    let whole = record(letter.message, value: letter.message.value, letter.reason, token)
    do throws(KafkaError) {
      try producer.produce(whole)
    } catch {
      guard error.code == .messageTooLarge else { throw error }
      // With our headers it is too large; where it lies is said in them, so the value can be left out.
      try producer.produce(record(letter.message, value: nil, "\(letter.reason) (value left out: too large)", token))
    }
  }

  private func record(
    _ message: ConsumedMessage, value: [UInt8]?, _ reason: String, _ token: UInt64
  ) -> ProducerRecord {
    let headers = [
      RecordHeader("dlq_topic", message.topic), RecordHeader("dlq_partition", String(message.partition)),
      RecordHeader("dlq_offset", String(message.offset)), RecordHeader("dlq_error", reason),
    ]
    return ProducerRecord(
      topic: topic, key: message.key, value: value, headers: message.headers + headers, token: token)
  }
}
