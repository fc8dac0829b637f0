internal import Cards
internal import DirectDomain
internal import Money
internal import Values

extension PaymentRequest {
  /// What must be the same when the request comes again under its idempotency key: everything that was asked for, in
  /// one order and spelling. The order of fields and white space do not matter, nor whether an absent field is null.
  ///
  /// It holds no card number and no CVV. A field that is added later must add nothing here when it is absent.
  /// - Parameter cardFingerprint: of the card, for a payment by card.
  public func canonical(cardFingerprint: [UInt8]?) -> [UInt8] {
    JSONWriter.object(reserving: 512) { request in
      request.add("amount", amount.minorUnits)
      request.add("currency", amount.currency.code)
      if let description { request.add("description", description) }
      if let externalID { request.add("external_id", externalID) }
      if !metadata.isEmpty { request.add("metadata", metadata) }
      request.add("method") { method in
        switch savedMethod.map({ Source.saved($0) }) ?? source {
        case .card(let card):
          method.add("type", PaymentMethod.card.rawValue)
          method.add("card", cardFingerprint.map(Hexadecimal.text) ?? "")
          if let month = card.expMonth { method.add("exp_month", month) }
          if let year = card.expYear { method.add("exp_year", year) }
          if let holder = card.holder { method.add("holder", holder) }
        case .account(let number):
          method.add("type", PaymentMethod.account.rawValue)
          method.add("number", number)
        case .token(let token):
          method.add("type", PaymentMethod.token.rawValue)
          method.add("token", token)
        case .balance(let accountID):
          method.add("type", PaymentMethod.balance.rawValue)
          method.add("account_id", accountID)
        case .saved(let id):
          method.add("type", "saved")
          method.add("payment_method_id", id)
        }
      }
      if let orderID { request.add("order_id", orderID) }
      if let origin { request.add("origin", String(decoding: origin.details, as: UTF8.self)) }
      if namesPayee { request.add("payee_id", payeeID) }
      request.add("user_id", userID)
    }
  }
}
