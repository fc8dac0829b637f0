public import Tracing
public import Values

/// One caller's wish to settle an order's payment.
public struct SettleCommand: Sendable, Hashable {
  /// Above 0.
  public let orderID: Int64
  /// The status that the payment should have.
  public let to: FinalStatus
  /// At most `PaymentLimits.reasonBytes` bytes, without NUL; may be empty.
  public let reason: String
  /// The trace that the call belongs to.
  public let trace: TraceContext?
  /// Who calls; nil where nobody was authenticated.
  public let caller: String?
  /// Whether it is made because the payment's time is over.
  public let isExpiry: Bool

  /// Checks the caller's words before they meet anyone else's.
  /// - Parameters:
  ///   - trace: what the call is a part of; passed on with the event.
  ///   - caller: who calls; passed on with the event.
  /// - Throws: `invalidArgument` naming the field.
  public init(
    orderID: Int64, to: FinalStatus, reason: String, trace: TraceContext? = nil, caller: String? = nil
  ) throws(PaymentError) {
    self.orderID = try Validation.orderID(orderID)
    self.to = to
    self.reason = try Validation.reason(reason)
    self.trace = trace
    self.caller = caller
    isExpiry = false
  }

  /// Fails a payment that nobody settled in time.
  /// - Parameter trace: of the sweep; passed on with the event.
  /// - Throws: `invalidArgument` for an order that no payment can have.
  public init(expiring orderID: Int64, trace: TraceContext? = nil) throws(PaymentError) {
    self.orderID = try Validation.orderID(orderID)
    to = .failed
    reason = PaymentReason.expired
    self.trace = trace
    caller = nil
    isExpiry = true
  }

  /// Who asks, as the payment's row keeps it; nil when nobody is known.
  public var origin: String? { PaymentOrigin.line(isExpiry ? PaymentOrigin.expiry : caller, trace) }

  /// Checks an order id on its own, for calls that only read.
  /// - Throws: `invalidArgument`.
  public static func check(orderID: Int64) throws(PaymentError) { _ = try Validation.orderID(orderID) }
}

/// The state machine of a payment, over many callers at once: what each is told, which payments change, which events
/// say so. Pure; the caller holds the locks and does the writing.
public struct SettleBatch: Sendable {
  /// The outcome of each command, in the order they were given.
  public private(set) var outcomes: [Result<Payment, PaymentError>] = []
  /// The payments to write, by ascending order id.
  public private(set) var changed: [Payment] = []
  /// Who asked for each change, in the same order; nil where nobody is known.
  public private(set) var origins: [String?] = []
  /// One event for each changed payment, in the same order.
  public private(set) var events: [PaymentEvent] = []

  /// Decides a batch exactly as if its commands came one after another.
  /// - Parameters:
  ///   - locked: what is stored of the commands' orders, locked against other writers; absent ones do not exist.
  ///   - now: the moment of the change, on the database's clock.
  ///   - newID: makes an event's identity.
  public init(_ commands: [SettleCommand], locked: FoundPayments, now: Timestamp, newID: () -> UniqueID) {
    var current: [Int64: Payment] = [:]
    current.reserveCapacity(locked.payments.count)
    for payment in locked.payments { current[payment.orderID] = payment }
    outcomes.reserveCapacity(commands.count)
    var settlers: [Int64: SettleCommand] = [:]
    for command in commands {
      guard let payment = current[command.orderID] else {
        let unreadable = locked.unreadable.first { $0.orderID == command.orderID }
        outcomes.append(
          .failure(unreadable?.error ?? PaymentError(.notFound, "order \(command.orderID) has no payment")))
        continue
      }
      switch Self.decide(payment, command, now) {
      case .settle(let settled):
        current[command.orderID] = settled
        changed.append(settled)
        settlers[command.orderID] = command
        outcomes.append(.success(settled))
      case .repeated:
        outcomes.append(.success(payment))
      case .conflict:
        let text = "the payment of order \(command.orderID) is already \(payment.status.rawValue)"
        outcomes.append(.failure(PaymentError(.alreadySettled, text)))
      case .noVersion:
        let text = "the payment of order \(command.orderID) has the last version there is"
        outcomes.append(.failure(PaymentError(.internal, text)))
      }
    }
    changed.sort { $0.orderID < $1.orderID }
    origins = changed.map { settlers[$0.orderID]?.origin }
    events = changed.map { payment in
      let settler = settlers[payment.orderID]
      return PaymentEvent(eventID: newID(), payment: payment, trace: settler?.trace, caller: settler?.caller)
    }
  }

  private enum Decision {
    /// `created` can become either final status.
    case settle(Payment)
    /// The same final status again: the stored payment is the answer, its reason included.
    case repeated
    /// The other final status: final means final.
    case conflict
    /// Somebody wrote the largest number into the row: nothing can come after it.
    case noVersion
  }

  private static func decide(_ payment: Payment, _ command: SettleCommand, _ now: Timestamp) -> Decision {
    guard payment.status == .created else {
      return payment.status == command.to.status ? .repeated : .conflict
    }
    guard payment.version < .max else { return .noVersion }
    var settled = payment
    settled.status = command.to.status
    settled.reason = command.reason
    settled.version += 1
    settled.updatedAt = now
    return .settle(settled)
  }
}
