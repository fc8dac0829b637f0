internal import Values

/// Checks `postgres://` and `redis://` addresses before a client gets them, and masks their passwords.
package enum DataSourceName {
  /// The fault of a PostgreSQL URI (libpq's form, several hosts allowed); nil for a sound one.
  package static func problemOfPostgres(_ text: String) -> String? {
    let form = "expected postgres://USER:PASSWORD@HOST:PORT/DATABASE"
    guard let rest = text.dropping(prefix: "postgres://") ?? text.dropping(prefix: "postgresql://") else { return form }
    if let problem = problemOfBytes(text) { return problem }
    let (address, query) = rest.split(at: "?")
    let (authority, path) = address.split(at: "/")
    // libpq ends the password at the first @, and the authority at the first slash: the rest of a password would be
    // taken for a host or a database, whose names are shown.
    guard authority.utf8.count(where: { $0 == UInt8(ascii: "@") }) <= 1, !(path ?? "").contains("@") else {
      return "\(form); in a user or password @ is written as %40, / as %2F and ? as %3F"
    }
    let hosts = authority.afterLast("@")
    for host in hosts.split(separator: ",", omittingEmptySubsequences: false) where !hosts.isEmpty {
      let address = NetworkAddress(host + (host.hasPort ? "" : ":5432"))
      if address == nil || address?.port == 0 || host.isEmpty || host.hasPrefix(":") {
        return "\(form); the host or port is wrong"
      }
    }
    let pairs = query?.split(separator: "&", omittingEmptySubsequences: false) ?? []
    let isPaired = pairs.allSatisfy { !$0.hasPrefix("=") && $0.utf8.count { $0 == UInt8(ascii: "=") } == 1 }
    guard isPaired else {
      return "\(form); what follows the question mark must be KEY=VALUE pairs with & between (= in a value is %3D)"
    }
    let namesDatabase = pairs.contains { $0.hasPrefix("dbname=") && $0.count > 7 }
    guard let path, !path.isEmpty || namesDatabase else {
      return namesDatabase ? nil : "\(form); the database is missing"
    }
    return path.contains("/") ? "\(form); a database's name has no slash (write it as %2F)" : nil
  }

  /// The fault of a Redis URI; nil for a sound one.
  package static func problemOfRedis(_ text: String) -> String? {
    let form = "expected redis://[USER:PASSWORD@]HOST:PORT[/DATABASE], or nothing for no Redis"
    if text.hasPrefix("rediss://") {
      return "TLS to Redis is not served by this client; put a TLS proxy such as stunnel beside it, and name the proxy"
        + " with redis://"
    }
    guard let rest = text.dropping(prefix: "redis://") else { return form }
    if let problem = problemOfBytes(text) { return problem }
    let (authority, path) = rest.split(at: "/")
    let host = authority.afterLast("@")
    if authority.contains("@") {
      let (user, password) = authority.dropLast(host.count + 1).split(at: ":")
      guard let password, !password.isEmpty else { return "\(form); a password alone is written as :PASSWORD@" }
      guard
        [user, password].allSatisfy({ String(validating: PercentEncoding.decode($0) ?? [0xFF], as: UTF8.self) != nil })
      else {
        return "\(form); user and password are UTF-8, with what is not ASCII written as %XX"
      }
    }
    let address = NetworkAddress(host + (host.hasPort ? "" : ":6379"))
    guard let address, address.port != 0, !host.hasPrefix(":"), !host.isEmpty else {
      return "\(form); the host or port is wrong"
    }
    guard let path, !path.isEmpty else { return nil }
    guard path.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let database = Int(path), database <= 16_383 else {
      return "\(form); the database is a number from 0"
    }
    return nil
  }

  /// The address with every password in it replaced by `***`, whatever else is wrong with it. Bytes are looked at, not
  /// characters: a combining mark would make another character of the sign that ends a password.
  package static func masked(_ text: String) -> String {
    var bytes = Array(text.utf8)
    let start = bytes.firstRange(of: "://".utf8)?.upperBound ?? 0
    // The last @ counts, since a password may hold one that should have been written %40.
    if let at = bytes[start...].lastIndex(of: UInt8(ascii: "@")) {
      let colon = bytes[start..<at].firstIndex(of: UInt8(ascii: ":")).map { $0 + 1 } ?? start
      bytes.replaceSubrange(colon..<at, with: Secrets.mask.utf8)
    }
    // How far a password in quotes or with backslashes reaches is not worth a guess: the rest is masked.
    let lowercased = bytes.map { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) ? $0 | 0x20 : $0 }
    if let key = lowercased.firstRange(of: "password".utf8) {
      bytes.replaceSubrange(key.upperBound..., with: "=\(Secrets.mask)".utf8)
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  private static func problemOfBytes(_ text: String) -> String? {
    guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
      return "an address has no spaces and no bytes beyond ASCII (write them as %XX)"
    }
    let isWhole = PercentEncoding.decode(text).map { !$0.contains(0) } ?? false
    return isWhole ? nil : "a % stands before two hexadecimal digits other than 00 (write itself as %25)"
  }
}

extension StringProtocol {
  fileprivate func dropping(prefix: String) -> String? {
    hasPrefix(prefix) ? String(dropFirst(prefix.count)) : nil
  }

  fileprivate func split(at separator: Character) -> (String, String?) {
    guard let place = firstIndex(of: separator) else { return (String(self), nil) }
    return (String(self[..<place]), String(self[index(after: place)...]))
  }

  fileprivate func afterLast(_ separator: Character) -> String {
    guard let place = lastIndex(of: separator) else { return String(self) }
    return String(self[index(after: place)...])
  }

  /// Whether a port follows the host; the colons inside an IPv6 address's brackets do not count.
  fileprivate var hasPort: Bool { afterLast("]").contains(":") }
}
