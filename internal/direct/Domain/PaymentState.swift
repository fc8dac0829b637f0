/// What callers see of a payment. The raw values are those of tables, topics and API.
public enum PaymentState: String, Sendable, Hashable, CaseIterable {
  /// Taken in; nobody works on it.
  case created = "CREATED"
  /// Somebody works on it.
  case processing = "PROCESSING"
  /// A person has to decide.
  case review = "REVIEW"
  /// The bank was asked and has not told. Never final.
  case unknown = "UNKNOWN"
  /// Paid. Final.
  case completed = "COMPLETED"
  /// Risk, ledger, bank, a person or the payer said no. Final.
  case rejected = "REJECTED"
  /// A technical fault, and certainly nothing was charged. Final.
  case error = "ERROR"

  /// Whether the state stays for ever.
  public var isFinal: Bool {
    switch self {
    case .completed, .rejected, .error: true
    case .created, .processing, .review, .unknown: false
    }
  }
}
