import HTTP2
import Runtime
import Values

/// One connection of the load with its calls; on the loop's thread.
final class CallConnection: HTTP2ConnectionDelegate {
  private struct Call {
    let start: Instant
    var isOK = false
  }

  private unowned let load: any CallSource
  private var http2: HTTP2Connection?
  private var calls: [Int32: Call] = [:]
  private var hasStatusOK = false

  init(_ load: any CallSource, _ loop: EventLoop, descriptor: Int32) {
    self.load = load
    do {
      http2 = try HTTP2Connection(
        transport: .plain(descriptor), role: .client, loop: loop, configuration: HTTP2Configuration(),
        scratch: HTTP2Scratch())
    } catch {
      fail("\(error)")
    }
    http2?.setDelegate(self)
  }

  /// Begins the next call, if there is a request.
  func call() {
    guard let request = load.nextRequest() else { return }
    guard let http2, let stream = http2.request(request.headers) else { fail("the connection takes no more calls") }
    calls[stream.id] = Call(start: .now())
    http2.writeMessage(stream, request.message)
    http2.finish(stream, trailers: nil)
  }

  func headersBegan() { hasStatusOK = false }

  func headerReceived(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
    if name.elementsEqual("grpc-status".utf8), value.elementsEqual("0".utf8) { hasStatusOK = true }
  }

  func headersReceived(_ stream: HTTP2Stream, endOfStream: Bool) {
    if hasStatusOK { calls[stream.id]?.isOK = true }
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
