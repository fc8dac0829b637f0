public import Values

/// Where a payment stands. `created` is open; the other two are final.
public enum PaymentStatus: String, Sendable, CaseIterable {
  case created = "CREATED"
  case completed = "COMPLETED"
  case failed = "FAILED"

  /// Whether nothing can change the payment any more.
  public var isFinal: Bool { self != .created }
}

/// How a payment can be settled: the final statuses as a type of their own, so that nothing else can be asked for.
public enum FinalStatus: Sendable {
  case completed
  case failed

  /// The same as a payment's status.
  public var status: PaymentStatus {
    switch self {
    case .completed: .completed
    case .failed: .failed
    }
  }
}

/// The payment of one order, as it is stored.
public struct Payment: Sendable, Hashable {
  /// Given by the database; above zero.
  public var id: Int64
  /// The order it pays; above zero and unique.
  public var orderID: Int64
  /// CREATED, or one of the two that are final.
  public var status: PaymentStatus
  /// Why it failed, or what the caller said when settling it; at most `PaymentLimits.reasonBytes` bytes.
  public var reason: String
  /// 1 when created, one more with every change; the `seq` of the change's event.
  public var version: Int64
  /// The amount in the currency's minor unit (cents); 0 when the order did not say.
  public var amountMinor: Int64
  /// ISO 4217 code of three capital letters; empty when the order did not say.
  public var currency: String
  /// The key of the message that opened it; nil when it was opened by a call.
  public var idempotentKey: UniqueID?
  /// When it was opened, by the database's clock.
  public var createdAt: Timestamp
  /// When its status changed last, by the database's clock.
  public var updatedAt: Timestamp
  /// When an unsettled payment fails by itself; nil when it never does.
  public var expiresAt: Timestamp?

  public init(
    id: Int64, orderID: Int64, status: PaymentStatus, reason: String, version: Int64, amountMinor: Int64,
    currency: String, idempotentKey: UniqueID?, createdAt: Timestamp, updatedAt: Timestamp, expiresAt: Timestamp?
  ) {
    self.id = id
    self.orderID = orderID
    self.status = status
    self.reason = reason
    self.version = version
    self.amountMinor = amountMinor
    self.currency = currency
    self.idempotentKey = idempotentKey
    self.createdAt = createdAt
    self.updatedAt = updatedAt
    self.expiresAt = expiresAt
  }
}

/// The limits on what a caller may say about a payment.
public enum PaymentLimits {
  /// Longest `reason`, in bytes of UTF-8.
  public static let reasonBytes = 500
  /// Largest page of a list.
  public static let pageSize = 1_000
  /// Page size when the caller names none.
  public static let defaultPageSize = 50
  /// Length of a currency code, in letters.
  public static let currencyLetters = 3
}

/// The reason that expiry gives.
public enum PaymentReason {
  /// Nobody settled the payment before `expiresAt`.
  public static let expired = "EXPIRED"
}
