import Values

/// What a running program says of itself on its admin port. Whatever it says is input: what cannot be read is left out.
package struct ProgramState: Sendable {
  /// A dependency, as `/readyz` has it.
  package struct Check: Sendable, Hashable {
    let name: String
    let isReady: Bool
    let detail: String
  }

  private static let longestAnswer = 1 << 20

  /// Where it was asked.
  package let address: String
  /// Its name; empty where it does not tell.
  package private(set) var program = ""
  private(set) var version = ""
  private(set) var commit = ""
  private(set) var instance = ""
  private(set) var checks: [Check] = []
  /// Settings in force by name; nil where the page needs a token that we do not have, or is absent.
  private(set) var settings: [String: String]?
  /// When certificates end, by the metric that tells it; Unix time in seconds.
  private(set) var certificateEnds: [String: Double] = [:]
  /// The time it took to answer the first question.
  var elapsed = Duration.zero

  /// Nothing is known yet.
  package init(address: String) { self.address = address }

  /// How findings call it.
  var subject: String { program.isEmpty ? address : "\(program) at \(address)" }

  /// Takes the answer of `/readyz`: `{"status":"ready","checks":{"postgres":{"ok":true,"detail":""}}}`.
  package mutating func takeReadiness(_ body: [UInt8]) {
    Self.read(body) { (scanner, field) throws(JSONError) in
      guard field == "checks", try scanner.peek() == .object else { return try scanner.skipValue() }
      try scanner.beginObject()
      while let name = try scanner.nextKey() {
        let one = try Self.members(&scanner)
        checks.append(Check(name: name, isReady: one["ok"] == "true", detail: one["detail"] ?? ""))
      }
    }
  }

  /// Takes the answer of `/version`: an object of texts.
  package mutating func takeVersion(_ body: [UInt8]) {
    Self.read(body) { (scanner, field) throws(JSONError) in
      let value = try Self.word(&scanner)
      switch field {
      case "program": program = value
      case "version": version = value
      case "commit": commit = value
      case "instance": instance = value
      default: break
      }
    }
  }

  /// Takes the answer of `/config`: `{"settings":{"LOG_LEVEL":{"value":"info","origin":"default"}}}`.
  package mutating func takeSettings(_ body: [UInt8]) {
    Self.read(body) { (scanner, field) throws(JSONError) in
      guard field == "settings", try scanner.peek() == .object else { return try scanner.skipValue() }
      var found: [String: String] = [:]
      try scanner.beginObject()
      while let name = try scanner.nextKey() { found[name] = try Self.members(&scanner)["value"] }
      settings = found
    }
  }

  /// Takes the answer of `/metrics`: the ends of certificates.
  package mutating func takeMetrics(_ body: [UInt8]) {
    for sample in MetricsPage(body).series(endingIn: "certificate_end_seconds") {
      // A program's servers share a certificate: their labels say nothing more. Those for other servers are several.
      let isServers = sample.key.contains("_server_tls_")
      let name = isServers ? String(sample.key.prefix { $0 != "{" }) : sample.key
      certificateEnds[name] = min(sample.value, certificateEnds[name] ?? sample.value)
    }
  }

  // MARK: - JSON

  private static func read(
    _ body: [UInt8], _ field: (inout JSONScanner, String) throws(JSONError) -> Void
  ) {
    do throws(JSONError) {
      var scanner = try JSONScanner(body, maximumBytes: longestAnswer)
      try scanner.beginObject()
      while let name = try scanner.nextKey() { try field(&scanner, name) }
    } catch {
      // Not the answer of a program of this version: what was read so far stands.
    }
  }

  /// The words of an object without deeper ones.
  private static func members(_ scanner: inout JSONScanner) throws(JSONError) -> [String: String] {
    guard try scanner.peek() == .object else {
      try scanner.skipValue()
      return [:]
    }
    var found: [String: String] = [:]
    try scanner.beginObject()
    while let name = try scanner.nextKey() { found[name] = try word(&scanner) }
    return found
  }

  private static func word(_ scanner: inout JSONScanner) throws(JSONError) -> String {
    switch try scanner.peek() {
    case .string: return try scanner.string()
    case .bool: return try scanner.bool() ? "true" : "false"
    default:
      try scanner.skipValue()
      return ""
    }
  }
}
