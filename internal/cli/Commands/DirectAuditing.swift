import LedgerStore
import Postgres
import ProcessingAudit
import ProcessingSettings
import Settings
import Values

/// The part of `audit` that is about direct payments: tables against each other, then topics against outboxes.
struct DirectAuditing {
  let topics: TopicAuditing
  /// How long gateway and processing may take to hear of each other.
  let grace: Duration
  /// Whether the caller asked for this part: it is then shown although there is nothing.
  let isWanted: Bool
  /// Whether only the ledger is looked at.
  let isLedgerOnly: Bool
  /// A head of the ledger's chain, as an earlier audit has printed it.
  let head: ChainVerifier.Head?

  func audit(_ session: Session) throws -> [AuditVerdict] {
    let processing = try session.database(of: "PROCESSING_", direct: true)
    let presence = try payments(in: "processing", processing, session)
    guard presence == .readable else {
      let problem =
        presence == .absent
        ? "there are no tables of direct payments at \(processing); try paysaga migrate up"
        : "the role may not read the schema processing at \(processing)"
      if isWanted { throw CommandError.failure(problem) }
      if presence == .hidden { notice("direct payments are left out: \(problem)") }
      return []
    }
    let gateway = try session.database(of: "GATEWAY_", direct: true)
    let saga = try session.database(direct: true)
    let databases = DirectAudit.Databases(
      processing: processing, gateway: try payments(in: "gateway", gateway, session) == .readable ? gateway : nil,
      saga: try payments(in: nil, saga, session) == .readable ? saga : nil)
    for (name, isLeftOut) in [("the gateway", databases.gateway == nil), ("the saga", databases.saga == nil)] {
      if isLeftOut, !isLedgerOnly {
        notice("\(name) is left out: its payments are not there, or the role may not read them")
      }
    }
    let start = Instant.now()
    let report = try run(databases, session, start)
    guard isWanted || !report.isEmpty else { return [] }
    session.output.print(report.record(start), line: report.line)
    if !session.wantsJSON { session.output.print(rows: report.offenders.map(\.record)) }
    let verdict: AuditVerdict = report.agrees ? .agrees : .disagrees("the tables of direct payments")
    if isLedgerOnly { return [verdict] }
    return [verdict] + (try outboxes(session))
  }

  private func payments(
    in schema: String?, _ database: DatabaseConfiguration, _ session: Session
  ) throws -> DirectAudit.Presence {
    let connection = try Connection.open(database, logger: session.logger)
    defer { connection.close() }
    return try DirectAudit.payments(in: schema, on: connection)
  }

  /// The pipeline's topics, as far as anything was to be published on them.
  private func outboxes(_ session: Session) throws -> [AuditVerdict] {
    let direct = try session.directTopics()
    let pipelines = [
      (prefix: "GATEWAY_", schema: "gateway", topic: direct.payments),
      (prefix: "PROCESSING_", schema: "processing", topic: direct.results),
    ]
    var verdicts: [AuditVerdict] = []
    for (prefix, schema, topic) in pipelines {
      let database = try session.database(of: prefix, direct: true, schema: schema)
      guard try payments(in: schema, database, session) == .readable, try hasEvents(topic, database, session) else {
        continue
      }
      let others = schema == "processing" ? try requeued(topic, session) : []
      verdicts.append(
        try topics.audit(topic, database: database, checksPayments: false, others: others, session))
    }
    return verdicts
  }

  /// Results that were sent again after they were dead letters: the gateway's outbox has them.
  private func requeued(_ topic: String, _ session: Session) throws -> Set<UniqueID> {
    let database = try session.database(of: "GATEWAY_", direct: true, schema: "gateway")
    guard try payments(in: "gateway", database, session) == .readable else { return [] }
    let connection = try Connection.open(database, logger: session.logger)
    defer { connection.close() }
    let found = Statement("SELECT event_id FROM event WHERE topic = $1", isReadOnly: true)
    return Set(
      try connection.run(Command(found, [.text(topic)])).map { (row) throws(DatabaseError) in try row.uuid(0) })
  }

  private func hasEvents(_ topic: String, _ database: DatabaseConfiguration, _ session: Session) throws -> Bool {
    let connection = try Connection.open(database, logger: session.logger)
    defer { connection.close() }
    let found = Statement("SELECT EXISTS (SELECT FROM event WHERE topic = $1)", isReadOnly: true)
    return try connection.run(Command(found, [.text(topic)])).only.bool(0)
  }

  private func run(
    _ databases: DirectAudit.Databases, _ session: Session, _ start: Instant
  ) throws -> DirectAuditReport {
    var scope = DirectAudit.Scope()
    (scope.grace, scope.limit) = (grace, topics.limit)
    (scope.isLedgerOnly, scope.head) = (isLedgerOnly, head)
    return try DirectAudit(databases, scope: scope, logger: session.logger).run { _ in
      if session.interruption.isRequested { throw CommandError.failure("interrupted") }
    }
  }
}

extension DirectAuditReport {
  private var figures: [(name: String, count: Int)] {
    [
      ("payments", payments), ("intake", intake), ("unknown", unknown), ("transfers", transfers),
      ("accounts", accounts), ("blocks", blocks),
      ("settlements", settlements), ("exceptions", exceptions),
    ]
  }

  fileprivate var line: String {
    let found = Kind.allCases.compactMap { kind in counts[kind].map { "\(kind.rawValue)=\($0)" } }
    let last = head.map { ["head=\($0)"] } ?? []
    return (["\(agrees ? "agree" : "disagree"):"] + figures.map { "\($0.name)=\($0.count)" } + last + found)
      .joined(separator: " ")
  }

  fileprivate func record(_ start: Instant) -> Record {
    var record: Record = ["outcome": .text(agrees ? "agree" : "disagree"), "part": .text("direct")]
    for (name, count) in figures { record.append(name, .number(Int64(count))) }
    record.append("head", head.map { .text("\($0)") } ?? .null)
    for kind in Kind.allCases { record.append(kind.rawValue, .number(Int64(counts[kind] ?? 0))) }
    record.append("offenders", .list(offenders.map(\.record)))
    record.append("elapsed_ms", .number((Instant.now() - start).inMilliseconds))
    return record
  }
}

extension DirectAuditReport.Offender {
  fileprivate var record: Record {
    ["kind": .text(kind.rawValue), "id": id.map { .uuid($0) } ?? .null, "detail": .text(detail)]
  }
}
