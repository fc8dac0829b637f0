internal import Synchronization
internal import Tracing
internal import Values

/// The spans of publications: from the moment an event goes to the publisher until it is known what became of it.
/// Callable on any thread.
final class PublishSpans: Sendable {
  private let tracer: Tracer
  /// By token. As many as there are recorded events with the publisher, of which the relay's window is the limit.
  private let spans = Mutex<[UInt64: Span]>([:])

  init(_ tracer: Tracer) { self.tracer = tracer }

  /// Events go to the publisher.
  func begin(_ requests: [PublishRequest]) {
    guard tracer.isOn else { return }
    for request in requests {
      let event = request.event
      guard
        let span = tracer.part(
          "publish \(event.topic)", .producer, of: event.trace,
          [
            SpanAttribute("messaging.system", "kafka"), SpanAttribute("messaging.operation.type", "send"),
            SpanAttribute("messaging.destination.name", event.topic),
            SpanAttribute("messaging.message.id", event.eventID.description),
            SpanAttribute("messaging.kafka.message.key", event.key),
          ])
      else { continue }
      spans.withLock { $0[request.token] = span }
    }
  }

  /// It is known what became of them.
  func end(_ outcomes: [PublishOutcome]) {
    guard tracer.isOn else { return }
    for outcome in outcomes {
      guard let span = spans.withLock({ $0.removeValue(forKey: outcome.token) }) else { continue }
      switch outcome.result {
      case .acknowledged: span.end()
      case .transient(let reason), .permanent(let reason, _): span.end(error: reason)
      }
    }
  }
}
