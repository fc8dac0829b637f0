import Glibc
import Postgres
import ProcessingDomain
import ProcessingStore
import Reconciliation
import Values

/// `reconcile`: compares a statement of the bank with the tables of direct payments.
struct Reconcile: Subcommand {
  static let usage = Usage(
    name: "reconcile",
    summary: "compare the bank's statement with direct payments: resolve UNKNOWN, settle, open exceptions",
    options: [
      Option("--statement", "FILE", "the statement; - for standard input"),
      Option("--format", "F", "csv or ndjson; default: what its first byte tells"),
      Option("--complete-from", "TIME", "it lists everything from then on: 2026-01-30T00:00:00Z, or how long ago"),
      Option("--complete-to", "TIME", "and until then, which is past"),
      Option("--dry-run", nil, "say what would be done, and change nothing"),
      Option("--force", nil, "also when most of it is of nobody here"),
      Option("--limit", "N", "show at most so many findings of each kind; default 10"),
    ],
    synopsis:
      "--statement FILE|- [--format F] [--complete-from TIME --complete-to TIME] [--dry-run] [--force] [--limit N]",
    notes: """
      A row has operation_id, amount (major units: 19.99), currency, status (succeed, error or reversed) and time. CSV
      begins with a line of these names. What is not listed is missing, as far as the bank was asked for it from
      --complete-from to --complete-to, which is in the past, less BANK_TIMEOUT and BANK_HORIZON. Set these and
      BANK_REVERSAL as for the programs. A statement of which more than half, and more than 1,000 operations, are of
      nobody here is refused without --force. The same statement again changes nothing, and a comparison that broke off
      can be run again.

      Exit status: 0 when all agree, 1 when a person has to look (paysaga exceptions), 2 when nothing is wrong but
      payments are still open, or for a statement that cannot be read.
      """,
    example:
      "paysaga reconcile --statement bank.csv --complete-from 2026-01-30T00:00:00Z --complete-to 2026-01-31T00:00:00Z")

  private let path: String
  private let options: Reconciliation.Options

  init(_ arguments: Arguments) throws(CommandError) {
    path = try arguments.required("--statement")
    var options = Reconciliation.Options(name: "statement")
    options.format = try arguments.choice("--format", StatementReader.Format.self)
    options.period = try Self.period(arguments)
    options.isDryRun = arguments.has("--dry-run")
    options.acceptsForeign = arguments.has("--force")
    options.limit = Int(try arguments.integer("--limit", in: 1...100_000) ?? 10)
    self.options = options
  }

  private static func period(_ arguments: Arguments) throws(CommandError) -> ClosedRange<Timestamp>? {
    switch (try arguments.moment("--complete-from"), try arguments.moment("--complete-to")) {
    case (nil, nil): return nil
    case (_, nil): throw .usage("--complete-from needs --complete-to")
    case (nil, _): throw .usage("--complete-to needs --complete-from: no row says from when on it is complete")
    case (let start?, let end?):
      guard start <= end else { throw .usage("--complete-from is after --complete-to") }
      return start...end
    }
  }

  func run(_ session: Session) throws {
    session.interruption.handle()
    let file = try StatementFile(path: path)
    let connection = try session.processing()
    defer { connection.close() }
    let rules = try session.bankRules()
    var options = options
    options.name = file.name
    let reconciliation = Reconciliation(
      options, store: try session.paymentSteps(rules, on: connection), rules: rules)
    let start = Instant.now()
    let report = try compare(reconciliation, file, connection, session, start)
    if !options.isDryRun, !report.isRepeated, report.counts.resolved > 0 { try session.wakeRelay(on: connection) }
    show(report, session, start)
    switch report.outcome {
    case .agree: return
    case .disagree: throw CommandError.failure("the statement and the tables disagree; see paysaga exceptions")
    case .undecided: throw CommandError.unverifiable("\(report.counts.undecided) payments are still open")
    }
  }

  private func compare(
    _ reconciliation: Reconciliation, _ file: borrowing StatementFile, _ connection: Connection, _ session: Session,
    _ start: Instant
  ) throws -> ReconciliationReport {
    var display = StatementProgress(size: file.size, start: start)
    defer { display.finish() }
    do {
      func onProgress(_ step: Reconciliation.Progress) throws {
        if session.interruption.isRequested { throw CommandError.failure("interrupted; run it again to go on") }
        display.show(step)
      }
      return try reconciliation.run({ try file.next() }, on: connection, onProgress: onProgress)
    } catch let failure as Reconciliation.Failure {
      switch failure {
      case .unreadable(let fault): throw CommandError.usage("\(file.name), \(fault); nothing was changed")
      case .notOver(let now):
        throw CommandError.usage(
          "--complete-to is in the future, it is \(now) by the database's clock: no statement lists what is to come")
      case .foreign(let missing, let total):
        throw CommandError.usage(
          "at least \(missing) of the \(total) operations of \(file.name) are of nobody here: is it the right file? Look at "
            + "it with --dry-run, or compare it with --force; nothing was changed")
      }
    }
  }

  private func show(_ report: ReconciliationReport, _ session: Session, _ start: Instant) {
    let word = report.outcome == .undecided ? "agree" : report.outcome.rawValue
    var record: Record = [
      "outcome": .text(word), "dry_run": .bool(options.isDryRun), "repeated": .bool(report.isRepeated),
    ]
    for (name, count) in report.counts.named { record.append(name, .number(Int64(count))) }
    record.append("complete_from", .optional(report.period?.lowerBound))
    record.append("complete_to", .optional(report.period?.upperBound))
    record.append("sha256", .text(Hexadecimal.text(report.digest)))
    record.append("findings", .list(report.findings.map(\.record)))
    record.append("elapsed_ms", .number((Instant.now() - start).inMilliseconds))
    let notes = [(options.isDryRun, "dry run"), (report.isRepeated, "compared before")].filter(\.0).map { " (\($0.1))" }
    let counts = report.counts.named.map { "\($0.name)=\($0.count)" }.joined(separator: " ")
    session.output.print(record, line: "\(word)\(notes.joined()): \(counts)")
    if !session.wantsJSON { session.output.print(rows: report.findings.map(\.record)) }
  }
}

/// Shows how far a comparison is: bytes while the statement is read, operations afterwards.
private struct StatementProgress {
  private let size: Int64?
  private var display: ProgressDisplay
  private var reading: Progress?
  private var comparing: Progress?

  init(size: Int64?, start: Instant) {
    self.size = size
    display = ProgressDisplay(start: start)
    reading = size.map { Progress(total: $0, start: start, words: Self.words("bytes")) }
  }

  private static func words(_ unit: String) -> Progress.Words {
    Progress.Words(unit: unit, obstacle: "waiting for the database")
  }

  mutating func show(_ step: Reconciliation.Progress) {
    let now = Instant.now()
    switch step {
    case .read(let bytes):
      // A file may grow while it is read.
      reading?.update(done: min(bytes, size ?? bytes), at: now)
      if let reading { display.show(reading, at: now) }
    case .compared(let done, let total):
      if comparing == nil { comparing = Progress(total: Int64(total), start: now, words: Self.words("operations")) }
      comparing?.update(done: Int64(done), at: now)
      if let comparing { display.show(comparing, at: now) }
    }
  }

  mutating func finish() { display.finish() }
}

extension ReconciledStatement.Counts {
  fileprivate var named: [(name: String, count: Int)] {
    [
      ("rows", rows), ("matched", matched), ("resolved", resolved), ("undecided", undecided),
      ("contradicted", contradicted), ("missing_here", missingHere), ("missing_there", missingThere),
      ("amount_differs", amountDiffers), ("duplicate", duplicate), ("settled", settled),
    ]
  }
}

extension ReconciliationReport.Finding {
  fileprivate var record: Record {
    ["id": .uuid(id), "kind": .text(kind.rawValue), "detail": .text(detail)]
  }
}
