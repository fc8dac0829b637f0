import Outbox
import Postgres
import SagaSchema
import SagaSettings
import Settings
import Values

/// `outbox status`: how many events wait, and who publishes them.
struct OutboxStatusCommand: Subcommand {
  static let usage = Usage(
    name: "outbox status", summary: "show how many events wait or are dead, and which relay holds which shards",
    synopsis: "",
    notes: """
      The first line: events waiting and dead (counted up to \(OutboxStatus.countLimit)) and how long the oldest waits.
      Then a line for each paused topic, and one for each owner of shards: how many, their fencing numbers, and when
      the first lease ends.
      """,
    example: "paysaga outbox status")

  init(_ arguments: Arguments) throws(CommandError) {}

  func run(_ session: Session) throws {
    let connection = try Connection.open(try session.database(), logger: session.logger)
    defer { connection.close() }
    let inspection = OutboxInspection(SagaSchema.outbox)
    let status = try inspection.status(on: connection)
    let holdings = try inspection.holdings(on: connection)
    let paused: [Record] = try inspection.pausedTopics(on: connection).map {
      ["paused": .text($0.topic), "since": .time($0.since)]
    }
    let owners = holdings.map(Self.record)
    let record: Record = [
      "waiting": .number(Int64(status.waiting)), "dead": .number(Int64(status.dead)),
      "oldest_waiting": .optional(status.oldestWaiting), "age_ms": .number(status.age.inMilliseconds),
      "shards": .number(Int64(holdings.map(\.shards).reduce(0, +))), "paused": .list(paused),
      "owners": .list(owners),
    ]
    let age = status.oldestWaiting == nil ? "" : " oldest=\(DurationText.format(status.age))"
    session.output.print(record, line: "waiting=\(status.waiting) dead=\(status.dead)\(age)")
    if !session.wantsJSON { for line in paused + owners { session.output.print(line) } }
    if status.waiting > 0, !holdings.contains(where: { $0.owner != nil && $0.isCurrent }) {
      notice("events wait and no relay holds a shard: is payments-server or payments-cron running?")
    }
  }

  private static func record(_ holding: ShardHolding) -> Record {
    [
      "owner": holding.owner.map { .text($0) } ?? .text("none"), "shards": .number(Int64(holding.shards)),
      "epoch_min": .number(holding.epochs.lowerBound), "epoch_max": .number(holding.epochs.upperBound),
      "reserved_to": .optional(holding.reservedTo), "current": .bool(holding.isCurrent),
    ]
  }
}

/// `outbox list`: shows events.
struct OutboxList: Subcommand {
  static let usage = Usage(
    name: "outbox list", summary: "show events that wait, that are dead, or that are done",
    options: [
      Option("--status", "S", "WAIT (the default), DEAD or DONE"),
      Option("--limit", "N", "at most so many; default 50"),
    ],
    synopsis: "[--status WAIT|DEAD|DONE] [--limit N]",
    notes: """
      Waiting and dead events come oldest first, done ones newest first. Done events have no index by time: with
      millions of them this takes seconds.
      """,
    example: "paysaga outbox list --status DEAD --limit 10")

  private let status: EventStatus
  private let limit: Int

  init(_ arguments: Arguments) throws(CommandError) {
    status = try arguments.choice("--status", EventStatus.self) ?? .waiting
    // One answer holds them all.
    limit = Int(try arguments.integer("--limit", in: 1...100_000) ?? 50)
  }

  func run(_ session: Session) throws {
    let connection = try Connection.open(try session.database(), logger: session.logger)
    defer { connection.close() }
    let events = try OutboxInspection(SagaSchema.outbox).events(status, limit: limit, on: connection)
    for event in events { session.output.print(event.record) }
    if events.isEmpty { notice("no events are \(status.rawValue)") }
  }

}

extension EventSummary {
  /// All of it, as it is printed.
  var record: Record {
    [
      "id": .number(id), "status": .text(status.rawValue), "key": .text(key), "seq": .number(sequence),
      "topic": .text(topic), "shard": .number(Int64(shard)), "attempts": .number(Int64(attempts)),
      "last_error": .optional(lastError), "created_at": .time(createdAt), "done_at": .optional(doneAt),
      "reserved_to": .optional(reservedTo), "event_id": .uuid(eventID),
    ]
  }
}
