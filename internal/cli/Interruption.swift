import Glibc
import Runtime
import Values

/// Handles SIGINT and SIGTERM: ends the program, or asks a command to end once it has said how.
final class Interruption: Sendable {
  private struct State {
    var isRequested = false
    var onRequest: (@Sendable () -> Void)?
  }

  private let state = Monitor(State())

  /// - Parameter signals: made before any other thread.
  init(_ signals: TerminationSignals) {
    _ = WorkerThread(name: "signals") { [state] in
      while true {
        let signal = signals.wait { leave(128 + SIGHUP) }
        let body = state.update { state in
          defer { state.isRequested = true }
          return state.isRequested ? nil : state.onRequest
        }
        // The second one does not wait.
        guard let body else { leave(128 + signal) }
        body()
      }
    }
  }

  /// From now on the first signal calls `body`, on another thread, instead of ending the program.
  func handle(_ body: @escaping @Sendable () -> Void = {}) { state.update { $0.onRequest = body } }

  var isRequested: Bool { state.withLock { $0.isRequested } }
}
