internal import Glibc
internal import Synchronization

/// One of the servers that a DSN names, with what libpq is started with to connect to it and to no other.
///
/// libpq walks through the hosts of a DSN by itself, but when it is not allowed to block it never gives a silent one
/// up: "the connect_timeout connection parameter is ignored when using PQconnectPoll" (PostgreSQL manual, section
/// 34.1).
struct ConnectionTarget: Sendable {
  /// Host, or socket directory, and port.
  let name: String
  let keywords: [(name: String, value: String)]

  /// The targets of `keywords`, in the order in which libpq would try them: hosts as they are listed, the addresses of
  /// each as the resolver gives them, and all of them twice for `target_session_attrs=prefer-standby`.
  /// - Parameter resolve: the addresses of a name; empty when it has none, and then libpq says why.
  static func all(
    of keywords: [(name: String, value: String)], resolve: (String) -> [String] = addresses(of:)
  ) -> [ConnectionTarget] {
    let targets = hosts(of: keywords).flatMap { $0.targets(resolve) }
    guard value("target_session_attrs", keywords) == "prefer-standby", targets.count > 1 else { return targets }
    return ["standby", "any"].flatMap { wanted in
      targets.map { target in
        ConnectionTarget(name: target.name, keywords: setting("target_session_attrs", wanted, in: target.keywords))
      }
    }
  }

  /// The keywords of each host alone. A DSN with unequal numbers of hosts, addresses and ports stays whole: libpq
  /// refuses it and says what is wrong.
  private static func hosts(of keywords: [(name: String, value: String)]) -> [ConnectionTarget] {
    func list(_ name: String) -> [String] {
      value(name, keywords).map { $0.isEmpty ? [] : $0.split(separator: ",", omittingEmptySubsequences: false) }?
        .map(String.init) ?? []
    }
    let names = list("host")
    let addresses = list("hostaddr")
    let ports = list("port")
    let count = max(names.count, addresses.count, 1)
    let fits = { (list: [String]) in list.isEmpty || list.count == count }
    guard fits(names), fits(addresses), ports.count <= 1 || ports.count == count else {
      return [ConnectionTarget(name: value("host", keywords) ?? "", keywords: keywords)]
    }
    return (0..<count).map { index in
      var own = keywords
      let port = ports.isEmpty ? nil : ports[ports.count == 1 ? 0 : index]
      for (name, value) in [
        ("host", names.isEmpty ? nil : names[index]), ("hostaddr", addresses.isEmpty ? nil : addresses[index]),
        ("port", port),
      ] {
        if let value { own = setting(name, value, in: own) }
      }
      let host = [names.isEmpty ? "" : names[index], addresses.isEmpty ? "" : addresses[index]].first { !$0.isEmpty }
      let shownPort = port.flatMap { $0.isEmpty ? nil : $0 } ?? "5432"
      return ConnectionTarget(name: "\(host ?? "local"):\(shownPort)", keywords: own)
    }
  }

  /// One for each address, so that a silent one leaves time for the others.
  private func targets(_ resolve: (String) -> [String]) -> [ConnectionTarget] {
    let host = Self.value("host", keywords) ?? ""
    let hasAddress = !(Self.value("hostaddr", keywords) ?? "").isEmpty
    // A slash or an @ begins the directory of a Unix socket.
    if host.isEmpty || hasAddress || host.contains(",") || host.hasPrefix("/") || host.hasPrefix("@") { return [self] }
    let addresses = resolve(host)
    if addresses.isEmpty { return [self] }
    return addresses.map { address in
      ConnectionTarget(
        name: address == host ? name : "\(name) (\(address))", keywords: Self.setting("hostaddr", address, in: keywords)
      )
    }
  }

  private static func value(_ name: String, _ keywords: [(name: String, value: String)]) -> String? {
    keywords.first { $0.name == name }?.value
  }

  private static func setting(_ name: String, _ value: String, in keywords: [(name: String, value: String)])
    -> [(name: String, value: String)]
  {
    keywords.filter { $0.name != name } + [(name: name, value: value)]
  }

  /// The numeric addresses of a name; blocks the calling thread for as long as the resolver does.
  static func addresses(of name: String) -> [String] {
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var list: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(name, nil, &hints, &list) == 0 else { return [] }
    defer { freeaddrinfo(list) }
    var found: [String] = []
    var next = list
    while let entry = next {
      var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
      let status = getnameinfo(
        entry.pointee.ai_addr, entry.pointee.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
      let address = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      if status == 0, !found.contains(address) { found.append(address) }
      next = entry.pointee.ai_next
    }
    return found
  }
}

/// Which targets are worth trying first: the one that worked last, and those that were silent at the end. Shared by the
/// copies of a configuration; callable on any thread.
final class TargetMemory: Sendable {
  private enum Memory { case worked, silent }
  private let memories = Mutex<[String: Memory]>([:])

  func ordered(_ targets: [ConnectionTarget]) -> [ConnectionTarget] {
    let known = memories.withLock { $0 }
    func having(_ memory: Memory?) -> [ConnectionTarget] { targets.filter { known[$0.name] == memory } }
    return having(.worked) + having(nil) + having(.silent)
  }

  func worked(_ target: ConnectionTarget) {
    memories.withLock { known in
      // Addresses come and go with the name's records; only those that matter now are kept.
      known = known.filter { $0.value == .silent && $0.key != target.name }
      if known.count > 64 { known = [:] }
      known[target.name] = .worked
    }
  }

  func failed(_ target: ConnectionTarget, silently: Bool) {
    memories.withLock { $0[target.name] = silently ? .silent : nil }
  }
}
