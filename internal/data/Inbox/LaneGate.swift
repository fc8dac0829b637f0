internal import Runtime
internal import Values

/// Keeps rebalances and the lanes' work apart: a lane is inside while it polls and works on messages, and a rebalance
/// changes the owners of partitions while no lane is inside.
///
/// So a batch never mixes up messages from before and after a change of owner. All functions block; they are for
/// threads of our own.
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

  /// Goes out.
  func leave() {
    state.update { state in
      precondition(state.inside > 0, "only a lane that entered can leave")
      state.inside -= 1
    }
  }

  /// Closes the gate, runs `change` once nobody is inside or at `deadline`, and opens the gate again.
  /// - Parameter hurry: called once the gate is closed, to make lanes leave soon.
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
