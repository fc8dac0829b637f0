internal import Values

/// Calls that wait for a thread, oldest first, each until its deadline. Pure bookkeeping.
struct CallQueue<Call> {
  private let limit: Int
  private var waiting: [(call: Call, deadline: Instant)] = []
  private(set) var isClosed = false

  init(limit: Int) { self.limit = limit }

  /// - Returns: false when there is no room, or no more calls are taken.
  mutating func admit(_ call: Call, until deadline: Instant) -> Bool {
    guard !isClosed, waiting.count < limit else { return false }
    waiting.append((call, deadline))
    return true
  }

  /// Removes the oldest call.
  mutating func next() -> Call? { waiting.isEmpty ? nil : waiting.removeFirst().call }

  /// When the next call's time is up.
  var nextExpiry: Instant { waiting.lazy.map(\.deadline).min() ?? .distantFuture }

  /// Removes and gives back the calls whose time is up.
  mutating func expire(at now: Instant) -> [Call] {
    let late = waiting.filter { $0.deadline <= now }.map(\.call)
    if !late.isEmpty { waiting.removeAll { $0.deadline <= now } }
    return late
  }

  /// Takes no more calls, and gives back those that wait.
  mutating func close() -> [Call] {
    isClosed = true
    defer { waiting = [] }
    return waiting.map(\.call)
  }
}
