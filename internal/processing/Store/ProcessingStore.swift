internal import DirectDomain
internal import LedgerDomain
public import LedgerStore
public import Outbox
public import Postgres
public import ProcessingDomain
internal import RiskDomain
public import RiskStore
public import Tracing
public import Values

/// A step of a payment.
public struct StepRequest: Sendable, Hashable {
  /// The payment.
  public let paymentID: UniqueID
  /// What happens to it.
  public let step: PaymentStep
  /// What the bank answered, for the attempt's row; what a statement said gets a row of its own when it changes or
  /// contradicts the payment, and "asked at" says nothing then.
  public let answer: AttemptAnswer?
  /// Who asks for it, of a cancel: 1 to 255 bytes. Kept with the payment when it is cancelled.
  public let requester: String?

  /// A step.
  public init(
    _ paymentID: UniqueID, _ step: PaymentStep, answer: AttemptAnswer? = nil, requester: String? = nil
  ) {
    self.paymentID = paymentID
    self.step = step
    self.answer = answer
    self.requester = requester
  }
}

/// What the bank answered to an attempt, for people.
public struct AttemptAnswer: Sendable, Hashable {
  /// When the attempt's row was written.
  public let askedAt: Timestamp
  /// What was made of the answer.
  public let answer: BankAnswer
  /// The answer in words: status, code, what was wrong with it. Cut at 1,000 bytes; nothing of a card.
  public let detail: String
  /// The bank's token of the charge; 1 to 255 bytes.
  public let token: String?

  /// An answer.
  public init(askedAt: Timestamp, answer: BankAnswer, detail: String, token: String? = nil) {
    self.askedAt = askedAt
    self.answer = answer
    self.detail = ColumnText.clean(detail)
    self.token = token
  }
}

/// What became of a step.
public struct StepResult: Sendable, Hashable {
  /// The payment after the step.
  public let stored: StoredPayment
  /// What became of the step.
  public let outcome: StepOutcome
  /// When, by the database's clock: the "asked at" of a call that it brings.
  public let at: Timestamp
}

/// What a transaction has for a request.
public enum RequestResult: Sendable, Hashable {
  /// The step was looked at.
  case looked(StepResult)
  /// There is no such payment.
  case missing
  /// The payment's row cannot be read; the rest of the batch went on.
  case unreadable(String)
  /// Nothing was asked of it: a payment that was claimed before.
  case known(StoredPayment)
}

/// What a transaction on payments gives.
public enum ProcessingResult<Value: Sendable>: Sendable {
  /// It committed.
  case done(Value)
  /// The claimant's work has been taken over; nothing was done.
  case lostLease
}

/// The transactions on payments, each over a batch: payment, transfers, attempt, exception and event commit together or
/// not at all (D3, D5).
///
/// Order of locks, so that writers never wait for each other in a circle: the owner's row, shared; archived payments by
/// ascending id, which become live; payments by ascending id, inserts included; what risk counts by; accounts that may
/// be debited by ascending id. What comes after belongs to payments that are locked already, as do refunds that are
/// inserted: nobody waits for one without its payment's lock.
/// Each function uses the connection it is given and may run on any thread that owns it.
public struct ProcessingStore: Sendable {
  private let leases: OwnerLeases
  let ledger: LedgerStore
  private let risk: RiskBook
  let outbox: OutboxWriter
  let engine: PaymentEngine
  private let topic: String
  private let traces: TraceBook
  private let newID: @Sendable () -> UniqueID
  let statements: ProcessingStatements
  let refunds: RefundStatements
  let suspense: SuspenseStatements
  let stated: StatementStore
  private let archive: ArchiveStatements

  /// The `ce_source` of our events.
  public static let eventSource = "/paysaga/processing"

  /// - Parameters:
  ///   - outbox: of the schema in which the tables are.
  ///   - topic: where results go.
  ///   - traces: those of payments that this process is at; their results carry them on.
  ///   - newID: makes the identities of events.
  public init(
    _ tables: ProcessingTables = ProcessingTables(), ledger: LedgerStore, risk: RiskBook, outbox: OutboxWriter,
    engine: PaymentEngine, topic: String, traces: TraceBook = .off,
    newID: @escaping @Sendable () -> UniqueID = { UniqueID.random() }
  ) {
    leases = OwnerLeases(tables)
    statements = ProcessingStatements(tables)
    archive = ArchiveStatements(tables)
    refunds = RefundStatements(tables)
    suspense = SuspenseStatements(tables)
    stated = StatementStore(tables)
    self.ledger = ledger
    self.risk = risk
    self.outbox = outbox
    self.engine = engine
    self.topic = topic
    self.traces = traces
    self.newID = newID
  }

  // MARK: - Claims

  /// How many payments `claim` takes at once: each takes locks of its own, of which a server has not many.
  public static let maximumClaims = RiskBook.maximumPayments

  /// Claims payments, decides their risk, and carries out `ask` for those that are to be asked for and are allowed. One
  /// that is claimed or ended already, or archived, keeps its row, and is not counted again.
  /// - Parameter payments: at most `maximumClaims`.
  /// - Returns: of each payment, in order: `looked` when it was claimed now, else `known` or `unreadable`. Of a payment
  ///   for which the bank is to be asked now, `at` is "asked at", and its effects have the call.
  public func claim(
    _ payments: [NewPayment], by claim: Claim, begin: [Command] = [.begin], on connection: Connection
  ) throws(DatabaseError) -> ProcessingResult<[RequestResult]> {
    precondition(payments.count <= Self.maximumClaims, "at most \(Self.maximumClaims) payments are claimed at once")
    if let result = try self.claim(payments, by: claim, begin, isBlind: false, on: connection) { return result }
    // Nothing of the first transaction is left; this one does without features.
    return try self.claim(payments, by: claim, begin, isBlind: true, on: connection) ?? .done([])
  }

  /// - Returns: nil, with nothing done, when the features of risk cannot be had.
  private func claim(
    _ payments: [NewPayment], by claim: Claim, _ begin: [Command], isBlind: Bool, on connection: Connection
  ) throws(DatabaseError) -> ProcessingResult<[RequestResult]>? {
    let sorted = payments.sorted { $0.id < $1.id }
    return try connection.rollingBack { () throws(DatabaseError) in
      let check = begin + [leases.check(claim)]
      let ids = sorted.map(\.id)
      let answers = try connection.run(check + open(statements.insert(sorted, by: claim, traces), ids))
      guard answers[check.count - 1].count == 1 else { return try loseLease(connection) }
      var work = try opened(answers.suffix(from: check.count), ids, on: connection)
      // Of a payment that is there twice, the first counts.
      var open = work.opened
      let new = sorted.filter { open.remove($0.id) != nil }
      guard try assess(new, by: claim, isBlind: isBlind, &work, on: connection) else { return nil }
      var told: Set<UniqueID> = []
      return .done(
        payments.map { payment in told.insert(payment.id).inserted ? work.last(payment.id) : work.known(payment.id) })
    }
  }

  /// Decides the risk of payments that were inserted and goes on with those that may; the transaction is committed.
  /// - Returns: false, with nothing done, when the features of risk cannot be had.
  private func assess(
    _ payments: [NewPayment], by claim: Claim, isBlind: Bool, _ work: inout StepWork, on connection: Connection
  ) throws(DatabaseError) -> Bool {
    guard !payments.isEmpty else {
      try connection.run(.commit)
      return true
    }
    let risks = payments.map(\.risk)
    let looks = isBlind ? [] : risk.reads(risks)
    let decided: RiskBatch
    var batch: LedgerBatch
    do throws(DatabaseError) {
      let answers = try connection.run(looks + reads(payments.compactMap { work.stored[$0.id]?.payment }))
      decided = try isBlind ? risk.decideBlindly(risks) : risk.decide(risks, answers.prefix(looks.count))
      batch = try ledger.batch(answers.dropFirst(looks.count))
    } catch  where !isBlind && risk.isBlinded(by: error) {
      try connection.run(.rollback)
      return false
    }
    let decisions = Dictionary(uniqueKeysWithValues: decided.records.map { ($0.paymentID, $0.decision) })
    for payment in payments {
      guard let decision = decisions[payment.id] else { continue }
      work.apply(StepRequest(payment.id, .assess(decision.verdict, by: claim)), engine: engine, ledger: &batch)
      guard payment.asks, work.stored[payment.id]?.payment.stage == .ready else { continue }
      work.apply(StepRequest(payment.id, .ask(by: claim, after: nil)), engine: engine, ledger: &batch)
    }
    let hasRules = risk.rulesAreDue
    try connection.run(risk.writes(decided, rules: hasRules) + writes(work, batch) + [.commit])
    if hasRules { risk.rulesCommitted() }
    return true
  }

  /// Ends payments that nobody has claimed. One that is claimed or ended already, or archived, stays as it is.
  /// - Returns: of each payment, in order: `known` with the payment as it is now, or `unreadable`.
  public func end(
    _ payments: [UnclaimedPayment], on connection: Connection
  ) throws(DatabaseError) -> [RequestResult] {
    let sorted = payments.sorted { $0.payment.id < $1.payment.id }
    return try connection.rollingBack { () throws(DatabaseError) in
      let ids = sorted.map(\.payment.id)
      let answers = try connection.run([.begin] + open(statements.insert(sorted, traces), ids))
      let work = try opened(answers.dropFirst(), ids, on: connection)
      let events = work.published.map(event)
      try connection.run((events.isEmpty ? [] : [outbox.insert(events)]) + [.commit])
      return payments.map { work.known($0.payment.id) }
    }
  }

  // MARK: - Steps

  /// Carries out steps; those of one payment one after the other.
  /// - Parameters:
  ///   - claim: whose lease has to hold; nil where it does not matter who tells, as for an answer of the bank.
  ///   - begin: what begins the transaction.
  /// - Returns: a result for each step, in order.
  public func apply(
    _ requests: [StepRequest], by claim: Claim?, begin: [Command] = [.begin], on connection: Connection
  ) throws(DatabaseError) -> ProcessingResult<[RequestResult]> {
    let suspects = risk.countsFailures ? Set(requests.filter(\.step.mayDecline).map(\.paymentID)) : []
    if let result = try apply(requests, by: claim, begin, suspects, on: connection) { return result }
    // Nothing of the first transaction is left; what the bank has said is not lost because it cannot be counted.
    return try apply(requests, by: claim, begin, [], on: connection) ?? .done([])
  }

  /// - Parameter suspects: the payments that may fail, which is counted.
  /// - Returns: nil, with nothing done, when failures cannot be counted.
  private func apply(
    _ requests: [StepRequest], by claim: Claim?, _ begin: [Command], _ suspects: Set<UniqueID>,
    on connection: Connection
  ) throws(DatabaseError) -> ProcessingResult<[RequestResult]>? {
    try connection.rollingBack { () throws(DatabaseError) -> ProcessingResult<[RequestResult]>? in
      guard let rows = try lock(Set(requests.map(\.paymentID)), by: claim, begin, on: connection) else {
        return try loseLease(connection)
      }
      var work = try StepWork(rows)
      guard try carryOut(requests, suspects, &work, on: connection) else { return nil }
      var next: [UniqueID: Int] = [:]
      return .done(
        requests.map { request in
          defer { next[request.paymentID, default: 0] += 1 }
          return work.result(request.paymentID, next[request.paymentID, default: 0])
        })
    }
  }

  /// Payments about which something has to be done by now, by what that is, oldest first.
  /// - Parameter limit: the most of each.
  public func due(
    limit: Int, on connection: Connection
  ) throws(DatabaseError) -> [ProcessedPayment.Chore: [UniqueID]] {
    let chores = ProcessedPayment.Chore.allCases
    var due: [ProcessedPayment.Chore: [UniqueID]] = [:]
    for (chore, rows) in zip(chores, try connection.run(chores.map { statements.due($0, limit: limit) })) {
      due[chore] = try rows.map { (row) throws(DatabaseError) in try row.uuid(0) }
    }
    return due
  }

  /// Looks at due payments again in a minute, unless somebody else has seen to them.
  public func postpone(_ ids: Set<UniqueID>, on connection: Connection) throws(DatabaseError) {
    try connection.run(statements.postpone(ids))
  }

  /// How much is open. Reads all of it.
  public func openCounts(on connection: Connection) throws(DatabaseError) -> OpenCounts {
    try OpenCounts(connection.run(statements.counts).only)
  }

  /// One payment, once a synchronous standby has it.
  public func find(_ id: UniqueID, on connection: Connection) throws(DatabaseError) -> StoredPayment? {
    // Live, then in the archive, and once more live: a step may have brought it back meanwhile.
    for find in [statements.find(id), archive.find([id]), archive.findRefunds([id]), statements.find(id)] {
      if let row = try connection.run([find, ReplicationBarrier.command])[0].first {
        return try PaymentRow.decode(row)
      }
    }
    return nil
  }

  // MARK: - The archive

  /// Inserts payments and locks those that were there; then looks for the inserted ones in the archive.
  ///
  /// That comes last. An INSERT that meets the row of a payment which is just being archived waits, then finds it gone
  /// and inserts it anew; by then the archive has it, which only a later statement sees. Nobody must execute it again.
  private func open(_ insert: Command, _ ids: [UniqueID]) -> [Command] {
    [insert, statements.lock(ids), archive.find(ids), archive.floorID]
  }

  /// - Parameter answers: those to `open`.
  private func opened(
    _ answers: ArraySlice<Rows>, _ ids: [UniqueID], on connection: Connection
  ) throws(DatabaseError) -> StepWork {
    let first = answers.startIndex
    var opened = Set(try answers[first].map { (row) throws(DatabaseError) in try row.uuid(0) })
    let live = Set(try answers[first + 1].map { (row) throws(DatabaseError) in try PaymentRow.id(row) })
    let others = ids.filter { opened.contains($0) || !live.contains($0) }
    let archived = try Archived(others, answers[first + 2], floor: answers[first + 3])
    let wrong = opened.filter(archived.contains)
    if !wrong.isEmpty {
      try connection.run(statements.delete(wrong.sorted()))
      opened.subtract(wrong)
    }
    try remember(answers[first + 1])
    return try StepWork(answers[first + 1], opened: opened, archived: archived)
  }

  /// Begins a transaction and locks payments and refunds. Archived ones become live: so a step has the same locks, and
  /// whatever it brings belongs to a live payment. Once nothing is left to do, they are archived anew.
  ///
  /// What is only in the archive is found when the live ones are locked. Locking more then could wait in a circle with
  /// who has locked the same by ascending id, so that the transaction begins anew.
  /// - Returns: the rows of those that there are; nil when the claim is not in force.
  func lock(
    _ wanted: Set<UniqueID>, by claim: Claim?, _ begin: [Command] = [.begin], on connection: Connection
  ) throws(DatabaseError) -> Rows? {
    let ids = wanted.sorted()
    let start = begin + (claim.map { [leases.check($0)] } ?? [])
    var archived: [UniqueID] = []
    while true {
      let first = try connection.run(start + [archived.isEmpty ? statements.lock(ids) : archive.lock(archived)])
      if claim != nil, first[begin.count].count == 0 { return nil }
      var rows = first[start.count]
      if !archived.isEmpty {
        let found = try rows.map { (row) throws(DatabaseError) in try row.uuid(0) }
        let restore = found.isEmpty ? [] : [archive.restore(found)]
        rows = try connection.run(restore + [statements.lock(ids)])[restore.count]
      }
      try remember(rows)
      let live = Set(try rows.map { (row) throws(DatabaseError) in try PaymentRow.id(row) })
      let missing = ids.filter { !live.contains($0) }
      guard !missing.isEmpty else { return rows }
      let left = try connection.run(archive.findAnywhere(missing)).map { (row) throws(DatabaseError) in try row.uuid(0)
      }
      guard !left.isEmpty else { return rows }
      archived = Set(archived + left).sorted()
      try connection.run(.rollback)
    }
  }

  /// Learns which traces payments belong to that another process has begun, or an earlier run of this one.
  private func remember(_ rows: Rows) throws(DatabaseError) {
    guard traces.tracer.isOn else { return }
    for row in rows { if let (id, trace) = try PaymentRow.trace(row) { traces.note(id, trace) } }
  }

  // MARK: - Parts

  /// Decides the steps and writes what changed; the transaction is committed.
  /// - Returns: false, with nothing done, when failures cannot be counted.
  private func carryOut(
    _ requests: [StepRequest], _ suspects: Set<UniqueID>, _ work: inout StepWork, on connection: Connection
  ) throws(DatabaseError) -> Bool {
    let payments = requests.compactMap { work.stored[$0.paymentID]?.payment }
    var last: [Command] = []
    if !payments.isEmpty {
      var failures: FailureCount?
      do throws(DatabaseError) {
        failures = try FailureCount(suspects, work, risk, on: connection)
        let looks = failures?.reads ?? []
        let answers = try connection.run(looks + reads(payments))
        var batch = try ledger.batch(answers.dropFirst(looks.count))
        for request in requests { work.apply(request, engine: engine, ledger: &batch) }
        last = try (failures?.writes(work, answers.prefix(looks.count)) ?? []) + writes(work, batch)
      } catch  where !suspects.isEmpty && risk.isBlinded(by: error, commands: RiskBook.failureReadCount) {
        try connection.run(.rollback)
        return false
      }
    }
    // What a pass over due payments leaves as it was must not be first in the next one. A review that was approved at
    // the end of its time is not that: it is due at the bank by now.
    let idle = requests.filter { request in
      switch request.step {
      case .fallDue:
        !work.isChanged(request.paymentID) && work.stored[request.paymentID]?.payment.chore != .charge
      case .ask: !work.isChanged(request.paymentID)
      default: false
      }
    }
    if !idle.isEmpty { last.append(statements.postpone(Set(idle.map(\.paymentID)))) }
    // Also when nothing was written: the locks have given the transaction an id, and its COMMIT waits for a standby to
    // have what was read.
    try connection.run(last + [.commit])
    return true
  }

  /// Reads what steps of these payments are decided over: accounts, holds and their resolutions, whatever the steps.
  private func reads(_ payments: [ProcessedPayment]) -> [Command] {
    let transfers = Set(payments.map(\.id)).map { TransferRequest.void(hold: TransferID.of($0, .payment)) }
    return ledger.reads(
      debits: Set(payments.map(\.debit)), credits: Set(payments.map(\.credit)), requests: transfers)
  }

  /// Writes what the steps have decided.
  private func writes(_ work: StepWork, _ batch: LedgerBatch) -> [Command] {
    let events = work.published.map(event)
    return ledger.writes(batch) + statements.writes(work) + (events.isEmpty ? [] : [outbox.insert(events)])
  }

  func event(_ result: PaymentResult) -> NewEvent {
    NewEvent(
      eventID: newID(), key: result.paymentID.description, sequence: result.version - 1, topic: topic,
      payload: result.payload(), type: result.type, source: Self.eventSource,
      traceparent: traces.trace(of: result.refundOf ?? result.paymentID)?.traceparent)
  }

  private func loseLease<Value>(_ connection: Connection) throws(DatabaseError) -> ProcessingResult<Value> {
    try connection.run(.rollback)
    return .lostLease
  }
}
