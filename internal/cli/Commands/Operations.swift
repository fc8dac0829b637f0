import Outbox
import Postgres
import Values

/// `operations list`: what operators did to an outbox, and what happened to it.
struct OperationsList: Subcommand {
  static let usage = Usage(
    name: "operations list", summary: "show what operators did to an outbox, and what happened to it, newest first",
    options: [
      Option("--action", "A", Outbox.Operation.Action.allCases.map(\.rawValue).joined(separator: ", ")),
      Option("--key", "KEY", "only what is about this key; of the saga's outbox the order"),
      Option("--since", "TIME", "from then on: 2026-01-31T12:00:00Z, or how long ago, such as 2h"),
      Option("--limit", "N", "at most so many; default 50"), OutboxChoice.option,
    ],
    synopsis: "[--action A] [--key KEY] [--since TIME] [--limit N] \(OutboxChoice.synopsis)",
    notes: """
      An entry is written in the transaction of what it tells, one for each event, topic, shard or payment, and kept for
      ninety days. `actor` is the operator, or the relay that saw it. What was done with dead letters of the inventory
      topic is in the saga's log, what was moved out of suspense in that of processing.
      """,
    example: "paysaga operations list --since 2h")

  private let outbox: OutboxChoice
  private let action: Outbox.Operation.Action?
  private let key: String?
  private let since: Timestamp?
  private let limit: Int

  init(_ arguments: Arguments) throws(CommandError) {
    outbox = try OutboxChoice(arguments)
    action = try arguments.choice("--action", Outbox.Operation.Action.self)
    key = arguments.text("--key")
    since = try arguments.moment("--since")
    limit = Int(try arguments.integer("--limit", in: 1...100_000) ?? 50)
  }

  func run(_ session: Session) throws {
    let connection = try outbox.open(session)
    defer { connection.close() }
    let entries = try OperationLog(outbox.tables).entries(
      key: key, action: action, since: since, limit: limit, on: connection)
    session.output.print(rows: entries.map(\.record))
    if entries.isEmpty { notice("no operation is on record") }
  }
}

extension Outbox.Operation {
  fileprivate var record: Record {
    [
      "at": .time(at), "action": .text(action), "actor": .text(actor), "topic": .optional(topic),
      "key": .optional(key), "event_id": eventID.map { .uuid($0) } ?? .null,
      "shard": shard.map { .number(Int64($0)) } ?? .null, "detail": .optional(detail), "id": .number(id),
    ]
  }
}
