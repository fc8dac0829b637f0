internal import Errors

/// A client's trusted authorities and its own certificate. Callable on any thread.
public final class TLSClientContext: Sendable {
  private let context: ContextHandle

  /// Reads the files, which blocks.
  /// - Throws: `.certificate`, `.key` or `.authorities` with the reason.
  public init(authorities: TLSAuthorities, identity: TLSIdentityFiles? = nil) throws(TLSError) {
    context = try .client(authorities, identity)
  }

  /// Takes over a connected, non-blocking socket, whose handshake comes next. When it throws, the socket is closed.
  /// - Parameter host: whose name or address the server's certificate must carry.
  /// - Throws: `.outOfMemory`; `.handshake` for a host that is no name.
  public func connect(_ descriptor: Int32, host: String) throws(TLSError) -> TLSStream {
    try TLSStream.connected(descriptor, host: host, context)
  }
}
