internal import DirectDomain
internal import Money
public import Values

extension RiskRules {
  /// The rules and bands in one spelling: equal for equal rules, whatever the order of the fields in their file. The
  /// order of the rules counts: reasons follow it.
  public var canonical: [UInt8] {
    JSONWriter.object { object in
      object.add("review", review)
      object.add("block", block)
      object.add("rules", rules)
    }
  }
}

extension RiskRule: JSONRepresentable {
  /// Appends the fields as a file has them, always in the same order.
  public func appendJSON(to bytes: inout [UInt8]) {
    JSONWriter.appendObject(to: &bytes) { object in
      object.add("name", name)
      object.add("points", points)
      if let methods { object.add("methods", methods.map(\.rawValue).sorted()) }
      if let amountAbove { object.add("amount_above") { Self.append(amountAbove, to: &$0) } }
      if let firstUse { object.add("first_use", firstUse.rawValue) }
      guard let limit else { return }
      object.add("subject", limit.subject.rawValue)
      switch limit.measure {
      case .count(let window, let above):
        object.add("window", window.rawValue)
        object.add("count_above", above)
      case .sum(let window, let above):
        object.add("window", window.rawValue)
        object.add("sum_above") { Self.append(above, to: &$0) }
      case .failures(let above):
        object.add("window", RiskHistory.failureWindow)
        object.add("failures_above", above)
      }
    }
  }

  private static func append(_ amounts: [Currency: Int64], to object: inout JSONObjectWriter) {
    for (currency, amount) in amounts.sorted(by: { $0.key < $1.key }) { object.add(named: currency.code, amount) }
  }
}
