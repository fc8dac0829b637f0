import Redis
import SagaSettings
import Values

/// Whether Redis can be reached and takes writes. It is only a filter: without it the programs are slower.
struct RedisCheck {
  let session: Session

  func run() throws -> (facts: [Record], findings: [Finding]) {
    guard session.settings.redis.isEnabled else { return ([], []) }
    let dsn = try RedisDSN(session.settings.redis.dsn)
    let client = RedisClient(dsn, logger: session.kafkaLogger)
    defer { client.close() }
    let facts: [Record] = [["checked": .text("redis"), "server": .text("\(dsn)")]]
    do throws(RedisError) {
      try client.setMany([(key: Array("paysaga:doctor".utf8), value: [])], ttl: .seconds(1))
      return (facts, [])
    } catch {
      return (facts, [Self.finding(dsn, error)])
    }
  }

  /// What a failed write says.
  static func finding(_ dsn: RedisDSN, _ error: RedisError) -> Finding {
    let harm = "payments are taken all the same, only slower"
    let (problem, remedy) =
      switch error.code {
      case .outOfMemory:
        (
          "it is full and takes no writes",
          "give it more memory (maxmemory), or redis-cli CONFIG SET maxmemory-policy allkeys-lru"
        )
      case .readOnly: ("it takes no writes, as a replica", "name the master in REDIS_DSN")
      case .notAuthorized: ("it refuses us", "the user and the password in REDIS_DSN, and its ACL")
      case .loading: ("it is loading its data", "wait")
      default: ("it does not work", "is it running, and is REDIS_DSN right?")
      }
    return Finding("redis at \(dsn)", "\(problem) (\(error)); \(harm)", remedy)
  }
}
