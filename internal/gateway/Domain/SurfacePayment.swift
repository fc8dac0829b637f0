public import DirectDomain
internal import Money
public import Values

/// A payment with what its surface keeps of it besides.
public struct SurfacePayment: Sendable, Hashable {
  /// What the surface keeps besides.
  public enum Details: Sendable, Hashable {
    /// Of the cards surface.
    case cards(CardsDetails)
    /// Of the payments surface.
    case payments(PaymentsDetails)
    /// Of the transactions surface.
    case transactions(TransactionsDetails)
  }

  /// The payment.
  public var payment: GatewayPayment
  /// What its surface keeps besides.
  public let details: Details

  /// - Returns: nil for a payment of `/v1`.
  /// - Throws: when the details are none that this version knows.
  public init?(_ payment: GatewayPayment) throws(JSONError) {
    guard let origin = payment.origin else { return nil }
    var scanner = try JSONScanner(origin.details, maximumBytes: PaymentOrigin.maximumDetails)
    try scanner.beginObject()
    switch origin.surface {
    case .cards: details = .cards(try CardsDetails(reading: &scanner))
    case .payments: details = .payments(try PaymentsDetails(reading: &scanner))
    case .transactions: details = .transactions(try TransactionsDetails(reading: &scanner))
    }
    self.payment = payment
  }
}

// MARK: - Words of the surfaces

extension PaymentState {
  /// The word of the cards surface.
  public var cardsWord: String {
    switch self {
    case .created, .processing, .review, .unknown: "processing"
    case .completed: "succeed"
    case .rejected, .error: "error"
    }
  }

  /// The word of the payments surface.
  public var paymentsWord: String {
    switch self {
    case .created, .processing, .review, .unknown: "pending"
    case .completed: "completed"
    case .rejected, .error: "rejected"
    }
  }

  /// The word of the transactions surface.
  public var transactionsWord: String {
    switch self {
    case .created: "CREATED"
    case .processing, .review, .unknown: "PROCESSING"
    case .completed: "COMPLETED"
    case .rejected: "REJECTED"
    case .error: "ERROR"
    }
  }
}

extension PaymentReason {
  /// What an older surface tells people, who know nothing of ours.
  public var surfaceWords: String {
    switch self {
    case .cancelled: "the payment was cancelled"
    case .riskBlocked: "the payment was declined by the risk check"
    case .reviewRequired: "the payment was declined: a person would have to review it"
    case .reviewDeclined: "the payment was declined by a review"
    case .reviewTimeout: "the payment was declined: nobody has reviewed it in time"
    case .insufficientFunds: "insufficient funds"
    case .ledgerRefused: "the payment was declined: its accounts do not allow it"
    case .bankDeclined: "the payment was declined by the bank"
    case .bankUnavailable: "the bank could not be asked in time; nothing was charged"
    case .cardDataLost: "the payment was interrupted before the bank was asked; nothing was charged"
    case .bankUnclear: "the bank has not told yet what became of the payment"
    case .bankNeverCharged: "the bank has charged nothing"
    }
  }
}

/// An amount as Python and JavaScript print a number: `100.0`, `19.99`.
struct ShortDecimal: JSONRepresentable {
  let money: Money

  func appendJSON(to bytes: inout [UInt8]) {
    var digits = Array(money.decimal.utf8)
    if !digits.contains(UInt8(ascii: ".")) { digits += ".0".utf8 }
    while digits.last == UInt8(ascii: "0"), digits[digits.count - 2] != UInt8(ascii: ".") { digits.removeLast() }
    bytes += digits
  }
}
