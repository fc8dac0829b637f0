internal import Money
public import Postgres
public import RiskDomain
internal import Values

/// Reads what risk decides over and writes what it has decided, as commands for the caller's transaction.
///
/// The transaction inserts the payments, runs `reads` for those that it has inserted, decides, and runs `writes` before
/// its COMMIT. So a payment is counted once, and of two at once the later one sees the other. A transaction that ends
/// payments counts those that have failed in the same way: `RiskBook+Failures`.
/// A value that any thread may use; make it once, since its statements are prepared on each connection.
public struct RiskBook: Sendable {
  /// How many payments a batch may have: each takes a lock for each subject that a rule limits, and the server's table
  /// of locks is shared by all sessions.
  public static let maximumPayments = 256

  let ruleSet: RiskRuleSet
  private let counted: Set<RiskSubject>
  private let failure: RiskFailure
  private let onFailure: @Sendable (DatabaseError) -> Void
  private let written = RulesMark()
  private let space: Int32
  private let lockKeys: Statement
  private let findUsage: Statement
  private let findListed: Statement
  let findCardsStatement: Statement
  private let insertRuleSet: Statement
  private let insertDecisions: Statement
  private let saveUsage: Statement

  /// - Parameters:
  ///   - failure: what becomes of payments whose features cannot be had.
  ///   - onFailure: called each time when features cannot be had; it must not block.
  public init(
    _ tables: RiskTables = RiskTables(), rules: RiskRules = .standard, failure: RiskFailure = .open,
    onFailure: @escaping @Sendable (DatabaseError) -> Void = { _ in }
  ) {
    ruleSet = RiskRuleSet(rules)
    counted = rules.countedSubjects
    self.failure = failure
    self.onFailure = onFailure
    space = RiskLocks.space(of: tables.usage)
    // Ascending: whoever locks in this order waits for nobody in a circle.
    lockKeys = Statement(
      """
      SELECT pg_advisory_xact_lock($1, o.number)
      FROM (SELECT u.number FROM unnest($2::integer[]) u(number) ORDER BY 1) o
      """)
    // OFFSET 0 keeps the planner from a join that reads the table.
    findUsage = Statement(
      """
      SELECT u.place, h.buckets, clock_timestamp() AS now
      FROM unnest($1::uuid[]) WITH ORDINALITY u(id, place)
      LEFT JOIN LATERAL (SELECT h.buckets FROM \(tables.usage) h WHERE h.id = u.id OFFSET 0) h ON true
      """)
    findListed = Statement(
      """
      SELECT u.place, l.list FROM unnest($1::text[], $2::bytea[]) WITH ORDINALITY u(subject, key, place)
      CROSS JOIN LATERAL (
        SELECT l.list FROM \(tables.listed) l WHERE l.subject = u.subject AND l.key = u.key OFFSET 0) l
      """)
    findCardsStatement = Statement(
      "SELECT d.payment_id, d.card FROM \(tables.decision) d WHERE d.payment_id = ANY ($1)")
    insertRuleSet = Statement(
      "INSERT INTO \(tables.ruleSet) (version, content) VALUES ($1, $2) ON CONFLICT DO NOTHING")
    insertDecisions = Statement(
      """
      INSERT INTO \(tables.decision) (payment_id, method, amount, currency, card, features, failed, score, verdict,
                                      reasons, rules)
      SELECT u.payment_id, u.method, u.amount, u.currency, u.card, u.features::jsonb, u.failed, u.score, u.verdict,
             string_to_array(u.reasons, ','), $11
      FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::text[], $5::bytea[], $6::text[], $7::text[],
                  $8::smallint[], $9::text[], $10::text[])
        AS u(payment_id, method, amount, currency, card, features, failed, score, verdict, reasons)
      """)
    saveUsage = Statement(
      """
      INSERT INTO \(tables.usage) AS h (id, buckets, until)
      SELECT u.id, u.buckets, (now() AT TIME ZONE 'UTC')::date + u.days
      FROM unnest($1::uuid[], $2::bytea[], $3::integer[]) u(id, buckets, days)
      ON CONFLICT (id) DO UPDATE SET buckets = EXCLUDED.buckets, until = EXCLUDED.until
      """)
  }

  // MARK: - A batch

  /// How many answers `reads` gives.
  public static let readCount = 3

  /// Locks what the payments are counted by, then reads their features.
  public func reads(_ payments: [RiskPayment]) -> [Command] {
    precondition(payments.count <= Self.maximumPayments, "a batch has at most \(Self.maximumPayments) payments")
    let (keys, counted) = keys(of: payments)
    // A statement of its own after the locks, so that it sees what their last holders committed.
    return countReads(counted) + [
      Command(findListed, [.textArray(keys.map(\.subject.rawValue)), .bytesArray(keys.map(\.bytes))])
    ]
  }

  /// Locks keys, then reads what they have counted.
  func countReads(_ keys: [RiskKey]) -> [Command] {
    [
      Command(lockKeys, [.int32(space), .int32Array(RiskLocks.numbers(of: keys))]),
      Command(findUsage, [.uuidArray(keys.map(\.id))]),
    ]
  }

  /// Decides about payments by the answers to their `reads`, one after the other: a later one sees an earlier one.
  public func decide(_ payments: [RiskPayment], _ answers: some Collection<Rows>) throws(DatabaseError) -> RiskBatch {
    let answers = Array(answers)
    precondition(answers.count == Self.readCount, "the answers of reads")
    let (keys, counted) = keys(of: payments)
    var lists: [RiskKey: Set<RiskList>] = [:]
    for row in answers[2] {
      let name = try row.text(ListedColumn.list)
      guard let list = RiskList(rawValue: name) else { throw .content("a list is \(name)") }
      lists[keys[try row.int(ListedColumn.place) - 1], default: []].insert(list)
    }
    var batch = try batch(counted, answers[1], lists)
    for payment in payments { batch.decide(payment) }
    return batch
  }

  /// The batch over what keys have counted.
  func batch(
    _ keys: [RiskKey], _ answer: Rows, _ lists: [RiskKey: Set<RiskList>] = [:]
  ) throws(DatabaseError) -> RiskBatch {
    var histories: [RiskKey: RiskHistory] = [:]
    histories.reserveCapacity(keys.count)
    var damaged: Set<RiskKey> = []
    var now = Timestamp(microseconds: 0)
    for row in answer {
      let key = keys[try row.int(UsageColumn.place) - 1]
      now = max(now, try row.timestamp(UsageColumn.now))
      if row.isNull(UsageColumn.buckets) {
        histories[key] = RiskHistory()
      } else if let history = RiskHistory(packed: try row.bytes(UsageColumn.buckets)) {
        histories[key] = history
      } else {
        onFailure(.content("what a \(key.subject.rawValue) has counted cannot be read; it begins anew"))
        damaged.insert(key)
      }
    }
    return RiskBatch(
      rules: ruleSet.rules, failure: failure, histories: histories, damaged: damaged, lists: lists, now: now)
  }

  /// Whether an error of a run that begins with `reads`, or of `decide`, means that there are no features, and not that
  /// the transaction is to be tried again. Then it is rolled back and run again with `decideBlindly` instead of both.
  ///
  /// Waiting too long for a lock is no such error: whoever uses one card very often would get past the rules.
  /// - Parameter commands: how many commands of the run were risk's.
  public func isBlinded(by error: DatabaseError, commands: Int = RiskBook.readCount) -> Bool {
    let isBlinded =
      switch error.code {
      case .server: !error.isRetryable && error.commandIndex.map { $0 < commands } == true
      case .content, .schema: error.commandIndex == nil
      default: false
      }
    if isBlinded { onFailure(error) }
    return isBlinded
  }

  /// Decides about payments of which no feature can be had.
  public func decideBlindly(_ payments: [RiskPayment]) -> RiskBatch {
    var batch = RiskBatch(rules: ruleSet.rules, failingAs: failure)
    for payment in payments { batch.decide(payment) }
    return batch
  }

  /// Writes what was decided and counted.
  /// - Parameter rules: whether to write the rules by which it was, too; see `rulesAreDue`.
  public func writes(_ batch: RiskBatch, rules: Bool = true) -> [Command] {
    guard !batch.records.isEmpty else { return [] }
    var commands = [Command(insertDecisions, RiskRow.encode(batch.records) + [.text(ruleSet.version)])]
    if rules {
      commands.append(Command(insertRuleSet, [.text(ruleSet.version), .text(ruleSet.content)]))
    }
    return commands + saveCounts(batch)
  }

  /// Whether the rules are not known to be in their table. Once a minute they are written again: a restored database
  /// may not have them.
  public var rulesAreDue: Bool { written.isOlder(than: .seconds(60)) }

  /// Told that a transaction which wrote the rules has committed.
  public func rulesCommitted() { written.set() }

  /// Writes what was counted.
  func saveCounts(_ batch: RiskBatch) -> [Command] {
    guard !batch.counted.isEmpty else { return [] }
    let counted = batch.counted.map { ($0.id, batch.history($0)) }
    return [
      Command(
        saveUsage,
        [
          .uuidArray(counted.map(\.0)), .bytesArray(counted.map(\.1.packed)),
          .int32Array(counted.map { $0.1.isRemembered ? RiskCare.memory : RiskCare.days }),
        ])
    ]
  }

  // MARK: - Parts

  private enum UsageColumn: Int, AnswerColumn { case place, buckets, now }
  private enum ListedColumn: Int, AnswerColumn { case place, list }

  /// The keys of payments, each once and always in the same order: all, and those that are counted.
  private func keys(of payments: [RiskPayment]) -> (all: [RiskKey], counted: [RiskKey]) {
    let all = Self.once(payments.flatMap(\.allKeys))
    return (all, all.filter { counted.contains($0.subject) })
  }

  /// Each key once, in their order.
  static func once(_ keys: [RiskKey]) -> [RiskKey] {
    var seen = Set<RiskKey>(minimumCapacity: keys.count)
    return keys.filter { seen.insert($0).inserted }
  }
}
