internal import DirectDomain
internal import Errors
internal import GroupCommit
internal import Postgres
public import ProcessingDomain
internal import ProcessingStore
public import Values

/// What people decide.
extension PaymentProcessor {
  /// Cancels a payment, claimed or not, unless the bank has been asked.
  /// - Parameter requester: who asks; cut at 255 bytes.
  public func cancel(
    _ terms: PaymentTerms, by requester: String? = nil, deadline: Instant
  ) async -> PaymentAnswer {
    let requester = requester.map(Self.name)
    while true {
      let answer = await carryOut(.cancel, on: terms.paymentID, requester: requester, deadline: deadline)
      guard answer == .missing else { return answer }
      switch await endUnclaimed(terms, .cancelled, by: requester, deadline: deadline) {
      // Somebody has claimed it between the two.
      case .done(let payment) where payment.reason != .cancelled:
        if deadline <= .now() { return .unavailable(mayHaveHappened: false) }
      case let answer: return answer
      }
    }
  }

  /// Ends a payment's review.
  /// - Parameter person: who decides; cut at 255 bytes.
  public func review(
    _ id: UniqueID, approves: Bool, by person: String, deadline: Instant
  ) async -> PaymentAnswer {
    await carryOut(.review(approves: approves, by: Self.name(person)), on: id, deadline: deadline)
  }

  /// Ends a payment that nobody has claimed; one that somebody has claimed stays as it is.
  /// - Parameter requester: who asks for that, in 1 to 255 bytes; nil when nobody does.
  /// - Returns: `done` with the payment as it is then.
  public func endUnclaimed(
    _ terms: PaymentTerms, _ end: ProcessedPayment.UnclaimedEnd, by requester: String? = nil, deadline: Instant
  ) async -> PaymentAnswer {
    do {
      let results = try await pool.withConnection(deadline: deadline) {
        [book, store] connection throws(DatabaseError) in
        let accounts = try book.find([terms], on: connection)
        let payment = NewPayment(terms, accounts[0], asks: false)
        return try store.end([UnclaimedPayment(payment, ends: end, requester: requester)], on: connection)
      }
      claimed.committed(results)
      switch results.first {
      case .known(let stored)?: return .done(stored.payment)
      case .unreadable(let fault)?: return .faulty(fault)
      case .looked, .missing, nil: return .missing
      }
    } catch {
      if RefusedWrite.isOfValues(error) { return .faulty(error.description) }
      return .unavailable(mayHaveHappened: error.code == .outcomeUnknown)
    }
  }

  private func carryOut(
    _ step: PaymentStep, on id: UniqueID, requester: String? = nil, deadline: Instant
  ) async -> PaymentAnswer {
    do {
      let call = StepCall(request: StepRequest(id, step, requester: requester), claim: nil)
      guard case .result(let result, _) = try await steps.submit(call, deadline: deadline) else {
        return .unavailable(mayHaveHappened: false)
      }
      return Self.answer(to: step, result)
    } catch {
      return Self.answer(to: error.failure)
    }
  }

  /// A row that somebody holds, a full disk, a standby: the tables are right, and it can be done later.
  static func answer(to failure: GroupCommitFailure) -> PaymentAnswer {
    if case .refused(let cause) = failure.reason, !cause.isRetryable { return .faulty(cause.description) }
    return .unavailable(mayHaveHappened: failure.mayHaveHappened)
  }

  /// A wish that comes again, as after a lost answer, finds what it has done.
  private static func answer(to step: PaymentStep, _ result: RequestResult) -> PaymentAnswer {
    switch result {
    case .missing, .known: return .missing
    case .unreadable(let fault): return .faulty(fault)
    case .looked(let found):
      let payment = found.stored.payment
      switch found.outcome {
      case .changed: return .done(payment)
      case .refused(let refusal): return step.isDone(in: payment) ? .done(payment) : .refused(refusal)
      case .ignored, .contradicted: return .faulty("the ledger refuses to give the hold back")
      }
    }
  }

  /// What the column takes.
  private static func name(_ person: String) -> String {
    var name = ""
    for scalar in person.unicodeScalars where scalar.properties.generalCategory != .control {
      guard name.utf8.count + String(scalar).utf8.count <= 255 else { break }
      name.unicodeScalars.append(scalar)
    }
    return name.isEmpty ? "unknown" : name
  }
}
