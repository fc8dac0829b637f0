internal import Errors
internal import Logger
internal import Postgres
internal import ProcessingDomain
internal import ProcessingStore
internal import Runtime
internal import Synchronization
internal import Values

/// The process's name among those that work on payments, renewed by a thread until it is lost; then the process comes
/// back under another name. Callable on any thread.
final class OwnerLease: Sendable {
  private struct State {
    var claim: Claim?
    /// Until when the lease lasts for us, counted from before it was asked for, less a tenth.
    var until = Instant(nanoseconds: 0)
  }

  private let leases: OwnerLeases
  private let length: Duration
  private let program: String
  private let connection: SerialConnection
  private let logger: Logger
  private let onLost: @Sendable () -> Void
  private let state = Monitor(State())
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
  }

  /// The claim in force; nil while there is none.
  var current: Claim? { state.withLock { $0.until > .now() ? $0.claim : nil } }

  /// Blocks until there is a claim in force.
  func wait(until deadline: Instant) -> Claim? {
    state.wait(until: deadline) { $0.until > .now() ? $0.claim : nil }
  }

  /// A transaction found that the claim is not in force any more.
  func lose(_ claim: Claim, _ reason: String) {
    let isOurs = state.update { state in
      guard state.claim == claim else { return false }
      state.claim = nil
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
    let claim = state.withLock { $0.claim }
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
      let isOver = state.withLock { $0.until <= .now() }
      if let claim, isOver { lose(claim, "the database was away for longer than it lasts") }
      return min(length / 6, .seconds(1))
    }
  }

  private func hold(_ claim: Claim, from began: Instant) {
    state.update { $0 = State(claim: claim, until: began + length * 9 / 10) }
  }

  /// Gives the payments that are left to whoever comes, and forgets the process.
  /// - Parameter giveBack: ends some of the owner's claims.
  func end(_ giveBack: @escaping @Sendable (UniqueID, [UniqueID], Connection) throws(DatabaseError) -> Void) {
    let claim = state.update { state in
      defer { state = State() }
      return state.claim
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
