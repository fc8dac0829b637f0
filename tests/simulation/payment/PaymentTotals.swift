import DirectDomain
import ProcessingDomain
import SimulationSupport

/// What all schedules of payments did together.
struct PaymentTotals: ScheduleTotals {
  private var steps = 0
  private var faults = 0
  private var requests = 0
  private var contradictions = 0
  private var states: [PaymentState: Int] = [:]
  private var wereUnknown = 0

  mutating func add(_ schedule: PaymentSchedule) {
    steps += schedule.steps
    faults += schedule.faults
    contradictions += schedule.contradictions
    requests += schedule.bank.operations.values.reduce(0) { $0 + $1.requests }
    for payment in schedule.tables.payments.values { states[payment.state, default: 0] += 1 }
    wereUnknown += schedule.tables.events.values.count { $0.contains { $0.state == .unknown } }
  }

  var text: String {
    let ends = PaymentState.allCases.compactMap { state in states[state].map { "\($0) \(state.rawValue)" } }
    return "\(steps) steps, \(faults) faults, \(requests) requests to charge, \(wereUnknown) payments were UNKNOWN, "
      + "\(contradictions) late answers; \(ends.joined(separator: ", "))"
  }
}
