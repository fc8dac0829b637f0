internal import Metrics
internal import Values

/// Counts calls to the saga by method and outcome.
struct SagaClientMetrics: Sendable {
  private enum Outcome: String, CaseIterable {
    case found
    case unknownOrder = "unknown_order"
    case settled
    case settledByAnother = "settled_by_another"
    case refused, unavailable
  }

  private let gets: [Outcome: Counter]
  private let settlements: [Outcome: Counter]
  private let getTime: Histogram
  private let settleTime: Histogram

  init(_ registry: MetricsRegistry) {
    func counters(_ method: String, _ outcomes: [Outcome]) -> [Outcome: Counter] {
      Dictionary(
        uniqueKeysWithValues: outcomes.map { outcome in
          let counter = registry.counter(
            "saga_calls_total", help: "Calls to the saga, by what it answered.",
            labels: ["method": method, "outcome": outcome.rawValue])
          return (outcome, counter)
        })
    }
    func time(_ method: String) -> Histogram {
      registry.histogram(
        "saga_call_seconds", help: "Time of a call to the saga, waiting for a thread included.",
        labels: ["method": method])
    }
    gets = counters("get", [.found, .unknownOrder, .unavailable])
    settlements = counters("settle", [.settled, .settledByAnother, .refused, .unknownOrder, .unavailable])
    getTime = time("get")
    settleTime = time("settle")
  }

  func note(_ answer: Result<SagaPayment?, SagaFailure>, _ duration: Duration) {
    let outcome: Outcome =
      switch answer {
      case .success(nil): .unknownOrder
      case .success: .found
      case .failure: .unavailable
      }
    gets[outcome]?.add()
    getTime.observe(duration.inSeconds)
  }

  func note(_ answer: SettleAnswer, _ duration: Duration) {
    let outcome: Outcome =
      switch answer {
      case .settled: .settled
      case .settledByAnother: .settledByAnother
      case .refused: .refused
      case .unknownOrder: .unknownOrder
      case .unavailable: .unavailable
      }
    settlements[outcome]?.add()
    settleTime.observe(duration.inSeconds)
  }
}
