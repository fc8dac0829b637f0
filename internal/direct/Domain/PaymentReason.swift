/// Why a payment is in its state. The raw values are those of tables, topics and API.
public enum PaymentReason: String, Sendable, Hashable, CaseIterable {
  case cancelled
  case riskBlocked = "risk_blocked"
  case reviewRequired = "review_required"
  case reviewDeclined = "review_declined"
  case reviewTimeout = "review_timeout"
  case insufficientFunds = "insufficient_funds"
  /// The ledger refused for another reason, such as an account that does not exist.
  case ledgerRefused = "ledger_refused"
  case bankDeclined = "bank_declined"
  /// The bank could not be asked in time.
  case bankUnavailable = "bank_unavailable"
  /// The process that had the card number ended before it asked the bank.
  case cardDataLost = "card_data_lost"
  /// The bank's answer was lost or could not be understood.
  case bankUnclear = "bank_unclear"
  /// The bank knew nothing of the payment, and promised to refuse it from then on.
  case bankNeverCharged = "bank_never_charged"
}
