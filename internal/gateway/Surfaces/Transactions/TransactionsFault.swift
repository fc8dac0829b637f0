internal import Cards
package import HTTPServer
internal import Values

/// Why the transactions surface refuses a call: `{"status","error","message","fieldErrors"}`, without what is absent.
package struct TransactionsFault: Error, Sendable, Hashable {
  /// What is wrong with a field.
  struct FieldError: Sendable, Hashable, JSONRepresentable {
    private let field: String
    /// The value as the caller has written it, as JSON.
    private let rejected: ArraySlice<UInt8>?
    private let message: String

    /// - Parameter rejected: nil where there is no value; one with a card number is shown to nobody.
    init(_ field: String, rejected: ArraySlice<UInt8>?, _ message: String) {
      self.field = field
      self.rejected = rejected.flatMap { containsCardNumber($0) ? nil : $0 }
      self.message = message
    }

    /// - Parameter parameter: a value of a query; nil where there is none.
    init(_ field: String, parameter: String?, _ message: String) {
      var json: [UInt8] = []
      parameter?.appendJSON(to: &json)
      self.init(field, rejected: parameter == nil ? nil : json[...], message)
    }

    func appendJSON(to bytes: inout [UInt8]) {
      JSONWriter.appendObject(to: &bytes) { error in
        error.add("field", field)
        if let rejected { error.add("rejectedValue", RejectedValue(bytes: rejected)) }
        error.add("message", message)
      }
    }
  }

  private struct RejectedValue: JSONRepresentable {
    let bytes: ArraySlice<UInt8>

    func appendJSON(to target: inout [UInt8]) { target += bytes }
  }

  private let status: Int
  private let error: String
  private let message: String
  private var fieldErrors: [FieldError] = []
  /// Seconds after which the call may be made again.
  private var retryAfter: Int?
  private var challenge: String?

  private init(_ status: Int, _ error: String, _ message: String) {
    self.status = status
    self.error = error
    self.message = message
  }

  // MARK: - The faults

  /// 400: what was sent is wrong.
  static func invalid(_ errors: [FieldError] = [], _ what: String = "") -> TransactionsFault {
    let words = "Ошибка валидации данных. Передано некорректное значение:"
    var fault = TransactionsFault(400, "Bad Request", what.isEmpty ? words : "\(words) \(what)")
    fault.fieldErrors = errors
    return fault
  }

  /// 401: nobody who may call.
  static func unauthorized(_ why: String) -> TransactionsFault {
    var fault = TransactionsFault(401, "Unauthorized", "Пользователь не аутентифицирован: \(why)")
    fault.challenge = "Basic realm=\"Realm\""
    return fault
  }

  /// 404: there is no such payment.
  static let missing = TransactionsFault(404, "Not Found", "Платёж не найден")

  /// 409 and 422 of an Idempotency-Key: in its own words, which the old callers have not known.
  static func refused(_ status: Int, _ why: String) -> TransactionsFault {
    TransactionsFault(status, status == 409 ? "Conflict" : "Unprocessable Content", why)
  }

  /// 500: it could not be done here.
  static func failed(_ why: String, retryAfter: Int? = nil) -> TransactionsFault {
    var fault = TransactionsFault(500, "Internal Server Error", "Внутренняя ошибка сервера: \(why)")
    fault.retryAfter = retryAfter
    return fault
  }

  // MARK: - Answers

  /// The answer.
  package var response: HTTPResponse {
    let body = JSONWriter.object(reserving: 256) { object in
      object.add("status", status)
      object.add("error", error)
      object.add("message", message)
      if !fieldErrors.isEmpty { object.add("fieldErrors", fieldErrors) }
    }
    var response = HTTPResponse.json(status, body)
    if let challenge { response.add("WWW-Authenticate", challenge) }
    if let retryAfter { response.add("Retry-After", String(retryAfter)) }
    return response
  }

  /// What the server refuses by itself.
  static func response(_ refusal: HTTPRefusal) -> HTTPResponse {
    let fault: TransactionsFault =
      switch refusal {
      case .malformed(let detail): .invalid([], detail)
      case .unknownPath: TransactionsFault(404, "Not Found", "Ресурс не найден")
      case .methodNotAllowed: TransactionsFault(405, "Method Not Allowed", "Метод не поддерживается")
      case .bodyTooLarge: TransactionsFault(413, "Payload Too Large", "Слишком большое тело запроса")
      case .targetTooLong: TransactionsFault(414, "URI Too Long", "Слишком длинный адрес")
      case .unsupportedContentType:
        TransactionsFault(415, "Unsupported Media Type", "Ожидается тело типа application/json")
      case .misdirected: TransactionsFault(421, "Misdirected Request", "Ожидается адрес этого компьютера в поле Host")
      case .headersTooLarge: TransactionsFault(431, "Request Header Fields Too Large", "Слишком длинные заголовки")
      case .unsupportedTransferCoding: TransactionsFault(501, "Not Implemented", "Кодирование не поддерживается")
      case .overloaded: .failed("сервер перегружен, повторите запрос")
      case .stopping: .failed("сервер останавливается, повторите запрос")
      case .noAnswerInTime: .failed("ответа ещё нет, запрос может быть выполнен позже")
      case .failed: .failed("запрос не выполнен")
      }
    return refusal.completed(fault.response)
  }
}
