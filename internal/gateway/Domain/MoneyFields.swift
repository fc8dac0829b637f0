internal import Money

/// The fields `amount` and `currency` of a request.
enum MoneyFields {
  static func money(_ amount: Int64?, _ currency: String?) throws(RequestFault) -> Money {
    guard let amount else { throw .missing("amount") }
    return Money(minorUnits: try minorUnits(amount), try Self.currency(currency))
  }

  static func minorUnits(_ amount: Int64) throws(RequestFault) -> Int64 {
    guard amount > 0 else {
      throw RequestFault(.amountNotPositive, "amount", "expected an amount above zero, without a sign")
    }
    guard amount <= PaymentRequest.maximumAmount else { throw .amountTooLarge("amount") }
    return amount
  }

  static func currency(_ code: String?) throws(RequestFault) -> Currency {
    guard let code else { throw .missing("currency") }
    guard let currency = Currency(code) else {
      throw RequestFault(.unknownCurrency, "currency", "expected a code of ISO 4217 in capital letters, such as EUR")
    }
    return currency
  }
}
