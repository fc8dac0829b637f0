import DirectDomain
import Money
import Postgres
import RiskDomain
import RiskStore
import Values

extension Session {
  /// A connection to the database that has the schema `risk`.
  fileprivate func risk() throws -> Connection {
    try Connection.open(try database(of: "PROCESSING_"), logger: logger)
  }
}

/// `risk list`: shows decisions.
struct RiskList: Subcommand {
  static let usage = Usage(
    name: "risk list", summary: "show what risk decided about direct payments, the newest first",
    options: [
      Option("--verdict", "V", "only those with this verdict: allow, review or block"),
      Option("--payment", "ID", "the decision about this payment alone"),
      Option("--limit", "N", "at most so many; default 50"),
    ],
    synopsis: "[--verdict V | --payment ID] [--limit N]",
    notes: """
      The score is from 0 to 99, the reasons are the rules that matched. Features are what was counted before the payment
      in each window, as [count, sum], its failures, and first uses; a decision without them says by `failed` what
      RISK_FAIL was. The card is its fingerprint.
      """,
    example: "paysaga risk list --verdict review --limit 10")

  private let verdict: RiskVerdict?
  private let payment: UniqueID?
  private let limit: Int

  init(_ arguments: Arguments) throws(CommandError) {
    verdict = try arguments.choice("--verdict", RiskVerdict.self)
    payment = try arguments.text("--payment").map { text throws(CommandError) in
      guard let id = UniqueID(text) else {
        throw .usage("--payment expects a UUID of 36 characters, found \"\(printable(text))\"")
      }
      return id
    }
    // One answer holds them all.
    limit = Int(try arguments.integer("--limit", in: 1...100_000) ?? 50)
    guard verdict == nil || payment == nil else { throw .usage("--verdict and --payment exclude each other") }
  }

  func run(_ session: Session) throws {
    let connection = try session.risk()
    defer { connection.close() }
    let decisions = RiskDecisions()
    let entries =
      if let payment { try decisions.find(payment, on: connection).map { [$0] } ?? [] } else {
        try decisions.newest(verdict, limit: limit, on: connection)
      }
    let records: [Record] = entries.map { entry in
      switch entry {
      case .decision(let decision): decision.shown
      case .unreadable(let id, let fault): ["payment_id": .uuid(id), "unreadable": .text(fault)]
      }
    }
    session.output.print(rows: records)
    if entries.isEmpty {
      notice(payment == nil ? "no decisions\(verdict.map { " are \($0.rawValue)" } ?? "")" : "no such decision")
    }
  }
}

/// `risk replay`: decides once more and compares.
struct RiskReplay: Subcommand {
  static let usage = Usage(
    name: "risk replay", summary: "decide once more about each direct payment, by what was stored, and compare",
    options: [Option("--limit", "N", "show at most so many that differ; default 10")],
    synopsis: "[--limit N]",
    notes: """
      Each decision is made again from the facts, features and rules that are kept with it. Exit status: 0 when score,
      reasons and verdict of all are the same, 1 when some differ or cannot be read; the first of them are shown.
      """,
    example: "paysaga risk replay")

  private let limit: Int

  init(_ arguments: Arguments) throws(CommandError) {
    limit = Int(try arguments.integer("--limit", in: 1...100_000) ?? 10)
  }

  func run(_ session: Session) throws {
    let connection = try session.risk()
    defer { connection.close() }
    session.interruption.handle()
    var total = 0
    var wrong = 0
    var first: [RiskDecisions.Finding] = []
    let decisions = RiskDecisions()
    let start = Instant.now()
    // Those that are made meanwhile are replayed, too.
    let expected = try decisions.count(on: connection)
    var progress = Progress(
      total: Int64(max(1, expected)), start: start,
      words: Progress.Words(unit: "decisions", obstacle: "waiting for the database"))
    var display = ProgressDisplay(start: start)
    try decisions.replay(on: connection) { count, findings in
      total += count
      wrong += findings.count
      first += findings.prefix(limit - first.count)
      let now = Instant.now()
      progress.update(done: Int64(min(total, expected)), at: now)
      display.show(progress, at: now)
      return !session.interruption.isRequested
    }
    display.finish()
    if session.interruption.isRequested { throw CommandError.failure("interrupted after \(total) decisions") }
    session.output.print([
      "outcome": .text(wrong == 0 ? "agree" : "disagree"), "decisions": .number(Int64(total)),
      "wrong": .number(Int64(wrong)),
    ])
    session.output.print(rows: first.map(\.record))
    if wrong > 0 { throw CommandError.failure("\(wrong) of \(total) decisions cannot be confirmed") }
  }
}

extension RiskDecisions.Finding {
  fileprivate var record: Record {
    switch self {
    case .unreadable(let id, let fault): return ["payment_id": .uuid(id), "unreadable": .text(fault)]
    case .differs(let stored, let again):
      var record = stored.shown
      record.append("again_verdict", .text(again.verdict.rawValue))
      record.append("again_score", .number(Int64(again.score)))
      record.append("again_reasons", .of(again.reasons))
      return record
    }
  }
}

extension StoredDecision {
  /// All of it, as it is printed.
  fileprivate var shown: Record {
    let decision = record.decision
    var result: Record = [
      "payment_id": .uuid(record.paymentID), "at": .time(at), "verdict": .text(decision.verdict.rawValue),
      "score": .number(Int64(decision.score)), "reasons": .of(decision.reasons),
      "method": .text(record.facts.method.rawValue), "amount_minor": .number(record.facts.amount.minorUnits),
      "currency": .text(record.facts.amount.currency.code),
      "card": record.card.map { .text(Hexadecimal.text($0)) } ?? .null, "rules": .text(rules),
    ]
    switch record.evidence {
    case .features(let features):
      result.append("failed", .null)
      result.append("features", .of(features))
    case .unavailable(let failure):
      result.append("failed", .text(failure.rawValue))
      result.append("features", .null)
    }
    return result
  }
}

extension Record.Value {
  fileprivate static func of(_ value: some JSONRepresentable) -> Record.Value {
    var bytes: [UInt8] = []
    value.appendJSON(to: &bytes)
    return .json(bytes)
  }
}
