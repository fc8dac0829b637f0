internal import Errors
internal import Logger
internal import Postgres
internal import ProcessingDomain
internal import ProcessingSettings
internal import ProcessingStore
internal import Synchronization
internal import Values

/// What processes leave behind. Runs on a thread of its own.
extension PaymentProcessor {
  private static var page: Int { 250 }

  /// Takes over from processes whose lease is over, and looks after claims of our own that memory does not have.
  /// - Returns: how long to wait before the next time.
  func seeToClaims() -> Duration {
    guard !isEnding, let claim = lease.current else { return .milliseconds(200) }
    do throws(DatabaseError) {
      if role == .processor {
        if lease.mayTakeOver { for owner in try expired(by: claim) { try takeOver(from: owner) } }
        metrics.show(
          try caretaker.use { [store] connection throws(DatabaseError) in try store.openCounts(on: connection) })
      }
      try sweep(claim.owner)
      claimsObstacle.withLock { $0.note(nil, at: .now()) }
    } catch {
      claimsObstacle.withLock { $0.note(error: error, at: .now()) }
    }
    return options.lease / 2
  }

  private func expired(by claim: Claim) throws(DatabaseError) -> [UniqueID] {
    try caretaker.use { [leases, options] connection throws(DatabaseError) in
      try leases.takeExpired(by: claim, lease: options.lease, on: connection)
    }
  }

  /// Whoever had the payments writes nothing any more: its epoch was raised.
  private func takeOver(from owner: UniqueID) throws(DatabaseError) {
    var count = 0
    try forEachPage(of: owner) { ids in count += carryOut(.takeOver(from: owner), on: ids) }
    if count > 0 {
      logger.warning(
        "took payments over from a process that is gone", ["owner": .describing(owner), "payments": .number(count)])
    }
    // One with payments that nobody can read stays, and comes again when the lease that we have taken is over.
    try caretaker.use { [leases] connection throws(DatabaseError) in try leases.remove(owner, on: connection) }
  }

  /// A claim is written for what is in hand. One that is not in hand was written by a transaction whose end nobody has
  /// waited for: the bank may have been asked only if somebody had it in hand, and that somebody has told its answer.
  private func sweep(_ owner: UniqueID) throws(DatabaseError) {
    try forEachPage(of: owner) { ids in
      // While we have it nobody here begins to ask for it.
      let lost = ids.filter { inHand.take($0) }
      let count = carryOut(.takeOver(from: owner), on: lost)
      for id in lost { inHand.letGo(id) }
      if count > 0 {
        logger.warning("gave up payments that this process does not have", ["payments": .number(count)])
      }
    }
  }

  private func forEachPage(of owner: UniqueID, _ body: ([UniqueID]) -> Void) throws(DatabaseError) {
    var last = UniqueID(high: 0, low: 0)
    while !isEnding {
      let ids = try caretaker.use { [leases, last] connection throws(DatabaseError) in
        try leases.claims(of: owner, after: last, limit: Self.page, on: connection)
      }
      guard let end = ids.last else { return }
      body(ids)
      last = end
    }
  }
}
