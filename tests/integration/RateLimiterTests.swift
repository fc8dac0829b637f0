import Foundation
import GatewayDomain
import GatewayLimits
import Logger
import Metrics
import Redis
import Runtime
import Testing
import Values

/// Limits that gateways share in Redis, and what they do without it.
@Suite("Rate limits", .enabled(if: redisDSN != nil, "TEST_REDIS_DSN names no Redis server"))
struct RateLimiterTests {
  private func with<Value>(
    _ dsn: String, _ body: (RateLimiter) async throws -> Value
  ) async throws -> Value {
    let limiter = try RateLimiter(
      dsn: dsn, logger: Logger(label: "test", level: .error), metrics: MetricsRegistry())
    limiter.start()
    let result: Result<Value, any Error>
    do { result = .success(try await body(limiter)) } catch { result = .failure(error) }
    try await blocking { limiter.stop(until: .distantFuture) }
    return try result.get()
  }

  private func waitForRedis(_ limiter: RateLimiter) async throws {
    let deadline = Instant.now() + .seconds(20)
    while limiter.problem != nil, Instant.now() < deadline { try await Task.sleep(for: .milliseconds(5)) }
    #expect(limiter.problem == nil)
  }

  /// How many of so many calls at once may go on.
  private func take(_ count: Int, _ key: UniqueID, rate: Int, _ limiters: [RateLimiter]) async -> Int {
    await withTaskGroup(of: Int.self) { group in
      for number in 0..<count {
        group.addTask { await limiters[number % limiters.count].take(key, rate: rate).granted }
      }
      return await group.reduce(0, +)
    }
  }

  @Test func `two gateways share a bucket, and each key has its own`() async throws {
    let dsn = try #require(redisDSN)
    try await with(dsn) { one in
      try await with(dsn) { two in
        for limiter in [one, two] { try await waitForRedis(limiter) }
        let (key, other) = (UniqueID.random(), UniqueID.random())
        let began = Instant.now()
        let granted = await take(400, key, rate: 100, [one, two])
        let most = 100 + Int((Instant.now() - began).inSeconds * 100) + 1
        #expect((100...most).contains(granted))
        #expect(await take(20, other, rate: 100, [one, two]) == 20)
        // It comes back by itself.
        try await Task.sleep(for: .milliseconds(300))
        #expect(await take(200, key, rate: 100, [two, one]) >= 25)
      }
    }
  }

  @Test func `without Redis each gateway limits by itself, and nobody waits`() async throws {
    try await with("") { limiter in
      #expect(!limiter.isShared && limiter.problem == nil)
      #expect((50...60).contains(await take(200, UniqueID.random(), rate: 50, [limiter])))
    }
    let forwarder = TCPForwarder(to: try RedisDSN(try #require(redisDSN)).port)
    defer { forwarder.close() }
    try await with("redis://127.0.0.1:\(forwarder.port)") { limiter in
      try await waitForRedis(limiter)
      #expect(await take(10, UniqueID.random(), rate: 50, [limiter]) == 10)
      // It answers no more: callers wait 50 ms once, and then not at all.
      forwarder.setHoldingAnswers(true)
      #expect((50...60).contains(await take(200, UniqueID.random(), rate: 50, [limiter])))
      #expect(limiter.problem != nil)
      let began = Instant.now()
      #expect(await take(1, UniqueID.random(), rate: 50, [limiter]) == 1)
      #expect(Instant.now() - began < .milliseconds(40))
      forwarder.setHoldingAnswers(false)
      forwarder.cut()
      try await waitForRedis(limiter)
    }
  }

  @Test func `what somebody else has written lets a key wait for a second at most`() async throws {
    let dsn = try #require(redisDSN)
    let client = RedisClient(try RedisDSN(dsn), logger: Logger(label: "test", level: .error))
    defer { client.close() }
    try await with(dsn) { limiter in
      try await waitForRedis(limiter)
      for (value, granted) in [
        ("nonsense", 1), ("-5", 1), ("nan", 1), ("1e30", 0), ("99999999999999999999", 0), ("", 1),
      ] {
        let key = UniqueID.random()
        try client.setMany([(Array("gateway:rate:\(key)".utf8), Array(value.utf8))], ttl: .seconds(60))
        let grant = await limiter.take(key, rate: 10)
        #expect(grant.granted == granted && grant.wait <= .milliseconds(101), "\(value)")
        if granted == 0 {
          try await Task.sleep(for: .milliseconds(1_050))
          #expect(await limiter.take(key, rate: 10).granted == 1)
        }
      }
    }
  }
}
