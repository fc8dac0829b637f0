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
      Option("--complete-to", "TIME", "it lists everything until then: 2026-01-31T00:00:00Z, or how long ago"),
      Option("--complete-from", "TIME", "and from then on; default: its earliest row"),
      Option("--dry-run", nil, "say what would be done, and change nothing"),
      Option("--limit", "N", "show at most so many findings of each kind; default 10"),
    ],
    synopsis: "--statement FILE|- [--format F] [--complete-to TIME [--complete-from TIME]] [--dry-run] [--limit N]",
    notes: """
      A row has operation_id, amount (major units: 19.99), currency, status (succeed, error or reversed) and time. CSV
      begins with a line of these names. With --complete-to what is not listed is missing, as far as the bank was asked
      for it within that time, less BANK_TIMEOUT and BANK_HORIZON. Set these and BANK_REVERSAL as for the programs.
      The same statement again changes nothing, and a comparison that broke off can be run again.

      Exit status: 0 when all agree, 1 when a person has to look (paysaga exceptions), 2 when nothing is wrong but
      payments are still open, or for a statement that cannot be read.
      """,
    example: "paysaga reconcile --statement bank-2026-01-30.csv --complete-to 2026-01-31T00:00:00Z")

  private let path: String
  private let options: Reconciliation.Options

  init(_ arguments: Arguments) throws(CommandError) {
    path = try arguments.required("--statement")
    var options = Reconciliation.Options(name: "statement")
    options.format = try arguments.choice("--format", StatementReader.Format.self)
    options.completeTo = try arguments.moment("--complete-to")
    options.completeFrom = try arguments.moment("--complete-from")
    options.isDryRun = arguments.has("--dry-run")
    options.limit = Int(try arguments.integer("--limit", in: 1...100_000) ?? 10)
    guard options.completeFrom == nil || options.completeTo != nil else {
      throw .usage("--complete-from needs --complete-to")
    }
    self.options = options
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
      case .noPeriod:
        throw CommandError.usage(
          "the statement has no row before --complete-to: say from when on it is complete with --complete-from")
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
    record.append("sha256", .text(report.digest.map { Self.hex[Int($0)] }.joined()))
    record.append("findings", .list(report.findings.map(\.record)))
    record.append("elapsed_ms", .number((Instant.now() - start).inMilliseconds))
    let notes = [(options.isDryRun, "dry run"), (report.isRepeated, "compared before")].filter(\.0).map { " (\($0.1))" }
    let counts = report.counts.named.map { "\($0.name)=\($0.count)" }.joined(separator: " ")
    session.output.print(record, line: "\(word)\(notes.joined()): \(counts)")
    if !session.wantsJSON { for finding in report.findings { session.output.print(finding.record) } }
  }

  private static let hex: [String] = (0..<256).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
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
