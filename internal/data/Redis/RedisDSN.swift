internal import Values

/// Where the Redis server is: `redis://[[user]:password@]host[:port][/database]`.
///
/// Its description never shows the password.
public struct RedisDSN: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible {
  /// A name or a numeric address, IPv6 without brackets.
  public var host: String
  /// 1…65535; 6379 unless given.
  public var port: UInt16
  /// For servers with ACLs (Redis 6); nil is the default user.
  public var user: String?
  /// nil sends none.
  public var password: String?
  /// The database number; 0 unless given.
  public var database: Int

  /// Nothing is checked: texts are parsed by the other initializer.
  public init(
    host: String, port: UInt16 = 6_379, user: String? = nil, password: String? = nil, database: Int = 0
  ) {
    self.host = host
    self.port = port
    self.user = user
    self.password = password
    self.database = database
  }

  /// Parses a DSN.
  /// - Throws: `.invalidDSN`, saying what was expected; the message never holds the password.
  public init(_ text: String) throws(RedisError) {
    let form = "expected redis://[[user]:password@]host[:port][/database]"
    if text.hasPrefix("rediss://") {
      throw RedisError(
        .invalidDSN,
        "rediss:// is not supported, as Debian's hiredis has no TLS: run a TLS proxy such as stunnel beside this"
          + " program and give its address as redis://127.0.0.1:PORT")
    }
    guard text.hasPrefix("redis://") else { throw RedisError(.invalidDSN, "the Redis DSN has another scheme: \(form)") }
    let rest = text.dropFirst("redis://".count)
    let slash = rest.firstIndex(of: "/") ?? rest.endIndex
    let authority = rest[..<slash]
    let at = authority.lastIndex(of: "@")
    (user, password) = try Self.credentials(at.map { authority[..<$0] })
    let address = at.map { authority[authority.index(after: $0)...] } ?? authority
    guard let (host, port) = Self.hostAndPort(address) else {
      throw RedisError(.invalidDSN, "the Redis DSN's host or port cannot be read: \(form)")
    }
    self.host = host
    self.port = port
    let path = slash == rest.endIndex ? "" : rest[rest.index(after: slash)...]
    guard let database = path.isEmpty ? 0 : Int(path), 0...65_535 ~= database else {
      throw RedisError(.invalidDSN, "the Redis DSN's database is a number: \(form)")
    }
    self.database = database
  }

  public var description: String {
    let address = host.contains(":") ? "[\(host)]" : host
    let credentials = password == nil ? "" : "\(user ?? ""):***@"
    return "redis://\(credentials)\(address):\(port)/\(database)"
  }

  public var debugDescription: String { description }

  private static func credentials(_ text: Substring?) throws(RedisError) -> (user: String?, password: String?) {
    guard let text, !text.isEmpty else { return (nil, nil) }
    guard let colon = text.firstIndex(of: ":") else {
      throw RedisError(.invalidDSN, "the Redis DSN's part before @ is [user]:password, and has no colon")
    }
    guard let user = percentDecoded(text[..<colon]),
      let password = percentDecoded(text[text.index(after: colon)...])
    else { throw RedisError(.invalidDSN, "the Redis DSN's user or password has a broken %XX escape") }
    guard !password.isEmpty else { throw RedisError(.invalidDSN, "the Redis DSN's password is empty") }
    return (user.isEmpty ? nil : user, password)
  }

  private static func hostAndPort(_ text: Substring) -> (String, UInt16)? {
    var host = text
    var port: Substring?
    if text.first == "[" {
      guard let end = text.firstIndex(of: "]") else { return nil }
      host = text[text.index(after: text.startIndex)..<end]
      let after = text[text.index(after: end)...]
      guard after.isEmpty || after.first == ":" else { return nil }
      port = after.isEmpty ? nil : after.dropFirst()
    } else if let colon = text.firstIndex(of: ":") {
      host = text[..<colon]
      port = text[text.index(after: colon)...]
    }
    guard !host.isEmpty, !host.contains("?"), !host.utf8.contains(0) else { return nil }
    guard let port else { return (String(host), 6_379) }
    guard let number = UInt16(port), number > 0 else { return nil }
    return (String(host), number)
  }

  private static func percentDecoded(_ text: Substring) -> String? {
    PercentEncoding.decode(text).flatMap { String(validating: $0, as: UTF8.self) }
  }
}
