import Testing

@testable import GRPC

struct MessageQueueTests {
  @Test func keepsOrderWhileItGrowsAndShrinks() {
    var queue = MessageQueue()
    var pushed: UInt8 = 0
    var popped: UInt8 = 0
    for round in 0..<1_000 {
      for _ in 0..<(round % 3 + 1) {
        queue.append(MessageDeframer.Message(isCompressed: false, bytes: [pushed]))
        pushed &+= 1
      }
      for _ in 0..<(round % 2 + 1) where !queue.isEmpty {
        let message = queue.popFirst()
        #expect(message?.bytes == [popped])
        popped &+= 1
      }
    }
    while let message = queue.popFirst() {
      #expect(message.bytes == [popped])
      popped &+= 1
    }
    #expect(popped == pushed)
    #expect(queue.isEmpty)
  }
}
