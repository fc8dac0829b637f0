internal import Bank
internal import Errors
internal import Postgres
internal import ProcessingDomain
internal import ProcessingSettings
internal import ProcessingStore
internal import Values

/// Cards: they are claimed before they wait for the bank, and wait in the memory of the process that has the number.
extension PaymentProcessor {
  /// Executes a card payment, after its gateway transaction has committed. Does not block.
  public func submit(_ payment: CardPayment, at place: CardPlace) {
    // One that is submitted twice is executed once.
    guard inHand.take(payment.terms.paymentID) else { return }
    Task { [self] in
      await execute(payment)
      inHand.letGo(payment.terms.paymentID)
      withExtendedLifetime(place) {}
    }
  }

  private func execute(_ payment: CardPayment) async {
    let until = Instant.now() + options.rules.cardWait
    guard let accounts = await accounts(of: payment.terms, until: until) else { return }
    while !hasGivenUp, Instant.now() < until {
      guard let claim = lease.current else {
        try? await Task.sleep(for: .milliseconds(100))
        continue
      }
      let hasSlot = reserveUnlessAwaited(1) == 1
      let new = NewPayment(payment.terms, accounts, asks: hasSlot, cardFingerprints: payment.fingerprints)
      guard case .result(let result, let began)? = await take(new, by: claim, until: until) else { continue }
      return await goOn(payment, result, began: began, by: claim, hasSlot: hasSlot)
    }
    // Nobody has claimed it, or nobody knows: the gateway's sweep ends it, or whoever takes over.
  }

  /// - Returns: nil when nothing is there to go on with. Then no slot is left.
  private func take(_ new: NewPayment, by claim: Claim, until: Instant) async -> StepReply? {
    let reply = await self.claim(new, by: claim, until: until)
    if case .result? = reply { return reply }
    if new.asks { bank.release(1) }
    // Refused by the tables, it will be so again.
    if reply == nil { try? await Task.sleep(for: .seconds(1)) }
    return nil
  }

  private func goOn(
    _ payment: CardPayment, _ result: RequestResult, began: Instant, by claim: Claim, hasSlot: Bool
  ) async {
    let id = payment.terms.paymentID
    if hasSlot {
      guard
        case .notSent = await follow(result, began: began, of: id, by: claim, source: .card(payment.card))
      else { return }
    } else {
      guard let stored = result.stored, stored.payment.stage == .ready, stored.payment.claim == claim else { return }
    }
    await wait(payment, by: claim, isSecondTime: hasSlot)
  }

  /// Waits for the bank and asks it, until it has the request or the time is up.
  private func wait(_ payment: CardPayment, by claim: Claim, isSecondTime: Bool) async {
    let id = payment.terms.paymentID
    // The time began with the claim; the tables decide.
    let until = Instant.now() + options.rules.cardWait
    var backoff = Backoff(first: .seconds(1), limit: .seconds(10))
    if isSecondTime { try? await Task.sleep(for: backoff.nextDelay()) }
    while lease.current == claim, case .slot = await waitingCards.wait(until: until, added: wake) {
      // When the tables refuse to be asked, as while somebody holds a row for long, the card waits on.
      guard case .notSent = await ask(id, by: claim, after: nil, source: .card(payment.card)) else { return }
      try? await Task.sleep(for: backoff.nextDelay())
    }
    while !isEnding, lease.current == claim {
      guard case .result(let result, _)? = await carryOut(StepRequest(id, .fallDue), by: nil),
        let stored = result.stored, stored.payment.stage == .ready
      else { return }
      try? await Task.sleep(for: .seconds(1))
    }
  }

  private func accounts(of terms: PaymentTerms, until: Instant) async -> PaymentAccounts? {
    if let accounts = book.remembered([terms])?.first { return accounts }
    var backoff = Backoff()
    while !hasGivenUp, Instant.now() < until {
      let found = try? await pool.withConnection(deadline: until) { [book] connection throws(DatabaseError) in
        try book.find([terms], on: connection)
      }
      if let accounts = found?.first { return accounts }
      try? await Task.sleep(for: backoff.nextDelay())
    }
    return nil
  }
}

extension RequestResult {
  /// The payment as it is now.
  var stored: StoredPayment? {
    switch self {
    case .looked(let step): step.stored
    case .known(let stored): stored
    case .missing, .unreadable: nil
    }
  }
}
