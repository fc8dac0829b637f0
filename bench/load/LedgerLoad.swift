import LedgerDomain
import LedgerStore
import Logger
import Money
import Postgres
import Runtime
import Values

/// Reserves and moves money of users, `batch` payments a transaction, over `connections`: each payment is a hold and,
/// in the next transaction, its post. The accounts are those that bench/measures/ledger.py has made. With `hot` 1 all
/// payments are to one account.
struct LedgerLoad: Sendable {
  private static let euro = Currency("EUR")!  // a currency of ISO 4217

  private let dsn: String
  private let accounts: Int
  private let isHot: Bool
  private let batch: Int
  private let connections: Int
  private let rounds: Int
  private let store = LedgerStore()

  init(_ options: LoadOptions) {
    dsn = options.text("dsn")
    accounts = options.number("accounts")
    isHot = options.number("hot", default: 0) == 1
    batch = options.number("batch")
    connections = options.number("connections")
    rounds = options.number("payments") / batch / connections
  }

  func run() {
    let started = Instant.now()
    let threads = (0..<connections).map { number in
      WorkerThread(name: "ledger-\(number)") {
        do {
          try work(number)
        } catch {
          fail("\(error)")
        }
      }
    }
    for thread in threads { thread.join() }
    let payments = rounds * batch * connections
    print(#"{"payments":\#(payments),"failures":0,"seconds":\#((Instant.now() - started).inSeconds)}"#)
  }

  private func work(_ number: Int) throws {
    let connection = try Connection.open(
      DatabaseConfiguration(dsn: dsn, applicationName: "bench-load", parameters: ["enable_seqscan": "off"]),
      logger: Logger(label: "bench-load", level: .warning))
    defer { connection.close() }
    var random = SystemRandomNumberGenerator()
    for round in 0..<rounds {
      let first = (number * rounds + round) * batch
      let movements = (0..<batch).map { movement(first + $0, &random) }
      try execute(movements.map { .hold($0) }, of: movements, on: connection)
      try execute(movements.map { .post(hold: $0.id) }, of: movements, on: connection)
    }
  }

  private func movement(_ number: Int, _ random: inout SystemRandomNumberGenerator) -> TransferRequest.Movement {
    let debit = Int.random(in: 1..<accounts, using: &random)
    let credit = isHot ? 0 : (debit + Int.random(in: 1..<accounts - 1, using: &random)) % accounts
    return TransferRequest.Movement(
      id: .ordered(at: .now()).masked, debit: Self.account(debit), credit: Self.account(credit),
      amount: Money(minorUnits: 1, Self.euro))
  }

  private func execute(
    _ requests: [TransferRequest], of movements: [TransferRequest.Movement], on connection: Connection
  ) throws(DatabaseError) {
    let reads = store.reads(
      debits: Set(movements.map(\.debit)), credits: Set(movements.map(\.credit)), requests: requests)
    let answers = try connection.run([.begin] + reads)
    var decided = try store.batch(answers.dropFirst())
    for request in requests {
      let outcome = decided.decide(request)
      if outcome != .created { fail("\(outcome)") }
    }
    try connection.run(store.writes(decided) + [.commit])
  }

  private static func account(_ number: Int) -> UniqueID { UniqueID(high: 7, low: UInt64(number)) }
}

extension UniqueID {
  /// As a payment's own id is, with the bits left out that tell its transfers apart.
  fileprivate var masked: UniqueID { TransferID.of(self, .payment) }
}
