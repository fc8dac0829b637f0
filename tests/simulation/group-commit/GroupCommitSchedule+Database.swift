import GroupCommit
import Randomness
import SimulationSupport

/// The transactions in the database: they wait for their rows, take their time, and end in one way or another.
extension GroupCommitSchedule {
  func execute(_ transaction: Transaction) {
    let timeout = transaction.hasBriefLocks ? Self.briefLockTimeout : Self.lockTimeout
    guard !tryLock(transaction) else { return }
    lockQueue.append(transaction)
    plan(after: timeout) { self.giveUpLock(transaction) }
  }

  private func subjects(_ transaction: Transaction) -> Set<Int> {
    Set(transaction.calls.filter { !transaction.inFlight.contains($0) }.map { calls[$0].subject })
  }

  private func isBlocked(_ subject: Int, _ transaction: Transaction) -> Bool {
    database.outsiders.contains(subject) || database.holder(of: subject, besides: transaction) != nil
  }

  /// Locks all rows at once, or none.
  private func tryLock(_ transaction: Transaction) -> Bool {
    if conditions.isKeyed, !transaction.isRepetition {
      // Keys are tried, not waited for.
      let passed = transaction.calls.filter {
        database.holder(of: calls[$0].subject, besides: transaction) != nil
      }
      transaction.inFlight.formUnion(passed)
    }
    let subjects = subjects(transaction)
    if subjects.contains(where: { isBlocked($0, transaction) }) { return false }
    database.lock(subjects, for: transaction)
    transaction.isLocked = true
    let duration = chance(conditions.slowTransactions) ? milliseconds(1...400) : random.draw(500_000...5_000_000)
    plan(after: duration) { self.end(transaction) }
    return true
  }

  func wakeLockQueue() {
    lockQueue.removeAll { tryLock($0) }
  }

  private func giveUpLock(_ transaction: Transaction) {
    guard !transaction.isLocked else { return }
    lockQueue.removeAll { $0 === transaction }
    if !transaction.hasBriefLocks {
      for call in transaction.calls {
        calls[call].longWaits += 1
        if calls[call].longWaits > 1, conditions.losses == 0 {
          violate("patience: call \(call) waits long for locks a second time")
        }
      }
    }
    let causes = transaction.calls.filter { isBlocked(calls[$0].subject, transaction) }
    failed(transaction, .lockTimeout, isUnknown: false, causes: Set(causes))
  }

  private func end(_ transaction: Transaction) {
    let all = Set(transaction.calls)
    if chance(conditions.losses) { return lose(transaction) }
    let poison = all.filter { calls[$0].isPoison }
    if !poison.isEmpty {
      rollBack(transaction)
      return failed(transaction, .someCalls, isUnknown: false, causes: poison)
    }
    if database.isBroken {
      rollBack(transaction)
      return failed(transaction, .everyCall, isUnknown: false, causes: all)
    }
    if chance(conditions.conflicts) {
      rollBack(transaction)
      return failed(transaction, .conflict, isUnknown: false, causes: all)
    }
    let outcomes = commit(transaction)
    // A COMMIT that was cancelled while it waited for a standby is committed here, and its connection goes on.
    if chance(conditions.standbyCancels) {
      return failed(transaction, .someCalls, isUnknown: true, causes: all)
    }
    succeeded(transaction, outcomes)
  }

  /// The connection is lost. When the COMMIT had been sent, the server may still be at work.
  private func lose(_ transaction: Transaction) {
    let isUnknown = random.roll(0.6)
    let lingers = isUnknown && random.roll(0.5)
    let isCommitted = isUnknown && !transaction.calls.contains { calls[$0].isPoison } && random.roll(0.6)
    func end() {
      if isCommitted { _ = commit(transaction) } else { rollBack(transaction) }
    }
    if lingers {
      zombies += 1
      plan(after: milliseconds(1...1_500)) {
        self.zombies -= 1
        end()
      }
    } else {
      end()
    }
    failed(transaction, .connectionLost, isUnknown: isUnknown, causes: [])
  }

  private func rollBack(_ transaction: Transaction) {
    database.unlock(transaction)
    wakeLockQueue()
  }

  private func commit(_ transaction: Transaction) -> [Call.Answer] {
    let outcomes = transaction.calls.map { call -> Call.Answer in
      if transaction.inFlight.contains(call) { return .inFlight }
      calls[call].isCommitted = true
      if calls[call].answer == .nothingDone {
        violate("honesty: call \(call) was told that nothing was done and is committed")
      }
      return .outcome(database.settle(calls[call].subject, by: call))
    }
    database.unlock(transaction)
    wakeLockQueue()
    return outcomes
  }
}
