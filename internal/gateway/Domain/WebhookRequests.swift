public import Values

/// What an endpoint may be.
public struct WebhookRules: Sendable, Hashable {
  /// Whether events may be sent in clear, and to addresses that are not of the public internet.
  public let allowsPrivate: Bool

  /// Rules.
  public init(allowsPrivate: Bool) { self.allowsPrivate = allowsPrivate }
}

/// What `POST /v1/webhook_endpoints` asks for.
public struct WebhookEndpointRequest: Sendable, Hashable {
  /// Where events are sent.
  public let url: String
  /// Types or patterns of types, without repetition.
  public let events: [String]
  /// For people.
  public let description: String?

  /// Reads a body; a field that it does not have is refused, and null counts as absent.
  public init(_ body: [UInt8], rules: WebhookRules) throws(RequestFault) {
    var fields = WebhookFields()
    try SmallRequest.read(body, names: ["url", "events", "description"]) { (name, scanner) throws(JSONError) in
      try fields.read(name, &scanner)
    }
    guard let url = fields.url else { throw .missing("url") }
    self.url = try WebhookFields.url(url, rules)
    events = try fields.events.map(WebhookFields.events) ?? ["*"]
    description = try WebhookFields.description(fields.description)
  }
}

/// What `PATCH /v1/webhook_endpoints/{id}` asks for; what is nil stays.
public struct WebhookEndpointChange: Sendable, Hashable {
  /// Where events are sent.
  public let url: String?
  /// Types or patterns of types, without repetition.
  public let events: [String]?
  /// For people; nil within for none.
  public let description: String??
  /// Whether it is told of anything.
  public let isEnabled: Bool?

  /// Reads a body; a field that it does not have is refused, and null counts as absent.
  public init(_ body: [UInt8], rules: WebhookRules) throws(RequestFault) {
    var fields = WebhookFields()
    let names = ["url", "events", "description", "enabled"]
    try SmallRequest.read(body, names: names) { (name, scanner) throws(JSONError) in
      try fields.read(name, &scanner)
    }
    url = try fields.url.map { (text) throws(RequestFault) in try WebhookFields.url(text, rules) }
    events = try fields.events.map(WebhookFields.events)
    let text = fields.description
    description = try text.map { (text) throws(RequestFault) in try WebhookFields.description(text) }
    isEnabled = fields.isEnabled
  }
}

/// What `POST /v1/webhook_endpoints/{id}/rotate` asks for.
public struct WebhookRotation: Sendable, Hashable {
  /// How long the secret that there is signs as well.
  public let grace: Duration

  private static let longest: Int64 = 30 * 86_400

  /// Reads a body, which may be empty; a field that it does not have is refused.
  public init(_ body: [UInt8]) throws(RequestFault) {
    var seconds: Int64 = 86_400
    if !body.isEmpty {
      try SmallRequest.read(body, names: ["grace_seconds"]) { (_, scanner) throws(JSONError) in
        seconds = try scanner.integer()
      }
    }
    guard (0...Self.longest).contains(seconds) else {
      throw RequestFault(.invalidType, "grace_seconds", "expected an integer from 0 to \(Self.longest)")
    }
    grace = .seconds(seconds)
  }
}

/// What `POST /v1/webhook_endpoints/{id}/redeliver` asks for.
public struct WebhookRedelivery: Sendable, Hashable {
  /// Failed at this moment or later; nil for all that are kept.
  public let since: Timestamp?

  /// Reads a body, which may be empty; a field that it does not have is refused.
  public init(_ body: [UInt8]) throws(RequestFault) {
    var text: String?
    if !body.isEmpty {
      try SmallRequest.read(body, names: ["since"]) { (_, scanner) throws(JSONError) in text = try scanner.string() }
    }
    since = try text.map { (text) throws(RequestFault) in
      guard let moment = Timestamp(text) else {
        throw RequestFault(.invalidText, "since", "expected a time of RFC 3339, such as 2026-01-31T08:15:00Z")
      }
      return moment
    }
  }
}

/// Which deliveries of an endpoint to list, newest first.
public struct WebhookDeliveryFilter: Sendable, Hashable {
  /// `pending`, `delivered` or `failed`; nil for all.
  public var status: String?
  /// From 1 to `PaymentFilter.maximumLimit`.
  public var limit = PaymentFilter.defaultLimit
  /// Where the page before ended.
  public var after: PaymentCursor?

  /// Reads the parameters of a query. An unknown name, or one that comes twice, is refused.
  public init(_ items: [(name: String, value: String)]) throws(RequestFault) {
    try QueryFields.read(items, names: ["status", "limit", "after"]) { (name, value) throws(RequestFault) in
      switch name {
      case "status":
        let isKnown = ["pending", "delivered", "failed"].contains(value)
        status = try QueryFields.value(isKnown ? value : nil, name, "one of pending, delivered, failed")
      case "limit": limit = try QueryFields.limit(value, name)
      default:
        guard let cursor = PaymentCursor(value) else {
          throw RequestFault(.invalidCursor, name, "expected the cursor of a page, as it was given")
        }
        after = cursor
      }
    }
  }
}

/// The fields of an endpoint, as a request has them.
private struct WebhookFields {
  /// The most types of an endpoint; more than there are patterns say nothing new.
  private static let maximumEvents = 32

  var url: String?
  var events: [String]?
  var description: String?
  var isEnabled: Bool?

  mutating func read(_ name: String, _ scanner: inout JSONScanner) throws(JSONError) {
    switch name {
    case "url": url = try scanner.string()
    case "description": description = try scanner.string()
    case "enabled": isEnabled = try scanner.bool()
    default:
      var types: [String] = []
      try scanner.beginArray()
      // The body is short, so that there are not many.
      while try scanner.nextElement() { types.append(try scanner.string()) }
      events = types
    }
  }

  static func events(_ types: [String]) throws(RequestFault) -> [String] {
    guard (1...maximumEvents).contains(types.count), types.allSatisfy(WebhookPattern.all.contains),
      Set(types).count == types.count
    else {
      throw RequestFault(
        .invalidText, "events",
        "expected types such as payment.completed, or patterns such as payment.*, refund.* and *, each once")
    }
    return types
  }

  static func description(_ text: String?) throws(RequestFault) -> String? {
    guard let text, !text.isEmpty else { return nil }
    return try RequestText.prose(text, "description")
  }

  private static let maximumURL = 2_048

  /// An absolute URL as an HTTP client takes it. It may hold a secret of the receiver's own, so no message shows it.
  static func url(_ text: String, _ rules: WebhookRules) throws(RequestFault) -> String {
    let schemes = rules.allowsPrivate ? ["https://", "http://"] : ["https://"]
    let expected = "expected \(schemes.joined(separator: " or ")) with host, port and path, without user and fragment"
    let isPlain = text.utf8.count <= maximumURL && text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
    guard isPlain, let scheme = schemes.first(where: text.hasPrefix) else {
      throw RequestFault(.invalidText, "url", expected)
    }
    let rest = text.dropFirst(scheme.count)
    let authority = rest.prefix { !"/?".contains($0) }
    guard isAuthority(authority), !rest.contains("#"), !rest.contains("\\") else {
      throw RequestFault(.invalidText, "url", expected)
    }
    return text
  }

  /// A host, and a port where there is one.
  private static func isAuthority(_ text: Substring) -> Bool {
    var host = text
    // An IPv6 address has colons of its own.
    if let colon = text.lastIndex(of: ":"), !text[colon...].contains("]") {
      host = text[..<colon]
      let digits = text[text.index(after: colon)...]
      guard digits.allSatisfy(\.isNumber), let port = UInt16(digits), port > 0 else { return false }
    }
    if host.hasPrefix("["), host.hasSuffix("]"), host.count > 2 {
      return host.dropFirst().dropLast().allSatisfy { $0.isHexDigit || $0 == ":" || $0 == "." }
    }
    return !host.isEmpty && host.allSatisfy { $0.isLetter || $0.isNumber || "-._".contains($0) }
  }
}
