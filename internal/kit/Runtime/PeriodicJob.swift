internal import Synchronization
internal import Values

/// A thread of our own that does something again and again until it is stopped.
public final class PeriodicJob: Sendable {
  private struct State {
    var isStopped = false
    var isWoken = false
  }
  private let state = Monitor(State())
  private let thread = Mutex<WorkerThread?>(nil)

  /// Starts at once.
  /// - Parameter body: does the work and says how long to wait before the next time. It must return soon after `stop`.
  public init(name: String, _ body: @escaping @Sendable () -> Duration) {
    let state = self.state
    let worker = WorkerThread(name: name) {
      while true {
        if state.withLock({ $0.isStopped }) { return }
        let pause = body()
        let isOver = state.wait(until: .now() + pause) { state -> Bool? in
          if state.isStopped { return true }
          guard state.isWoken else { return nil }
          state.isWoken = false
          return false
        }
        if isOver == true { return }
      }
    }
    thread.withLock { $0 = worker }
  }

  /// Ends the present wait. Callable on any thread.
  public func wake() { state.update { $0.isWoken = true } }

  /// Lets the body return and ends the thread; blocks until it has ended. Not to be called by the body.
  public func stop() {
    state.update { $0.isStopped = true }
    thread.withLock { $0 }?.join()
  }
}
