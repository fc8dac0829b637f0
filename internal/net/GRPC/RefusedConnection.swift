internal import HTTP2

/// A connection beyond the limit: its first call is answered UNAVAILABLE with the reason, then it is closed; without a
/// call it is closed soon.
///
/// GOAWAY alone does not help: clients then connect again, and callers only see a deadline pass.
final class RefusedConnection: HTTP2ConnectionDelegate {
  // The connection owns its delegate until it is closed.
  private(set) weak var http2: HTTP2Connection?
  private let reason: String
  private let closed: (RefusedConnection) -> Void

  /// - Parameters:
  ///   - reason: the message of its call's status.
  ///   - closed: told once, when the connection has closed.
  init(_ reason: String, _ closed: @escaping (RefusedConnection) -> Void) {
    self.reason = reason
    self.closed = closed
  }

  /// Short timeouts.
  static var configuration: HTTP2Configuration {
    var configuration = HTTP2Configuration()
    configuration.maxConcurrentStreams = 1
    configuration.handshakeTimeout = .seconds(1)
    configuration.stalledPeerTimeout = .seconds(1)
    configuration.maxIdle = .seconds(1)
    return configuration
  }

  /// Speaks on `http2` from now on. On the loop's thread.
  func start(_ http2: HTTP2Connection) {
    self.http2 = http2
    http2.setDelegate(self)
  }

  func headersBegan() {}
  func headerReceived(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {}

  func headersReceived(_ stream: HTTP2Stream, endOfStream: Bool) {
    http2?.respondOnly(stream, ResponseHeaders.trailersOnly(GRPCStatus(.unavailable, reason)))
    http2?.terminate(.enhanceYourCalm, reason)
  }

  func dataReceived(_ stream: HTTP2Stream, _ bytes: UnsafeRawBufferPointer) {}
  func endReceived(_ stream: HTTP2Stream) {}
  func writable(_ stream: HTTP2Stream) {}
  func streamClosed(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode) {}
  func connectionClosed(_ reason: String) { closed(self) }
}
