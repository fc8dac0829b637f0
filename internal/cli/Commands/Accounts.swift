import LedgerDomain
import LedgerStore
import Money
import Postgres
import Values

/// The ledger's accounts, on a connection of their own.
private struct Accounts {
  let store = AccountStore(ledger: LedgerStore())
  let connection: Connection

  /// - Parameter writes: whether the command moves money.
  init(_ session: Session, writes: Bool = false) throws {
    var database = try session.database(of: "PROCESSING_")
    database.requiresWriting = writes
    connection = try Connection.open(database, logger: session.logger)
  }

  /// - Parameter moment: just before which its balance is wanted; nil for now.
  func find(_ id: UniqueID, before moment: Timestamp? = nil) throws -> Account {
    guard let account = try store.find(id, before: moment, on: connection) else {
      throw CommandError.failure("there is no account \(id)")
    }
    return account
  }
}

/// `accounts get`: shows an account.
struct AccountsGet: Subcommand {
  static let usage = Usage(
    name: "accounts get", summary: "show an account of the ledger with its balance", operand: "ID",
    options: [
      Option(
        "--at", "TIME", "with the balance just before then: 2026-01-31T12:00:00Z, or how long ago, such as 2h")
    ],
    synopsis: "ID [--at TIME]",
    notes: "Amounts are in the smallest unit of the currency. Available is what is posted less what is on hold.",
    example: "paysaga accounts get 01980f3e-7c51-7000-8000-000000000000")

  private let id: UniqueID
  private let moment: Timestamp?

  init(_ arguments: Arguments) throws(CommandError) {
    id = try arguments.id("an account")
    moment = try arguments.moment("--at")
  }

  func run(_ session: Session) throws {
    let accounts = try Accounts(session)
    defer { accounts.connection.close() }
    var record = try accounts.find(id, before: moment).record
    if let moment { record.append("at", .time(moment)) }
    session.output.print(record)
  }
}

/// `accounts list`: shows the accounts of a user.
struct AccountsList: Subcommand {
  static let usage = Usage(
    name: "accounts list", summary: "show the accounts of a user, or our own",
    options: [
      Option("--user", "ID", "those of this user"),
      Option("--currency", "C", "without --user: our own accounts of this currency, such as EUR"),
    ],
    synopsis: "--user ID | --currency C", example: "paysaga accounts list --user 7d0c9a52-6c0f-4b64-9b39-2f3a1c0e9d11")

  private let user: UniqueID?
  private let currency: Currency?

  init(_ arguments: Arguments) throws(CommandError) {
    user = try arguments.id(option: "--user")
    currency = try arguments.currency()
    guard (user == nil) != (currency == nil) else {
      throw .usage("accounts list needs --user, or --currency for our own; paysaga accounts list --help")
    }
  }

  func run(_ session: Session) throws {
    let accounts = try Accounts(session)
    defer { accounts.connection.close() }
    var found: [Account] = []
    if let user { found = try accounts.store.list(owner: user, on: accounts.connection) }
    if let currency {
      let ours = LedgerAccount.Kind.allCases.filter { !$0.isGuarded }.map { LedgerAccount.ours($0, currency).id }
      found = try accounts.store.find(Set(ours), on: accounts.connection).sorted { $0.kind.rawValue < $1.kind.rawValue }
    }
    session.output.print(rows: found.map(\.record))
    if found.isEmpty { notice("no such accounts") }
  }
}

/// `accounts open`: opens the account of a user.
struct AccountsOpen: Subcommand {
  static let usage = Usage(
    name: "accounts open", summary: "open the account of a user in a currency, or show the one that is there",
    options: [Option("--user", "ID", "the user"), Option("--currency", "C", "the currency, such as EUR")],
    synopsis: "--user ID --currency C",
    example: "paysaga accounts open --user 7d0c9a52-6c0f-4b64-9b39-2f3a1c0e9d11 --currency EUR")

  private let user: UniqueID
  private let currency: Currency

  init(_ arguments: Arguments) throws(CommandError) {
    _ = try arguments.required("--user")
    _ = try arguments.required("--currency")
    guard let user = try arguments.id(option: "--user"), let currency = try arguments.currency() else {
      throw .usage("accounts open needs --user and --currency")
    }
    self.user = user
    self.currency = currency
  }

  func run(_ session: Session) throws {
    let accounts = try Accounts(session, writes: true)
    defer { accounts.connection.close() }
    let (account, isNew) = try accounts.store.open(
      owner: user, currency, newID: UniqueID.random(), on: accounts.connection)
    var record = account.record
    record.append("opened", .bool(isNew))
    session.output.print(record)
  }
}

/// `accounts entries`: shows what happened on an account.
struct AccountsEntries: Subcommand {
  static let usage = Usage(
    name: "accounts entries", summary: "show what happened on an account, the newest first", operand: "ID",
    options: [
      Option("--from", "TIME", "from then on: 2026-01-31T12:00:00Z, or how long ago, such as 2h"),
      Option("--to", "TIME", "before then"), Option("--limit", "N", "at most so many; default 50"),
    ],
    synopsis: "ID [--from TIME] [--to TIME] [--limit N]",
    notes: """
      A hold and its release move nothing: `posted` is 0. A post moves what was posted of its hold. In the smallest unit
      of the currency.
      """,
    example: "paysaga accounts entries 01980f3e-7c51-7000-8000-000000000000 --from 24h")

  private static let page = 1_000

  private let id: UniqueID
  private let from: Timestamp?
  private let until: Timestamp?
  private let limit: Int

  init(_ arguments: Arguments) throws(CommandError) {
    id = try arguments.id("an account")
    from = try arguments.moment("--from")
    until = try arguments.moment("--to")
    limit = Int(try arguments.integer("--limit", in: 1...1_000_000_000) ?? 50)
  }

  func run(_ session: Session) throws {
    let accounts = try Accounts(session)
    defer { accounts.connection.close() }
    _ = try accounts.find(id)
    session.interruption.handle()
    var left = limit
    var cursor: EntryCursor?
    while left > 0, !session.output.isClosed, !session.interruption.isRequested {
      let entries = try accounts.store.entries(
        of: id, from: from, until: until, after: cursor, limit: min(left, Self.page), on: accounts.connection)
      session.output.print(rows: entries.map(\.record))
      left -= entries.count
      guard let last = entries.last, entries.count == Self.page else { break }
      cursor = last.cursor
      session.output.flush()
    }
    if left == limit { notice("nothing happened on this account") }
  }
}

/// `accounts topup`: moves money from outside onto an account.
struct AccountsTopUp: Subcommand {
  static let usage = ExternalMove.usage(
    "topup", "put money from outside on an account", "paysaga accounts topup 01980f3e-7c51-7000-8000-000000000000")

  private let move: ExternalMove

  init(_ arguments: Arguments) throws(CommandError) { move = try ExternalMove(arguments, .topUp) }

  func run(_ session: Session) throws { try move.run(session) }
}

/// `accounts spend`: moves money from an account to the outside.
struct AccountsSpend: Subcommand {
  static let usage = ExternalMove.usage(
    "spend", "take money from an account to the outside", "paysaga accounts spend 01980f3e-7c51-7000-8000-000000000000")

  private let move: ExternalMove

  init(_ arguments: Arguments) throws(CommandError) { move = try ExternalMove(arguments, .spend) }

  func run(_ session: Session) throws { try move.run(session) }
}

/// A top up or a spend.
private struct ExternalMove {
  let id: UniqueID
  let account: UniqueID
  let direction: ExternalMovement.Direction
  let amount: Int64

  static func usage(_ word: String, _ summary: String, _ example: String) -> Usage {
    Usage(
      name: "accounts \(word)", summary: summary, operand: "ID",
      options: [
        Option("--amount-minor", "N", "how much, in the smallest unit of the account's currency"),
        Option("--id", "UUID", "the id under which an earlier call was made; it is then carried out once"),
      ],
      synopsis: "ID --amount-minor N [--id UUID]",
      notes: """
        Prints the id under which it was made. After a failure with an unknown outcome do it again with --id and that id:
        it has one effect. The same id with another account or amount is refused.
        """,
      example: "\(example) --amount-minor 1999")
  }

  init(_ arguments: Arguments, _ direction: ExternalMovement.Direction) throws(CommandError) {
    account = try arguments.id("an account")
    self.direction = direction
    _ = try arguments.required("--amount-minor")
    amount = try arguments.integer("--amount-minor", in: 1...LedgerBatch.maximumAmount) ?? 0
    let random = UniqueID.random()
    // Transfers' ids are made of all digits but the last: those of people must not differ in it alone.
    id = try arguments.id(option: "--id") ?? UniqueID(high: random.high, low: random.low & ~0xF)
    guard id.low & 0xF == 0 else {
      throw .usage("--id expects the id of an earlier call, which ends in 0, found \(id)")
    }
  }

  func run(_ session: Session) throws {
    let accounts = try Accounts(session, writes: true)
    defer { accounts.connection.close() }
    let found = try accounts.find(account)
    let movement = ExternalMovement(
      id: id, direction, account: account, amount: Money(minorUnits: amount, found.currency))
    let result: ExternalMovementResult
    do throws(DatabaseError) {
      result = try accounts.store.move([movement], on: accounts.connection)[0]
    } catch {
      throw CommandError.failure("\(error); it may have been done: try again with --id \(id)")
    }
    switch result {
    case .refused(let refusal): throw CommandError.failure(Self.words(refusal))
    case .done(let at, let isRepetition):
      session.output.print([
        "id": .uuid(id), "account_id": .uuid(account), "direction": .text(direction.rawValue),
        "amount_minor": .number(amount), "currency": .text(found.currency.code), "at": .time(at),
        "repeated": .bool(isRepetition),
      ])
    }
  }

  private static func words(_ refusal: TransferRefusal) -> String {
    switch refusal {
    case .insufficientFunds: "insufficient_funds: the account has less than that available"
    case .differs(let field): "another call was made under that id: its \(field.rawValue) differs"
    case .unknownAccount: "only accounts of users are topped up and spent from"
    default: "the ledger refuses it: \(refusal)"
    }
  }
}

extension Arguments {
  fileprivate func currency() throws(CommandError) -> Currency? {
    try text("--currency").map { text throws(CommandError) in
      guard let currency = Currency(text.uppercased()) else {
        throw .usage("--currency expects a code of ISO 4217 such as EUR, found \"\(printable(text))\"")
      }
      return currency
    }
  }
}

extension Account {
  fileprivate var record: Record {
    [
      "id": .uuid(id), "kind": .text("\(kind)"), "owner": owner.map { .uuid($0) } ?? .null,
      "currency": .text(currency.code), "posted": .number(balance.posted), "pending": .number(balance.pending),
      "available": .number(balance.available), "opened_at": .time(openedAt),
    ]
  }
}

extension AccountEntry {
  fileprivate var record: Record {
    [
      "at": .time(at), "transfer_id": .uuid(transfer.id), "kind": .text("\(transfer.kind)"),
      "side": .text(side.rawValue), "counterparty": .uuid(counterparty),
      "amount_minor": .number(transfer.amount.minorUnits), "posted": .number(posted),
      "currency": .text(transfer.amount.currency.code),
    ]
  }
}
