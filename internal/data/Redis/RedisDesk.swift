internal import Errors
public import Logger
internal import Runtime
internal import Synchronization
internal import Values

/// A desk in front of Redis, for callers that may do without an answer: one thread asks for all of them, as many in a
/// round trip as wait for it. Callers wait only while Redis is known to answer. While it is away, slow or refuses, each
/// hears at once that nothing is known.
///
/// Callable on any thread.
public final class RedisDesk<Question: Sendable, Answer: Sendable>: Sendable {
  /// A question, and who waits for its answer, if anybody does.
  public struct Call: Sendable {
    /// What is asked, or is to be noted.
    public let question: Question
    fileprivate let caller: CheckedContinuation<Answer?, Never>?

    /// Answers it, once; nil when nothing is known.
    public func answer(_ answer: Answer?) { caller?.resume(returning: answer) }
  }

  private struct State {
    var calls: [Call] = []
    var isReachable = false
    var problem: String? = "Redis has not answered yet"
    var isStopped = false
  }

  /// Most calls that wait; beyond it nothing is known, and nothing noted.
  private static var queue: Int { 8_192 }
  /// The longest that Redis may keep callers waiting; then it is left alone for a while.
  private static var patience: Duration { .milliseconds(50) }
  /// How often an absent Redis is looked for; no caller waits meanwhile.
  private static var interval: Duration { .seconds(1) }

  private let dsn: RedisDSN
  private let name: String
  private let logger: Logger
  private let state = Monitor(State())
  private let thread = Mutex<WorkerThread?>(nil)

  /// - Parameter name: the thread's.
  public init(_ dsn: RedisDSN, name: String, logger: Logger) {
    self.dsn = dsn
    self.name = name
    self.logger = logger
  }

  /// What Redis refuses, or why it does not answer; nil when it works.
  public var problem: String? { state.withLock { $0.problem } }

  /// Opens the desk.
  /// - Parameters:
  ///   - probe: what an absent Redis is asked, to see whether it does what is wanted of it.
  ///   - serve: answers calls and takes those out that it has answered. Those that are left get nil, also when it
  ///     throws.
  public func start(
    probe: @escaping @Sendable (RedisClient) throws(RedisError) -> Void,
    serve: @escaping @Sendable (inout [Call], RedisClient) throws(RedisError) -> Void
  ) {
    thread.withLock { $0 = WorkerThread(name: name) { [self] in run(probe, serve) } }
  }

  /// Serves who waits, and closes the desk.
  public func stop() {
    state.update { $0.isStopped = true }
    thread.withLock { $0 }?.join()
  }

  /// Asks; nil when nothing is known.
  public func ask(_ question: Question) async -> Answer? {
    await withCheckedContinuation { caller in
      if !take(Call(question: question, caller: caller)) { caller.resume(returning: nil) }
    }
  }

  /// Leaves something to be noted, some time soon, as far as Redis is there.
  public func note(_ question: Question) { _ = take(Call(question: question, caller: nil)) }

  private func take(_ call: Call) -> Bool {
    state.update { state in
      guard state.isReachable, !state.isStopped, state.calls.count < Self.queue else { return false }
      state.calls.append(call)
      return true
    }
  }

  // MARK: - The thread

  private func run(
    _ probe: (RedisClient) throws(RedisError) -> Void, _ serve: (inout [Call], RedisClient) throws(RedisError) -> Void
  ) {
    let client = RedisClient(
      dsn, options: RedisClient.Options(connectTimeout: Self.patience, commandTimeout: Self.patience), logger: logger)
    defer { client.close() }
    while true {
      if !state.withLock({ $0.isReachable }) {
        note(client) { () throws(RedisError) in try probe(client) }
        let isOver = state.wait(until: .now() + Self.interval) { state in
          state.isReachable ? false : state.isStopped ? true : nil
        }
        if isOver == true { return }
        continue
      }
      var calls = next()
      if calls.isEmpty { return }
      note(client) { () throws(RedisError) in try serve(&calls, client) }
      for call in calls { call.answer(nil) }
    }
  }

  /// Waits for calls; there are none left after `stop`.
  private func next() -> [Call] {
    state.wait { state in
      guard state.isStopped || !state.calls.isEmpty else { return nil }
      defer { state.calls = [] }
      return state.calls
    } ?? []
  }

  /// Notes whether Redis does what it is asked. From where it does not, nobody waits until it does again.
  private func note(_ client: RedisClient, _ body: () throws(RedisError) -> Void) {
    let waiting: [Call]
    do throws(RedisError) {
      try body()
      waiting = state.update { state in
        state.isReachable = true
        state.problem = client.problem?.description
        return []
      }
    } catch {
      waiting = state.update { state in
        state.isReachable = false
        state.problem = error.description
        defer { state.calls = [] }
        return state.calls
      }
    }
    for call in waiting { call.answer(nil) }
  }
}
