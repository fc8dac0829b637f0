internal import Config
internal import Errs
internal import Logger
internal import Metrics
internal import ProgramSupport
internal import Redis
internal import Runtime

/// The filter in front of the database: it knows the keys whose payments were committed lately.
///
/// Only a filter (G7): what it does not know, or cannot say because Redis is away, the database decides. A key enters
/// only after the commit. For one thread.
final class DuplicateFilter {
  private let client: RedisClient
  private var breaker: RedisBreaker
  private let prefix: String
  private let timeToLive: Duration
  private let failures: Counter
  private let logger: Logger
  private var wasAway = false

  /// - Throws: `RedisError` when the address is wrong.
  init(_ context: ProgramContext) throws(RedisError) {
    let settings = context.settings
    logger = context.logger.labelled("redis")
    client = RedisClient(try RedisConfiguration(dsn: settings.redis.dsn))
    breaker = RedisBreaker()
    prefix = "payments:{\(settings.consumer.group)}:idem:"
    timeToLive = settings.redis.timeToLive
    failures = context.metrics.counter("redis_failures_total", help: "Look-ups and writes that Redis did not answer.")
  }

  /// Whether the last attempt reached Redis.
  var isReachable: Bool { !wasAway }

  /// For each key what `remember` stored; nil where nothing is known.
  func fingerprints(of keys: [UniqueID]) -> [[UInt8]?] {
    guard !keys.isEmpty else { return [] }
    return attempt { (client) throws(RedisError) in try client.mget(keys.map(name)) }
      ?? Array(repeating: nil, count: keys.count)
  }

  /// Notes committed keys.
  func remember(_ entries: [(key: UniqueID, fingerprint: [UInt8])]) {
    guard !entries.isEmpty else { return }
    _ = attempt { (client) throws(RedisError) in
      try client.setMany(entries.map { (name($0.key), $0.fingerprint) }, timeToLive: timeToLive)
    }
  }

  func close() { client.close() }

  private func name(_ key: UniqueID) -> String { prefix + key.description }

  /// Tries once, unless Redis failed just before.
  private func attempt<Value>(_ body: (RedisClient) throws(RedisError) -> Value) -> Value? {
    guard breaker.allows(at: .now()) else { return nil }
    do throws(RedisError) {
      let value = try body(client)
      breaker.succeeded()
      if wasAway { logger.info("redis answers again") }
      wasAway = false
      return value
    } catch {
      breaker.failed(at: .now())
      failures.add()
      if !wasAway { logger.warning("redis does not answer; the database decides alone", ["error": .error(error)]) }
      wasAway = true
      return nil
    }
  }
}
