internal import Crypto
internal import DirectDomain
internal import LedgerDomain
public import LedgerStore
internal import Money
public import Postgres
public import ProcessingDomain
public import ProcessingStore
public import Values

/// Compares a bank's statement with the tables and writes what follows: UNKNOWN payments end, what the bank has moved
/// is settled against the world, and what does not agree becomes an exception.
///
/// Everything is written once, however often the comparison runs or breaks off: steps are decided under the lock of
/// their payment, settlements have ids that are made of their payments', an exception is a row a payment and kind. That
/// a statement was compared is kept at the end, and a repetition only says what was counted.
public struct Reconciliation {
  /// What to do.
  public struct Options: Sendable {
    /// The name that is kept, of 1 to 255 bytes.
    public var name: String
    /// The form of the statement; nil when its first byte is to tell.
    public var format: StatementReader.Format?
    /// The time in which it lists everything, as its reader says: never what its rows or other statements suggest, for
    /// payments end by it. Nil: nothing is missing in it.
    public var period: ClosedRange<Timestamp>?
    /// Whether it may list mostly what nobody here has asked for.
    public var acceptsForeign = false
    /// Whether nothing is to be changed.
    public var isDryRun = false
    /// The number of findings of each kind to show.
    public var limit = 10

    /// A comparison of all that is listed.
    public init(name: String) { self.name = name }
  }

  /// Why a statement is not compared.
  public enum Failure: Error, Sendable, Hashable {
    /// It cannot be read.
    case unreadable(StatementFault)
    /// Its time is not over, by the database's clock: nobody can list everything of it.
    case notOver(now: Timestamp)
    /// It lists so much that nobody here has asked for, as far as it was looked through, that it is somebody else's.
    case foreign(missing: Int, of: Int)
  }

  /// How far it is.
  public enum Progress: Sendable, Hashable {
    /// Bytes of the statement that were read.
    case read(bytes: Int64)
    /// Operations that were compared, of how many.
    case compared(Int, of: Int)
  }

  private let store: ProcessingStore
  private let statements: StatementStore
  private let ledger: LedgerStore
  private let rules: PaymentRules
  private let options: Options

  /// The most steps of one transaction.
  private static let batch = 256

  /// - Parameters:
  ///   - store: with an engine of the same rules.
  ///   - rules: those of the programs that execute payments.
  public init(
    _ options: Options, store: ProcessingStore, statements: StatementStore = StatementStore(),
    ledger: LedgerStore = LedgerStore(), rules: PaymentRules
  ) {
    self.options = options
    self.store = store
    self.statements = statements
    self.ledger = ledger
    self.rules = rules
  }

  /// Makes the comparison on the calling thread. Its memory does not grow with the statement.
  /// - Parameters:
  ///   - next: gives the next bytes of the statement; empty at its end.
  ///   - connection: of a session of its own, not through a pooler of transactions.
  ///   - onProgress: told now and then; what it throws ends the comparison, which can be run again.
  /// - Throws: `Failure`, `DatabaseError`, and what the closures throw.
  public func run(
    _ next: () throws -> [UInt8], on connection: Connection, onProgress: (Progress) throws -> Void
  ) throws -> ReconciliationReport {
    var report = ReconciliationReport(limit: options.limit)
    let now = try statements.now(on: connection)
    if let period = options.period, period.upperBound > now { throw Failure.notOver(now: now) }
    report.period = options.period
    try read(next, on: connection, &report, onProgress)
    if let counts = try statements.counts(of: report.digest, period: report.period, on: connection) {
      report.isRepeated = true
      report.counts = counts
      return report
    }
    let total = try statements.gather(on: connection)
    if !options.isDryRun, !options.acceptsForeign { try refuseForeign(total, on: connection, onProgress) }
    try compare(total, on: connection, &report, onProgress)
    if let period = report.period { try findUnlisted(in: period, at: now, on: connection, &report) }
    if !options.isDryRun {
      let statement = ReconciledStatement(
        digest: report.digest, name: options.name, period: report.period, counts: report.counts)
      try statements.insert(statement, on: connection)
    }
    return report
  }

  // MARK: - Reading

  private func read(
    _ next: () throws -> [UInt8], on connection: Connection, _ report: inout ReconciliationReport,
    _ onProgress: (Progress) throws -> Void
  ) throws {
    try statements.stage(on: connection)
    var digest = SHA256Stream()
    var reader = StatementReader(format: options.format)
    var rows: [StatementRow] = []
    var bytes: Int64 = 0
    func store(_ rows: [StatementRow]) throws(DatabaseError) {
      report.counts.rows += rows.count
      if !rows.isEmpty { try statements.add(rows, on: connection) }
    }
    do {
      while true {
        let piece = try next()
        if piece.isEmpty { break }
        digest.update(piece.span.bytes)
        bytes += Int64(piece.count)
        try reader.read(piece[...], into: &rows)
        while rows.count >= StatementStore.page {
          try store(Array(rows.prefix(StatementStore.page)))
          rows.removeFirst(StatementStore.page)
        }
        try onProgress(.read(bytes: bytes))
      }
      try reader.finish(into: &rows)
    } catch let fault as StatementFault {
      throw Failure.unreadable(fault)
    }
    // The end may have completed one row more.
    try store(rows)
    report.digest = digest.finish()
  }

  /// Ends the comparison of the wrong file before anything is written: each of its rows would be an exception. Ends
  /// early for the right one.
  private func refuseForeign(
    _ total: Int, on connection: Connection, _ onProgress: (Progress) throws -> Void
  ) throws {
    var last = UniqueID(high: 0, low: 0)
    var known = 0
    var missing = 0
    while StatementJudge.isForeign(missing: total - known, of: total) {
      guard let page = try statements.known(after: last, on: connection) else { return }
      last = page.end
      known += page.known
      missing += page.missing
      if StatementJudge.isForeign(missing: missing, of: total) { throw Failure.foreign(missing: missing, of: total) }
      try onProgress(.compared(0, of: total))
    }
  }

  // MARK: - What is listed

  private func compare(
    _ total: Int, on connection: Connection, _ report: inout ReconciliationReport,
    _ onProgress: (Progress) throws -> Void
  ) throws {
    var last = UniqueID(high: 0, low: 0)
    var done = 0
    while true {
      let page = try statements.operations(after: last, on: connection)
      guard let end = page.last?.operation.row.operationID else { return }
      last = end
      var work = PageWork()
      for (operation, payment) in page { work.judge(operation, payment) }
      try tell(&work, on: connection, &report)
      try write(work, on: connection, &report)
      done += page.count
      try onProgress(.compared(done, of: total))
    }
  }

  /// What a page of operations brings.
  private struct PageWork {
    var matched = 0
    var moved: [TransferRequest.Movement] = []
    var steps: [(operation: StatedOperation, payment: StatedPayment, answer: BankAnswer)] = []
    var findings: [(id: UniqueID, kind: PaymentException, detail: String)] = []

    mutating func judge(_ operation: StatedOperation, _ payment: StatedPayment?) {
      let id = operation.row.operationID
      if let detail = StatementJudge.duplicate(operation) { findings.append((id, .duplicateStated, detail)) }
      switch StatementJudge.verdict(operation, payment) {
      case .matched(let isMoved):
        matched += 1
        if isMoved, let payment { settle(id, payment) }
      case .tell(let answer): if let payment { steps.append((operation, payment, answer)) }
      case .found(let kind, let detail): findings.append((id, kind, detail))
      }
    }

    mutating func settle(_ id: UniqueID, _ payment: StatedPayment) {
      if let movement = StatementJudge.settlement(id, payment) { moved.append(movement) }
    }
  }

  /// Tells payments what the statement says of them.
  private func tell(
    _ work: inout PageWork, on connection: Connection, _ report: inout ReconciliationReport
  ) throws(DatabaseError) {
    for start in stride(from: 0, to: work.steps.count, by: Self.batch) {
      let steps = Array(work.steps[start..<min(start + Self.batch, work.steps.count)])
      if options.isDryRun {
        for step in steps { foresee(step.operation, step.payment, &work, &report) }
        continue
      }
      let requests = steps.map { step in
        StepRequest(
          step.operation.row.operationID, .stated(step.answer, covering: nil),
          answer: answer(step.answer, "line \(step.operation.row.line)"))
      }
      for (step, result) in zip(steps, try apply(requests, on: connection)) {
        note(result, step.operation, step.payment, &work, &report)
      }
    }
  }

  private func answer(_ answer: BankAnswer, _ place: String) -> AttemptAnswer {
    AttemptAnswer(askedAt: Timestamp(microseconds: 0), answer: answer, detail: "statement \(options.name), \(place)")
  }

  private func apply(
    _ requests: [StepRequest], on connection: Connection
  ) throws(DatabaseError) -> [StepResult?] {
    guard case .done(let results) = try store.apply(requests, by: nil, on: connection) else { return [] }
    return results.map { if case .looked(let step) = $0 { step } else { nil } }
  }

  /// What came of a step. A payment may have ended by itself meanwhile.
  private func note(
    _ result: StepResult?, _ operation: StatedOperation, _ payment: StatedPayment, _ work: inout PageWork,
    _ report: inout ReconciliationReport
  ) {
    let id = operation.row.operationID
    guard let result else {
      report.counts.undecided += 1
      return
    }
    if case .contradicted(let kind) = result.outcome {
      report.note(id, kind, "the bank lists it as \(operation.row.status.rawValue), it is \(payment.state.rawValue)")
      // Whatever it is here, the money has moved there. What is doubtful, because the statement may be older than the
      // reversal, goes through clearing on neither side.
      if operation.row.status == .succeed, kind != .chargeDoubtful { work.settle(id, payment) }
      return
    }
    let now = StatedPayment(
      method: payment.method, amount: payment.amount, state: result.stored.payment.state,
      isUncharged: payment.isUncharged, debit: payment.debit, credit: payment.credit)
    guard case .matched(let isMoved) = StatementJudge.verdict(operation, now) else {
      report.counts.undecided += 1
      return
    }
    if case .changed = result.outcome { report.counts.resolved += 1 } else { report.counts.matched += 1 }
    if isMoved { work.settle(id, payment) }
  }

  /// What a step would bring, as `PaymentEngine` decides. A reversal that was asked for may still decide otherwise.
  private func foresee(
    _ operation: StatedOperation, _ payment: StatedPayment, _ work: inout PageWork,
    _ report: inout ReconciliationReport
  ) {
    let isCharged = operation.row.status == .succeed
    let kind: PaymentException?
    switch (payment.state, payment.isUncharged) {
    case (.completed, _): kind = .completedNotCharged
    case (_, true) where isCharged: kind = .chargeDoubtful
    case (let state, _) where state.isFinal: kind = .chargedNotCompleted
    case (_, let isUncharged):
      if isUncharged { report.counts.undecided += 1 } else { report.counts.resolved += 1 }
      kind = nil
    }
    if isCharged, kind != .chargeDoubtful { work.settle(operation.row.operationID, payment) }
    guard let kind else { return }
    report.note(
      operation.row.operationID, kind,
      "the bank lists it as \(operation.row.status.rawValue), it is \(payment.state.rawValue)")
  }

  /// Writes settlements and exceptions in one transaction.
  private func write(
    _ work: PageWork, on connection: Connection, _ report: inout ReconciliationReport
  ) throws(DatabaseError) {
    report.counts.matched += work.matched
    for finding in work.findings { report.note(finding.id, finding.kind, finding.detail) }
    if options.isDryRun {
      report.counts.settled += work.moved.count - (try ledger.existing(work.moved.map(\.id), on: connection).count)
      return
    }
    if work.moved.isEmpty, work.findings.isEmpty { return }
    report.counts.settled += try connection.transaction { (connection) throws(DatabaseError) in
      try statements.open(work.findings, on: connection)
      guard !work.moved.isEmpty else { return 0 }
      try connection.run(ledger.open(Set(work.moved.map(\.amount.currency))))
      return try ledger.settle(work.moved, on: connection)
    }
  }

  // MARK: - What is not listed

  /// Payments that the bank was asked for so early in the statement's time that it must list them.
  private func findUnlisted(
    in period: ClosedRange<Timestamp>, at now: Timestamp, on connection: Connection,
    _ report: inout ReconciliationReport
  ) throws(DatabaseError) {
    // The archive is all of the past. Payments go there while this is compared, too: an hour of them.
    let inArchive = period.lowerBound < now + .seconds(3_600) + (.zero - ProcessingArchive.minimumAge)
    let end = period.upperBound + (.zero - rules.countsAfter)
    guard period.lowerBound <= end else { return }
    var last = UniqueID(high: 0, low: 0)
    while true {
      let page = try statements.unlisted(
        after: last, askedIn: period.lowerBound...end, inArchive: inArchive, on: connection)
      guard let highest = page.last?.id else { return }
      last = highest
      let asked = page.filter(\.wasAsked)
      let completed = asked.filter(\.isCompleted).map(\.id)
      let settled = try ledger.existing(completed.map { TransferID.of($0, .settlement) }, on: connection)
      // What an earlier statement has settled is missing in none.
      let missing = completed.filter { !settled.contains(TransferID.of($0, .settlement)) }
      let detail = "asked for by \(end), and not in the statement, which is complete to \(period.upperBound)"
      for id in missing { report.note(id, .missingThere, detail) }
      if !options.isDryRun { try statements.open(missing.map { ($0, .missingThere, detail) }, on: connection) }
      try endUnlisted(asked.filter { !$0.isCompleted }.map(\.id), period, on: connection, &report)
    }
  }

  /// UNKNOWN payments that are not listed were never charged.
  private func endUnlisted(
    _ ids: [UniqueID], _ period: ClosedRange<Timestamp>, on connection: Connection,
    _ report: inout ReconciliationReport
  ) throws(DatabaseError) {
    if options.isDryRun {
      report.counts.resolved += ids.count
      return
    }
    for start in stride(from: 0, to: ids.count, by: Self.batch) {
      let requests = ids[start..<min(start + Self.batch, ids.count)].map { id in
        StepRequest(
          id, .stated(.noSuchPayment, covering: period),
          answer: answer(.noSuchPayment, "complete to \(period.upperBound)"))
      }
      for result in try apply(requests, on: connection) {
        if let result, result.stored.payment.state.isFinal {
          report.counts.resolved += 1
        } else {
          report.counts.undecided += 1
        }
      }
    }
  }
}
