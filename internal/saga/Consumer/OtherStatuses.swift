internal import Kafka
internal import Logger
internal import Synchronization

/// Says once of each status that messages with it open no payment: a producer that writes another word than
/// `CONSUMER_TRIGGER_STATUS` would otherwise be seen in a counter only. For any thread.
final class OtherStatuses: Sendable {
  /// The most that are remembered, and named.
  private static let limit = 32

  private let logger: Logger
  private let known = Mutex<Set<String>>([])

  init(logger: Logger) { self.logger = logger }

  /// A message was skipped for its status.
  func note(_ status: String, _ message: ConsumedMessage) {
    let isNew = known.withLock { known in
      guard known.count < Self.limit else { return false }
      return known.insert(status).inserted
    }
    guard isNew else { return }
    logger.info(
      "messages with this status open no payment",
      [
        "inventory_status": .string(status), "topic": .string(message.topic), "partition": .number(message.partition),
        "offset": .number(message.offset),
      ])
  }
}
