internal import Bank
internal import Synchronization
internal import Values

/// Cards that wait for room at the bank, in the order in which they came. All else waits in the tables.
final class SlotQueue: Sendable {
  /// How a wait ends.
  enum End: Sendable {
    /// The waiter has a slot.
    case slot
    /// It waits no longer: the time is up, or the process has lost its lease or ends.
    case over
  }

  private struct Waiter {
    let until: Instant
    let continuation: CheckedContinuation<End, Never>
  }

  private struct State {
    /// The first one is at `first`.
    var waiters: [Waiter] = []
    var first = 0
    var next = Instant.distantFuture
    var isClosed = false

    var isEmpty: Bool { first == waiters.count }

    mutating func popFirst() -> Waiter {
      defer {
        first += 1
        if first == waiters.count || first > 1_024 {
          waiters.removeFirst(first)
          first = 0
        }
      }
      return waiters[first]
    }
  }

  private let state = Mutex(State())

  /// How many wait.
  var count: Int { state.withLock { $0.waiters.count - $0.first } }

  /// Waits for a slot. Whoever adds a waiter has the queue pumped afterwards.
  func wait(until: Instant, added: @Sendable () -> Void) async -> End {
    await withCheckedContinuation { continuation in
      let isClosed = state.withLock { state in
        guard !state.isClosed else { return true }
        state.waiters.append(Waiter(until: until, continuation: continuation))
        state.next = min(state.next, until)
        return false
      }
      if isClosed { continuation.resume(returning: .over) } else { added() }
    }
  }

  /// Gives slots to those who wait longest.
  /// - Returns: whether somebody waits for whom there was no slot.
  func pump(_ bank: any BankAsking) -> Bool {
    while !state.withLock({ $0.isEmpty }) {
      guard bank.reserve(1) == 1 else { return true }
      guard let waiter = state.withLock({ $0.isEmpty ? nil : $0.popFirst() }) else {
        // Whoever waited has given up meanwhile.
        bank.release(1)
        return false
      }
      waiter.continuation.resume(returning: .slot)
    }
    return false
  }

  /// Ends the waits whose time is up.
  func expire(now: Instant) {
    let expired = state.withLock { state -> [Waiter] in
      guard state.next <= now else { return [] }
      let waiting = state.waiters[state.first...]
      let expired = waiting.filter { $0.until <= now }
      state.waiters = waiting.filter { $0.until > now }
      state.first = 0
      state.next = state.waiters.reduce(.distantFuture) { min($0, $1.until) }
      return expired
    }
    for waiter in expired { waiter.continuation.resume(returning: .over) }
  }

  /// Ends all waits.
  /// - Parameter isLast: whether nobody may wait from now on.
  func endAll(isLast: Bool = false) {
    let ended = state.withLock { state in
      defer {
        state.waiters = []
        state.first = 0
        state.next = .distantFuture
        state.isClosed = state.isClosed || isLast
      }
      return state.waiters[state.first...]
    }
    for waiter in ended { waiter.continuation.resume(returning: .over) }
  }
}
