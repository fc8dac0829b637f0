public import Runtime
public import TLS
internal import Values

/// A TLS handshake in progress on a loop; it never blocks, and fails at its deadline.
///
/// Not thread-safe: every call is made on the loop's thread.
public final class TLSHandshake: EventSource, EventLoopTimerTarget {
  private let stream: TLSStream
  private let loop: EventLoop
  // Its one call ends what it captures.
  private var finished: ((TLSHandshake, Result<TLSStream, TLSHandshakeFailure>) -> Void)?
  private var source: EventSourceID?
  private var timer: EventLoopTimer?
  /// The failure, while the peer gets a moment to read our alert: closing a socket with unread input causes a TCP
  /// reset, which discards the alert.
  private var failure: TLSError?

  /// Begins; `finished` is called once, with the stream on success. After a failure the socket is closed.
  public init(
    _ stream: TLSStream, loop: EventLoop, timeout: Duration,
    finished: @escaping (TLSHandshake, Result<TLSStream, TLSHandshakeFailure>) -> Void
  ) {
    self.stream = stream
    self.loop = loop
    self.finished = finished
    source = loop.add(self, descriptor: stream.descriptor, interest: .readable)
    timer = loop.schedule(at: loop.now + timeout, self)
  }

  public func handle(_ readiness: Readiness) {
    guard let source else { return }
    if let failure {
      // One read a turn, for a second at most.
      if stream.discard() == .closed { end(.failure(.refused(failure))) }
      return
    }
    switch stream.handshake() {
    case .done: end(.success(stream))
    case .wantsRead: loop.update(source, interest: .readable)
    case .wantsWrite: loop.update(source, interest: .writable)
    case .failed(let error): linger(error)
    }
  }

  private func linger(_ error: TLSError) {
    failure = error
    stream.shutdownWriting()
    if let timer { loop.cancel(timer) }
    timer = loop.schedule(at: loop.now + HTTP2Connection.lingerTime, self)
    if let source { loop.update(source, interest: .readable) }
  }

  public func timerFired(_ token: UInt64) {
    timer = nil
    end(.failure(failure.map { .refused($0) } ?? .late))
  }

  /// Abandons the handshake.
  public func cancel() { end(.failure(failure.map { .refused($0) } ?? .cancelled)) }

  private func end(_ result: Result<TLSStream, TLSHandshakeFailure>) {
    guard let finished else { return }
    self.finished = nil
    if let timer { loop.cancel(timer) }
    if let source { loop.remove(source) }
    source = nil
    if case .failure = result { stream.close() }
    finished(self, result)
  }
}

/// Why a handshake failed.
public enum TLSHandshakeFailure: Error, Sendable {
  case refused(TLSError)
  /// It missed its deadline.
  case late
  case cancelled
}
