public import RiskDomain
public import Values

/// A payment to decide about.
public struct RiskPayment: Sendable, Hashable {
  /// The payment.
  public let id: UniqueID
  /// What rules look at of it.
  public let facts: RiskFacts
  /// Who pays.
  public let userID: UniqueID
  /// Who is paid.
  public let payeeID: UniqueID
  /// Of the card; nil for other methods.
  public let cardFingerprint: [UInt8]?
  /// The number of the account that pays; nil for other methods.
  public let account: String?

  /// A payment.
  public init(
    id: UniqueID, facts: RiskFacts, userID: UniqueID, payeeID: UniqueID, cardFingerprint: [UInt8]?, account: String?
  ) {
    self.id = id
    self.facts = facts
    self.userID = userID
    self.payeeID = payeeID
    self.cardFingerprint = cardFingerprint
    self.account = account
  }
}
