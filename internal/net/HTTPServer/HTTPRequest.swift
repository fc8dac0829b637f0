public import Tracing
public import Values

/// A request whose body has come whole.
public struct HTTPRequest: Sendable {
  /// The method, such as `GET`; of a HEAD request, too, whose answer loses its body on the way out.
  public let method: String
  /// The path as it came, still percent-encoded, without the query.
  public let path: String
  /// The decoded values of the placeholders in the route's pattern.
  public let parameters: [String: String]
  /// What follows the question mark; empty where the router ignores queries.
  public let query: HTTPQuery
  /// The header fields.
  public let headers: HTTPHeaders
  /// The whole body; empty where there is none. The server keeps no copy: zero it in place when it had secrets.
  public let body: [UInt8]
  /// Address of the peer, which may be a proxy.
  public let peer: NetworkAddress
  /// When the header fields had come.
  public let arrived: Instant
  /// What the request is a part of: its own span where it is recorded, else the span that the caller named.
  public internal(set) var trace: TraceContext?

  /// For tests of handlers.
  public init(
    method: String, path: String, parameters: [String: String] = [:], query: HTTPQuery = HTTPQuery(),
    headers: HTTPHeaders = HTTPHeaders(), body: [UInt8] = [], peer: NetworkAddress, arrived: Instant = .now()
  ) {
    self.method = method
    self.path = path
    self.parameters = parameters
    self.query = query
    self.headers = headers
    self.body = body
    self.peer = peer
    self.arrived = arrived
    trace = headers.count == 0 ? nil : TraceContext(onlyOf: headers.rawValues(TraceContext.name))
  }
}
