internal import FoundationEssentials
public import RiskDomain
public import Settings

/// How the risk of payments is decided: a group of settings, part of `ProcessorOptions`.
public struct RiskOptions: Sendable {
  /// `RISK_RULES`: the path of the file of rules; empty for those that are built in.
  public var file = ""
  /// `RISK_REVIEW`: the score from which on a person decides.
  public var review = 0
  /// `RISK_BLOCK`: the score from which on a payment is blocked.
  public var block = 0
  /// `RISK_FAIL`: what becomes of payments whose features cannot be had.
  public var failure = RiskFailure.open
  /// The rules of the file, or those built in, with the two scores.
  public private(set) var rules = RiskRules.standard

  /// The values before any row of a table is read.
  public init() {}

  /// The group's rows.
  public static func rows(_ users: [Program]) -> [Setting<RiskOptions>] {
    [
      .text(
        "RISK_RULES", \.file, rule: "the path of a JSON file of rules, or nothing", { !$0.utf8.contains(0) },
        .value(""), users, "rules that score payments; empty: those built in (docs/risk.md)"),
      .integer(
        "RISK_REVIEW", \.review, 1...100, .value("65"), users,
        "score from which on a payment waits for a person; 100 is above all scores"),
      .integer(
        "RISK_BLOCK", \.block, 1...100, .value("75"), users,
        "score from which on a payment is rejected; not below `RISK_REVIEW`, 100 is above all scores"),
      .choice(
        "RISK_FAIL", \.failure, ["open": .open, "closed": .closed], .value("open"), users,
        "what becomes of payments whose features cannot be read: open allows them, closed holds them for a person and "
          + "blocks cards"),
    ]
  }

  /// Reads the file of rules.
  mutating func finish() throws(SettingsError) {
    guard review <= block else {
      throw SettingsError(
        .invalidValue, setting: "RISK_BLOCK",
        "RISK_BLOCK is \(block): expected not less than RISK_REVIEW, which is \(review)")
    }
    do throws(RiskFault) {
      rules =
        file.isEmpty
        ? RiskRules(rules: RiskRules.standard.rules, review: review, block: block)
        : try RiskRules(file: try content(), review: review, block: block)
    } catch {
      throw SettingsError(.invalidValue, setting: "RISK_RULES", "RISK_RULES, \(file): \(error)")
    }
  }

  private func content() throws(RiskFault) -> [UInt8] {
    guard let data = try? Data(contentsOf: URL(fileURLWithPath: file)) else {
      throw RiskFault(field: "", message: "the file cannot be read; is it there, and may this user read it?")
    }
    return [UInt8](data)
  }
}
