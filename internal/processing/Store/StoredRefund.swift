internal import Money
public import ProcessingDomain
public import Values

/// A refund with what its caller wanted.
public struct StoredRefund: Sendable, Hashable {
  /// The refund, as a payment in the other direction.
  public var stored: StoredPayment
  /// The caller's words.
  public let note: String?
  /// Whether the caller named no amount, so that it is all that was left.
  public let takesRest: Bool
  /// When it last changed.
  public let updatedAt: Timestamp

  /// A refund.
  public init(stored: StoredPayment, note: String?, takesRest: Bool, updatedAt: Timestamp) {
    self.stored = stored
    self.note = note
    self.takesRest = takesRest
    self.updatedAt = updatedAt
  }

  /// Whether it is what the wish asks for.
  func isOf(_ order: RefundOrder, note: String?) -> Bool {
    guard stored.payment.refund == order.origin, self.note == note, takesRest == (order.amount == nil) else {
      return false
    }
    return order.amount.map { $0 == stored.payment.amount.minorUnits } ?? true
  }
}

/// A wish to give money back, in its caller's words.
public struct NewRefund: Sendable, Hashable {
  /// What is to go back.
  public let order: RefundOrder
  /// The caller's words: 1 to 500 bytes.
  public let note: String?
  /// Who asks: 1 to 255 bytes; nil when nobody does. It does not tell two wishes apart.
  public let requester: String?

  /// A wish.
  public init(_ order: RefundOrder, note: String? = nil, requester: String? = nil) {
    self.order = order
    self.note = note
    self.requester = requester
  }
}

/// What became of a wish to give money back.
public enum RefundResult: Sendable, Hashable {
  /// It was opened now.
  case opened(StoredRefund)
  /// The same wish came before.
  case known(StoredRefund)
  /// Another refund, or a payment, has its id.
  case differs
  /// There is no such payment.
  case missing
  /// A row cannot be read; the rest of the batch went on.
  case unreadable(String)
  /// It is not to be; nothing was written.
  case refused(RefundRefusal)
}
