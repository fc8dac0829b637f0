import DirectDomain
import GatewayDomain
import GatewayStore
import HTTPClient
import Metrics
import Money
import Postgres
import ProcessingStore
import Runtime
import Values

extension Arguments {
  /// The id after the command's name.
  func id(_ what: String) throws(CommandError) -> UniqueID {
    guard let operand else { throw .usage("expected the id of \(what), a UUID") }
    return try Self.id(operand, what)
  }

  /// The id after an option.
  func id(option: String) throws(CommandError) -> UniqueID? {
    try text(option).map { text throws(CommandError) in try Self.id(text, option) }
  }

  private static func id(_ text: String, _ what: String) throws(CommandError) -> UniqueID {
    guard let id = UniqueID(text) else {
      throw .usage("\(what) expects a UUID of 36 characters, found \"\(printable(text))\"")
    }
    return id
  }

  /// A moment, or how long ago, after an option.
  func moment(_ option: String) throws(CommandError) -> Timestamp? {
    try text(option).map { text throws(CommandError) in try AuditCommand.moment(text, option) }
  }
}

/// The gateway's payments, read from its tables.
private struct GatewayReading {
  private let patience: Duration
  private let pool: ConnectionPool
  private let reader: PaymentReader

  init(_ session: Session) throws {
    patience = session.patience(.seconds(15))
    let database = try session.database(of: "GATEWAY_")
    // A pool would wait for a database that is away; a command says so at once.
    try Connection.open(database, logger: session.logger).close()
    pool = ConnectionPool(
      configuration: database, size: 1, queueLimit: 1, name: "cli", logger: session.logger, metrics: MetricsRegistry())
    reader = PaymentReader(GatewayTables(), readers: pool, scanners: pool)
  }

  func close() { pool.stop(until: .now() + .seconds(1)) }

  /// Runs a question to its end; the command has nothing else to do.
  func ask<Value: Sendable>(
    _ question: @escaping @Sendable (PaymentReader, Instant) async throws -> Value
  ) throws -> Value {
    let answer = Monitor<Result<Value, any Error>?>(nil)
    let deadline = Instant.now() + patience
    Task { [reader] in
      let found: Result<Value, any Error>
      do {
        found = .success(try await question(reader, deadline))
      } catch {
        found = .failure(error)
      }
      answer.update { $0 = found }
    }
    // The question ends by its deadline.
    guard let found = answer.wait({ $0 }) else { throw CommandError.failure("the database did not answer in time") }
    return try found.get()
  }
}

/// `payments get`: shows a direct payment.
struct PaymentsGet: Subcommand {
  static let usage = Usage(
    name: "payments get", summary: "show a direct payment, as the gateway has it", operand: "ID", synopsis: "ID",
    example: "paysaga payments get 01980f3e-7c51-7000-8000-000000000000")

  private let id: UniqueID

  init(_ arguments: Arguments) throws(CommandError) { id = try arguments.id("a payment") }

  func run(_ session: Session) throws {
    let gateway = try GatewayReading(session)
    defer { gateway.close() }
    guard let payment = try gateway.ask({ [id] in try await $0.payment(id, deadline: $1) }) else {
      throw CommandError.failure("there is no payment \(id)")
    }
    session.output.print(payment.record)
  }
}

/// `payments list`: shows direct payments.
struct PaymentsList: Subcommand {
  static let usage = Usage(
    name: "payments list", summary: "show direct payments, the newest first",
    options: [
      Option("--user", "ID", "only those that this user pays"),
      Option("--status", "S", "only those in this state, such as UNKNOWN"),
      Option("--order", "N", "only those of this order"),
      Option("--external-id", "TEXT", "only those with this id of the caller's own"),
      Option("--from", "TIME", "created then or later: 2026-01-31T12:00:00Z, or how long ago, such as 2h"),
      Option("--to", "TIME", "created before then"),
      Option("--older", "TIME", "created at least so long ago, such as 5m; another way to say --to"),
      Option("--limit", "N", "at most so many; default 50"),
    ],
    synopsis:
      "[--user ID] [--status S] [--order N] [--external-id TEXT] [--from TIME] [--to TIME | --older TIME] [--limit N]",
    example: "paysaga payments list --status CREATED --older 5m")

  private let filter: PaymentFilter
  private let limit: Int

  init(_ arguments: Arguments) throws(CommandError) {
    var filter = PaymentFilter()
    filter.userID = try arguments.id(option: "--user")
    filter.state = try arguments.choice("--status", PaymentState.self)
    filter.orderID = try arguments.integer("--order", in: 1...Int64.max)
    filter.externalID = arguments.text("--external-id")
    filter.from = try arguments.moment("--from")
    filter.to = try arguments.moment("--to")
    if let age = try arguments.duration("--older") {
      guard filter.to == nil else { throw .usage("--to and --older exclude each other") }
      filter.to = Timestamp.now() + (.zero - age)
    }
    limit = Int(try arguments.integer("--limit", in: 1...1_000_000_000) ?? 50)
    self.filter = filter
  }

  func run(_ session: Session) throws {
    let gateway = try GatewayReading(session)
    defer { gateway.close() }
    session.interruption.handle()
    var left = limit
    var next = filter
    while left > 0, !session.output.isClosed, !session.interruption.isRequested {
      next.limit = min(left, PaymentFilter.maximumLimit)
      let page = try gateway.ask { [next] in try await $0.list(next, deadline: $1) }
      session.output.print(rows: page.payments.map(\.record))
      left -= page.payments.count
      guard let cursor = page.next else { break }
      next.after = cursor
      session.output.flush()
    }
    if left == limit { notice("no such payments") }
  }
}

/// `payments history`: shows what happened to a direct payment.
struct PaymentsHistory: Subcommand {
  static let usage = Usage(
    name: "payments history", summary: "show every state that a direct payment has had, and what was done about it",
    operand: "ID", synopsis: "ID",
    notes: """
      First its states; then who has reviewed it, what the bank was asked and has answered, its refunds, and what
      contradicted the books.
      """,
    example: "paysaga payments history 01980f3e-7c51-7000-8000-000000000000")

  private let id: UniqueID

  init(_ arguments: Arguments) throws(CommandError) { id = try arguments.id("a payment") }

  func run(_ session: Session) throws {
    let gateway = try GatewayReading(session)
    defer { gateway.close() }
    let history = try gateway.ask { [id] in try await $0.history(id, deadline: $1) }
    guard !history.isEmpty else { throw CommandError.failure("there is no payment \(id)") }
    // The states are shown, too, when nobody can say who asked for them.
    let trail = Result { try self.trail(session) }
    let known = try? trail.get()
    let requesters = Requesters(reviewer: known?.reviewer, canceller: known?.canceller).requesters(of: history)
    let states: [Record] = history.map { standing in
      [
        "id": .uuid(id), "version": .number(standing.version), "status": .text(standing.state.rawValue),
        "reason": standing.reason.map { .text($0.rawValue) } ?? .null, "at": .time(standing.since),
        "requested_by": .optional(requesters[standing.version]),
      ]
    }
    session.output.print(rows: states)
    let found = try trail.get()
    if let reviewer = found.reviewer { session.output.print(["reviewed_by": .text(reviewer)]) }
    for records in [found.attempts.map(\.record), found.refunds.map(\.record), found.exceptions.map(\.record)] {
      session.output.print(rows: records)
    }
  }

  private func trail(_ session: Session) throws -> PaymentTrail {
    let connection = try Connection.open(try session.database(of: "PROCESSING_"), logger: session.logger)
    defer { connection.close() }
    return try PaymentTrails().find(id, on: connection)
  }
}

/// `payments cancel`: cancels a direct payment.
struct PaymentsCancel: Subcommand {
  static let usage = Usage(
    name: "payments cancel", summary: "cancel a direct payment unless the bank has been asked", operand: "ID",
    options: [GatewayCall.operatorOption] + GatewayCall.options,
    synopsis: "ID [--operator NAME] \(GatewayCall.synopsis)",
    notes: """
      Doing it again changes nothing and succeeds. A payment for which the bank may have been asked is not cancelled, nor
      is one that is final. PAYSAGA_API_KEY, in the environment, has the secret of an API key with the scope pay; a
      gateway with GATEWAY_AUTH=open needs none.
      """,
    example: "paysaga payments cancel 01980f3e-7c51-7000-8000-000000000000")

  private let id: UniqueID
  private let person: String
  private let gateway: GatewayCall

  init(_ arguments: Arguments) throws(CommandError) {
    id = try arguments.id("a payment")
    person = try GatewayCall.person(arguments)
    gateway = GatewayCall(arguments)
  }

  func run(_ session: Session) throws {
    let response = try gateway.post("/v1/payments/\(id)/cancel", person: person, session: session)
    guard response.status == 200 else { throw GatewayCall.refusal(response) }
    session.output.print(["id": .uuid(id), "payment": .json(response.body)], line: "id=\(id) cancelled")
  }
}

extension GatewayPayment {
  /// As it is printed.
  fileprivate var record: Record {
    var record: Record = [
      "id": .uuid(id), "status": .text(standing.state.rawValue),
      "reason": standing.reason.map { .text($0.rawValue) } ?? .null, "version": .number(standing.version),
      "amount_minor": .number(amount.minorUnits), "currency": .text(amount.currency.code),
      "method": .text(source.method.rawValue),
    ]
    switch source {
    case .card(let brand, let last4):
      record.append("brand", .text(brand))
      record.append("last4", .text(last4))
    case .account(let masked): record.append("number", .text(masked))
    case .token(let masked): record.append("token", .text(masked))
    case .balance(let accountID): record.append("account_id", .uuid(accountID))
    }
    record.append("user_id", .uuid(userID))
    record.append("payee_id", .uuid(payeeID))
    record.append("order_id", orderID.map { .number($0) } ?? .null)
    record.append("external_id", externalID.map { .text($0) } ?? .null)
    record.append("api_key_id", apiKeyID.map { .uuid($0) } ?? .null)
    record.append("created_at", .time(createdAt))
    record.append("updated_at", .time(max(standing.since, createdAt)))
    return record
  }
}
