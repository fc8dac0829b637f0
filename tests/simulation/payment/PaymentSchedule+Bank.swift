import DirectDomain
import ProcessingDomain
import Randomness
import SimulationSupport
import Values

/// Calls to the bank, and the ways in which they fail.
extension PaymentSchedule {
  private var timeout: Int64 { conditions.rules.bankTimeout.inNanoseconds }

  /// Sends the request to charge, or has "asked at" written anew when that was too long ago.
  func send(_ process: Process, _ id: UniqueID, by claim: Claim, askedAt: Timestamp) {
    guard now / 1_000 - askedAt.microseconds <= PaymentRules.sendWithin.inNanoseconds / 1_000 else {
      return ask(process, id, by: claim, after: askedAt)
    }
    mark(2, Int(id.low >> 20))
    if tables.payments[id]!.needsCardNumber, !process.cards.contains(id) { violate("D7: nobody has the card of \(id)") }
    if chance(conditions.notSent) {
      return act(process, after: milliseconds(1...500)) { self.answer(process, id, .notSent, askedAt: askedAt) }
    }
    var isAnswered = false
    func tell(after delay: Int64, _ answer: BankAnswer) {
      act(process, after: delay) {
        if isAnswered { return }
        isAnswered = true
        self.answer(process, id, answer, askedAt: askedAt)
      }
    }
    tell(after: timeout, .unclear)
    guard !chance(conditions.lostRequests) else { return }
    underWay += 1
    plan(after: travelTime) {
      self.underWay -= 1
      let before = self.bank.operations[id]!
      let said = self.bank.charge(id, at: self.now, delay: self.showDelay)
      self.say("the bank is asked to charge \(id.low >> 20): \(said)")
      if before.requests > 0 { self.violate("D1: the bank was asked to charge \(id) again") }
      if self.tables.payments[id]!.state.isFinal, said == .approved, self.conditions.reversals != .chargesAfterwards {
        self.violate("truth: the bank charges \(id), which is \(self.tables.payments[id]!.state)")
      }
      if self.chance(self.conditions.lostAnswers) { return }
      let isUnclear = self.chance(self.conditions.unclearAnswers)
      tell(after: self.milliseconds(1...100), isUnclear ? .unclear : said)
    }
  }

  /// Mostly quick; seldom longer than anybody waits.
  private var travelTime: Int64 {
    guard chance(conditions.slowRequests) else { return milliseconds(1...50) }
    let horizon = conditions.rules.bankHorizon.inNanoseconds
    return random.roll(0.8) ? random.draw(0...timeout) : random.draw(0...(timeout + horizon) * 3)
  }

  /// The bank shows a payment within its horizon. One that can undo charges may take longer: then it undoes what it has
  /// not shown.
  private var showDelay: Int64 {
    guard chance(conditions.hidden) else { return 0 }
    let undoes = conditions.reversals == .acknowledges || conditions.reversals == .refusesAtFirst
    let horizon = conditions.rules.bankHorizon.inNanoseconds
    return random.draw(0...(undoes && conditions.rules.hasReversals ? 5 * horizon : horizon))
  }

  private func answer(_ process: Process, _ id: UniqueID, _ answer: BankAnswer, askedAt: Timestamp) {
    var answer = answer
    if answer == .unclear {
      if sabotage == .resendUnclear { answer = .notSent }
      if sabotage == .unclearDeclined { answer = .declined }
    }
    commit(process, id, .charged(answer, askedAt: askedAt))
  }

  /// Asks what became of a payment, or for its reversal.
  func ask(_ process: Process, _ id: UniqueID, _ call: BankCall) {
    let askedAt = timestamp
    func tell(after delay: Int64, _ answer: BankAnswer) {
      act(process, after: delay) {
        switch (call, answer, self.sabotage) {
        case (.reverse, .unclear, .trustReversal): self.commit(process, id, .reversed(.reversed))
        case (.reverse, _, _): self.commit(process, id, .reversed(answer))
        case (_, .noSuchPayment, .trustAbsence): self.commit(process, id, .inquired(.declined, askedAt: askedAt))
        default: self.commit(process, id, .inquired(answer, askedAt: askedAt))
        }
      }
    }
    guard !chance(conditions.lostRequests) else { return tell(after: timeout, .unclear) }
    plan(after: milliseconds(1...50)) {
      let said = call == .reverse ? self.bank.reverse(id) : self.bank.inquire(id, at: self.now)
      self.say("the bank is asked to \(call) \(id.low >> 20): \(said)")
      let isLost = self.chance(self.conditions.lostAnswers)
      tell(after: isLost ? self.timeout : self.milliseconds(1...100), isLost ? .unclear : said)
    }
  }
}
