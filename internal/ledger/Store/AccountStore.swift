internal import LedgerDomain
public import Money
public import Postgres
public import Values

/// The accounts of users: opened, looked at, topped up and spent from.
///
/// Each function is one short transaction on the connection that it is given, and may run on any thread that owns it.
/// Make it once, since its statements are prepared on each connection.
public struct AccountStore: Sendable {
  private let ledger: LedgerStore
  private let findAccounts: Statement
  private let findOwned: Statement
  private let findTimes: Statement
  private let findEntries: Statement
  private let moments: MomentBalances

  /// How often a transaction runs that meets another one with the same request.
  private static let attempts = 5

  /// A store of these tables. - Parameter ledger: of the same tables.
  public init(_ tables: LedgerTables = LedgerTables(), ledger: LedgerStore) {
    self.ledger = ledger
    moments = MomentBalances(tables)
    let (account, delta, transfer) = (tables.account, tables.delta, tables.transfer)
    let select = """
      SELECT a.id, a.kind, a.owner, a.currency::text, (a.posted + coalesce(sum(d.posted), 0))::bigint AS posted,
             (a.pending + coalesce(sum(d.pending), 0))::bigint AS pending, a.created_at AS opened_at
      FROM \(account) a LEFT JOIN \(delta) d ON d.account = a.id
      """
    findAccounts = Statement("\(select) WHERE a.id = ANY ($1) GROUP BY a.id", isReadOnly: true)
    findOwned = Statement("\(select) WHERE a.owner = $1 GROUP BY a.id ORDER BY a.currency", isReadOnly: true)
    findTimes = Statement("SELECT id, at FROM \(transfer) WHERE id = ANY ($1)", isReadOnly: true)
    let side = { (column: String, number: Int) in
      let wanted = "\(column) = $1 AND at < $3 AND at <= $4 AND (at, id) < ($4, $5)"
      // The moment at which the page ends is found in the index's own order. A plan that thinks an account has few
      // entries would otherwise read and sort all of them. Entries of one transaction have one moment.
      return """
        (SELECT id, kind, debit, credit, amount, currency::text, pending_id, at, \(number)::smallint AS side
         FROM \(transfer) WHERE \(wanted) AND at >= coalesce((
           SELECT min(at) FROM (SELECT at FROM \(transfer) WHERE \(wanted) AND at >= $2 ORDER BY at DESC LIMIT $6) page), $3)
         ORDER BY at DESC, id DESC LIMIT $6)
        """
    }
    findEntries = Statement(
      "\(side("debit", 0)) UNION ALL \(side("credit", 1)) ORDER BY at DESC, id DESC LIMIT $6", isReadOnly: true)
  }

  // MARK: - Accounts

  /// Opens the account of a user in a currency, unless there is one, and our own accounts of that currency.
  /// - Parameter newID: the id of the account if it is opened.
  public func open(
    owner: UniqueID, _ currency: Currency, newID: UniqueID, on connection: Connection
  ) throws(DatabaseError) -> (account: Account, isNew: Bool) {
    let holder: Set = [LedgerStore.Holder(owner: owner, currency: currency)]
    // Nothing is locked but the rows that are inserted, in one order of ids: ours first.
    let answers = try connection.run([
      .begin, ledger.open([currency]), ledger.open(holder, newID: { newID }), Command(findOwned, [.uuid(owner)]),
      .commit,
    ])
    for row in answers[3] {
      let account = try Self.account(row)
      if account.currency == currency { return (account, account.id == newID) }
    }
    throw .content("the account of user \(owner) in \(currency) is neither there nor opened")
  }

  /// The accounts of these that exist, in any order.
  public func find(_ ids: Set<UniqueID>, on connection: Connection) throws(DatabaseError) -> [Account] {
    try connection.run(Command(findAccounts, [.uuidArray(ids.sorted())])).map { (row) throws(DatabaseError) in
      try Self.account(row)
    }
  }

  /// An account with what it had just before a moment, or what it has now; nil where there is none.
  /// - Parameter moment: as transfers have it in `at`: the begin of their transaction.
  public func find(
    _ id: UniqueID, before moment: Timestamp?, on connection: Connection
  ) throws(DatabaseError) -> Account? {
    guard let account = try find([id], on: connection).first else { return nil }
    guard let moment else { return account }
    return account.with(try moments.find(id, before: moment, on: connection))
  }

  /// The accounts of a user, by currency.
  public func list(owner: UniqueID, on connection: Connection) throws(DatabaseError) -> [Account] {
    try connection.run(Command(findOwned, [.uuid(owner)])).map { (row) throws(DatabaseError) in
      try Self.account(row)
    }
  }

  // MARK: - Movements

  /// Moves money from outside onto users' accounts and back, all in one transaction. A repeated request has one effect
  /// and the same answer; one with the id of another request is refused with the field that differs.
  /// - Returns: a result for each movement, in order.
  public func move(
    _ movements: [ExternalMovement], on connection: Connection
  ) throws(DatabaseError) -> [ExternalMovementResult] {
    var attempt = 1
    while true {
      do throws(DatabaseError) {
        return try connection.transaction { (connection) throws(DatabaseError) in try carryOut(movements, connection) }
      } catch  where error.sqlState == "23505" && attempt < Self.attempts {
        // Somebody has carried out the same request meanwhile: it is found now.
        attempt += 1
      }
    }
  }

  private func carryOut(
    _ movements: [ExternalMovement], _ connection: Connection
  ) throws(DatabaseError) -> [ExternalMovementResult] {
    var batch = try ledger.batch(connection.run(ledger.reads(movements.map(\.movement))))
    let outcomes = movements.map { movement -> TransferOutcome in
      // Our own accounts are not to be topped up.
      guard batch.isGuarded(movement.account) else { return .refused(.unknownAccount(movement.account)) }
      let outcome = batch.decide(.single(movement.movement))
      // There is no account of the world in a currency in which no user has one.
      if case .refused(.unknownAccount) = outcome { return .refused(.otherCurrency(movement.account)) }
      return outcome
    }
    let ids = Parameter.uuidArray(Set(movements.map(\.transferID)).sorted())
    let answers = try connection.run(ledger.writes(batch) + [Command(findTimes, [ids])])
    var times: [UniqueID: Timestamp] = [:]
    for row in answers[answers.count - 1] { times[try row.uuid(TimeColumn.id)] = try row.timestamp(TimeColumn.at) }
    return try zip(movements, outcomes).map { (movement, outcome) throws(DatabaseError) in
      if case .refused(let refusal) = outcome { return .refused(refusal) }
      guard let at = times[movement.transferID] else {
        throw .content("transfer \(movement.transferID) was deleted")
      }
      return .done(at: at, isRepetition: outcome == .exists)
    }
  }

  // MARK: - Entries

  /// What happened on an account, newest first.
  /// - Parameters:
  ///   - from: entries from then on; nil for all.
  ///   - until: entries before then; nil for all.
  ///   - after: the cursor of the last entry of the page before; nil for the first page.
  ///   - limit: the most entries, from 1.
  public func entries(
    of account: UniqueID, from: Timestamp? = nil, until: Timestamp? = nil, after: EntryCursor? = nil, limit: Int,
    on connection: Connection
  ) throws(DatabaseError) -> [AccountEntry] {
    let first = Timestamp(microseconds: 0)
    let last = Timestamp(microseconds: .max).clamped
    let cursor = after ?? EntryCursor(at: last, id: UniqueID(high: .max, low: .max))
    let command = Command(
      findEntries,
      [
        .uuid(account), .timestamp((from ?? first).clamped), .timestamp((until ?? last).clamped),
        .timestamp(cursor.at.clamped), .uuid(cursor.id), .int64(Int64(limit)),
      ])
    return try connection.run(command).map { (row) throws(DatabaseError) in
      AccountEntry(
        transfer: try TransferRow.decode(row),
        side: try row.int16(EntryColumn.side) == 0 ? .debit : .credit, at: try row.timestamp(EntryColumn.at))
    }
  }

  // MARK: - Rows

  private enum AccountColumn: Int, AnswerColumn { case id, kind, owner, currency, posted, pending, openedAt }
  private enum TimeColumn: Int, AnswerColumn { case id, at }
  private enum EntryColumn: Int, AnswerColumn {
    case id, kind, debit, credit, amount, currency, pendingID, at, side
  }

  private static func account(_ row: Row) throws(DatabaseError) -> Account {
    let number = try row.int16(AccountColumn.kind)
    let code = try row.text(AccountColumn.currency)
    guard let kind = LedgerAccount.Kind(rawValue: number) else { throw .content("an account has kind \(number)") }
    guard let currency = Currency(code) else { throw .content("an account has currency \(code)") }
    return Account(
      id: try row.uuid(AccountColumn.id), kind: kind, owner: try row.optionalUUID(AccountColumn.owner),
      currency: currency,
      balance: Balance(posted: try row.int64(AccountColumn.posted), pending: try row.int64(AccountColumn.pending)),
      openedAt: try row.timestamp(AccountColumn.openedAt))
  }
}
