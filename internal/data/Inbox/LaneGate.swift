internal import Runtime
internal import Values

/// What keeps a rebalance and the lanes' work apart: lanes are inside while they take messages and work on them, and a
/// rebalance changes who owns what while nobody is.
///
/// So a batch never holds messages from before a change of ownership that it takes for messages from after it. All
/// functions block; for threads of our own.
final class LaneGate: Sendable {
  private struct State {
    var inside = 0
    var isClosed = false
  }
  private let state = Monitor(State())

  /// Waits until the gate is open and goes in.
  func enter() {
    _ = state.wait { state -> Bool? in
      if state.isClosed { return nil }
      state.inside += 1
      return true
    }
  }

  func leave() {
    state.update { state in
      precondition(state.inside > 0, "who leaves has entered")
      state.inside -= 1
    }
  }

  /// Lets nobody in while `change` runs, which begins once everybody has left, or at `deadline`.
  /// - Parameter hurry: called once the gate is closed, to make those inside come out.
  /// - Returns: false when `change` ran although somebody was inside.
  func closed(until deadline: Instant, hurry: () -> Void, change: () -> Void) -> Bool {
    state.withLock { $0.isClosed = true }
    defer { state.update { $0.isClosed = false } }
    hurry()
    let isEmpty = state.wait(until: deadline) { $0.inside == 0 ? true : nil } ?? false
    change()
    return isEmpty
  }
}
