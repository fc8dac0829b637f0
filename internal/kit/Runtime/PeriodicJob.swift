internal import Synchronization
public import Values

/// A thread of its own that does something again and again, from `start` until `stop`.
public final class PeriodicJob: ServicePart {
  private struct State {
    var isStopped = false
    var isWoken = false
  }
  /// Kept until `start`, and then by the thread alone: it often holds whoever has the job.
  private struct Work {
    var body: (@Sendable () -> Duration)?
  }
  private let name: String
  private let work: Mutex<Work>
  private let state = Monitor(State())
  private let thread = Mutex<WorkerThread?>(nil)

  /// - Parameter body: does the work and returns how long to wait before the next time. It must return soon after
  ///   `stop` was called.
  public init(name: String, _ body: @escaping @Sendable () -> Duration) {
    self.name = name
    work = Mutex(Work(body: body))
  }

  /// Starts the thread; the first run begins at once.
  public func start() {
    guard let body = work.withLock({ $0.body }) else { return }
    work.withLock { $0.body = nil }
    thread.withLock { thread in
      thread = WorkerThread(name: name) { [state, body] in
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
    }
  }

  /// Ends the present wait. Callable on any thread.
  public func wake() { state.update { $0.isWoken = true } }

  /// Ends the thread. Not to be called by the body.
  /// - Parameter deadline: has no effect: the body is let to return, however long that takes.
  public func stop(until deadline: Instant = .distantFuture) {
    state.update { $0.isStopped = true }
    thread.withLock { $0 }?.join()
  }
}
