public import ProcessingDomain

/// A payment that ends before anybody has claimed it.
public struct UnclaimedPayment: Sendable, Hashable {
  /// The payment; what it says of asking counts for nothing.
  public let payment: NewPayment
  /// How it ends.
  public let end: ProcessedPayment.UnclaimedEnd
  /// Who asked for that: 1 to 255 bytes; nil when nobody did.
  public let requester: String?

  /// A payment and its end.
  public init(_ payment: NewPayment, ends end: ProcessedPayment.UnclaimedEnd, requester: String? = nil) {
    self.payment = payment
    self.end = end
    self.requester = requester
  }
}
