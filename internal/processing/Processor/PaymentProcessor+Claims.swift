internal import Bank
internal import DirectDomain
internal import Errors
internal import GroupCommit
internal import Logger
public import Postgres
internal import ProcessingDomain
internal import ProcessingStore
internal import Values

/// Payments that come by message.
extension PaymentProcessor {
  /// What became of a message.
  public enum Taken: Sendable, Hashable {
    /// Claimed now.
    case claimed
    /// Claimed or ended before, by whomever.
    case known
    /// Ended at once: it is to be paid from an account that is not the payer's.
    case refused
    /// Its row cannot be read.
    case unreadable(String)
  }

  /// Claims payments in one transaction, which also asks for those for which there is room at the bank; their requests
  /// are sent once this returns. For a thread that may block.
  /// - Parameter terms: at most `ProcessingStore.maximumClaims`, none of them a card.
  /// - Throws: the database's error; `.unavailable` while the process has no lease. The same payments may come again.
  public func execute(_ terms: [PaymentTerms], on connection: Connection) throws(DatabaseError) -> [Taken] {
    guard !isEnding, let claim = lease.wait(until: .now() + .seconds(1)) else {
      throw .unavailable("this process has no lease on payments")
    }
    let accounts = try book.find(terms, on: connection)
    var taken = [Taken](repeating: .refused, count: terms.count)
    let own = terms.indices.filter { accounts[$0].isPayers }
    if !own.isEmpty {
      let results = try take(own.map { (terms[$0], accounts[$0]) }, by: claim, on: connection)
      for (index, result) in zip(own, results) { taken[index] = result }
    }
    let foreign = terms.indices.filter { !accounts[$0].isPayers }
    if !foreign.isEmpty {
      let ends = foreign.map { index in
        UnclaimedPayment(NewPayment(terms[index], accounts[index], asks: false), ends: .foreignAccount)
      }
      claimed.committed(try store.end(ends, on: connection))
    }
    return taken
  }

  private func take(
    _ payments: [(terms: PaymentTerms, accounts: PaymentAccounts)], by claim: Claim, on connection: Connection
  ) throws(DatabaseError) -> [Taken] {
    let reserved = reserve(payments.map(\.terms).filter(\.method.needsBank).map(\.paymentID))
    var left = reserved
    let new = payments.map { payment in
      // Of one that is there twice, the first is asked for.
      let asks = !payment.terms.method.needsBank || left.remove(payment.terms.paymentID) != nil
      return NewPayment(payment.terms, payment.accounts, asks: asks)
    }
    let began = Instant.now()
    let results: [RequestResult]
    do throws(DatabaseError) {
      switch try store.claim(new, by: claim, on: connection) {
      case .done(let claimed): results = claimed
      case .lostLease:
        lease.lose(claim, "another process has taken its work over")
        throw .unavailable("this process has lost its lease on payments")
      }
    } catch {
      // What may have been asked for stays in hand until it is known; the rest comes again.
      for payment in new where reserved.contains(payment.id) && payment.asks {
        if error.code == .outcomeUnknown { startClaim(payment, by: claim) } else { giveBack(payment.id) }
      }
      throw error
    }
    claimed.committed(results)
    var isWaiting = false
    let taken = zip(new, results).map { payment, result in
      let isReserved = payment.asks && reserved.contains(payment.id)
      if isReserved { settle(payment.id, result, began: began, by: claim) }
      if !isReserved, payment.method.needsBank { isWaiting = true }
      return Taken(result)
    }
    if isWaiting { wakeWhenFree() }
    return taken
  }

  /// Takes payments in hand, with a slot each, as far as there are slots and nobody waits for them.
  private func reserve(_ ids: [UniqueID]) -> Set<UniqueID> {
    let slots = reserveUnlessAwaited(ids.count)
    var reserved: Set<UniqueID> = []
    for id in ids where reserved.count < slots && !reserved.contains(id) {
      if inHand.take(id) { reserved.insert(id) }
    }
    if reserved.count < slots { bank.release(slots - reserved.count) }
    return reserved
  }

  /// Lets a payment go that there is nothing to be sent for.
  private func giveBack(_ id: UniqueID) {
    bank.release(1)
    inHand.letGo(id)
  }

  private func settle(_ id: UniqueID, _ result: RequestResult, began: Instant, by claim: Claim) {
    if case .looked(let step) = result, case .changed(let effects) = step.outcome, effects.call?.movesMoney ?? false {
      startSending(step, began: began, by: claim)
    } else {
      giveBack(id)
    }
  }

  /// Claims a payment whose transaction may have committed, until that is known.
  private func startClaim(_ payment: NewPayment, by claim: Claim) {
    Task { [self] in
      await finishClaim(payment, by: claim)
      inHand.letGo(payment.id)
    }
  }

  private func finishClaim(_ payment: NewPayment, by claim: Claim) async {
    guard case .result(let result, let began)? = await self.claim(payment, by: claim) else {
      bank.release(1)
      return
    }
    _ = await follow(result, began: began, of: payment.id, by: claim, source: nil)
  }

  /// Goes on with a payment that was claimed with a slot, and that nothing was sent for.
  func follow(
    _ result: RequestResult, began: Instant, of id: UniqueID, by claim: Claim, source: BankSource?
  ) async -> Asked {
    switch result {
    case .looked(let step):
      if case .changed(let effects) = step.outcome, effects.call?.movesMoney ?? false {
        return await sendOrAsk(step, began: began, by: claim, source: source)
      }
    // An own transaction whose answer was lost has claimed it, and perhaps asked for it: it has been in hand since
    // before.
    case .known(let stored) where stored.payment.claim == claim:
      let askedAt: Timestamp? = if case .asked(let at) = stored.payment.stage { at } else { nil }
      if askedAt != nil || stored.payment.stage == .ready {
        return await ask(id, by: claim, after: askedAt, source: source)
      }
    case .known, .missing, .unreadable: break
    }
    bank.release(1)
    return .over
  }

  /// Claims a payment until it is known what became of that.
  /// - Parameter until: nothing is tried from then on, so that no outage has a card charged long after its time.
  /// - Returns: nil when the tables refuse it, the time is up, or the process ends.
  func claim(_ payment: NewPayment, by claim: Claim, until: Instant = .distantFuture) async -> StepReply? {
    var backoff = Backoff(first: .milliseconds(50), limit: .seconds(5))
    while true {
      do {
        return try await claims.submit(
          ClaimTransaction.Call(payment: payment, claim: claim), deadline: min(.now() + .seconds(30), until))
      } catch {
        switch error.failure.reason {
        case .stopped: return nil
        case .timeUp, .overloaded: break
        case .refused(let cause):
          logger.error(
            "the tables refuse a payment", ["payment_id": .describing(payment.id), "error": .error(cause)])
          if !error.failure.mayHaveHappened { return nil }
        }
      }
      if claim != lease.current { return .lostLease }
      if Instant.now() >= until { return nil }
      try? await Task.sleep(for: backoff.nextDelay())
    }
  }
}

extension PaymentProcessor.Taken {
  fileprivate init(_ result: RequestResult) {
    switch result {
    case .looked: self = .claimed
    case .known: self = .known
    case .unreadable(let fault): self = .unreadable(fault)
    // The row was locked by the transaction that inserted or found it.
    case .missing: self = .unreadable("the payment was deleted")
    }
  }
}

extension NewPayment {
  init(_ terms: PaymentTerms, _ accounts: PaymentAccounts, asks: Bool, cardFingerprints: [[UInt8]] = []) {
    self.init(
      id: terms.paymentID, method: terms.method, amount: terms.amount, debit: accounts.debit, credit: accounts.credit,
      userID: terms.userID, payeeID: terms.payeeID, source: terms.sourceText, orderID: terms.orderID,
      cardFingerprints: cardFingerprints, asks: asks)
  }
}
