import ClientSettings
import FoundationEssentials
import LedgerStore
import Postgres
import SagaAudit
import SagaSettings
import Settings
import Values

/// `audit`: compares topics with tables, and the tables of direct payments with each other.
struct AuditCommand: Subcommand {
  static let usage = Usage(
    name: "audit",
    summary: "hold topics against tables, and tables against each other: nothing lost, doubled or unknown",
    options: [
      Option("--part", "PART", "saga: payments of orders; direct: direct payments; default: all that is there"),
      Option(
        "--topic", "NAME", "default: PRODUCER_TOPIC; of another topic payments are not checked; implies --part saga"),
      Option("--since", "TIME", "events from then on: 2026-01-31T12:00:00Z, or how long ago, such as 2h; default all"),
      Option("--limit", "N", "show at most so many offenders of each kind; default 10"),
      Option(
        "--late", "TIME", "direct payments: what gateway and processing owe each other for longer is late; default 5m"),
      Option(
        "--ledger", nil, "the ledger of direct payments alone: balances, holds, and its chain from the first block on"),
      Option(
        "--head", "N:HASH", "a head of the ledger's chain as an earlier audit has printed it: it must still be there"),
      Option("--allow-duplicates", nil, "equal copies are counted and are no disagreement"),
    ],
    synopsis:
      "[--part saga|direct | --ledger] [--head N:HASH] [--topic NAME] [--since TIME] [--limit N] [--late TIME] [--allow-duplicates]",
    notes: """
      Exit status: 0 when all agree, 1 when they disagree (counts and the first offenders are shown), 2 when nothing is
      wrong but the beginning of a partition is gone in which events are expected. It may run beside working programs:
      what is published or decided meanwhile raises no alarm. An offender that is a message is shown with the time at
      which it was written: copies belong to a crash, a takeover or a replay at that time. Takes about 130 bytes of memory
      an event. Each topic gets a line, and so do the tables of direct payments, once there are any.
      """,
    example: "paysaga audit --since 24h")

  /// What can be audited by itself.
  enum Part: String, CaseIterable { case saga, direct }

  private let part: Part?
  private let isLedgerOnly: Bool
  private let head: ChainVerifier.Head?
  private let topic: String?
  private let auditing: TopicAuditing
  private let late: Duration

  init(_ arguments: Arguments) throws(CommandError) {
    topic = arguments.text("--topic")
    isLedgerOnly = arguments.has("--ledger")
    head = try arguments.text("--head").map { text throws(CommandError) in
      guard let head = ChainVerifier.Head(text) else {
        throw .usage("--head expects what audit prints: a block's number, a colon, 64 hexadecimal digits")
      }
      return head
    }
    let given = try arguments.choice("--part", Part.self)
    guard !isLedgerOnly && head == nil || given != .saga && topic == nil else {
      throw .usage("--ledger and --head are about direct payments")
    }
    let part = isLedgerOnly || head != nil ? .direct : given
    guard topic == nil || part != .direct else { throw .usage("--topic is about the saga; --part direct has its own") }
    self.part = topic == nil ? part : .saga
    late = try arguments.duration("--late") ?? .seconds(300)
    auditing = TopicAuditing(
      since: try arguments.moment("--since"), limit: Int(try arguments.integer("--limit", in: 1...100_000) ?? 10),
      allowsDuplicates: arguments.has("--allow-duplicates"))
  }

  static func moment(_ text: String, _ option: String, now: Timestamp = .now()) throws(CommandError) -> Timestamp {
    if let ago = DurationText.parse(text), ago > .zero {
      return Timestamp(microseconds: now.microseconds.subtracting(saturating: ago.inNanoseconds / 1_000))
    }
    if let date = try? Date(text, strategy: .iso8601) {
      return Timestamp(microseconds: Int64(saturating: (date.timeIntervalSince1970 * 1e6).rounded()))
    }
    throw .usage("\(option) expects a time such as 2026-01-31T12:00:00Z or 2h, found \"\(printable(text))\"")
  }

  func run(_ session: Session) throws {
    session.interruption.handle()
    var verdicts: [AuditVerdict] = []
    if part != .direct {
      let payments = session.settings.producer.topic
      let topic = topic ?? payments
      verdicts.append(
        try auditing.audit(
          topic, database: try session.database(), checksPayments: topic == payments, session))
    }
    if part != .saga {
      let direct = DirectAuditing(
        topics: auditing, grace: late, isWanted: part == .direct, isLedgerOnly: isLedgerOnly, head: head)
      verdicts += try direct.audit(session)
    }
    let disagreements = verdicts.compactMap { if case .disagrees(let what) = $0 { what } else { nil } }
    guard disagreements.isEmpty else {
      throw CommandError.failure("\(disagreements.joined(separator: ", ")) disagree")
    }
    for case .unverifiable(let why) in verdicts { throw CommandError.unverifiable(why) }
  }
}

/// What came of one comparison.
enum AuditVerdict {
  case agrees
  /// What disagrees, in words.
  case disagrees(String)
  /// Why it cannot be told.
  case unverifiable(String)
}

/// Compares a topic with the tables of an outbox, and prints what it finds.
struct TopicAuditing {
  let since: Timestamp?
  let limit: Int
  let allowsDuplicates: Bool

  /// - Parameters:
  ///   - database: with the outbox's tables on the search path.
  ///   - checksPayments: whether the events are those of the saga's payments.
  ///   - others: events of other outboxes on the topic.
  func audit(
    _ topic: String, database: DatabaseConfiguration, checksPayments: Bool, others: Set<UniqueID> = [],
    _ session: Session
  ) throws -> AuditVerdict {
    guard let partitions = try Brokers(session).partitions(of: topic) else {
      throw CommandError.failure("there is no topic \(printable(topic)) at \(session.settings.kafka.brokers)")
    }
    var request = Audit.Request(topic: topic, since: since, limit: limit, checksPayments: checksPayments)
    request.others = others
    let audit = Audit(
      request, database: database, kafka: session.kafka, logger: session.logger,
      kafkaLogger: session.kafkaLogger)
    let start = Instant.now()
    let report = try audit.run(partitions: partitions, session, start)
    let outcome = report.outcome(allowsDuplicates: allowsDuplicates)
    session.output.print(report.record(topic, outcome, start), line: report.line(outcome))
    if !session.wantsJSON {
      for (partition, count) in report.unverifiable.sorted(by: { $0.key < $1.key }) {
        session.output.print("unverifiable partition=\(partition) events=\(count)")
      }
      session.output.print(rows: report.offenders.map(\.record))
    }
    switch outcome {
    case .agree: return .agrees
    case .disagree: return .disagrees("the topic and the tables")
    case .unverifiable:
      let names = report.unverifiable.keys.sorted().map(String.init).joined(separator: ", ")
      return .unverifiable(
        "unverifiable: the beginning of partition \(names) is gone, where "
          + "\(report.unverifiable.values.reduce(0, +)) events are expected; try --since with a later time")
    }
  }
}

extension Audit {
  /// Runs with the progress shown, until it is interrupted.
  fileprivate func run(partitions: Int, _ session: Session, _ start: Instant) throws -> AuditReport {
    var display = ProgressDisplay(start: start)
    defer { display.finish() }
    var progress: Progress?
    return try run(partitions: partitions) { step in
      if session.interruption.isRequested { throw CommandError.failure("interrupted") }
      let now = Instant.now()
      if progress == nil { progress = Progress(total: step.total, start: start) }
      progress?.update(done: step.done, at: now)
      if let progress { display.show(progress, at: now) }
    }
  }
}

extension AuditReport {
  fileprivate func line(_ outcome: Outcome) -> String {
    let word =
      switch outcome {
      case .agree: "agree"
      case .disagree: "disagree"
      case .unverifiable: "unverifiable"
      }
    var line = "\(word): done=\(done) pending=\(pending) dead=\(dead) payments=\(payments) messages=\(messages)"
    let rest = [
      ("replayed", replayed), ("out_of_retention", outOfRetention), ("newer", newer), ("not_judged", notJudged),
    ]
    for (name, count) in rest + Kind.allCases.map({ ($0.rawValue, counts[$0] ?? 0) }) where count > 0 {
      line += " \(name)=\(count)"
    }
    return line
  }

  fileprivate func record(_ topic: String, _ outcome: Outcome, _ start: Instant) -> Record {
    var record: Record = [
      "outcome": .text("\(outcome)"), "topic": .text(topic), "done": .number(Int64(done)),
      "pending": .number(Int64(pending)), "dead": .number(Int64(dead)), "payments": .number(Int64(payments)),
      "messages": .number(Int64(messages)), "replayed": .number(Int64(replayed)),
      "out_of_retention": .number(Int64(outOfRetention)),
      "newer": .number(Int64(newer)), "not_judged": .number(Int64(notJudged)),
    ]
    for kind in Kind.allCases { record.append(kind.rawValue, .number(Int64(counts[kind] ?? 0))) }
    record.append(
      "unverifiable",
      .list(
        unverifiable.sorted { $0.key < $1.key }.map {
          ["partition": .number(Int64($0.key)), "events": .number(Int64($0.value))]
        }))
    record.append("offenders", .list(offenders.map(\.record)))
    record.append("elapsed_ms", .number((Instant.now() - start).inMilliseconds))
    return record
  }
}

extension AuditReport.Offender {
  fileprivate var record: Record {
    [
      "kind": .text(kind.rawValue), "key": .optional(key), "seq": sequence.map { .number($0) } ?? .null,
      "event_id": eventID.map { .uuid($0) } ?? .null, "partition": partition.map { .number(Int64($0)) } ?? .null,
      "offset": offset.map { .number($0) } ?? .null, "written_at": .optional(writtenAt), "detail": .text(detail),
    ]
  }
}
