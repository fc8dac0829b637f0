import Inbox
import Kafka
import LedgerDomain
import LedgerStore
import Money
import Outbox
import Postgres
import ProcessingDebits
import ProcessingStore
import Runtime
import Synchronization
import Testing
import Tracing
import UserNames
import Values

@Suite("Debits", .needsDatabase)
struct DebitStoreTests {
  typealias House = ProcessingStoreTests.House
  private static let euro = ProcessingStoreTests.euro
  private static let alice = UserName("alice")!

  /// Runs `body` with a store, and an account of Alice with 100.
  private func with(_ body: (DebitStore, House, _ account: UniqueID) throws -> Void) throws {
    try House.with { house, schema in
      let outbox = try OutboxTables(schema: schema, channel: "test_processing")
      let store = DebitStore(
        ProcessingTables(schema: schema), ledger: house.ledger,
        outbox: OutboxWriter(outbox, shards: ShardMap(count: 64)), topic: "debits-results")
      let ledger = house.ledgerTable.split(separator: ".").first.map(String.init) ?? ""
      let accounts = AccountStore(LedgerTables(schema: ledger), ledger: house.ledger)
      let account = UniqueID(high: 4, low: 16)
      _ = try accounts.open(owner: Self.alice.userID, Self.euro, newID: account, on: house.connection)
      let topUp = ExternalMovement(id: UniqueID(high: 5, low: 16), .topUp, account: account, amount: euros(100))
      _ = try accounts.move([topUp], on: house.connection)
      try body(store, house, account)
    }
  }

  private func euros(_ amount: Int64) -> Money { Money(minorUnits: amount, Self.euro) }

  private func debit(_ number: UInt64, _ amount: Int64, _ user: UserName = alice) -> DebitCommand {
    DebitCommand(id: UniqueID(high: 6, low: number), user: user, amount: euros(amount))
  }

  private func done(_ command: DebitCommand) -> DebitOutcome { .decided(DebitResult(command.id, .created)) }

  private func poor(_ command: DebitCommand) -> DebitOutcome {
    .decided(DebitResult(command.id, .refused(.insufficientFunds)))
  }

  private func events(_ house: House) throws -> Int {
    try house.connection.int("SELECT count(*) FROM \(house.schema).event WHERE topic = 'debits-results'")
  }

  private func posted(_ house: House, _ account: UniqueID) throws -> Int64? {
    try house.ledger.balances(of: [account], on: house.connection)[account]?.posted
  }

  @Test func `a debit's result goes on with the trace of its message`() throws {
    try with { store, house, _ in
      let tracer = Tracer(sampler: TraceSampler("parentbased_always_off"), capacity: 10)
      let handler = DebitHandler(store, unit: .minor, tracer: tracer) {}
      let parents = ["00-0000000000000000000000000000000a-00f067aa0ba902b7-01", nil]
      let debits = parents.enumerated().compactMap { number, parent -> CommandedDebit? in
        let id = UniqueID(high: 6, low: UInt64(number + 1))
        let text = #"{"id":"\#(id)","userName":"alice","amount":25,"currency":"EUR"}"#
        let headers = parent.map { [RecordHeader(TraceContext.name, Array($0.utf8))] } ?? []
        let message = ConsumedMessage(
          topic: "debits", partition: 0, offset: Int64(number), key: nil, value: Array(text.utf8), headers: headers)
        guard case .work(let debit) = handler.sort(message) else { return nil }
        return debit
      }
      handler.committed(debits, try handler.execute(debits, on: house.connection))
      let spans = tracer.take(10)
      #expect(spans.map(\.name) == ["carry out debits", "process debits"])
      let message = try #require(spans.last)
      #expect(message.trace == TraceID(high: 0, low: 10) && message.parent == 0x00f0_67aa_0ba9_02b7)
      #expect(spans.first?.parent == message.id)
      let context = TraceContext(trace: message.trace, span: message.id)
      let headers = "array_to_string(headers, ' ')"
      let results = "SELECT count(*) FROM \(house.schema).event WHERE topic = 'debits-results'"
      #expect(try house.connection.int("\(results) AND \(headers) LIKE '%traceparent \(context.traceparent)%'") == 1)
      #expect(try house.connection.int("\(results) AND \(headers) NOT LIKE '%traceparent%'") == 1)
    }
  }

  @Test func `debits of a batch see those before them, and ids that differ in a digit are two`() throws {
    try with { store, house, account in
      let debits = [debit(1, 60), debit(2, 60), debit(3, 40), debit(4, 1)]
      let outcomes = try store.execute(debits, on: house.connection)
      #expect(outcomes == [done(debits[0]), poor(debits[1]), done(debits[2]), poor(debits[3])])
      #expect(try posted(house, account) == 0)
      #expect(try events(house) == 4)
      let stranger = debit(9, 1, UserName("stranger")!)
      #expect(try store.execute([stranger], on: house.connection) == [.decided(DebitResult(stranger.id, nil))])
    }
  }

  @Test func `a debit's story has its result, what it moved and its event`() throws {
    try with { store, house, account in
      let (paid, poor) = (debit(1, 60), debit(2, 60))
      _ = try store.execute([paid, poor], on: house.connection)
      let stories = DebitStories(
        ProcessingTables(schema: house.schema),
        ledger: LedgerTables(schema: house.ledgerTable.split(separator: ".").first.map(String.init) ?? ""),
        outbox: try OutboxTables(schema: house.schema, channel: "test_processing"))
      let told = try stories.entries(of: paid.id, on: house.connection)
      #expect(told.map { "\($0.part) \($0.what)" } == ["debit COMPLETED", "ledger moved", "event written"])
      #expect(told[0].fields.contains(Story.Field(name: "user", value: .text("alice"))))
      #expect(told[0].fields.contains(Story.Field(name: "amount_minor", value: .number(60))))
      #expect(told[1].fields.contains(Story.Field(name: "debit", value: .uuid(account))))
      let refused = try stories.entries(of: poor.id, on: house.connection)
      #expect(refused.map { "\($0.part) \($0.what)" } == ["debit REJECTED", "event written"])
      #expect(refused[0].fields.contains(Story.Field(name: "reason", value: .text("insufficient_funds"))))
      let event = try house.connection.ids(
        "SELECT event_id FROM \(house.schema).event WHERE key = 'debit:\(poor.id)'")[0]
      #expect(try stories.debit(ofEvent: event, on: house.connection) == poor.id)
      #expect(try stories.debit(ofEvent: .random(), on: house.connection) == nil)
      #expect(try stories.entries(of: .random(), on: house.connection).isEmpty)
    }
  }

  @Test func `a debit that comes again changes nothing, and one with its id is another`() throws {
    try with { store, house, account in
      let (first, other) = (debit(1, 60), debit(1, 61))
      let outcomes = try store.execute([first, first, other], on: house.connection)
      #expect(outcomes == [done(first), .known, .differs])
      #expect(try store.execute([other, first], on: house.connection) == [.differs, .known])
      #expect(try store.execute([debit(1, 60, UserName("bob")!)], on: house.connection) == [.differs])
      #expect(try posted(house, account) == 40)
      #expect(try events(house) == 1)
    }
  }

  @Test func `writers at once carry each debit out once`() throws {
    try with { store, house, account in
      let counts = Mutex<[String: Int]>([:])
      let schema = house.schema
      let commands = (1...50).map { debit($0, 3) }
      let threads = (0..<4).map { number in
        WorkerThread(name: "debits-\(number)") {
          guard let connection = try? TestDatabase.open(schema: schema) else { return }
          for start in stride(from: 0, to: 50, by: 10) {
            let batch = Array(commands[start..<start + 10].shuffled())
            guard let outcomes = try? store.execute(batch, on: connection) else {
              counts.withLock { $0["failed", default: 0] += 1 }
              continue
            }
            for outcome in outcomes {
              let word: String
              switch outcome {
              case .decided(let result): word = result.status.rawValue
              case .known: word = "known"
              case .differs: word = "differs"
              }
              counts.withLock { $0[word, default: 0] += 1 }
            }
          }
        }
      }
      for thread in threads { thread.join() }
      #expect(counts.withLock { $0 } == ["COMPLETED": 33, "REJECTED": 17, "known": 150])
      let left = try posted(house, account)
      #expect(left == 1)
      #expect(try events(house) == 50)
    }
  }
}
