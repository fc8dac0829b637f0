import LedgerDomain
import LedgerSchema
import LedgerStore
import Migrator
import Money
import Postgres
import Randomness
import Runtime
import Synchronization
import Testing
import Values

/// Random batches on real tables. After every step six invariants must hold:
/// 1. each currency sums to zero;
/// 2. no user has less than nothing available, and no account less than nothing on hold;
/// 3. an account has what its transfers say;
/// 4. a hold is resolved once at most, with its own accounts, and for no more than it reserved;
/// 5. a request has one effect, however often it is made, and other content under its id is refused by the field;
/// 6. what is sealed stays as it was, and the days are its sums.
@Suite("Ledger fuzz", .needsDatabase)
struct LedgerFuzzTests {
  /// Accounts of users and of ours in two currencies.
  private struct Site: Sendable {
    let schema: String
    let store: LedgerStore
    let sealer: ChainSealer
    let verifier: ChainVerifier
    let accounts: [LedgerAccount]

    /// - Parameter users: who have an account in each currency.
    init(_ schema: String, users: UInt64) throws {
      self.schema = schema
      let tables = LedgerTables(schema: schema)
      store = LedgerStore(tables)
      var limits = ChainSealer.Limits()
      limits.transfers = 9
      sealer = ChainSealer(tables, limits: limits)
      verifier = ChainVerifier(tables)
      try Migrator(
        configuration: TestDatabase.configuration(), line: LedgerSchema.line(schema: schema), logger: TestDatabase.quiet
      ).up()
      let currencies = try ["EUR", "JPY"].map { try #require(Currency($0)) }
      let connection = try TestDatabase.open(schema: schema)
      let owners = (0..<users).map { UniqueID(high: 5, low: $0) }
      let holders = Set(owners.flatMap { owner in currencies.map { LedgerStore.Holder(owner: owner, currency: $0) } })
      var number: UInt64 = 0
      let open = store.open(holders) {
        number += 1
        return UniqueID(high: 6, low: number)
      }
      try connection.run([store.open(Set(currencies)), open])
      let users = try store.accounts(connection.run(store.find(holders))).map { holder, id in
        LedgerAccount(id: id, kind: .user, currency: holder.currency)
      }
      let ours = currencies.flatMap { currency in
        [LedgerAccount.Kind.clearing, .world, .suspense].map { LedgerAccount.ours($0, currency) }
      }
      accounts = users.sorted { $0.id < $1.id } + ours
    }

    func run(_ requests: [TransferRequest], on connection: Connection) throws(DatabaseError) -> [TransferOutcome] {
      try store.carryOut(requests, holders: accounts.map(\.id), on: connection)
    }

    /// The invariants that do not hold in one snapshot of the tables.
    func broken(_ connection: Connection) throws -> [String] {
      let s = schema
      let rows = try connection.run(
        Command(
          Statement(
            """
            WITH own AS (
              SELECT a.id, a.kind, a.currency, a.posted + coalesce(sum(d.posted), 0) AS posted,
                     a.pending + coalesce(sum(d.pending), 0) AS pending
              FROM \(s).account a LEFT JOIN \(s).account_delta d ON d.account = a.id GROUP BY a.id),
            told AS (
              SELECT a.id,
                     (SELECT coalesce(sum(amount), 0) FROM \(s).transfer WHERE credit = a.id AND kind IN (1, 3))
                     - (SELECT coalesce(sum(amount), 0) FROM \(s).transfer WHERE debit = a.id AND kind IN (1, 3)) AS posted,
                     (SELECT coalesce(sum(amount), 0) FROM \(s).transfer h WHERE debit = a.id AND kind = 2
                      AND NOT EXISTS (SELECT FROM \(s).transfer r WHERE r.pending_id = h.id)) AS pending
              FROM \(s).account a)
            SELECT 'a currency does not sum to zero' FROM own GROUP BY currency HAVING sum(posted) <> 0
            UNION ALL SELECT 'below zero' FROM own WHERE pending < 0 OR kind = 1 AND posted - pending < 0
            UNION ALL SELECT 'not what the transfers say' FROM own JOIN told USING (id)
              WHERE own.posted <> told.posted OR own.pending <> told.pending
            UNION ALL SELECT 'resolved twice' FROM \(s).transfer WHERE pending_id IS NOT NULL
              GROUP BY pending_id HAVING count(*) > 1
            UNION ALL SELECT 'another resolution' FROM \(s).transfer r LEFT JOIN \(s).transfer h ON h.id = r.pending_id
              WHERE r.pending_id IS NOT NULL AND (h.kind, h.debit, h.credit, h.currency)
                IS DISTINCT FROM (2::smallint, r.debit, r.credit, r.currency) OR r.amount > h.amount
            """)))
      return try rows.map { (row) throws(DatabaseError) in try row.text(0) }
    }

    /// What is wrong with what is sealed.
    func brokenChain(_ connection: Connection) throws -> [String] {
      let report = try verifier.run(on: connection, onPage: { _ in })
      let days = try verifier.wrongDays(limit: 5, on: connection, timeout: .seconds(60))
      return [report.difference].compactMap(\.self) + days.map { "day \($0.day) of \($0.account)" }
    }
  }

  /// The ledger as its documentation says: one request after the other, over everything there ever was.
  private struct Model {
    let accounts: [UniqueID: LedgerAccount]
    var balances: [UniqueID: Balance]
    var transfers: [UniqueID: Transfer] = [:]

    init(_ accounts: [LedgerAccount]) {
      self.accounts = Dictionary(uniqueKeysWithValues: accounts.map { ($0.id, $0) })
      balances = Dictionary(uniqueKeysWithValues: accounts.map { ($0.id, Balance()) })
    }

    mutating func decide(_ request: TransferRequest) -> TransferOutcome {
      switch request {
      case .single(let movement): move(movement, isHold: false)
      case .hold(let movement): move(movement, isHold: true)
      case .post(let hold, let amount): resolve(hold, .post, amount)
      case .void(let hold): resolve(hold, .void, nil)
      }
    }

    private mutating func move(_ movement: TransferRequest.Movement, isHold: Bool) -> TransferOutcome {
      let transfer = Transfer(
        id: movement.id, kind: isHold ? .pending : .single, debit: movement.debit, credit: movement.credit,
        amount: movement.amount, pendingID: nil)
      if let known = transfers[movement.id] { return Self.repetition(of: known, transfer) }
      let amount = movement.amount.minorUnits
      if amount < 1 || amount > LedgerBatch.maximumAmount { return .refused(.amountOutOfRange) }
      if movement.debit == movement.credit { return .refused(.sameAccount) }
      for id in [movement.debit, movement.credit] {
        guard let account = accounts[id] else { return .refused(.unknownAccount(id)) }
        if account.currency != movement.amount.currency { return .refused(.otherCurrency(id)) }
      }
      if accounts[movement.debit]?.kind == .user, balances[movement.debit]!.available < amount {
        return .refused(.insufficientFunds)
      }
      transfers[movement.id] = transfer
      if isHold {
        balances[movement.debit]!.pending += amount
      } else {
        balances[movement.debit]!.posted -= amount
        balances[movement.credit]!.posted += amount
      }
      return .created
    }

    private mutating func resolve(_ hold: UniqueID, _ kind: Transfer.Kind, _ asked: Int64?) -> TransferOutcome {
      guard let held = transfers[hold], held.kind == .pending else { return .refused(.unknownHold) }
      let amount = asked ?? held.amount.minorUnits
      let transfer = Transfer(
        id: TransferID.resolution(of: hold), kind: kind, debit: held.debit, credit: held.credit,
        amount: Money(minorUnits: amount, held.amount.currency), pendingID: hold)
      if let known = transfers[transfer.id] { return Self.repetition(of: known, transfer) }
      if amount < 1 { return .refused(.amountOutOfRange) }
      if amount > held.amount.minorUnits { return .refused(.exceedsHold) }
      transfers[transfer.id] = transfer
      balances[held.debit]!.pending -= held.amount.minorUnits
      if kind == .post {
        balances[held.debit]!.posted -= amount
        balances[held.credit]!.posted += amount
      }
      return .created
    }

    private static func repetition(of known: Transfer, _ asked: Transfer) -> TransferOutcome {
      if known.kind != asked.kind { return .refused(.differs(.kind)) }
      if known.debit != asked.debit { return .refused(.differs(.debit)) }
      if known.credit != asked.credit { return .refused(.differs(.credit)) }
      if known.amount.currency != asked.amount.currency { return .refused(.differs(.currency)) }
      return known.amount == asked.amount ? .exists : .refused(.differs(.amount))
    }
  }

  /// Anything that a caller may ask for, and what none should.
  private static func request(
    _ random: inout SplitMix64, _ accounts: [LedgerAccount], ids: UInt64
  ) -> TransferRequest {
    let id = UniqueID(high: 2, low: UInt64.random(in: 0..<ids, using: &random) << 4)
    switch Int.random(in: 0..<12, using: &random) {
    case 0...1: return .post(hold: id, amount: Int64.random(in: -1...600, using: &random))
    case 2: return .post(hold: id)
    case 3: return .void(hold: id)
    default: break
    }
    // The same id has the same content, mostly.
    var content = SplitMix64(seed: id.low &+ (Int.random(in: 0..<12, using: &random) == 0 ? 1 : 0))
    let debit = accounts.randomElement(using: &content)!
    let isStrange = Int.random(in: 0..<15, using: &content) == 0
    let credit = (isStrange ? accounts : accounts.filter { $0.currency == debit.currency })
      .randomElement(using: &content)!
    let amount = isStrange ? Int64.random(in: -5...5, using: &content) : Int64.random(in: 1...500, using: &content)
    let movement = TransferRequest.Movement(
      id: id, debit: debit.id,
      credit: Int.random(in: 0..<40, using: &content) == 0 ? UniqueID(high: 8, low: 8) : credit.id,
      amount: Money(minorUnits: amount, debit.currency))
    return Bool.random(using: &content) ? .single(movement) : .hold(movement)
  }

  @Test(arguments: UInt64(0)..<4)
  func `random batches do on the tables what the rules say`(seed: UInt64) throws {
    try TestDatabase.withSchema { schema in
      let site = try Site(schema, users: 4)
      let connection = try TestDatabase.open(schema: schema)
      var model = Model(site.accounts)
      var random = SplitMix64(seed: seed)
      var asked: [TransferRequest] = []
      var outcomes: [String: Int] = [:]
      for _ in 0..<60 {
        var requests = (0..<Int.random(in: 1...14, using: &random)).map { _ in
          Self.request(&random, site.accounts, ids: 150)
        }
        // Some are made again, later and in other company.
        if let again = asked.randomElement(using: &random) { requests.append(again) }
        let told = requests.map { model.decide($0) }
        let done = try site.run(requests, on: connection)
        #expect(done == told)
        for outcome in done { outcomes[Self.name(outcome), default: 0] += 1 }
        asked += requests
        switch Int.random(in: 0..<4, using: &random) {
        case 0: try connection.run(site.store.fold(limit: Int.random(in: 1...20, using: &random)))
        case 1: _ = try site.sealer.seal(on: connection)
        default: break
        }
        #expect(try site.broken(connection) == [])
        #expect(try site.brokenChain(connection) == [])
        let balances = try site.store.balances(of: site.accounts.map(\.id), on: connection)
        #expect(balances == model.balances)
      }
      // Each way out was taken.
      for name in [
        "created", "exists", "differs", "insufficientFunds", "unknownHold", "exceedsHold", "amountOutOfRange",
      ] {
        #expect(outcomes[name, default: 0] > 0, "\(name): \(outcomes)")
      }
    }
  }

  private static func name(_ outcome: TransferOutcome) -> String {
    guard case .refused(let refusal) = outcome else { return "\(outcome)" }
    return "\(refusal)".prefix { $0 != "(" }.description
  }

  @Test func `thirty-two writers of random batches break no invariant`() throws {
    try TestDatabase.withSchema { schema in
      // Few accounts and many ids, so that the writers meet on what is left of the same balance.
      let site = try Site(schema, users: 1)
      let created = Mutex<[UniqueID: Int]>([:])
      let writers = (0..<32).map { number in
        WorkerThread(name: "writer") {
          do {
            var random = SplitMix64(seed: UInt64(number) + 1_000)
            let connection = try TestDatabase.open(schema: schema)
            for _ in 0..<16 {
              let requests = (0..<Int.random(in: 1...6, using: &random)).map { _ in
                Self.request(&random, site.accounts, ids: 3_000)
              }
              let outcomes = try site.run(requests, on: connection)
              created.withLock { created in
                for (request, outcome) in zip(requests, outcomes) where outcome == .created {
                  created[request.id, default: 0] += 1
                }
              }
            }
          } catch { Issue.record(error) }
        }
      }
      let isOver = StopFlag()
      let steps = Atomic<Int>(0)
      let watchers = (0..<2).map { number in
        WorkerThread(name: "watcher") {
          do {
            let connection = try TestDatabase.open(schema: schema)
            while !isOver.isStopped {
              if number == 0 {
                try connection.run(site.store.fold(limit: 13))
                #expect(try site.broken(connection) == [])
              } else {
                _ = try site.sealer.seal(on: connection)
                #expect(try site.brokenChain(connection) == [])
              }
              steps.add(1, ordering: .relaxed)
            }
          } catch { Issue.record(error) }
        }
      }
      for writer in writers { writer.join() }
      isOver.stop()
      for watcher in watchers { watcher.join() }
      #expect(steps.load(ordering: .relaxed) > 4)
      let connection = try TestDatabase.open(schema: schema)
      #expect(try site.broken(connection) == [])
      // Whoever was told "created" is the only one, and its transfer is there.
      let told = created.withLock { $0 }
      #expect(told.values.allSatisfy { $0 == 1 })
      let there = try connection.run(Command(Statement("SELECT id FROM \(schema).transfer"))).map {
        (row) throws(DatabaseError) in try row.uuid(0)
      }
      #expect(Set(there) == Set(told.keys) && there.count > 100)
    }
  }
}
