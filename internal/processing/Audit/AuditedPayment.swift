internal import Values

/// A payment as processing and the ledger have it in one snapshot. Text is as the tables have it: the audit judges rows
/// that no other part can read, too.
struct AuditedPayment: Hashable {
  /// A transfer of the payment.
  struct Movement: Hashable {
    var kind: Int16
    var debit: UniqueID
    var credit: UniqueID
    var amount: Int64
    var currency: String
  }

  /// What a refund gives back.
  struct Refund: Hashable {
    var of: UniqueID
    var cause: String
    /// The payment; nil when it is not there.
    var payment: Original?
  }

  /// The payment of a refund.
  struct Original: Hashable {
    var userID: UniqueID
    var method: String
    var currency: String
    var debit: UniqueID
    var credit: UniqueID
    var state: String
    var isRefund: Bool
  }

  /// A call to the bank.
  struct Attempt: Hashable {
    var askedAt: Timestamp
    var call: String
    var answer: String?
  }

  var id: UniqueID
  var userID: UniqueID
  var method: String
  var amount: Int64
  var currency: String
  var debit: UniqueID
  var credit: UniqueID
  var orderID: Int64?
  var state: String
  var version: Int64
  var stage: String
  var askedAt: Timestamp?
  var claimOwner: UniqueID?
  var hasHold: Bool
  var due: Timestamp?
  /// Of a refund.
  var refund: Refund?
  /// For how long it has been as it is, by the database's clock.
  var age: Duration

  /// The hold, or the only movement.
  var movement: Movement?
  /// What became of the hold.
  var resolution: Movement?
  /// What a statement has settled.
  var settlement: Movement?
  /// By ascending time.
  var attempts: [Attempt] = []
  /// The owner in the side table of claims.
  var claimRow: UniqueID?
  /// Whether that owner is registered.
  var hasOwner = false
  var hasDueRow = false
  var hasSettlement = false
  var isOrderDead = false
  /// The sum of its refunds that are neither REJECTED nor ERROR.
  var refunded: Int64 = 0
  /// Whether a refund takes its money out of suspense.
  var isRefundedFromSuspense = false
  /// What was put aside because it was charged and is not COMPLETED.
  var putAside: Movement?
  /// What a person has moved out of suspense.
  var release: Movement?

  /// Whether it is in a state that stays.
  var isFinal: Bool { Self.isFinal(state) }

  static func isFinal(_ state: String) -> Bool { ["COMPLETED", "REJECTED", "ERROR"].contains(state) }
}

/// A payment as the gateway has it.
struct AuditedIntake: Hashable {
  var id: UniqueID
  var userID: UniqueID
  var method: String
  var amount: Int64
  var currency: String
  var orderID: Int64?
  var state: String
  var version: Int64
  /// The state that the history has under this version.
  var historyState: String?
  /// For how long it has been as it is, by the gateway's clock.
  var age: Duration
}

/// The saga's payment of an order.
struct AuditedOrder: Hashable {
  var status: String
  var reason: String
}
