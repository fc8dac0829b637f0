internal import GatewayAPI
internal import GatewayDomain
internal import HTTPServer
internal import Values

/// What surfaces have in common in their answers.
enum SurfaceAnswer {
  /// The answer with the header fields of a refused call: when to come again.
  static func completed(_ response: HTTPResponse, _ fault: Fault) -> HTTPResponse {
    var response = response
    if let seconds = fault.retryAfter { response.add("Retry-After", String(seconds)) }
    return response
  }

  /// What a refused call is told. Callers of older systems know neither `wait` nor keys by which a payment is found
  /// again: asking a second time is another payment.
  static func words(_ fault: Fault) -> String {
    if fault.mayHaveHappened {
      return "it is not known whether the payment was taken in; asking again without an Idempotency-Key may pay twice"
    }
    return fault.isOfWaiters ? "too many calls wait for payments; nothing was done" : fault.problem.detail
  }

  /// The answer, marked when it is that of an earlier call with the same key.
  static func marked(_ response: HTTPResponse, isReplay: Bool) -> HTTPResponse {
    var response = response
    if isReplay { response.add(IdempotencyKeyHeader.replayed, "true") }
    return response
  }
}

extension PaymentDesk {
  /// A payment of one of the surfaces; nil for one of another, which a caller without an API key must not see.
  func shown(
    _ id: UniqueID, of surface: PaymentOrigin.Surface, deadline: Instant
  ) async throws(Fault) -> SurfacePayment? {
    Self.shown(try await payment(id, deadline: deadline), of: surface)
  }

  /// The same of a payment that was read.
  static func shown(_ payment: GatewayPayment, of surface: PaymentOrigin.Surface) -> SurfacePayment? {
    guard payment.origin?.surface == surface else { return nil }
    return try? SurfacePayment(payment)
  }
}
