import Foundation
import Logger
import Redis
import Testing
import Values

/// The Redis client against a real server: `TEST_REDIS_DSN`. Keys have a prefix of their own and a short life.
@Suite(.enabled(if: redisDSN != nil, "TEST_REDIS_DSN names no Redis server"))
struct RedisIntegrationTests {
  private let prefix = "paysaga-test:\(UniqueID.random()):"

  private func client() throws -> RedisClient {
    RedisClient(
      try RedisDSN(#require(redisDSN)), options: .init(commandTimeout: .seconds(5)),
      logger: Logger(label: "test", level: .error))
  }

  private func key(_ name: some CustomStringConvertible) -> [UInt8] { Array("\(prefix)\(name)".utf8) }

  @Test func whatWasSetIsReadInOrderAndTheRestIsNil() throws {
    let client = try client()
    defer { client.close() }
    try client.ping()
    // Every byte value, and no byte at all.
    let values: [[UInt8]] = [Array(0...255), [], Array("plain".utf8)]
    try client.setMany(values.enumerated().map { (key($0.offset), $0.element) }, ttl: .seconds(60))
    let read = try client.mget([key(2), key("absent"), key(0), key(1)])
    #expect(read == [values[2], nil, values[0], values[1]])
    #expect(try client.delete([key(0), key(1), key("absent")]) == 2)
    #expect(try client.mget([key(0), key(2)]) == [nil, values[2]])
    #expect(try client.mget([]).isEmpty)
  }

  @Test func keysEndWithTheirTimeToLive() throws {
    let client = try client()
    defer { client.close() }
    try client.setMany([(key("short"), [1])], ttl: .milliseconds(50))
    let deadline = Instant.now() + .seconds(10)
    while try client.mget([key("short")]) != [nil], Instant.now() < deadline {}
    #expect(try client.mget([key("short")]) == [nil])
  }

  @Test func manyKeysGoInAFewRoundTrips() throws {
    let client = try client()
    defer { client.close() }
    let count = 25_000
    try client.setMany((0..<count).map { (key($0), Array("\($0)".utf8)) }, ttl: .seconds(60))
    let read = try client.mget((0..<count).map { key($0) })
    #expect(read == (0..<count).map { Array("\($0)".utf8) })
    #expect(try client.delete((0..<count).map { key($0) }) == count)
  }
}

let redisDSN = ProcessInfo.processInfo.environment["TEST_REDIS_DSN"]
