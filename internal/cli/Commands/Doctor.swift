import GatewayStore
import Glibc
import Migrator
import Outbox
import Postgres
import ProcessingStore
import Settings
import Values

/// `doctor`: looks at everything and says what is wrong.
struct Doctor: Subcommand {
  static let usage = Usage(
    name: "doctor", summary: "look at programs, databases, outboxes, brokers and groups, and say what is wrong",
    operand: "HOST:PORT…", takesManyOperands: true, synopsis: "[HOST:PORT…]",
    notes: """
      The operands are the admin ports of the programs; default: those of PAYSAGA_PROGRAMS, with commas between them, or
      those of `make up`. Programs are asked for readiness, version, settings that disagree, and ends of certificates;
      PAYSAGA_ADMIN_TOKEN has the token of their pages that show data. Databases: versions of the schema, locks that
      others wait for, a disk that is full, transactions and slots that keep old rows, sessions, tables of the next day;
      Redis: whether it takes writes; outboxes: dead and blocked events, pauses, relays
      that cannot publish; Kafka: topics, groups that are more than a minute behind, dead letters; direct payments: dead
      letters and exceptions. How much disk is free PostgreSQL and Kafka do not tell:
      watch it on their machines.
      Exit status: 0 when nothing is wrong, 1 with the findings, each with what to do.
      """,
    example: "paysaga doctor 127.0.0.1:9101 127.0.0.1:9102")

  private let addresses: [String]

  init(_ arguments: Arguments) throws(CommandError) { addresses = arguments.operands }

  func run(_ session: Session) throws {
    let client = try AdminClient(addresses, session)
    var examination = Examination(session)
    examination.programs(client)
    var databases: Set<String> = []
    for context in try session.migrations() {
      examination.check("database of \(context.settingPrefix)DSN") {
        let (facts, findings) = try DatabaseCheck(context: context, session: session).run(&databases)
        return ([facts], findings)
      }
    }
    for name in OutboxChoice.Name.allCases {
      examination.check("outbox of \(name.rawValue)") {
        guard let (facts, findings) = try OutboxCheck(outbox: OutboxChoice(name), session: session).run() else {
          return ([], [])
        }
        return ([facts], findings)
      }
    }
    examination.check("kafka") { try BrokerCheck(session: session).run() }
    examination.check("redis") { try RedisCheck(session: session).run() }
    examination.check("direct payments") { ([], try Self.directPayments(session)) }
    for finding in examination.findings { session.output.print(finding.record) }
    guard examination.findings.isEmpty else {
      throw CommandError.failure("\(examination.findings.count) findings; each line has what to do")
    }
    notice("nothing is wrong")
  }

  /// What waits for a person.
  private static func directPayments(_ session: Session) throws -> [Finding] {
    var findings: [Finding] = []
    let gateway = try Connection.open(try session.database(of: "GATEWAY_"), logger: session.logger)
    defer { gateway.close() }
    if try gateway.hasTable("gateway.dead_letter") {
      let waiting = try DeadLetterStore(GatewayTables()).waiting(on: gateway).count
      if waiting > 0 {
        findings.append(
          Finding(
            "direct payments", "\(waiting) dead letters wait for a decision",
            "paysaga payments dead-letters; then paysaga payments requeue or discard"))
      }
    }
    let processing = try Connection.open(try session.database(of: "PROCESSING_"), logger: session.logger)
    defer { processing.close() }
    if try processing.hasTable("processing.payment") {
      let open = try ExceptionStore().counts(on: processing).values.reduce(0, +)
      if open > 0 {
        findings.append(
          Finding("direct payments", "\(open) exceptions are open", "paysaga exceptions, then paysaga exceptions close")
        )
      }
    }
    return findings
  }
}

extension Connection {
  /// Whether there is a table of this name, quoted where it has to be.
  func hasTable(_ name: String) throws(DatabaseError) -> Bool {
    let question = Statement("SELECT to_regclass($1) IS NOT NULL", isReadOnly: true)
    return try run(Command(question, [.text(name)])).only.bool(0)
  }
}

/// The findings so far; what cannot be looked at is one.
private struct Examination {
  private let session: Session
  private(set) var findings: [Finding] = []

  init(_ session: Session) { self.session = session }

  /// Looks at one thing.
  mutating func check(_ subject: String, _ look: () throws -> (facts: [Record], findings: [Finding])) {
    do {
      let (facts, found) = try look()
      for fact in facts { session.output.print(fact) }
      findings += found
    } catch {
      findings.append(Finding(subject, explain(error).message, "it could not be looked at: see the problem"))
    }
  }

  mutating func programs(_ client: AdminClient) {
    let (states, silent) = client.states()
    for state in states {
      session.output.print([
        "checked": .text(state.subject), "version": .text(state.version), "commit": .text(state.commit),
        "answered_ms": .number(state.elapsed.inMilliseconds),
      ])
    }
    findings += silent + ProgramFindings(states).all(now: Double(Timestamp.now().microseconds) / 1e6)
  }
}
