internal import Values

/// How the bank behaves; changed while it runs by the control endpoint.
public struct BankBehaviour: Sendable, Hashable {
  /// How long a charge takes, drawn between both; milliseconds, from 0 to 600,000.
  public var delay: ClosedRange<Int> = 0...0
  /// How many of a hundred charges are approved that no card or account decides.
  public var approval = 100
  /// Whether a charge that is repeated under its operation id is answered as the first one was; otherwise it is made
  /// again, which no caller must ask for.
  public var isIdempotent = true
  /// How often a new payment is not found when it is asked about.
  public var forgets = 0
  /// How many of a thousand requests go wrong in each way.
  public var faults: [BankFault: Int] = [:]
  /// What the next requests do wrong, one each, before chance decides.
  public var script: [BankFault] = []
  /// How many of a thousand rows of a statement are wrong in each way.
  public var statementFaults: [StatementRowFault: Int] = [:]
  /// What the next rows of statements have wrong, one each, before chance decides.
  public var statementScript: [StatementRowFault?] = []

  /// A bank that does nothing wrong, at once.
  public init() {}

  /// Why a behaviour cannot be read.
  public struct Unreadable: Error, Sendable, Hashable, CustomStringConvertible {
    /// The field, and what it should be.
    public let description: String
  }

  /// Changes what `json` names: `delay_ms` (a number or two), `approval`, `idempotent`, `forgets`, `faults` (an object
  /// of numbers from 0 to 1,000), `script` (a list of names), and of statements `statement_faults` and
  /// `statement_script`, in which null is a row without a fault.
  public mutating func change(by json: [UInt8]) throws(Unreadable) {
    var changed = self
    do {
      try changed.read(json)
    } catch let error as Unreadable {
      throw error
    } catch {
      throw Unreadable(description: "not a behaviour: \(error)")
    }
    try changed.check()
    self = changed
  }

  private mutating func read(_ json: [UInt8]) throws {
    var scanner = try JSONScanner(json, maximumBytes: 65_536)
    try scanner.beginObject()
    while let field = try scanner.nextKey() {
      switch field {
      case "delay_ms": delay = try Self.delay(&scanner)
      case "approval": approval = Int(clamping: try scanner.integer())
      case "idempotent": isIdempotent = try scanner.bool()
      case "forgets": forgets = Int(clamping: try scanner.integer())
      case "faults":
        faults = [:]
        try scanner.beginObject()
        while let name = try scanner.nextKey() { faults[try Self.fault(name)] = Int(clamping: try scanner.integer()) }
      case "script":
        script = []
        try scanner.beginArray()
        while try scanner.nextElement() { script.append(try Self.fault(try scanner.string())) }
      case "statement_faults":
        statementFaults = [:]
        try scanner.beginObject()
        while let name = try scanner.nextKey() {
          statementFaults[try Self.statementFault(name)] = Int(clamping: try scanner.integer())
        }
      case "statement_script":
        statementScript = []
        try scanner.beginArray()
        while try scanner.nextElement() {
          statementScript.append(try scanner.null() ? nil : Self.statementFault(scanner.string()))
        }
      default:
        throw Unreadable(
          description: "there is no \(field): delay_ms, approval, idempotent, forgets, faults, script, "
            + "statement_faults, statement_script")
      }
    }
    try scanner.end()
  }

  private static func delay(_ scanner: inout JSONScanner) throws -> ClosedRange<Int> {
    guard try scanner.peek() == .array else {
      let delay = Int(clamping: try scanner.integer())
      return delay...delay
    }
    var bounds: [Int] = []
    try scanner.beginArray()
    while try scanner.nextElement() { bounds.append(Int(clamping: try scanner.integer())) }
    guard bounds.count == 2, bounds[0] <= bounds[1] else {
      throw Unreadable(description: "delay_ms is a number, or two with the lower one first")
    }
    return bounds[0]...bounds[1]
  }

  private static func fault(_ name: String) throws -> BankFault {
    guard let fault = BankFault(rawValue: name) else {
      let names = BankFault.allCases.map(\.rawValue).joined(separator: ", ")
      throw Unreadable(description: "there is no fault \(name): \(names)")
    }
    return fault
  }

  private static func statementFault(_ name: String) throws -> StatementRowFault {
    guard let fault = StatementRowFault(rawValue: name) else {
      let names = StatementRowFault.allCases.map(\.rawValue).joined(separator: ", ")
      throw Unreadable(description: "there is no fault \(name) of statements: \(names)")
    }
    return fault
  }

  /// The fault of the next row of a statement, if it has one. The script comes first.
  public mutating func statementFault(using random: inout some RandomNumberGenerator) -> StatementRowFault? {
    if !statementScript.isEmpty { return statementScript.removeFirst() }
    var rest = Int.random(in: 0..<1_000, using: &random)
    for fault in StatementRowFault.allCases {
      rest -= statementFaults[fault] ?? 0
      if rest < 0 { return fault }
    }
    return nil
  }

  /// As `change` reads it.
  public var json: [UInt8] {
    JSONWriter.object { json in
      json.add("delay_ms", [delay.lowerBound, delay.upperBound])
      json.add("approval", approval)
      json.add("idempotent", isIdempotent)
      json.add("forgets", forgets)
      json.add("faults") { json in
        for fault in BankFault.allCases { if let rate = faults[fault] { json.add(named: fault.rawValue, rate) } }
      }
      json.add("script", script.map(\.rawValue))
      json.add("statement_faults") { json in
        for fault in StatementRowFault.allCases {
          if let rate = statementFaults[fault] { json.add(named: fault.rawValue, rate) }
        }
      }
      json.add("statement_script", statementScript.map { $0.map { .name($0.rawValue) } ?? ScriptedName.none })
    }
  }

  private func check() throws(Unreadable) {
    if !(0...600_000).contains(delay.lowerBound) || delay.upperBound > 600_000 {
      throw Unreadable(description: "delay_ms is from 0 to 600000")
    }
    if !(0...100).contains(approval) { throw Unreadable(description: "approval is from 0 to 100") }
    if !(0...1_000).contains(forgets) { throw Unreadable(description: "forgets is from 0 to 1000") }
    if faults.values.contains(where: { !(0...1_000).contains($0) }) || faults.values.reduce(0, +) > 1_000 {
      throw Unreadable(description: "faults are from 0 to 1000 each and together")
    }
    if statementFaults.values.contains(where: { !(0...1_000).contains($0) })
      || statementFaults.values.reduce(0, +) > 1_000
    {
      throw Unreadable(description: "statement_faults are from 0 to 1000 each and together")
    }
    if statementScript.count > 1_000 { throw Unreadable(description: "statement_script has at most 1000 entries") }
    if script.count > 1_000 { throw Unreadable(description: "script has at most 1000 entries") }
  }
}

/// An entry of a script as JSON: a name, or null.
private enum ScriptedName: JSONRepresentable {
  case name(String)
  case none

  func appendJSON(to bytes: inout [UInt8]) {
    switch self {
    case .name(let name): name.appendJSON(to: &bytes)
    case .none: bytes += "null".utf8
    }
  }
}
