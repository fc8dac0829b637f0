internal import Cards
internal import Values

/// Why a request is refused before anything begins: status, code and field, and never a value of the caller.
public struct RequestFault: Error, Sendable, Hashable, CustomStringConvertible {
  /// The kinds of faults. The raw values are those of the API, and stay.
  public enum Code: String, Sendable, Hashable, CaseIterable {
    // 400: nothing can be read.
    case invalidJSON = "invalid_json"
    case bodyTooLarge = "body_too_large"
    case duplicateField = "duplicate_field"
    case nestingTooDeep = "nesting_too_deep"
    // 422: it can be read, and one field is wrong.
    case unknownField = "unknown_field"
    case missingField = "missing_field"
    case invalidType = "invalid_type"
    case invalidID = "invalid_id"
    case invalidOrderID = "invalid_order_id"
    case invalidText = "invalid_text"
    case textTooLong = "text_too_long"
    case cardNumberInText = "card_number_in_text"
    case metadataTooLarge = "metadata_too_large"
    case invalidAmount = "invalid_amount"
    case amountNotPositive = "amount_not_positive"
    case amountTooLarge = "amount_too_large"
    case unknownCurrency = "unknown_currency"
    case unknownMethod = "unknown_method"
    case payerIsPayee = "payer_is_payee"
    case invalidCardNumber = "invalid_card_number"
    case invalidCVV = "invalid_cvv"
    case invalidExpiry = "invalid_expiry"
    case cardExpired = "card_expired"
    // 400: parameters of a list.
    case invalidParameter = "invalid_parameter"
    case invalidCursor = "invalid_cursor"
    case unknownParameter = "unknown_parameter"

    /// The HTTP status: 400 or 422.
    public var status: Int {
      switch self {
      case .invalidJSON, .bodyTooLarge, .duplicateField, .nestingTooDeep, .invalidParameter, .invalidCursor,
        .unknownParameter:
        400
      default: 422
      }
    }
  }

  /// The kind of fault.
  public let code: Code
  /// The field's path, such as `method.card.number`, or the parameter's name; nil for the whole.
  public let field: String?
  /// What was expected, for people. It holds no value.
  public let detail: String

  init(_ code: Code, _ field: String?, _ detail: String) {
    self.code = code
    self.field = field
    self.detail = detail
  }

  /// The HTTP status: 400 or 422.
  public var status: Int { code.status }

  /// Field and what was expected.
  public var description: String { field.map { "\($0): \(detail)" } ?? detail }
}

extension RequestFault {
  static func missing(_ field: String) -> RequestFault { RequestFault(.missingField, field, "the field is required") }

  /// A field that the object at `path` does not have. Its name is shown when it looks like one of ours.
  static func unknown(_ name: String, in path: String?, expected: [String]) -> RequestFault {
    let isName = (1...64).contains(name.utf8.count) && name.utf8.allSatisfy { (0x61...0x7A).contains($0) || $0 == 0x5F }
    let place = path ?? ""
    let field = isName ? (place.isEmpty ? name : "\(place).\(name)") : path
    let words = expected.isEmpty ? "expected no field" : "expected only \(expected.joined(separator: ", "))"
    return RequestFault(.unknownField, field, words)
  }

  /// What the scanner refused in the object at `path`.
  /// - Parameter fields: the names that may be shown: the caller's own may hold anything.
  init(_ error: JSONError, in path: String?, fields: [String]) {
    let known = error.field.flatMap { fields.contains($0) ? $0 : nil }
    let field = [path, known].compactMap(\.self).joined(separator: ".")
    let place: String? = field.isEmpty ? nil : field
    switch error.code {
    case .wrongType: self.init(.invalidType, place, error.message)
    case .notAnIdentifier: self.init(.invalidID, place, "expected a UUID of 36 characters")
    case .notAnInteger, .integerOutOfRange:
      self.init(.invalidType, place, "expected an integer of at most 64 bits, without fraction and exponent")
    case .notAnAmount(let fault): self.init(fault, place)
    case .duplicateField: self.init(.duplicateField, place, "the field appears twice")
    case .tooDeep: self.init(.nestingTooDeep, place, "the JSON text nests too deep")
    case .tooLarge:
      self.init(.bodyTooLarge, nil, "expected a body of at most \(PaymentRequest.maximumBytes) bytes")
    case .tooManyFields, .truncated, .unexpectedByte, .trailingData, .byteOrderMark, .invalidUTF8, .invalidEscape,
      .controlCharacter:
      self.init(.invalidJSON, place, "the body is not a JSON text: see byte \(error.offset)")
    }
  }

  private init(_ fault: DecimalAmount.Fault, _ field: String?) {
    switch fault {
    case .sign: self.init(.amountNotPositive, field, "expected an amount above zero, without a sign")
    case .outOfRange: self = .amountTooLarge(field)
    case .tooManyDecimals, .malformed, .exponentNotation, .leadingZero, .empty:
      self.init(
        .invalidAmount, field, "expected an integer number of minor units, such as 1999 or \"1999\" for 19.99 EUR")
    }
  }

  static func amountTooLarge(_ field: String?) -> RequestFault {
    RequestFault(.amountTooLarge, field, "expected at most \(PaymentRequest.maximumAmount) minor units")
  }

  /// What is wrong with the card.
  init(_ fault: CardFault, in path: String) {
    let field = "\(path).\(fault.field.rawValue)"
    let code: Code =
      switch fault.code {
      case .missing: .missingField
      case .expired: .cardExpired
      case .cardNumber: .cardNumberInText
      case .notDigits, .wrongLength, .luhn, .outOfRange, .malformed:
        switch fault.field {
        case .number: .invalidCardNumber
        case .cvv: .invalidCVV
        case .expMonth, .expYear: .invalidExpiry
        case .holder: .invalidText
        }
      }
    self.init(code, field, fault.description)
  }
}
