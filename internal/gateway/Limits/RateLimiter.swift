internal import Errors
public import GatewayDomain
public import Logger
public import Metrics
public import Redis
public import Runtime
public import Values

/// Limits the calls of API keys, for all gateways together by buckets in Redis. While Redis is away, slow or refuses,
/// each gateway has buckets of its own: then a key may make as many calls at each.
///
/// One thread speaks to Redis for all callers, as many in a round trip as wait for it. Callers wait for Redis only
/// while it is known to answer. A key whose bucket is empty asks Redis no more until a call may be made again.
public final class RateLimiter: ServicePart {
  fileprivate struct Waiting {
    let key: UniqueID
    let rate: Int
    let continuation: CheckedContinuation<RateGrant?, Never>
  }

  fileprivate struct State {
    var waiting: [Waiting] = []
    var buckets: [UniqueID: RateBucket] = [:]
    /// Keys whose bucket in Redis is empty, and until when.
    var empty: [UniqueID: Instant] = [:]
    var isReachable = false
    /// What Redis refuses, or why it does not answer.
    var problem: String? = "Redis has not answered yet"
    var isStopped = false
  }

  /// Most callers that wait for Redis; beyond it the gateway decides by itself.
  private static let queue = 8_192
  /// The longest that Redis may keep callers waiting; then it is left alone for a while.
  private static let patience = Duration.milliseconds(50)
  /// How often an absent Redis is looked for; no caller waits meanwhile.
  private static let interval = Duration.seconds(1)

  private let dsn: RedisDSN?
  private let logger: Logger
  private let decided: (redis: Counter, local: Counter)
  private let state = Monitor(State())
  private let thread = Monitor<WorkerThread?>(nil)

  /// - Parameter dsn: the address of Redis; empty for none.
  /// - Throws: `RedisError` when the address is wrong.
  public init(dsn: String, logger: Logger, metrics: MetricsRegistry) throws(RedisError) {
    self.dsn = dsn.isEmpty ? nil : try RedisDSN(dsn)
    self.logger = logger.labelled("rate-limit")
    let counter = { (place: String) in
      metrics.counter(
        "gateway_rate_decisions_total", help: "Calls of keys with a rate, by who has decided.", labels: ["by": place])
    }
    decided = (counter("redis"), counter("gateway"))
  }

  /// Whether gateways share their buckets, while Redis works.
  public var isShared: Bool { dsn != nil }

  /// What Redis refuses, or why it does not answer; nil when it works, or there is none.
  public var problem: String? { dsn == nil ? nil : state.withLock { $0.problem } }

  /// Starts the thread.
  public func start() {
    guard let dsn else { return }
    thread.update { $0 = WorkerThread(name: "rate-limit") { [self] in run(dsn) } }
  }

  /// Answers who waits, and ends the thread.
  public func stop(until deadline: Instant) {
    state.update { $0.isStopped = true }
    thread.withLock { $0 }?.join()
  }

  /// Whether one more call of a key may go on now. Callable on any thread.
  /// - Parameter rate: calls a second, from 1 to `APIKey.maximumRate`.
  public func take(_ key: UniqueID, rate: Int) async -> RateGrant {
    if let grant = state.withLock({ $0.refusal(key, at: .now()) }) { return grant }
    let shared = await withCheckedContinuation { continuation in
      let isWaiting = state.update { state in
        let mayWait = state.isReachable && !state.isStopped && state.waiting.count < Self.queue
        if mayWait { state.waiting.append(Waiting(key: key, rate: rate, continuation: continuation)) }
        return mayWait
      }
      if !isWaiting { continuation.resume(returning: nil) }
    }
    if let shared {
      decided.redis.add()
      return shared
    }
    decided.local.add()
    return state.withLock { $0.take(key, rate, at: .now()) }
  }

  // MARK: - The thread

  private func run(_ dsn: RedisDSN) {
    let client = RedisClient(
      dsn, options: RedisClient.Options(connectTimeout: Self.patience, commandTimeout: Self.patience), logger: logger)
    defer { client.close() }
    while true {
      if !state.withLock({ $0.isReachable }), !connect(client) {
        let isStopped = state.wait(until: .now() + Self.interval) { $0.isStopped ? true : nil }
        if isStopped == true { return }
        continue
      }
      guard let waiting = next() else { return }
      serve(waiting, client)
    }
  }

  private func connect(_ client: RedisClient) -> Bool {
    do throws(RedisError) {
      try client.ping()
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

  /// Waits for callers; nil when there are none left after `stop`.
  private func next() -> [Waiting]? {
    let waiting = state.wait { state -> [Waiting]? in
      guard state.isStopped || !state.waiting.isEmpty else { return nil }
      defer { state.waiting = [] }
      return state.waiting
    }
    return waiting.flatMap { $0.isEmpty ? nil : $0 }
  }

  private func serve(_ waiting: [Waiting], _ client: RedisClient) {
    // The callers of a key share a question, in the order in which they came.
    var places: [UniqueID: Int] = [:]
    var groups: [[Waiting]] = []
    for caller in waiting {
      if let place = places[caller.key] {
        groups[place].append(caller)
      } else {
        places[caller.key] = groups.count
        groups.append([caller])
      }
    }
    let asking = groups.map { RateScript.Asking(key: $0[0].key, rate: $0[0].rate, count: $0.count) }
    let grants: [RateGrant]
    do throws(RedisError) {
      grants = try RateScript.run(asking, on: client)
    } catch {
      return giveUp(waiting, error)
    }
    let now = Instant.now()
    state.withLock { state in
      state.problem = client.problem?.description
      for (asked, grant) in zip(asking, grants) where grant.granted < asked.count {
        state.empty[asked.key] = now + grant.wait
      }
    }
    for (group, grant) in zip(groups, grants) {
      for (place, caller) in group.enumerated() {
        let isGranted = place < grant.granted
        caller.continuation.resume(
          returning: RateGrant(granted: isGranted ? 1 : 0, remaining: grant.remaining, wait: grant.wait))
      }
    }
  }

  /// Lets go of who waits: from here on nobody does until Redis answers again.
  private func giveUp(_ waiting: [Waiting], _ error: RedisError) {
    let others = state.update { state in
      state.isReachable = false
      state.problem = error.description
      defer { state.waiting = [] }
      return state.waiting
    }
    for caller in waiting + others { caller.continuation.resume(returning: nil) }
  }
}

extension RateLimiter.State {
  /// Keys that are remembered; more are there only for a moment.
  private static var limit: Int { APIKeyBook.maximumKeys }

  /// The refusal of a call whose key is known to have none left.
  mutating func refusal(_ key: UniqueID, at now: Instant) -> RateGrant? {
    guard let end = empty[key] else { return nil }
    guard now < end else {
      empty[key] = nil
      return nil
    }
    return RateGrant(granted: 0, remaining: 0, wait: end - now)
  }

  /// The gateway's own bucket.
  mutating func take(_ key: UniqueID, _ rate: Int, at now: Instant) -> RateGrant {
    if buckets.count >= Self.limit {
      buckets = buckets.filter { !$0.value.isFull(at: now) }
      empty = empty.filter { now < $0.value }
    }
    return buckets[key, default: RateBucket()].take(1, of: rate, at: now)
  }
}
