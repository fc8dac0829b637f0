internal import Errors
internal import Logger
internal import Metrics
internal import Redis
internal import Values

/// The filter in front of the database: it remembers keys whose payments were committed lately.
///
/// It is only a filter (G7): it says which messages to look up in the database before they are inserted, and the
/// database decides about each. A key enters only after the commit. For one thread.
final class DuplicateFilter {
  /// A committed key, and what must be equal when the key comes again.
  typealias Entry = (key: UniqueID, fingerprint: [UInt8])

  private let client: RedisClient
  private let prefix: [UInt8]
  private let timeToLive: Duration
  private let failures: Counter

  /// - Parameters:
  ///   - dsn: the address of Redis.
  ///   - group: the consumer group, a part of each key in Redis.
  ///   - timeToLive: how long a key is remembered.
  /// - Throws: `RedisError` when the address is wrong.
  init(dsn: String, group: String, timeToLive: Duration, logger: Logger, metrics: MetricsRegistry)
    throws(RedisError)
  {
    client = RedisClient(try RedisDSN(dsn), logger: logger)
    prefix = Array("payments:{\(group)}:idem:".utf8)
    self.timeToLive = timeToLive
    failures = metrics.counter("redis_failures_total", help: "Look-ups and writes that Redis did not answer.")
  }

  /// What Redis refuses, or why it does not answer; nil when it works.
  var problem: String? { client.problem?.description }

  /// For each key the fingerprint that `remember` stored, or that anybody else who can write to Redis stored; nil for
  /// an unknown key.
  func fingerprints(of keys: [UniqueID]) -> [[UInt8]?] {
    guard !keys.isEmpty else { return [] }
    settle()
    do throws(RedisError) {
      return try client.mget(keys.map(name))
    } catch {
      failures.add()
      return Array(repeating: nil, count: keys.count)
    }
  }

  /// Stores committed keys, without waiting until Redis has: the next look-up, or `idle`, finds out whether it did.
  func remember(_ entries: [Entry]) {
    guard !entries.isEmpty else { return }
    do throws(RedisError) {
      try client.startSetMany(entries.map { (name($0.key), $0.fingerprint) }, ttl: timeToLive)
    } catch {
      failures.add()
    }
  }

  /// Finds out whether Redis stored the last keys; after a failure whether it would store one now.
  func idle() {
    settle()
    // Only a write shows that a full server, or a replica, takes writes again.
    if client.problem != nil { try? client.setMany([(prefix + Array("probe".utf8), [])], ttl: .milliseconds(1)) }
  }

  private func settle() {
    do throws(RedisError) {
      try client.settle()
    } catch {
      failures.add()
    }
  }

  /// Hangs up.
  func close() { client.close() }

  private func name(_ key: UniqueID) -> [UInt8] {
    var bytes = prefix
    key.append(to: &bytes)
    return bytes
  }
}
