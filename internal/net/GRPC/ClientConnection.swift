internal import HTTP2
internal import Runtime
internal import Synchronization
internal import Values

/// The client's connection and its calls; on the loop's thread, but for `isClosing`.
final class ClientConnection: HTTP2ConnectionDelegate, @unchecked Sendable {
  // @unchecked: touched on the loop's thread only, except the atomic.
  let loop: EventLoop
  private var http2: HTTP2Connection?
  private var calls: [Int32: ClientCall] = [:]
  private var headers = HTTP2Headers()
  private var closeReason: String?
  private let closing = Atomic(false)

  init(_ loop: EventLoop) { self.loop = loop }

  /// Whether it takes no more calls, so that a new connection is needed. Callable on any thread.
  var isClosing: Bool { closing.load(ordering: .relaxed) }

  func open(_ transport: ByteTransport) {
    http2 = try? HTTP2Connection(
      transport: transport, role: .client, loop: loop, configuration: HTTP2Configuration(), scratch: HTTP2Scratch())
    http2?.setDelegate(self)
    if http2 == nil { closing.store(true, ordering: .relaxed) }
    http2?.readEarly()
  }

  func close() {
    closing.store(true, ordering: .relaxed)
    http2?.closeNow("closed")
  }

  func start(_ call: ClientCall, _ headers: HTTP2HeaderBlock, _ requests: [[UInt8]]) {
    guard let http2, let stream = http2.request(headers) else {
      closing.store(true, ordering: .relaxed)
      return call.finish(GRPCStatus(.unavailable, closeReason ?? "the connection is closing"), [:])
    }
    call.stream = stream
    calls[stream.id] = call
    for request in requests { http2.writeMessage(stream, request) }
    http2.finish(stream, trailers: nil)
  }

  func headersBegan() { headers.removeAll() }

  func headerReceived(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
    headers.append(name: name, value: value)
  }

  func headersReceived(_ stream: HTTP2Stream, endOfStream: Bool) {
    calls[stream.id]?.headersReceived(headers)
  }

  func dataReceived(_ stream: HTTP2Stream, _ bytes: UnsafeRawBufferPointer) {
    guard let call = calls[stream.id] else { return http2?.consume(stream, bytes.count) ?? () }
    if let failure = call.dataReceived(bytes) {
      calls[stream.id] = nil
      call.finish(failure, [:])
      http2?.reset(stream, .cancel)
    } else if call.takesMore {
      http2?.consume(stream, .max)
    }
  }

  func endReceived(_ stream: HTTP2Stream) {
    calls.removeValue(forKey: stream.id)?.endReceived()
  }

  func streamClosed(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode) {
    guard let call = calls.removeValue(forKey: stream.id) else { return }
    if let reason = http2?.closeReason { return call.finish(GRPCStatus(.unavailable, reason), [:]) }
    let status: GRPCCode =
      switch code {
      case .refusedStream: .unavailable
      case .cancel: .cancelled
      case .enhanceYourCalm: .resourceExhausted
      default: .internal
      }
    call.finish(GRPCStatus(status, "the stream was reset with HTTP/2 error \(code.rawValue)"), [:])
  }

  func writable(_ stream: HTTP2Stream) {}

  func connectionClosed(_ reason: String) {
    closing.store(true, ordering: .relaxed)
    http2 = nil
    closeReason = reason
    for call in calls.values { call.finish(GRPCStatus(.unavailable, reason), [:]) }
    calls = [:]
  }

  /// The caller has read the waiting messages: the server may send more.
  func resume(_ stream: HTTP2Stream) { http2?.consume(stream, .max) }

  func cancel(_ stream: HTTP2Stream) {
    calls[stream.id] = nil
    http2?.reset(stream, .cancel)
  }
}
