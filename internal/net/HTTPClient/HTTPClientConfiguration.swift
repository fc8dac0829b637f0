internal import Values

/// How a client connects, and what it allows.
public struct HTTPClientConfiguration: Sendable {
  /// What `User-Agent` says.
  public var userAgent: String
  /// How long a connection may take to be made, TLS included.
  public var connectTimeout = Duration.seconds(5)
  /// The most requests under way; a further one is refused with `overloaded`.
  public var maximumRequests = 4_096
  /// The most requests under way to one host and port, so that one that does not answer leaves room for others.
  public var maximumRequestsPerHost = 2_048
  /// The most connections that are kept while nothing uses them.
  public var idleConnections = 64
  /// How long a connection may be idle until it is not used again.
  public var idleTime = Duration.seconds(20)
  /// How long a connection is used at all.
  public var maximumAge = Duration.seconds(300)
  /// The certificates that are trusted, as a PEM file; nil for the system's.
  public var certificateAuthorities: String?
  /// Which addresses may be connected to.
  public var addresses = AddressRule.any

  /// The defaults, under a name of the user's.
  public init(userAgent: String) { self.userAgent = userAgent }
}
