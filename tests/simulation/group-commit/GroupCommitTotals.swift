import SimulationSupport

/// What all schedules of the group commit did together.
struct GroupCommitTotals: ScheduleTotals {
  private var steps = 0
  private var faults = 0
  private var transactions = 0
  private var calls = 0
  private var outcomes = 0
  private var unknown = 0

  mutating func add(_ schedule: GroupCommitSchedule) {
    steps += schedule.steps
    faults += schedule.faults
    transactions += schedule.transactions
    calls += schedule.calls.count
    for call in schedule.calls {
      switch call.answer {
      case .outcome, .inFlight: outcomes += 1
      case .unknown: unknown += 1
      case .nothingDone, nil: break
      }
    }
  }

  var text: String {
    "\(steps) steps, \(faults) faults, \(transactions) transactions, \(calls) calls, \(outcomes) of them with their "
      + "outcome and \(unknown) with an unknown one"
  }
}
