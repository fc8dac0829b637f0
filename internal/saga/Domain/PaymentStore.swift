public import Values

/// What the payment use cases need from storage. Implementations batch the writes of concurrent callers.
public protocol PaymentStore: Sendable {
  /// Opens the payment and its first event in one transaction.
  /// - Parameter deadline: when to give up waiting; a command is never begun after it.
  func create(_ command: CreateCommand, deadline: Instant) async throws(PaymentError) -> CreateOutcome
  /// What an earlier call with the command's key was answered, when it was the same request; nil when there is none, or
  /// another request: `create` then decides. Reads only.
  func replay(_ command: CreateCommand, deadline: Instant) async throws(PaymentError) -> CreateOutcome?
  /// Settles the payment with its event in one transaction.
  func settle(_ command: SettleCommand, deadline: Instant) async throws(PaymentError) -> Payment
  /// The payment of an order, or nil.
  func find(orderID: Int64, deadline: Instant) async throws(PaymentError) -> Payment?
  /// Payments with ids above `after`, ascending; see `PaymentPage`.
  func list(_ query: PaymentQuery, deadline: Instant) async throws(PaymentError) -> PaymentPage
}

/// Which payments to list.
public struct PaymentQuery: Sendable, Hashable {
  /// The order in which they come, with where the page begins.
  public enum Order: Sendable, Hashable {
    /// Ascending by id, only those above one.
    case oldestFirst(after: Int64)
    /// Descending by id, only those below one, and only those created since then; nil for all.
    case newestFirst(before: Int64?, since: Timestamp?)
  }

  /// Only this status; nil for all.
  public let status: PaymentStatus?
  /// At most this many, 1 to `PaymentLimits.pageSize`.
  public let limit: Int
  /// How they come.
  public let order: Order

  /// - Throws: `invalidArgument` when a value is out of its range.
  public init(status: PaymentStatus?, pageSize: Int, _ order: Order) throws(PaymentError) {
    guard pageSize >= 0 else {
      throw PaymentError(.invalidArgument, "page_size must not be below 0, found \(pageSize)", field: "page_size")
    }
    self.status = status
    limit = pageSize == 0 ? PaymentLimits.defaultPageSize : min(pageSize, PaymentLimits.pageSize)
    self.order = order
  }

  /// Ascending by id, only those above one.
  /// - Throws: as the other.
  public init(status: PaymentStatus?, pageSize: Int, after: Int64) throws(PaymentError) {
    try self.init(status: status, pageSize: pageSize, .oldestFirst(after: after))
  }
}

/// A page of payments. It may hold fewer than were asked for, even none, while there are more: each page reads a
/// bounded number of rows, and leaves out those that cannot be read as payments.
public struct PaymentPage: Sendable, Hashable {
  /// In the order that was asked for.
  public let payments: [Payment]
  /// Where the next page starts; nil after the last.
  public let next: Int64?

  /// - Parameter next: where the next page starts; nil after the last.
  public init(payments: [Payment], next: Int64?) {
    self.payments = payments
    self.next = next
  }
}
