public import ProcessingDomain
public import Values

/// A payment with what its transitions do not look at.
public struct StoredPayment: Sendable, Hashable {
  /// What transitions look at.
  public var payment: ProcessedPayment
  /// Who pays.
  public let userID: UniqueID
  /// Who is paid.
  public let payeeID: UniqueID
  /// The account number or the bank's token; nil for cards and balances.
  public let source: String?
  /// The saga's order that it pays.
  public let orderID: Int64?

  /// A payment and the rest of its row.
  public init(payment: ProcessedPayment, userID: UniqueID, payeeID: UniqueID, source: String?, orderID: Int64?) {
    self.payment = payment
    self.userID = userID
    self.payeeID = payeeID
    self.source = source
    self.orderID = orderID
  }
}
