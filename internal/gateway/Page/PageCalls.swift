package import Cards
internal import Crypto
package import GatewayAPI
internal import GatewayDomain
internal import HTTPServer
internal import Logger
internal import Values

/// Who looks at a page.
struct PageVisitor: Sendable {
  let session: PageSession
  /// Whether the browser does not have the session's cookie yet.
  let isNew: Bool
  /// The API key that was shown; nil for nobody's.
  let key: APIKey?
  /// Whether everybody may do everything.
  let isOpen: Bool
  /// Whether keys cannot be looked up at present, so that it is not known who this is.
  let isUndecided: Bool

  /// Whether the visitor may do what needs a scope.
  func may(_ scope: APIKeyScope) -> Bool { isOpen || key?.scopes.contains(scope) ?? false }

  /// Whether there is somebody to be let in.
  var isKnown: Bool { isOpen || key != nil }

  /// For audit trails.
  var name: String { key?.name ?? "page" }
}

/// A call of a visitor.
struct PageCall: Sendable {
  let request: HTTPRequest
  let visitor: PageVisitor
  let words: Words
  /// The fields of a form; none of a GET.
  let form: FormBody?

  /// When the call must be over.
  var deadline: Instant { request.arrived + .seconds(10) }

  /// The id in the path.
  func id(missing: PageFault = .missing) throws(PageFault) -> UniqueID {
    guard let id = request.parameters["id"].flatMap({ UniqueID($0) }) else { throw missing }
    return id
  }

  /// A form that has come with its token.
  func sent() throws(PageFault) -> FormBody {
    guard let form else { throw .unreadable }
    return form
  }
}

/// Who may use pages, and what keeps other sites from using a visitor's browser.
package struct PageAccess: Sendable {
  private let keys: (any APIKeyKnowing)?
  private let limiter: any CallLimiting
  let seals: CardFingerprintKeys
  private let hasTLS: Bool
  private let cookieName: String

  /// - Parameters:
  ///   - keys: nil where everybody may do everything.
  ///   - limiter: of calls of keys that have a rate.
  ///   - seals: sign sessions; the same for all gateways.
  ///   - hasTLS: whether browsers reach the pages over TLS.
  ///   - name: of the cookie; cookies do not know ports, so each server has a name of its own.
  package init(
    keys: (any APIKeyKnowing)?, limiter: any CallLimiting, seals: CardFingerprintKeys, hasTLS: Bool, name: String
  ) {
    self.keys = keys
    self.limiter = limiter
    self.seals = seals
    self.hasTLS = hasTLS
    // The prefix keeps other hosts of the domain from setting it (RFC 6265bis section 4.1.3.2).
    cookieName = hasTLS ? "__Host-\(name)" : name
  }

  /// Who makes a call. A session whose key has ended is nobody's.
  func visitor(_ request: HTTPRequest, now: Timestamp = .now()) -> PageVisitor {
    let cookie = Cookies.value(cookieName, in: request.headers.values("Cookie"))
    let session = cookie.flatMap { PageSession($0, seals, now: now) }
    let verdict = session?.key.flatMap(verdict)
    var key: APIKey?
    if case .known(let known)? = verdict { key = known }
    return PageVisitor(
      session: session ?? PageSession(key: nil, now: now), isNew: session == nil, key: key, isOpen: keys == nil,
      isUndecided: verdict == .stale)
  }

  /// Whose secret it is; nil where nobody has one.
  func verdict(_ digest: APIKeyDigest) -> APIKeyBook.Verdict? { keys?.verdict(digest) }

  /// A page counts as a call of its visitor's key.
  /// - Throws: 429 when the key calls too often.
  func count(_ visitor: PageVisitor) async throws(PageFault) {
    guard let key = visitor.key, let rate = key.rate else { return }
    guard await limiter.take(key.id, rate: rate).granted > 0 else {
      throw PageFault(429, "rate_limited", "the API key makes more calls than its rate allows")
    }
  }

  /// Gives the browser its cookie.
  func add(_ session: PageSession, to response: inout HTTPResponse) {
    let age = Int(PageSession.lifetime.inMilliseconds / 1_000)
    let attributes = "Path=/; Max-Age=\(age); HttpOnly; SameSite=Strict\(hasTLS ? "; Secure" : "")"
    response.add("Set-Cookie", "\(cookieName)=\(session.cookie(seals)); \(attributes)")
  }

  /// Whether a form was sent by a page of ours: it carries the visit's token, and the browser names no other site.
  func isOurs(_ form: FormBody, _ visitor: PageVisitor, _ request: HTTPRequest) -> Bool {
    let site = request.headers["Sec-Fetch-Site"] ?? "same-origin"
    return !visitor.isNew && site == "same-origin"
      && visitor.session.hasToken(form.text("csrf") ?? "", seals)
  }
}
