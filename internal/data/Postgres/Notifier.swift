public import Logger
public import Runtime
internal import Synchronization
public import Values

/// Tells the `Listener`s of a channel, in this process and in others, that something has been committed: by a NOTIFY of
/// its own after the commit.
///
/// Not inside the transactions that write: there it takes a global lock and halves their rate. At most one goes out
/// every few milliseconds, however many commits there are. A lost one must cost a poll interval and nothing else.
public final class Notifier: ServicePart {
  /// The shortest time between two notifications, unless told otherwise.
  public static let debounce = Duration.milliseconds(1)

  private let channel: String
  private let debounce: Duration
  private let pool: ConnectionPool
  private let logger: Logger
  private let isNeeded: @Sendable () -> Bool
  private struct State {
    var isPending = false
    var isStopped = false
  }
  private let state = Monitor(State())
  private let thread = Mutex<WorkerThread?>(nil)

  /// - Parameters:
  ///   - debounce: the shortest time between two notifications; the first of a while goes out at once.
  ///   - isNeeded: whether anybody may be listening who must be told; asked at each commit, on its thread. Must not
  ///     block.
  public init(
    channel: String, debounce: Duration = Notifier.debounce, pool: ConnectionPool, logger: Logger,
    isNeeded: @escaping @Sendable () -> Bool = { true }
  ) {
    self.channel = channel
    self.debounce = debounce
    self.pool = pool
    self.logger = logger.labelled("notifier")
    self.isNeeded = isNeeded
  }

  /// What notifies channels when it is run, for those who have a connection and no hurry.
  public static func commands(_ channels: String...) -> [Command] {
    [RelaxedCommit.command]
      + channels.map { Command(Statement("NOTIFY \(quoteIdentifier($0))", isReadOnly: true)) }
  }

  /// Starts the thread that sends.
  public func start() {
    thread.withLock { $0 = WorkerThread(name: "notifier") { [self] in run() } }
  }

  /// Says that a transaction has committed. Callable on any thread; costs no round trip.
  public func notify() {
    guard isNeeded() else { return }
    // The thread is woken once for all commits that it has not told of yet.
    if state.withLock({ $0.isPending }) { return }
    state.update { $0.isPending = true }
  }

  /// Ends the thread.
  public func stop(until deadline: Instant = .distantFuture) {
    state.update { $0.isStopped = true }
    thread.withLock { $0 }?.join()
  }

  private func run() {
    let commands = Self.commands(channel)
    while takePending() {
      pool.submit(deadline: .now() + .seconds(1)) { [logger] result in
        do {
          _ = try result.get().run(commands)
        } catch {
          logger.debug("others were not told; they will poll", ["error": .error(error)])
        }
      }
      // Commits of the next few milliseconds fold into one notification.
      _ = state.wait(until: .now() + debounce) { $0.isStopped ? true : nil }
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
}
