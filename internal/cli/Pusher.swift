import Kafka
import Runtime
import Values

/// Publishes messages in order with a bounded number in flight, and counts their outcomes.
final class Pusher: Sendable {
  /// Messages on the way at most.
  static let window = 10_000

  struct Tally: Sendable {
    var sent: Int64 = 0
    var acknowledged: Int64 = 0
    var failed: Int64 = 0
    var firstFailure: String?
    /// The last report of all: that of the only message when there is but one.
    var last: DeliveryReport?
    /// Set when the producer can do no more.
    var fatal: KafkaError?

    var outstanding: Int64 { sent - acknowledged - failed }
  }

  private let tally = Monitor(Tally())
  private let producer: KafkaProducer
  private let topic: String

  init(_ session: Session, topic: String, linger: Duration) throws {
    self.topic = topic
    producer = try KafkaProducer(
      session.kafka,
      options: KafkaProducer.Options(
        deliveryTimeout: .seconds(30), linger: linger, compression: "lz4", queueLimit: Self.window + 1_000),
      logger: session.kafkaLogger,
      onDelivery: { [tally] reports in tally.update { $0.note(reports) } },
      onFatal: { [tally] error in tally.update { $0.fatal = error } })
  }

  var state: Tally { tally.withLock { $0 } }

  /// Waits until there is room for one more, or until `deadline`.
  func hasRoom(until deadline: Instant) -> Bool {
    tally.wait(until: deadline) { $0.outstanding < Self.window || $0.fatal != nil ? true : nil } ?? false
  }

  /// Waits until all that was sent is answered for, or until `deadline`.
  func isDone(until deadline: Instant) -> Bool {
    tally.wait(until: deadline) { $0.outstanding == 0 || $0.fatal != nil ? true : nil } ?? false
  }

  /// Makes waiting calls look again.
  func wake() { tally.update { _ in } }

  /// - Throws: what makes further messages pointless.
  func push(_ message: InventoryMessage) throws {
    if let fatal = state.fatal { throw fatal }
    let record = ProducerRecord(topic: topic, key: message.key, value: message.value)
    // Counted first: its report may come before this returns.
    tally.withLock { $0.sent += 1 }
    do throws(KafkaError) {
      try producer.produce(record)
    } catch {
      tally.withLock { $0.sent -= 1 }
      throw error
    }
  }

  func close() { producer.close() }
}

extension Pusher.Tally {
  fileprivate mutating func note(_ reports: [DeliveryReport]) {
    for report in reports {
      if let failure = report.failure {
        failed += 1
        if firstFailure == nil { firstFailure = "\(failure)" }
      } else {
        acknowledged += 1
      }
    }
    last = reports.last ?? last
  }
}
