internal import LedgerDomain
internal import LedgerStore
internal import Postgres
internal import Values

/// What is wrong in the ledger by itself, each found by one statement, which is one short snapshot.
struct LedgerReader {
  private let connection: Connection
  private let ledger: String
  private let processing: String
  private let verifier: ChainVerifier

  /// Reading a table as a whole.
  static let timeout = Duration.seconds(600)
  /// The most rows of one kind that are fetched.
  private static let most = 1_000

  init(_ connection: Connection, ledger: String, processing: String) {
    self.connection = connection
    verifier = ChainVerifier(LedgerTables(schema: ledger))
    self.ledger = quoteIdentifier(ledger)
    self.processing = quoteIdentifier(processing)
  }

  /// Compares accounts and deltas with all transfers, and sums up each currency.
  func balances(into report: inout DirectAuditReport) throws(DatabaseError) {
    let changes = """
      SELECT debit AS account, CASE WHEN kind IN (1, 3) THEN -amount ELSE 0 END AS posted,
             CASE kind WHEN 2 THEN amount ELSE 0 END AS pending FROM \(ledger).transfer
      UNION ALL SELECT credit, CASE WHEN kind IN (1, 3) THEN amount ELSE 0 END, 0 FROM \(ledger).transfer
      UNION ALL SELECT h.debit, 0, -h.amount FROM \(ledger).transfer r
                JOIN \(ledger).transfer h ON h.id = r.pending_id WHERE r.kind IN (3, 4)
      """
    let rows = try run(
      """
      WITH told AS (SELECT account, sum(posted) AS posted, sum(pending) AS pending FROM (\(changes)) x GROUP BY 1),
      delta AS (SELECT account, sum(posted) AS posted, sum(pending) AS pending
                FROM \(ledger).account_delta GROUP BY 1),
      own AS (SELECT a.id, a.kind, a.currency::text AS currency, a.posted + coalesce(d.posted, 0) AS posted,
                     a.pending + coalesce(d.pending, 0) AS pending
              FROM \(ledger).account a LEFT JOIN delta d ON d.account = a.id),
      both_sides AS (
        SELECT coalesce(o.id, t.account, d.account) AS id, o.kind, o.currency, o.posted, o.pending,
               coalesce(t.posted, 0) AS told_posted, coalesce(t.pending, 0) AS told_pending
        FROM own o FULL JOIN told t ON t.account = o.id
        FULL JOIN (SELECT account FROM delta WHERE account NOT IN (SELECT id FROM \(ledger).account)) d
          ON d.account = coalesce(o.id, t.account)),
      sums AS (SELECT currency, sum(posted) AS posted FROM own GROUP BY 1 HAVING sum(posted) <> 0)
      SELECT NULL::uuid AS id, NULL::text AS currency, NULL::text AS posted, NULL::text AS pending,
             NULL::text AS told_posted, NULL::text AS told_pending, (SELECT count(*) FROM own) AS accounts
      UNION ALL SELECT NULL, currency, posted::text, NULL, NULL, NULL, 0 FROM sums
      UNION ALL SELECT id, currency, posted::text, pending::text, told_posted::text, told_pending::text, 0
      FROM both_sides
      WHERE posted IS NULL OR posted <> told_posted OR pending <> told_pending OR pending < 0
            OR (kind = 1 AND posted - pending < 0)
      LIMIT \(Self.most)
      """)
    for row in rows {
      guard let id = try row.optionalUUID(BalanceColumn.id) else {
        if let currency = try row.optionalText(BalanceColumn.currency) {
          let sum = try row.text(BalanceColumn.posted)
          report.note(Finding(.balance, "all accounts in \(currency) sum to \(sum), expected 0"), of: nil)
        } else {
          report.accounts = try row.int(BalanceColumn.accounts)
        }
        continue
      }
      report.note(try Self.finding(row), of: id)
    }
  }

  private static func finding(_ row: Row) throws(DatabaseError) -> Finding {
    guard let posted = try row.optionalText(BalanceColumn.posted) else {
      return Finding(.balance, "transfers or deltas name the account, and it is not there")
    }
    let pending = try row.text(BalanceColumn.pending)
    let (toldPosted, toldPending) = (try row.text(BalanceColumn.toldPosted), try row.text(BalanceColumn.toldPending))
    if posted != toldPosted {
      return Finding(.balance, "its balance is \(posted), its transfers say \(toldPosted)")
    }
    if pending != toldPending {
      return Finding(.balance, "\(pending) are on hold, its open holds say \(toldPending)")
    }
    return Finding(.balance, "it is below zero: \(posted) posted, \(pending) on hold")
  }

  /// Resolutions without a hold, and holds and movements of payments that are not there, page by page.
  func strays(into report: inout DirectAuditReport, onPage: (Int) throws -> Void) throws {
    for row in try run(
      """
      SELECT r.id, r.pending_id FROM \(ledger).transfer r WHERE r.kind IN (3, 4)
        AND NOT EXISTS (SELECT FROM \(ledger).transfer h WHERE h.id = r.pending_id AND h.kind = 2
                        AND h.debit = r.debit AND h.credit = r.credit AND h.currency = r.currency
                        AND r.amount <= h.amount)
      LIMIT \(Self.most)
      """)
    {
      report.note(
        Finding(.hold, "a resolution of a hold that is not there or is another"), of: try row.uuid(StrayColumn.id))
    }
    var last = UniqueID(high: 0, low: 0)
    while true {
      let page = try connection.run(
        Command(
          Statement(
            """
            SELECT id FROM \(ledger).transfer WHERE id > $1 AND kind IN (1, 2) ORDER BY id LIMIT 5000
            """, isReadOnly: true), [.uuid(last)]), timeout: Self.timeout
      ).map { (row) throws(DatabaseError) in try row.uuid(StrayColumn.id) }
      guard let end = page.last else { return }
      last = end
      // The lowest four bits say which step of the payment it is; a top up or spend belongs to none.
      let own = page.filter { $0.low & 0xF != TransferID.Step.external.rawValue }
      let parents = Command(
        Statement(
          """
          SELECT t.id FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS t(id, low, high)
          WHERE NOT EXISTS (SELECT FROM \(processing).payment p WHERE p.id BETWEEN t.low AND t.high)
            AND NOT EXISTS (SELECT FROM \(processing).payment_archive p WHERE p.id BETWEEN t.low AND t.high)
            AND NOT EXISTS (SELECT FROM \(processing).refund_archive p WHERE p.id BETWEEN t.low AND t.high)
            AND NOT EXISTS (SELECT FROM \(processing).archive_floor f WHERE t.low < f.below)
          """, isReadOnly: true),
        [
          .uuidArray(own), .uuidArray(own.map { TransferID.payments(of: $0).lowerBound }),
          .uuidArray(own.map { TransferID.payments(of: $0).upperBound }),
        ])
      for row in try connection.run(parents, timeout: Self.timeout) {
        report.note(Finding(.hold, "a transfer of a payment that is not there"), of: try row.uuid(StrayColumn.id))
      }
      report.transfers += page.count
      try onPage(page.count)
    }
  }

  /// Makes the chain's hashes again, and compares the days of accounts with what is sealed.
  /// - Parameter head: a head that was kept outside; nil for none.
  func chain(
    expecting head: ChainVerifier.Head?, into report: inout DirectAuditReport, onPage: (Int) throws -> Void
  ) throws {
    let found = try verifier.run(expecting: head, on: connection, onPage: onPage)
    report.blocks = Int(found.blocks)
    report.head = found.head
    if let difference = found.difference { report.note(Finding(.chain, difference), of: nil) }
    for (account, day) in try verifier.wrongDays(limit: Self.most, on: connection, timeout: Self.timeout) {
      report.note(Finding(.chain, "its sums of \(day) are not those of the sealed transfers"), of: account)
    }
  }

  private func run(_ sql: String) throws(DatabaseError) -> Rows {
    try connection.run(Command(Statement(sql, isReadOnly: true)), timeout: Self.timeout)
  }

  private enum BalanceColumn: Int, AnswerColumn {
    case id, currency, posted, pending, toldPosted, toldPending, accounts
  }
  private enum StrayColumn: Int, AnswerColumn { case id }
}
