internal import GRPC
internal import SagaDomain

/// The one place where a domain error becomes a gRPC status. Whether the deadline or an absent database is to blame was
/// decided in SagaStore (`StoreFailure.swift`): `isDeadlinePassed` is false while no connection lives.
enum StatusMapping {
  /// The `domain` of our ErrorInfo.
  static let domain = "payments.paysaga"

  static func status(_ error: PaymentError) -> GRPCStatus {
    let (code, reason) = codeAndReason(error)
    return GRPCStatus(
      code, error.message, reason: reason, domain: domain, field: error.field.map { ($0, error.message) },
      retryDelay: error.retryDelay)
  }

  /// A write whose deadline has passed while it was under way.
  static let openFate = status(
    PaymentError(
      .outcomeUnknown, "the deadline has passed; ask again to learn whether the change was made",
      isDeadlinePassed: true))

  private static func codeAndReason(_ error: PaymentError) -> (GRPCCode, String) {
    switch error.code {
    case .invalidArgument: (.invalidArgument, "INVALID_ARGUMENT")
    case .notFound: (.notFound, "PAYMENT_NOT_FOUND")
    case .alreadyExists: (.alreadyExists, "PAYMENT_DIFFERS")
    case .alreadySettled: (.failedPrecondition, "PAYMENT_ALREADY_SETTLED")
    case .keyReused: (.failedPrecondition, "IDEMPOTENCY_KEY_REUSED")
    case .keyInFlight: (.aborted, "IDEMPOTENCY_KEY_IN_FLIGHT")
    case .unavailable where error.isDeadlinePassed: (.deadlineExceeded, "DEADLINE_EXCEEDED")
    case .unavailable: (.unavailable, "DATABASE_UNAVAILABLE")
    case .outcomeUnknown: (error.isDeadlinePassed ? .deadlineExceeded : .unavailable, "OUTCOME_UNKNOWN")
    case .overloaded: (.resourceExhausted, "TOO_MANY_CALLS")
    case .internal: (.internal, "INTERNAL")
    }
  }
}

/// Runs a use case and turns its error into a status.
func answering<Value>(_ body: () async throws(PaymentError) -> Value) async throws -> Value {
  do throws(PaymentError) {
    return try await body()
  } catch {
    throw StatusMapping.status(error)
  }
}
