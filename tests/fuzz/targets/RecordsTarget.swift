import Inbox
import Kafka
import SagaConsumer
import SagaDomain
import Tracing
import Values

/// A record of the inventory topic as any producer may write it: numbers of 64 bits, headers of any name and value.
enum RecordsTarget {
  static func run(_ input: [UInt8]) throws(FuzzFinding) {
    let message = RecordInput(input, topic: "inventory").message
    try require(message.next.offset >= message.offset, "the offset after \(message.offset) is \(message.next.offset)")
    if let time = message.timestamp {
      try require(time.microseconds >= 0 && time.utf8Bytes.count == 27, "a time reads \(time)")
    }
    try check(message)
  }

  private static func check(_ message: ConsumedMessage) throws(FuzzFinding) {
    let sorted = InboxBatch([message]) { InventoryHandler.sort($0, triggerStatus: "COMPLETED") }
    let skipped = sorted.outcomes[.skipped] ?? 0
    try require(sorted.items.count + sorted.deadLetters.count + skipped == 1, "the message is not sorted once")
    let places = [message].nextOffsets
    try require(places == [message.next], "its offsets are \(places)")
    guard var opening = sorted.items.first else { return }
    let traces = message.headers.filter { $0.name == TraceContext.name }
    try require(opening.message.command.trace == nil || traces.count == 1, "\(traces.count) traces are taken")
    // Whatever Redis claims, without a payment the message stays an opening.
    opening.claim = message.key.flatMap(FilterClaim.init)
    var batch = InventoryBatch([opening])
    for order in batch.claimedOrders { try require(order > 0, "order \(order) is looked up") }
    batch.remove(confirmedBy: [])
    try require(batch.openings.count == 1, "an opening vanished")
  }
}
