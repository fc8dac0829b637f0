internal import Config
internal import Errs
internal import Kafka
internal import Logger
internal import ProgramSupport
internal import Runtime
internal import Synchronization

/// Puts messages on the dead-letter topic as they came, with headers that say from where and why.
///
/// For one thread: `write` blocks it until the broker has answered. A message that the topic refuses is written again
/// with less of it, down to the headers that say where it lies; nothing may keep the consumer from going on.
final class DeadLetterWriter: Sendable {
  /// A message on its way.
  struct Letter: Sendable {
    let message: ConsumedMessage
    let reason: String
    var form = Form.whole
  }

  /// How much of a message is written.
  enum Form: Int, Sendable {
    case whole
    case withoutValue
    /// Our headers alone: topic, partition, offset and error.
    case place

    var next: Form { Form(rawValue: rawValue + 1) ?? .place }
  }

  private enum Answer { case stored, refused, failed }

  private struct Reports {
    /// The first token of the write under way; reports of earlier ones come late and are ignored.
    var first: UInt64 = 0
    var next: UInt64 = 0
    var answers: [UInt64: Answer] = [:]
    var failure: String?
    var hasFailedForGood = false
  }

  private let context: ProgramContext
  private let topic: String
  private let reports = Monitor(Reports())
  private let producer = Mutex<KafkaProducer?>(nil)

  /// - Throws: `KafkaError` `.invalidConfiguration`.
  init(_ context: ProgramContext) throws(KafkaError) {
    self.context = context
    topic = context.settings.consumer.deadLetterTopic
    let made = try makeProducer()
    producer.withLock { $0 = made }
  }

  /// Writes the messages and waits until all in-sync replicas have them.
  /// - Parameter letters: those not yet written; what is acknowledged is taken out.
  /// - Returns: nil when all are there, otherwise why not; writing again is safe, if some may then lie there twice.
  func write(_ letters: inout [Letter], until deadline: Instant) -> String? {
    reports.withLock { reports in
      reports.first = reports.next
      reports.answers = [:]
      reports.failure = nil
    }
    do throws(KafkaError) {
      let producer = try currentProducer()
      let first = reports.withLock { $0.first }
      for index in letters.indices { try produce(&letters[index], producer) }
      let count = letters.count
      let answers = reports.wait(until: deadline) { $0.answers.count == count ? $0.answers : nil }
      let known = answers ?? reports.withLock { $0.answers }
      for index in letters.indices.reversed() {
        switch known[first + UInt64(index)] {
        case .stored: letters.remove(at: index)
        case .refused: letters[index].form = letters[index].form.next
        case .failed, nil: break
        }
      }
    } catch {
      return error.description
    }
    if letters.isEmpty { return nil }
    return reports.withLock { $0.failure } ?? "the broker did not acknowledge in time"
  }

  func close() { producer.withLock { $0 }?.close() }

  // MARK: - The producer

  private func makeProducer() throws(KafkaError) -> KafkaProducer {
    let reports = reports
    return try KafkaProducer(
      context.kafka(role: "dead-letters"), logger: context.logger.labelled("dead-letters"),
      onDelivery: { delivered in
        reports.update { reports in
          for report in delivered where report.token >= reports.first {
            guard let failure = report.failure else {
              reports.answers[report.token] = .stored
              continue
            }
            reports.answers[report.token] = failure.kind == .permanent ? .refused : .failed
            reports.failure = "\(failure)"
          }
        }
      }, onFatal: { _ in reports.update { $0.hasFailedForGood = true } })
  }

  /// The producer, made anew when it has failed for good.
  private func currentProducer() throws(KafkaError) -> KafkaProducer {
    let hasFailed = reports.withLock { reports in
      defer { reports.hasFailedForGood = false }
      return reports.hasFailedForGood
    }
    if let current = producer.withLock({ $0 }), !hasFailed { return current }
    close()
    let made = try makeProducer()
    producer.withLock { $0 = made }
    return made
  }

  private func produce(_ letter: inout Letter, _ producer: KafkaProducer) throws(KafkaError) {
    let token = reports.withLock { reports in
      defer { reports.next += 1 }
      return reports.next
    }
    while true {
      do throws(KafkaError) {
        return try producer.produce(record(letter, token))
      } catch {
        guard error.code == .messageTooLarge, letter.form != .place else { throw error }
        letter.form = letter.form.next
      }
    }
  }

  private func record(_ letter: Letter, _ token: UInt64) -> ProducerRecord {
    let message = letter.message
    let isWhole = letter.form == .whole
    let leftOut = letter.form == .place ? "all else" : "the value"
    let note = isWhole ? "" : " (left out here, being refused with it: \(leftOut))"
    let headers = [
      RecordHeader("dlq_topic", message.topic), RecordHeader("dlq_partition", String(message.partition)),
      RecordHeader("dlq_offset", String(message.offset)), RecordHeader("dlq_error", letter.reason + note),
    ]
    let isPlace = letter.form == .place
    return ProducerRecord(
      topic: topic, key: isPlace ? nil : message.key, value: isWhole ? message.value : nil,
      headers: (isPlace ? [] : message.headers) + headers, token: token)
  }
}
