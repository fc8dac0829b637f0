package import Logger
package import Metrics
package import Redis
internal import Runtime
internal import SagaDomain
package import Values

/// The filter in front of the database for calls with a key: it has seen the calls that were answered lately.
///
/// Only a filter (G7): it says which calls are likely to be repetitions, whose answer is then read from the database
/// instead of going through a transaction. What it does not know, or cannot say because Redis is away, slow, full or
/// flushed, is no repetition for it. A call enters only after its commit. Callers wait for Redis only while it is known
/// to answer.
package final class ReplayFilter: ServicePart {
  private enum Question {
    /// What is remembered under this name.
    case remembered([UInt8])
    /// A call that was answered.
    case answered(name: [UInt8], fingerprint: [UInt8])
  }
  private typealias Desk = RedisDesk<Question, [UInt8]>

  private let desk: Desk
  private let prefix: [UInt8]
  private let timeToLive: Duration
  private let failures: Counter

  /// - Parameters:
  ///   - dsn: the address of Redis.
  ///   - group: the consumer group, a part of each key in Redis.
  ///   - timeToLive: how long a call is remembered.
  /// - Throws: `RedisError` when the address is wrong.
  package init(
    dsn: String, group: String, timeToLive: Duration, logger: Logger, metrics: MetricsRegistry
  ) throws(RedisError) {
    desk = Desk(try RedisDSN(dsn), name: "replay-filter", logger: logger.labelled("redis"))
    prefix = Array("payments:{\(group)}:call:CreatePayment:".utf8)
    self.timeToLive = timeToLive
    failures = metrics.counter("redis_failures_total", help: "Look-ups and writes that Redis did not answer.")
  }

  /// What Redis refuses, or why it does not answer; nil when it works.
  package var problem: String? { desk.problem }

  /// Whether Redis says that this request was answered under this key. Anybody who can write to Redis can have it say
  /// so: the answer is the database's.
  func hasSeen(_ key: IdempotencyKey, fingerprint: [UInt8]) async -> Bool {
    await desk.ask(.remembered(prefix + key.text.utf8)) == fingerprint
  }

  /// Notes an answered request, some time soon. Callable on any thread.
  func remember(_ key: IdempotencyKey, fingerprint: [UInt8]) {
    desk.note(.answered(name: prefix + key.text.utf8, fingerprint: fingerprint))
  }

  /// Begins to ask Redis.
  package func start() {
    desk.start { [prefix] client throws(RedisError) in
      // Only a write shows that a full server, or a replica, takes writes. No call has an empty key.
      try client.setMany([(prefix, [])], ttl: .milliseconds(1))
    } serve: { [self] calls, client throws(RedisError) in
      do throws(RedisError) {
        try serve(&calls, client)
      } catch {
        failures.add()
        throw error
      }
    }
  }

  /// Writes what is noted, answers who waits, and asks Redis no more.
  package func stop(until deadline: Instant) { desk.stop() }

  private func serve(_ calls: inout [Desk.Call], _ client: RedisClient) throws(RedisError) {
    var lookups: [(call: Desk.Call, name: [UInt8])] = []
    var notes: [(key: [UInt8], value: [UInt8])] = []
    for call in calls {
      switch call.question {
      case .remembered(let name): lookups.append((call, name))
      case .answered(let name, let fingerprint): notes.append((name, fingerprint))
      }
    }
    if !lookups.isEmpty {
      let values = try client.mget(lookups.map(\.name))
      for (lookup, value) in zip(lookups, values) { lookup.call.answer(value) }
    }
    calls = []
    if !notes.isEmpty { try client.setMany(notes, ttl: timeToLive) }
  }
}
