internal import Glibc

/// How bytes get to the peer and back. A socket in clear today; TLS is another case with the same two calls.
enum ByteTransport {
  case plain(Int32)

  enum Outcome: Equatable {
    case count(Int)
    case wouldBlock
    case closed
  }

  var descriptor: Int32 {
    switch self {
    case .plain(let descriptor): descriptor
    }
  }

  func read(_ buffer: UnsafeMutableRawBufferPointer) -> Outcome {
    switch self {
    case .plain(let descriptor):
      let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
      if count > 0 { return .count(count) }
      if count == 0 { return .closed }
      return errno == EAGAIN || errno == EINTR ? .wouldBlock : .closed
    }
  }

  func write(_ bytes: UnsafeRawBufferPointer) -> Outcome {
    switch self {
    case .plain(let descriptor):
      let count = send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
      if count >= 0 { return .count(count) }
      return errno == EAGAIN || errno == EINTR ? .wouldBlock : .closed
    }
  }

  /// Ends our side, so that the peer can still read what was sent.
  func shutdownWriting() {
    switch self {
    case .plain(let descriptor): _ = shutdown(descriptor, Int32(SHUT_WR))
    }
  }

  func close() {
    _ = Glibc.close(descriptor)
  }
}

/// What all connections of one loop share: buffers for the duration of one call, and a count.
public final class HTTP2Scratch {
  /// Bytes of bodies that wait on any of the connections for their peers to take them.
  public var queuedBytes: Int { waitingBytes }
  @exclusivity(unchecked) var waitingBytes = 0  // on the loop's thread only

  static let size = 64 << 10
  /// One nghttp2 frame more than `size`, so that a frame always fits when less than `size` is used.
  static let outgoingSize = size + (32 << 10)
  let memory = SessionMemory()
  let incoming = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 16)
  let outgoing = UnsafeMutableRawBufferPointer.allocate(byteCount: outgoingSize, alignment: 16)

  public init() {}

  deinit {
    incoming.deallocate()
    outgoing.deallocate()
  }
}
