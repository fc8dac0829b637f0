/// The variables that Kubernetes puts into every container for each service, such as `REDIS_PORT_6379_TCP_ADDR` for a
/// service named `redis`: they look like settings of ours and are none.
enum ServiceLink {
  static func isOne(name: String, value: String) -> Bool {
    if name.hasSuffix("_SERVICE_HOST") || name.hasSuffix("_SERVICE_PORT") || name.contains("_SERVICE_PORT_") {
      return true
    }
    // NAME_PORT itself could be a slip of a person's; Kubernetes writes an address with a scheme into it.
    if name.hasSuffix("_PORT"), ["tcp://", "udp://", "sctp://"].contains(where: value.hasPrefix) { return true }
    let words = name.split(separator: "_")
    return words.indices.contains { words[$0] == "PORT" && isPortTail(Array(words[($0 + 1)...])) }
  }

  /// `6379_TCP`, `6379_TCP_ADDR`, `6379_TCP_PORT`, `6379_TCP_PROTO`.
  private static func isPortTail(_ words: [Substring]) -> Bool {
    guard words.count == 2 || words.count == 3 && ["ADDR", "PORT", "PROTO"].contains(words[2]) else { return false }
    return UInt16(words[0]) != nil && ["TCP", "UDP", "SCTP"].contains(words[1])
  }
}
