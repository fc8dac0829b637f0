public import HTTP2
public import TLS
public import Tracing
public import Values

/// Where a server listens and what it allows.
public struct GRPCServerConfiguration: Sendable {
  /// Port 0 lets the kernel choose; see `GRPCServer.boundPort`.
  public var address: NetworkAddress
  /// Threads, each with a listener and connections of its own.
  public var loops: Int
  /// Certificate and rules for TLS; nil serves in clear (h2c with prior knowledge).
  public var tls: TLSServerContext?
  /// Connections on all loops together, TLS handshakes included; the first call of a further one gets UNAVAILABLE, with
  /// TLS it is closed before its handshake.
  public var maxConnections = 10_000
  /// Connections from one IPv4 address or IPv6 network (/64); likewise.
  public var maxConnectionsPerPeer = 10_000
  /// Streaming calls that are open from there; further ones get RESOURCE_EXHAUSTED.
  public var maxStreamsPerPeer = 10_000
  /// TLS handshakes in progress on each loop; beyond them the newest replaces the oldest, so that peers which begin
  /// many and finish none lock nobody out. Each may take `http2.handshakeTimeout`.
  public var maxHandshakes = 256
  /// Asynchronous handlers that run at once, on each loop; further calls get RESOURCE_EXHAUSTED.
  public var maxConcurrentCalls = 10_000
  /// The longest request message, bytes; a method may allow less: `MethodDefinition.limited(to:)`.
  public var maxRequestSize = 4 << 20
  /// How responses are compressed where the caller accepts it and the handler does not choose for its call.
  public var responseEncoding = MessageEncoding.identity
  /// Responses shorter than this, bytes, are not compressed unless the handler chose so.
  public var minCompressedResponse = 1 << 10
  /// Bytes of one connection's requests: incomplete ones, those that wait for a handler, and, while their handlers run,
  /// the decompressed size of compressed ones.
  public var maxHeldRequestBytes = 16 << 20
  /// Bytes of responses that one connection's peer has not read: beyond them its further calls get RESOURCE_EXHAUSTED.
  public var maxUnreadBytes = 16 << 20
  /// Both together on all connections: beyond it each connection gets an equal share, so that only the large ones are
  /// refused. The memory of the process may be half as much again.
  public var maxHeldBytes = 64 << 20
  /// Bytes that a loop decompresses in a turn; further compressed messages wait for the next turn, so that other calls
  /// get time. A single message may be longer.
  public var maxExpandedPerTurn = 64 << 10
  /// A call that takes one request gets UNAVAILABLE when the request is incomplete after this time, give or take a
  /// quarter.
  public var requestTimeout = Duration.seconds(60)
  /// Records calls as spans; one that a caller records is recorded under the caller's span.
  public var tracer = Tracer.off
  /// The limits of each connection.
  public var http2 = HTTP2Configuration()

  /// - Parameters:
  ///   - address: where to listen; port 0 takes any free one.
  ///   - loops: threads with a listener each, at least 1.
  public init(address: NetworkAddress, loops: Int = 2) {
    precondition(loops > 0, "a server needs at least one loop")
    self.address = address
    self.loops = loops
  }
}
