internal import Errors
internal import Logger
internal import Redis
internal import Runtime
internal import Synchronization
internal import Values

/// Asks Redis whether it works again, while a lane has met a problem there: the lanes themselves ask at their next
/// message, which may be long in coming.
final class FilterProbe: ServicePart {
  private static let interval = Duration.seconds(5)

  private let dsn: RedisDSN
  private let key: [UInt8]
  private let filters: [FilterHealth]
  private let job = Mutex<PeriodicJob?>(nil)

  /// - Parameters:
  ///   - group: the consumer group, a part of the key that is written.
  ///   - filters: of the lanes.
  /// - Throws: `RedisError` when the address is wrong.
  init(dsn: String, group: String, _ filters: [FilterHealth]) throws(RedisError) {
    self.dsn = try RedisDSN(dsn)
    key = Array("payments:{\(group)}:probe".utf8)
    self.filters = filters
  }

  func start() {
    let job = PeriodicJob(name: "redis-probe") { [self] in
      if filters.contains(where: { $0.problem != nil }) { look() }
      return Self.interval
    }
    self.job.withLock { $0 = job }
    job.start()
  }

  func stop(until deadline: Instant) { job.withLock { $0 }?.stop(until: deadline) }

  /// Writes: a full Redis, or a replica, answers everything else. The lanes log what they meet.
  private func look() {
    let client = RedisClient(dsn, logger: Logger(label: "redis-probe", sink: { _ in }))
    defer { client.close() }
    do throws(RedisError) {
      try client.setMany([(key, [1])], ttl: .seconds(1))
      for filter in filters { filter.problem = nil }
    } catch {
      let problem = error.description
      for filter in filters where filter.problem != nil { filter.problem = problem }
    }
  }
}
