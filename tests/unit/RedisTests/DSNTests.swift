import Redis
import Testing

@Suite struct DSNTests {
  @Test(arguments: [
    ("redis://127.0.0.1", RedisDSN(host: "127.0.0.1")),
    ("redis://127.0.0.1:63790/0", RedisDSN(host: "127.0.0.1", port: 63_790)),
    ("redis://cache.internal/3", RedisDSN(host: "cache.internal", database: 3)),
    ("redis://cache/", RedisDSN(host: "cache")),
    ("redis://:secret@cache:1/2", RedisDSN(host: "cache", port: 1, password: "secret", database: 2)),
    ("redis://app:p%40ss%2Fw%3Ard@cache", RedisDSN(host: "cache", user: "app", password: "p@ss/w:rd")),
    ("redis://app:a@b@cache", RedisDSN(host: "cache", user: "app", password: "a@b")),
    ("redis://[::1]:7000/1", RedisDSN(host: "::1", port: 7_000, database: 1)),
  ])
  func goodForms(_ text: String, _ expected: RedisDSN) throws {
    #expect(try RedisDSN(text) == expected)
  }

  @Test(arguments: [
    "", "127.0.0.1:6379", "http://127.0.0.1", "redis://", "redis://:6379", "redis://host:0", "redis://host:65536",
    "redis://host:x", "redis://host:", "redis://host/x", "redis://host/-1", "redis://secret@host",
    "redis://:@host", "redis://:%zz@host", "redis://:%4", "redis://:%+f@host", "redis://[::1", "redis://host?db=1",
    "redis://a:b:c",
  ])
  func badForms(_ text: String) {
    let error = #expect(throws: RedisError.self) { try RedisDSN(text) }
    #expect(error?.code == .invalidDSN)
  }

  @Test func tlsIsRefusedWithAWayOut() {
    let error = #expect(throws: RedisError.self) { try RedisDSN("rediss://:secret@cache:6380") }
    #expect(error?.message.contains("TLS proxy") == true && error?.message.contains("secret") == false)
  }

  @Test(arguments: ["redis://app:hunter2@cache/0", "redis://:hunter2@cache:99999", "redis://:hunter2@cache/x"])
  func passwordsAreNeverShown(_ text: String) {
    do throws(RedisError) {
      let dsn = try RedisDSN(text)
      #expect(!"\(dsn) \(String(reflecting: dsn))".contains("hunter2"))
      #expect("\(dsn)" == "redis://app:***@cache:6379/0")
    } catch {
      #expect(!"\(error) \(String(reflecting: error))".contains("hunter2"))
    }
  }
}
