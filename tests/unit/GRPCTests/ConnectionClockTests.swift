import Testing
import Values

@testable import HTTP2

struct ConnectionClockTests {
  private let start = Instant(nanoseconds: 1_000_000_000_000)

  private func clock(_ configure: (inout HTTP2Configuration) -> Void = { _ in }) -> ConnectionClock {
    var configuration = HTTP2Configuration()
    configure(&configuration)
    return ConnectionClock(configuration, now: start, jitter: 0)
  }

  @Test func aSilentPeerIsClosedAfterTheHandshakeTime() {
    var clock = clock()
    #expect(clock.nextDeadline == start + .seconds(10))
    #expect(clock.expire(start + .seconds(9)) == nil)
    #expect(clock.expire(start + .seconds(10)) == .close("no HTTP/2 preface or no end of a header block in time"))
  }

  @Test func aHeaderBlockHasAnEndInTime() {
    var clock = clock()
    clock.handshakeDone()
    clock.headerBlockBegun(start + .seconds(30))
    #expect(clock.expire(start + .seconds(39)) == nil)
    var ended = clock
    ended.headerBlockEnded()
    #expect(ended.expire(start + .seconds(40)) == nil)
    #expect(clock.expire(start + .seconds(40)) != nil)
  }

  @Test func jitterMovesAgeAndIdleness() {
    var configuration = HTTP2Configuration()
    configuration.maxAge = .seconds(100)
    configuration.maxIdle = .seconds(50)
    var early = ConnectionClock(configuration, now: start, jitter: -0.1)
    early.handshakeDone()
    #expect(early.nextDeadline == start + .seconds(45))
    early.streamsChanged(active: 1, start)
    #expect(early.nextDeadline == start + .seconds(90))
    var late = ConnectionClock(configuration, now: start, jitter: 0.1)
    late.handshakeDone()
    #expect(late.nextDeadline == start + .seconds(55))
  }

  @Test func quietConnectionsArePingedAndThenClosed() {
    var clock = clock()
    clock.handshakeDone()
    let due = start + .seconds(7_200)
    #expect(clock.nextDeadline == due)
    #expect(clock.expire(due) == .sendKeepalivePing)
    #expect(clock.expire(due) == nil)
    #expect(clock.expire(due + .seconds(20)) == .close("keepalive ping not answered"))
  }

  @Test func anAnswerOrTrafficKeepsItOpen() {
    var clock = clock()
    clock.handshakeDone()
    clock.received(start + .seconds(7_000))
    #expect(clock.expire(start + .seconds(7_200)) == nil)
    #expect(clock.expire(start + .seconds(14_200)) == .sendKeepalivePing)
    clock.received(start + .seconds(14_201))
    clock.keepaliveAnswered()
    #expect(clock.nextDeadline == start + .seconds(21_401))
  }

  @Test func ageAndIdlenessDrainOnce() {
    var aged = clock { $0.maxAge = .seconds(60) }
    aged.handshakeDone()
    #expect(aged.expire(start + .seconds(60)) == .drain)
    #expect(aged.expire(start + .seconds(61)) == nil)
    #expect(aged.expire(start + .seconds(62)) == .finishDrain)
    #expect(aged.expire(start + .seconds(63)) == nil)
    var idle = clock { $0.maxIdle = .seconds(30) }
    idle.handshakeDone()
    idle.streamsChanged(active: 1, start + .seconds(1))
    #expect(idle.expire(start + .seconds(40)) == nil)
    idle.streamsChanged(active: 0, start + .seconds(40))
    #expect(idle.expire(start + .seconds(69)) == nil)
    #expect(idle.expire(start + .seconds(70)) == .drain)
  }

  @Test func aStalledPeerIsDroppedUnlessItMoves() {
    var clock = clock()
    clock.handshakeDone()
    clock.waitingForPeer(start)
    clock.waitingForPeer(start + .seconds(50))
    #expect(clock.nextDeadline == start + .seconds(60))
    clock.peerMadeProgress()
    clock.waitingForPeer(start + .seconds(55))
    #expect(clock.expire(start + .seconds(60)) == nil)
    #expect(clock.expire(start + .seconds(115)) == .close("the peer does not take what waits for it"))
  }

  @Test func threePingsTooManyAreTooMany() {
    var pings = PingPolicy(HTTP2Configuration())
    var accepted: [Bool] = []
    for second in 0..<4 { accepted.append(pings.received(start + .seconds(second), hasStreams: true)) }
    #expect(accepted == [true, true, true, false])
    pings.sentFrames()
    let later = start + .seconds(5)
    #expect(pings.received(later, hasStreams: true) == true)
    #expect(pings.received(later + .seconds(300), hasStreams: true) == true)
    #expect(pings.received(later + .seconds(600), hasStreams: true) == true)
  }
}
