internal import Tracing

/// The call as a span, on the connection's loop. No interceptor: most calls are not recorded, and an interceptor costs
/// more than that decision.
extension ServerCallRecord {
  /// Begins the span of a call whose request is whole; before a handler sees the record. Health checks and reflection
  /// are not recorded.
  func beginSpan(_ tracer: Tracer) {
    guard !method.isOfGRPC else { return }
    let span = tracer.begin(
      String(path.dropFirst()), .server, parent: callersTrace,
      [SpanAttribute("rpc.system", "grpc"), SpanAttribute("network.peer.address", peer.address)])
    if let span { begin(span) }
  }

  /// Ends the span of a call that has finished.
  func endSpan(_ code: GRPCCode) {
    guard let span else { return }
    span.note(SpanAttribute("rpc.grpc.status_code", code.rawValue))
    span.end(error: code.isServersFault ? code.name : nil)
  }
}

extension GRPCCode {
  /// Whether a span of the server has failed (OpenTelemetry's conventions for gRPC): callers' faults are none of it.
  fileprivate var isServersFault: Bool {
    switch self {
    case .unknown, .deadlineExceeded, .unimplemented, .internal, .unavailable, .dataLoss: true
    default: false
    }
  }
}
