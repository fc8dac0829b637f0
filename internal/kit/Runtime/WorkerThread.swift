internal import CLinux
internal import Glibc
internal import Synchronization

/// A thread of our own, for work that blocks: Swift's cooperative pool must never wait on a socket.
public final class WorkerThread: Sendable {
  private struct State {
    var handle: pthread_t
    var joined = false
  }
  private let state: Mutex<State>

  /// Starts a thread that runs `body` once.
  /// - Parameter name: what `top -H` shows; cut to 15 bytes.
  public init(name: String, _ body: @escaping @Sendable () -> Void) {
    let context = Unmanaged.passRetained(Start(name: name, body: body)).toOpaque()
    var handle = pthread_t()
    let status = pthread_create(&handle, nil, runThread, context)
    precondition(status == 0, "pthread_create failed with \(status): the machine is out of threads or memory")
    state = Mutex(State(handle: handle))
  }

  /// Waits until the thread has returned. Harmless when called again; must not be called on the thread itself.
  public func join() {
    let handle = state.withLock { state -> pthread_t? in
      if state.joined { return nil }
      state.joined = true
      return state.handle
    }
    if let handle { pthread_join(handle, nil) }
  }

  deinit {
    state.withLock { state in
      if !state.joined { pthread_detach(state.handle) }
    }
  }

  fileprivate final class Start {
    let name: String
    let body: @Sendable () -> Void
    init(name: String, body: @escaping @Sendable () -> Void) {
      self.name = name
      self.body = body
    }
  }
}

/// The entry point handed to pthread_create; a file-scope function, so that it inherits no actor.
private func runThread(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  // Retained in WorkerThread.init and released here, once.
  let start = Unmanaged<WorkerThread.Start>.fromOpaque(context!).takeRetainedValue()
  linux_set_thread_name(start.name)
  start.body()
  return nil
}
