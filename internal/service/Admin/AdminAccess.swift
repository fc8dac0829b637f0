internal import Crypto
public import HTTPServer
internal import Synchronization
public import Values

/// Who may see the pages of the admin endpoint that show data, such as settings in force or payments.
///
/// With a token: whoever sends it as `Authorization: Bearer`. Without one: callers of an endpoint that only this
/// machine reaches; elsewhere nobody. Health, readiness and metrics are for everybody. Callable on any thread.
public final class AdminAccess: Sendable {
  /// Bytes of the shortest token.
  public static let shortestToken = 16

  private let isLocal: Bool
  /// SHA-256 of the token.
  private let digest: Mutex<[UInt8]?>

  /// - Parameters:
  ///   - address: where the endpoint listens.
  ///   - token: at least `shortestToken` bytes; nil for none.
  public init(_ address: NetworkAddress, token: [UInt8]?) {
    isLocal = address.isLoopback
    digest = Mutex(token.map(Self.digest))
  }

  /// Takes another token from here on, or none.
  public func change(token: [UInt8]?) {
    let made = token.map(Self.digest)
    digest.withLock { $0 = made }
  }

  /// The answer to a caller who may not see data; nil for one who may.
  public func refusal(of request: HTTPRequest) -> HTTPResponse? {
    guard let digest = digest.withLock({ $0 }) else {
      if isLocal && request.headers.areForAddress { return nil }
      let way = isLocal ? "ask for it by the address, or as localhost" : "set ADMIN_TOKEN_FILE, and send its token"
      return Self.refused(403, "this page shows data, which needs a token beyond this machine: \(way)\n")
    }
    guard let given = Self.bearer(request), areEqualInConstantTime(Self.digest(given).span.bytes, digest.span.bytes)
    else {
      var answer = Self.refused(401, "this page shows data: send the token of ADMIN_TOKEN_FILE as a bearer token\n")
      answer.add("WWW-Authenticate", "Bearer")
      return answer
    }
    return nil
  }

  /// The handler for those who may see data, and a refusal for others.
  public func guarding(_ handler: @escaping HTTPRoute.Handler) -> HTTPRoute.Handler {
    { [self] request, exchange in
      if let refusal = refusal(of: request) {
        exchange.respond(refusal)
      } else {
        handler(request, exchange)
      }
    }
  }

  private static func refused(_ status: Int, _ words: String) -> HTTPResponse {
    var answer = HTTPResponse.text(status, words)
    answer.add("Cache-Control", "no-store")
    return answer
  }

  /// The token of RFC 6750 section 2.1; nil without one, or with two.
  private static func bearer(_ request: HTTPRequest) -> [UInt8]? {
    let values = request.headers.values("Authorization")
    guard values.count == 1, let value = values.first, value.lowercased().hasPrefix("bearer ") else { return nil }
    return Array(value.utf8.dropFirst(7).drop { $0 == 0x20 })
  }

  private static func digest(_ token: [UInt8]) -> [UInt8] { SHA256.digest(of: token.span.bytes) }
}
