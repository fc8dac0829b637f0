public import GatewayDomain
public import Logger
public import Metrics
public import Redis
public import Runtime
internal import Synchronization
public import Values

/// Limits the calls of API keys, for all gateways together by buckets in Redis. While Redis is away, slow or refuses,
/// each gateway has buckets of its own: then a key may make as many calls at each.
///
/// Callers wait for Redis only while it is known to answer. A key whose bucket is empty asks Redis no more until a call
/// may be made again.
public final class RateLimiter: ServicePart {
  private typealias Desk = RedisDesk<RateScript.Asking, RateGrant>

  fileprivate struct State {
    var buckets: [UniqueID: RateBucket] = [:]
    /// Keys whose bucket in Redis is empty, and until when.
    var empty: [UniqueID: Instant] = [:]
  }

  private let desk: Desk?
  private let decided: (redis: Counter, local: Counter)
  private let state = Mutex(State())

  /// - Parameter dsn: the address of Redis; empty for none.
  /// - Throws: `RedisError` when the address is wrong.
  public init(dsn: String, logger: Logger, metrics: MetricsRegistry) throws(RedisError) {
    desk = dsn.isEmpty ? nil : Desk(try RedisDSN(dsn), name: "rate-limit", logger: logger.labelled("rate-limit"))
    let counter = { (place: String) in
      metrics.counter(
        "gateway_rate_decisions_total", help: "Calls of keys with a rate, by who has decided.", labels: ["by": place])
    }
    decided = (counter("redis"), counter("gateway"))
  }

  /// Whether gateways share their buckets, while Redis works.
  public var isShared: Bool { desk != nil }

  /// What Redis refuses, or why it does not answer; nil when it works, or there is none.
  public var problem: String? { desk?.problem }

  /// Begins to ask Redis.
  public func start() {
    desk?.start { client throws(RedisError) in
      try client.ping()
    } serve: { [self] calls, client throws(RedisError) in
      try serve(&calls, client)
    }
  }

  /// Answers who waits, and asks Redis no more.
  public func stop(until deadline: Instant) { desk?.stop() }

  /// Whether one more call of a key may go on now. Callable on any thread.
  /// - Parameter rate: calls a second, from 1 to `APIKey.maximumRate`.
  public func take(_ key: UniqueID, rate: Int) async -> RateGrant {
    if let grant = state.withLock({ $0.refusal(key, at: .now()) }) { return grant }
    if let shared = await desk?.ask(RateScript.Asking(key: key, rate: rate, count: 1)) {
      decided.redis.add()
      return shared
    }
    decided.local.add()
    return state.withLock { $0.take(key, rate, at: .now()) }
  }

  private func serve(_ calls: inout [Desk.Call], _ client: RedisClient) throws(RedisError) {
    // The callers of a key share a question, in the order in which they came.
    var places: [UniqueID: Int] = [:]
    var groups: [[Desk.Call]] = []
    for call in calls {
      if let place = places[call.question.key] {
        groups[place].append(call)
      } else {
        places[call.question.key] = groups.count
        groups.append([call])
      }
    }
    let asking = groups.map { RateScript.Asking(key: $0[0].question.key, rate: $0[0].question.rate, count: $0.count) }
    let grants = try RateScript.run(asking, on: client)
    let now = Instant.now()
    state.withLock { state in
      for (asked, grant) in zip(asking, grants) where grant.granted < asked.count {
        state.empty[asked.key] = now + grant.wait
      }
    }
    for (group, grant) in zip(groups, grants) {
      for (place, call) in group.enumerated() {
        call.answer(
          RateGrant(granted: place < grant.granted ? 1 : 0, remaining: grant.remaining, wait: grant.wait))
      }
    }
    calls = []
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
