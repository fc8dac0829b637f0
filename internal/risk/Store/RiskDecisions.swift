public import Postgres
public import RiskDomain
public import Values

/// What was decided, for people and for replay. The functions only read.
///
/// A value that any thread may use.
public struct RiskDecisions: Sendable {
  /// How many rows are read at once.
  private static let page = 1_000
  /// Reading a table as a whole.
  private static let timeout = Duration.seconds(600)

  private let newest: Statement
  private let newestHeld: Statement
  private let some: Statement
  private let next: Statement
  private let count: Statement
  private let findRules: Statement

  /// The decisions in these tables.
  public init(_ tables: RiskTables = RiskTables()) {
    let select = "SELECT \(RiskRow.columns) FROM \(tables.decision)"
    newest = Statement(
      "\(select) WHERE ($1::text IS NULL OR verdict = $1) ORDER BY payment_id DESC LIMIT $2", isReadOnly: true)
    // By the index of the few that were not allowed.
    newestHeld = Statement(
      "\(select) WHERE verdict = $1 AND verdict <> 'allow' ORDER BY payment_id DESC LIMIT $2", isReadOnly: true)
    some = Statement("\(select) WHERE payment_id = ANY ($1)", isReadOnly: true)
    next = Statement("\(select) WHERE payment_id > $1 ORDER BY payment_id LIMIT $2", isReadOnly: true)
    count = Statement("SELECT count(*) FROM \(tables.decision)", isReadOnly: true)
    findRules = Statement("SELECT content FROM \(tables.ruleSet) WHERE version = $1", isReadOnly: true)
  }

  // MARK: - Looking

  /// A row: a decision, or why it cannot be read.
  public enum Entry: Sendable, Hashable {
    case decision(StoredDecision)
    case unreadable(UniqueID, String)
  }

  /// The newest decisions, by the payments' ids.
  public func newest(
    _ verdict: RiskVerdict?, limit: Int, on connection: Connection
  ) throws(DatabaseError) -> [Entry] {
    let statement = verdict == nil || verdict == .allow ? newest : newestHeld
    return try entries(Command(statement, [.textOrNull(verdict?.rawValue), .int64(Int64(limit))]), connection)
  }

  /// The decision about a payment; nil when there is none.
  public func find(_ paymentID: UniqueID, on connection: Connection) throws(DatabaseError) -> Entry? {
    try find([paymentID], on: connection).first
  }

  /// The decisions about payments, in any order.
  public func find(_ paymentIDs: [UniqueID], on connection: Connection) throws(DatabaseError) -> [Entry] {
    try entries(Command(some, [.uuidArray(paymentIDs)]), connection)
  }

  private func entries(_ command: Command, _ connection: Connection) throws(DatabaseError) -> [Entry] {
    try connection.run(command).map { (row) throws(DatabaseError) in
      do throws(DatabaseError) {
        return .decision(try RiskRow.decode(row))
      } catch  where error.code == .content {
        return .unreadable(try RiskRow.id(row), error.message)
      }
    }
  }

  /// The rules by which a payment was decided; nil when there is no decision, or its rules cannot be read.
  public func rules(of paymentID: UniqueID, on connection: Connection) throws(DatabaseError) -> RiskRules? {
    guard case .decision(let stored)? = try find(paymentID, on: connection) else { return nil }
    var known: [String: RiskRules] = [:]
    return try rules(stored.rules, &known, connection)
  }

  // MARK: - Replay

  /// What replay finds about a decision that it cannot confirm.
  public enum Finding: Sendable, Hashable {
    /// The rules come to another score, other reasons or another verdict.
    case differs(StoredDecision, RiskDecision)
    /// The row, or its rules, cannot be read.
    case unreadable(UniqueID, String)
  }

  /// How many decisions there are. Reads all of an index.
  public func count(on connection: Connection) throws(DatabaseError) -> Int {
    try connection.run(Command(count), timeout: Self.timeout).only.int(0)
  }

  /// Decides once more about every payment, by what was stored and by the rules of then, page by page.
  /// - Parameter each: called for each page with how many decisions it had and what was found; ends the replay by
  ///   `false`.
  /// - Throws: what the database says; nothing else ends the replay.
  public func replay(on connection: Connection, _ each: (Int, [Finding]) -> Bool) throws(DatabaseError) {
    var known: [String: RiskRules] = [:]
    var last = UniqueID(high: 0, low: 0)
    while true {
      let entries = try entries(Command(next, [.uuid(last), .int64(Int64(Self.page))]), connection)
      var findings: [Finding] = []
      for entry in entries {
        switch entry {
        case .unreadable(let id, let fault):
          last = id
          findings.append(.unreadable(id, fault))
        case .decision(let stored):
          last = stored.record.paymentID
          let rules = try rules(stored.rules, &known, connection)
          if let finding = Self.finding(stored, rules) { findings.append(finding) }
        }
      }
      guard each(entries.count, findings), entries.count == Self.page else { return }
    }
  }

  private static func finding(_ stored: StoredDecision, _ rules: RiskRules?) -> Finding? {
    guard let rules else {
      return .unreadable(stored.record.paymentID, "rule set \(stored.rules) is missing, or was changed")
    }
    return stored.record.replay(rules).map { .differs(stored, $0) }
  }

  private func rules(
    _ version: String, _ known: inout [String: RiskRules], _ connection: Connection
  ) throws(DatabaseError) -> RiskRules? {
    if let rules = known[version] { return rules }
    guard let row = try connection.run(Command(findRules, [.text(version)])).first else { return nil }
    let content = try row.text(0)
    known[version] = try? RiskRuleSet(version: version, content: content).rules
    return known[version]
  }
}
