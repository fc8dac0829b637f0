internal import Errors
internal import Kafka
internal import Logger
internal import Runtime
internal import SagaSettings
internal import Service
internal import Settings
internal import Synchronization
internal import Values

/// Puts messages on the dead-letter topic as they came, with headers that say from where and why.
///
/// `write` blocks its thread until the broker has answered; several may write at once. A message that the topic refuses
/// is written again with less of it, down to the headers that say where it lies; nothing may keep the consumer from
/// going on.
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

  private enum Answer {
    case awaited
    case stored
    /// The topic will never take it like this.
    case refused(String)
    case failed(String)
  }

  private struct Reports {
    var next: UInt64 = 0
    /// By token, for the writes under way; reports of others come late and are ignored.
    var answers: [UInt64: Answer] = [:]
    var hasFailedForGood = false

    /// The answers to `tokens`, once there is one to each.
    func complete(_ tokens: Range<UInt64>) -> [Answer]? {
      let known = tokens.map { answers[$0] ?? .awaited }
      let isComplete = known.allSatisfy { if case .awaited = $0 { false } else { true } }
      return isComplete ? known : nil
    }
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
    let count = UInt64(letters.count)
    let tokens = reports.withLock { reports in
      let tokens = reports.next..<reports.next + count
      reports.next += count
      for token in tokens { reports.answers[token] = .awaited }
      return tokens
    }
    defer { reports.withLock { reports in for token in tokens { reports.answers[token] = nil } } }
    do throws(KafkaError) {
      let producer = try currentProducer()
      for (index, token) in zip(letters.indices, tokens) { try produce(&letters[index], token, producer) }
    } catch {
      return error.description
    }
    let answers = reports.wait(until: deadline) { $0.complete(tokens) }
    let known = answers ?? reports.withLock { reports in tokens.map { reports.answers[$0] ?? .awaited } }
    var failure: String?
    for (index, answer) in zip(letters.indices, known).reversed() {
      switch answer {
      case .stored: letters.remove(at: index)
      case .refused(let reason):
        letters[index].form = letters[index].form.next
        failure = reason
      case .failed(let reason): failure = reason
      case .awaited: failure = failure ?? "the broker did not acknowledge in time"
      }
    }
    return failure
  }

  func close() { producer.withLock { $0 }?.close() }

  // MARK: - The producer

  private func makeProducer() throws(KafkaError) -> KafkaProducer {
    let reports = reports
    return try KafkaProducer(
      context.kafka(role: "dead-letters"), logger: context.logger.labelled("dead-letters"),
      onDelivery: { delivered in
        reports.update { reports in
          for report in delivered where reports.answers[report.token] != nil {
            guard let failure = report.failure else {
              reports.answers[report.token] = .stored
              continue
            }
            let reason = "\(failure)"
            reports.answers[report.token] = failure.kind == .permanent ? .refused(reason) : .failed(reason)
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
    let result = producer.withLock { current in
      Result { () throws(KafkaError) in
        if let current, !hasFailed { return current }
        current?.close()
        let made = try makeProducer()
        current = made
        return made
      }
    }
    return try result.get()
  }

  private func produce(_ letter: inout Letter, _ token: UInt64, _ producer: KafkaProducer) throws(KafkaError) {
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
    var headers = [
      RecordHeader(DeadLetterHeader.topic, message.topic),
      RecordHeader(DeadLetterHeader.partition, String(message.partition)),
      RecordHeader(DeadLetterHeader.offset, String(message.offset)),
      RecordHeader(DeadLetterHeader.error, letter.reason + note),
    ]
    if !isWhole { headers.append(RecordHeader(DeadLetterHeader.leftOut, letter.form == .place ? "all" : "value")) }
    let isPlace = letter.form == .place
    return ProducerRecord(
      topic: topic, key: isPlace ? nil : message.key, value: isWhole ? message.value : nil,
      headers: (isPlace ? [] : message.headers) + headers, token: token)
  }
}
