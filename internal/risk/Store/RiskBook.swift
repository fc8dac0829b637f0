internal import Money
public import Postgres
public import RiskDomain
internal import Values

/// Reads what risk decides over and writes what it has decided, as commands for the caller's transaction.
///
/// The transaction inserts the payments, runs `reads` for those that it has inserted, decides, and runs `writes` before
/// its COMMIT. So a payment is counted once, and of two at once the later one sees the other.
/// A value that any thread may use; make it once, since its statements are prepared on each connection.
public struct RiskBook: Sendable {
  /// How many payments a batch may have: each takes a lock for each subject that a rule limits, and the server's table
  /// of locks is shared by all sessions.
  public static let maximumPayments = 256

  private let ruleSet: RiskRuleSet
  private let failure: RiskFailure
  private let onFailure: @Sendable (DatabaseError) -> Void
  private let space: Int32
  private let lockKeys: Statement
  private let findUsage: Statement
  private let findListed: Statement
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
      FROM unnest($1::text[], $2::bytea[]) WITH ORDINALITY u(subject, key, place)
      LEFT JOIN LATERAL (
        SELECT h.buckets FROM \(tables.usage) h WHERE h.subject = u.subject AND h.key = u.key OFFSET 0) h ON true
      """)
    findListed = Statement(
      """
      SELECT u.place, l.list FROM unnest($1::text[], $2::bytea[]) WITH ORDINALITY u(subject, key, place)
      CROSS JOIN LATERAL (
        SELECT l.list FROM \(tables.listed) l WHERE l.subject = u.subject AND l.key = u.key OFFSET 0) l
      """)
    insertRuleSet = Statement(
      "INSERT INTO \(tables.ruleSet) (version, content) VALUES ($1, $2) ON CONFLICT DO NOTHING")
    insertDecisions = Statement(
      """
      INSERT INTO \(tables.decision) (payment_id, method, amount, currency, features, failed, score, verdict, reasons,
                                      rules)
      SELECT u.payment_id, u.method, u.amount, u.currency, u.features::jsonb, u.failed, u.score, u.verdict,
             string_to_array(u.reasons, ','), $10
      FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::smallint[],
                  $8::text[], $9::text[])
        AS u(payment_id, method, amount, currency, features, failed, score, verdict, reasons)
      """)
    saveUsage = Statement(
      """
      INSERT INTO \(tables.usage) AS h (subject, key, buckets, day)
      SELECT u.subject, u.key, u.buckets, (now() AT TIME ZONE 'UTC')::date
      FROM unnest($1::text[], $2::bytea[], $3::bytea[]) u(subject, key, buckets)
      ON CONFLICT (subject, key) DO UPDATE SET buckets = EXCLUDED.buckets, day = EXCLUDED.day
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
    return [
      Command(lockKeys, [.int32(space), .int32Array(RiskLocks.numbers(of: counted))]),
      Command(findUsage, Self.columns(counted)), Command(findListed, Self.columns(keys)),
    ]
  }

  /// Decides about payments by the answers to their `reads`, one after the other: a later one sees an earlier one.
  public func decide(_ payments: [RiskPayment], _ answers: some Collection<Rows>) throws(DatabaseError) -> RiskBatch {
    let answers = Array(answers)
    precondition(answers.count == Self.readCount, "the answers of reads")
    let (keys, counted) = keys(of: payments)
    var histories: [RiskKey: RiskHistory] = [:]
    var damaged: Set<RiskKey> = []
    var now = Timestamp(microseconds: 0)
    for row in answers[1] {
      let key = counted[try row.int(UsageColumn.place) - 1]
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
    var lists: [RiskKey: Set<RiskList>] = [:]
    for row in answers[2] {
      let name = try row.text(ListedColumn.list)
      guard let list = RiskList(rawValue: name) else { throw .content("a list is \(name)") }
      lists[keys[try row.int(ListedColumn.place) - 1], default: []].insert(list)
    }
    var batch = RiskBatch(
      rules: ruleSet.rules, failure: failure, histories: histories, damaged: damaged, lists: lists, now: now)
    for payment in payments { batch.decide(payment) }
    return batch
  }

  /// Whether an error of a run that begins with `reads`, or of `decide`, means that there are no features, and not that
  /// the transaction is to be tried again. Then it is rolled back and run again with `decideBlindly` instead of both.
  ///
  /// Waiting too long for a lock is no such error: whoever uses one card very often would get past the rules.
  public func isBlinded(by error: DatabaseError) -> Bool {
    let isBlinded =
      switch error.code {
      case .server: !error.isRetryable && error.commandIndex.map { $0 < Self.readCount } == true
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

  /// Writes what was decided and counted, and the rules by which it was.
  public func writes(_ batch: RiskBatch) -> [Command] {
    guard !batch.records.isEmpty else { return [] }
    var commands = [
      Command(insertRuleSet, [.text(ruleSet.version), .text(ruleSet.content)]),
      Command(insertDecisions, RiskRow.encode(batch.records) + [.text(ruleSet.version)]),
    ]
    let counted = Array(batch.counted)
    if !counted.isEmpty {
      commands.append(
        Command(saveUsage, Self.columns(counted) + [.bytesArray(counted.map { batch.history($0).packed })]))
    }
    return commands
  }

  // MARK: - Parts

  private enum UsageColumn: Int, AnswerColumn { case place, buckets, now }
  private enum ListedColumn: Int, AnswerColumn { case place, list }

  /// The keys of payments, each once and always in the same order: all, and those that are counted.
  private func keys(of payments: [RiskPayment]) -> (all: [RiskKey], counted: [RiskKey]) {
    var seen: Set<RiskKey> = []
    let all = payments.flatMap(\.allKeys).filter { seen.insert($0).inserted }
    let subjects = ruleSet.rules.countedSubjects
    return (all, all.filter { subjects.contains($0.subject) })
  }

  private static func columns(_ keys: [RiskKey]) -> [Parameter] {
    [.textArray(keys.map(\.subject.rawValue)), .bytesArray(keys.map(\.bytes))]
  }
}
