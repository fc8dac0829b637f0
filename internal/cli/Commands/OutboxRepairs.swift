import Outbox
import Postgres
import SagaSettings
import Settings
import Values

/// Who changes which outbox, which every command that does so is told.
private struct OutboxChange {
  static let options = [OutboxChoice.option, Operator.option]
  static let synopsis = "\(OutboxChoice.synopsis) [--operator NAME]"
  static let dryRun = Option("--dry-run", nil, "only show what would be done")

  let outbox: OutboxChoice
  private let person: String

  init(_ arguments: Arguments) throws(CommandError) {
    outbox = try OutboxChoice(arguments)
    person = try Operator.name(arguments)
  }

  /// Runs `body` on a connection to the outbox's database.
  func run<Result>(_ session: Session, _ body: (OutboxRepair, Connection) throws -> Result) throws -> Result {
    let connection = try outbox.open(session)
    defer { connection.close() }
    return try body(OutboxRepair(outbox.tables, by: person), connection)
  }
}

/// `outbox requeue`: brings dead events back.
struct OutboxRequeue: Subcommand {
  static let usage = Usage(
    name: "outbox requeue", summary: "put dead events back, to be published again", operand: "ID…",
    takesManyOperands: true,
    options: [Option("--all", nil, "every dead event, at most \(OutboxRepair.limit) at a time"), OutboxChange.dryRun]
      + OutboxChange.options,
    synopsis: "ID… | --all [--dry-run] \(OutboxChange.synopsis)",
    notes: """
      The ids are those of `outbox list --status DEAD`. Id, number and ce_id stay; the rest of the order follows in its
      order. Mend first what the broker refused, or it will be dead again. With EVENT_ON_DEAD=continue the order's later
      events may be on the topic already: it then comes after them.
      """,
    example: "paysaga outbox requeue 4711 4712")

  private let selection: OutboxRepair.Selection
  private let isDryRun: Bool
  private let change: OutboxChange

  init(_ arguments: Arguments) throws(CommandError) {
    var ids: [Int64] = []
    for word in arguments.operands { ids.append(try Arguments.integer(word, "ID", in: 1...Int64.max)) }
    guard arguments.has("--all") != !ids.isEmpty else {
      throw .usage("outbox requeue needs the ids of dead events, or --all; paysaga outbox requeue --help")
    }
    guard ids.count <= OutboxRepair.limit else { throw .usage("at most \(OutboxRepair.limit) ids at a time") }
    selection = ids.isEmpty ? .all : .ids(ids)
    isDryRun = arguments.has("--dry-run")
    change = try OutboxChange(arguments)
  }

  func run(_ session: Session) throws {
    let events = try change.run(session) { repair, connection in
      isDryRun ? try repair.dead(selection, on: connection) : try repair.requeue(selection, on: connection)
    }
    session.output.print(rows: events.map(\.record))
    if case .ids(let ids) = selection {
      let missing = Set(ids).subtracting(events.map(\.id)).sorted()
      guard missing.isEmpty else {
        throw CommandError.failure(
          "not dead: \(missing.prefix(20).map(String.init).joined(separator: ", "))"
            + " (or their rows must be mended first: see last_error)"
            + (events.isEmpty ? "" : "; the others were \(isDryRun ? "found" : "put back")"))
      }
    }
    notice("\(events.count) dead events \(isDryRun ? "would be put back; nothing was changed" : "put back")")
  }
}

/// `outbox replay`: publishes an order's events once more.
struct OutboxReplay: Subcommand {
  static let usage = Usage(
    name: "outbox replay", summary: "publish an order's events once more, with the same ce_id and seq",
    options: [
      Option("--order", "N", "the order whose events are published; for the saga's outbox"),
      Option("--key", "KEY", "the key whose events are published; for every outbox"), OutboxChange.dryRun,
    ] + OutboxChange.options,
    synopsis: "(--order N | --key KEY) [--dry-run] \(OutboxChange.synopsis)",
    notes: """
      All of the order's published events that are still kept (EVENT_RETENTION) go back to WAIT and are published again
      in their order, before what waits of the order. Consumers see copies, to be known by their ce_id. `audit` counts
      them as replayed.
      """,
    example: "paysaga outbox replay --order 111")

  private let key: String
  private let isDryRun: Bool
  private let change: OutboxChange

  init(_ arguments: Arguments) throws(CommandError) {
    guard arguments.has("--order") != arguments.has("--key") else {
      throw .usage("outbox replay needs --order N or --key KEY; paysaga outbox replay --help")
    }
    if let given = arguments.text("--key") { key = given } else { key = String(try arguments.order()) }
    isDryRun = arguments.has("--dry-run")
    change = try OutboxChange(arguments)
  }

  func run(_ session: Session) throws {
    let name = change.outbox.name == .saga ? "order \(printable(key))" : printable(key)
    let events = try change.run(session) { repair, connection in
      let found = try repair.published(key: key, on: connection)
      guard let first = found.first else {
        throw CommandError.failure(
          "\(name) has no published event that is still kept (EVENT_RETENTION); paysaga outbox list shows what "
            + "waits")
      }
      // The shard that was written with the events: relays find them there whatever the number of shards is now.
      return isDryRun ? found : try repair.replay(key: key, shard: first.shard, on: connection)
    }
    session.output.print(rows: events.map(\.record))
    notice(
      "\(events.count) events of \(name) "
        + (isDryRun ? "would be published again; nothing was changed" : "will be published again"))
  }
}

/// `outbox pause`: holds a topic's events back.
struct OutboxPause: Subcommand {
  static let usage = Usage(
    name: "outbox pause", summary: "stop publishing the events of a topic", operand: "TOPIC",
    options: OutboxChange.options, synopsis: "TOPIC \(OutboxChange.synopsis)",
    notes: """
      Its events are written and wait; events of the same orders for other topics go on. `outbox status` shows what is
      paused; messages that are with the producer at this moment may still appear.
      """,
    example: "paysaga outbox pause payment")

  private let topic: String
  private let change: OutboxChange

  init(_ arguments: Arguments) throws(CommandError) {
    topic = try arguments.topic()
    change = try OutboxChange(arguments)
  }

  func run(_ session: Session) throws {
    let isNew = try change.run(session) { try $0.pause(topic, on: $1) }
    session.output.print(["paused": .text(topic), "changed": .bool(isNew)])
    if change.outbox.name == .saga, topic != session.settings.producer.topic {
      notice("\(printable(topic)) is not PRODUCER_TOPIC (\(session.settings.producer.topic))")
    }
  }
}

/// `outbox resume`: ends a pause.
struct OutboxResume: Subcommand {
  static let usage = Usage(
    name: "outbox resume", summary: "publish the events of a paused topic again", operand: "TOPIC",
    options: OutboxChange.options, synopsis: "TOPIC \(OutboxChange.synopsis)",
    example: "paysaga outbox resume payment")

  private let topic: String
  private let change: OutboxChange

  init(_ arguments: Arguments) throws(CommandError) {
    topic = try arguments.topic()
    change = try OutboxChange(arguments)
  }

  func run(_ session: Session) throws {
    let wasPaused = try change.run(session) { try $0.resume(topic, on: $1) }
    session.output.print(["resumed": .text(topic), "changed": .bool(wasPaused)])
    if !wasPaused { notice("\(printable(topic)) was not paused") }
  }
}

/// `outbox take-over`: takes shards from a relay that is silent.
struct OutboxTakeOver: Subcommand {
  static let usage = Usage(
    name: "outbox take-over", summary: "take shards from a relay that is silent, so that others publish at once",
    operand: "SHARD…", takesManyOperands: true,
    options: [Option("--owner", "OWNER", "all shards of this owner, as outbox status shows it")] + OutboxChange.options,
    synopsis: "(SHARD… | --owner OWNER) \(OutboxChange.synopsis)",
    notes: """
      The leases of a relay that crashed or froze end by themselves after CRON_RESERVE; this is for those who cannot
      wait. A relay that gave a sign of life in the last \(OutboxInspection.silence) keeps its shards: stop it instead.
      Make sure that the silent one will not wake up: what it has with its producer may still reach the topic then, as
      copies that come after later events of their orders. Consumers know them by ce_id and seq.
      """,
    example: "paysaga outbox take-over 17")

  private let holding: OutboxRepair.Holding
  private let change: OutboxChange

  init(_ arguments: Arguments) throws(CommandError) {
    var shards: [Int16] = []
    for word in arguments.operands {
      shards.append(Int16(try Arguments.integer(word, "SHARD", in: 0...Int64(Int16.max))))
    }
    let owner = arguments.text("--owner")
    guard (owner != nil) != !shards.isEmpty else {
      throw .usage("outbox take-over needs the numbers of shards, or --owner; paysaga outbox take-over --help")
    }
    holding = owner.map { .owner($0) } ?? .shards(shards)
    change = try OutboxChange(arguments)
  }

  func run(_ session: Session) throws {
    let held = try change.run(session) { try $0.takeOver(holding, on: $1) }
    session.output.print(
      rows: held.map {
        ["shard": .number(Int64($0.shard)), "owner": .text($0.owner), "taken": .bool($0.isTaken)]
      })
    let living = Set(held.filter { !$0.isTaken }.map(\.owner)).sorted()
    guard living.isEmpty else {
      throw CommandError.failure(
        "\(living.map(printable).joined(separator: ", ")) gave a sign of life a moment ago and keeps its shards: stop "
          + "it, and it gives them back")
    }
    guard !held.isEmpty else { throw CommandError.failure("nobody holds such a shard: there is nothing to take") }
    notice("\(held.count) shards taken; the living relays claim them now")
  }
}

extension Arguments {
  /// The topic named after the command: 1 to 249 letters, digits, dots, underscores and dashes, as Kafka has it.
  fileprivate func topic() throws(CommandError) -> String {
    guard let topic = operand else { throw .usage("which topic? Such as: paysaga outbox pause payment") }
    let isName = topic.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "."),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
        true
      default: false
      }
    }
    guard isName, (1...249).contains(topic.utf8.count) else {
      throw .usage("TOPIC expects 1 to 249 ASCII letters, digits and . _ -, found \"\(printable(topic))\"")
    }
    return topic
  }
}
