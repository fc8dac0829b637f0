import HTTPClient
import Values

/// Where endpoints are in `/v1`.
private let endpoints = "/v1/webhook_endpoints"

/// What every command that changes webhooks says about keys.
private let keyNote = """
  PAYSAGA_API_KEY, in the environment, has the secret of an API key with the scope pay; a gateway with GATEWAY_AUTH=open
  needs none.
  """

extension Session {
  /// An answer that has a secret: alone on a line, which is all that a script needs.
  fileprivate func showSecret(_ response: HTTPClientResponse, _ status: Int) throws {
    guard response.status == status else { throw GatewayCall.refusal(response) }
    let texts = GatewayCall.texts(response)
    output.print(["endpoint": .json(response.body)], line: texts["secret"] ?? "")
    notice("endpoint \(printable(texts["id"] ?? ""))")
    notice("The secret is shown this once; `webhooks rotate` makes another one.")
  }

}

/// An endpoint that a command names, and nothing else.
private struct NamedEndpoint {
  let id: UniqueID
  let gateway: GatewayCall

  init(_ arguments: Arguments) throws(CommandError) {
    id = try arguments.id("an endpoint")
    gateway = GatewayCall(arguments)
  }

  func call(_ method: String, _ body: [UInt8]? = nil, session: Session) throws -> HTTPClientResponse {
    try gateway.call(method, "\(endpoints)/\(id)", body, session: session)
  }

  func switchTo(isEnabled: Bool, _ session: Session) throws {
    let response = try call("PATCH", JSONWriter.object { $0.add("enabled", isEnabled) }, session: session)
    guard response.status == 200 else { throw GatewayCall.refusal(response) }
    session.output.print(
      ["id": .uuid(id), "endpoint": .json(response.body)], line: "id=\(id) \(isEnabled ? "enabled" : "disabled")")
  }
}

/// `webhooks create`: adds an endpoint.
struct WebhooksCreate: Subcommand {
  static let usage = Usage(
    name: "webhooks create", summary: "have a URL told of payments, and show its secret once",
    options: [
      Option("--url", "URL", "where events are sent"),
      Option("--events", "LIST", "types such as payment.completed, payment.* and refund.*, with commas; default: all"),
      Option("--description", "TEXT", "for people"),
      Option("--key", "TEXT", "the Idempotency-Key; default: a random one"),
    ] + GatewayCall.options,
    synopsis: "--url URL [--events LIST] [--description TEXT] [--key TEXT] \(GatewayCall.synopsis)",
    notes: "The secret alone goes to standard output. \(keyNote)",
    example: "paysaga webhooks create --url https://shop.example/paysaga --events payment.*,refund.*")

  private let url: String
  private let events: [String]?
  private let description: String?
  private let key: String
  private let gateway: GatewayCall

  init(_ arguments: Arguments) throws(CommandError) {
    url = try arguments.required("--url")
    events = arguments.text("--events").map { $0.split(separator: ",").map(String.init) }
    description = arguments.text("--description")
    key = arguments.text("--key") ?? "cli-\(UniqueID.random())"
    gateway = GatewayCall(arguments)
  }

  func run(_ session: Session) throws {
    let body = JSONWriter.object { object in
      object.add("url", url)
      object.add("events", events)
      object.add("description", description)
    }
    try session.showSecret(gateway.post(endpoints, body, key: key, session: session), 201)
  }
}

/// `webhooks rotate`: gives an endpoint another secret.
struct WebhooksRotate: Subcommand {
  static let usage = Usage(
    name: "webhooks rotate", summary: "give an endpoint another secret, and show it once", operand: "ID",
    options: [
      Option("--grace", "DURATION", "how long the secret that it had signs as well; default 24h"),
      Option("--at-once", nil, "the secret that it had signs no more, as when somebody else has seen it"),
      Option("--key", "TEXT", "the Idempotency-Key; default: a random one. The same again makes the same secret"),
    ] + GatewayCall.options,
    synopsis: "ID [--grace DURATION | --at-once] [--key TEXT] \(GatewayCall.synopsis)",
    notes: "Messages have a signature of each secret while both count. \(keyNote)",
    example: "paysaga webhooks rotate 01980f3e-7c51-7000-8000-000000000000 --grace 1h")

  private let id: UniqueID
  private let grace: Duration
  private let key: String
  private let gateway: GatewayCall

  init(_ arguments: Arguments) throws(CommandError) {
    id = try arguments.id("an endpoint")
    let given = try arguments.duration("--grace")
    guard given == nil || !arguments.has("--at-once") else { throw .usage("--grace and --at-once exclude each other") }
    grace = arguments.has("--at-once") ? .zero : given ?? .seconds(86_400)
    key = arguments.text("--key") ?? "cli-\(UniqueID.random())"
    gateway = GatewayCall(arguments)
  }

  func run(_ session: Session) throws {
    let body = JSONWriter.object { $0.add("grace_seconds", grace.inMilliseconds / 1_000) }
    try session.showSecret(gateway.post("\(endpoints)/\(id)/rotate", body, key: key, session: session), 200)
  }
}

/// `webhooks enable`: has an endpoint told of payments again.
struct WebhooksEnable: Subcommand {
  static let usage = Usage(
    name: "webhooks enable", summary: "have a disabled endpoint told of payments again", operand: "ID",
    options: GatewayCall.options, synopsis: "ID \(GatewayCall.synopsis)",
    notes: "What has failed meanwhile is sent by `webhooks redeliver --endpoint ID`. \(keyNote)",
    example: "paysaga webhooks enable 01980f3e-7c51-7000-8000-000000000000")

  private let endpoint: NamedEndpoint

  init(_ arguments: Arguments) throws(CommandError) { endpoint = try NamedEndpoint(arguments) }

  func run(_ session: Session) throws { try endpoint.switchTo(isEnabled: true, session) }
}

/// `webhooks disable`: has an endpoint told of nothing.
struct WebhooksDisable: Subcommand {
  static let usage = Usage(
    name: "webhooks disable", summary: "have an endpoint told of nothing; what waits for it is failed", operand: "ID",
    options: GatewayCall.options, synopsis: "ID \(GatewayCall.synopsis)", notes: keyNote,
    example: "paysaga webhooks disable 01980f3e-7c51-7000-8000-000000000000")

  private let endpoint: NamedEndpoint

  init(_ arguments: Arguments) throws(CommandError) { endpoint = try NamedEndpoint(arguments) }

  func run(_ session: Session) throws { try endpoint.switchTo(isEnabled: false, session) }
}

/// `webhooks delete`: deletes an endpoint.
struct WebhooksDelete: Subcommand {
  static let usage = Usage(
    name: "webhooks delete", summary: "delete an endpoint; what waits for it is failed", operand: "ID",
    options: GatewayCall.options, synopsis: "ID \(GatewayCall.synopsis)", notes: keyNote,
    example: "paysaga webhooks delete 01980f3e-7c51-7000-8000-000000000000")

  private let endpoint: NamedEndpoint

  init(_ arguments: Arguments) throws(CommandError) { endpoint = try NamedEndpoint(arguments) }

  func run(_ session: Session) throws {
    let response = try endpoint.call("DELETE", session: session)
    guard response.status == 204 else { throw GatewayCall.refusal(response) }
    session.output.print(["id": .uuid(endpoint.id), "deleted": .bool(true)], line: "id=\(endpoint.id) deleted")
  }
}

/// `webhooks redeliver`: has deliveries sent again.
struct WebhooksRedeliver: Subcommand {
  static let usage = Usage(
    name: "webhooks redeliver", summary: "send a delivery again, or all of an endpoint that have failed",
    operand: "ID",
    options: [
      Option("--endpoint", nil, "the id is an endpoint's: send again what has failed"),
      Option("--since", "TIME", "with --endpoint: failed since 2026-01-31T12:00:00Z, or since so long ago, such as 2h"),
    ] + GatewayCall.options,
    synopsis: "ID [--endpoint [--since TIME]] \(GatewayCall.synopsis)",
    notes: "The receiver sees the same webhook-id again. \(keyNote)",
    example: "paysaga webhooks redeliver 01980f3e-7c51-7000-8000-000000000000 --endpoint --since 24h")

  private let id: UniqueID
  private let isEndpoint: Bool
  private let since: Timestamp?
  private let gateway: GatewayCall

  init(_ arguments: Arguments) throws(CommandError) {
    id = try arguments.id("a delivery or an endpoint")
    isEndpoint = arguments.has("--endpoint")
    since = try arguments.moment("--since")
    guard isEndpoint || since == nil else { throw .usage("--since needs --endpoint") }
    gateway = GatewayCall(arguments)
  }

  func run(_ session: Session) throws {
    if isEndpoint { try redeliverAll(session) } else { try redeliverOne(session) }
  }

  private func redeliverOne(_ session: Session) throws {
    let response = try gateway.post("/v1/webhook_deliveries/\(id)/redeliver", session: session)
    guard response.status == 202 else { throw GatewayCall.refusal(response) }
    session.output.print(["id": .uuid(id), "delivery": .json(response.body)], line: "id=\(id) is sent again")
  }

  private func redeliverAll(_ session: Session) throws {
    let body = JSONWriter.object { $0.add("since", since) }
    while true {
      let response = try gateway.post("\(endpoints)/\(id)/redeliver", body, session: session)
      guard response.status == 202 else { throw GatewayCall.refusal(response) }
      let (count, hasMore) = try Self.read(response)
      session.output.print(["id": .uuid(id), "redelivered": .number(count)], line: "id=\(id) redelivered=\(count)")
      if !hasMore { return }
    }
  }

  private static func read(_ response: HTTPClientResponse) throws -> (count: Int64, hasMore: Bool) {
    var (count, hasMore): (Int64, Bool) = (0, false)
    var scanner = try JSONScanner(response.body, maximumBytes: 65_536)
    try scanner.beginObject()
    while let field = try scanner.nextKey() {
      switch field {
      case "redelivered": count = try scanner.integer()
      case "has_more": hasMore = try scanner.bool()
      default: try scanner.skipValue()
      }
    }
    return (count, hasMore)
  }
}
