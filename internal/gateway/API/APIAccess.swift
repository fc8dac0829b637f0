package import GatewayDomain
internal import GatewayStore
internal import HTTPServer
package import Metrics
internal import Tracing
package import Values

/// Who makes a call.
struct APICaller: Sendable, Hashable {
  /// The API key; nil where callers have none.
  let keyID: UniqueID?
  /// For audit trails: the key's name.
  let name: String

  /// Anybody, where callers have no keys.
  static let anybody = APICaller(keyID: nil, name: "api")
}

/// A call of somebody who may make it.
struct APIRequest: Sendable {
  private let http: HTTPRequest
  /// Who makes it.
  let caller: APICaller

  init(_ http: HTTPRequest, _ caller: APICaller) {
    self.http = http
    self.caller = caller
  }

  var query: HTTPQuery { http.query }
  var headers: HTTPHeaders { http.headers }
  var parameters: [String: String] { http.parameters }
  var body: [UInt8] { http.body }
  var arrived: Instant { http.arrived }
  var traceparent: String? { http.trace?.traceparent }
  /// For audit trails: the caller, and behind it in brackets who runs the command that makes the call.
  var requester: String { caller.name + (OperatorHeader.value(headers).map { " (\($0))" } ?? "") }
  var waitingPeer: WaitingPeer { caller.keyID.map { .key($0) } ?? WaitingPeer(http) }

  /// The caller's idempotency key, which belongs to its API key and the route.
  /// - Parameter route: method and path as the router has them.
  /// - Throws: 400 where there is none.
  func requiredKey(of route: String) throws(Fault) -> RequestKey {
    RequestKey(apiKeyID: caller.keyID, route: route, text: try IdempotencyKeyHeader.required(headers))
  }

  /// An id that is made of the caller's idempotency key, so that the table itself knows a repeated call; nil without.
  func derivedID(of route: String) throws(Fault) -> UniqueID? {
    guard let text = try IdempotencyKeyHeader.optional(headers) else { return nil }
    return AccountRoutes.id(of: RequestKey(apiKeyID: caller.keyID, route: route, text: text))
  }
}

/// Knows API keys. Callable on any thread; must not block.
package protocol APIKeyKnowing: Sendable {
  /// Whose secret it is.
  func verdict(_ digest: APIKeyDigest) -> APIKeyBook.Verdict
}

/// Limits how often a key calls. Callable on any thread.
package protocol CallLimiting: Sendable {
  /// Whether one more call of a key may go on now.
  /// - Parameter rate: calls a second.
  func take(_ key: UniqueID, rate: Int) async -> RateGrant
}

/// Decides who may call. Callable on any thread.
package struct APIAccess: Sendable {
  private enum Reason: String, CaseIterable {
    case noKey = "no_key"
    case unknownKey = "unknown_key"
    case scope
    case rate
  }

  private let keys: (any APIKeyKnowing)?
  private let limiter: any CallLimiting
  private let refused: [Reason: Counter]

  /// - Parameter keys: nil where everybody may call who reaches the server.
  package init(keys: (any APIKeyKnowing)?, limiter: any CallLimiting, metrics: MetricsRegistry) {
    self.keys = keys
    self.limiter = limiter
    refused = Dictionary(
      uniqueKeysWithValues: Reason.allCases.map { reason in
        let help = "Calls refused for who makes them."
        return (reason, metrics.counter("gateway_calls_refused_total", help: help, labels: ["reason": reason.rawValue]))
      })
  }

  /// Who makes a call that needs scopes.
  /// - Throws: 401 without a key that is taken, 429 when it calls too often, 403 when it lacks one of the scopes, 503
  ///   when keys cannot be looked up.
  func caller(of request: HTTPRequest, _ scopes: [APIKeyScope]) async throws(Fault) -> APICaller {
    guard let keys else { return .anybody }
    let key = try key(of: request.headers, keys)
    if let rate = key.rate {
      let grant = await limiter.take(key.id, rate: rate)
      guard grant.granted > 0 else {
        refused[.rate]?.add()
        throw .tooManyCalls(rate: rate, wait: grant.wait)
      }
    }
    if let missing = scopes.first(where: { !key.scopes.contains($0) }) {
      refused[.scope]?.add()
      throw .missingScope(missing)
    }
    return APICaller(keyID: key.id, name: key.name)
  }

  /// Tells whether the caller of a call that was let in, and goes on, still may make it. Keys that cannot be looked up
  /// count as they did: nothing can be read then, either.
  func right(of headers: HTTPHeaders, to scope: APIKeyScope) -> @Sendable () -> Bool {
    guard let keys, let secret = headers["Authorization"].flatMap(Self.bearer) else { return { true } }
    let digest = APIKeyDigest(of: secret.utf8.span.bytes)
    return {
      switch keys.verdict(digest) {
      case .known(let key): key.scopes.contains(scope)
      case .stale: true
      case .unknown: false
      }
    }
  }

  private func key(of headers: HTTPHeaders, _ keys: any APIKeyKnowing) throws(Fault) -> APIKey {
    let values = headers.values("Authorization")
    guard let value = values.first else {
      refused[.noKey]?.add()
      throw .missingAPIKey
    }
    guard values.count == 1, let secret = Self.bearer(value) else {
      refused[.unknownKey]?.add()
      throw .unknownAPIKey
    }
    switch keys.verdict(APIKeyDigest(of: secret.utf8.span.bytes)) {
    case .known(let key): return key
    case .stale: throw Fault(.unavailable)
    case .unknown:
      refused[.unknownKey]?.add()
      throw .unknownAPIKey
    }
  }

  /// RFC 6750 section 2.1; the scheme's case does not matter (RFC 9110 section 11.1).
  private static func bearer(_ value: String) -> String? {
    let parts = value.split(separator: " ", omittingEmptySubsequences: true)
    guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
    return String(parts[1])
  }
}

extension Fault {
  /// What a caller without a key is asked for.
  private static let realm = "Bearer realm=\"paysaga\""

  static var missingAPIKey: Fault {
    Fault(401, .apiKeyRequired, "expected the header field Authorization: Bearer, with the secret of an API key")
      .with("WWW-Authenticate", realm)
  }

  static var unknownAPIKey: Fault {
    Fault(401, .apiKeyInvalid, "expected the secret of an API key that has not been revoked and has not expired")
      .with("WWW-Authenticate", "\(realm), error=\"invalid_token\"")
  }

  /// With the fields of draft-ietf-httpapi-ratelimit-headers.
  static func tooManyCalls(rate: Int, wait: Duration) -> Fault {
    let seconds = max(1, Int(clamping: (wait.inMilliseconds + 999) / 1_000))
    return Fault(429, .rateLimited, "expected at most \(rate) calls a second with this API key", retryAfter: seconds)
      .with("RateLimit-Policy", "\"key\";q=\(rate);w=1").with("RateLimit", "\"key\";r=0;t=\(seconds)")
  }

  static func missingScope(_ scope: APIKeyScope) -> Fault {
    Fault(403, .scopeMissing, "expected an API key with the scope \(scope.rawValue)")
      .with("WWW-Authenticate", "\(realm), error=\"insufficient_scope\", scope=\"\(scope.rawValue)\"")
  }
}
