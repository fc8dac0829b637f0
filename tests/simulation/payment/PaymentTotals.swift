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
  private var refunds: [PaymentState: Int] = [:]
  private var automatic = 0

  mutating func add(_ schedule: PaymentSchedule) {
    steps += schedule.steps
    faults += schedule.faults
    contradictions += schedule.contradictions
    requests += schedule.bank.operations.values.reduce(0) { $0 + $1.requests }
    for payment in schedule.tables.payments.values {
      guard let refund = payment.refund else {
        states[payment.state, default: 0] += 1
        continue
      }
      refunds[payment.state, default: 0] += 1
      if refund.cause.isAutomatic { automatic += 1 }
    }
    wereUnknown += schedule.tables.events.values.count { $0.contains { $0.state == .unknown } }
  }

  var text: String {
    func words(_ counts: [PaymentState: Int]) -> String {
      PaymentState.allCases.compactMap { state in counts[state].map { "\($0) \(state.rawValue)" } }.joined(
        separator: ", ")
    }
    return "\(steps) steps, \(faults) faults, \(requests) requests to charge, \(wereUnknown) payments were UNKNOWN, "
      + "\(contradictions) late answers; \(words(states)); refunds: \(words(refunds)), \(automatic) of them by themselves"
  }
}
