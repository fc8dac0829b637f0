import Testing

@testable import GRPC

struct MessageDeframerTests {
  private func framed(_ message: [UInt8], flag: UInt8 = 0) -> [UInt8] {
    let length = UInt32(message.count)
    return [flag] + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: length >> $0) } + message
  }

  private func feed(
    _ deframer: inout MessageDeframer, _ bytes: some Collection<UInt8>
  ) throws(MessageDeframer.Failure) -> [MessageDeframer.Message] {
    var messages: [MessageDeframer.Message] = []
    var failure: MessageDeframer.Failure?
    Array(bytes).withUnsafeBytes { buffer in
      var rest = buffer
      do throws(MessageDeframer.Failure) {
        while let message = try deframer.next(&rest) { messages.append(message) }
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return messages
  }

  @Test func messagesDoNotCareWhereTheDataIsCut() throws {
    let sent: [[UInt8]] = [[], [1], Array(repeating: 7, count: 300), [], [2, 3]]
    let stream = sent.flatMap { framed($0) }
    for first in 0...stream.count {
      for second in [first, min(first + 1, stream.count), min(first + 7, stream.count), stream.count] {
        var deframer = MessageDeframer(limit: 1_000)
        var received = try feed(&deframer, stream[..<first])
        received += try feed(&deframer, stream[first..<second])
        received += try feed(&deframer, stream[second...])
        #expect(received.map(\.bytes) == sent)
        #expect(!deframer.isInsideMessage)
      }
    }
  }

  @Test func everyTruncationIsSeen() throws {
    let stream = framed([1, 2, 3])
    for count in 1..<stream.count {
      var deframer = MessageDeframer(limit: 10)
      #expect(try feed(&deframer, stream[..<count]).isEmpty)
      #expect(deframer.isInsideMessage)
    }
  }

  @Test func theLimitIsDecidedFromThePrefix() throws {
    var exact = MessageDeframer(limit: 4)
    #expect(try feed(&exact, framed([1, 2, 3, 4])).count == 1)
    var deframer = MessageDeframer(limit: 4)
    #expect(throws: MessageDeframer.Failure.tooLong(announced: 5)) { try feed(&deframer, [0, 0, 0, 0, 5]) }
    #expect(deframer.buffered == 0)
    var huge = MessageDeframer(limit: 4)
    #expect(throws: MessageDeframer.Failure.tooLong(announced: 0xFFFF_FFFF)) {
      try feed(&huge, [1, 255, 255, 255, 255])
    }
  }

  @Test func flagsAboveOneAreRefusedAndOneMeansCompressed() throws {
    var deframer = MessageDeframer(limit: 4)
    #expect(throws: MessageDeframer.Failure.invalidFlag(2)) { try feed(&deframer, [2]) }
    var compressed = MessageDeframer(limit: 4)
    #expect(try feed(&compressed, framed([9], flag: 1)) == [.init(isCompressed: true, bytes: [9])])
  }
}
