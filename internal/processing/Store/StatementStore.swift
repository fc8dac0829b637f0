internal import DirectDomain
internal import Money
public import Postgres
public import ProcessingDomain
public import Values

/// A statement that was compared with the tables.
public struct ReconciledStatement: Sendable, Hashable {
  /// What was counted.
  public struct Counts: Sendable, Hashable {
    /// Rows of the statement.
    public var rows = 0
    /// Operations on which statement and tables agree.
    public var matched = 0
    /// Payments that the statement has changed: UNKNOWN is resolved.
    public var resolved = 0
    /// Payments that are open after it, too: a reversal decides, or the bank is being asked.
    public var undecided = 0
    /// Final states that it contradicts.
    public var contradicted = 0
    /// Operations that no payment of ours has asked for.
    public var missingHere = 0
    /// Payments that are COMPLETED and should be listed.
    public var missingThere = 0
    /// Operations with another amount.
    public var amountDiffers = 0
    /// Operations that are listed more than once.
    public var duplicate = 0
    /// Postings between the world and clearing that it brought.
    public var settled = 0

    /// Nothing was counted yet.
    public init() {}

    /// Whether a person has to look at something.
    public var hasFindings: Bool { contradicted + missingHere + missingThere + amountDiffers + duplicate > 0 }
  }

  /// SHA-256 of its bytes.
  public let digest: [UInt8]
  /// The file's name, of 1 to 255 bytes.
  public let name: String
  /// The time in which it lists everything; nil when it says nothing about that.
  public let period: ClosedRange<Timestamp>?
  /// What was counted.
  public let counts: Counts

  /// A statement.
  public init(digest: [UInt8], name: String, period: ClosedRange<Timestamp>?, counts: Counts) {
    self.digest = digest
    self.name = name
    self.period = period
    self.counts = counts
  }
}

/// Compares a bank's statement with the tables. Its rows lie in temporary tables of the session and are read with their
/// payments page by page, so that memory does not grow with the statement and no snapshot is held for long.
///
/// Each function uses the connection it is given: the same one from `stage` on, not through a pooler of transactions.
public struct StatementStore: Sendable {
  /// The most rows that `add` takes and the reading functions give.
  public static let page = 10_000
  /// Reading or sorting all of a statement.
  private static let timeout = Duration.seconds(600)

  private let insertRows: Statement
  private let compare: Statement
  private let countKnown: Statement
  private let unlisted: Statement
  private let unlistedAnywhere: Statement
  private let insertExceptions: Statement
  private let find: Statement
  private let insert: Statement
  private let periods: Statement

  /// Comparisons with these tables.
  public init(_ tables: ProcessingTables = ProcessingTables()) {
    insertRows = Statement(
      """
      INSERT INTO pg_temp.stated_row (line, operation_id, amount, currency, status, at)
      SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::timestamptz[])
      """)
    // A range of ids, so that each payment is read once, however the statement's pages lie among them.
    compare = Statement(
      """
      SELECT o.operation_id, o.line, o.amount, o.currency, o.status, o.at, o.copies, o.contradicts, p.method,
             p.amount AS payment_amount, p.currency::text AS payment_currency, p.state, p.debit, p.credit,
             p.stage IN ('claimed', 'review') OR p.stage = 'ready' AND NOT p.has_hold
               OR p.state <> 'COMPLETED' AND p.reason IS NOT DISTINCT FROM '\(PaymentReason.bankNeverCharged.rawValue)'
               AS is_uncharged
      FROM pg_temp.stated_operation o
      LEFT JOIN \(tables.allPayment) p ON p.id = o.operation_id AND p.id > $1 AND p.id <= $2
      WHERE o.operation_id > $1 AND o.operation_id <= $2 ORDER BY o.operation_id
      """, isReadOnly: true)
    countKnown = Statement(
      """
      SELECT count(p.id) AS known, count(*) - count(p.id) AS missing
      FROM pg_temp.stated_operation o
      LEFT JOIN \(tables.allPayment) p ON p.id = o.operation_id AND p.id > $1 AND p.id <= $2
      WHERE o.operation_id > $1 AND o.operation_id <= $2
      """, isReadOnly: true)
    unlisted = Self.unlisted(tables.payment, tables)
    unlistedAnywhere = Self.unlisted(tables.allPayment, tables)
    insertExceptions = Statement(
      """
      INSERT INTO \(tables.exception) (payment_id, kind, detail)
      SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[]) AS u(payment_id, kind, detail)
      ON CONFLICT (payment_id, kind) DO UPDATE
      SET opened_at = clock_timestamp(), closed_at = NULL, detail = excluded.detail
      WHERE \(tables.exception).closed_at IS NOT NULL
      """)
    let counts = """
      row_count, matched, resolved, undecided, contradicted, missing_here, missing_there, amount_differs, duplicate, settled
      """
    find = Statement(
      """
      SELECT \(counts) FROM \(tables.statement)
      WHERE sha256 = $1 AND complete_from IS NOT DISTINCT FROM $2 AND complete_to IS NOT DISTINCT FROM $3
      """, isReadOnly: true)
    insert = Statement(
      """
      INSERT INTO \(tables.statement) (sha256, name, complete_from, complete_to, \(counts))
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT DO NOTHING
      """)
    periods = Statement(
      "SELECT complete_from, complete_to FROM \(tables.statement) WHERE complete_to IS NOT NULL", isReadOnly: true)
  }

  /// What has changed since the statement's time began may have been asked for in it. Attempts are looked up only for
  /// the page that comes out: among what is listed, which is nearly all, nobody looks for them.
  private static func unlisted(_ payments: String, _ tables: ProcessingTables) -> Statement {
    Statement(
      """
      SELECT p.id, p.state, coalesce(
               (SELECT max(a.asked_at) FROM \(tables.allAttempt) a
                WHERE a.payment_id = p.id AND a.call IN ('charge', 'refund')) BETWEEN $2 AND $3, false) AS was_asked
      FROM \(payments) p
      WHERE p.id > $1 AND p.method <> 'balance' AND p.state IN ('COMPLETED', 'UNKNOWN') AND p.updated_at >= $2
        AND p.since <= $3
        AND NOT EXISTS (SELECT FROM pg_temp.stated_operation o WHERE o.operation_id = p.id)
      ORDER BY p.id LIMIT $4
      """, isReadOnly: true)
  }

  // MARK: - The statement's rows

  private static let makeRows = Statement(
    """
    CREATE TEMP TABLE stated_row (
      line bigint NOT NULL, operation_id uuid NOT NULL, amount bigint NOT NULL, currency text COLLATE "C" NOT NULL,
      status text COLLATE "C" NOT NULL, at timestamptz NOT NULL)
    """)
  // In the order in which the pages are read.
  private static let makeOperations = Statement(
    """
    CREATE TEMP TABLE stated_operation AS
    SELECT operation_id, min(line) AS line, min(amount) AS amount, min(currency) AS currency, min(status) AS status,
           min(at) AS at, count(*) AS copies,
           min(amount) <> max(amount) OR min(currency) <> max(currency) OR min(status) <> max(status) AS contradicts
    FROM pg_temp.stated_row GROUP BY operation_id ORDER BY operation_id
    """)

  private static let pageEnd = Statement(
    """
    SELECT operation_id FROM (
      SELECT operation_id FROM pg_temp.stated_operation WHERE operation_id > $1 ORDER BY operation_id LIMIT $2) o
    ORDER BY operation_id DESC LIMIT 1
    """, isReadOnly: true)

  /// Makes room for the rows of one statement, which end with the session.
  public func stage(on connection: Connection) throws(DatabaseError) {
    // Sorting is all that it is for.
    try connection.run([Command(Statement("SET work_mem = '64MB'")), Command(Self.makeRows)])
  }

  /// Adds rows, `page` at most.
  public func add(_ rows: [StatementRow], on connection: Connection) throws(DatabaseError) {
    try connection.run(
      Command(
        insertRows,
        [
          .int64Array(rows.map(\.line)), .uuidArray(rows.map(\.operationID)),
          .int64Array(rows.map(\.amount.minorUnits)), .textArray(rows.map(\.amount.currency.code)),
          .textArray(rows.map(\.status.rawValue)), .timestampArray(rows.map(\.at)),
        ]))
  }

  /// Gathers the rows of each operation, once all of them are there.
  /// - Returns: how many operations there are.
  public func gather(on connection: Connection) throws(DatabaseError) -> Int {
    try connection.run(Command(Self.makeOperations), timeout: Self.timeout)
    try connection.run(
      [
        Command(Statement("DROP TABLE pg_temp.stated_row")),
        Command(Statement("CREATE UNIQUE INDEX ON pg_temp.stated_operation (operation_id)")),
        Command(Statement("ANALYZE pg_temp.stated_operation")),
      ], timeout: Self.timeout)
    return Int(
      try connection.run(Command(Statement("SELECT count(*) FROM pg_temp.stated_operation", isReadOnly: true)))
        .only.int64(0))
  }

  // MARK: - The comparison

  private static let clock = Statement("SELECT clock_timestamp()", isReadOnly: true)

  /// The database's time.
  public func now(on connection: Connection) throws(DatabaseError) -> Timestamp {
    try connection.run(Command(Self.clock)).only.timestamp(0)
  }

  /// How many of the next operations by id have a payment, and how many have none; nil after the last.
  public func known(
    after last: UniqueID, on connection: Connection
  ) throws(DatabaseError) -> (end: UniqueID, known: Int, missing: Int)? {
    guard let end = try end(of: last, on: connection) else { return nil }
    let counts = try connection.run(Command(countKnown, [.uuid(last), .uuid(end)]), timeout: Self.timeout).only
    return (end, try counts.int(KnownColumn.known), try counts.int(KnownColumn.missing))
  }

  /// The last operation of the page that begins after `last`; nil when there is none.
  private func end(of last: UniqueID, on connection: Connection) throws(DatabaseError) -> UniqueID? {
    let next = Command(Self.pageEnd, [.uuid(last), .int64(Int64(Self.page))])
    return try connection.run(next, timeout: Self.timeout).first?.uuid(0)
  }

  /// The next operations by id, with what the tables have under these ids; empty after the last.
  /// - Throws: `content` for a payment that this version cannot read.
  public func operations(
    after last: UniqueID, on connection: Connection
  ) throws(DatabaseError) -> [(operation: StatedOperation, payment: StatedPayment?)] {
    guard let end = try end(of: last, on: connection) else { return [] }
    let page = Command(compare, [.uuid(last), .uuid(end)])
    return try connection.run(page, timeout: Self.timeout).map { (row) throws(DatabaseError) in
      let id = try row.uuid(PageColumn.operationID)
      guard let currency = Currency(try row.text(PageColumn.currency)),
        let status = StatementRow.Status(rawValue: try row.text(PageColumn.status))
      else { throw .content("operation \(id) of the statement was changed") }
      let stated = StatementRow(
        line: try row.int64(PageColumn.line), operationID: id,
        amount: Money(minorUnits: try row.int64(PageColumn.amount), currency), status: status,
        at: try row.timestamp(PageColumn.at))
      let operation = StatedOperation(
        row: stated, copies: try row.int64(PageColumn.copies), contradictsItself: try row.bool(PageColumn.contradicts))
      return (operation, try Self.payment(row, id))
    }
  }

  private static func payment(_ row: Row, _ id: UniqueID) throws(DatabaseError) -> StatedPayment? {
    guard let method = try row.optionalText(PageColumn.method) else { return nil }
    guard let method = PaymentMethod(rawValue: method),
      let state = PaymentState(rawValue: try row.text(PageColumn.state)),
      let currency = Currency(try row.text(PageColumn.paymentCurrency))
    else { throw .content("payment \(id) holds what this version cannot read") }
    return StatedPayment(
      method: method, amount: Money(minorUnits: try row.int64(PageColumn.paymentAmount), currency), state: state,
      isUncharged: try row.bool(PageColumn.isUncharged), debit: try row.uuid(PageColumn.debit),
      credit: try row.uuid(PageColumn.credit))
  }

  /// The next payments by id, COMPLETED or UNKNOWN, that the statement does not list and that may have been asked for
  /// in a time, with whether they were; empty after the last.
  /// - Parameter inArchive: whether archived ones are looked through, too: all that there ever were.
  public func unlisted(
    after last: UniqueID, askedIn period: ClosedRange<Timestamp>, inArchive: Bool, on connection: Connection
  ) throws(DatabaseError) -> [(id: UniqueID, isCompleted: Bool, wasAsked: Bool)] {
    let parameters: [Parameter] = [
      .uuid(last), .timestamp(period.lowerBound), .timestamp(period.upperBound), .int64(Int64(Self.page)),
    ]
    let command = Command(inArchive ? unlistedAnywhere : unlisted, parameters)
    return try connection.run(command, timeout: Self.timeout).map { (row) throws(DatabaseError) in
      (
        try row.uuid(UnlistedColumn.id), try row.text(UnlistedColumn.state) == PaymentState.completed.rawValue,
        try row.bool(UnlistedColumn.wasAsked)
      )
    }
  }

  /// Opens exceptions, or opens them again; those that are open stay as they are.
  public func open(
    _ findings: [(id: UniqueID, kind: PaymentException, detail: String)], on connection: Connection
  ) throws(DatabaseError) {
    if findings.isEmpty { return }
    let findings = findings.sorted { ($0.id, $0.kind.rawValue) < ($1.id, $1.kind.rawValue) }
    try connection.run(
      Command(
        insertExceptions,
        [
          .uuidArray(findings.map(\.id)), .textArray(findings.map(\.kind.rawValue)),
          .textArray(findings.map { ColumnText.clean($0.detail) }),
        ]))
  }

  // MARK: - Statements that were compared

  /// What was counted when the same statement was compared for the same time; nil when it was not.
  public func counts(
    of digest: [UInt8], period: ClosedRange<Timestamp>?, on connection: Connection
  ) throws(DatabaseError) -> ReconciledStatement.Counts? {
    let parameters: [Parameter] = [
      .bytes(digest), .timestampOrNull(period?.lowerBound), .timestampOrNull(period?.upperBound),
    ]
    guard let row = try connection.run(Command(find, parameters)).first else { return nil }
    var counts = ReconciledStatement.Counts()
    counts.rows = try row.int(CountColumn.rowCount)
    counts.matched = try row.int(CountColumn.matched)
    counts.resolved = try row.int(CountColumn.resolved)
    counts.undecided = try row.int(CountColumn.undecided)
    counts.contradicted = try row.int(CountColumn.contradicted)
    counts.missingHere = try row.int(CountColumn.missingHere)
    counts.missingThere = try row.int(CountColumn.missingThere)
    counts.amountDiffers = try row.int(CountColumn.amountDiffers)
    counts.duplicate = try row.int(CountColumn.duplicate)
    counts.settled = try row.int(CountColumn.settled)
    return counts
  }

  /// Keeps that a statement was compared, once everything that it says is in the tables.
  public func insert(_ statement: ReconciledStatement, on connection: Connection) throws(DatabaseError) {
    let counts = statement.counts
    let numbers = [
      counts.rows, counts.matched, counts.resolved, counts.undecided, counts.contradicted, counts.missingHere,
      counts.missingThere, counts.amountDiffers, counts.duplicate, counts.settled,
    ]
    try connection.run(
      Command(
        insert,
        [
          .bytes(statement.digest), .text(statement.name), .timestampOrNull(statement.period?.lowerBound),
          .timestampOrNull(statement.period?.upperBound),
        ] + numbers.map { .int64(Int64($0)) }))
  }

  /// The time in which statements list everything.
  public func coverage(on connection: Connection) throws(DatabaseError) -> StatementCoverage {
    StatementCoverage(
      try connection.run(Command(periods)).map { (row) throws(DatabaseError) in
        try row.timestamp(PeriodColumn.completeFrom)...row.timestamp(PeriodColumn.completeTo)
      })
  }

  private enum PageColumn: Int, AnswerColumn {
    case operationID, line, amount, currency, status, at, copies, contradicts, method, paymentAmount, paymentCurrency
    case state, debit, credit, isUncharged
  }
  private enum PeriodColumn: Int, AnswerColumn { case completeFrom, completeTo }
  private enum KnownColumn: Int, AnswerColumn { case known, missing }
  private enum UnlistedColumn: Int, AnswerColumn { case id, state, wasAsked }
  private enum CountColumn: Int, AnswerColumn {
    case rowCount, matched, resolved, undecided, contradicted, missingHere, missingThere, amountDiffers, duplicate
    case settled
  }
}
