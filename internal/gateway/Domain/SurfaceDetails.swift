internal import Values

/// What the cards surface keeps of a payment beside what every payment has.
public struct CardsDetails: Sendable, Hashable {
  /// The name on the card.
  public let holder: String?

  /// - Parameter holder: the name on the card.
  public init(holder: String?) { self.holder = holder }

  /// As it is kept.
  public var origin: PaymentOrigin {
    PaymentOrigin(.cards, details: JSONWriter.object { if let holder { $0.add("card_holder_name", holder) } })
  }

  init(reading scanner: inout JSONScanner) throws(JSONError) {
    var holder: String?
    while let field = try scanner.nextKey() {
      switch field {
      case "card_holder_name": holder = try scanner.string()
      default: try scanner.skipValue()
      }
    }
    self.init(holder: holder)
  }
}

/// What the payments surface keeps of a payment besides: what it has to show as it was given.
public struct PaymentsDetails: Sendable, Hashable {
  /// The user as the caller names it: a UUID or another text.
  public let user: String
  /// The whole account number.
  public let account: String
  /// The caller's own `extPaymentDetails`, shown until there are ours.
  public let note: String?

  /// - Parameters: as the caller has written them.
  public init(user: String, account: String, note: String?) {
    self.user = user
    self.account = account
    self.note = note
  }

  /// As it is kept.
  public var origin: PaymentOrigin {
    let details = JSONWriter.object { details in
      details.add("user", user)
      details.add("account", account)
      if let note { details.add("note", note) }
    }
    return PaymentOrigin(.payments, details: details)
  }

  init(reading scanner: inout JSONScanner) throws(JSONError) {
    var user = ""
    var account = ""
    var note: String?
    while let field = try scanner.nextKey() {
      switch field {
      case "user": user = try scanner.string()
      case "account": account = try scanner.string()
      case "note": note = try scanner.string()
      default: try scanner.skipValue()
      }
    }
    self.init(user: user, account: account, note: note)
  }
}

/// What the transactions surface keeps of a payment besides.
public struct TransactionsDetails: Sendable, Hashable {
  /// The number of the user.
  public let userNumber: Int64
  /// The name of the user.
  public let userName: String
  /// The amount as it was given, in the unit that the surface has.
  public let coin: Int64
  /// What the payment is paid from, as it is shown: the number of an account, outside or here.
  public let account: String

  /// - Parameters: as the surface has them.
  public init(userNumber: Int64, userName: String, coin: Int64, account: String) {
    self.userNumber = userNumber
    self.userName = userName
    self.coin = coin
    self.account = account
  }

  /// As it is kept.
  public var origin: PaymentOrigin {
    let details = JSONWriter.object { details in
      details.add("user_number", userNumber)
      details.add("user_name", userName)
      details.add("coin", coin)
      details.add("account", account)
    }
    return PaymentOrigin(.transactions, details: details)
  }

  init(reading scanner: inout JSONScanner) throws(JSONError) {
    var (userNumber, userName, coin, account) = (Int64(0), "", Int64(0), "")
    while let field = try scanner.nextKey() {
      switch field {
      case "user_number": userNumber = try scanner.integer()
      case "user_name": userName = try scanner.string()
      case "coin": coin = try scanner.integer()
      case "account": account = try scanner.string()
      default: try scanner.skipValue()
      }
    }
    self.init(userNumber: userNumber, userName: userName, coin: coin, account: account)
  }
}
