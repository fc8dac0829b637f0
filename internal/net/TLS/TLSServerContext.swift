internal import Errors
internal import Synchronization

/// A server's certificate, key and rules for clients; it can be reloaded while connections are open.
///
/// Callable on any thread. Reading files blocks: not on an event loop.
public final class TLSServerContext: Sendable {
  /// A context in a box: a lock holds what can be copied out of it.
  private final class Shared: Sendable {
    let context: ContextHandle

    init(_ context: consuming ContextHandle) { self.context = context }
  }

  private let files: TLSIdentityFiles
  private let clients: TLSClients?
  private let sessionContext: String
  private let current: Mutex<Shared>

  /// Reads the files.
  /// - Parameters:
  ///   - clients: when set, only clients with a certificate of these authorities are let in.
  ///   - sessionContext: 1 to 32 bytes; only servers of the same name resume each other's sessions of such clients.
  /// - Throws: `.certificate`, `.key`, `.authorities` or `.revocations` with the reason.
  public init(
    _ files: TLSIdentityFiles, clients: TLSClients? = nil, sessionContext: String = "server"
  ) throws(TLSError) {
    precondition((1...32).contains(sessionContext.utf8.count), "a session context has 1 to 32 bytes")
    self.files = files
    self.clients = clients
    self.sessionContext = sessionContext
    current = Mutex(
      Shared(try .server(files, clients: clients, sessionContext: sessionContext)))
  }

  /// Reloads the files, for handshakes from here on. Open connections keep theirs; earlier tickets become invalid.
  /// - Throws: as `init`; the earlier files then stay in force.
  public func reload() throws(TLSError) {
    let made = Shared(
      try .server(files, clients: clients, sessionContext: sessionContext))
    current.withLock { $0 = made }
  }

  /// The expiry of the certificate, seconds since 1970.
  public var certificateEnd: Int64? { current.withLock { $0 }.context.certificateEnd }

  /// Takes over an accepted, non-blocking socket, whose handshake comes next. When it throws, the socket is closed.
  /// - Throws: `.outOfMemory`.
  public func accept(_ descriptor: Int32) throws(TLSError) -> TLSStream {
    try TLSStream.accepted(descriptor, current.withLock { $0 }.context)
  }
}
