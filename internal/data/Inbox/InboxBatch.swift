package import Kafka

/// The messages that a lane works on: what each of them is, which of them are left to do, and under which assignments
/// they came. Pure.
package struct InboxBatch<Item: Sendable, Outcome: InboxOutcome>: Sendable {
  /// A message that goes to the dead-letter topic.
  package struct DeadLetter: Sendable {
    /// The message's place in `messages`.
    package let index: Int
    /// Why it cannot be used.
    package let reason: String
  }

  /// In the order in which they were polled.
  package let messages: [ConsumedMessage]
  let claim: LaneClaim
  /// What the transaction has to process.
  package private(set) var items: [Item] = []
  /// The place in `messages` of each item.
  package private(set) var indices: [Int] = []
  /// What goes to the dead-letter topic.
  package private(set) var deadLetters: [DeadLetter] = []
  private var counts = OutcomeCounts<Outcome>()
  /// How many messages are done, by outcome.
  package var outcomes: [Outcome: Int] { counts.totals }

  /// Sorts messages.
  package init(
    _ messages: [ConsumedMessage], claim: LaneClaim = LaneClaim(),
    sort: (ConsumedMessage) -> InboxSorting<Item, Outcome>
  ) {
    self.messages = messages
    self.claim = claim
    items.reserveCapacity(messages.count)
    indices.reserveCapacity(messages.count)
    for (index, message) in messages.enumerated() {
      switch sort(message) {
      case .work(let item):
        items.append(item)
        indices.append(index)
      case .done(let outcome): counts.add(outcome)
      case .unusable(let reason): deadLetters.append(DeadLetter(index: index, reason: reason))
      }
    }
  }

  /// Lets `change` add to the items, before their first transaction.
  mutating func prepare(_ change: (inout [Item]) -> Void) {
    if items.isEmpty { return }
    change(&items)
    precondition(items.count == indices.count, "a handler may not add or remove items")
  }

  /// Records the results of the transaction; nothing is left for another one.
  /// - Parameter results: one for each of `items`, in order.
  mutating func settle(_ results: [InboxResult<Outcome>]) {
    precondition(results.count == items.count, "a handler returns one result per item")
    for position in results.indices {
      switch results[position] {
      case .done(let outcome): counts.add(outcome)
      case .unusable(let reason): deadLetters.append(DeadLetter(index: indices[position], reason: reason))
      }
    }
    items = []
    indices = []
  }

  /// Drops what is left to do for messages of other partitions than these: their new owners will process them.
  package mutating func keep(_ owned: Set<TopicPartition>) {
    let messages = messages
    let isKept = indices.map { owned.contains(messages[$0].place) }
    if isKept.contains(false) {
      items = zip(items, isKept).filter(\.1).map(\.0)
      indices = zip(indices, isKept).filter(\.1).map(\.0)
    }
    deadLetters.removeAll { !owned.contains(messages[$0.index].place) }
  }
}

/// Counts outcomes. Most messages of a batch have the outcome of the one before them, so runs are counted: a generic
/// dictionary would cost thousands of instructions per message.
private struct OutcomeCounts<Outcome: InboxOutcome>: Sendable {
  private var finished: [Outcome: Int] = [:]
  private var last: Outcome?
  private var run = 0

  mutating func add(_ outcome: Outcome) {
    if let last, last == outcome {
      run += 1
      return
    }
    finished = totals
    last = outcome
    run = 1
  }

  var totals: [Outcome: Int] {
    guard let last else { return finished }
    return finished.merging([last: run], uniquingKeysWith: +)
  }
}

extension [ConsumedMessage] {
  /// The partitions of these messages.
  package var places: Set<TopicPartition> {
    var places: Set<TopicPartition> = []
    // Messages come in runs of one partition.
    for (index, message) in enumerated()
    where index == 0 || self[index - 1].partition != message.partition || self[index - 1].topic != message.topic {
      places.insert(message.place)
    }
    return places
  }

  /// The offsets up to which everything is done once these messages are.
  package var nextOffsets: [TopicPartitionOffset] {
    var last: [TopicPartition: TopicPartitionOffset] = [:]
    for message in self { last[message.place] = message.next }
    return [TopicPartitionOffset](last.values)
  }
}
