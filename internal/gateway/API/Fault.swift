package import GatewayDomain
package import GatewayStore
package import HTTPServer
internal import Values

/// Why a call is refused: problem details with a code of `/v1`.
package struct Fault: Error, Hashable {
  /// What the caller is told.
  package var problem: ProblemDetails
  /// Seconds after which it may be tried again.
  package var retryAfter: Int?
  /// What an operator has to know of it; nobody is told.
  package var cause: String?
  /// Whether what was asked for may have happened all the same, or may yet.
  package var mayHaveHappened: Bool { problem.code == Code.outcomeUnknown.rawValue }
  /// Whether there is no place for a call that waits.
  package var isOfWaiters: Bool { problem.code == Code.tooManyWaiters.rawValue }
  /// The payment that is in the way.
  private var payment: UniqueID?
  /// Header fields of the answer.
  private var fields: [Field] = []

  private struct Field: Hashable {
    let name: String
    let value: String
  }

  init(_ status: Int, _ code: Code, _ detail: String, field: String? = nil, retryAfter: Int? = nil) {
    self.init(status, code: code.rawValue, detail, field: field, retryAfter: retryAfter)
  }

  /// With a code of another module.
  init(_ status: Int, code: String, _ detail: String, field: String? = nil, retryAfter: Int? = nil) {
    problem = ProblemDetails(status, code: code, detail: detail, field: field)
    self.retryAfter = retryAfter
  }

  /// What a request cannot be read for.
  package init(_ fault: RequestFault) {
    self.init(
      fault.status, code: fault.code.rawValue, fault.detail, field: fault.field,
      retryAfter: fault.status == 503 ? 1 : nil)
  }

  /// Runs `body`, whose faults are a caller's.
  package static func reading<Value>(_ body: () throws(RequestFault) -> Value) throws(Fault) -> Value {
    do throws(RequestFault) {
      return try body()
    } catch {
      throw Fault(error)
    }
  }

  /// Runs `body`, which asks a store.
  package static func asking<Value>(_ body: () async throws(StoreTrouble) -> Value) async throws(Fault) -> Value {
    do throws(StoreTrouble) {
      return try await body()
    } catch {
      throw Fault(error)
    }
  }

  static func storing<Value>(_ body: () async throws(GatewayStoreError) -> Value) async throws(Fault) -> Value {
    do throws(GatewayStoreError) {
      return try await body()
    } catch {
      throw Fault(error)
    }
  }

  /// The same with one more header field.
  func with(_ name: String, _ value: String) -> Fault {
    var fault = self
    fault.fields.append(Field(name: name, value: value))
    return fault
  }

  /// The answer.
  package var response: HTTPResponse {
    var response = problem.response { if let payment { $0.add("payment_id", payment) } }
    if let retryAfter { response.add("Retry-After", String(retryAfter)) }
    for field in fields { response.add(field.name, field.value) }
    return response
  }

  /// The gateway's store gave no answer, or refuses.
  package init(_ error: GatewayStoreError) {
    switch error.code {
    case .keyReused:
      self.init(422, .idempotencyKeyReused, error.message, field: IdempotencyKeyHeader.name)
    case .keyInFlight:
      self.init(409, .idempotencyKeyInFlight, error.message, field: IdempotencyKeyHeader.name, retryAfter: 1)
    case .orderPaymentExists: self.init(409, .orderPaymentExists, error.message, field: "order_id")
    case .externalIDExists(let payment):
      self.init(409, .externalIDExists, error.message, field: "external_id")
      self.payment = payment
    case .overloaded: self.init(.overloaded)
    case .unavailable: self.init(.unavailable)
    case .outcomeUnknown: self.init(.outcomeUnknown)
    case .internal: self.init(.faulty(error.cause.map { "\(error.message): \($0)" } ?? error.message))
    }
  }

  /// A store gave no answer.
  package init(_ trouble: StoreTrouble) {
    switch trouble {
    case .overloaded:
      self.init(503, .databaseBusy, "too many calls wait for the database; nothing was done", retryAfter: 1)
    case .unavailable:
      self.init(503, .databaseUnavailable, "the database did not answer in time; nothing was done", retryAfter: 1)
    case .outcomeUnknown:
      self.init(
        503, .outcomeUnknown,
        "it is not known whether this was done; the same call again, under its Idempotency-Key if it has one, tells",
        retryAfter: 1)
    case .stopping: self.init(503, .stopping, "this server is stopping; nothing was done", retryAfter: 1)
    case .faulty(let cause):
      self.init(500, .internalError, "what is stored cannot be read here; an operator has to look")
      self.cause = cause
    }
  }

  /// The id that a key makes is another's.
  static let keyReused = Fault(
    422, .idempotencyKeyReused, "the key was used for another request: expected the same one, or a new key",
    field: IdempotencyKeyHeader.name)

  /// There is no place for a call that wants to wait.
  static let tooManyWaiters = Fault(
    503, .tooManyWaiters, "too many calls wait for payments; try again later, or without `wait`", retryAfter: 1)

  /// The same, since the caller has as many as it may.
  static let tooManyOfPeer = Fault(
    503, .tooManyWaiters, "too many of this caller's calls wait; try again later, or without `wait`", retryAfter: 1)

  /// The codes that are decided here; those of a request's fields are decided where requests are read.
  enum Code: String {
    case accountNotFound = "account_not_found"
    case apiKeyInvalid = "api_key_invalid"
    case apiKeyRequired = "api_key_required"
    case amountTooLarge = "amount_too_large"
    case amountDiffers = "amount_differs"
    case cardQueueFull = "card_queue_full"
    case currencyDiffers = "currency_differs"
    case databaseBusy = "database_busy"
    case databaseUnavailable = "database_unavailable"
    case externalIDExists = "external_id_exists"
    case idempotencyKeyInFlight = "idempotency_key_in_flight"
    case idempotencyKeyInvalid = "idempotency_key_invalid"
    case idempotencyKeyRequired = "idempotency_key_required"
    case idempotencyKeyReused = "idempotency_key_reused"
    case insufficientFunds = "insufficient_funds"
    case internalError = "internal_error"
    case invalidCursor = "invalid_cursor"
    case invalidParameter = "invalid_parameter"
    case orderPaymentExists = "order_payment_exists"
    case orderNotPayable = "order_not_payable"
    case ordersNotSupported = "orders_not_supported"
    case outcomeUnknown = "outcome_unknown"
    case paymentMethodNotFound = "payment_method_not_found"
    case paymentNotFound = "payment_not_found"
    case rateLimited = "rate_limited"
    case sagaUnavailable = "saga_unavailable"
    case scopeMissing = "scope_missing"
    case stopping
    case tooManyWaiters = "too_many_waiters"
    case unknownAccount = "unknown_account"
    case unknownPaymentMethod = "unknown_payment_method"
    case userExists = "user_exists"
    case userNotFound = "user_not_found"
    case unknownParameter = "unknown_parameter"
    case tooManyWebhookEndpoints = "too_many_webhook_endpoints"
    case webhookDeliveryNotFound = "webhook_delivery_not_found"
    case webhookEndpointDisabled = "webhook_endpoint_disabled"
    case webhookEndpointNotFound = "webhook_endpoint_not_found"
    case webhooksNotSupported = "webhooks_not_supported"
  }
}
