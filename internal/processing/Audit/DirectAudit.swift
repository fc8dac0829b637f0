public import LedgerStore
public import Logger
public import Postgres
internal import ProcessingOrders
internal import Values

/// Compares the tables of direct payments with each other: gateway, processing, ledger, and the saga's payments.
///
/// It may run beside working programs and raises no false alarm, because of the order in which it looks:
/// - What belongs to one transaction is read in one snapshot: a payment with its transfers, attempts, claim, due row
///   and settlement. A snapshot lasts for a page, so that no old row version has to be kept for long.
/// - Processing is ahead of the gateway. So a payment of processing is looked up in the gateway afterwards only to see
///   that it arrives in time, and one of the gateway is looked up in processing afterwards: what the gateway has must
///   be there.
/// - An order is settled before its settlement is deleted, and the saga's final status stays: the saga is read last.
public struct DirectAudit: Sendable {
  /// What is compared.
  public struct Scope: Sendable {
    /// The gateway's schema; its name as the catalogue has it.
    public var gateway = "gateway"
    /// Processing's schema.
    public var processing = "processing"
    /// The ledger's schema.
    public var ledger = "ledger"
    /// How long a payment may take from the gateway to processing, and its result back, before it counts as late.
    public var grace = Duration.seconds(300)
    /// Whether only the ledger is judged: by itself, and against the states of payments.
    public var isLedgerOnly = false
    /// A head of the ledger's chain that was kept outside of the database.
    public var head: ChainVerifier.Head?
    /// Maximum number of offenders of each kind in the report.
    public var limit = 10

    /// The schemas that the programs have.
    public init() {}
  }

  /// The databases, which may be one and the same.
  public struct Databases: Sendable {
    /// Processing's and the ledger's.
    public var processing: DatabaseConfiguration
    /// The gateway's; nil leaves it out.
    public var gateway: DatabaseConfiguration?
    /// The saga's; nil leaves it out.
    public var saga: DatabaseConfiguration?

    /// The databases.
    public init(processing: DatabaseConfiguration, gateway: DatabaseConfiguration?, saga: DatabaseConfiguration?) {
      self.processing = processing
      self.gateway = gateway
      self.saga = saga
    }
  }

  private let databases: Databases
  private let scope: Scope
  private let logger: Logger

  /// An audit of these tables.
  public init(_ databases: Databases, scope: Scope = Scope(), logger: Logger) {
    self.databases = databases
    self.scope = scope
    self.logger = logger
  }

  /// What a role can see of a table.
  public enum Presence: String, Sendable, Hashable {
    /// It is not there.
    case absent
    /// It is there, and the role may not read it.
    case hidden
    /// The role may read it.
    case readable
  }

  /// Whether a schema's payments are in a database, and may be read.
  /// - Parameter schema: its name as the catalogue has it; nil for the search path.
  public static func payments(in schema: String?, on connection: Connection) throws(DatabaseError) -> Presence {
    guard let row = try connection.run(Command(look, [.textOrNull(schema)])).first else { return .absent }
    return try row.bool(0) ? .readable : .hidden
  }

  /// Not `to_regclass`: that fails where the role may not look into the schema.
  private static let look = Statement(
    """
    SELECT has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AS readable
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname = 'payment' AND CASE WHEN $1::text IS NULL THEN pg_catalog.pg_table_is_visible(c.oid)
                                         ELSE n.nspname = $1 END
    """, isReadOnly: true)

  /// Makes the audit on the calling thread. Its memory does not grow with the tables.
  /// - Parameter onPage: told how many more rows were read; what it throws ends the audit.
  /// - Throws: `DatabaseError`.
  public func run(onPage: (Int) throws -> Void) throws -> DirectAuditReport {
    let connection = try Connection.open(databases.processing, logger: logger)
    defer { connection.close() }
    let gatewayConnection = try (scope.isLedgerOnly ? nil : databases.gateway).map { (database) throws(DatabaseError) in
      try Connection.open(database, logger: logger)
    }
    defer { gatewayConnection?.close() }
    let sagaConnection = try (scope.isLedgerOnly ? nil : databases.saga).map { (database) throws(DatabaseError) in
      try Connection.open(database, logger: logger)
    }
    defer { sagaConnection?.close() }
    let processing = ProcessingReader(connection, processing: scope.processing, ledger: scope.ledger)
    let gateway = gatewayConnection.map { GatewayReader($0, gateway: scope.gateway) }

    var report = DirectAuditReport(limit: scope.limit)
    try payments(processing, gateway, sagaConnection.map { SagaReader($0) }, &report, onPage)
    if let gateway { try intake(gateway, processing, &report, onPage) }
    if !scope.isLedgerOnly { try processing.strays(into: &report) }
    let ledger = LedgerReader(connection, ledger: scope.ledger, processing: scope.processing)
    try ledger.balances(into: &report)
    try ledger.strays(into: &report, onPage: onPage)
    try ledger.chain(expecting: scope.head, into: &report, onPage: onPage)
    return report
  }

  /// Every payment of processing: by itself, then in the gateway and in the saga.
  private func payments(
    _ processing: ProcessingReader, _ gateway: GatewayReader?, _ saga: SagaReader?,
    _ report: inout DirectAuditReport, _ onPage: (Int) throws -> Void
  ) throws {
    var last = UniqueID(high: 0, low: 0)
    while true {
      let page = try processing.page(after: last)
      guard let end = page.last else { return }
      last = end
      let ids = page.rows.keys.sorted()
      let intake = try gateway?.payments(ids)
      let orders = try saga?.orders(page.rows.values.compactMap(\.orderID))
      for id in ids {
        guard let payment = page.rows[id] else { continue }
        report.payments += 1
        if payment.state == "UNKNOWN" { report.unknown += 1 }
        let findings =
          scope.isLedgerOnly ? [PaymentJudge.posting(payment)].compactMap(\.self) : PaymentJudge.findings(payment)
        for finding in findings { report.note(finding, of: id) }
        // The gateway keeps no refunds.
        if let intake, payment.refund == nil {
          report.note(PaymentJudge.later(intake.rows[id], than: payment, grace: scope.grace), of: id)
        }
        if let orders {
          let order = payment.orderID.flatMap { orders[$0] }
          report.note(PaymentJudge.order(payment, order, reason: SettlementRules.reason(of: id)), of: id)
        }
      }
      try onPage(ids.count)
    }
  }

  /// Every payment of the gateway, then in processing.
  private func intake(
    _ gateway: GatewayReader, _ processing: ProcessingReader, _ report: inout DirectAuditReport,
    _ onPage: (Int) throws -> Void
  ) throws {
    var last = UniqueID(high: 0, low: 0)
    while true {
      let page = try gateway.page(after: last)
      guard let end = page.last else { break }
      last = end
      let ids = page.rows.keys.sorted()
      let payments = try processing.payments(ids)
      for id in ids {
        guard let intake = page.rows[id] else { continue }
        report.intake += 1
        report.note(PaymentJudge.earlier(intake, than: payments.rows[id], grace: scope.grace), of: id)
      }
      try onPage(ids.count)
    }
    try gateway.orders(into: &report)
    try gateway.strays(into: &report)
  }
}
