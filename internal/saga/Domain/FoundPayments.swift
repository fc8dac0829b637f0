/// What a look into the store brought: payments, and rows that are none.
public struct FoundPayments: Sendable, Hashable {
  /// Payments that can be read, in the order of the query.
  public var payments: [Payment]
  /// Rows that hold what no payment of ours has; what is asked of them fails, and the rest goes on.
  public var unreadable: [UnreadablePayment]

  /// - Parameter unreadable: rows that were found and cannot be read.
  public init(_ payments: [Payment] = [], unreadable: [UnreadablePayment] = []) {
    self.payments = payments
    self.unreadable = unreadable
  }
}

/// A row of the payments' table that cannot be read as a payment, such as one with a status of another version.
public struct UnreadablePayment: Sendable, Hashable {
  /// nil when not even that can be read.
  public let id: Int64?
  /// nil when not even that can be read.
  public let orderID: Int64?
  /// What is wrong with it.
  public let fault: String

  /// - Parameter fault: what is wrong with the row; quotes no text of it.
  public init(id: Int64?, orderID: Int64?, fault: String) {
    self.id = id
    self.orderID = orderID
    self.fault = fault
  }

  /// What a call on it is told: nothing was done.
  public var error: PaymentError {
    let order = orderID.map { "order \($0)" } ?? "an order that cannot be read"
    return PaymentError(.internal, "payment \(id ?? 0) of \(order) cannot be read: \(fault)")
  }
}

extension Payment {
  /// What a stored payment has that no rule of ours allows; nil for a sound one.
  public var fault: String? {
    if id <= 0 { return "id is \(id), expected above 0" }
    if orderID <= 0 { return "order_id is \(orderID), expected above 0" }
    if version <= 0 || version == .max { return "version is \(version), expected 1 to \(Int64.max - 1)" }
    if amountMinor < 0 { return "amount_minor is \(amountMinor), expected 0 or more" }
    if !Validation.isCurrency(currency) { return "currency is not three capital letters" }
    return nil
  }
}
