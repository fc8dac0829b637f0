internal import HTTPServer
internal import Values

/// Why a call is refused: problem details with a code of `/v1`.
struct Fault: Error, Hashable {
  var problem: ProblemDetails
  /// Seconds after which it may be tried again.
  var retryAfter: Int?

  init(_ status: Int, _ code: Code, _ detail: String, field: String? = nil, retryAfter: Int? = nil) {
    self.init(status, code: code.rawValue, detail, field: field, retryAfter: retryAfter)
  }

  /// With a code of another module.
  init(_ status: Int, code: String, _ detail: String, field: String? = nil, retryAfter: Int? = nil) {
    problem = ProblemDetails(status, code: code, detail: detail, field: field)
    self.retryAfter = retryAfter
  }

  var response: HTTPResponse {
    var response = problem.response()
    if let retryAfter { response.add("Retry-After", String(retryAfter)) }
    return response
  }

  /// The codes that are decided here; those of a request's fields are decided where requests are read.
  enum Code: String {
    case accountNotFound = "account_not_found"
    case amountDiffers = "amount_differs"
    case cardQueueFull = "card_queue_full"
    case databaseUnavailable = "database_unavailable"
    case idempotencyKeyInvalid = "idempotency_key_invalid"
    case idempotencyKeyRequired = "idempotency_key_required"
    case internalError = "internal_error"
    case invalidParameter = "invalid_parameter"
    case orderNotPayable = "order_not_payable"
    case outcomeUnknown = "outcome_unknown"
    case paymentNotFound = "payment_not_found"
    case sagaUnavailable = "saga_unavailable"
    case stopping
    case tooManyWaiters = "too_many_waiters"
    case unknownParameter = "unknown_parameter"
  }
}
