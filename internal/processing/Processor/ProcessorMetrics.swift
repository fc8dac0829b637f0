internal import DirectDomain
internal import Metrics
internal import ProcessingDomain
internal import ProcessingStore
internal import Values

/// What a processor counts.
final class ProcessorMetrics: Sendable {
  private let states: [PaymentState: Counter]
  private let refundsOpened: [RefundCause: Counter]
  private let answers: [BankCall: [BankAnswer: Counter]]
  private let open = ["waiting", "unknown", "reviews"]
  private let openGauges: [Gauge]
  private let oldestUnknown: Gauge
  private let claims: Histogram
  private let steps: Histogram

  init(_ registry: MetricsRegistry) {
    states = Dictionary(
      uniqueKeysWithValues: PaymentState.allCases.filter { $0 != .created }.map { state in
        let counter = registry.counter(
          "processing_states_total", help: "Payments and refunds that reached a state.",
          labels: ["state": state.rawValue])
        return (state, counter)
      })
    refundsOpened = Dictionary(
      uniqueKeysWithValues: RefundCause.allCases.map { cause in
        let counter = registry.counter(
          "processing_refunds_total", help: "Refunds that were opened, by what asked for them.",
          labels: ["cause": cause.rawValue])
        return (cause, counter)
      })
    answers = Dictionary(
      uniqueKeysWithValues: BankCall.allCases.map { call in
        let counters = BankAnswer.allCases.map { answer in
          let counter = registry.counter(
            "processing_bank_answers_total", help: "What calls of the bank came to.",
            labels: ["call": call.rawValue, "answer": answer.rawValue])
          return (answer, counter)
        }
        return (call, Dictionary(uniqueKeysWithValues: counters))
      })
    openGauges = open.map { what in
      registry.gauge(
        "processing_open",
        help: "Open payments: those that wait for room at the bank, UNKNOWN ones, and those in REVIEW.",
        labels: ["what": what])
    }
    oldestUnknown = registry.gauge(
      "processing_oldest_unknown_seconds", help: "Age of the oldest UNKNOWN payment's charge; 0 without one.")
    let sizes = { (kind: String) in
      registry.histogram(
        "processing_batch_size", help: "Payments of one transaction.", labels: ["kind": kind], bounds: Histogram.sizes)
    }
    claims = sizes("claim")
    steps = sizes("step")
  }

  func observe(claims count: Int) { claims.observe(Double(count)) }
  func observe(steps count: Int) { steps.observe(Double(count)) }
  func count(_ answer: BankAnswer, to call: BankCall) { answers[call]?[answer]?.add() }

  /// Counts the states that a transaction has brought.
  func count(_ result: RequestResult, isClaim: Bool) {
    guard case .looked(let step) = result else { return }
    if isClaim { states[.processing]?.add() }
    if case .changed(let effects) = step.outcome, effects.isPublished { states[step.stored.payment.state]?.add() }
  }

  /// Counts the states of refunds that were opened.
  func count(_ refunds: [StoredRefund]) {
    for payment in refunds.map(\.stored.payment) {
      refundsOpened[payment.refund?.cause ?? .caller]?.add()
      states[.processing]?.add()
      if payment.state != .processing { states[payment.state]?.add() }
    }
  }

  func show(_ counts: OpenCounts) {
    for (gauge, value) in zip(openGauges, [counts.waiting, counts.unknown, counts.reviews]) {
      gauge.set(value)
    }
    oldestUnknown.set(counts.oldestUnknown.inSeconds)
  }
}

/// What a committed batch of steps or claims causes besides its answers.
struct CommitEffects: Sendable {
  let metrics: ProcessorMetrics
  let isClaim: Bool
  let onCommit: @Sendable () -> Void

  func committed(_ results: [Result<StepReply, StepFailure>]) {
    committed(
      results.compactMap { result in
        if case .success(.result(let result, _)) = result { result } else { nil }
      })
  }

  func opened(_ refunds: [StoredRefund]) {
    metrics.count(refunds)
    onCommit()
  }

  func committed(_ results: [RequestResult]) {
    if isClaim { metrics.observe(claims: results.count) } else { metrics.observe(steps: results.count) }
    for result in results { metrics.count(result, isClaim: isClaim) }
    onCommit()
  }
}
