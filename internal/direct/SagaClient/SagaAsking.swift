public import Tracing
public import Values

/// Asks the saga for payments of orders and settles them.
public protocol SagaAsking: Sendable {
  /// The saga's payment of an order.
  /// - Parameters:
  ///   - trace: what asks, for the saga's spans; nil when that is not known.
  ///   - deadline: until when to wait for the answer.
  /// - Returns: nil when the saga does not know the order.
  func payment(
    ofOrder order: Int64, trace: TraceContext?, deadline: Instant
  ) async -> Result<SagaPayment?, SagaFailure>

  /// Settles the payment of an order as COMPLETED. May be made any number of times with one effect.
  /// - Parameters:
  ///   - reason: names whoever settles; at most 500 bytes. The saga keeps the first.
  ///   - trace: what settles; goes on to the saga's event. Nil when that is not known.
  ///   - deadline: until when to wait for the answer.
  func settle(order: Int64, reason: String, trace: TraceContext?, deadline: Instant) async -> SettleAnswer
}

/// Why the saga gave no answer that can be used. Asking again later is safe, and the only thing to do.
public struct SagaFailure: Error, Sendable, Hashable, CustomStringConvertible {
  /// For a log: what was expected and what was found.
  public let description: String

  /// A failure.
  public init(_ description: String) { self.description = description }
}

/// What the saga says to a settlement.
public enum SettleAnswer: Sendable, Hashable {
  /// COMPLETED, by us.
  case settled
  /// COMPLETED by somebody else, for the reason that the saga has kept.
  case settledByAnother(reason: String)
  /// FAILED, and stays so.
  case refused(String)
  /// The saga does not know the order.
  case unknownOrder
  /// No answer, or none that can be used; it may have been settled all the same.
  case unavailable(SagaFailure)
}
