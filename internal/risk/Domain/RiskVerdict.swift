/// What risk says of a payment. The raw values are those of the table.
public enum RiskVerdict: String, Sendable, Hashable, CaseIterable {
  case allow, review, block
}

/// Which verdict a payment gets whose features cannot be had. The raw values are those of `RISK_FAIL`.
public enum RiskFailure: String, Sendable, Hashable, CaseIterable {
  /// It is allowed.
  case open
  /// A person has to decide; a card, which cannot wait for a person, is blocked.
  case closed
}
