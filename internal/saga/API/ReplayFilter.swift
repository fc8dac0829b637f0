internal import Errors
package import Logger
package import Metrics
package import Redis
internal import Runtime
internal import SagaDomain
internal import Synchronization
package import Values

/// The filter in front of the database for calls with a key: it has seen the calls that were answered lately.
///
/// Only a filter (G7): it says which calls are likely to be repetitions, whose answer is then read from the database
/// instead of going through a transaction. What it does not know, or cannot say because Redis is away, slow, full or
/// flushed, is no repetition for it. A call enters only after its commit. One thread speaks to Redis for all callers,
/// as many in a round trip as wait for it; callers wait for Redis only while it is known to answer.
package final class ReplayFilter: ServicePart {
  private struct Lookup {
    let name: [UInt8]
    let continuation: CheckedContinuation<[UInt8]?, Never>
  }

  private struct State {
    var lookups: [Lookup] = []
    var notes: [(key: [UInt8], value: [UInt8])] = []
    var isReachable = false
    /// What Redis refuses, or why it does not answer.
    var problem: String? = "Redis has not answered yet"
    var isStopped = false
  }

  /// Most look-ups that wait, and most notes; beyond it nothing is known, and nothing noted.
  private static let queue = 4_096
  /// The longest that Redis may keep callers waiting; then it is left alone for a while.
  private static let patience = Duration.milliseconds(50)
  /// How often an absent Redis is looked for; no caller waits meanwhile.
  private static let interval = Duration.seconds(1)

  private let dsn: RedisDSN
  private let prefix: [UInt8]
  private let timeToLive: Duration
  private let logger: Logger
  private let failures: Counter
  private let state = Monitor(State())
  private let thread = Mutex<WorkerThread?>(nil)

  /// - Parameters:
  ///   - dsn: the address of Redis.
  ///   - group: the consumer group, a part of each key in Redis.
  ///   - timeToLive: how long a call is remembered.
  /// - Throws: `RedisError` when the address is wrong.
  package init(
    dsn: String, group: String, timeToLive: Duration, logger: Logger, metrics: MetricsRegistry
  ) throws(RedisError) {
    self.dsn = try RedisDSN(dsn)
    prefix = Array("payments:{\(group)}:call:CreatePayment:".utf8)
    self.timeToLive = timeToLive
    self.logger = logger.labelled("redis")
    failures = metrics.counter("redis_failures_total", help: "Look-ups and writes that Redis did not answer.")
  }

  /// What Redis refuses, or why it does not answer; nil when it works.
  package var problem: String? { state.withLock { $0.problem } }

  private var isReachable: Bool { state.withLock { $0.isReachable } }

  /// Whether Redis says that this request was answered under this key. Anybody who can write to Redis can have it say
  /// so: the answer is the database's.
  func hasSeen(_ key: IdempotencyKey, fingerprint: [UInt8]) async -> Bool {
    let name = prefix + key.text.utf8
    let value = await withCheckedContinuation { continuation in
      let isWaiting = state.update { state in
        let mayWait = state.isReachable && !state.isStopped && state.lookups.count < Self.queue
        if mayWait { state.lookups.append(Lookup(name: name, continuation: continuation)) }
        return mayWait
      }
      if !isWaiting { continuation.resume(returning: nil) }
    }
    return value == fingerprint
  }

  /// Notes an answered request, some time soon. Callable on any thread.
  func remember(_ key: IdempotencyKey, fingerprint: [UInt8]) {
    state.update { state in
      guard state.isReachable, state.notes.count < Self.queue else { return }
      state.notes.append((prefix + key.text.utf8, fingerprint))
    }
  }

  /// Starts the thread.
  package func start() { thread.withLock { $0 = WorkerThread(name: "replay-filter") { [self] in run() } } }

  /// Writes what is noted, answers who waits, and ends the thread.
  package func stop(until deadline: Instant) {
    state.update { $0.isStopped = true }
    thread.withLock { $0 }?.join()
  }

  // MARK: - The thread

  private func run() {
    let client = RedisClient(
      dsn, options: RedisClient.Options(connectTimeout: Self.patience, commandTimeout: Self.patience), logger: logger)
    defer { client.close() }
    while true {
      if !isReachable, !connect(client) {
        let isStopped = state.wait(until: .now() + Self.interval) { $0.isStopped ? true : nil }
        if isStopped == true { return }
        continue
      }
      guard let (lookups, notes) = next() else { return }
      serve(lookups, notes, client)
    }
  }

  private func connect(_ client: RedisClient) -> Bool {
    do throws(RedisError) {
      // Only a write shows that a full server, or a replica, takes writes. No call has an empty key.
      try client.setMany([(prefix, [])], ttl: .milliseconds(1))
      state.update { state in
        state.isReachable = true
        state.problem = client.problem?.description
      }
      return true
    } catch {
      state.update { $0.problem = error.description }
      return false
    }
  }

  /// Waits for work; nil when there is none left after `stop`.
  private func next() -> (lookups: [Lookup], notes: [(key: [UInt8], value: [UInt8])])? {
    let work = state.wait { state -> (lookups: [Lookup], notes: [(key: [UInt8], value: [UInt8])])? in
      guard state.isStopped || !state.lookups.isEmpty || !state.notes.isEmpty else { return nil }
      defer {
        state.lookups = []
        state.notes = []
      }
      return (state.lookups, state.notes)
    }
    guard let work, !work.lookups.isEmpty || !work.notes.isEmpty else { return nil }
    return work
  }

  private func serve(_ lookups: [Lookup], _ notes: [(key: [UInt8], value: [UInt8])], _ client: RedisClient) {
    var values: [[UInt8]?] = Array(repeating: nil, count: lookups.count)
    do throws(RedisError) {
      if !lookups.isEmpty { values = try client.mget(lookups.map(\.name)) }
    } catch {
      giveUp(error)
    }
    for (lookup, value) in zip(lookups, values) { lookup.continuation.resume(returning: value) }
    guard isReachable, !notes.isEmpty else { return }
    do throws(RedisError) {
      try client.setMany(notes, ttl: timeToLive)
      state.update { $0.problem = client.problem?.description }
    } catch {
      giveUp(error)
    }
  }

  /// Lets go of who waits: from here on nobody does until Redis answers again.
  private func giveUp(_ error: RedisError) {
    failures.add()
    let lookups = state.update { state in
      state.isReachable = false
      state.problem = error.description
      state.notes = []
      defer { state.lookups = [] }
      return state.lookups
    }
    for lookup in lookups { lookup.continuation.resume(returning: nil) }
  }
}
