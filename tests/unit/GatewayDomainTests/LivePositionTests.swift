import Testing
import Values

@testable import GatewayDomain

/// How far a stream has come, and how that survives a connection.
@Suite struct LivePositionTests {
  private static let now = Timestamp(microseconds: 1_795_700_000_000_000)
  private static func id(secondsAgo seconds: Int, _ number: UInt64 = 0) -> UniqueID {
    let lowest = UniqueID.lowest(at: now + .seconds(-seconds))
    return UniqueID(high: lowest.high, low: number)
  }

  @Test func `a position survives its text, with the payments that were open before it`() throws {
    var position = LivePosition(at: Self.now)
    for (seconds, isFinal) in [(9_000, false), (8_000, true), (400, false), (10, false)] {
      position.sent(Self.id(secondsAgo: seconds), isFinal: isFinal)
    }
    let read = try #require(LivePosition(position.text))
    #expect(read.start == Self.id(secondsAgo: 300))
    #expect(read.open == [Self.id(secondsAgo: 9_000), Self.id(secondsAgo: 400)])
    position.sent(Self.id(secondsAgo: 9_000), isFinal: true)
    #expect(LivePosition(position.text)?.open == [Self.id(secondsAgo: 400)])
  }

  @Test func `with more open ones than the text names it begins at the first that it does not name`() throws {
    var position = LivePosition(at: Self.now)
    let open = (1...10).map { Self.id(secondsAgo: 1_000 - $0) }
    for id in open.shuffled() { position.sent(id, isFinal: false) }
    let read = try #require(LivePosition(position.text))
    #expect(read.open == Array(open.prefix(8)))
    #expect(read.start == open[8])
    #expect(position.text.utf8.count == 22 + 8 * 23)
  }

  @Test func `of very many open ones the newest are forgotten, and the position begins before them`() throws {
    var position = LivePosition(from: Self.id(secondsAgo: 0))
    let open = (1...100).map { Self.id(secondsAgo: 1_000 - $0) }
    for id in open.shuffled() { position.sent(id, isFinal: false) }
    for id in open.prefix(60) { position.sent(id, isFinal: true) }
    #expect(position.start <= open[64])
    for id in open { position.sent(id, isFinal: true) }
    #expect(position.start <= open[64])
  }

  @Test func `it never goes back by itself`() {
    var position = LivePosition(from: Self.id(secondsAgo: 100))
    position.reach(Self.id(secondsAgo: 200))
    #expect(position.start == Self.id(secondsAgo: 100))
    position.reach(now: Self.now + .seconds(250))
    #expect(position.start == Self.id(secondsAgo: 50))
  }

  @Test(arguments: [
    "", ".", "7", String(repeating: "A", count: 21), String(repeating: "A", count: 23),
    String(repeating: "A", count: 22) + ".", String(repeating: "A", count: 21) + "B",
    Array(repeating: String(repeating: "A", count: 22), count: 10).joined(separator: "."), "é",
  ])
  func `anything else is no position`(text: String) {
    #expect(LivePosition(text) == nil)
  }
}
