internal import Values

/// Whether a program can do its work now, with the state of each thing it depends on.
public struct ReadinessReport: Sendable, Hashable {
  /// The state of one dependency, such as `postgres`.
  public struct Check: Sendable, Hashable {
    public let name: String
    public let isReady: Bool
    /// A few words for people; no secrets, anybody may read it.
    public let detail: String

    public init(_ name: String, isReady: Bool, detail: String = "") {
      self.name = name
      self.isReady = isReady
      self.detail = detail
    }
  }

  public let checks: [Check]
  /// False while the program starts or drains, whatever its dependencies say.
  public let isServing: Bool

  /// - Parameter checks: each under a name of its own.
  public init(_ checks: [Check], isServing: Bool = true) {
    self.checks = checks
    self.isServing = isServing
  }

  public var isReady: Bool { isServing && checks.allSatisfy(\.isReady) }

  /// `{"status":"ready","checks":{"postgres":{"ok":true,"detail":""}}}`
  var json: [UInt8] {
    var bytes = Array("{\"status\":\"\(isReady ? "ready" : "not ready")\",\"checks\":{".utf8)
    for (index, check) in checks.enumerated() {
      if index > 0 { bytes.append(UInt8(ascii: ",")) }
      JSONWriter.appendString(check.name, to: &bytes)
      bytes += ":{\"ok\":\(check.isReady),\"detail\":".utf8
      JSONWriter.appendString(check.detail, to: &bytes)
      bytes.append(UInt8(ascii: "}"))
    }
    bytes += "}}\n".utf8
    return bytes
  }
}
