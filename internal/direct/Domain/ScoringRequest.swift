public import Money
public import Values

/// A payment request that is to be scored and not to be executed, as `direct.payments` carries it
/// (api/topics/direct.payments.schema.json). Its ids are those of whoever made it.
public struct ScoringRequest: Sendable, Hashable {
  /// The word that tells it from a payment: the field `kind`.
  static let kind = "score"
  /// The CloudEvents type of its message.
  public static let eventType = "paysaga.direct.score"

  /// The request.
  public let requestID: UniqueID
  /// Who pays.
  public let userID: UniqueID
  /// Who is paid.
  public let payeeID: UniqueID
  /// What is paid with.
  public let paymentMethodID: UniqueID
  /// Above zero.
  public let amount: SixPlaceAmount
  /// The currency.
  public let currency: Currency

  /// A request.
  public init(
    requestID: UniqueID, userID: UniqueID, payeeID: UniqueID, paymentMethodID: UniqueID, amount: SixPlaceAmount,
    currency: Currency
  ) {
    self.requestID = requestID
    self.userID = userID
    self.payeeID = payeeID
    self.paymentMethodID = paymentMethodID
    self.amount = amount
    self.currency = currency
  }

  /// The message's value.
  public func payload() -> [UInt8] {
    JSONWriter.object(reserving: 320) { message in
      message.add("kind", Self.kind)
      message.add("payment_request_id", requestID)
      message.add("user_id", userID)
      message.add("payee_id", payeeID)
      message.add("payment_method_id", paymentMethodID)
      message.add("amount", amount.text)
      message.add("currency", currency.code)
    }
  }
}

/// What a message of `direct.payments` asks for.
public enum DirectMessage: Sendable, Hashable {
  /// To execute a payment.
  case payment(PaymentInstruction)
  /// To score a request.
  case score(ScoringRequest)
}
