import Testing

@testable import HTTP2

private typealias Head = FrameScanner.Head

private func data(_ stream: Int32, ends: Bool = false) -> Head {
  Head(length: 5, type: 0, flags: ends ? 1 : 0, stream: stream)
}
private func headers(_ stream: Int32, ends: Bool = false) -> Head {
  Head(length: 20, type: 1, flags: ends ? 5 : 4, stream: stream)
}
private func reset(_ stream: Int32, length: Int = 4) -> Head { Head(length: length, type: 3, flags: 0, stream: stream) }

@Suite struct FrameScannerTests {
  @Test func aHeadIsNineBytes() {
    let bytes: [UInt8] = [0xFF, 0, 0x12, 0x34, 3, 0x25, 0x81, 2, 3, 4, 0xFF]
    let head = bytes.withUnsafeBytes { Head($0, at: 1) }
    #expect(head == Head(length: 0x1234, type: 3, flags: 0x25, stream: 0x0102_0304))
  }

  @Test func whatNghttp2HasNotHadYetIsFine() {
    var scanner = FrameScanner()
    #expect(scanner.judge(headers(1)) == .pass)
    #expect(scanner.judge(data(1)) == .pass)
    #expect(scanner.judge(data(1, ends: true)) == .pass)
    #expect(scanner.judge(headers(3, ends: true)) == .pass)
  }

  @Test func whatFollowsAnEndIsLookedAt() {
    var scanner = FrameScanner()
    _ = scanner.judge(headers(1))
    _ = scanner.judge(data(1, ends: true))
    #expect(scanner.judge(data(1)) == .ongoing(mustFeed: true))
    scanner.fed()
    #expect(scanner.judge(data(1)) == .ongoing(mustFeed: false))
    #expect(scanner.judge(headers(1)) == .ongoing(mustFeed: false))
    _ = scanner.judge(headers(3, ends: true))
    #expect(scanner.judge(headers(3)) == .ongoing(mustFeed: true))
  }

  @Test func whatFollowsAResetIsLookedAt() {
    var scanner = FrameScanner()
    _ = scanner.judge(headers(1))
    #expect(scanner.judge(reset(1)) == .pass)
    #expect(scanner.judge(data(1, ends: true)) == .ongoing(mustFeed: true))
  }

  @Test func aResetOfNothingIsTakenOut() {
    var scanner = FrameScanner()
    #expect(scanner.judge(reset(1)) == .idleReset)
    _ = scanner.judge(headers(5))
    #expect(scanner.judge(reset(3)) == .pass)
    #expect(scanner.judge(reset(7)) == .idleReset)
    // What is malformed beside that is nghttp2's to answer.
    #expect(scanner.judge(reset(7, length: 5)) == .pass)
    #expect(scanner.judge(reset(8)) == .pass)
    #expect(scanner.judge(reset(0)) == .pass)
  }

  @Test func streamsThatShareABitAreLookedAtAndNoMore() {
    var scanner = FrameScanner()
    _ = scanner.judge(headers(1, ends: true))
    _ = scanner.judge(headers(129))
    #expect(scanner.judge(data(129)) == .ongoing(mustFeed: true))
    scanner.fed()
    #expect(scanner.judge(data(129)) == .ongoing(mustFeed: false))
  }
}
