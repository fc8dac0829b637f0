internal import DirectDomain
internal import Money

extension RiskRules {
  /// The longest file of rules, in bytes.
  public static let maximumBytes = 262_144
  /// How many rules a set has at most.
  public static let maximumRules = 100

  /// The rules that are in force unless a file names others, with the default bands.
  public static let standard: RiskRules = {
    do throws(RiskFault) {
      return try RiskRules(file: PackageResources.standard_json)
    } catch {
      preconditionFailure("our own rules: \(error)")
    }
  }()

  /// Reads a file of rules: `{"rules":[…]}`. Nothing is passed over: a field that is not known is a fault.
  public init(file json: [UInt8], review: Int = 65, block: Int = 75) throws(RiskFault) {
    guard (1...100).contains(review), (1...100).contains(block), review <= block else {
      throw RiskFault(field: "", message: "review \(review) and block \(block) must be 1 to 100, review not the higher")
    }
    var reader = try RiskReader(json, maximumBytes: Self.maximumBytes)
    var rules: [RiskRule]?
    try reader.object { (reader, field) throws(RiskFault) in
      guard field == "rules" else { throw reader.unknown() }
      rules = try Self.rules(&reader)
    }
    try reader.end()
    guard let rules else { throw reader.fault("rules is missing") }
    self.init(rules: rules, review: review, block: block)
  }

  /// Reads `canonical`.
  public init(canonical json: [UInt8]) throws(RiskFault) {
    var reader = try RiskReader(json, maximumBytes: 4 * Self.maximumBytes)
    var (review, block): (Int64?, Int64?)
    var rules: [RiskRule]?
    try reader.object { (reader, field) throws(RiskFault) in
      switch field {
      case "review": review = try reader.integer(in: 1...100)
      case "block": block = try reader.integer(in: 1...100)
      case "rules": rules = try Self.rules(&reader)
      default: throw reader.unknown()
      }
    }
    try reader.end()
    guard let review, let block, let rules else { throw reader.fault("review, block or rules is missing") }
    self.init(rules: rules, review: Int(review), block: Int(block))
  }

  private static func rules(_ reader: inout RiskReader) throws(RiskFault) -> [RiskRule] {
    var rules: [RiskRule] = []
    try reader.array { (reader) throws(RiskFault) in
      guard rules.count < maximumRules else { throw reader.fault("more than \(maximumRules) rules") }
      let rule = try RuleFields(&reader).rule(reader)
      guard !rules.contains(where: { $0.name == rule.name }) else {
        throw reader.fault("another rule is called \(rule.name)")
      }
      rules.append(rule)
    }
    return rules
  }
}

/// The fields of a rule as they were found.
private struct RuleFields {
  private var name: String?
  private var points: Int64?
  private var methods: Set<PaymentMethod>?
  private var amountAbove: [Currency: Int64]?
  private var firstUse: RiskSubject?
  private var subject: RiskSubject?
  private var window: String?
  private var countAbove: Int64?
  private var sumAbove: [Currency: Int64]?
  private var failuresAbove: Int64?

  init(_ reader: inout RiskReader) throws(RiskFault) {
    try reader.object { (reader, field) throws(RiskFault) in
      switch field {
      case "name": name = try Self.name(&reader)
      case "points": points = try reader.integer(in: 1...Int64(RiskDecision.maximumScore))
      case "methods": methods = try Self.methods(&reader)
      case "amount_above": amountAbove = try Self.amounts(&reader)
      case "first_use": firstUse = try reader.word(RiskSubject.self, in: RiskRules.remembered)
      case "subject": subject = try reader.word(RiskSubject.self)
      case "window": window = try reader.string(in: RiskWindow.allCases.map(\.rawValue) + [RiskHistory.failureWindow])
      case "count_above": countAbove = try reader.integer(in: 0...Int64.max)
      case "sum_above": sumAbove = try Self.amounts(&reader)
      case "failures_above": failuresAbove = try reader.integer(in: 0...Int64.max)
      default: throw reader.unknown()
      }
    }
  }

  func rule(_ reader: RiskReader) throws(RiskFault) -> RiskRule {
    guard let name else { throw reader.fault("name is missing") }
    guard let points else { throw reader.fault("points is missing") }
    let limit = try limit(reader)
    guard methods != nil || amountAbove != nil || firstUse != nil || limit != nil else {
      throw reader.fault("a rule needs methods, amount_above, first_use or a subject")
    }
    return RiskRule(
      name: name, points: Int(points), methods: methods, amountAbove: amountAbove, firstUse: firstUse, limit: limit)
  }

  private func limit(_ reader: RiskReader) throws(RiskFault) -> RiskLimit? {
    guard let subject else {
      guard window == nil, countAbove == nil, sumAbove == nil, failuresAbove == nil else {
        throw reader.fault("subject is missing")
      }
      return nil
    }
    guard let name = window else { throw reader.fault("window is missing") }
    switch (RiskWindow(rawValue: name), countAbove, sumAbove, failuresAbove) {
    case (let window?, let above?, nil, nil): return RiskLimit(subject, .count(in: window, above: above))
    case (let window?, nil, let above?, nil): return RiskLimit(subject, .sum(in: window, above: above))
    case (nil, nil, nil, let above?):
      guard RiskRules.blamed.contains(subject) else { throw reader.fault("failures of a \(subject) are not counted") }
      return RiskLimit(subject, .failures(above: above))
    case (nil, _, _, _): throw reader.fault("window \(name) has failures_above alone")
    default: throw reader.fault("expected either count_above or sum_above")
    }
  }

  private static func name(_ reader: inout RiskReader) throws(RiskFault) -> String {
    let name = try reader.string()
    let isPlain = name.utf8.allSatisfy { byte in
      (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        || byte == UInt8(ascii: "_")
    }
    guard isPlain, (1...64).contains(name.utf8.count), name != RiskRules.unavailable else {
      throw reader.fault("expected 1 to 64 of a-z, 0-9 and _, found \"\(RiskReader.shown(name))\"")
    }
    return name
  }

  private static func methods(_ reader: inout RiskReader) throws(RiskFault) -> Set<PaymentMethod> {
    var methods: Set<PaymentMethod> = []
    try reader.array { (reader) throws(RiskFault) in methods.insert(try reader.word(PaymentMethod.self)) }
    guard !methods.isEmpty else { throw reader.fault("expected a method or more") }
    return methods
  }

  private static func amounts(_ reader: inout RiskReader) throws(RiskFault) -> [Currency: Int64] {
    var amounts: [Currency: Int64] = [:]
    try reader.object { (reader, field) throws(RiskFault) in
      guard let currency = Currency(field) else { throw reader.fault("no currency of ISO 4217") }
      amounts[currency] = try reader.integer(in: 0...Int64.max)
    }
    guard !amounts.isEmpty else { throw reader.fault("expected a currency or more, each with minor units") }
    return amounts
  }
}
