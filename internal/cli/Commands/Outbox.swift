import Outbox
import Postgres
import SagaSettings
import Settings
import Values

/// `outbox status`: how many events wait, why, and who publishes them.
struct OutboxStatusCommand: Subcommand {
  static let usage = Usage(
    name: "outbox status", summary: "show how many events wait and why, which are dead, and which relay holds what",
    options: [OutboxChoice.option], synopsis: OutboxChoice.synopsis,
    notes: """
      The first line: events waiting and dead (counted up to \(OutboxStatus.countLimit)) and how long the oldest waits.
      Then a line for each reason why events wait, one for each paused topic, and one for each owner of shards: how
      many, their fencing numbers, when the first lease ends, its last sign of life, and what is in its way.

      The reasons, and what to do:
        in_flight       being published, or about to be: nothing
        no_lease        a living relay takes the shard within a second: nothing
        behind_dead     an earlier event of the order is dead: paysaga outbox list --status DEAD
        topic_paused    paysaga outbox resume TOPIC
        broker_refuses  the owner's line has the broker's words: rights, the topic, its replicas, or its silence
        broker_away     the owner is connected to no broker: KAFKA_BROKERS, the network, the broker
        relay_silent    the owner is frozen or dead; its leases end by themselves: paysaga outbox take-over
        no_relay        start payments-server or payments-cron (or the program that has this outbox)
        no_shard        somebody wrote past the programs: it will be dead in some seconds
      """,
    example: "paysaga outbox status")

  private let outbox: OutboxChoice

  init(_ arguments: Arguments) throws(CommandError) { outbox = try OutboxChoice(arguments) }

  func run(_ session: Session) throws {
    let connection = try outbox.open(session)
    defer { connection.close() }
    let inspection = outbox.inspection(session)
    let status = try inspection.status(on: connection)
    let holdings = try inspection.holdings(on: connection)
    let reasons: [Record] = WaitReason.allCases.compactMap { reason in
      guard let count = status.reasons[reason], count > 0 else { return nil }
      return ["reason": .text(reason.rawValue), "events": .number(Int64(count))]
    }
    let paused: [Record] = try inspection.pausedTopics(on: connection).map {
      ["paused": .text($0.topic), "since": .time($0.since)]
    }
    let owners = holdings.map(Self.record)
    let record: Record = [
      "outbox": .text(outbox.name.rawValue), "waiting": .number(Int64(status.waiting)),
      "dead": .number(Int64(status.dead)), "oldest_waiting": .optional(status.oldestWaiting),
      "age_ms": .number(status.age.inMilliseconds), "reasons": .list(reasons),
      "shards": .number(Int64(holdings.map(\.shards).reduce(0, +))), "paused": .list(paused),
      "owners": .list(owners),
    ]
    let age = status.oldestWaiting == nil ? "" : " oldest=\(DurationText.format(status.age))"
    session.output.print(record, line: "waiting=\(status.waiting) dead=\(status.dead)\(age)")
    if !session.wantsJSON { for lines in [reasons, paused, owners] { session.output.print(rows: lines) } }
    if status.reasons[.noRelay, default: 0] > 0 {
      notice("events wait and no relay lives: \(outbox.programs)")
    }
  }

  private static func record(_ holding: ShardHolding) -> Record {
    [
      "owner": holding.owner.map { .text($0) } ?? .text("none"), "shards": .number(Int64(holding.shards)),
      "epoch_min": .number(holding.epochs.lowerBound), "epoch_max": .number(holding.epochs.upperBound),
      "reserved_to": .optional(holding.reservedTo), "current": .bool(holding.isCurrent),
      "heard_at": .optional(holding.heardAt),
      "silent": holding.owner == nil ? .null : .bool(!holding.isHeard), "obstacle": .optional(holding.obstacle),
      "obstacle_since": .optional(holding.obstacleSince),
    ]
  }
}

/// `outbox list`: shows events.
struct OutboxList: Subcommand {
  static let usage = Usage(
    name: "outbox list", summary: "show events that wait, that are dead, or that are done",
    options: [
      Option("--status", "S", "WAIT (the default), DEAD or DONE"),
      Option("--key", "KEY", "only of this key: an order, or the id of a direct payment"),
      Option("--topic", "NAME", "only for this topic"),
      Option("--since", "TIME", "written, DONE published, then or later: 2026-01-31T12:00:00Z or 2h"),
      Option("--newest", nil, "the newest first"),
      Option("--limit", "N", "at most so many; default 50"), OutboxChoice.option,
    ],
    synopsis: "[--status WAIT|DEAD|DONE] [--key KEY] [--topic NAME] [--since TIME] [--newest] [--limit N] "
      + OutboxChoice.synopsis,
    notes: """
      A waiting event shows what blocks it: `blocked` is a reason of `outbox status --help`, `detail` names the dead
      event, the topic or the relay, or has the broker's words.
      Waiting and dead events come oldest first, done ones newest first. Days of done events that are over are searched
      by key, today's from --since on; without either, millions of them take seconds.
      """,
    example: "paysaga outbox list --status DEAD --limit 10")

  private let outbox: OutboxChoice
  private let filter: EventFilter

  init(_ arguments: Arguments) throws(CommandError) {
    outbox = try OutboxChoice(arguments)
    var filter = EventFilter(
      try arguments.choice("--status", EventStatus.self) ?? .waiting,
      // One answer holds them all.
      limit: Int(try arguments.integer("--limit", in: 1...100_000) ?? 50))
    filter.key = arguments.text("--key")
    filter.topic = arguments.text("--topic")
    filter.since = try arguments.moment("--since")
    filter.hasNewestFirst = arguments.has("--newest")
    self.filter = filter
  }

  func run(_ session: Session) throws {
    let connection = try outbox.open(session)
    defer { connection.close() }
    let inspection = outbox.inspection(session)
    let events = try inspection.events(filter, on: connection)
    let waits = filter.status == .waiting ? try inspection.waits(of: events, on: connection) : []
    let records = events.enumerated().map { index, event in
      var record = event.record
      if waits.indices.contains(index) {
        record.append("blocked", .text(waits[index].reason.rawValue))
        record.append("detail", .optional(waits[index].detail))
      }
      return record
    }
    session.output.print(rows: records)
    if events.isEmpty { notice("no such events are \(filter.status.rawValue)") }
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
      "partition": place.map { .number(Int64($0.partition)) } ?? .null,
      "offset": place.map { .number($0.offset) } ?? .null,
    ]
  }
}
