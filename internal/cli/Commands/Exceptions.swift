import Money
import Postgres
import ProcessingDomain
import ProcessingStore
import Values

/// `exceptions`: shows what contradicts the books and waits for a person.
struct Exceptions: Subcommand {
  static let usage = Usage(
    name: "exceptions", summary: "show what contradicts the books of direct payments and waits for a person",
    operand: "list", options: [Option("--limit", "N", "at most so many; default 50")], synopsis: "[list] [--limit N]",
    notes: """
      Oldest first. paysaga exceptions show ID says more about one and what to do; paysaga exceptions close ID ends it.
      """,
    example: "paysaga exceptions")

  private let limit: Int

  init(_ arguments: Arguments) throws(CommandError) {
    if let word = arguments.operand, word != "list" {
      throw .usage("exceptions takes no \"\(printable(word))\"; see paysaga exceptions --help")
    }
    // One answer holds them all.
    limit = Int(try arguments.integer("--limit", in: 1...100_000) ?? 50)
  }

  func run(_ session: Session) throws {
    let connection = try Connection.open(try session.database(of: "PROCESSING_"), logger: session.logger)
    defer { connection.close() }
    let open = try ExceptionStore().list(limit: limit, on: connection)
    session.output.print(rows: open.map(\.record))
    if open.isEmpty { notice("nothing contradicts the books") }
  }
}

/// `exceptions show`: explains what is wrong with a payment.
struct ExceptionsShow: Subcommand {
  static let usage = Usage(
    name: "exceptions show",
    summary: "explain the exceptions of a payment: the payment, its refunds and attempts, what to do",
    operand: "ID", options: [Option("--attempts", "N", "at most so many of the newest attempts; default 20")],
    synopsis: "ID [--attempts N]",
    notes: """
      ID is the payment's, or the operation's that a statement lists and nobody here knows. Closed exceptions are shown,
      too, with who closed them and why. \(PaymentException.allCases.map { "\($0.rawValue): \($0.meaning)" }
        .joined(separator: " "))
      """,
    example: "paysaga exceptions show 0198c5b2-6c1e-7d55-8a1b-3f2f0a9c7e10")

  private let id: UniqueID
  private let attempts: Int

  init(_ arguments: Arguments) throws(CommandError) {
    id = try arguments.id("a payment")
    attempts = Int(try arguments.integer("--attempts", in: 1...1_000) ?? 20)
  }

  func run(_ session: Session) throws {
    let connection = try Connection.open(try session.database(of: "PROCESSING_"), logger: session.logger)
    defer { connection.close() }
    let trail = try PaymentTrails().find(id, on: connection)
    guard !trail.exceptions.isEmpty else { throw CommandError.failure("payment \(id) has no exceptions") }
    let payment = try ExceptionStore().payment(id, on: connection)
    let newest = trail.attempts.suffix(attempts).map(\.record)
    if session.wantsJSON {
      session.output.print([
        "payment_id": .uuid(id), "payment": payment.map { .object($0.record) } ?? .null,
        "exceptions": .list(trail.exceptions.map(\.record)), "refunds": .list(trail.refunds.map(\.record)),
        "attempts": .list(newest),
      ])
      return
    }
    let known = payment.map { "payment \($0.record.line)" } ?? "there is no payment \(id)"
    session.output.print(printable(known))
    for records in [trail.exceptions.map(\.record), trail.refunds.map(\.record), newest] {
      session.output.print(rows: records)
    }
    for exception in trail.exceptions where exception.closedAt == nil {
      guard let kind = PaymentException(rawValue: exception.kind) else { continue }
      session.output.print("\(kind.rawValue): \(kind.meaning) What to do: \(kind.advice)")
    }
  }
}

/// `exceptions close`: a person has seen to it.
struct ExceptionsClose: Subcommand {
  static let usage = Usage(
    name: "exceptions close", summary: "close the exception of a payment, once somebody has seen to it", operand: "ID",
    options: [
      Option("--note", "TEXT", "what was found and done; kept"),
      Option("--by", "NAME", "who did it; default: the user of this machine who runs the command"),
      Option("--kind", "KIND", "which one, when several are open"),
    ],
    synopsis: "ID --note TEXT [--by NAME] [--kind KIND]",
    notes: """
      Nothing else changes: payment and books stay as they are. What is found once more opens it again.
      """,
    example: "paysaga exceptions close 0198c5b2-6c1e-7d55-8a1b-3f2f0a9c7e10 --note refunded-by-the-bank")

  private let id: UniqueID
  private let note: String
  private let person: String
  private let kind: String?

  init(_ arguments: Arguments) throws(CommandError) {
    id = try arguments.id("a payment")
    note = try arguments.note()
    person = try arguments.person()
    kind = arguments.text("--kind")
  }

  func run(_ session: Session) throws {
    let connection = try Connection.open(try session.database(of: "PROCESSING_"), logger: session.logger)
    defer { connection.close() }
    switch try ExceptionStore().close(id, kind: kind, by: person, note: note, on: connection) {
    case .closed(let kind):
      session.output.print(["payment_id": .uuid(id), "closed": .text(kind), "by": .text(person)])
    case .none:
      throw CommandError.failure(
        "payment \(id) has no open exception\(kind.map { " \(printable($0))" } ?? "")")
    case .several(let kinds):
      throw CommandError.usage("payment \(id) has \(kinds.joined(separator: ", ")): name one with --kind")
    }
  }
}

extension PaymentException {
  /// What has happened, in a sentence.
  fileprivate var meaning: String {
    switch self {
    case .chargedNotCompleted: "the bank charged what has ended here without a charge."
    case .chargeDoubtful: "the bank says that it charged what was not asked for, or what it has said to have undone."
    case .completedNotCharged: "the bank has not charged, or has undone, what is COMPLETED here."
    case .reversalNotAcknowledged: "the bank knew nothing of the charge, and refuses or does not acknowledge reversals."
    case .ledgerRefused: "a hold could not be posted or given back."
    case .orderDead: "the payment is COMPLETED, and its order cannot be settled."
    case .refundRefused: "a refund that nobody asked for waits, because its payee has spent the money."
    case .missingHere: "the bank's statement lists an operation that nothing here has asked for."
    case .missingThere: "it is COMPLETED here, and the bank's complete statement does not list it."
    case .amountDiffers: "the bank's statement lists another amount."
    case .duplicateStated: "the bank's statement lists the operation more than once."
    }
  }

  /// What a person can do about it.
  fileprivate var advice: String {
    switch self {
    case .chargedNotCompleted:
      "look at its refunds: it is given back by itself; settle with the bank what it refuses, then paysaga reconcile release."
    case .chargeDoubtful: "ask the bank whether it has the money; nothing is given back by itself."
    case .completedNotCharged: "ask the bank; the payee has the money, so it has to come from somewhere."
    case .reversalNotAcknowledged: "ask the bank whether it has charged, and what its answers to reversals mean."
    case .ledgerRefused: "run paysaga audit --part direct: somebody has changed the ledger's tables."
    case .orderDead: "look at its refunds; without any, refund the payment or settle its order by hand."
    case .refundRefused: "have the payee's account filled; the refund goes on by itself then."
    case .missingHere: "ask the bank whose operation it is; look for a restore that has lost payments here."
    case .missingThere: "ask the bank; a later statement may list it, and then settles it."
    case .amountDiffers: "ask the bank which amount it has moved; nothing was settled."
    case .duplicateStated: "ask the bank whether it has charged twice; it was settled once."
    }
  }
}

extension OpenException {
  fileprivate var record: Record {
    [
      "payment_id": .uuid(paymentID), "kind": .text(kind), "opened_at": .time(openedAt),
      "state": state.map { .text($0) } ?? .null, "amount_minor": amount.map { .number($0.minorUnits) } ?? .null,
      "currency": amount.map { .text($0.currency.code) } ?? .null, "order_id": orderID.map { .number($0) } ?? .null,
      "detail": detail.map { .text($0) } ?? .null,
    ]
  }
}

extension ExplainedPayment {
  fileprivate var record: Record {
    [
      "state": .text(state), "reason": .optional(reason), "method": .text(method), "amount_minor": .number(amount),
      "currency": .text(currency), "order_id": orderID.map { .number($0) } ?? .null,
      "refund_of": refundOf.map { .uuid($0) } ?? .null, "since": .time(since),
    ]
  }
}
