internal import Bank
internal import Errors
internal import Logger
internal import Postgres
internal import ProcessingDomain
internal import ProcessingStore
internal import Runtime
internal import Synchronization
internal import Values

/// What is due. Runs on a thread of its own, which is woken when there is room at the bank.
extension PaymentProcessor {
  /// The most payments of a pass.
  private static var pass: Int { 256 }
  /// The most that a pass looks at, of each kind: what the last passes have taken is due until its transaction commits.
  private static var look: Int { 2 * pass }
  /// How often to look when nothing wakes us.
  private static var interval: Duration { .seconds(1) }

  /// Gives room at the bank to cards, then to what waits in the tables.
  /// - Returns: how long to wait before the next time.
  func seeToDue() -> Duration {
    let isCardWaiting = waitingCards.pump(bank)
    if isCardWaiting { wakeWhenFree() }
    guard role == .processor, !isEnding, let claim = lease.current else {
      note(isShortOfSlots: isCardWaiting)
      return Self.interval
    }
    do throws(DatabaseError) {
      let due = try reader.use { [store] connection throws(DatabaseError) in
        try store.due(limit: Self.look, on: connection)
      }
      dueObstacle.withLock { $0.note(nil, at: .now()) }
      let isMore = endWaits(Self.waitsToEnd(due))
      let pause =
        isCardWaiting
        ? Self.interval : askBank(inquiries: due[.inquiry] ?? [], charges: due[.charge] ?? [], by: claim)
      return isMore ? .zero : pause
    } catch {
      dueObstacle.withLock { $0.note(error: error, at: .now()) }
      return Self.interval
    }
  }

  /// Reviews and waits of cards whose time is up. Cards come first: their callers wait for the answer now, and reviews
  /// have waited for hours.
  static func waitsToEnd(_ due: [ProcessedPayment.Chore: [UniqueID]]) -> [UniqueID] {
    (due[.card] ?? []) + (due[.review] ?? [])
  }

  /// - Returns: whether there may be more.
  private func endWaits(_ all: [UniqueID]) -> Bool {
    let pass = Array(all.prefix(Self.pass))
    return carryOut(.fallDue, on: pass) > 0 && pass.count < all.count
  }

  /// Asks for payments that wait, and about those that are UNKNOWN, as far as there is room at the bank.
  /// - Returns: how long to wait before the next time.
  private func askBank(inquiries: [UniqueID], charges: [UniqueID], by claim: Claim) -> Duration {
    // By turns, so that neither keeps the other from the bank.
    let both = (0..<max(inquiries.count, charges.count)).flatMap { index in
      [(inquiries, true), (charges, false)].compactMap { ids, isInquiry in
        index < ids.count ? (id: ids[index], isInquiry: isInquiry) : nil
      }
    }
    if both.isEmpty {
      note(isShortOfSlots: false)
      return Self.interval
    }
    let wanted = min(both.count, Self.pass)
    var slots = bank.reserve(wanted)
    let isFull = slots < wanted
    for payment in both where slots > 0 && inHand.take(payment.id) {
      slots -= 1
      if payment.isInquiry { startInquiry(payment.id) } else { startCharge(payment.id, by: claim) }
    }
    bank.release(slots)
    note(isShortOfSlots: isFull || slots == 0 && both.count > wanted)
    if slots == 0 {
      guard isFull else { return .zero }
      wakeWhenFree()
      return Self.interval
    }
    // All that was looked at is in hand; what is behind it is seen once the transactions have committed.
    return max(inquiries.count, charges.count) == Self.look ? .milliseconds(20) : Self.interval
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
