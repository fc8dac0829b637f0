import Testing

@testable import HTTP2

struct ByteQueueTests {
  private func take(_ queue: inout ByteQueue, _ count: Int) -> [UInt8] {
    var buffer = [UInt8](repeating: 0xAA, count: count)
    let taken = buffer.withUnsafeMutableBytes { queue.take($0) }
    return Array(buffer.prefix(taken))
  }

  @Test func bytesComeOutInOrder() {
    var queue = ByteQueue()
    var expected: [UInt8] = []
    var taken: [UInt8] = []
    for round in 0..<200 {
      let bytes = (0..<round).map { UInt8(truncatingIfNeeded: $0 &* round) }
      bytes.withUnsafeBytes { queue.append($0) }
      expected += bytes
      taken += take(&queue, round / 2)
    }
    #expect(queue.count == expected.count - taken.count)
    taken += take(&queue, queue.count + 10)
    #expect(taken == expected)
    #expect(queue.count == 0)
    #expect(take(&queue, 1) == [])
  }

  @Test func aMessageHasItsPrefix() {
    var queue = ByteQueue()
    let message = [UInt8](repeating: 7, count: 300)
    message.withUnsafeBytes { queue.appendMessage(flag: 1, $0) }
    [UInt8]().withUnsafeBytes { queue.appendMessage(flag: 0, $0) }
    #expect(take(&queue, 1_000) == [1, 0, 0, 1, 44] + message + [0, 0, 0, 0, 0])
  }

  @Test func forgettingKeepsItUsable() {
    var queue = ByteQueue()
    for limit in [0, 1_024] {
      [UInt8](repeating: 1, count: 600).withUnsafeBytes { queue.append($0) }
      queue.removeAll(keepingUpTo: limit)
      #expect(queue.count == 0)
      [1, 2, 3].withUnsafeBytes { queue.append($0) }
      #expect(take(&queue, 24) == [1, 2, 3].withUnsafeBytes { Array($0) })
    }
  }
}
