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

@Suite("Ledger store", .needsDatabase)
struct LedgerStoreTests {
  static let euro = Currency("EUR")!

  /// A ledger in a schema of its own, with funded users.
  struct Book: Sendable {
    let schema: String
    let store: LedgerStore
    let world = LedgerAccount.ours(.world, euro)
    let clearing = LedgerAccount.ours(.clearing, euro)
    private(set) var users: [UniqueID] = []

    init(_ schema: String, users count: Int, funds: Int64) throws {
      self.schema = schema
      store = LedgerStore(LedgerTables(schema: schema))
      let connection = try TestDatabase.open(schema: schema)
      try Migrator(
        configuration: TestDatabase.configuration(), line: LedgerSchema.line(schema: schema), logger: TestDatabase.quiet
      ).up()
      let holders = Set(
        (0..<count).map { LedgerStore.Holder(owner: UniqueID(high: 7, low: UInt64($0)), currency: euro) })
      try connection.run([store.open([euro]), store.open(holders, newID: { UniqueID.random() })])
      let found = try store.accounts(connection.run(store.find(holders)))
      users = found.sorted { $0.key.owner < $1.key.owner }.map(\.value)
      if funds > 0 {
        for (number, user) in users.enumerated() {
          let request = TransferRequest.single(movement(UInt64(number) + 1_000_000, world.id, user, funds))
          let outcome = try run([request], on: connection)
          #expect(outcome == [.created])
        }
      }
    }

    func movement(_ number: UInt64, _ debit: UniqueID, _ credit: UniqueID, _ amount: Int64) -> TransferRequest.Movement
    {
      TransferRequest.Movement(
        id: UniqueID(high: 9, low: number << 4), debit: debit, credit: credit,
        amount: Money(minorUnits: amount, euro))
    }

    func run(_ requests: [TransferRequest], on connection: Connection) throws(DatabaseError) -> [TransferOutcome] {
      try store.carryOut(requests, holders: users + [world.id, clearing.id], on: connection)
    }

    func check() throws {
      let connection = try TestDatabase.open(schema: schema)
      try connection.run(.beginSnapshot)
      defer { _ = try? connection.run(.rollback) }
      let sum = try connection.int(
        """
        SELECT ((SELECT coalesce(sum(posted), 0) FROM \(schema).account)
              + (SELECT coalesce(sum(posted), 0) FROM \(schema).account_delta))::bigint
        """)
      #expect(sum == 0)
      let wrong = try connection.int(
        """
        SELECT count(*) FROM (
          SELECT a.id, a.pending + coalesce((SELECT sum(pending) FROM \(schema).account_delta d WHERE d.account = a.id), 0) AS pending,
                 coalesce((SELECT sum(h.amount) FROM \(schema).transfer h WHERE h.kind = 2 AND h.debit = a.id
                   AND NOT EXISTS (SELECT FROM \(schema).transfer r WHERE r.pending_id = h.id)), 0) AS held
          FROM \(schema).account a) x WHERE pending <> held
        """)
      #expect(wrong == 0)
    }
  }

  @Test func `a batch is written as it was decided, and folding changes no balance`() throws {
    try TestDatabase.withSchema { schema in
      let book = try Book(schema, users: 2, funds: 100)
      let connection = try TestDatabase.open(schema: schema)
      let kinds = Statement("SELECT string_agg(kind::text, ' ' ORDER BY kind) FROM account")
      #expect(try connection.run(Command(kinds)).only.text(0) == "1 1 2 3 4 5")
      let hold = book.movement(1, book.clearing.id, book.users[0], 70)
      let pay = book.movement(2, book.users[0], book.users[1], 60)
      #expect(
        try book.run(
          [.hold(hold), .single(pay), .single(book.movement(3, book.users[0], book.users[1], 41))], on: connection)
          == [.created, .created, .refused(.insufficientFunds)])
      #expect(
        try book.run([.post(hold: hold.id, amount: 50), .single(pay), .hold(pay)], on: connection)
          == [.created, .exists, .refused(.differs(.kind))])
      let all = book.users + [book.clearing.id, book.world.id]
      let before = try book.store.balances(of: all, on: connection)
      #expect(before[book.users[0]] == Balance(posted: 90))
      #expect(before[book.users[1]] == Balance(posted: 160))
      #expect(before[book.clearing.id] == Balance(posted: -50))
      #expect(before[book.world.id] == Balance(posted: -200))
      try book.check()
      try connection.run(book.store.fold(limit: 2))
      #expect(try book.store.balances(of: all, on: connection) == before)
      try connection.run(book.store.fold())
      #expect(try book.store.balances(of: all, on: connection) == before)
      #expect(try connection.int("SELECT count(*) FROM \(schema).account_delta") == 0)
      try book.check()
    }
  }

  @Test func `a batch adds one delta to each hot account, and updates none`() throws {
    try TestDatabase.withSchema { schema in
      let book = try Book(schema, users: 1, funds: 0)
      let connection = try TestDatabase.open(schema: schema)
      let rows = Command(Statement("SELECT id || ' ' || xmin || ' ' || ctid FROM \(schema).account ORDER BY id"))
      let before = try connection.run(rows).map { try $0.text(0) }
      let requests = (0..<20).map { number in
        let debit = number % 2 == 0 ? book.clearing : book.world
        return TransferRequest.single(book.movement(UInt64(number), debit.id, book.users[0], 5))
      }
      #expect(try book.run(requests, on: connection) == requests.map { _ in .created })
      let deltas = try connection.run(
        Command(Statement("SELECT account, count(*), sum(posted)::bigint FROM \(schema).account_delta GROUP BY 1")))
      let found = Dictionary(uniqueKeysWithValues: try deltas.map { (try $0.uuid(0), [try $0.int(1), try $0.int(2)]) })
      #expect(found == [book.clearing.id: [1, -50], book.world.id: [1, -50], book.users[0]: [1, 100]])
      #expect(try connection.run(rows).map { try $0.text(0) } == before)
    }
  }

  @Test func `payments to one payee wait for nobody, and its money can be spent at once`() throws {
    try TestDatabase.withSchema { schema in
      let book = try Book(schema, users: 3, funds: 100)
      let (first, second) = (try TestDatabase.open(schema: schema), try TestDatabase.open(schema: schema))
      try second.run(Command(Statement("SET lock_timeout = '1s'")))
      let pay = book.movement(1, book.users[0], book.users[2], 60)
      try first.run(.begin)
      var batch = try book.store.batch(first.run(book.store.reads([pay])))
      #expect(batch.decide(.single(pay)) == .created)
      try first.run(book.store.writes(batch))
      // Its payee is credited, and spends, beside the open transaction.
      let more = book.movement(2, book.users[1], book.users[2], 50)
      #expect(try book.run([.single(more)], on: second) == [.created])
      let spend = book.movement(3, book.users[2], book.users[1], 151)
      #expect(try book.run([.single(spend)], on: second) == [.refused(.insufficientFunds)])
      #expect(try book.run([.single(book.movement(4, book.users[2], book.users[1], 150))], on: second) == [.created])
      try first.run(.commit)
      let balances = try book.store.balances(of: book.users, on: first)
      #expect(
        balances == [
          book.users[0]: Balance(posted: 40), book.users[1]: Balance(posted: 200),
          book.users[2]: Balance(posted: 60),
        ])
      try book.check()
    }
  }

  @Test func `thirty-two writers keep every account at or above zero`() throws {
    try TestDatabase.withSchema { schema in
      let book = try Book(schema, users: 6, funds: 1_000)
      let outcomes = Mutex<[String: Int]>([:])
      let threads = (0..<32).map { number in
        WorkerThread(name: "writer") {
          do {
            var random = SplitMix64(seed: UInt64(number))
            let connection = try TestDatabase.open(schema: schema)
            for _ in 0..<12 {
              var requests: [TransferRequest] = []
              for _ in 0..<Int.random(in: 1...8, using: &random) {
                let id = UInt64.random(in: 0..<1_500, using: &random)
                let accounts = book.users + [book.clearing.id]
                // The same id has the same content, mostly: repetitions, and some that differ.
                var content = SplitMix64(seed: id + (Int.random(in: 0..<20, using: &random) == 0 ? 1 : 0))
                let debit = accounts.randomElement(using: &content)!
                let credit = accounts.randomElement(using: &content)!
                let movement = book.movement(id, debit, credit, Int64.random(in: 1...700, using: &content))
                switch id % 3 {
                case 0: requests.append(.single(movement))
                case 1: requests.append(.hold(movement))
                default:
                  let hold = UniqueID(high: 9, low: (id - 1) << 4)
                  requests.append(id % 2 == 0 ? .void(hold: hold) : .post(hold: hold))
                }
              }
              for outcome in try book.run(requests, on: connection) {
                outcomes.withLock { $0["\(outcome)".prefix(12).description, default: 0] += 1 }
              }
            }
          } catch { Issue.record(error) }
        }
      }
      let isOver = StopFlag()
      let folder = WorkerThread(name: "folder") {
        guard let connection = try? TestDatabase.open(schema: schema) else { return }
        while !isOver.isStopped {
          do { try connection.run(book.store.fold(limit: 20)) } catch { Issue.record(error) }
          do { try book.check() } catch { Issue.record(error) }
        }
      }
      for thread in threads { thread.join() }
      isOver.stop()
      folder.join()
      try book.check()
      #expect(outcomes.withLock { $0["created", default: 0] } > 100)
    }
  }
}

extension LedgerStore {
  /// Carries requests out in a transaction of their own, as often as another one is at the same request.
  /// - Parameter holders: every account that a hold may be on: whose one is that is resolved, is not known here.
  func carryOut(
    _ requests: [TransferRequest], holders: [UniqueID], on connection: Connection
  ) throws(DatabaseError) -> [TransferOutcome] {
    var (debits, credits): (Set<UniqueID>, Set<UniqueID>) = ([], [])
    for request in requests {
      switch request {
      case .single(let movement), .hold(let movement):
        debits.insert(movement.debit)
        credits.insert(movement.credit)
      case .post, .void: debits.formUnion(holders)
      }
    }
    while true {
      do throws(DatabaseError) {
        return try connection.transaction { (connection) throws(DatabaseError) in
          let answers = try connection.run(reads(debits: debits, credits: credits, requests: requests))
          var batch = try batch(answers)
          let outcomes = requests.map { batch.decide($0) }
          try connection.run(writes(batch))
          return outcomes
        }
      } catch  where error.sqlState == "23505" {}
    }
  }
}
