import Glibc
import Runtime
import Values

/// Accepts connections on a thread of its own and serves each on another, up to a limit; beyond it, and while shut,
/// new connections are closed at once.
final class Acceptor: Sendable {
  private struct State {
    var isShut = false
    var open: Set<Int32> = []
  }
  private let state = Monitor(State())
  private let limit: Int

  /// - Parameter serve: serves one socket until it ends; the socket is closed afterwards.
  init(_ listener: Int32, name: String, limit: Int, _ serve: @escaping @Sendable (Int32) -> Void) {
    self.limit = limit
    let accept = WorkerThread(name: name) { [self] in
      while true {
        let socket = Glibc.accept(listener, nil, nil)
        if socket < 0 {
          if errno == EINTR || errno == ECONNABORTED { continue }
          // Out of file descriptors: wait for connections to end instead of spinning.
          _ = state.wait(until: Instant.now() + .milliseconds(100)) { _ in nil as Bool? }
          continue
        }
        guard admit(socket) else {
          close(socket)
          continue
        }
        _ = WorkerThread(name: name) { [self] in
          serve(socket)
          leave(socket)
        }
      }
    }
    _ = accept  // runs for as long as the program
  }

  /// Cuts all connections and closes new ones at once, or takes new ones again.
  func setShut(_ isShut: Bool) {
    state.update { state in
      state.isShut = isShut
      if isShut { for socket in state.open { shutdown(socket, Int32(SHUT_RDWR)) } }
    }
  }

  private func admit(_ socket: Int32) -> Bool {
    state.update { state in
      if state.isShut || state.open.count >= limit { return false }
      state.open.insert(socket)
      return true
    }
  }

  private func leave(_ socket: Int32) {
    state.update { state in
      state.open.remove(socket)
      close(socket)  // under the lock, so that setShut cannot meet the number's next bearer
    }
  }
}
