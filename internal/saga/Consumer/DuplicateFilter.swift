internal import Errors
internal import Logger
internal import Metrics
internal import Redis
internal import SagaSettings
internal import Service
internal import Settings
internal import Values

/// The filter in front of the database: it has seen the keys whose payments were committed lately.
///
/// Only a filter (G7): it says which messages are worth a look in the database before they are inserted, and the
/// database decides about each. A key enters only after the commit. For one thread.
final class DuplicateFilter {
  private let client: RedisClient
  private let prefix: [UInt8]
  private let timeToLive: Duration
  private let failures: Counter

  /// - Throws: `RedisError` when the address is wrong.
  init(_ context: ProgramContext) throws(RedisError) {
    let settings = context.settings
    client = RedisClient(try RedisDSN(settings.redis.dsn), logger: context.logger.labelled("redis"))
    prefix = Array("payments:{\(settings.consumer.group)}:idem:".utf8)
    timeToLive = settings.redis.timeToLive
    failures = context.metrics.counter("redis_failures_total", help: "Look-ups and writes that Redis did not answer.")
  }

  /// Whether the last attempt reached Redis.
  var isReachable: Bool { client.isHealthy }

  /// For each key what `remember` stored, or somebody else who can write to Redis; nil where nothing is known.
  func fingerprints(of keys: [UniqueID]) -> [[UInt8]?] {
    guard !keys.isEmpty else { return [] }
    do throws(RedisError) {
      return try client.mget(keys.map(name))
    } catch {
      failures.add()
      return Array(repeating: nil, count: keys.count)
    }
  }

  /// Notes committed keys.
  func remember(_ entries: [(key: UniqueID, fingerprint: [UInt8])]) {
    guard !entries.isEmpty else { return }
    do throws(RedisError) {
      try client.setMany(entries.map { (name($0.key), $0.fingerprint) }, ttl: timeToLive)
    } catch {
      failures.add()
    }
  }

  func close() { client.close() }

  private func name(_ key: UniqueID) -> [UInt8] {
    var bytes = prefix
    key.append(to: &bytes)
    return bytes
  }
}
