internal import GatewayAPI
internal import GatewayDomain
internal import GatewayStore
internal import HTTPServer

/// Why a page is refused: a code that `Words.problem` has words for, and never a value of the visitor.
struct PageFault: Error, Sendable, Hashable {
  /// The HTTP status.
  let status: Int
  let code: String
  /// In English, for codes without words of their own.
  let detail: String
  /// The field of the form.
  let field: String?
  /// What an operator has to know of it; nobody is told.
  let cause: String?

  init(_ status: Int, _ code: String, _ detail: String = "", field: String? = nil, cause: String? = nil) {
    self.status = status
    self.code = code
    self.detail = detail
    self.field = field.map(Self.formField)
    self.cause = cause
  }

  /// Keys cannot be looked up: the database is away.
  static let undecided = PageFault(Fault(StoreTrouble.unavailable))

  init(_ fault: PaymentForm.Fault) { self.init(422, fault.code, field: fault.field) }

  /// A call of `/v1` would be refused so.
  init(_ fault: Fault) {
    let problem = fault.problem
    self.init(problem.status, problem.code, problem.detail, field: problem.field, cause: fault.cause)
  }

  static func asking<Value>(_ body: () async throws(StoreTrouble) -> Value) async throws(PageFault) -> Value {
    do throws(StoreTrouble) {
      return try await body()
    } catch {
      throw PageFault(Fault(error))
    }
  }

  static func stored<Value>(_ body: () async throws(GatewayStoreError) -> Value) async throws(PageFault) -> Value {
    do throws(GatewayStoreError) {
      return try await body()
    } catch {
      throw PageFault(Fault(error))
    }
  }

  static func calling<Value>(_ body: () async throws(Fault) -> Value) async throws(PageFault) -> Value {
    do throws(Fault) {
      return try await body()
    } catch {
      throw PageFault(error)
    }
  }

  static func reading<Value>(_ body: () throws(RequestFault) -> Value) throws(PageFault) -> Value {
    do throws(RequestFault) {
      return try body()
    } catch {
      throw PageFault(Fault(error))
    }
  }

  static let missing = PageFault(404, "payment_not_found", "there is no such payment")
  static let expired = PageFault(403, "form_expired")
  static let unreadable = PageFault(400, "form_unreadable")

  /// The field of the form that a field of a request comes from.
  private static func formField(_ path: String) -> String {
    switch path {
    case "method.card.number": "number"
    case "method.card.exp_month", "method.card.exp_year": "expiry"
    case "method.card.cvv": "cvv"
    case "method.card.holder": "holder"
    case "method.card", "method.type": "method"
    case "method.number": "account"
    case "method.token": "token"
    case "method.account_id": "account_id"
    default: path
    }
  }
}
