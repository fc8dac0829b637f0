public import HTTP2
public import TLS

/// Where a server listens and what it allows.
public struct GRPCServerConfiguration: Sendable {
  /// Port 0 lets the kernel choose; `GRPCServer.boundPort` tells.
  public var address: HTTP2Address
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
  /// TLS handshakes under way on each loop; beyond them the oldest gives way to the newest, so that those who begin
  /// many and finish none keep nobody out. Each may take `http2.handshakeTimeout`.
  public var maxHandshakes = 256
  /// Asynchronous handlers that run at once, on each loop; further calls get RESOURCE_EXHAUSTED.
  public var maxConcurrentCalls = 10_000
  /// The longest request message, bytes; a method may allow less: `MethodDefinition.limited(to:)`.
  public var maxRequestSize = 4 << 20
  /// How responses are compressed where the caller accepts it and the handler does not choose for its call.
  public var responseEncoding = MessageEncoding.identity
  /// Responses shorter than this, bytes, are not compressed unless the handler chose so.
  public var minCompressedResponse = 1 << 10
  /// Bytes of requests that one connection has begun and not finished or that wait for its handlers, and of those that
  /// came compressed what they expanded to, while their handlers run.
  public var maxHeldRequestBytes = 16 << 20
  /// Bytes of answers that one connection's peer has not taken: beyond them its further calls get RESOURCE_EXHAUSTED.
  public var maxUnreadBytes = 16 << 20
  /// Both together on all connections: beyond it each connection may have as much as every other, so that those who
  /// hold much make room, not everybody. The memory that the process takes may be half as much again.
  public var maxHeldBytes = 64 << 20
  /// Bytes of messages that a loop expands in a turn; what more has come compressed waits for the next turn, so that
  /// other calls get theirs. A single message may be longer.
  public var maxExpandedPerTurn = 64 << 10
  /// A call that takes one request gets UNAVAILABLE when that has not come whole in this time, give or take a quarter.
  public var requestTimeout = Duration.seconds(60)
  /// The limits of each connection.
  public var http2 = HTTP2Configuration()

  /// - Parameters:
  ///   - address: where to listen; port 0 takes any free one.
  ///   - loops: threads with a listener each, at least 1.
  public init(address: HTTP2Address, loops: Int = 2) {
    precondition(loops > 0, "a server needs at least one loop")
    self.address = address
    self.loops = loops
  }
}
