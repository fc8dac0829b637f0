internal import Kafka
internal import SagaDomain
internal import Tracing
internal import Values

/// What to do with a batch of inventory messages. Pure: it reads the messages and sorts them; others act on it.
struct InventoryBatch: Sendable {
  /// A message that opens a payment.
  struct Opening: Sendable {
    /// Its place in the batch.
    let index: Int
    let message: InventoryMessage
  }

  /// A message that goes to the dead-letter topic.
  struct DeadLetter: Sendable {
    let index: Int
    let reason: String
  }

  private(set) var openings: [Opening] = []
  private(set) var deadLetters: [DeadLetter] = []
  /// Messages of another status than the one that opens payments.
  private(set) var skipped = 0
  /// Openings that the filter knows to be done already.
  private(set) var repeated = 0

  init(_ messages: [ConsumedMessage], triggerStatus: String) {
    openings.reserveCapacity(messages.count)
    for (index, message) in messages.enumerated() {
      do {
        let inventory = try InventoryMessage(message.value, trace: Self.trace(of: message))
        if inventory.status == triggerStatus {
          openings.append(Opening(index: index, message: inventory))
        } else {
          skipped += 1
        }
      } catch {
        deadLetters.append(DeadLetter(index: index, reason: error.description))
      }
    }
  }

  private static func trace(of message: ConsumedMessage) -> TraceContext? {
    guard let header = message.headers.first(where: { $0.name == TraceContext.name }) else { return nil }
    return header.value.flatMap { TraceContext(traceparent: String(decoding: $0, as: UTF8.self)) }
  }

  /// The keys to look up in the filter, in the order of `openings`.
  var keys: [UniqueID] { openings.map(\.message.idempotentKey) }

  /// Drops the openings whose key is known to be done for the same message, and sorts out those whose key was used
  /// for another one.
  /// - Parameter known: for each of `keys`, the fingerprint stored when its payment was committed.
  mutating func remove(known: [[UInt8]?]) {
    precondition(known.count == openings.count, "an answer for each key")
    var rest: [Opening] = []
    for (opening, fingerprint) in zip(openings, known) {
      guard let fingerprint else {
        rest.append(opening)
        continue
      }
      if fingerprint == opening.message.fingerprint {
        repeated += 1
      } else {
        deadLetters.append(
          DeadLetter(index: opening.index, reason: "idempotent_key was used before for another order or amount"))
      }
    }
    openings = rest
  }

  /// Takes in how the openings came out: those that failed for good are no openings any more.
  /// - Parameter failures: for each of `openings` why it failed, nil where it is committed.
  mutating func settle(failures: [String?]) {
    precondition(failures.count == openings.count, "an outcome for each opening")
    for (opening, failure) in zip(openings, failures) {
      if let failure { deadLetters.append(DeadLetter(index: opening.index, reason: failure)) }
    }
    openings = zip(openings, failures).filter { $0.1 == nil }.map(\.0)
  }

  /// Drops what becomes of the messages that somebody else has to care for now.
  /// - Parameter isKept: says of a place in the batch whether its message stays ours.
  mutating func keep(_ isKept: (Int) -> Bool) {
    openings.removeAll { !isKept($0.index) }
    deadLetters.removeAll { !isKept($0.index) }
  }

  /// The partitions of these messages.
  static func places(of messages: [ConsumedMessage]) -> Set<TopicPartition> {
    var places: Set<TopicPartition> = []
    // Messages come in runs of one partition.
    for (index, message) in messages.enumerated()
    where index == 0 || messages[index - 1].partition != message.partition || messages[index - 1].topic != message.topic
    {
      places.insert(message.place)
    }
    return places
  }

  /// The offsets up to which everything is done once this batch is.
  static func offsets(of messages: [ConsumedMessage]) -> [TopicPartitionOffset] {
    var last: [TopicPartition: TopicPartitionOffset] = [:]
    for message in messages { last[message.place] = message.next }
    return Array(last.values)
  }
}

extension InventoryMessage {
  /// What must be the same when the same key comes again.
  var fingerprint: [UInt8] { command.fingerprint }
}
