import ProcessingDomain
import SimulationSupport
import Values

/// The bank's statements, which come late and list what the bank showed when they were made.
extension PaymentSchedule {
  func planStatements() {
    plan(every: conditions.statementEvery) {
      let beginning = Timestamp(microseconds: 0)
      let end = self.timestamp
      let said = self.intakes.keys.sorted().map { ($0, self.bank.inquire($0, at: self.now)) }
      // What comes or is shown later than the horizon is in the next one, and for a person. With reversals the bank
      // refuses it.
      let isComplete = self.conditions.rules.hasReversals || self.underWay == 0
      let late = isComplete && self.conditions.rules.hasReversals ? [] : Set(self.intakes.keys.filter(self.bank.has))
      self.say("a statement is made, complete: \(isComplete)")
      self.plan(after: self.milliseconds(0...60_000)) {
        for (id, answer) in said {
          var period: ClosedRange<Timestamp>? = isComplete && !late.contains(id) ? beginning...end : nil
          if self.sabotage == .earlyStatement { period = beginning...(end + .seconds(86_400)) }
          _ = self.transact(id, .stated(answer, covering: answer == .noSuchPayment ? period : nil), by: nil)
        }
      }
    }
  }
}
