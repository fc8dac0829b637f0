/// The checks on what callers say, each with a message that names what was wrong.
enum Validation {
  static func orderID(_ value: Int64) throws(PaymentError) -> Int64 {
    guard value > 0 else {
      throw PaymentError(.invalidArgument, "order_id must be above 0, found \(value)", field: "order_id")
    }
    return value
  }

  static func reason(_ value: String) throws(PaymentError) -> String {
    let count = value.utf8.count
    guard count <= PaymentLimits.reasonBytes else {
      throw PaymentError(
        .invalidArgument, "reason must be at most \(PaymentLimits.reasonBytes) bytes, found \(count)", field: "reason")
    }
    guard !value.utf8.contains(0) else {
      throw PaymentError(.invalidArgument, "reason must not contain a NUL character", field: "reason")
    }
    return value
  }

  /// Whether it is an ISO 4217 code in form, or empty.
  static func isCurrency(_ value: String) -> Bool {
    value.isEmpty
      || value.utf8.count == PaymentLimits.currencyLetters
        && value.utf8.allSatisfy { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }
  }

  static func currency(_ value: String) throws(PaymentError) -> String {
    guard isCurrency(value) else {
      throw PaymentError(.invalidArgument, "currency must be three capital letters (ISO 4217)", field: "currency")
    }
    return value
  }

  static func amount(_ value: Int64, currency: String) throws(PaymentError) -> Int64 {
    guard value >= 0 else {
      throw PaymentError(.invalidArgument, "amount_minor must not be below 0, found \(value)", field: "amount_minor")
    }
    guard value == 0 || !currency.isEmpty else {
      throw PaymentError(.invalidArgument, "an amount needs a currency", field: "currency")
    }
    return value
  }
}
