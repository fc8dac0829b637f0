import Logger
import Metrics
import Runtime
import Testing
import Values

@testable import HTTPServer

@Suite struct ServedRequestTests {
  private let core: ServerCore = {
    var router = HTTPRouter()
    router.add(.get, "/", name: "only") { _, _ in }
    return ServerCore(
      HTTPServerConfiguration(address: NetworkAddress(host: "127.0.0.1", port: 0), surface: "test"), router,
      Logger(label: "test", level: .error) { _ in }, MetricsRegistry())
  }()

  private func request() -> ServedRequest {
    ServedRequest(
      HTTPConnection(id: 0, peer: NetworkAddress(host: "127.0.0.1", port: 1)), target: [], isPlain: true)
  }

  /// Its end answers the request, which takes the lock.
  @Test func aClosureMayHoldTheLastReferenceToItsExchange() {
    let request = request()
    func wait(_ exchange: HTTPExchange) {
      exchange.whenInterrupted { reason in _ = exchange.respond(.text(200, "\(reason)")) }
    }
    // The second takes the place of the first, and the end lets go of the third.
    wait(HTTPExchange(request, core, route: 0))
    request.whenInterrupted { _ in }
    let other = self.request()
    wait(HTTPExchange(other, core, route: 0))
    other.finished()
  }

  @Test func nothingIsKeptForInterruptionsThatCannotCome() {
    weak var kept: ServedRequest?
    do {
      let request = request()
      kept = request
      request.finished()
      let exchange = HTTPExchange(request, core, route: 0)
      exchange.whenInterrupted { _ in _ = exchange.respond(.text(200, "")) }
    }
    #expect(kept == nil)
  }

  @Test func aStreamThatBeganInTimeGoesOn() {
    let request = request()
    let buffer = StreamBuffer(capacity: 10)
    #expect(request.answer(.stream(HTTPResponse(200), buffer)))
    request.endNow(.noAnswerInTime)
    #expect(buffer.write([1]) == .written)
    request.endNow(.stopping)
    #expect(buffer.write([1]) == .closed)
  }

  @Test func aPartThatIsLargerThanTheBufferIsTakenWhenNothingWaits() {
    let buffer = StreamBuffer(capacity: 10)
    #expect(buffer.write([UInt8](repeating: 1, count: 11)) == .written)
    #expect(buffer.write([1]) == .full)
  }

  @Test func whoWaitsForRoomIsToldAtOnceWhenThereIs() {
    let buffer = StreamBuffer(capacity: 10)
    let calls = Monitor(0)
    buffer.whenDrained { calls.update { $0 += 1 } }
    #expect(calls.withLock { $0 } == 1)
    #expect(buffer.write([1]) == .written)
    buffer.whenDrained { calls.update { $0 += 1 } }
    #expect(calls.withLock { $0 } == 1)
    buffer.finish()
    buffer.whenDrained { calls.update { $0 += 1 } }
    buffer.close()
    #expect(calls.withLock { $0 } == 1)
  }

  @Test func whatWasTakenIsNotKept() {
    var queue = ByteQueue()
    var taken: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 10)
    for round in 0..<1_000 {
      queue.append([UInt8](repeating: UInt8(round % 251), count: 10))
      let size = round == 0 ? 9 : 10
      let count = part.withUnsafeMutableBytes {
        queue.take(into: UnsafeMutableRawBufferPointer(rebasing: $0[..<size]))
      }
      taken += part[..<count]
      #expect(queue.count == 1 && queue.held <= 40)
    }
    #expect(part.withUnsafeMutableBytes { queue.take(into: $0) } == 1)
    taken.append(part[0])
    #expect(queue.count == 0 && queue.held == 0)
    #expect(taken == (0..<1_000).flatMap { [UInt8](repeating: UInt8($0 % 251), count: 10) })
  }
}
