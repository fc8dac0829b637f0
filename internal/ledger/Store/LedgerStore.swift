public import LedgerDomain
public import Money
public import Postgres
public import Values

/// Reads what a `LedgerBatch` decides over, and writes what it has decided, as commands for the caller's transaction.
///
/// The transaction runs `reads`, makes the batch of their answers, decides, and runs `writes` before its COMMIT.
/// Writers never deadlock on accounts: each locks those that it may debit in the order of their ids, at once, before it
/// touches their deltas. What is only credited is not locked: it gets a delta, which is added to the account's row by
/// who debits it next, or by `fold`. So many payments to one payee never wait for each other. Of two transactions that
/// carry out one request at the same time, the later one fails with a unique violation, and finds the transfer when it
/// runs again.
/// A value that any thread may use; make it once, since its statements are prepared on each connection.
public struct LedgerStore: Sendable {
  private let lockAccounts: Statement
  private let findAccounts: Statement
  private let findTransfers: Statement
  private let insertTransfers: Statement
  private let updateAccounts: Statement
  private let insertDeltas: Statement
  private let openAccounts: Statement
  private let findHolders: Statement
  private let findBalances: Statement
  private let foldDeltas: Statement
  private let settle: Statement
  private let findDiffering: Statement
  private let findExisting: Statement

  /// A store of these tables.
  public init(_ tables: LedgerTables = LedgerTables()) {
    let (account, delta, transfer) = (tables.account, tables.delta, tables.transfer)
    lockAccounts = Statement(
      "SELECT id FROM \(account) WHERE id = ANY ($1) AND kind = 1 ORDER BY id FOR NO KEY UPDATE")
    findAccounts = Statement(
      """
      SELECT a.id, a.kind, a.currency::text, a.posted + coalesce(d.posted, 0) AS posted,
             a.pending + coalesce(d.pending, 0) AS pending
      FROM \(account) a
      LEFT JOIN (SELECT account, sum(posted)::bigint AS posted, sum(pending)::bigint AS pending
                 FROM \(delta) WHERE account = ANY ($2) GROUP BY account) d ON d.account = a.id
      WHERE a.id = ANY ($1)
      """)
    findTransfers = Statement(
      """
      SELECT id, kind, debit, credit, amount, currency::text, pending_id FROM \(transfer) WHERE id = ANY ($1)
      """)
    insertTransfers = Statement(
      """
      INSERT INTO \(transfer) (id, kind, debit, credit, amount, currency, pending_id)
      SELECT * FROM unnest($1::uuid[], $2::smallint[], $3::uuid[], $4::uuid[], $5::bigint[], $6::text[], $7::uuid[])
      """)
    // Deltas are deleted under the lock of their account only, by whom also adds them to it: none counts twice.
    let sums = """
      RETURNING d.account, d.posted, d.pending),
      sums AS (SELECT account, sum(posted)::bigint AS posted, sum(pending)::bigint AS pending FROM gone GROUP BY 1)
      """
    updateAccounts = Statement(
      """
      WITH gone AS (DELETE FROM \(delta) d WHERE d.account = ANY ($1) \(sums)
      UPDATE \(account) a
      SET posted = a.posted + u.posted + coalesce(s.posted, 0), pending = a.pending + u.pending + coalesce(s.pending, 0)
      FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS u(id, posted, pending) LEFT JOIN sums s ON s.account = u.id
      WHERE a.id = u.id
      """)
    insertDeltas = Statement(
      """
      INSERT INTO \(delta) (account, posted, pending) SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[])
      """)
    openAccounts = Statement(
      """
      INSERT INTO \(account) (id, kind, owner, currency)
      SELECT * FROM unnest($1::uuid[], $2::smallint[], $3::uuid[], $4::text[]) ON CONFLICT DO NOTHING
      """)
    findHolders = Statement(
      """
      SELECT a.id, a.owner, a.currency::text FROM \(account) a
      JOIN unnest($1::uuid[], $2::text[]) AS u(owner, currency) ON a.owner = u.owner AND a.currency = u.currency
      """, isReadOnly: true)
    findBalances = Statement(
      """
      SELECT a.id, (a.posted + coalesce(sum(d.posted), 0))::bigint AS posted,
             (a.pending + coalesce(sum(d.pending), 0))::bigint AS pending
      FROM \(account) a LEFT JOIN \(delta) d ON d.account = a.id WHERE a.id = ANY ($1) GROUP BY a.id
      """, isReadOnly: true)
    let movements = """
      unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::text[]) AS u(id, debit, credit, amount, currency)
      """
    settle = Statement(
      """
      WITH new AS (
        INSERT INTO \(transfer) (id, kind, debit, credit, amount, currency)
        SELECT u.id, 1, u.debit, u.credit, u.amount, u.currency FROM \(movements) ORDER BY u.id
        ON CONFLICT (id) DO NOTHING RETURNING debit, credit, amount),
      told AS (
        INSERT INTO \(delta) (account, posted, pending)
        SELECT x.account, sum(x.posted)::bigint, 0
        FROM (SELECT debit AS account, -amount AS posted FROM new UNION ALL SELECT credit, amount FROM new) x
        GROUP BY x.account)
      SELECT count(*) FROM new
      """)
    findDiffering = Statement(
      """
      SELECT t.id FROM \(movements) JOIN \(transfer) t ON t.id = u.id
      WHERE (t.kind, t.debit, t.credit, t.amount, t.currency::text) IS DISTINCT FROM
            (1, u.debit, u.credit, u.amount, u.currency) LIMIT 1
      """, isReadOnly: true)
    findExisting = Statement("SELECT id FROM \(transfer) WHERE id = ANY ($1)", isReadOnly: true)
    foldDeltas = Statement(
      """
      WITH old AS MATERIALIZED (SELECT id, account FROM \(delta) ORDER BY id LIMIT $1),
      locked AS MATERIALIZED (
        SELECT id FROM \(account) WHERE id IN (SELECT account FROM old) ORDER BY id FOR NO KEY UPDATE),
      gone AS (DELETE FROM \(delta) d USING old o JOIN locked l ON l.id = o.account WHERE d.id = o.id \(sums)
      UPDATE \(account) a SET posted = a.posted + s.posted, pending = a.pending + s.pending
      FROM sums s WHERE a.id = s.account
      """)
  }

  // MARK: - A batch

  /// Locks the accounts of users that may be debited, then reads accounts and transfers.
  /// - Parameters:
  ///   - debits: every account that the requests, or the holds that they resolve, take money from.
  ///   - credits: every account that they bring money to.
  ///   - requests: what will be decided.
  public func reads(
    debits: Set<UniqueID>, credits: Set<UniqueID>, requests: [TransferRequest]
  ) -> [Command] {
    let guarded = debits.filter { !LedgerAccount.isOurs($0) }.sorted()
    let transfers = Set(requests.map(\.id)).union(requests.compactMap(\.hold))
    // By statements of their own, after the locks, so that they see what their holders committed.
    let looks = [
      Command(findAccounts, [.uuidArray(debits.union(credits).sorted()), .uuidArray(guarded)]),
      Command(findTransfers, [.uuidArray(transfers.sorted())]),
    ]
    return (guarded.isEmpty ? [] : [Command(lockAccounts, [.uuidArray(guarded)])]) + looks
  }

  /// The commands that read what movements are decided over.
  public func reads(_ movements: [TransferRequest.Movement]) -> [Command] {
    reads(
      debits: Set(movements.map(\.debit)), credits: Set(movements.map(\.credit)),
      requests: movements.map { .single($0) })
  }

  /// The batch that decides over what `reads` found.
  /// - Throws: `schema`; `content` for a number that no account of ours has.
  public func batch(_ answers: some Collection<Rows>) throws(DatabaseError) -> LedgerBatch {
    var answers = Array(answers)[...]
    precondition((2...3).contains(answers.count), "the answers of reads")
    var locked: Set<UniqueID> = []
    if answers.count == 3 {
      for row in answers.removeFirst() { locked.insert(try row.uuid(0)) }
    }
    let (found, moved) = (answers.removeFirst(), answers.removeFirst())
    var accounts: [LedgerAccount] = []
    var balances: [UniqueID: Balance] = [:]
    for row in found {
      // One that cannot be read is as one that is not there: what names it is refused, the rest goes on.
      guard let account = try Self.ifReadable({ () throws(DatabaseError) in try Self.account(row) }) else { continue }
      accounts.append(account)
      balances[account.id] = try Self.balance(row, AccountColumn.posted, AccountColumn.pending)
    }
    var transfers: [Transfer] = []
    var unreadable: Set<UniqueID> = []
    for row in moved {
      if let transfer = try Self.ifReadable({ () throws(DatabaseError) in try TransferRow.decode(row) }) {
        transfers.append(transfer)
      } else {
        unreadable.insert(try TransferRow.id(row))
      }
    }
    return LedgerBatch(
      accounts: accounts, balances: balances, locked: locked, transfers: transfers, unreadable: unreadable)
  }

  private static func ifReadable<Value>(
    _ read: () throws(DatabaseError) -> Value
  ) throws(DatabaseError) -> Value? {
    do throws(DatabaseError) {
      return try read()
    } catch  where error.code == .content {
      return nil
    }
  }

  /// Writes what the batch has decided.
  /// - Parameter batch: of this transaction.
  public func writes(_ batch: LedgerBatch) -> [Command] {
    guard !batch.transfers.isEmpty else { return [] }
    let changed = batch.changes.filter { $0.value != Balance() }.sorted { $0.key < $1.key }
    let locked = changed.filter { batch.isLocked($0.key) }
    let others = changed.filter { !batch.isLocked($0.key) }
    var commands = [Command(insertTransfers, TransferRow.encode(batch.transfers))]
    for (statement, changes) in [(updateAccounts, locked), (insertDeltas, others)] where !changes.isEmpty {
      commands.append(
        Command(
          statement,
          [
            .uuidArray(changes.map(\.key)), .int64Array(changes.map(\.value.posted)),
            .int64Array(changes.map(\.value.pending)),
          ]))
    }
    return commands
  }

  // MARK: - Between our own accounts

  /// Moves money between accounts of our own, each movement once: nothing is decided, since none of them is guarded.
  /// - Parameter movements: of accounts that exist, with ids that differ.
  /// - Returns: how many were not there yet.
  /// - Throws: `content` when a transfer of that id is another one; then the caller's transaction must not commit.
  public func settle(
    _ movements: [TransferRequest.Movement], on connection: Connection
  ) throws(DatabaseError) -> Int {
    let parameters: [Parameter] = [
      .uuidArray(movements.map(\.id)), .uuidArray(movements.map(\.debit)), .uuidArray(movements.map(\.credit)),
      .int64Array(movements.map(\.amount.minorUnits)), .textArray(movements.map(\.amount.currency.code)),
    ]
    let new = Int(try connection.run(Command(settle, parameters)).only.int64(0))
    if new < movements.count, let other = try connection.run(Command(findDiffering, parameters)).first {
      throw .content("transfer \(try other.uuid(0)) is there and moves something else")
    }
    return new
  }

  /// The ids among these under which there is a transfer.
  public func existing(_ ids: [UniqueID], on connection: Connection) throws(DatabaseError) -> Set<UniqueID> {
    let rows = try connection.run(Command(findExisting, [.uuidArray(ids)]))
    return Set(try rows.map { (row) throws(DatabaseError) in try row.uuid(0) })
  }

  /// The transfers among these that are there.
  /// - Throws: `content` for one that holds what no transfer of ours has.
  public func transfers(
    _ ids: [UniqueID], on connection: Connection
  ) throws(DatabaseError) -> [UniqueID: Transfer] {
    var found: [UniqueID: Transfer] = [:]
    for row in try connection.run(Command(findTransfers, [.uuidArray(ids)])) {
      let transfer = try TransferRow.decode(row)
      found[transfer.id] = transfer
    }
    return found
  }

  // MARK: - Accounts

  /// A user's wish to be paid or to pay in a currency.
  public struct Holder: Sendable, Hashable {
    /// The user.
    public let owner: UniqueID
    /// The currency.
    public let currency: Currency

    /// A holder.
    public init(owner: UniqueID, currency: Currency) {
      self.owner = owner
      self.currency = currency
    }
  }

  /// Opens the accounts of users who have none in the currency yet.
  /// - Parameter newID: makes the ids.
  public func open(_ holders: Set<Holder>, newID: () -> UniqueID) -> Command {
    let holders = holders.sorted { ($0.owner, $0.currency) < ($1.owner, $1.currency) }
    return Command(
      openAccounts,
      [
        .uuidArray(holders.map { _ in newID() }), .int16Array(holders.map { _ in LedgerAccount.Kind.user.rawValue }),
        .optionalUUIDArray(holders.map(\.owner)), .textArray(holders.map(\.currency.code)),
      ])
  }

  /// Opens our own accounts of a currency where they do not exist yet.
  public func open(_ currencies: Set<Currency>) -> Command {
    let accounts = currencies.sorted().flatMap { currency in
      LedgerAccount.Kind.allCases.filter { !$0.isGuarded }.map { LedgerAccount.ours($0, currency) }
    }
    return Command(
      openAccounts,
      [
        .uuidArray(accounts.map(\.id)), .int16Array(accounts.map(\.kind.rawValue)),
        .optionalUUIDArray(accounts.map { _ in nil }), .textArray(accounts.map(\.currency.code)),
      ])
  }

  /// The ids of the accounts that users have.
  public func find(_ holders: Set<Holder>) -> Command {
    let holders = Array(holders)
    return Command(findHolders, [.uuidArray(holders.map(\.owner)), .textArray(holders.map(\.currency.code))])
  }

  /// The answer to `find`.
  public func accounts(_ answer: Rows) throws(DatabaseError) -> [Holder: UniqueID] {
    var accounts: [Holder: UniqueID] = [:]
    for row in answer {
      let code = try row.text(HolderColumn.currency)
      guard let currency = Currency(code) else { throw .content("an account has currency \(code)") }
      accounts[Holder(owner: try row.uuid(HolderColumn.owner), currency: currency)] = try row.uuid(HolderColumn.id)
    }
    return accounts
  }

  /// The balances of the accounts that exist.
  public func balances(of accounts: [UniqueID], on connection: Connection) throws(DatabaseError) -> [UniqueID: Balance]
  {
    var balances: [UniqueID: Balance] = [:]
    for row in try connection.run(Command(findBalances, [.uuidArray(accounts)])) {
      balances[try row.uuid(BalanceColumn.id)] = try Self.balance(row, BalanceColumn.posted, BalanceColumn.pending)
    }
    return balances
  }

  /// Adds the oldest deltas to their accounts. Of two processes that fold, the second one waits at the first account of
  /// both: holds are folded before what resolves them.
  public func fold(limit: Int = 10_000) -> Command { Command(foldDeltas, [.int64(Int64(limit))]) }

  // MARK: - Rows

  private enum BalanceColumn: Int, AnswerColumn { case id, posted, pending }
  private enum HolderColumn: Int, AnswerColumn { case id, owner, currency }
  private enum AccountColumn: Int, AnswerColumn { case id, kind, currency, posted, pending }

  private static func balance<Column: AnswerColumn>(
    _ row: Row, _ posted: Column, _ pending: Column
  ) throws(DatabaseError) -> Balance {
    Balance(posted: try row.int64(posted), pending: try row.int64(pending))
  }

  private static func account(_ row: Row) throws(DatabaseError) -> LedgerAccount {
    let kind = try row.int16(AccountColumn.kind)
    let code = try row.text(AccountColumn.currency)
    guard let kind = LedgerAccount.Kind(rawValue: kind) else { throw .content("an account has kind \(kind)") }
    guard let currency = Currency(code) else { throw .content("an account has currency \(code)") }
    return LedgerAccount(id: try row.uuid(AccountColumn.id), kind: kind, currency: currency)
  }
}
