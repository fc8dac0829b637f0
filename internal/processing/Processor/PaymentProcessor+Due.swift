internal import Bank
internal import Errors
internal import Logger
internal import Postgres
internal import ProcessingDomain
internal import ProcessingStore
internal import Runtime
internal import Values

/// What is due. Runs on a thread of its own, which is woken when there is room at the bank.
extension PaymentProcessor {
  /// The most payments of a pass.
  private static var pass: Int { 256 }
  /// How often to look when nothing wakes us.
  private static var interval: Duration { .seconds(1) }

  /// Gives room at the bank to cards, then to what waits in the tables.
  /// - Returns: how long to wait before the next time.
  func seeToDue() -> Duration {
    let isCardWaiting = waitingCards.pump(bank)
    if isCardWaiting { wakeWhenFree() }
    guard role == .processor, !isEnding, let claim = lease.current else { return Self.interval }
    do {
      let ended = try endWaits()
      let asked = isCardWaiting ? false : try askBank(by: claim)
      return ended || asked ? .zero : Self.interval
    } catch {
      logger.debug("what is due could not be read", ["error": .error(error)])
      return Self.interval
    }
  }

  /// Ends reviews and waits of cards whose time is up. - Returns: whether there may be more.
  private func endWaits() throws(DatabaseError) -> Bool {
    var isMore = false
    for chore in [ProcessedPayment.Chore.review, .card] {
      let ids = try due(chore, limit: Self.pass)
      let done = carryOut(.fallDue, on: ids)
      isMore = isMore || ids.count == Self.pass && done > 0
    }
    return isMore
  }

  /// Asks for payments that wait, and about those that are UNKNOWN, as far as there is room at the bank.
  /// - Returns: whether there may be more, with room for it.
  private func askBank(by claim: Claim) throws(DatabaseError) -> Bool {
    // What is in hand is due until its transaction has committed.
    let limit = Self.pass + inHand.count
    let inquiries = try due(.inquiry, limit: limit)
    let charges = try due(.charge, limit: limit)
    // By turns, so that neither keeps the other from the bank.
    let both = (0..<max(inquiries.count, charges.count)).flatMap { index in
      [(inquiries, true), (charges, false)].compactMap { ids, isInquiry in
        index < ids.count ? (id: ids[index], isInquiry: isInquiry) : nil
      }
    }
    if both.isEmpty { return false }
    let wanted = min(both.count, Self.pass)
    var slots = bank.reserve(wanted)
    let isFull = slots < wanted
    for payment in both where slots > 0 && inHand.take(payment.id) {
      slots -= 1
      if payment.isInquiry { startInquiry(payment.id) } else { startCharge(payment.id, by: claim) }
    }
    bank.release(slots)
    if isFull { wakeWhenFree() }
    return !isFull && slots == 0
  }

  private func due(_ chore: ProcessedPayment.Chore, limit: Int) throws(DatabaseError) -> [UniqueID] {
    try reader.use { [store] connection throws(DatabaseError) in try store.due(chore, limit: limit, on: connection) }
  }

  /// Carries out a step for each of some payments, and waits; for a thread that may block.
  /// - Returns: how many were changed.
  func carryOut(_ step: PaymentStep, on ids: [UniqueID]) -> Int {
    let results = Monitor((left: ids.count, changed: 0))
    for id in ids {
      Task { [self] in
        var isChanged = false
        if case .result(.looked(let result), _)? = await attempt(StepRequest(id, step)),
          case .changed = result.outcome
        {
          isChanged = true
        }
        results.update { $0 = ($0.left - 1, $0.changed + (isChanged ? 1 : 0)) }
      }
    }
    return results.wait { $0.left == 0 ? $0.changed : nil } ?? 0
  }
}
