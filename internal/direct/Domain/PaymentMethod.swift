/// How a payment is paid.
public enum PaymentMethod: String, Sendable, Hashable, CaseIterable {
  /// By card. The number travels in the memory of one process only.
  case card
  /// From an account outside, through the bank.
  case account
  /// By the bank's token of an earlier charge.
  case token
  /// From a balance that the ledger keeps. The bank is not asked.
  case balance

  /// Whether the bank has to charge somebody.
  public var needsBank: Bool { self != .balance }
}
