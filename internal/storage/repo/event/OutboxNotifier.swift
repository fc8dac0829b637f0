public import Database
public import Logger
internal import Runtime
internal import Synchronization

/// Tells relays in other processes that events wait, by a NOTIFY of its own after the commit.
///
/// Not inside the transactions that write events: there it takes a global lock and halves their rate. At most one goes
/// out every few milliseconds, however many commits there are; a lost one costs a poll interval, nothing else.
public final class OutboxNotifier: Sendable {
  /// The channel that relays LISTEN on.
  public static let channel = "paysaga_outbox"
  /// The shortest time between two notifications.
  public static let debounce = Duration.milliseconds(1)

  private let pool: ConnectionPool
  private let logger: Logger
  private let isNeeded: @Sendable () -> Bool
  private struct State {
    var isPending = false
    var isStopped = false
  }
  private let state = Monitor(State())
  private let thread = Mutex<WorkerThread?>(nil)

  /// - Parameter isNeeded: whether any relay outside this process may own a shard; asked before each notification.
  public init(pool: ConnectionPool, logger: Logger, isNeeded: @escaping @Sendable () -> Bool) {
    self.pool = pool
    self.logger = logger.labelled("notifier")
    self.isNeeded = isNeeded
  }

  /// Starts the thread that sends.
  public func start() {
    thread.withLock { $0 = WorkerThread(name: "notifier") { [self] in run() } }
  }

  /// Says that a transaction with events has committed. Callable on any thread; costs no round trip.
  public func notify() { state.update { $0.isPending = true } }

  /// Ends the thread; blocks until it has.
  public func stop() {
    state.update { $0.isStopped = true }
    thread.withLock { $0 }?.join()
  }

  private func run() {
    while takePending() {
      guard isNeeded() else { continue }
      pool.submit(deadline: .now() + .seconds(1)) { [logger] result in
        do {
          _ = try result.get().run([RelaxedCommit.command, Command(Self.statement)])
        } catch {
          logger.debug("relays elsewhere were not told; they will poll", ["error": .error(error)])
        }
      }
      // Commits of the next few milliseconds fold into one notification.
      _ = state.wait(until: .now() + Self.debounce) { $0.isStopped ? true : nil }
    }
  }

  /// Waits for a commit.
  /// - Returns: false when stopped.
  private func takePending() -> Bool {
    state.wait { state in
      if state.isStopped { return false }
      guard state.isPending else { return nil }
      state.isPending = false
      return true
    } ?? false
  }

  private static let statement = Statement("NOTIFY \(channel)", isReadOnly: true)
}
