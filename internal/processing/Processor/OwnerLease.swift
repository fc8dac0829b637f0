internal import Errors
internal import Logger
internal import Postgres
internal import ProcessingDomain
internal import ProcessingStore
internal import Runtime
internal import Synchronization
internal import Values

/// The process's name among those that work on payments, renewed by a thread until somebody has taken its work over;
/// then the process comes back under another name. Callable on any thread.
///
/// The tables decide: an outage of the database loses nobody's lease, and each transaction that asks looks whether the
/// claim is in force.
final class OwnerLease: Sendable {
  private let leases: OwnerLeases
  private let length: Duration
  private let program: String
  private let connection: SerialConnection
  private let logger: Logger
  private let onLost: @Sendable () -> Void
  private let term: Monitor<LeaseTerm>
  private let job = Mutex<PeriodicJob?>(nil)

  /// - Parameters:
  ///   - connection: the lease's own, so that nothing keeps a renewal waiting.
  ///   - onLost: called after the claim is no longer ours.
  init(
    _ leases: OwnerLeases, length: Duration, program: String, connection: SerialConnection, logger: Logger,
    onLost: @escaping @Sendable () -> Void
  ) {
    self.leases = leases
    self.length = length
    self.program = program
    self.connection = connection
    self.logger = logger
    self.onLost = onLost
    term = Monitor(LeaseTerm(length: length))
  }

  /// The claim that we have, as far as we know; nil while there is none.
  var current: Claim? { term.withLock { $0.claim } }

  /// Whether the lease lasts.
  var isHeld: Bool { term.withLock { $0.isHeld(at: .now()) } }

  /// Whether other leases that are over are so for want of their owners.
  var mayTakeOver: Bool { term.withLock { $0.mayTakeOver(at: .now()) } }

  /// Blocks until there is a claim.
  func wait(until deadline: Instant) -> Claim? { term.wait(until: deadline) { $0.claim } }

  /// A transaction found that the claim is not in force any more.
  func lose(_ claim: Claim, _ reason: String) {
    let isOurs = term.update { term in
      guard term.claim == claim else { return false }
      term.lose()
      return true
    }
    guard isOurs else { return }
    logger.warning("the lease on this process's payments is lost", ["reason": .string(reason)])
    onLost()
    // Comes back at once.
    job.withLock { $0 }?.wake()
  }

  /// Begins to register and to renew.
  func start() {
    let job = PeriodicJob(name: "lease") { [self] in run() }
    self.job.withLock { $0 = job }
    job.start()
  }

  /// Renews no more.
  func stop() { job.withLock { $0 }?.stop() }

  /// - Returns: how long to wait before the next time.
  private func run() -> Duration {
    let began = Instant.now()
    let claim = term.withLock { $0.claim }
    do {
      if let claim {
        guard
          try connection.use({ [self] connection throws(DatabaseError) in
            try leases.renew(claim, lease: length, on: connection)
          })
        else {
          lose(claim, "another process has taken its work over")
          return .zero
        }
        hold(claim, from: began)
      } else {
        // Another name each time: what an answer that was lost has registered runs out by itself.
        hold(
          try connection.use { [self] connection throws(DatabaseError) in
            try leases.register(UniqueID.random(), lease: length, program: program, on: connection)
          }, from: began)
      }
      return length / 3
    } catch {
      return min(length / 6, .seconds(1))
    }
  }

  private func hold(_ claim: Claim, from began: Instant) { term.update { $0.hold(claim, from: began) } }

  /// Gives the payments that are left to whoever comes, and forgets the process.
  /// - Parameter giveBack: ends some of the owner's claims.
  func end(_ giveBack: @escaping @Sendable (UniqueID, [UniqueID], Connection) throws(DatabaseError) -> Void) {
    let claim = term.update { term in
      defer { term.lose() }
      return term.claim
    }
    guard let claim else { return }
    do throws(DatabaseError) {
      try connection.use { [leases] connection throws(DatabaseError) in
        var last = UniqueID(high: 0, low: 0)
        while true {
          let ids = try leases.claims(of: claim.owner, after: last, limit: 250, on: connection)
          guard let end = ids.last else { break }
          try giveBack(claim.owner, ids, connection)
          last = end
        }
        try leases.remove(claim.owner, on: connection)
      }
    } catch {
      logger.warning("left without giving everything back; the lease runs out", ["error": .error(error)])
    }
    connection.disconnect()
  }
}
