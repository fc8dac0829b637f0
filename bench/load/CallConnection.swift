import HTTP2
import Runtime

/// One connection of the load with its calls; on the loop's thread.
final class CallConnection: HTTP2ConnectionDelegate {
  private struct Call {
    let start: Instant
    var isOK = false
  }

  private unowned let load: CallLoad
  private var http2: HTTP2Connection?
  private var calls: [Int32: Call] = [:]

  init(_ load: CallLoad, _ loop: EventLoop, descriptor: Int32) {
    self.load = load
    do {
      http2 = try HTTP2Connection(
        descriptor: descriptor, role: .client, loop: loop, configuration: HTTP2Configuration(), scratch: HTTP2Scratch(),
        delegate: self)
    } catch {
      fail("\(error)")
    }
  }

  /// Begins the next call, if there is one left.
  func call() {
    guard let request = load.nextRequest() else { return }
    guard let http2, let stream = http2.request(request.headers) else { fail("the connection takes no more calls") }
    calls[stream.id] = Call(start: .now())
    http2.writeMessage(stream, request.message)
    http2.finish(stream, trailers: nil)
  }

  func headersReceived(_ stream: HTTP2Stream, _ headers: HTTP2Headers, endOfStream: Bool) {
    if headers.first("grpc-status") == "0" { calls[stream.id]?.isOK = true }
  }

  func dataReceived(_ stream: HTTP2Stream, _ bytes: UnsafeRawBufferPointer) { http2?.consume(stream, bytes.count) }

  func endReceived(_ stream: HTTP2Stream) { end(stream) }

  func writable(_ stream: HTTP2Stream) {}

  /// A reset comes without the end of the body.
  func streamClosed(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode) { end(stream) }

  func connectionClosed(_ reason: String) { fail("the connection has ended: \(reason)") }

  private func end(_ stream: HTTP2Stream) {
    guard let ended = calls.removeValue(forKey: stream.id) else { return }
    load.ended(since: ended.start, isOK: ended.isOK)
    call()
  }
}
