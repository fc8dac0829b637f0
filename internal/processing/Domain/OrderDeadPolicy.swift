/// What becomes of a payment whose order is dead.
public enum OrderDeadPolicy: String, Sendable, Hashable, CaseIterable {
  /// The money goes back to the payer.
  case refund
  /// The money is kept until a person has decided.
  case hold
}
