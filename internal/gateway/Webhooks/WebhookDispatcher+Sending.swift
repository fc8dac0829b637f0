internal import GatewayDomain
internal import GatewayStore
internal import HTTPClient
internal import Logger
internal import Metrics
internal import Postgres
internal import Runtime
internal import Tracing
internal import Values

/// Calls, and what becomes of them.
extension WebhookDispatcher {
  /// The longest that a whole queue waits since its receiver wants it.
  private static let longestHold = Duration.seconds(3_600)

  /// Starts the calls for which there is room. On any thread.
  func send() {
    let now = Instant.now()
    let calls = state.withLock { state -> [(WebhookMessage, Target?)] in
      guard !state.isStopping, now < state.leasedUntil else { return [] }
      return state.lanes.next(at: now).map { ($0.item, state.targets[$0.endpointID]) }
    }
    for (message, target) in calls { call(message, target) }
    metrics.calls.set(Double(state.withLock { $0.lanes.calling }))
  }

  private func call(_ message: WebhookMessage, _ target: Target?) {
    let moment = Timestamp.now()
    // The endpoint went to another process, or was disabled.
    guard let target else { return finish(message, .dropped, moment, at: nil) }
    let span = span(of: message.delivery)
    var request = message.request(to: target.url, target.secrets, now: moment, timeout: options.timeout)
    if let span { request.headers.append(span.context.header) }
    let start = Instant.now()
    client.send(request) { [self] result in
      metrics.seconds.observe((Instant.now() - start).inSeconds)
      let outcome = Outcome(result)
      span?.end(outcome)
      finish(message, outcome, moment, at: target.url)
      send()
    }
  }

  private func span(of delivery: DueDelivery) -> Span? {
    let payment = delivery.event.paymentID
    return traces.tracer.part(
      "webhook \(delivery.event.type)", .client, of: delivery.trace ?? traces.trace(of: payment),
      [
        SpanAttribute("http.request.method", "POST"), SpanAttribute("paysaga.payment_id", payment.description),
        SpanAttribute("paysaga.webhook_id", delivery.id.description),
        SpanAttribute("http.request.resend_count", delivery.attempts),
      ])
  }

  /// How a call has ended.
  enum Outcome: Sendable {
    case answer(HTTPClientResponse)
    case fault(String)
    /// Nothing was tried.
    case dropped

    init(_ result: Result<HTTPClientResponse, HTTPClientError>) {
      switch result {
      case .success(let response): self = .answer(response)
      case .failure(let error):
        switch error.code {
        case .cancelled, .overloaded: self = .dropped
        default: self = .fault(error.message)
        }
      }
    }
  }

  /// - Parameter url: what was called.
  private func finish(_ message: WebhookMessage, _ outcome: Outcome, _ began: Timestamp, at url: String?) {
    let now = Instant.now()
    let delivery = message.delivery
    guard let attempt = attempt(delivery, outcome, began) else {
      state.withLock { $0.lanes.ended(delivery.endpointID, delivery.id, .dropped, at: now) }
      return
    }
    let isDelivered = attempt.next == .delivered
    (isDelivered ? metrics.delivered : metrics.failed).add()
    state.withLock { state in
      state.lanes.ended(
        delivery.endpointID, delivery.id, isDelivered ? .delivered : .failed(holding: Self.hold(outcome)), at: now)
      state.ended.append(attempt)
      // What waits, this delivery included, is shown as failed once the endpoint is disabled; and goes to the new URL
      // where it has another one by now.
      if attempt.status == 410, let url { state.gone[delivery.endpointID] = url }
    }
    wakeThread()
  }

  /// - Returns: nil when nothing was tried.
  private func attempt(_ delivery: DueDelivery, _ outcome: Outcome, _ began: Timestamp) -> EndedAttempt? {
    var (status, error, answer, said): (Int?, String?, [UInt8], WebhookSchedule.Answer) = (nil, nil, [], .none)
    switch outcome {
    case .dropped: return nil
    case .fault(let words): error = String(words.prefix(200))
    case .answer(let response):
      status = response.status
      answer = Array(response.body.prefix(WebhookAttempt.maximumAnswer))
      said = .status(response.status, retryAfter: Self.retryAfter(response))
    }
    var random = SystemRandomNumberGenerator()
    let tries = delivery.attempts - delivery.spent + 1
    let next: EndedAttempt.Next =
      switch WebhookSchedule.next(after: said, tries: tries, using: &random) {
      case .delivered: .delivered
      case .retry(let pause): .retry(after: pause)
      case .exhausted: .failed(.exhausted)
      }
    return EndedAttempt(of: delivery, at: began, status: status, error: error, answer: answer, next: next)
  }

  private static func retryAfter(_ response: HTTPClientResponse) -> Duration? {
    response.header("Retry-After").flatMap { RetryAfter.parse($0, now: .now()) }
  }

  /// A receiver that is overloaded wants to be left alone, whatever is sent.
  private static func hold(_ outcome: Outcome) -> Duration {
    guard case .answer(let response) = outcome, [429, 503].contains(response.status) else { return .zero }
    return min(retryAfter(response) ?? .zero, longestHold)
  }

  // MARK: - Recording

  /// Records what has ended.
  /// - Returns: whether more is left.
  func record() throws(DatabaseError) -> Bool {
    let (ended, health) = state.withLock { state -> ([EndedAttempt], EndpointHealth) in
      let ended = Array(state.ended.prefix(Self.recordLimit))
      return (ended, Self.health(ended, gone: state.gone, failing: state.failing))
    }
    guard !ended.isEmpty else { return false }
    let patience = options.patience
    let disabled = try connection.use { [queue] connection throws(DatabaseError) in
      try queue.record(ended, health, patience: patience, on: connection)
    }
    let isMore = state.withLock { state in
      state.ended.removeFirst(ended.count)
      for attempt in ended { state.lanes.recorded(attempt.endpointID, attempt.id) }
      state.failing = state.failing.subtracting(health.recovered).union(health.failed)
      for (endpoint, url) in health.gone where state.gone[endpoint] == url { state.gone[endpoint] = nil }
      if !disabled.isEmpty { state.isCareDue = true }
      return !state.ended.isEmpty
    }
    metrics.givenUp.add(ended.count { if case .failed = $0.next { true } else { false } })
    showFailing()
    tell(disabled, gone: health.gone)
    return isMore
  }

  private static func health(
    _ ended: [EndedAttempt], gone: [UniqueID: String], failing: Set<UniqueID>
  ) -> EndpointHealth {
    var health = EndpointHealth()
    let delivered = Set(ended.lazy.filter { $0.next == .delivered }.map(\.endpointID))
    health.recovered = delivered.intersection(failing)
    health.failed = Set(ended.lazy.map(\.endpointID)).subtracting(delivered)
    health.gone = gone
    return health
  }

  private func tell(_ disabled: Set<UniqueID>, gone: [UniqueID: String]) {
    for endpoint in disabled {
      metrics.disabled.add()
      let reason = gone[endpoint] != nil ? "it has answered 410" : "it has taken nothing for too long"
      logger.warning(
        "a webhook endpoint was disabled", ["webhook_id": .describing(endpoint), "reason": .string(reason)])
    }
  }
}

extension Span {
  fileprivate func end(_ outcome: WebhookDispatcher.Outcome) {
    switch outcome {
    case .answer(let response):
      note(SpanAttribute("http.response.status_code", response.status))
      end(error: (200...299).contains(response.status) ? nil : "the receiver answers \(response.status)")
    case .fault(let reason): end(error: reason)
    case .dropped: end(error: "not sent")
    }
  }
}
