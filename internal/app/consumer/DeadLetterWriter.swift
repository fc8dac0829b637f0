internal import Errs
internal import Kafka
internal import Logger
internal import ProgramSupport
internal import Runtime

/// Puts messages on the dead-letter topic as they came, with headers that say from where and why.
final class DeadLetterWriter: Sendable {
  private let producer: KafkaProducer
  private let topic: String
  private let reports: Monitor<[UInt64: String?]>

  /// - Throws: `KafkaError` `.invalidConfiguration`.
  init(_ context: ProgramContext) throws(KafkaError) {
    let reports = Monitor<[UInt64: String?]>([:])
    self.reports = reports
    topic = context.settings.consumer.deadLetterTopic
    producer = try KafkaProducer(
      context.kafka(role: "dead-letters"), logger: context.logger.labelled("dead-letters"),
      onDelivery: { delivered in
        reports.update { reports in
          for report in delivered { reports[report.token] = .some(report.failure.map { "\($0)" }) }
        }
      })
  }

  /// Writes the messages and waits for all in-sync replicas to have them. Blocks the calling thread.
  /// - Returns: nil when all are there, otherwise why not; writing them again is safe, if they then lie there twice.
  func write(_ letters: [(message: ConsumedMessage, reason: String)], until deadline: Instant) -> String? {
    reports.withLock { $0 = [:] }
    let records = letters.enumerated().map { index, letter in record(letter.message, letter.reason, UInt64(index)) }
    let (accepted, failure) = producer.produce(records)
    let outcome = reports.wait(until: deadline) { $0.count >= accepted ? $0 : nil }
    if let failure { return "\(failure)" }
    guard let outcome else { return "no acknowledgement in time" }
    return outcome.values.compactMap { $0 }.first
  }

  func close() { producer.close() }

  private func record(_ message: ConsumedMessage, _ reason: String, _ token: UInt64) -> ProducerRecord {
    let headers = [
      RecordHeader("dlq_topic", message.topic), RecordHeader("dlq_partition", String(message.partition)),
      RecordHeader("dlq_offset", String(message.offset)), RecordHeader("dlq_error", reason),
    ]
    return ProducerRecord(
      topic: topic, key: message.key, value: message.value, headers: message.headers + headers, token: token)
  }
}
