import ClientSettings
import Kafka
import Outbox
import SagaSettings
import Values

/// `inventory list`: shows the dead letters that wait.
struct InventoryList: Subcommand {
  static let usage = Usage(
    name: "inventory list", summary: "show dead letters of the inventory topic that nobody has decided about",
    options: RequeueFilter.options, synopsis: RequeueFilter.synopsis,
    notes: """
      Those that were put back or discarded are left out, as far as the group \(SagaSettings.Consumer.requeueGroup) remembers them. The
      values are not shown: see inventory show.
      """,
    example: "paysaga inventory list --limit 20")

  private let filter: RequeueFilter

  init(_ arguments: Arguments) throws(CommandError) { filter = try RequeueFilter(arguments) }

  func run(_ session: Session) throws {
    let reader = try RequeueReader.open(filter, session)
    defer { reader.close() }
    var shown: Int64 = 0
    while shown < filter.limit, let letters = try reader.letters(filter, RequeueFilter.batch) {
      let chosen = letters.prefix(Int(clamping: filter.limit - shown))
      session.output.print(rows: chosen.map(\.record))
      shown += Int64(chosen.count)
    }
    if session.interruption.isRequested { throw CommandError.failure("interrupted") }
    if shown == 0 { notice("no dead letter waits") }
  }
}

/// `inventory show`: shows one dead letter as a whole.
struct InventoryShow: Subcommand {
  static let usage = Usage(
    name: "inventory show", summary: "show a dead letter of the inventory topic with its value and headers",
    options: [
      Option("--partition", "P", "its partition of the dead-letter topic"), Option("--offset", "O", "its offset there"),
    ],
    synopsis: "--partition P --offset O", notes: "Also one that was put back or discarded, while the topic keeps it.",
    example: "paysaga inventory show --partition 0 --offset 17")

  private let partition: Int32
  private let offset: Int64

  init(_ arguments: Arguments) throws(CommandError) {
    partition = Int32(
      try Arguments.integer(try arguments.required("--partition"), "--partition", in: 0...Int64(Int32.max)))
    offset = try Arguments.integer(try arguments.required("--offset"), "--offset", in: 0...Int64.max)
  }

  func run(_ session: Session) throws {
    let topic = session.settings.consumer.deadLetterTopic
    guard let partitions = try Brokers(session).partitions(of: topic), partition < partitions else {
      throw CommandError.failure("there is no partition \(partition) of \(topic) at \(session.settings.kafka.brokers)")
    }
    let scan = try TopicScan(session)
    defer { scan.close() }
    let place = TopicPartition(topic, partition)
    let marks = try scan.watermarks(place)
    guard (marks.low..<max(marks.low, marks.high)).contains(offset) else {
      throw CommandError.failure("\(place) holds the offsets from \(marks.low) to below \(marks.high)")
    }
    try scan.begin([TopicScan.Range(place: place, start: offset, end: offset + 1)])
    // Compacted away, it is followed by others.
    guard let found = try scan.next(1)?.first else {
      throw CommandError.failure("\(place)@\(offset) could not be read")
    }
    let record = EventView(message: found).record
    session.output.print(record)
    guard !session.wantsJSON, case .object(let headers)? = record.fields.first(where: { $0.name == "headers" })?.value
    else { return }
    for header in headers.fields { session.output.print(Record(dictionaryLiteral: (header.name, header.value))) }
  }
}

/// `inventory discard`: gives dead letters up.
struct InventoryDiscard: Subcommand {
  static let usage = Usage(
    name: "inventory discard", summary: "give dead letters of the inventory topic up: they are not put back any more",
    options: RequeueFilter.options + [
      Option("--all", nil, "every dead letter that waits"), Option("--dry-run", nil, "only show what would be done"),
      Operator.option,
    ],
    synopsis: "(--partition P [--offset O] | --error TEXT | --all) [--limit N] [--dry-run] [--operator NAME]",
    notes: """
      The messages stay on the dead-letter topic as long as it keeps them; inventory list and requeue leave them out. Who
      discarded what is in the log of operations: paysaga operations list --action letter_discard.
      """,
    example: "paysaga inventory discard --partition 0 --offset 17")

  private let filter: RequeueFilter
  private let isDryRun: Bool
  private let person: String

  init(_ arguments: Arguments) throws(CommandError) {
    filter = try RequeueFilter(arguments)
    guard filter.isChoosing != arguments.has("--all") else {
      throw .usage("inventory discard needs --partition, --error or --all; paysaga inventory discard --help")
    }
    isDryRun = arguments.has("--dry-run")
    person = try Operator.name(arguments)
  }

  func run(_ session: Session) throws {
    let reader = try RequeueReader.open(filter, session)
    defer { reader.close() }
    let log = isDryRun ? nil : try LetterLog(.letterDiscard, by: person, session)
    defer { log?.close() }
    var done: Int64 = 0
    while done < filter.limit, let letters = try reader.letters(filter, RequeueFilter.batch) {
      let chosen = Array(letters.prefix(Int(clamping: filter.limit - done)))
      if let log {
        // Written down first: what the group remembers cannot be asked who did it.
        try log.note(chosen.map(\.letter))
        try reader.note((chosen.map(\.letter), nil))
      }
      session.output.print(rows: chosen.map(\.record))
      done += Int64(chosen.count)
    }
    notice("\(done) messages \(isDryRun ? "would be discarded; nothing was changed" : "discarded")")
    if session.interruption.isRequested { throw CommandError.failure("interrupted") }
    if filter.offset != nil, done == 0 { throw CommandError.failure("no such dead letter waits") }
  }
}
