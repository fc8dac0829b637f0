public import GatewayDomain
public import Postgres
public import Values

/// API keys in their table. Each change tells all gateways (`GatewayTables.keyChannel`).
public struct APIKeyStore: Sendable {
  /// Why a key was not made or changed; nothing was done.
  public enum Refusal: Error, Sendable, Hashable {
    /// A key has this name, or had it.
    case nameTaken
    /// There are as many keys as gateways hold.
    case tooMany
    /// There is no key of this id.
    case unknown
    /// It was revoked.
    case revoked
    /// It has expired.
    case expired
  }

  private let live: Statement
  private let all: Statement
  private let one: Statement
  private let insert: Statement
  private let revoke: Statement
  private let rotate: Statement
  private let notify: Statement
  private let lock: Statement

  private enum Column: Int, AnswerColumn { case id, name, scopes, rate, createdAt, expiresAt, revokedAt }
  private enum LiveColumn: Int, AnswerColumn {
    case secretHash = 7
    case oldHash
    case left
    case oldLeft
  }

  private static let columns = "k.id, k.name, k.scopes, k.rate, k.created_at, k.expires_at, k.revoked_at"

  /// The keys of a schema.
  public init(_ t: GatewayTables) {
    live = Statement(
      """
      SELECT \(Self.columns), k.secret_hash, k.old_hash,
             (extract(epoch FROM k.expires_at) - extract(epoch FROM clock_timestamp()))::float8 AS left,
             (extract(epoch FROM k.old_until) - extract(epoch FROM clock_timestamp()))::float8 AS old_left
      FROM \(t.apiKey) k
      WHERE k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp()) ORDER BY k.id LIMIT $1
      """, isReadOnly: true)
    all = Statement("SELECT \(Self.columns) FROM \(t.apiKey) k ORDER BY k.created_at, k.id", isReadOnly: true)
    one = Statement("SELECT \(Self.columns) FROM \(t.apiKey) k WHERE k.id = $1 FOR UPDATE")
    insert = Statement(
      """
      INSERT INTO \(t.apiKey) (id, name, secret_hash, scopes, rate, created_at, expires_at)
      SELECT $1, $2, $3, $4, $5, now(), now() + make_interval(secs => $6)
      WHERE (SELECT count(*) FROM \(t.apiKey) k
             WHERE k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())) < $7
      ON CONFLICT (name) DO NOTHING RETURNING created_at, expires_at
      """)
    revoke = Statement("UPDATE \(t.apiKey) SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1")
    rotate = Statement(
      """
      UPDATE \(t.apiKey) SET secret_hash = $2, old_hash = CASE WHEN $3 > 0 THEN secret_hash END,
             old_until = CASE WHEN $3 > 0 THEN now() + make_interval(secs => $3) END
      WHERE id = $1
      """)
    notify = Statement("SELECT pg_notify($1, '')")
    lock = Statement("LOCK TABLE \(t.apiKey) IN SHARE ROW EXCLUSIVE MODE")
  }

  /// The secrets that are taken now. One that cannot be read opens nothing.
  /// - Returns: the book, and ids of keys whose rows are not as this version expects.
  public func book(on connection: Connection) throws(DatabaseError) -> (book: APIKeyBook, unreadable: [UniqueID]) {
    let readAt = Instant.now()
    var entries: [APIKeyBook.Entry] = []
    var unreadable: [UniqueID] = []
    for row in try connection.run(Command(live, [.int64(Int64(APIKeyBook.maximumKeys))])) {
      do throws(DatabaseError) {
        entries += try Self.entries(row, at: readAt)
      } catch  where error.code == .content {
        unreadable.append(try row.uuid(Column.id))
      }
    }
    return (APIKeyBook(entries, readAt: readAt), unreadable)
  }

  /// Seconds that are as good as for ever, since keys are read again before. A table may hold infinity.
  private static let farAway = 1e9

  private static func entries(_ row: Row, at now: Instant) throws(DatabaseError) -> [APIKeyBook.Entry] {
    let key = try key(row)
    let end = try row.optionalDouble(LiveColumn.left).map { now + .seconds(min($0, farAway)) }
    guard let digest = APIKeyDigest(bytes: try row.bytes(LiveColumn.secretHash)) else { throw .content("no digest") }
    var entries = [APIKeyBook.Entry(digest, key, until: end)]
    if let left = try row.optionalDouble(LiveColumn.oldLeft), left > 0 {
      guard let old = APIKeyDigest(bytes: try row.bytes(LiveColumn.oldHash)) else { throw .content("no digest") }
      let oldEnd = now + .seconds(min(left, farAway))
      entries.append(APIKeyBook.Entry(old, key, until: end.map { min($0, oldEnd) } ?? oldEnd))
    }
    return entries
  }

  private static func key(_ row: Row) throws(DatabaseError) -> APIKey {
    let names = try row.textArray(Column.scopes)
    let scopes = Set(names.compactMap { APIKeyScope(rawValue: $0) })
    // Less than it was given would be a riddle, more is not possible.
    guard scopes.count == Set(names).count else { throw .content("a scope is none that this version knows") }
    let rate = try row.optionalInt64(Column.rate)
    if let rate, !(1...Int64(APIKey.maximumRate)).contains(rate) { throw .content("a rate is out of range") }
    return APIKey(
      id: try row.uuid(Column.id), name: try row.text(Column.name), scopes: scopes,
      rate: rate.map { Int($0) },
      createdAt: try row.timestamp(Column.createdAt), expiresAt: try row.optionalTimestamp(Column.expiresAt),
      revokedAt: try row.optionalTimestamp(Column.revokedAt))
  }

  /// All keys, also those that have ended, by age.
  /// - Returns: the keys, and the ids of those whose rows are not as this version expects.
  public func list(on connection: Connection) throws(DatabaseError) -> (keys: [APIKey], unreadable: [UniqueID]) {
    var (keys, unreadable): ([APIKey], [UniqueID]) = ([], [])
    for row in try connection.run(Command(all)) {
      do throws(DatabaseError) {
        keys.append(try Self.key(row))
      } catch  where error.code == .content {
        unreadable.append(try row.uuid(Column.id))
      }
    }
    return (keys, unreadable)
  }

  /// Makes a key.
  /// - Parameters:
  ///   - name: as `APIKey.isName` wants it.
  ///   - scopes: one at least.
  ///   - rate: calls a second, from 1 to `APIKey.maximumRate`; nil for no limit.
  ///   - lifetime: after which it ends by itself.
  public func create(
    name: String, scopes: Set<APIKeyScope>, rate: Int?, lifetime: Duration?, on connection: Connection
  ) throws(DatabaseError) -> Result<(key: APIKey, secret: APIKeySecret), Refusal> {
    precondition(APIKey.isName(name) && !scopes.isEmpty, "a key has a name and a scope")
    let (id, secret) = (UniqueID.random(), APIKeySecret.random())
    let names = scopes.map(\.rawValue).sorted()
    return try connection.rollingBack {
      () throws(DatabaseError) -> Result<(key: APIKey, secret: APIKeySecret), Refusal> in
      let made = try connection.run([
        .begin, Command(lock),
        Command(
          insert,
          [
            .uuid(id), .text(name), .bytes(secret.digest.bytes), .textArray(names),
            rate.map { .int64(Int64($0)) } ?? .typedNull(.int64),
            lifetime.map { .double($0.inSeconds) } ?? .typedNull(.double), .int64(Int64(APIKeyBook.maximumKeys)),
          ]),
      ])[2]
      guard made.count == 1 else {
        let isTaken = try list(on: connection).keys.contains { $0.name == name }
        try connection.run(.rollback)
        return .failure(isTaken ? .nameTaken : .tooMany)
      }
      let key = APIKey(
        id: id, name: name, scopes: scopes, rate: rate, createdAt: try made[0].timestamp(MadeColumn.createdAt),
        expiresAt: try made[0].optionalTimestamp(MadeColumn.expiresAt), revokedAt: nil)
      try commit(on: connection)
      return .success((key, secret))
    }
  }

  private enum MadeColumn: Int, AnswerColumn { case createdAt, expiresAt }

  /// Ends a key at once; one that has been revoked stays so. Its row need not be readable for that.
  /// - Throws: `.content`, with the key revoked, when it is not.
  public func revoke(_ id: UniqueID, on connection: Connection) throws(DatabaseError) -> Result<APIKey, Refusal> {
    let revoked = try connection.rollingBack { () throws(DatabaseError) in
      let rows = try connection.run([.begin, Command(revoke, [.uuid(id)]), Command(one, [.uuid(id)])])[2]
      try commit(on: connection)
      return rows
    }
    return revoked.isEmpty ? .failure(.unknown) : .success(try Self.key(revoked[0]))
  }

  /// Gives a key a new secret. Its id stays, and with it idempotency keys and external ids.
  /// - Parameter grace: how long the secret that it had is taken as well; one before that ends at once.
  public func rotate(
    _ id: UniqueID, grace: Duration, on connection: Connection
  ) throws(DatabaseError) -> Result<(key: APIKey, secret: APIKeySecret), Refusal> {
    let secret = APIKeySecret.random()
    return try change(id, on: connection) { key in
      key.flatMap { key in
        if key.revokedAt != nil { return .failure(.revoked) }
        if let end = key.expiresAt, end <= .now() { return .failure(.expired) }
        return .success(Command(rotate, [.uuid(id), .bytes(secret.digest.bytes), .double(grace.inSeconds)]))
      }
    }.map { ($0, secret) }
  }

  private func change(
    _ id: UniqueID, on connection: Connection, _ decide: (Result<APIKey, Refusal>) -> Result<Command, Refusal>
  ) throws(DatabaseError) -> Result<APIKey, Refusal> {
    try connection.rollingBack { () throws(DatabaseError) -> Result<APIKey, Refusal> in
      let find = Command(one, [.uuid(id)])
      let found = try connection.run([.begin, find])[1]
      switch decide(found.isEmpty ? .failure(.unknown) : .success(try Self.key(found[0]))) {
      case .failure(let refusal):
        try connection.run(.rollback)
        return .failure(refusal)
      case .success(let command):
        let changed = try Self.key(try connection.run([command, find])[1][0])
        try commit(on: connection)
        return .success(changed)
      }
    }
  }

  private func commit(on connection: Connection) throws(DatabaseError) {
    try connection.run([Command(notify, [.text(GatewayTables.keyChannel)]), .commit])
  }
}
