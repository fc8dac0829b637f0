internal import Bank
internal import DirectDomain
internal import GroupCommit
internal import Logger
internal import Postgres
internal import ProcessingDomain
internal import ProcessingStore
internal import Values

/// The way of a payment at the bank, in a task of its own. The payment is in hand, and there is a slot for the call.
extension PaymentProcessor {
  /// Where asking for a payment ends.
  enum Asked {
    /// The tables have the bank's answer, or the payment ended, or it is somebody else's. No slot is left.
    case over
    /// The payment was not sent: nothing was charged, and whoever has it in hand may ask again.
    case notSent
  }

  // MARK: - Tasks

  /// Asks for a payment that waits in the tables.
  func startCharge(_ id: UniqueID, by claim: Claim) {
    Task { [self] in
      _ = await ask(id, by: claim, after: nil, source: nil)
      inHand.letGo(id)
    }
  }

  /// Sends for a payment that was just asked for.
  func startSending(_ step: StepResult, began: Instant, by claim: Claim) {
    Task { [self] in
      _ = await sendOrAsk(step, began: began, by: claim, source: nil)
      inHand.letGo(step.stored.payment.id)
    }
  }

  /// Asks what became of a payment, or for its reversal.
  func startInquiry(_ id: UniqueID) {
    Task { [self] in
      await inquire(id)
      inHand.letGo(id)
    }
  }

  // MARK: - To charge

  /// Writes "asked at" and sends the request. When an answer of the tables is lost, the step is carried out again until
  /// it is clear what they have; what was written and not sent under is asked for anew.
  /// - Parameters:
  ///   - after: the last "asked at", which nothing was sent under.
  ///   - source: the card; nil where the tables have the source.
  func ask(_ id: UniqueID, by claim: Claim, after: Timestamp?, source: BankSource?) async -> Asked {
    var after = after
    while true {
      guard let reply = await carryOut(StepRequest(id, .ask(by: claim, after: after)), by: claim) else {
        bank.release(1)
        return .notSent
      }
      guard case .result(.looked(let step), let began) = reply else { break }
      if case .changed(let effects) = step.outcome {
        guard effects.call?.movesMoney ?? false else { break }
        switch await send(step, began: began, source: source) {
        case .late(let askedAt): after = askedAt
        case .ended(let asked): return asked
        }
      } else if step.stored.payment.claim == claim, case .asked(let askedAt) = step.stored.payment.stage,
        askedAt != after
      {
        // Ours, by a transaction whose answer was lost: the payment has been in hand since before.
        after = askedAt
      } else {
        break
      }
    }
    bank.release(1)
    return .over
  }

  /// Sends for a payment that was just asked for; where it is too late for that, it is asked for anew.
  func sendOrAsk(_ step: StepResult, began: Instant, by claim: Claim, source: BankSource?) async -> Asked {
    switch await send(step, began: began, source: source) {
    case .ended(let asked): asked
    case .late(let askedAt): await ask(step.stored.payment.id, by: claim, after: askedAt, source: source)
    }
  }

  private enum Sent {
    /// It was too late to send. The slot is still there.
    case late(Timestamp)
    case ended(Asked)
  }

  /// Sends the request to charge or to refund, within its time, and tells the tables the answer.
  private func send(_ step: StepResult, began: Instant, source: BankSource?) async -> Sent {
    let (stored, askedAt) = (step.stored, step.at)
    let sendBy = began + PaymentRules.sendWithin
    guard Instant.now() < sendBy else { return .late(askedAt) }
    let payment = stored.payment
    var call = BankCall.charge
    let reply: BankReply
    if let charged = payment.refundOf {
      call = .refund
      reply = await bank.refund(
        BankRefund(operationID: payment.id, chargeID: charged, userID: stored.userID, amount: payment.amount),
        sendBy: sendBy)
    } else if let source = source ?? stored.bankSource {
      reply = await bank.charge(
        BankCharge(operationID: payment.id, userID: stored.userID, amount: payment.amount, source: source),
        sendBy: sendBy)
    } else {
      reply = BankReply(.notSent, "the payment's row has no source")
      bank.release(1)
    }
    await tell(reply, to: call, askedAt: askedAt, of: payment.id, .charged(reply.answer, askedAt: askedAt))
    return .ended(reply.answer == .notSent ? .notSent : .over)
  }

  // MARK: - What became of it

  private func inquire(_ id: UniqueID) async {
    // No more than once: when the answer is lost the row is due again.
    guard case .result(.looked(var step), _)? = await attempt(StepRequest(id, .fallDue)),
      case .changed(let effects) = step.outcome, var call = effects.call
    else {
      bank.release(1)
      return
    }
    while true {
      let payment = step.stored.payment
      let reply =
        call == .reverse
        ? await bank.reverse(id, userID: step.stored.userID, amount: payment.amount)
        : await bank.inquire(id, userID: step.stored.userID, amount: payment.amount)
      let told: PaymentStep =
        call == .reverse ? .reversed(reply.answer) : .inquired(reply.answer, askedAt: step.at)
      guard let next = await tell(reply, to: call, askedAt: step.at, of: id, told),
        case .changed(let effects) = next.outcome, let again = effects.call,
        // Without a slot it is asked for when its row is due.
        bank.reserve(1) == 1
      else { return }
      (step, call) = (next, again)
    }
  }

  // MARK: - The tables

  /// Tells the tables what the bank said, until they have it.
  @discardableResult
  private func tell(
    _ reply: BankReply, to call: BankCall, askedAt: Timestamp, of id: UniqueID, _ step: PaymentStep
  ) async -> StepResult? {
    metrics.count(reply.answer, to: call)
    let answer = AttemptAnswer(
      askedAt: askedAt, answer: reply.answer, detail: reply.detail, token: reply.token)
    guard case .result(.looked(let step), _)? = await carryOut(StepRequest(id, step, answer: answer), by: nil) else {
      return nil
    }
    return step
  }

  /// Carries out a step until it is known what became of it.
  /// - Parameter claim: what has to be in force; without it nothing is tried any more.
  /// - Returns: nil when the claim is lost or the process ends: what the tables have is for whoever takes over.
  func carryOut(_ request: StepRequest, by claim: Claim?) async -> StepReply? {
    var backoff = Backoff(first: .milliseconds(50), limit: .seconds(5))
    var isUncertain = false
    while true {
      do {
        return try await steps.submit(StepCall(request: request, claim: claim), deadline: .now() + .seconds(30))
      } catch {
        isUncertain = isUncertain || error.failure.mayHaveHappened
        switch error.failure.reason {
        case .stopped: return nil
        case .timeUp, .overloaded: break
        case .refused(let cause):
          logger.error(
            "the tables refuse a step, which is tried again",
            ["payment_id": .describing(request.paymentID), "error": .error(cause)])
          // Asking for the first time has done nothing, and makes room for others. A step that says something of the
          // bank is not given up, and neither is asking anew: what was asked for and not sent would become UNKNOWN.
          let isFirst = if case .ask(_, after: nil) = request.step { !isUncertain } else { false }
          if claim != nil, isFirst || RefusedWrite.isOfValues(cause) {
            await postpone(request.paymentID)
            return nil
          }
        }
      }
      if let claim, claim != lease.current { return nil }
      try? await Task.sleep(for: backoff.nextDelay())
    }
  }

  /// Carries out a step once. - Returns: nil when it is not known, or not done.
  func attempt(_ request: StepRequest) async -> StepReply? {
    do {
      return try await steps.submit(StepCall(request: request, claim: nil), deadline: .now() + .seconds(30))
    } catch {
      if case .refused(let cause) = error.failure.reason {
        logger.error(
          "the tables refuse a step", ["payment_id": .describing(request.paymentID), "error": .error(cause)])
        await postpone(request.paymentID)
      }
      return nil
    }
  }

  /// What the tables refuse makes room for others.
  private func postpone(_ id: UniqueID) async {
    _ = try? await pool.withConnection(deadline: .now() + .seconds(5)) { [store] connection throws(DatabaseError) in
      try store.postpone([id], on: connection)
    }
  }
}

extension StoredPayment {
  /// Where the bank takes the money from, as the tables have it.
  fileprivate var bankSource: BankSource? {
    switch payment.method {
    case .account: source.map { .account($0) }
    case .token: source.map { .token($0) }
    case .card, .balance: nil
    }
  }
}
