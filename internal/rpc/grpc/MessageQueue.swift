/// Messages that wait for their reader, first in, first out; taking one is O(1), amortised.
struct MessageQueue {
  private var messages: [[UInt8]] = []
  private var start = 0

  var isEmpty: Bool { start == messages.count }

  mutating func append(_ message: [UInt8]) { messages.append(message) }

  mutating func popFirst() -> [UInt8]? {
    guard start < messages.count else { return nil }
    let message = messages[start]
    messages[start] = []
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
