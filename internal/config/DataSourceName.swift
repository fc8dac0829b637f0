internal import Runtime

/// What is checked in `postgres://` and `redis://` addresses before a client takes them, and how they are shown.
enum DataSourceName {
  /// What is wrong with a PostgreSQL URI (libpq's form, several hosts allowed), or nil.
  static func problemOfPostgres(_ text: String) -> String? {
    let form = "expected postgres://USER:PASSWORD@HOST:PORT/DATABASE"
    guard let rest = text.dropping(prefix: "postgres://") ?? text.dropping(prefix: "postgresql://") else { return form }
    if let problem = problemOfBytes(text) { return problem }
    let (address, query) = rest.split(at: "?")
    let (authority, path) = address.split(at: "/")
    let hosts = authority.afterLast("@")
    for host in hosts.split(separator: ",", omittingEmptySubsequences: false) where !hosts.isEmpty {
      if NetworkAddress(host + (host.hasPort ? "" : ":5432")) == nil || host.hasSuffix(":0")
        || host.isEmpty || host.hasPrefix(":")
      {
        return "\(form); the host or port is wrong"
      }
    }
    let pairs = query?.split(separator: "&", omittingEmptySubsequences: false) ?? []
    guard pairs.allSatisfy({ ($0.firstIndex(of: "=") ?? $0.startIndex) > $0.startIndex }) else {
      return "\(form); what follows the question mark must be KEY=VALUE pairs with & between"
    }
    let namesDatabase = pairs.contains { $0.hasPrefix("dbname=") && $0.count > 7 }
    guard let path, !path.isEmpty || namesDatabase else {
      return namesDatabase ? nil : "\(form); the database is missing"
    }
    return path.contains("/") ? "\(form); a database's name has no slash (write it as %2F)" : nil
  }

  /// What is wrong with a Redis URI, or nil.
  static func problemOfRedis(_ text: String) -> String? {
    let form = "expected redis://[USER:PASSWORD@]HOST:PORT[/DATABASE], or nothing for no Redis"
    if text.hasPrefix("rediss://") {
      return "TLS to Redis is not served by this client; put a TLS proxy such as stunnel beside it, and name the proxy"
        + " with redis://"
    }
    guard let rest = text.dropping(prefix: "redis://") else { return form }
    if let problem = problemOfBytes(text) { return problem }
    let (authority, path) = rest.split(at: "/")
    let host = authority.afterLast("@")
    guard authority.contains("@") ? authority.split(at: "@").0.contains(":") : true else {
      return "\(form); a password alone is written as :PASSWORD@"
    }
    let isAddress = NetworkAddress(host + (host.hasPort ? "" : ":6379")) != nil
    guard isAddress, !host.hasSuffix(":0"), !host.hasPrefix(":"), !host.isEmpty else {
      return "\(form); the host or port is wrong"
    }
    guard let path, !path.isEmpty else { return nil }
    guard path.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let database = Int(path), database <= 16_383 else {
      return "\(form); the database is a number from 0"
    }
    return nil
  }

  /// The address with every password in it replaced by `***`, whatever else is wrong with it.
  static func masked(_ text: String) -> String {
    var masked = text
    let start = masked.firstRange(of: "://")?.upperBound ?? masked.startIndex
    // The last @ counts, since a password may hold one that should have been written %40.
    if let at = masked[start...].lastIndex(of: "@") {
      let colon = masked[start..<at].firstIndex(of: ":").map { masked.index(after: $0) } ?? start
      masked.replaceSubrange(colon..<at, with: "***")
    }
    var searched = masked.startIndex
    while let key = masked[searched...].lowercasedRange(of: "password=") {
      let end = masked[key.upperBound...].firstIndex { $0 == "&" || $0.isWhitespace } ?? masked.endIndex
      let offset = masked.distance(from: masked.startIndex, to: key.upperBound)
      masked.replaceSubrange(key.upperBound..<end, with: "***")
      searched = masked.index(masked.startIndex, offsetBy: offset + 3)
    }
    return masked
  }

  private static func problemOfBytes(_ text: String) -> String? {
    text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
      ? nil : "an address has no spaces and no bytes beyond ASCII (write them as %XX)"
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

  /// Where `text`, in lower case, first occurs in any case.
  fileprivate func lowercasedRange(of text: String) -> Range<Index>? {
    var start = startIndex
    while start < endIndex {
      let rest = self[start...]
      if rest.prefix(text.count).lowercased() == text { return start..<index(start, offsetBy: text.count) }
      start = index(after: start)
    }
    return nil
  }
}
