import DirectDomain
import GatewaySchema
import GatewayStore
import LedgerDomain
import LedgerStore
import Migrator
import Money
import Outbox
import Postgres
import ProcessingAudit
import ProcessingDomain
import ProcessingStore
import Runtime
import Testing
import Values

@testable import Archive

@Suite("Audit of direct payments", .needsDatabase)
struct DirectAuditTests {
  typealias House = ProcessingStoreTests.House

  /// Schemas with payments in every state, which agree.
  private struct Site {
    let house: House
    let processing: String
    let ledger: String
    let gateway: String
    let connection: Connection

    /// The payments by number.
    static let completed = UniqueID(high: 50, low: 1 << 4)
    static let rejected = UniqueID(high: 50, low: 2 << 4)
    static let unknown = UniqueID(high: 50, low: 3 << 4)
    static let asked = UniqueID(high: 50, low: 4 << 4)
    static let refund = UniqueID(high: 53, low: 1 << 4)

    func report(ledgerOnly: Bool = false, expecting head: ChainVerifier.Head? = nil) throws -> DirectAuditReport {
      var scope = DirectAudit.Scope()
      (scope.isLedgerOnly, scope.head) = (ledgerOnly, head)
      (scope.processing, scope.ledger, scope.gateway) = (processing, ledger, gateway)
      let database = try TestDatabase.configuration()
      let databases = DirectAudit.Databases(
        processing: database, gateway: database, saga: try TestDatabase.configuration(schema: processing + "_saga"))
      return try DirectAudit(databases, scope: scope, logger: TestDatabase.quiet).run(onPage: { _ in })
    }

    private var tables: [String] {
      ["payment", "attempt", "claim", "due", "settlement", "owner", "exception"].map { "\(processing).\($0)" }
        + ["transfer", "account", "account_delta", "block", "account_day"].map { "\(ledger).\($0)" }
        + ["payment", "payment_state", "order_claim"].map { "\(gateway).\($0)" } + ["\(processing)_saga.payment"]
        + ["payment_archive", "refund_archive", "attempt_archive"].map { "\(processing).\($0)" }
        + ["payment_archive", "payment_state_archive"].map { "\(gateway).\($0)" }
    }

    /// Changes rows, lets the audit find it, and puts everything back.
    func sabotage(
      _ sql: String, finds kinds: DirectAuditReport.Kind..., sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
      let kept = tables.enumerated().map { "CREATE TEMP TABLE kept_\($0.offset) AS SELECT * FROM \($0.element);" }
      try connection.script(kept.joined())
      try connection.script(sql)
      let report = try report()
      #expect(
        Set(report.counts.keys) == Set(kinds),
        "\(sql)\n\(report.offenders.map { "\($0)" }.joined(separator: "\n"))", sourceLocation: sourceLocation)
      let restored = tables.enumerated().map { number, table in
        """
        DELETE FROM \(table);
        INSERT INTO \(table) OVERRIDING SYSTEM VALUE SELECT * FROM kept_\(number);
        DROP TABLE kept_\(number);
        """
      }
      try connection.script(restored.joined())
    }
  }

  private func withSite(_ body: (Site) throws -> Void) throws {
    try House.with { house, schema in
      try TestDatabase.withSchema { gateway in
        let connection = try TestDatabase.open()
        let ledger = String(house.ledgerTable.split(separator: ".")[0])
        let outbox = try OutboxTables(schema: gateway, channel: "test_gateway")
        for line in try GatewaySchema.lines(schema: gateway, outbox: outbox) {
          try Migrator(configuration: TestDatabase.configuration(), line: line, logger: TestDatabase.quiet).up()
        }
        try connection.script(
          """
          CREATE SCHEMA \(schema)_saga;
          CREATE TABLE \(schema)_saga.payment (order_id bigint PRIMARY KEY, status text, reason text);
          CREATE VIEW \(schema)_saga.all_payment AS TABLE \(schema)_saga.payment;
          INSERT INTO \(schema)_saga.payment VALUES (9, 'COMPLETED', 'direct:\(Site.completed)'), (8, 'CREATED', '')
          """)
        defer { try? connection.script("DROP SCHEMA \(schema)_saga CASCADE") }
        try fill(house, schema)
        try copyToGateway(connection, schema, gateway)
        let site = Site(house: house, processing: schema, ledger: ledger, gateway: gateway, connection: connection)
        try body(site)
      }
    }
  }

  private func fill(_ house: House, _ schema: String) throws {
    _ = try house.store.claim((1...4).map { house.new(UInt64($0)) }, by: house.claim, on: house.connection)
    try house.connection.script("UPDATE \(schema).payment SET order_id = 9 WHERE id = '\(Site.completed)'")
    let asking = [Site.completed, Site.rejected, Site.unknown, Site.asked]
    // The bank was not reached the first time.
    guard
      case .done(let first) = try house.store.apply(
        asking.map { StepRequest($0, .ask(by: house.claim, after: nil)) }, by: house.claim, on: house.connection),
      case .looked(let result) = first[0],
      case .done(let second) = try house.store.apply(
        [StepRequest(Site.completed, .ask(by: house.claim, after: result.at))], by: house.claim, on: house.connection),
      case .looked(let again) = second[0]
    else {
      Issue.record("the bank is not asked")
      return
    }
    #expect(again.stored.payment.stage == .asked(at: again.at))
    let answers: [BankAnswer] = [.approved, .declined, .unclear]
    _ = try house.store.apply(
      zip(asking, answers).map { StepRequest($0, .charged($1, askedAt: again.at)) }, by: nil, on: house.connection)
    try house.connection.script("DELETE FROM \(schema).settlement")
    // Some of it went back.
    let order = RefundOrder(id: Site.refund, origin: RefundOrigin(of: Site.completed, cause: .caller), amount: 60)
    _ = try house.store.open([NewRefund(order, note: "torn")], on: house.connection)
    guard
      case .done(let asked) = try house.store.apply(
        [StepRequest(Site.refund, .ask(by: house.claim, after: nil))], by: house.claim, on: house.connection),
      case .looked(let refund) = asked[0]
    else {
      Issue.record("the bank is not asked to refund")
      return
    }
    let answer = AttemptAnswer(askedAt: refund.at, answer: .approved, detail: "")
    _ = try house.store.apply(
      [StepRequest(Site.refund, .charged(.approved, askedAt: refund.at), answer: answer)], by: nil, on: house.connection
    )
  }

  /// The gateway has taken in everything.
  private func copyToGateway(_ connection: Connection, _ schema: String, _ gateway: String) throws {
    try connection.script(
      """
      INSERT INTO \(gateway).payment (id, user_id, payee_id, method, masked, amount, currency, order_id, created_at,
                                      state, version, reason, since)
      SELECT id, user_id, payee_id, method, '****4711', amount, currency, order_id, since, state, version, reason,
             updated_at FROM \(schema).payment WHERE refund_of IS NULL;
      INSERT INTO \(gateway).payment_state SELECT id, version, state, reason, since FROM \(gateway).payment;
      INSERT INTO \(gateway).order_claim SELECT order_id, id FROM \(gateway).payment WHERE order_id IS NOT NULL
      """)
  }

  @Test func `payments that went their way agree`() throws {
    try withSite { site in
      let report = try site.report()
      #expect(report.agrees, "\(report.offenders)")
      #expect(report.payments == 5 && report.intake == 4 && report.unknown == 1 && report.transfers == 5)
    }
  }

  @Test func `a change to what is sealed is found by the chain`() throws {
    try withSite { site in
      let (p, l, g) = (site.processing, site.ledger, site.gateway)
      let sealer = ChainSealer(LedgerTables(schema: l))
      let deadline = Instant.now() + .seconds(30)
      while try sealer.lag(on: site.connection) != nil, Instant.now() < deadline {
        _ = try sealer.seal(on: site.connection)
      }
      let whole = try site.report()
      #expect(whole.agrees && whole.blocks > 0, "\(whole.offenders)")
      let head = try #require(whole.head)
      #expect(ChainVerifier.Head("\(head)".uppercased()) == head)
      for text in ["", "1", "1:", "0:\(String(repeating: "0", count: 64))", "1:\(String(repeating: "x", count: 64))"] {
        #expect(ChainVerifier.Head(text) == nil)
      }
      #expect(try site.report(expecting: head).agrees)
      // Changes that no other comparison sees.
      try site.sabotage("UPDATE \(l).transfer SET at = at - interval '1 us'", finds: .chain)
      try site.sabotage("UPDATE \(l).block SET hash = sha256(hash)", finds: .chain)
      try site.sabotage("UPDATE \(l).account_day SET posted = posted + 1", finds: .chain)
      try site.sabotage("DELETE FROM \(l).account_day", finds: .chain)
      try site.sabotage(
        """
        WITH t AS (INSERT INTO \(l).transfer (id, kind, debit, credit, amount, currency, tx)
                   SELECT '00000000-0000-0052-0000-000000000011', 1, debit, credit, 1, 'EUR', tx FROM \(l).transfer LIMIT 1
                   RETURNING debit, credit)
        INSERT INTO \(l).account_delta (account, posted, pending)
        SELECT debit, -1, 0 FROM t UNION ALL SELECT credit, 1, 0 FROM t
        """, finds: .chain)
      try site.connection.script("DELETE FROM \(l).block; DELETE FROM \(l).account_day")
      #expect(try site.report().agrees)
      #expect(try site.report(expecting: head).counts == [.chain: 1])
      // The ledger alone knows nothing of the gateway, and of payments only what they say of money.
      try site.connection.script(
        """
        DELETE FROM \(g).payment; DELETE FROM \(p).due; DELETE FROM \(p)_saga.payment;
        UPDATE \(p).payment SET amount = amount + 1 WHERE id = '\(Site.completed)'
        """)
      #expect(try site.report(ledgerOnly: true).counts == [.posting: 1])
    }
  }

  /// Ledger and transfers say the same, and the table's own check is gone.
  @Test func `an account below zero is found`() throws {
    try withSite { site in
      let l = site.ledger
      try site.connection.script(
        """
        ALTER TABLE \(l).account DROP CONSTRAINT account_available_check;
        WITH t AS (INSERT INTO \(l).transfer (id, kind, debit, credit, amount, currency)
                   SELECT '00000000-0000-0052-0000-000000000021', 1, '\(site.house.users[0])', id, 5, 'EUR'
                   FROM \(l).account WHERE kind = 5 RETURNING credit)
        INSERT INTO \(l).account_delta (account, posted, pending) SELECT credit, 5, 0 FROM t;
        UPDATE \(l).account SET posted = posted - 5 WHERE id = '\(site.house.users[0])'
        """)
      for ledgerOnly in [false, true] {
        let report = try site.report(ledgerOnly: ledgerOnly)
        #expect(report.counts == [.balance: 1], "\(report.offenders)")
        #expect(report.offenders.map(\.id) == [site.house.users[0]])
        #expect(report.offenders.allSatisfy { $0.detail.contains("below zero") })
      }
    }
  }

  @Test func `each sabotage is found as what it is`() throws {
    try withSite { site in
      let (p, l, g) = (site.processing, site.ledger, site.gateway)
      let (completed, rejected, unknown) = (Site.completed, Site.rejected, Site.unknown)
      let resolution = TransferID.resolution(of: completed)
      // The gateway and processing.
      try site.sabotage("DELETE FROM \(g).payment WHERE id = '\(rejected)'", finds: .missing)
      try site.sabotage(
        """
        UPDATE \(g).payment SET state = 'ERROR' WHERE id = '\(rejected)';
        UPDATE \(g).payment_state SET state = 'ERROR' WHERE payment_id = '\(rejected)'
        """, finds: .state)
      try site.sabotage("UPDATE \(g).payment SET amount = 101 WHERE id = '\(rejected)'", finds: .state)
      try site.sabotage("DELETE FROM \(g).payment_state WHERE payment_id = '\(rejected)'", finds: .state)
      try site.sabotage(
        """
        UPDATE \(g).payment SET state = 'PROCESSING', version = 2 WHERE id = '\(rejected)';
        UPDATE \(g).payment_state SET state = 'PROCESSING', version = 2 WHERE payment_id = '\(rejected)';
        UPDATE \(p).payment SET updated_at = now() - interval '1 h' WHERE id = '\(rejected)'
        """, finds: .late)
      let lost = UniqueID(high: 51, low: 0)
      try site.sabotage(
        """
        INSERT INTO \(g).payment (id, user_id, payee_id, method, masked, amount, currency, created_at, since)
        VALUES ('\(lost)', gen_random_uuid(), gen_random_uuid(), 'account', '****1', 5, 'EUR', now(), now() - interval '1 h');
        INSERT INTO \(g).payment_state VALUES ('\(lost)', 1, 'CREATED', NULL, now())
        """, finds: .late)
      try site.sabotage("DELETE FROM \(g).order_claim", finds: .order)
      try site.sabotage("INSERT INTO \(g).order_claim VALUES (5, '\(rejected)')", finds: .order)
      // Processing and the ledger.
      try site.sabotage("DELETE FROM \(l).transfer WHERE id = '\(resolution)'", finds: .posting, .balance)
      try site.sabotage(
        "UPDATE \(l).transfer SET kind = 4 WHERE id = '\(resolution)'", finds: .posting, .balance)
      try site.sabotage(
        "UPDATE \(l).transfer SET amount = 99 WHERE id IN ('\(resolution)', '\(completed)')", finds: .posting, .balance)
      try site.sabotage("UPDATE \(l).account SET posted = posted + 1 WHERE kind = 1 AND posted > 0", finds: .balance)
      try site.sabotage("DELETE FROM \(l).account_delta", finds: .balance)
      try site.sabotage(
        "INSERT INTO \(l).account_delta (account, posted, pending) VALUES (gen_random_uuid(), 0, 0)", finds: .balance)
      try site.sabotage(
        """
        INSERT INTO \(l).transfer (id, kind, debit, credit, amount, currency)
        SELECT '00000000-0000-0052-0000-000000000010', 2, debit, credit, 1, 'EUR' FROM \(l).transfer LIMIT 1;
        INSERT INTO \(l).account_delta (account, posted, pending) SELECT debit, 0, 1 FROM \(l).transfer LIMIT 1
        """, finds: .hold)
      // Statements: of what has not moved, of another amount, on the wrong side of clearing, of nothing.
      for (payment, amount, isTurned) in [(unknown, 100, false), (completed, 99, false), (completed, 100, true)] {
        try site.sabotage(
          """
          INSERT INTO \(l).transfer (id, kind, debit, credit, amount, currency)
          SELECT '\(TransferID.of(payment, .settlement))', 1, CASE WHEN \(isTurned) THEN t.debit ELSE w.id END,
                 CASE WHEN \(isTurned) THEN w.id ELSE t.debit END, \(amount), 'EUR'
          FROM \(l).transfer t, \(l).account w WHERE t.id = '\(completed)' AND w.kind = 5;
          INSERT INTO \(l).account_delta (account, posted, pending)
          SELECT x.id, x.posted, 0 FROM \(l).transfer s,
            LATERAL (VALUES (s.debit, -s.amount), (s.credit, s.amount)) x(id, posted)
          WHERE s.id = '\(TransferID.of(payment, .settlement))'
          """, finds: .posting)
      }
      // A statement's id that nobody here has asked for is no stray.
      try site.sabotage(
        "INSERT INTO \(p).exception (payment_id, kind) VALUES (gen_random_uuid(), 'missing_here')")
      try site.sabotage(
        "INSERT INTO \(p).exception (payment_id, kind) VALUES (gen_random_uuid(), 'missing_there')", finds: .order)
      // Attempts.
      try site.sabotage(
        "UPDATE \(p).attempt SET answer = 'unclear' WHERE payment_id = '\(completed)' AND answer = 'not_sent'",
        finds: .attempt)
      try site.sabotage("DELETE FROM \(p).attempt WHERE payment_id = '\(unknown)'", finds: .attempt)
      try site.sabotage(
        "INSERT INTO \(p).attempt (payment_id, asked_at, call) VALUES (gen_random_uuid(), now(), 'charge')",
        finds: .attempt)
      // Side tables.
      try site.sabotage("DELETE FROM \(p).claim", finds: .claim)
      try site.sabotage("DELETE FROM \(p).due WHERE payment_id = '\(unknown)'", finds: .claim)
      try site.sabotage(
        "INSERT INTO \(p).due (payment_id, chore, at) VALUES ('\(completed)', 'inquiry', now())", finds: .claim)
      try site.sabotage(
        "INSERT INTO \(p).claim (payment_id, owner) SELECT gen_random_uuid(), id FROM \(p).owner", finds: .claim)
      try site.sabotage("DELETE FROM \(p).owner", finds: .claim)
      // The saga.
      try site.sabotage("UPDATE \(p)_saga.payment SET reason = 'cash' WHERE order_id = 9", finds: .order)
      try site.sabotage("DELETE FROM \(p)_saga.payment", finds: .order)
      try site.sabotage(
        "INSERT INTO \(p).settlement (payment_id, order_id) VALUES ('\(rejected)', 7)", finds: .order)
      try site.sabotage(
        "INSERT INTO \(p).exception (payment_id, kind, closed_at) VALUES ('\(completed)', 'order_dead', now())",
        finds: .order)
      // Refunds.
      try site.sabotage(
        "UPDATE \(p).payment SET amount = 50 WHERE id = '\(completed)'", finds: .refund, .posting, .state)
      try site.sabotage(
        "UPDATE \(p).payment SET refund_of = '\(rejected)' WHERE id = '\(Site.refund)'", finds: .refund)
      try site.sabotage(
        "UPDATE \(p).attempt SET call = 'charge' WHERE payment_id = '\(Site.refund)'", finds: .attempt)
      try site.sabotage("DELETE FROM \(p).attempt WHERE payment_id = '\(Site.refund)'", finds: .attempt)
      for step in [TransferID.Step.suspense, .release] {
        let id = TransferID.of(rejected, step)
        try site.sabotage(
          """
          INSERT INTO \(l).transfer (id, kind, debit, credit, amount, currency)
          SELECT '\(id)', 1, debit, credit, amount, currency FROM \(l).transfer WHERE id = '\(rejected)';
          INSERT INTO \(l).account_delta (account, posted, pending)
          SELECT debit, -amount, 0 FROM \(l).transfer WHERE id = '\(id)';
          UPDATE \(l).account SET posted = posted + 100 WHERE id = (SELECT credit FROM \(l).transfer WHERE id = '\(id)')
          """, finds: .refund)
      }
      // And nothing is left of it.
      #expect(try site.report().agrees)
    }
  }

  @Test func `archived payments are judged as live ones`() throws {
    try withSite { site in
      let (p, l, g) = (site.processing, site.ledger, site.gateway)
      let (completed, rejected) = (Site.completed, Site.rejected)
      try site.connection.script("DELETE FROM \(p).event; DELETE FROM \(g).event")
      for plan in [
        ProcessingArchive.plan(ProcessingTables(schema: p)), GatewayArchive.plan(GatewayTables(schema: g)),
      ] {
        var walk = ArchiveWalk(plan, olderThan: .zero)
        #expect(try walk.step(size: 10, on: site.connection).moved == 2)
      }
      let report = try site.report()
      #expect(report.agrees, "\(report.offenders)")
      #expect(report.payments == 5 && report.intake == 4 && report.unknown == 1 && report.transfers == 5)
      #expect(try site.connection.int("SELECT count(*) FROM \(p).refund_archive") == 1)
      try site.sabotage("UPDATE \(p).refund_archive SET amount = 101", finds: .refund, .posting)
      try site.sabotage("UPDATE \(p).refund_archive SET cause = 'charged_not_completed'", finds: .refund)
      try site.sabotage("DELETE FROM \(g).payment_archive WHERE id = '\(rejected)'", finds: .missing)
      try site.sabotage("DELETE FROM \(p).payment_archive WHERE id = '\(rejected)'", finds: .missing, .attempt, .hold)
      try site.sabotage("UPDATE \(g).payment_archive SET amount = 101 WHERE id = '\(rejected)'", finds: .state)
      try site.sabotage("DELETE FROM \(g).payment_state_archive WHERE payment_id = '\(rejected)'", finds: .state)
      try site.sabotage("INSERT INTO \(p).payment SELECT * FROM \(p).payment_archive", finds: .state)
      try site.sabotage("INSERT INTO \(g).payment SELECT * FROM \(g).payment_archive", finds: .state)
      try site.sabotage("DELETE FROM \(g).order_claim", finds: .order)
      try site.sabotage(
        "UPDATE \(l).transfer SET kind = 4 WHERE id = '\(TransferID.resolution(of: completed))'",
        finds: .posting, .balance)
      try site.sabotage("DELETE FROM \(p).attempt_archive WHERE payment_id = '\(completed)'", finds: .attempt)
      try site.sabotage(
        "UPDATE \(p).attempt_archive SET answer = 'unclear' WHERE payment_id = '\(completed)' AND answer = 'not_sent'",
        finds: .attempt)
    }
  }
}
