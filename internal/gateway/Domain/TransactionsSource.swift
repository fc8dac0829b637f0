/// What payments of the transactions surface are paid from.
public enum TransactionsSource: Sendable, Hashable {
  /// An account outside, which the bank knows by the user's name.
  case account
  /// The user's balance here.
  case balance
}
