import DirectDomain
import Foundation
import Money
import RiskDomain
import Values

/// What risk reads: by the first byte a file of rules, stored features, or what a key has counted.
enum RiskTarget {
  private static let facts = RiskFacts(method: .card, amount: Money(minorUnits: .max, Currency("EUR")!))  // in use

  static func run(_ input: [UInt8]) throws(FuzzFinding) {
    guard let first = input.first else { return }
    let rest = Array(input.dropFirst())
    switch first % 3 {
    case 0: try rules(rest)
    case 1: try features(rest)
    default: try history(rest)
    }
  }

  private static func rules(_ text: [UInt8]) throws(FuzzFinding) {
    guard let rules = try? RiskRules(file: text) else { return }
    try require((try? JSONSerialization.jsonObject(with: Data(text))) is [String: Any], "rules that are no object")
    guard let again = try? RiskRules(canonical: rules.canonical) else {
      throw FuzzFinding("the canonical form cannot be read")
    }
    try require(again == rules && again.canonical == rules.canonical, "the canonical form is of other rules")
    let usage = Dictionary(uniqueKeysWithValues: RiskSubject.allCases.map { ($0, RiskUsage()) })
    let decision = rules.decide(facts, .features(RiskFeatures(usage: usage)))
    let isSensible = (0...RiskDecision.maximumScore).contains(decision.score)
    try require(isSensible && decision.reasons.count <= RiskDecision.maximumReasons, "a decision out of bounds")
    try require(decision.reasons.allSatisfy { !$0.contains(",") && !$0.isEmpty }, "a reason that cannot be kept")
    try require(decision == again.decide(facts, .features(RiskFeatures(usage: usage))), "another decision")
  }

  private static func features(_ text: [UInt8]) throws(FuzzFinding) {
    guard let features = try? RiskFeatures(json: text) else { return }
    var json: [UInt8] = []
    features.appendJSON(to: &json)
    try require((try? RiskFeatures(json: json)) == features, "features are written as others")
    let decision = RiskRules.standard.decide(facts, .features(features))
    try require((0...RiskDecision.maximumScore).contains(decision.score), "a score out of bounds")
  }

  private static func history(_ bytes: [UInt8]) throws(FuzzFinding) {
    guard var history = RiskHistory(packed: bytes) else { return }
    try require(history.packed == bytes, "a history is written as another")
    for microseconds in [Int64.min, 0, 1_800_000_000_000_000, .max] {
      let now = Timestamp(microseconds: microseconds)
      let before = history.usage(at: now, in: facts.amount.currency)
      history.add(facts.amount, at: now)
      let after = history.usage(at: now, in: facts.amount.currency)
      for window in RiskWindow.allCases {
        let (old, new) = (before[window], after[window])
        try require(new.count > old.count || new.count == .max, "a payment that does not count")
        try require(new.sum == .max, "a sum that is lost")
      }
      try require(RiskHistory(packed: history.packed) == history, "a history that cannot be read back")
    }
  }
}
