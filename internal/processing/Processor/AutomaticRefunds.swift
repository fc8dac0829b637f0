internal import Crypto
internal import Errors
public import Logger
public import Postgres
public import ProcessingDomain
public import ProcessingStore
public import Runtime
internal import Synchronization
public import Values

/// Opens the refunds that nobody asks for: of payments whose orders are dead, and of charges without a payment. Both
/// are found by their open exceptions, so that it does not matter who has found them out.
///
/// Any number of processes may run it: the refund's id is made of payment, cause, and how many there were before.
public final class AutomaticRefunds: ServicePart {
  /// How often to look.
  private static let interval = Duration.seconds(1)
  /// How often to close what is settled.
  private static let closing = Duration.seconds(10)

  private let connection: SerialConnection
  private let store: ProcessingStore
  private let reader: RefundReader
  private let causes: Set<RefundCause>
  private let processor: PaymentProcessor
  private let logger: Logger
  private let obstacle: Mutex<ObstacleLog>
  private let refused = Mutex(RefusedRefunds())
  private let nextClosing = Mutex(Instant.now())
  private let job = Mutex<PeriodicJob?>(nil)

  /// - Parameters:
  ///   - connection: its own, to processing's database.
  ///   - policy: whether payments of dead orders are given back.
  ///   - processor: has the refunds executed.
  public init(
    _ connection: SerialConnection, reader: RefundReader = RefundReader(), policy: OrderDeadPolicy,
    processor: PaymentProcessor, logger: Logger
  ) {
    self.connection = connection
    self.reader = reader
    self.processor = processor
    store = processor.store
    causes = policy == .refund ? [.orderDead, .chargedNotCompleted] : [.chargedNotCompleted]
    self.logger = logger.labelled("refunds")
    obstacle = Mutex(ObstacleLog("money should go back, and cannot", self.logger))
  }

  /// Begins to look.
  public func start() {
    let job = PeriodicJob(name: "refunds") { [self] in run() }
    self.job.withLock { $0 = job }
    job.start()
  }

  /// Ends the work.
  public func stop(until deadline: Instant) {
    job.withLock { $0 }?.stop(until: deadline)
    connection.disconnect()
  }

  /// The id of the refund that a payment has for a cause.
  /// - Parameter earlier: how many it has had for that cause before.
  package static func id(of origin: RefundOrigin, earlier: Int = 0) -> UniqueID {
    let number = earlier == 0 ? "" : "\0\(earlier)"
    let text = Array("refund\0\(origin.payment)\0\(origin.cause.rawValue)\(number)".utf8)
    return UniqueID(digest: SHA256.digest(of: text.span.bytes))
  }

  /// One round, on the job's thread.
  /// - Returns: how long to wait before the next.
  package func run() -> Duration {
    do throws(DatabaseError) {
      let passedOver = refused.withLock { refused in
        refused.expire(at: .now())
        return refused.payments
      }
      let wanted = try connection.use { [reader, causes] connection throws(DatabaseError) in
        try reader.wanted(causes, except: passedOver, limit: ProcessingStore.maximumRefunds, on: connection)
      }
      try open(wanted)
      try close()
      note(refused.withLock { $0.reason })
      // Those that are refused are passed over the next time.
      return wanted.count == ProcessingStore.maximumRefunds ? .zero : Self.interval
    } catch {
      obstacle.withLock { $0.note(error: error, at: .now()) }
      return Self.interval
    }
  }

  private func note(_ problem: String?) { obstacle.withLock { $0.note(problem, at: .now()) } }

  /// Opens refunds together; one by one when that fails for good, so that one of them does not keep back the others.
  private func open(_ wanted: [WantedRefund]) throws(DatabaseError) {
    guard !wanted.isEmpty else { return }
    do throws(DatabaseError) {
      try openTogether(wanted)
    } catch  where !error.isRetryable && error.code != .outcomeUnknown {
      for each in wanted {
        do throws(DatabaseError) {
          try openTogether([each])
        } catch  where !error.isRetryable && error.code != .outcomeUnknown {
          pass(over: each.origin, error.description)
        }
      }
    }
  }

  private func pass(over origin: RefundOrigin, _ reason: String) {
    let reason = "payment \(origin.payment), \(origin.cause.rawValue): \(reason)"
    refused.withLock { $0.note(origin.payment, reason, at: .now()) }
  }

  /// In one transaction.
  private func openTogether(_ wanted: [WantedRefund]) throws(DatabaseError) {
    let orders = wanted.map {
      NewRefund(RefundOrder(id: Self.id(of: $0.origin, earlier: $0.earlier), origin: $0.origin, amount: nil))
    }
    let results = try connection.use { [store] connection throws(DatabaseError) in
      try store.open(orders, on: connection)
    }
    var refunds: [StoredRefund] = []
    for (origin, result) in zip(wanted.map(\.origin), results) {
      switch result {
      case .opened(let refund):
        refunds.append(refund)
        logger.warning(
          "money goes back that nobody asked for",
          [
            "payment_id": .describing(origin.payment), "refund_id": .describing(refund.stored.payment.id),
            "cause": .string(origin.cause.rawValue), "amount": .describing(refund.stored.payment.amount),
          ])
      // Another process was quicker.
      case .known: break
      case .differs, .missing, .unreadable, .refused: pass(over: origin, "\(result)")
      }
    }
    if !refunds.isEmpty { processor.opened(refunds) }
  }

  private func close() throws(DatabaseError) {
    guard nextClosing.withLock({ $0 <= .now() }) else { return }
    let count = try connection.use { [reader, store] connection throws(DatabaseError) in
      try reader.closeSettled(on: connection) + store.closeReleased(on: connection)
    }
    if count > 0 { logger.info("closed exceptions of what went back or was moved", ["exceptions": .number(count)]) }
    nextClosing.withLock { $0 = .now() + Self.closing }
  }
}
