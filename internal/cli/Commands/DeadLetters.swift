import GatewaySchema
import GatewayStore
import Outbox
import Postgres
import Values

/// `payments dead-letters`: shows messages of the pipeline that nobody could use.
struct DeadLetters: Subcommand {
  static let usage = Usage(
    name: "payments dead-letters", summary: "show messages of direct payments that nobody could use", operand: "ID",
    options: [
      Option("--all", nil, "also those that somebody has decided about"),
      Option("--limit", "N", "at most so many; default 50"),
    ], synopsis: "[ID] [--all] [--limit N]",
    notes: """
      Oldest first. The messages may hold account numbers and tokens, and are not shown. Mend the cause, then send them
      again with paysaga payments requeue, or give them up with paysaga payments discard.
      """,
    example: "paysaga payments dead-letters")

  private let id: Int64?
  private let isWhole: Bool
  private let limit: Int

  init(_ arguments: Arguments) throws(CommandError) {
    id = try arguments.letter()
    isWhole = arguments.has("--all")
    limit = Int(try arguments.integer("--limit", in: 1...100_000) ?? 50)
  }

  func run(_ session: Session) throws {
    let connection = try Connection.open(try session.database(of: "GATEWAY_"), logger: session.logger)
    defer { connection.close() }
    let letters = try DeadLetterStore(GatewayTables()).letters(
      id: id, isWhole: isWhole, limit: limit, on: connection)
    if let id, letters.isEmpty { throw CommandError.failure("there is no dead letter \(id)") }
    session.output.print(rows: letters.map(\.record))
    if letters.isEmpty { notice("no dead letter waits") }
  }
}

/// `payments requeue`: sends messages of dead letters again.
struct PaymentsRequeue: Subcommand {
  static let usage = Usage(
    name: "payments requeue", summary: "send messages of dead letters again, once the cause is mended", operand: "ID",
    options: [
      Option("--all", nil, "all that wait"),
      Option("--max-requeues", "N", "with --all, leave those alone that were sent again so often; default 3"),
      Option("--by", "NAME", "who decides; default: the user of this machine who runs the command"),
    ], synopsis: "(ID | --all [--max-requeues N]) [--by NAME]",
    notes: """
      The message goes to its topic by the outbox, in the transaction that marks its letter. A letter without a value has
      nothing to be sent. What cannot be used again becomes a dead letter again.
      """,
    example: "paysaga payments requeue 17")

  private let decision: LetterDecision

  init(_ arguments: Arguments) throws(CommandError) { decision = try LetterDecision(arguments) }

  func run(_ session: Session) throws {
    let connection = try Connection.open(try session.database(of: "GATEWAY_"), logger: session.logger)
    defer { connection.close() }
    let outbox = OutboxWriter(GatewaySchema.outbox, shards: try ShardMap.load(GatewaySchema.outbox, on: connection))
    try decision.carryOut("requeued", session) { choice in
      let store = DeadLetterStore(GatewayTables())
      let done = try store.requeue(choice, by: decision.person, outbox: outbox, on: connection)
      if !done.isEmpty { try connection.run(Notifier.commands(GatewaySchema.outbox.channel)) }
      return done
    }
  }
}

/// `payments discard`: gives messages of dead letters up.
struct PaymentsDiscard: Subcommand {
  static let usage = Usage(
    name: "payments discard", summary: "give messages of dead letters up", operand: "ID",
    options: [
      Option("--all", nil, "all that wait"),
      Option("--by", "NAME", "who decides; default: the user of this machine who runs the command"),
    ], synopsis: "(ID | --all) [--by NAME]",
    notes: "The message is forgotten; where it came from, why nobody could use it, and who decided are kept.",
    example: "paysaga payments discard 17")

  private let decision: LetterDecision

  init(_ arguments: Arguments) throws(CommandError) { decision = try LetterDecision(arguments) }

  func run(_ session: Session) throws {
    let connection = try Connection.open(try session.database(of: "GATEWAY_"), logger: session.logger)
    defer { connection.close() }
    try decision.carryOut("discarded", session) { choice in
      try DeadLetterStore(GatewayTables()).discard(choice, by: decision.person, on: connection)
    }
  }
}

/// Which letters somebody decides about.
private struct LetterDecision {
  let choice: DeadLetterChoice
  let person: String

  init(_ arguments: Arguments) throws(CommandError) {
    switch (try arguments.letter(), arguments.has("--all")) {
    case (let id?, false): choice = .one(id)
    case (nil, true):
      let most = try arguments.integer("--max-requeues", in: 1...1_000_000)
      choice = .all(mostRequeues: most ?? 3)
    default: throw .usage("expected the number of a dead letter, or --all")
    }
    person = arguments.text("--by") ?? Operator.user
    guard (1...255).contains(person.utf8.count) else { throw .usage("--by expects 1 to 255 bytes") }
  }

  /// - Parameter body: decides about the next letters.
  func carryOut(_ word: String, _ session: Session, _ body: (DeadLetterChoice) throws -> [Int64]) throws {
    var count = 0
    while true {
      let done = try body(choice)
      session.output.print(rows: done.map { [word: .number($0), "by": .text(person)] })
      count += done.count
      if case .one(let id) = choice {
        if done.isEmpty { throw CommandError.failure("dead letter \(id) does not wait, or has nothing to be sent") }
        return
      }
      if done.isEmpty { break }
    }
    if count == 0 { notice("no dead letter waits") }
  }
}

extension Arguments {
  /// The number of a dead letter, after the command's name.
  fileprivate func letter() throws(CommandError) -> Int64? {
    guard let operand else { return nil }
    guard let id = Int64(operand), id > 0 else {
      throw .usage("expected the number of a dead letter, found \"\(printable(operand))\"")
    }
    return id
  }
}

extension StoredDeadLetter {
  fileprivate var record: Record {
    [
      "id": .number(id), "source": .text(source), "payment_id": paymentID.map { .uuid($0) } ?? .null,
      "reason": .text(reason), "bytes": size.map { .number($0) } ?? .null, "requeues": .number(requeues),
      "topic": .text(topic), "partition": .number(partition), "offset": .number(offset), "died_at": .time(diedAt),
      "state": .text(state), "decided_at": decidedAt.map { .time($0) } ?? .null, "decided_by": .optional(decidedBy),
    ]
  }
}
