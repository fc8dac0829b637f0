import DirectDomain
import Money
import Outbox
import Postgres
import ProcessingDomain
import ProcessingSchema
import ProcessingStore
import RiskDomain
import RiskStore
import Values

/// `risk approve`: lets a payment in REVIEW go on.
struct RiskApprove: Subcommand {
  static let usage = RiskReview.usage("approve", "let a direct payment go on that waits for a person")

  private let review: RiskReview

  init(_ arguments: Arguments) throws(CommandError) { review = try RiskReview(arguments, approves: true) }

  func run(_ session: Session) throws { try review.run(session) }
}

/// `risk decline`: ends a payment in REVIEW.
struct RiskDecline: Subcommand {
  static let usage = RiskReview.usage("decline", "reject a direct payment that waits for a person")

  private let review: RiskReview

  init(_ arguments: Arguments) throws(CommandError) { review = try RiskReview(arguments, approves: false) }

  func run(_ session: Session) throws { try review.run(session) }
}

/// A person's decision about a payment in REVIEW, made in processing's database.
private struct RiskReview {
  /// What the column of the name takes.
  private static let longestName = 255

  private let id: UniqueID
  private let approves: Bool
  private let person: String

  static func usage(_ word: String, _ summary: String) -> Usage {
    Usage(
      name: "risk \(word)", summary: summary, operand: "ID",
      options: [Option("--by", "NAME", "who decides; kept with the payment")], synopsis: "ID --by NAME",
      notes: """
        Writes to the database of PROCESSING_DSN, from where the gateways are told. The same again by the same person
        changes nothing and is no failure.
        """,
      example: "paysaga risk \(word) 01980f3e-7c51-7000-8000-000000000000 --by ann@example.com")
  }

  init(_ arguments: Arguments, approves: Bool) throws(CommandError) {
    id = try arguments.id("a payment")
    self.approves = approves
    person = try arguments.required("--by")
    let isPlain = person.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
    guard (1...Self.longestName).contains(person.utf8.count), isPlain else {
      throw .usage("--by expects 1 to \(Self.longestName) bytes of text, found \"\(printable(person))\"")
    }
  }

  func run(_ session: Session) throws {
    var database = try session.database(of: "PROCESSING_")
    database.requiresWriting = true
    let connection = try Connection.open(database, logger: session.logger)
    defer { connection.close() }
    // The failure of a payment that is declined is counted as the rules say by which it was held.
    let rules = try RiskDecisions().rules(of: id, on: connection) ?? .standard
    let store = try session.paymentSteps(
      PaymentRules(), risk: rules, topic: try topic(on: connection), on: connection)
    let step = PaymentStep.review(approves: approves, by: person)
    let results: ProcessingResult<[RequestResult]>
    do throws(DatabaseError) {
      results = try store.apply([StepRequest(id, step)], by: nil, on: connection)
    } catch {
      guard error.code == .outcomeUnknown else { throw error }
      throw CommandError.failure("\(error); it may have been done: do it again with the same name")
    }
    guard case .done(let done) = results, let result = done.first else {
      throw CommandError.failure("nothing was done")
    }
    session.output.print(try Self.decided(step, result).record)
    try session.wakeRelay(on: connection)
  }

  private enum TopicColumn: Int, AnswerColumn { case topic }

  /// Where the gateways look for results: the topic of the payment's events so far; nil when they are gone. A setting
  /// that is not the processors' would have the gateways wait for ever.
  private func topic(on connection: Connection) throws(DatabaseError) -> String? {
    let tables = ProcessingSchema.outbox
    // Events of a payment in REVIEW are of its last day or two: only those days' tables are read.
    let newest = Statement(
      """
      SELECT e.topic FROM (
        SELECT w.topic, w.seq FROM \(tables.wait) w WHERE w.key = $1::uuid::text
        UNION ALL
        SELECT d.topic, d.seq FROM \(tables.done) d WHERE d.key = $1::uuid::text AND d.done_at >= (
          SELECT p.since FROM processing.payment p WHERE p.id = $1)
      ) e ORDER BY e.seq DESC LIMIT 1
      """, isReadOnly: true)
    return try connection.run(Command(newest, [.uuid(id)])).first.map { (row) throws(DatabaseError) in
      try row.text(TopicColumn.topic)
    }
  }

  private static func decided(_ step: PaymentStep, _ result: RequestResult) throws(CommandError) -> ProcessedPayment {
    switch result {
    case .missing, .known: throw .failure("no processor has this payment; it may be waiting for one")
    case .unreadable(let fault): throw .failure("its row cannot be read: \(fault)")
    case .looked(let looked):
      let payment = looked.stored.payment
      switch looked.outcome {
      case .changed: return payment
      case .refused(let refusal):
        if step.isDone(in: payment) { return payment }
        throw .failure("\(refusal.rawValue): it is \(payment.state.rawValue)\(by(payment))")
      case .ignored, .contradicted: throw .failure("the ledger refuses to move its hold; see paysaga exceptions")
      }
    }
  }

  private static func by(_ payment: ProcessedPayment) -> String {
    payment.reviewer.map { ", as \(printable($0)) has decided" } ?? ""
  }
}

extension ProcessedPayment {
  fileprivate var record: Record {
    [
      "payment_id": .uuid(id), "state": .text(state.rawValue), "reason": reason.map { .text($0.rawValue) } ?? .null,
      "reviewer": reviewer.map { .text($0) } ?? .null, "amount_minor": .number(amount.minorUnits),
      "currency": .text(amount.currency.code),
    ]
  }
}
