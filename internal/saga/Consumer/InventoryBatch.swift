package import Kafka
package import SagaDomain
internal import Tracing
package import Values

/// What to do with a batch of inventory messages. Pure: it reads the messages and sorts them; others act on it.
package struct InventoryBatch: Sendable {
  /// A message that opens a payment.
  package struct Opening: Sendable {
    /// Its place in the batch.
    package let index: Int
    package let message: InventoryMessage
    /// What the filter claims to know of its key.
    package var claim: Claim?
  }

  /// The filter's word that a key belongs to a payment which is committed: a hint where to look, and no proof, since
  /// whoever can write to Redis can write this.
  package struct Claim: Sendable, Hashable {
    package let orderID: Int64
    package let fingerprint: [UInt8]

    /// Nil for what no writer of ours has stored.
    init?(_ fingerprint: [UInt8]) {
      guard let order = fingerprint.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).first,
        let orderID = Int64(String(decoding: order, as: UTF8.self)), orderID > 0
      else { return nil }
      self.orderID = orderID
      self.fingerprint = fingerprint
    }
  }

  /// A message that goes to the dead-letter topic.
  package struct DeadLetter: Sendable {
    package let index: Int
    package let reason: String
  }

  package private(set) var openings: [Opening] = []
  package private(set) var deadLetters: [DeadLetter] = []
  /// Messages of another status than the one that opens payments.
  package private(set) var skipped = 0
  /// Openings that are done already, as the filter claimed and the database confirmed.
  package private(set) var repeated = 0

  package init(_ messages: [ConsumedMessage], triggerStatus: String) {
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
    if message.headers.isEmpty { return nil }
    return TraceContext(onlyOf: message.headers.filter { $0.name == TraceContext.name }.map { $0.value ?? [] })
  }

  /// The keys to look up in the filter, in the order of `openings`.
  package var keys: [UniqueID] { openings.map(\.message.idempotentKey) }

  /// Notes what the filter claims.
  /// - Parameter fingerprints: for each of `keys`, the fingerprint stored when its payment was committed.
  package mutating func note(claims fingerprints: [[UInt8]?]) {
    precondition(fingerprints.count == openings.count, "an answer for each key")
    for (place, fingerprint) in fingerprints.enumerated() { openings[place].claim = fingerprint.flatMap(Claim.init) }
  }

  /// The orders whose payments show whether the claims are true.
  package var claimedOrders: [Int64] { Array(Set(openings.compactMap(\.claim?.orderID))) }

  /// Drops the openings whose payment is there, and sorts out those whose key opened another one. What the payments do
  /// not confirm stays an opening.
  /// - Parameter payments: those of `claimedOrders`, as the database has them now.
  package mutating func remove(confirmedBy payments: [Payment]) {
    if payments.isEmpty { return }
    let stored = Dictionary(payments.map { ($0.orderID, $0) }, uniquingKeysWith: { first, _ in first })
    var rest: [Opening] = []
    for opening in openings {
      let message = opening.message
      let payment = opening.claim.flatMap { stored[$0.orderID] }
      if opening.claim?.fingerprint == message.fingerprint, payment.map(message.command.agrees) == true {
        repeated += 1
      } else if opening.claim?.fingerprint != message.fingerprint, let payment,
        payment.idempotentKey == message.idempotentKey
      {
        deadLetters.append(
          DeadLetter(index: opening.index, reason: "idempotent_key was used before for another order or amount"))
      } else {
        // Not confirmed; or another amount than the payment's, which is for the insert to refuse.
        rest.append(opening)
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
  package static func offsets(of messages: [ConsumedMessage]) -> [TopicPartitionOffset] {
    var last: [TopicPartition: TopicPartitionOffset] = [:]
    for message in messages { last[message.place] = message.next }
    return Array(last.values)
  }
}

extension InventoryMessage {
  /// What must be the same when the same key comes again.
  var fingerprint: [UInt8] { command.fingerprint }
}
