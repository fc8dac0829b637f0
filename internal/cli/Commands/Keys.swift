import GatewayDomain
import GatewayStore
import Postgres
import Values

extension Session {
  /// A connection to the database that has the schema `gateway`.
  fileprivate func apiKeys(writes: Bool) throws -> Connection {
    var database = try database(of: "GATEWAY_")
    database.requiresWriting = writes
    return try Connection.open(database, logger: logger)
  }

  /// The secret on a line of its own, which is all that a script needs.
  fileprivate func show(_ key: APIKey, _ secret: APIKeySecret) {
    var record = key.record
    record.append("secret", .text(secret.text))
    output.print(record, line: secret.text)
    notice(key.record.line)
    notice("The secret is shown this once; nobody can read it again.")
  }
}

/// `keys create`: makes an API key.
struct KeysCreate: Subcommand {
  static let usage = Usage(
    name: "keys create", summary: "make an API key for callers of the gateway, and show its secret once",
    options: [
      Option("--name", "NAME", "who will use it; letters, digits and . _ - @"),
      Option("--scopes", "LIST", "what it is good for: some of pay, read, refund, ledger, review, with commas"),
      Option("--rate", "N", "at most so many calls a second, as many at once; default: no limit"),
      Option("--expires", "DURATION", "when it ends by itself, such as 2160h; default: never"),
    ],
    synopsis: "--name NAME --scopes LIST [--rate N] [--expires DURATION]",
    notes: """
      pay makes and cancels payments, read reads everything, refund refunds, ledger opens accounts and moves money onto
      them and from them, review approves and declines. The secret alone goes to standard output. All gateways take the
      key at once. A name is given once, also after its key was revoked: payments and reviews are found by it.
      """,
    example: "paysaga keys create --name shop --scopes pay,read --rate 200")

  private let name: String
  private let scopes: Set<APIKeyScope>
  private let rate: Int?
  private let lifetime: Duration?

  init(_ arguments: Arguments) throws(CommandError) {
    name = try arguments.required("--name")
    guard APIKey.isName(name) else {
      throw .usage(
        "--name expects 1 to \(APIKey.maximumName) letters, digits and . _ - @, found \"\(printable(name))\"")
    }
    scopes = try Self.scopes(try arguments.required("--scopes"))
    rate = try arguments.integer("--rate", in: 1...Int64(APIKey.maximumRate)).map { Int($0) }
    lifetime = try arguments.duration("--expires")
  }

  private static func scopes(_ text: String) throws(CommandError) -> Set<APIKeyScope> {
    var scopes: Set<APIKeyScope> = []
    for word in text.split(separator: ",", omittingEmptySubsequences: false) {
      guard let scope = APIKeyScope(rawValue: String(word)) else {
        let all = APIKeyScope.allCases.map(\.rawValue).joined(separator: ", ")
        throw .usage("--scopes expects some of \(all), with commas, found \"\(printable(String(word)))\"")
      }
      scopes.insert(scope)
    }
    return scopes
  }

  func run(_ session: Session) throws {
    let connection = try session.apiKeys(writes: true)
    defer { connection.close() }
    let made = try APIKeyStore(GatewayTables()).create(
      name: name, scopes: scopes, rate: rate, lifetime: lifetime, on: connection)
    switch made {
    case .success(let (key, secret)): session.show(key, secret)
    case .failure(let refusal): throw CommandError.failure(refusal.words(name))
    }
  }
}

/// `keys list`: shows API keys.
struct KeysList: Subcommand {
  static let usage = Usage(
    name: "keys list", summary: "show the API keys of the gateway, without their secrets", synopsis: "",
    example: "paysaga keys list")

  init(_ arguments: Arguments) throws(CommandError) {}

  func run(_ session: Session) throws {
    let connection = try session.apiKeys(writes: false)
    defer { connection.close() }
    let (keys, unreadable) = try APIKeyStore(GatewayTables()).list(on: connection)
    session.output.print(rows: keys.map(\.record))
    for id in unreadable {
      notice("the API key \(id) is not as this version expects; `keys revoke` ends it all the same")
    }
    if keys.isEmpty, unreadable.isEmpty { notice("there are no API keys") }
  }
}

/// `keys revoke`: ends an API key.
struct KeysRevoke: Subcommand {
  static let usage = Usage(
    name: "keys revoke", summary: "end an API key at once", operand: "ID", synopsis: "ID",
    notes: """
      Gateways that hear of it refuse the next call with the key; one that the database's notifications do not reach,
      within 5 s; one that cannot reach the database, within 30 s. Doing it again changes nothing.
      """,
    example: "paysaga keys revoke 01980f3e-7c51-7000-8000-000000000000")

  private let id: UniqueID

  init(_ arguments: Arguments) throws(CommandError) { id = try arguments.id("an API key") }

  func run(_ session: Session) throws {
    let connection = try session.apiKeys(writes: true)
    defer { connection.close() }
    switch try APIKeyStore(GatewayTables()).revoke(id, on: connection) {
    case .success(let key): session.output.print(key.record)
    case .failure(let refusal): throw CommandError.failure(refusal.words(id.description))
    }
  }
}

/// `keys rotate`: gives an API key another secret.
struct KeysRotate: Subcommand {
  static let usage = Usage(
    name: "keys rotate", summary: "give an API key another secret, and show it once", operand: "ID",
    options: [
      Option("--grace", "DURATION", "how long the secret that it had works as well; default 24h"),
      Option("--at-once", nil, "the secret that it had works no more, as when somebody else has seen it"),
    ],
    synopsis: "ID [--grace DURATION | --at-once]",
    notes: "The key stays the same otherwise: its payments, idempotency keys and external ids remain its own.",
    example: "paysaga keys rotate 01980f3e-7c51-7000-8000-000000000000 --grace 1h")

  private let id: UniqueID
  private let grace: Duration

  init(_ arguments: Arguments) throws(CommandError) {
    id = try arguments.id("an API key")
    let given = try arguments.duration("--grace")
    guard given == nil || !arguments.has("--at-once") else { throw .usage("--grace and --at-once exclude each other") }
    grace = arguments.has("--at-once") ? .zero : given ?? .seconds(86_400)
  }

  func run(_ session: Session) throws {
    let connection = try session.apiKeys(writes: true)
    defer { connection.close() }
    switch try APIKeyStore(GatewayTables()).rotate(id, grace: grace, on: connection) {
    case .success(let (key, secret)): session.show(key, secret)
    case .failure(let refusal): throw CommandError.failure(refusal.words(id.description))
    }
  }
}

extension APIKey {
  /// As it is printed.
  fileprivate var record: Record {
    let state = revokedAt != nil ? "revoked" : expiresAt.map { $0 <= .now() } == true ? "expired" : "active"
    return [
      "id": .uuid(id), "name": .text(name), "state": .text(state),
      "scopes": .text(APIKeyScope.allCases.filter(scopes.contains).map(\.rawValue).joined(separator: ",")),
      "rate": rate.map { .number(Int64($0)) } ?? .null, "created_at": .time(createdAt),
      "expires_at": .optional(expiresAt), "revoked_at": .optional(revokedAt),
    ]
  }
}

extension APIKeyStore.Refusal {
  fileprivate func words(_ which: String) -> String {
    switch self {
    case .nameTaken: "an API key has the name \(printable(which)), or had it: a name is given once"
    case .tooMany: "there are \(APIKeyBook.maximumKeys) API keys, and no more are held: revoke some"
    case .unknown: "there is no API key \(which)"
    case .revoked: "the API key \(which) was revoked"
    case .expired: "the API key \(which) has expired"
    }
  }
}
