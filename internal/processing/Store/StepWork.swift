internal import DirectDomain
internal import LedgerDomain
internal import Postgres
internal import ProcessingDomain
internal import Values

/// The payments of one transaction: as they were locked, as they are after the steps so far, and what that brings.
struct StepWork {
  private(set) var stored: [UniqueID: StoredPayment] = [:]
  private(set) var unreadable: [UniqueID: String] = [:]
  /// The payments that this transaction has inserted.
  let opened: Set<UniqueID>
  /// Payments that are not live.
  private let archived: Archived
  /// The results of the steps, in order, by payment.
  private(set) var results: [UniqueID: [StepResult]] = [:]
  private(set) var published: [PaymentResult] = []
  private(set) var attempts: [(paymentID: UniqueID, askedAt: Timestamp, call: BankCall)] = []
  private(set) var answers: [(paymentID: UniqueID, answer: AttemptAnswer)] = []
  /// What statements have said and what has changed or contradicted a payment, or is about one that is open, with the
  /// moment of the step.
  private(set) var statements: [(paymentID: UniqueID, at: Timestamp, answer: AttemptAnswer)] = []
  private(set) var exceptions: Set<FoundException> = []
  private var locked: [UniqueID: ProcessedPayment] = [:]
  private var now = Timestamp(microseconds: 0)

  /// - Parameters:
  ///   - rows: the locked payments.
  ///   - archived: of those that this transaction has inserted, none.
  init(_ rows: Rows, opened: Set<UniqueID> = [], archived: Archived = Archived()) throws(DatabaseError) {
    self.opened = opened
    self.archived = archived
    for row in rows where !archived.contains(try PaymentRow.id(row)) {
      now = max(now, try PaymentRow.now(row))
      do throws(DatabaseError) {
        let stored = try PaymentRow.decode(row)
        self.stored[stored.payment.id] = stored
        locked[stored.payment.id] = stored.payment
        if opened.contains(stored.payment.id) { publish(stored.payment) }
      } catch  where error.code == .content {
        unreadable[try PaymentRow.id(row)] = error.message
      }
    }
  }

  /// Carries out a step on a payment that was found.
  mutating func apply(_ request: StepRequest, engine: PaymentEngine, ledger: inout LedgerBatch) {
    let id = request.paymentID
    guard var stored = stored[id] else { return }
    // Each step has a moment of its own: it names the attempt.
    now = now + .microseconds(1)
    let outcome = engine.apply(request.step, to: &stored.payment, at: now, ledger: &ledger)
    if case .changed = outcome, let requester = request.requester { stored.payment.requester = requester }
    self.stored[id] = stored
    results[id, default: []].append(StepResult(stored: stored, outcome: outcome, at: now))
    if let answer = request.answer { note(answer, of: request, outcome, isFinal: stored.payment.state.isFinal) }
    if case .ask(_, after: let before?) = request.step, case .changed(let effects) = outcome, effects.call != nil {
      // Whoever asks anew has sent nothing under the "asked at" before. That is written down, so that no two charges
      // stand in the table without it.
      answers.append((id, AttemptAnswer(askedAt: before, answer: .notSent, detail: "asked anew: nothing was sent")))
    }
    switch outcome {
    case .changed(let effects):
      if effects.isPublished { publish(stored.payment, token: request.answer?.token) }
      if let call = effects.call { attempts.append((id, now, call)) }
      if let exception = effects.exception { exceptions.insert(FoundException(paymentID: id, kind: exception)) }
    case .contradicted(let exception): exceptions.insert(FoundException(paymentID: id, kind: exception))
    case .ignored, .refused: break
    }
  }

  private mutating func note(
    _ answer: AttemptAnswer, of request: StepRequest, _ outcome: StepOutcome, isFinal: Bool
  ) {
    guard case .stated = request.step else { return answers.append((request.paymentID, answer)) }
    switch outcome {
    case .changed, .contradicted: statements.append((request.paymentID, now, answer))
    // A statement is compared once. Whoever has to judge how the payment ends later needs what it said.
    case .ignored: if !isFinal { statements.append((request.paymentID, now, answer)) }
    case .refused: break
    }
  }

  /// - Parameter token: the bank's, of a charge.
  private mutating func publish(_ payment: ProcessedPayment, token: String? = nil) {
    published.append(PaymentResult(payment, at: now, token: payment.state == .completed ? token : nil))
  }

  /// What there is for the payment's step with this number, counted from zero.
  func result(_ id: UniqueID, _ number: Int) -> RequestResult {
    if let results = results[id], number < results.count { return .looked(results[number]) }
    return known(id)
  }

  /// What there is for the payment's last step.
  func last(_ id: UniqueID) -> RequestResult { result(id, max(0, (results[id]?.count ?? 0) - 1)) }

  /// What there is for a payment of which nothing is asked.
  func known(_ id: UniqueID) -> RequestResult {
    if let fault = unreadable[id] ?? archived.unreadable[id] { return .unreadable(fault) }
    return (stored[id] ?? archived.stored[id]).map { .known($0) } ?? .missing
  }

  // MARK: - What to write

  /// The payments that are not as they were locked, by ascending id.
  var changed: [ProcessedPayment] {
    stored.values.map(\.payment).filter { $0 != locked[$0.id] }.sorted { $0.id < $1.id }
  }

  /// Whether a step has changed the payment.
  func isChanged(_ id: UniqueID) -> Bool { stored[id].map { $0.payment != locked[id] } ?? false }

  /// How a payment was when it was locked; nil when this transaction inserted it, so that nothing else has rows of it.
  func before(_ id: UniqueID) -> ProcessedPayment? { opened.contains(id) ? nil : locked[id] }

  /// The orders whose payments have become COMPLETED.
  var paidOrders: [(paymentID: UniqueID, orderID: Int64)] {
    touched.filter { $0.state == .completed && before($0.id)?.state != .completed }.compactMap { payment in
      stored[payment.id]?.orderID.map { (payment.id, $0) }
    }
  }

  /// The payments that were inserted or changed.
  var touched: [ProcessedPayment] {
    stored.values.map(\.payment).filter { opened.contains($0.id) || $0 != locked[$0.id] }.sorted { $0.id < $1.id }
  }
}

extension PaymentResult {
  /// The state that a payment or refund has since `moment`.
  init(_ payment: ProcessedPayment, at moment: Timestamp, token: String? = nil) {
    self.init(
      paymentID: payment.id, version: payment.version, state: payment.state, reason: payment.reason, occurredAt: moment,
      token: token, refundOf: payment.refundOf)
  }
}

/// Something for a person to look at.
struct FoundException: Hashable {
  let paymentID: UniqueID
  let kind: PaymentException
}
