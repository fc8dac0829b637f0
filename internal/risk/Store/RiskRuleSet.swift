internal import Crypto
public import RiskDomain

/// Rules under their version.
public struct RiskRuleSet: Sendable, Hashable {
  /// The rules.
  public let rules: RiskRules
  /// The SHA-256 of the rules' canonical content, in 64 hexadecimal digits: part of each decision.
  public let version: String
  /// The canonical content, as it is kept.
  let content: String

  /// The rules and their version.
  public init(_ rules: RiskRules) {
    self.rules = rules
    let canonical = rules.canonical
    content = String(decoding: canonical, as: UTF8.self)
    version = Self.version(of: canonical)
  }

  /// Reads what is kept.
  /// - Throws: when the content is not what the version says.
  init(version: String, content: String) throws(RiskFault) {
    let bytes = Array(content.utf8)
    guard Self.version(of: bytes) == version else {
      throw RiskFault(field: "", message: "the content of rule set \(version) was changed")
    }
    rules = try RiskRules(canonical: bytes)
    self.version = version
    self.content = content
  }

  private static func version(of content: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    let digest = SHA256.digest(of: content.span.bytes)
    return String(decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }
}
