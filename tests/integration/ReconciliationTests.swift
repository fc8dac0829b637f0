import DirectDomain
import LedgerDomain
import LedgerStore
import Logger
import Metrics
import Money
import Postgres
import ProcessingDomain
import ProcessingStore
import Reconciliation
import Runtime
import Synchronization
import Testing
import Values

@testable import ProcessingOrders

@Suite("Reconciliation", .needsDatabase)
struct ReconciliationTests {
  typealias House = ProcessingStoreTests.House

  private struct Site {
    let house: House
    let rules: PaymentRules
    let statements: StatementStore

    static let rules = PaymentRules(bankTimeout: .zero, bankHorizon: .zero, hasReversals: false)
    static let beginning = Timestamp(microseconds: 0)
    /// The time of which statements list everything; payments are as if the bank had been asked a minute earlier.
    let end: Timestamp

    init(_ house: House, _ schema: String, _ rules: PaymentRules) throws {
      self.house = house
      self.rules = rules
      statements = StatementStore(ProcessingTables(schema: schema))
      end = try statements.now(on: house.connection)
    }

    static func id(_ number: UInt64) -> UniqueID { UniqueID(high: 50, low: number << 4) }

    /// Payments that the bank was asked for and that ended by these answers; without one they are open.
    func pay(_ answers: [UInt64: BankAnswer?]) throws {
      try ask(answers)
      try house.connection.script(
        """
        UPDATE attempt SET asked_at = asked_at - interval '1 minute';
        UPDATE payment SET since = since - interval '1 minute', asked_at = asked_at - interval '1 minute';
        """)
    }

    private func ask(_ answers: [UInt64: BankAnswer?]) throws {
      let ids = answers.keys.sorted()
      _ = try house.store.claim(ids.map { house.new($0) }, by: house.claim, on: house.connection)
      let asked = try house.store.apply(
        ids.map { StepRequest(Self.id($0), .ask(by: house.claim, after: nil)) }, by: house.claim, on: house.connection)
      guard case .done(let results) = asked else { throw ReconciliationTestFailure() }
      let told = zip(ids, results).compactMap { number, result -> StepRequest? in
        guard case .looked(let step) = result, let answer = answers[number] ?? nil else { return nil }
        return StepRequest(Self.id(number), .charged(answer, askedAt: step.at))
      }
      _ = try house.store.apply(told, by: nil, on: house.connection)
    }

    func reconcile(
      _ text: String, from start: Timestamp = beginning, to end: Timestamp? = nil, dryRun: Bool = false,
      force: Bool = false, name: String = "test.csv"
    ) throws -> ReconciliationReport {
      var options = Reconciliation.Options(name: name)
      options.isDryRun = dryRun
      options.acceptsForeign = force
      options.period = end.map { start...$0 }
      // A session of its own, as each command has.
      let connection = try TestDatabase.open(schema: house.schema)
      defer { connection.close() }
      var rest = [Array(text.utf8), []]
      return try Reconciliation(
        options, store: house.store, statements: statements, ledger: house.ledger, rules: rules
      ).run({ rest.removeFirst() }, on: connection, onProgress: { _ in })
    }

    func state(_ number: UInt64) throws -> PaymentState? {
      try house.store.find(Self.id(number), on: house.connection)?.payment.state
    }

    var ledgerSchema: String { String(house.ledgerTable.split(separator: ".")[0]) }

    func balance(_ kind: LedgerAccount.Kind) throws -> Int64? {
      let id = LedgerAccount.ours(kind, ProcessingStoreTests.euro).id
      return try house.ledger.balances(of: [id], on: house.connection)[id]?.posted
    }
  }

  private static func text(_ rows: [(number: UInt64, amount: String, status: String)]) -> String {
    "operation_id,amount,currency,status,time\n"
      + rows.map { "\(Site.id($0.number)),\($0.amount),EUR,\($0.status),2026-11-26T10:00:00Z\n" }.joined()
  }

  private func withSite(_ rules: PaymentRules = Site.rules, _ body: (Site) throws -> Void) throws {
    try House.with(rules: rules) { house, schema in try body(try Site(house, schema, rules)) }
  }

  @Test func `a statement that is compared again, whole or in part, changes nothing`() throws {
    try withSite { site in
      try site.pay([1: .approved, 2: .declined, 3: .unclear, 4: .unclear])
      let text = Self.text([(1, "1.00", "succeed"), (2, "1.00", "error"), (3, "1.00", "succeed")])
      let foreseen = try site.reconcile(text, to: site.end, dryRun: true)
      #expect(foreseen.counts.resolved == 2 && foreseen.counts.settled == 2 && foreseen.outcome == .agree)
      #expect(try site.state(3) == .unknown && site.balance(.clearing) == -100)
      let first = try site.reconcile(text, to: site.end)
      #expect(first.counts == foreseen.counts)
      #expect(try site.state(3) == .completed && site.state(4) == .error)
      #expect(try site.balance(.clearing) == 0 && site.balance(.world) == -200)
      #expect(try site.house.results(of: Site.id(3)).last == "COMPLETED")
      let again = try site.reconcile(text, to: site.end, name: "other.csv")
      #expect(again.isRepeated && again.counts == first.counts)
      // As after a run that broke off: the rest of it finds everything done.
      try site.house.connection.script("DELETE FROM statement")
      let rest = try site.reconcile(text, to: site.end)
      #expect(!rest.isRepeated && rest.counts.matched == 3 && rest.counts.settled == 0 && rest.counts.resolved == 0)
      #expect(try site.balance(.clearing) == 0)
    }
  }

  @Test func `a dry run names the exceptions that a real one opens`() throws {
    try withSite { site in
      try site.pay([1: .declined, 2: .approved, 3: .unclear])
      // The bank has undone the third; the others were claimed only.
      _ = try site.reconcile(Self.text([(3, "1.00", "reversed")]), name: "before.csv")
      _ = try site.house.store.claim(
        [4, 5].map { site.house.new($0) }, by: site.house.claim, on: site.house.connection)
      let text = Self.text([
        (1, "1.00", "succeed"), (2, "1.00", "reversed"), (3, "1.00", "succeed"), (4, "1.00", "succeed"),
        (5, "1.00", "error"),
      ])
      let foreseen = try site.reconcile(text, dryRun: true)
      let real = try site.reconcile(text)
      #expect(foreseen.findings == real.findings && foreseen.counts == real.counts)
      #expect(
        real.findings.map(\.kind) == [.chargedNotCompleted, .completedNotCharged, .chargeDoubtful, .chargeDoubtful])
      // What is doubtful is not settled: nothing here has gone through clearing for it.
      #expect(real.counts.settled == 1)
      let day = (from: Timestamp(microseconds: 0), to: Timestamp.now() + .seconds(60))
      let transfers = try ClearingReader(LedgerTables(schema: site.ledgerSchema)).oneSided(
        from: day.from, to: day.to, limit: 9, on: site.house.connection)
      #expect(transfers.filter(\.isSettlement).map(\.id) == [TransferID.of(Site.id(1), .settlement)])
      #expect(transfers.count { !$0.isSettlement } == 1 && transfers.allSatisfy { $0.amount.minorUnits == 100 })
    }
  }

  @Test func `what contradicts a statement is settled as the bank moved it, and told once`() throws {
    try withSite { site in
      try site.pay([1: .declined, 2: .approved, 3: .approved])
      let text = Self.text([
        (1, "1.00", "succeed"), (2, "1.00", "reversed"), (3, "2.00", "succeed"), (9, "1.00", "error"),
      ])
      let report = try site.reconcile(text, to: site.end)
      #expect(report.outcome == .disagree && report.counts.contradicted == 2 && report.counts.settled == 1)
      #expect(report.counts.amountDiffers == 1 && report.counts.missingHere == 1)
      // One charge of two is what the bank owes: the other one here is not there, the one there is not here.
      #expect(try site.balance(.world) == -100)
      let kinds = try site.house.connection.run(
        Command(Statement("SELECT kind FROM exception WHERE closed_at IS NULL ORDER BY payment_id, kind"))
      ).map { try $0.text(0) }
      #expect(kinds == ["charged_not_completed", "completed_not_charged", "amount_differs", "missing_here"])
      // A person closes one, and it is found once more.
      let store = ExceptionStore(ProcessingTables(schema: site.house.schema))
      let trails = PaymentTrails(ProcessingTables(schema: site.house.schema))
      let connection = site.house.connection
      #expect(
        try store.close(Site.id(9), kind: nil, by: "ann", note: "theirs", on: connection)
          == .closed(kind: "missing_here"))
      #expect(try store.close(Site.id(9), kind: nil, by: "ann", note: "theirs", on: connection) == .none)
      #expect(try trails.find(Site.id(9), on: connection).exceptions.map(\.closedBy) == ["ann"])
      _ = try site.reconcile(text)
      #expect(try trails.find(Site.id(9), on: connection).exceptions.map(\.closedAt) == [nil])
    }
  }

  @Test func `what is open without a statement's time stays open, and with reversals the bank refuses it first`() throws
  {
    try withSite(PaymentRules(bankTimeout: .zero, bankHorizon: .zero)) { site in
      try site.pay([1: .unclear, 2: nil, 3: .approved])
      let text = Self.text([])
      #expect(try site.reconcile(text).counts == ReconciledStatement.Counts())
      let report = try site.reconcile(text, to: site.end)
      #expect(report.counts.undecided == 1 && report.counts.missingThere == 1 && report.outcome == .disagree)
      #expect(try site.state(1) == .unknown && site.state(2) == .processing && site.state(3) == .completed)
      let stored = try site.house.store.find(Site.id(1), on: site.house.connection)
      guard case .reversing? = stored?.payment.stage else {
        Issue.record("\(String(describing: stored))")
        return
      }
    }
  }

  @Test func `what the bank need not show yet is missing in no statement`() throws {
    try withSite(PaymentRules(bankTimeout: .zero, bankHorizon: .seconds(600), hasReversals: false)) { site in
      // Asked for a minute before the end of the statement's time.
      try site.pay([1: .approved])
      #expect(try site.reconcile(Self.text([]), to: site.end, dryRun: true).counts.missingThere == 0)
      #expect(try site.reconcile(Self.text([]), to: site.end).counts.missingThere == 0)
      try site.house.connection.script(
        """
        UPDATE attempt SET asked_at = asked_at - interval '10 minutes';
        UPDATE payment SET since = since - interval '10 minutes', asked_at = asked_at - interval '10 minutes';
        DELETE FROM statement
        """)
      #expect(try site.reconcile(Self.text([]), to: site.end).counts.missingThere == 1)
    }
  }

  @Test func `a statement of a time that is not over is refused before it is read`() throws {
    try withSite { site in
      try site.pay([1: .unclear])
      let later = site.end + .seconds(86_400)
      do {
        _ = try site.reconcile("not a statement", to: later)
        Issue.record("it was compared")
      } catch Reconciliation.Failure.notOver(let now) {
        #expect(now >= site.end && now < later)
      }
      #expect(try site.state(1) == .unknown)
    }
  }

  @Test func `the wrong file is refused before anything is written, unless somebody insists`() throws {
    try withSite { site in
      try site.pay([1: .unclear])
      let foreign = (0..<1_001).map { (UInt64(1_000 + $0), "1.00", "error") }
      let text = Self.text([(1, "1.00", "succeed")] + foreign)
      #expect(throws: Reconciliation.Failure.foreign(missing: 1_001, of: 1_002)) { try site.reconcile(text) }
      #expect(try site.state(1) == .unknown)
      #expect(try site.house.connection.int("SELECT count(*) FROM exception") == 0)
      #expect(try site.reconcile(text, dryRun: true).counts.missingHere == 1_001)
      let report = try site.reconcile(text, force: true)
      #expect(report.counts.missingHere == 1_001 && report.counts.resolved == 1)
      #expect(try site.house.connection.int("SELECT count(*) FROM exception") == 1_001)
    }
  }

  @Test func `what a statement says about a payment that is being reversed is kept, once`() throws {
    try withSite(PaymentRules(bankTimeout: .zero, bankHorizon: .zero)) { site in
      try site.pay([1: .unclear])
      _ = try site.reconcile(Self.text([]), to: site.end, name: "first.csv")
      let text = Self.text([(1, "1.00", "succeed")])
      #expect(try site.reconcile(text, name: "second.csv").counts.undecided == 1)
      #expect(try site.reconcile(text, to: site.end, name: "second.csv").counts.undecided == 1)
      #expect(try site.state(1) == .unknown && site.balance(.world) == 0)
      let trail = try PaymentTrails(ProcessingTables(schema: site.house.schema)).find(
        Site.id(1), on: site.house.connection)
      let said = trail.attempts.filter { $0.call == "statement" }.map { "\($0.answer ?? ""), \($0.detail ?? "")" }
      #expect(
        said == [
          "no_such_payment, statement first.csv, complete to \(site.end)", "approved, statement second.csv, line 2",
        ])
    }
  }

  @Test func `the archive is looked through for what is not listed only when it can be there`() throws {
    try withSite { site in
      try site.pay([1: .approved])
      try site.house.connection.script(
        """
        CREATE TABLE archived PARTITION OF payment_archive DEFAULT;
        INSERT INTO payment_archive SELECT * FROM payment;
        DELETE FROM payment;
        """)
      // Nothing is there before it is two days old: this one stands for what need not be read.
      let day = Duration.seconds(86_400)
      #expect(try site.reconcile(Self.text([]), from: site.end + day * -1, to: site.end).counts.missingThere == 0)
      #expect(try site.reconcile(Self.text([]), from: site.end + day * -3, to: site.end).counts.missingThere == 1)
    }
  }

  @Test func `a transfer names its payment, whatever the payment's last bits are`() throws {
    try withSite { site in
      let id = UniqueID(high: 50, low: 0x2B)
      let new = NewPayment(
        id: id, method: .account, amount: Money(minorUnits: 100, ProcessingStoreTests.euro),
        debit: LedgerAccount.ours(.clearing, ProcessingStoreTests.euro).id, credit: site.house.users[1],
        userID: UniqueID(high: 7, low: 1), payeeID: UniqueID(high: 7, low: 2), source: "4711", orderID: nil,
        cardFingerprints: [], asks: false)
      _ = try site.house.store.claim([new], by: site.house.claim, on: site.house.connection)
      let payments = TransferPayments(ProcessingTables(schema: site.house.schema))
      let hold = TransferID.of(id, .payment)
      for transfer in [hold, TransferID.resolution(of: hold), TransferID.of(id, .suspense)] {
        #expect(try payments.find([transfer, UniqueID.random()], on: site.house.connection) == [transfer: id])
      }
    }
  }

  @Test func `whoever reads the log is told once of each further exception`() throws {
    try withSite { site in
      let lines = Mutex<[String]>([])
      let logger = Logger(label: "test") { line in
        lines.withLock { $0.append(String(decoding: line, as: UTF8.self)) }
      }
      let store = ExceptionStore(ProcessingTables(schema: site.house.schema))
      let watch = ExceptionWatch(
        SerialConnection(try TestDatabase.configuration(), logger: TestDatabase.quiet, stop: StopFlag()), store: store,
        logger: logger, metrics: MetricsRegistry())
      func told() -> [String] {
        watch.run()
        return lines.withLock { lines in
          defer { lines = [] }
          return lines.filter { $0.contains("waits for a person") }
        }
      }
      try #require(told().isEmpty)
      _ = try site.reconcile(Self.text([(8, "1.00", "succeed"), (9, "1.00", "succeed")]))
      let first = told()
      #expect(first.count == 1 && first[0].contains("missing_here") && first[0].contains("open=2"), "\(first)")
      #expect(told().isEmpty)
      _ = try store.close(Site.id(9), kind: nil, by: "ann", note: "theirs", on: site.house.connection)
      #expect(told().isEmpty)
    }
  }

  @Test func `that exceptions cannot be counted is told`() throws {
    let lines = Mutex<[String]>([])
    let logger = Logger(label: "test") { line in
      lines.withLock { $0.append(String(decoding: line, as: UTF8.self)) }
    }
    let watch = ExceptionWatch(
      SerialConnection(try TestDatabase.configuration(), logger: TestDatabase.quiet, stop: StopFlag()),
      store: ExceptionStore(ProcessingTables(schema: "nowhere")), logger: logger, metrics: MetricsRegistry())
    for _ in 1...2 { watch.run() }
    #expect(lines.withLock { $0.count { $0.contains("exceptions are not counted") && $0.contains("nowhere") } } == 1)
  }

  @Test func `a settlement whose id is taken by another transfer stops the comparison`() throws {
    try withSite { site in
      try site.pay([1: .approved])
      let id = TransferID.of(Site.id(1), .settlement)
      try site.house.connection.script(
        """
        INSERT INTO \(site.house.ledgerTable.replacing(".account", with: ".transfer")) (id, kind, debit, credit, amount, currency)
        VALUES ('\(id)', 1, '\(site.house.users[0])', '\(site.house.users[1])', 5, 'EUR')
        """)
      #expect(throws: DatabaseError.self) { try site.reconcile(Self.text([(1, "1.00", "succeed")])) }
      #expect(try site.balance(.world) == 0)
    }
  }
}

extension String {
  fileprivate func replacing(_ end: String, with other: String) -> String {
    hasSuffix(end) ? dropLast(end.count) + other : self
  }
}

private struct ReconciliationTestFailure: Error {}
