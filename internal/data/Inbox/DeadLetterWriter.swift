internal import Errors
internal import Kafka
internal import Logger
internal import Runtime
internal import Synchronization
internal import Values

/// Writes messages to the dead-letter topic as they came, with headers that say from where and why.
///
/// `write` blocks its thread until the broker has answered; several threads may write at once. A letter stays with the
/// producer until it is answered, however long that takes, because only the producer's own retries leave no copies. A
/// letter that the topic refuses is written again without its value, then with our headers only, so that no message can
/// block the inbox.
final class DeadLetterWriter: Sendable {
  /// A message to be written.
  struct Letter: Sendable {
    let message: ConsumedMessage
    /// Why it cannot be used; goes into a header.
    let reason: String
    /// How much of it is written.
    var form = Form.whole
    /// Its token while it is with the producer.
    fileprivate var token: UInt64?
    /// When it may be written again: a request that failed without an answer may still arrive for a while.
    fileprivate var notBefore = Instant(nanoseconds: 0)

    init(message: ConsumedMessage, reason: String) {
      self.message = message
      self.reason = reason
    }
  }

  /// How much of a message is written.
  enum Form: Int, Sendable {
    case whole
    case withoutValue
    /// Only our headers: topic, partition, offset and error.
    case place

    /// The next smaller form.
    var next: Form { Form(rawValue: rawValue + 1) ?? .place }
  }

  private enum Answer {
    case awaited
    case stored
    /// The topic will never accept the letter in this form.
    case refused(String)
    case failed(String, mayBePersisted: Bool)
  }

  /// So long that the producer never gives up a letter by itself.
  private static let deliveryTimeout = Duration.seconds(86_400)
  /// How long a request of a failed producer may still arrive.
  private static let flightTime = Duration.seconds(10)
  /// How long writes must have failed before that counts as an obstacle.
  private static let patience = Duration.seconds(3)
  /// How long after the last failure the obstacle is forgotten.
  private static let memory = Duration.seconds(60)

  private struct Reports {
    var next: UInt64 = 0
    /// By token, for the letters in flight; reports about others are late and are ignored.
    var answers: [UInt64: Answer] = [:]
    /// Why the producer has failed permanently, until there is another.
    var fatal: String?

    /// The answers for `tokens`, once there is one for each.
    func complete(_ tokens: [UInt64]) -> [Answer]? {
      let known = tokens.map { answers[$0] ?? .awaited }
      let isComplete = known.allSatisfy { if case .awaited = $0 { false } else { true } }
      return isComplete ? known : nil
    }
  }

  private let kafka: KafkaConfiguration
  private let topic: String
  private let logger: Logger
  private let reports = Monitor(Reports())
  private let producer = Mutex<KafkaProducer?>(nil)
  /// The failures since the last success.
  private let trouble = Mutex<(since: Instant, last: Instant, reason: String)?>(nil)

  /// Makes the producer; a broker need not be there yet.
  /// - Throws: `KafkaError` `.invalidConfiguration`.
  init(_ kafka: KafkaConfiguration, topic: String, logger: Logger) throws(KafkaError) {
    self.kafka = kafka
    self.topic = topic
    self.logger = logger
    let made = try makeProducer()
    producer.withLock { $0 = made }
  }

  /// Writes letters and waits until all in-sync replicas have them.
  /// - Parameter letters: loses those that are acknowledged. The rest remembers what is still with the producer: pass
  ///   it to the next call, or to `abandon`.
  /// - Returns: nil when all are acknowledged, otherwise the reason why not.
  func write(_ letters: inout [Letter], until deadline: Instant) -> String? {
    var failure = handOver(&letters)
    let tokens = letters.compactMap(\.token)
    let answers = reports.wait(until: deadline) { $0.complete(tokens) }
    let known = answers ?? reports.withLock { reports in tokens.map { reports.answers[$0] ?? .awaited } }
    for (token, answer) in zip(tokens, known).reversed() {
      // Each token belongs to one letter.
      guard let index = letters.lastIndex(where: { $0.token == token }) else { continue }
      if case .awaited = answer {
        failure = failure ?? "the broker has not acknowledged yet"
        continue
      }
      reports.withLock { $0.answers[token] = nil }
      letters[index].token = nil
      switch answer {
      case .awaited: continue
      case .stored: letters.remove(at: index)
      case .refused(let reason):
        letters[index].form = letters[index].form.next
        failure = reason
      case .failed(let reason, let mayBePersisted):
        if mayBePersisted { letters[index].notBefore = .now() + Self.flightTime }
        failure = reason
      }
    }
    if !letters.isEmpty { failure = failure ?? "letters may still arrive and are not written again yet" }
    // Reports about letters of a failed producer say only that they were purged.
    if failure != nil, let fatal = reports.withLock({ $0.fatal }) { failure = fatal }
    note(failure, at: .now())
    return failure
  }

  /// Forgets letters that another member has to write now; those with the producer may arrive all the same.
  func abandon(_ letters: [Letter]) {
    let tokens = letters.compactMap(\.token)
    if !tokens.isEmpty { reports.withLock { reports in for token in tokens { reports.answers[token] = nil } } }
  }

  /// Why letters have not been acknowledged for more than a few seconds; nil when no reason is known. Asks the brokers,
  /// so it blocks until `deadline` at most.
  func obstacle(until deadline: Instant) -> String? {
    let problem = producer.withLock { $0 }.flatMap { try? $0.health(of: topic, until: deadline) }?.problem
    if let problem { return problem }
    let now = Instant.now()
    guard let known = trouble.withLock({ $0 }), now - known.last < Self.memory, now - known.since >= Self.patience
    else { return nil }
    return "topic \(topic): \(known.reason)"
  }

  private func note(_ failure: String?, at now: Instant) {
    trouble.withLock { trouble in
      guard let failure else {
        trouble = nil
        return
      }
      let since = trouble.flatMap { now - $0.last < Self.memory ? $0.since : nil }
      trouble = (since ?? now, now, failure)
    }
  }

  /// Gives the producer the letters that are not with it.
  /// - Returns: why it did not accept all of them; nil when it did.
  private func handOver(_ letters: inout [Letter]) -> String? {
    do throws(KafkaError) {
      let producer = try currentProducer()
      let now = Instant.now()
      for index in letters.indices where letters[index].token == nil && letters[index].notBefore <= now {
        let token = reports.withLock { reports in
          defer { reports.next += 1 }
          reports.answers[reports.next] = .awaited
          return reports.next
        }
        do throws(KafkaError) {
          try produce(&letters[index], token, producer)
        } catch {
          reports.withLock { $0.answers[token] = nil }
          throw error
        }
        letters[index].token = token
      }
      return nil
    } catch {
      return error.description
    }
  }

  /// Ends the producer.
  func close() { producer.withLock { $0 }?.close() }

  // MARK: - The producer

  private func makeProducer() throws(KafkaError) -> KafkaProducer {
    let reports = reports
    return try KafkaProducer(
      kafka, options: KafkaProducer.Options(deliveryTimeout: Self.deliveryTimeout), logger: logger,
      onDelivery: { delivered in
        reports.update { reports in
          for report in delivered where reports.answers[report.token] != nil {
            guard let failure = report.failure else {
              reports.answers[report.token] = .stored
              continue
            }
            let reason = "\(failure)"
            reports.answers[report.token] =
              failure.kind == .permanent
              ? .refused(reason) : .failed(reason, mayBePersisted: failure.mayBePersisted)
          }
        }
      }, onFatal: { error in reports.update { $0.fatal = error.description } })
  }

  /// The producer; a new one when the last has failed permanently.
  private func currentProducer() throws(KafkaError) -> KafkaProducer {
    let hasFailed = reports.withLock { reports in
      defer { reports.fatal = nil }
      return reports.fatal != nil
    }
    let result = producer.withLock { current in
      Result { () throws(KafkaError) in
        if let current, !hasFailed { return current }
        current?.close()
        // Should the next one not come about, this one is not used again.
        current = nil
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
