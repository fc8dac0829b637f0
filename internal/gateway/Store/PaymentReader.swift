internal import DirectDomain
public import GatewayDomain
internal import GroupCommit
public import Postgres
public import Values

/// A page of a list. It may hold fewer payments than were asked for, even none, while there are more: each page looks
/// at a bounded number of rows.
public struct PaymentPage: Sendable {
  /// Newest first.
  public let payments: [GatewayPayment]
  /// Why rows among them are left out: they are not as this version expects.
  public var unreadable: [GatewayStoreError] = []
  /// Where the next page begins; nil after the last.
  public let next: PaymentCursor?
}

/// Payments by their ids; one whose row is not as this version expects is an error of its own.
public typealias FoundPayments = [UniqueID: Result<GatewayPayment, GatewayStoreError>]

/// Reads payments. What it returns is confirmed: a synchronous standby has it, too. Callable on any thread.
public struct PaymentReader: Sendable {
  /// Rows looked at for one page at most.
  static let scanLimit = 10_000

  private let readers: ConnectionPool
  private let scanners: ConnectionPool
  private let find: Statement
  private let findArchived: Statement
  private let history: Statement
  private let lists: ListStatements
  private let pages: UserPages

  /// - Parameters:
  ///   - readers: connections for reads of a bounded few rows.
  ///   - scanners: connections for lists that may look at many rows for each that they show; few, so that they cannot
  ///     starve the others.
  public init(_ tables: GatewayTables, readers: ConnectionPool, scanners: ConnectionPool) {
    self.readers = readers
    self.scanners = scanners
    find = Statement("SELECT \(PaymentRow.columns) FROM \(tables.payment) p WHERE p.id = ANY ($1)", isReadOnly: true)
    findArchived = Statement(ArchivedPayments.find(tables), isReadOnly: true)
    history = Statement(
      "SELECT version, state, reason, at FROM \(tables.allPaymentState) WHERE payment_id = $1 ORDER BY version",
      isReadOnly: true)
    lists = ListStatements(tables)
    pages = UserPages(tables)
  }

  /// One payment, or nil.
  public func payment(_ id: UniqueID, deadline: Instant) async throws(GatewayStoreError) -> GatewayPayment? {
    try await payments([id], deadline: deadline)[id]?.get()
  }

  /// Those of the payments that there are.
  /// - Parameter ids: a few thousand at most.
  public func payments(_ ids: [UniqueID], deadline: Instant) async throws(GatewayStoreError) -> FoundPayments {
    try await read(readers, deadline) { connection throws(DatabaseError) in
      var found: FoundPayments = [:]
      func read(_ statement: Statement, _ ids: [UniqueID]) throws(DatabaseError) {
        for row in try connection.run([Command(statement, [.uuidArray(ids)]), ReplicationBarrier.command])[0] {
          let (id, payment) = try PaymentRow.read(row)
          found[id] = payment
        }
      }
      try read(find, ids)
      // A payment goes into the archive and does not come back: what was not live then is in the archive by now, or
      // nowhere.
      let missing = ids.filter { found[$0] == nil }
      if !missing.isEmpty { try read(findArchived, missing) }
      return found
    }
  }

  /// Every state that a payment has had, the first one first; empty when there is no such payment.
  public func history(_ id: UniqueID, deadline: Instant) async throws(GatewayStoreError) -> [PaymentStanding] {
    try await read(readers, deadline) { connection throws(DatabaseError) in
      try connection.run([Command(history, [.uuid(id)]), ReplicationBarrier.command])[0].map {
        (row) throws(DatabaseError) in
        try PaymentRow.standing(
          state: row.text(HistoryColumn.state), reason: row.optionalText(HistoryColumn.reason),
          version: row.int64(HistoryColumn.version), since: row.timestamp(HistoryColumn.at))
      }
    }
  }

  private enum HistoryColumn: Int, AnswerColumn { case version, state, reason, at }

  /// A page of payments, newest first.
  public func list(_ filter: PaymentFilter, deadline: Instant) async throws(GatewayStoreError) -> PaymentPage {
    try await read(lists.looksFurther(filter) ? scanners : readers, deadline) { connection throws(DatabaseError) in
      let rows = try connection.run([lists.command(filter), ReplicationBarrier.command])[0]
      return try lists.page(rows, filter)
    }
  }

  /// Pages of users' payments, one for each that is wanted.
  /// - Parameter wanted: some dozens at most.
  public func pages(
    _ wanted: [UserPages.Wanted], deadline: Instant
  ) async throws(GatewayStoreError) -> [UserPages.Page] {
    let open = Array(Set(wanted.flatMap(\.open)))
    let older = open.isEmpty ? [:] : try await payments(open, deadline: deadline)
    let pool = wanted.contains(where: \.looksFurther) ? scanners : readers
    let found = try await read(pool, deadline) { connection throws(DatabaseError) in
      try pages.read(wanted, on: connection)
    }
    return zip(wanted, found).map { wanted, page in wanted.with(older, before: page) }
  }

  private func read<Value: Sendable>(
    _ pool: ConnectionPool, _ deadline: Instant, _ body: @escaping @Sendable (Connection) throws(DatabaseError) -> Value
  ) async throws(GatewayStoreError) -> Value {
    do throws(DatabaseError) {
      return try await pool.withConnection(
        deadline: GroupCommitLimits().giveUp(before: deadline, now: .now()).time, body)
    } catch {
      throw GatewayStoreError(reading: error)
    }
  }
}
