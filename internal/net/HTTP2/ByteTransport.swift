internal import Errors
internal import Glibc
public import TLS

/// The owner of a connected, non-blocking socket, in clear or with TLS.
public enum ByteTransport: Sendable {
  case plain(Int32)
  /// After its handshake.
  case tls(TLSStream)

  var descriptor: Int32 {
    switch self {
    case .plain(let descriptor): descriptor
    case .tls(let stream): stream.descriptor
    }
  }

  func read(_ buffer: UnsafeMutableRawBufferPointer) -> TransportOutcome {
    switch self {
    case .plain(let descriptor):
      let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
      if count > 0 { return .count(count) }
      if count == 0 { return .closed }
      return errno == EAGAIN || errno == EINTR ? .wouldBlock : .closed
    case .tls(let stream): return stream.read(buffer)
    }
  }

  func write(_ bytes: UnsafeRawBufferPointer) -> TransportOutcome {
    switch self {
    case .plain(let descriptor):
      let count = send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
      if count >= 0 { return .count(count) }
      return errno == EAGAIN || errno == EINTR ? .wouldBlock : .closed
    case .tls(let stream): return stream.write(bytes)
    }
  }

  /// The reason of the last `.closed`.
  var endReason: String {
    if case .tls(let stream) = self, let failure = stream.failure { return failure.description }
    return "the peer closed the connection"
  }

  /// Shuts our side down; the peer can still read what was sent.
  func shutdownWriting() {
    switch self {
    case .plain(let descriptor): _ = shutdown(descriptor, Int32(SHUT_WR))
    case .tls(let stream): stream.shutdownWriting()
    }
  }

  func close() {
    switch self {
    case .plain(let descriptor): _ = Glibc.close(descriptor)
    case .tls(let stream): stream.close()
    }
  }
}

/// Buffers, used during one call, and a counter that all connections of one loop share.
public final class HTTP2Scratch {
  /// Unsent bytes of bodies on all the connections.
  public var queuedBytes: Int { waitingBytes }
  @exclusivity(unchecked) var waitingBytes = 0  // on the loop's thread only

  static let size = 64 << 10
  /// One nghttp2 frame more than `size`, so that a frame always fits when less than `size` is used.
  static let outgoingSize = size + (32 << 10)
  let memory = SessionMemory()
  let incoming = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 16)
  let outgoing = UnsafeMutableRawBufferPointer.allocate(byteCount: outgoingSize, alignment: 16)

  /// Allocates its buffers, about 160 KiB, at once.
  public init() {}

  deinit {
    incoming.deallocate()
    outgoing.deallocate()
  }
}
