public import Logger
public import Tracing
public import Values

/// Where a server listens and what it allows.
public struct HTTPServerConfiguration: Sendable {
  /// Port 0 for any free one; `HTTPServer.boundPort` tells.
  public var address: NetworkAddress
  /// The server's name in metrics, logs and threads: `gateway`.
  public var surface: String
  /// Name of the address in errors: the setting that it comes from.
  public var addressName: String
  /// Certificate and key for TLS 1.2 and 1.3, which servers may share; nil serves in clear.
  public var tls: ServerCertificate?
  /// Refuses requests whose `Host` is a name other than `localhost`. For servers that serve whoever reaches them, on a
  /// machine where browsers run: a site whose name is turned to 127.0.0.1 would count as theirs (DNS rebinding).
  public var answersAddressesOnly = false

  /// Records requests that have a route; one that a caller records is recorded under the caller's span.
  public var tracer = Tracer.off

  /// The requests that are logged; those that failed for a fault of ours always are.
  public var accessLog = AccessLog.off

  /// Connections at a time; a further one takes the place of the oldest connection that is not waiting for our
  /// answer.
  public var maxConnections = 10_000
  /// Connections from one IPv4 address or IPv6 network (/64), likewise. By default one address may take all, as
  /// a proxy does: lower it for a server that callers reach without one.
  public var maxConnectionsPerPeer = 10_000
  /// Requests that have no answer yet; further ones get 503 with Retry-After.
  public var maxRequests = 10_000
  /// Path and query, bytes: 414.
  public var maxTarget = 2 << 10
  /// Names and values of all header fields, and 64 bytes more for each field, bytes: 431.
  public var maxHeaders = 8 << 10
  /// Bytes of bodies that have begun to come and whose requests have no answer yet; beyond them 503 with Retry-After.
  public var maxHeldBodies = 64 << 20
  /// How long a connection may take to send the head of its next request.
  public var idleTime = Duration.seconds(60)
  /// How long a body may take to come after its head.
  public var requestTime = Duration.seconds(10)
  /// How long a caller may take to read an answer, or a part of a streamed one.
  public var sendTime = Duration.seconds(30)

  /// - Parameters:
  ///   - address: where to listen; port 0 for any free one.
  ///   - surface: the server's name in metrics, logs and threads.
  ///   - addressName: name of the address in errors.
  public init(address: NetworkAddress, surface: String, addressName: String = "the address") {
    self.address = address
    self.surface = surface
    self.addressName = addressName
  }

  var connectionLimits: ConnectionTable.Limits {
    ConnectionTable.Limits(
      connections: maxConnections, perPeer: maxConnectionsPerPeer, idleTime: idleTime, requestTime: requestTime,
      sendTime: sendTime)
  }
}
