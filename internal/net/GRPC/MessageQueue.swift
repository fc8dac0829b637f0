/// Messages that wait for their reader, first in, first out; taking one is O(1), amortised.
struct MessageQueue {
  private var messages: [MessageDeframer.Message] = []
  private var start = 0

  /// The approximate cost of an array besides its bytes; it counts with many small messages.
  private static let overhead = 64
  /// The approximate memory of the waiting messages, bytes.
  private(set) var byteCount = 0

  var isEmpty: Bool { start == messages.count }

  var first: MessageDeframer.Message? { start < messages.count ? messages[start] : nil }

  mutating func append(_ message: MessageDeframer.Message) {
    byteCount += message.bytes.count + Self.overhead
    messages.append(message)
  }

  mutating func popFirst() -> MessageDeframer.Message? {
    guard start < messages.count else { return nil }
    let message = messages[start]
    byteCount -= message.bytes.count + Self.overhead
    messages[start].bytes = []
    start += 1
    if start == messages.count {
      messages.removeAll(keepingCapacity: start <= 64)
      start = 0
    } else if start > 64, start * 2 > messages.count {
      messages.removeFirst(start)
      start = 0
    }
    return message
  }
}
