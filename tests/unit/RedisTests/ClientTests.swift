import Errors
import Glibc
import Logger
import Runtime
import Synchronization
import Testing
import Values

@testable import Redis

/// What the client does when the server is not as it should be; good days are in the integration tests.
@Suite struct ClientTests {
  private let key = Array("payments:test:idem:1".utf8)

  private func client(_ port: UInt16, _ breaker: RedisBreaker = .init(), _ lines: LogLines = .init()) -> RedisClient {
    RedisClient(
      RedisDSN(host: "127.0.0.1", port: port, password: "hunter2"),
      options: .init(
        connectTimeout: .milliseconds(200), commandTimeout: .milliseconds(200), breaker: breaker),
      logger: Logger(label: "test", sink: { lines.add($0) }))
  }

  @Test func anAbsentServerCostsOneTryAndOneLogLine() {
    let lines = LogLines()
    let client = client(1, .init(), lines)
    #expect(error(client) == .connectionFailed)
    for _ in 0..<1_000 { #expect(error(client) == .circuitOpen) }
    #expect(client.problem != nil)
    #expect(lines.all.count == 1 && lines.all.allSatisfy { !$0.contains("hunter2") && $0.contains("127.0.0.1:1") })
  }

  @Test func aSilentServerCostsOneTimeout() throws {
    let server = try FakeServer { _ in nil }
    let client = client(server.port)
    let start = Instant.now()
    #expect(error(client) == .timedOut)
    #expect(error(client) == .circuitOpen)
    #expect(Instant.now() - start < .seconds(5))
  }

  @Test(arguments: [
    ("-OOM command not allowed", RedisError.Code.outOfMemory), ("-READONLY You can't write", .readOnly),
    ("-LOADING Redis is loading", .loading), ("-MASTERDOWN Link is down", .loading), ("-NOAUTH needed", .notAuthorized),
    ("-ERR unknown key payments", .server), ("+OK", .protocolViolation), ("*1\r\n$-1", .protocolViolation),
    ("?what", .protocolViolation),
  ])
  func wrongAnswersHaveCodes(_ answer: String, _ code: RedisError.Code) throws {
    let server = try FakeServer { $0.contains("AUTH") ? "+OK\r\n" : answer + "\r\n" }
    let client = client(server.port)
    let error = #expect(throws: RedisError.self) { try client.mget([key, key]) }
    #expect(error?.code == code)
    // What follows the first word of an error reply may hold data.
    #expect(error?.message.contains("payments") == false)
  }

  @Test func aRefusedPasswordIsSaidAndNotShown() throws {
    let server = try FakeServer { _ in "-WRONGPASS invalid username-password pair\r\n" }
    let error = #expect(throws: RedisError.self) { try client(server.port).ping() }
    #expect(error?.code == .notAuthorized && error?.description.contains("hunter2") == false)
  }

  @Test func itReconnectsAfterTheRest() throws {
    let isBroken = Atomic(true)
    let server = try FakeServer { text in
      if text.contains("AUTH") { return "+OK\r\n" }
      return isBroken.load(ordering: .relaxed) ? nil : "+PONG\r\n"
    }
    let client = client(server.port, RedisBreaker(rest: .milliseconds(1), limit: .milliseconds(1)))
    #expect(error(client) == .timedOut)
    isBroken.store(false, ordering: .relaxed)
    let deadline = Instant.now() + .seconds(10)
    while client.problem != nil, Instant.now() < deadline { try? client.ping() }
    #expect(client.problem == nil && client.breakerState == .closed)
    client.close()
    #expect(error(client) == .closed)
  }

  @Test(arguments: [("-READONLY You can't write", 4), ("-OOM command not allowed", 1)])
  func aServerThatOnlyReadsIsLoggedOnceAndAReplicaIsLeft(_ refusal: String, _ sessions: Int) throws {
    let opened = Atomic(0)
    let isBack = Atomic(false)
    let server = try FakeServer { text in
      if text.contains("AUTH") { opened.add(1, ordering: .relaxed) }
      if text.contains("MGET") { return "*1\r\n$-1\r\n" }
      return text.contains("SET") && !isBack.load(ordering: .relaxed) ? refusal + "\r\n" : "+OK\r\n"
    }
    let lines = LogLines()
    let client = client(server.port, RedisBreaker(rest: .nanoseconds(1), limit: .nanoseconds(1)), lines)
    for _ in 0..<4 {
      #expect(try client.mget([key]) == [nil])
      #expect(throws: RedisError.self) { try client.setMany([(key, key)], ttl: .seconds(1)) }
      #expect(client.problem?.isRefusal == true)
    }
    #expect(opened.load(ordering: .relaxed) == sessions && lines.all.count == 1)
    isBack.store(true, ordering: .relaxed)
    try client.setMany([(key, key)], ttl: .seconds(1))
    #expect(client.problem == nil && lines.all.count == 2)
  }

  @Test func whatIsSetWithoutWaitingIsAnsweredBeforeTheNextCall() throws {
    let isFull = Atomic(false)
    let server = try FakeServer { text in
      if text.contains("AUTH") { return "+OK\r\n" }
      let sets = text.split(separator: "SET\r\n").count - 1
      let answer = isFull.load(ordering: .relaxed) ? "-OOM command not allowed\r\n" : "+OK\r\n"
      return String(repeating: answer, count: sets) + (text.contains("PING") ? "+PONG\r\n" : "")
    }
    let lines = LogLines()
    let client = client(server.port, RedisBreaker(rest: .nanoseconds(1), limit: .nanoseconds(1)), lines)
    try client.startSetMany([(key, key), (key, key)], ttl: .seconds(1))
    // An answer of the first call that is taken for one of the next would be "+OK".
    try client.ping()
    try client.settle()
    isFull.store(true, ordering: .relaxed)
    try client.startSetMany([(key, key)], ttl: .seconds(1))
    let error = #expect(throws: RedisError.self) { try client.settle() }
    #expect(error?.code == .outOfMemory && client.problem?.code == .outOfMemory)
    // What was refused is no failure of the call that finds out.
    try client.ping()
    try client.startSetMany([(key, key)], ttl: .seconds(1))
    try client.ping()
    #expect(client.problem?.code == .outOfMemory && lines.all.count == 1)
  }

  @Test func aSilentServerIsNoticedWhenTheAnswersAreRead() throws {
    let server = try FakeServer { $0.contains("AUTH") ? "+OK\r\n" : nil }
    let client = client(server.port)
    try client.startSetMany([(key, key)], ttl: .seconds(1))
    let error = #expect(throws: RedisError.self) { try client.settle() }
    #expect(error?.code == .timedOut)
    // Nothing is waited for any more.
    try client.settle()
  }

  private func error(_ client: RedisClient) -> RedisError.Code? {
    do throws(RedisError) {
      try client.ping()
      return nil
    } catch {
      return error.code
    }
  }
}

final class LogLines: Sendable {
  private let lines = Mutex<[String]>([])
  func add(_ line: [UInt8]) { lines.withLock { $0.append(String(decoding: line, as: UTF8.self)) } }
  var all: [String] { lines.withLock { $0 } }
}

/// A server on a free loopback port that gives canned answers; nil is silence.
final class FakeServer: Sendable {
  let port: UInt16
  private let listener: Int32

  init(_ answer: @escaping @Sendable (String) -> String?) throws {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isListening = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, length) == 0 && listen(listener, 16) == 0 && getsockname(listener, $0, &length) == 0
      }
    }
    try #require(isListening)
    self.listener = listener
    port = UInt16(bigEndian: address.sin_port)
    _ = WorkerThread(name: "fake-redis") {
      while true {
        let client = accept(listener, nil, nil)
        if client < 0 { return }
        _ = WorkerThread(name: "fake-redis") {
          Self.serve(client, answer)
          close(client)
        }
      }
    }
  }

  deinit {
    shutdown(listener, Int32(SHUT_RDWR))
    close(listener)
  }

  private static func serve(_ client: Int32, _ answer: (String) -> String?) {
    var buffer = [UInt8](repeating: 0, count: 4_096)
    while true {
      let count = read(client, &buffer, buffer.count)
      if count <= 0 { return }
      guard let text = answer(String(decoding: buffer[..<count], as: UTF8.self)) else { continue }
      let bytes = Array(text.utf8)
      _ = send(client, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }
  }
}
