public import Bank
public import LedgerStore
public import Logger
public import Metrics
public import Postgres
public import ProcessingDomain
public import ProcessingSettings
public import ProcessingStore
public import Runtime
public import Values

/// Executes payments: one a process, in `payments-processor` and in the gateways. Callable on any thread.
public final class PaymentProcessor: ServicePart {
  /// What a processor sees to besides what it is given.
  public enum Role: Sendable {
    /// Everything: what is due, and what dead processes leave behind.
    case processor
    /// Nothing else: the processor of a gateway.
    case gateway
  }

  private let limit: Int
  private let cards = Monitor(0)

  /// Prepares a processor; the tables must be there.
  /// - Parameters:
  ///   - role: what it sees to.
  ///   - database: sessions for steps, which get index plans only.
  ///   - program: for people who look at the tables.
  ///   - stop: ends waits for the database.
  ///   - onCommit: called on any thread after commits that may have written results; must not block.
  public init(
    _ options: ProcessorOptions, _ role: Role, store: ProcessingStore, ledger: LedgerStore, leases: OwnerLeases,
    bank: any BankAsking, database: DatabaseConfiguration, program: String, logger: Logger, metrics: MetricsRegistry,
    stop: StopFlag, onCommit: @escaping @Sendable () -> Void
  ) {
    limit = options.cardQueue
  }

  /// Begins to work.
  public func start() {}

  /// Takes nothing new, waits for the bank's answers until the deadline, and gives back what is left.
  public func stop(until deadline: Instant) {}

  /// Takes a place among the cards in memory, before the payment is stored. - Returns: nil when there is none.
  public func reserveCard() -> CardPlace? {
    let isTaken = cards.update { count in
      guard count < limit else { return false }
      count += 1
      return true
    }
    return isTaken ? CardPlace { [cards] in cards.update { $0 -= 1 } } : nil
  }

  /// Executes a card payment, after its gateway transaction has committed. Does not block.
  public func submit(_ payment: CardPayment, at place: CardPlace) {}

  /// Cancels a payment, claimed or not, unless the bank has been asked.
  public func cancel(_ terms: PaymentTerms, deadline: Instant) async -> PaymentAnswer {
    .unavailable(mayHaveHappened: false)
  }

  /// Ends a payment that nobody has claimed; one that somebody has claimed stays as it is.
  /// - Returns: `done` with the payment as it is then.
  public func endUnclaimed(
    _ terms: PaymentTerms, _ end: ProcessedPayment.UnclaimedEnd, deadline: Instant
  ) async -> PaymentAnswer { .unavailable(mayHaveHappened: false) }

  /// Ends a payment's review.
  /// - Parameter person: who decides; cut at 255 bytes.
  public func review(
    _ id: UniqueID, approves: Bool, by person: String, deadline: Instant
  ) async -> PaymentAnswer { .unavailable(mayHaveHappened: false) }
}
