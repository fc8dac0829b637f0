internal import Admin
internal import DirectDomain
internal import Errors
internal import GatewayAPI
internal import GatewayDomain
internal import GatewayStore
internal import Logger
internal import Metrics
internal import Postgres
internal import ProcessingDomain
internal import Processor
internal import Runtime
internal import Values

/// Ends card payments that nobody has claimed: the gateway that had the number died between the intake and the claim.
/// Any number of gateways may sweep at once; the processor's row decides.
final class CardSweep: ServicePart {
  /// How often to look.
  private static let interval = Duration.seconds(2)
  /// The most payments of one look.
  private static let limit = 200
  /// How many payments are remembered that were complained about.
  private static let mostTold = 10_000
  /// How long ending them may take.
  private static let endTime = Duration.seconds(5)

  private let cards: UnclaimedCards
  private let timeout: Duration
  private let connection: SerialConnection
  private let processor: PaymentProcessor
  private let logger: Logger
  private let ended: Counter
  private let patience: Monitor<ClaimPatience>
  /// The last card of a look that had as many as there may be, some of which could not be ended; nil to begin anew.
  private let last = Monitor<UniqueID?>(nil)
  /// Payments that were complained about.
  private let told = Monitor<Set<UniqueID>>([])
  private let job: Monitor<PeriodicJob?>

  /// - Parameter timeout: the age at which a card payment counts as forgotten.
  init(
    _ cards: UnclaimedCards, after timeout: Duration, _ connection: SerialConnection, _ processor: PaymentProcessor,
    logger: Logger, metrics: MetricsRegistry
  ) {
    self.cards = cards
    self.timeout = timeout
    patience = Monitor(ClaimPatience(timeout))
    self.connection = connection
    self.processor = processor
    self.logger = logger
    ended = metrics.counter(
      "gateway_cards_unclaimed_total", help: "Card payments that ended since no gateway had their number any more.")
    job = Monitor(nil)
  }

  func start() {
    let job = PeriodicJob(name: "card-sweep") { [self] in
      sweep()
      return Self.interval
    }
    self.job.update { $0 = job }
    job.start()
  }

  func stop(until deadline: Instant) { job.withLock { $0 }?.stop(until: deadline) }

  private func sweep() {
    // What this process cannot do, the others cannot either.
    if !processor.checks.allSatisfy(\.isReady) { noteTrouble() }
    do throws(DatabaseError) {
      let (cards, timeout) = (cards, timeout)
      let last = last.withLock(\.self)
      let overdue = try connection.use { connection throws(DatabaseError) in
        try cards.overdue(after: timeout, behind: last, limit: Self.limit, on: connection)
      }
      guard patience.withLock({ $0.isOver(at: .now()) }) else { return }
      let known = end(overdue.compactMap(readable))
      // Those that cannot be ended come again when all others have had their turn.
      let goesOn = overdue.count == Self.limit && known.count < overdue.count
      self.last.update { $0 = goesOn ? overdue.last?.id : nil }
      if !known.isEmpty {
        try connection.use { connection throws(DatabaseError) in try cards.forget(known, on: connection) }
      }
    } catch {
      noteTrouble()
      logger.warning("card payments that nobody claimed are looked for later", ["error": .error(error)])
    }
  }

  private func noteTrouble() { patience.withLock { $0.noteTrouble(at: .now()) } }

  private func readable(_ id: UniqueID, _ payment: Result<GatewayPayment, GatewayStoreError>) -> GatewayPayment? {
    do throws(GatewayStoreError) {
      return try payment.get()
    } catch {
      tell(id, "\(error)")
      return nil
    }
  }

  /// Says once what an operator has to look at; it stays on the list.
  private func tell(_ id: UniqueID, _ error: String) {
    let isNew = told.update { told in
      if told.count >= Self.mostTold { told = [] }
      return told.insert(id).inserted
    }
    guard isNew else { return }
    logger.error(
      "a card payment that nobody claimed cannot be ended", ["payment_id": .describing(id), "error": .string(error)])
  }

  /// Blocks the job's thread until the processor has answered.
  /// - Returns: the payments that processing knows now, ended or claimed: their results are on the way.
  private func end(_ overdue: [GatewayPayment]) -> [UniqueID] {
    guard !overdue.isEmpty else { return [] }
    let known = Monitor<[UniqueID]?>(nil)
    Task { [self] in
      let deadline = Instant.now() + Self.endTime
      let answers = await withTaskGroup(of: UniqueID?.self) { group in
        for payment in overdue {
          group.addTask { [self] in
            let answer = await processor.endUnclaimed(PaymentTerms(payment), .cardLost, deadline: deadline)
            switch answer {
            case .done(let processed):
              if processed.reason == .cardDataLost { ended.add() }
              return payment.id
            case .faulty(let reason):
              tell(payment.id, reason)
              return nil
            case .missing, .refused, .unavailable: return nil
            }
          }
        }
        return await group.reduce(into: [UniqueID]()) { all, id in if let id { all.append(id) } }
      }
      known.update { $0 = answers }
    }
    return known.wait { $0 } ?? []
  }
}
