internal import CHiredis
internal import Glibc
internal import Values

/// One blocking connection, owned by one thread at a time; closed when it goes.
struct RedisHandle: ~Copyable {
  private let context: UnsafeMutablePointer<redisContext>

  /// Connects.
  /// - Parameter commandTimeout: for each read and write that follows.
  /// - Throws: `.connectionFailed`.
  static func connect(
    host: String, port: UInt16, connectTimeout: Duration, commandTimeout: Duration
  ) throws(RedisError) -> RedisHandle {
    guard let context = redisConnectWithTimeout(host, Int32(port), timeval(connectTimeout)) else {
      throw RedisError(.connectionFailed, "cannot connect to Redis at \(host):\(port): out of memory")
    }
    let handle = RedisHandle(context: context)
    guard context.pointee.err == 0 else {
      throw RedisError(.connectionFailed, "cannot connect to Redis at \(host):\(port): \(reason(context))")
    }
    redisSetTimeout(context, timeval(commandTimeout))
    redisEnableKeepAlive(context)
    return handle
  }

  deinit { redisFree(context) }

  /// Puts a command, binary-safe, into the output buffer.
  mutating func append(_ words: [[UInt8]]) throws(RedisError) {
    let counts = words.map(\.count)
    let joined = words.flatMap { $0 }
    let status = joined.withUnsafeBytes { bytes in
      // An empty command has no address; hiredis then reads nothing from this one.
      let start = bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
      var offset = 0
      var pointers = counts.map { count in
        defer { offset += count }
        return start.map { $0 + offset }
      }
      return redisAppendCommandArgv(context, Int32(words.count), &pointers, counts)
    }
    guard status == REDIS_OK else { throw failure("send") }
  }

  /// Sends what is in the output buffer.
  /// - Throws: as `nextReply`.
  mutating func flush() throws(RedisError) {
    var isDone: Int32 = 0
    while isDone == 0 {
      guard redisBufferWrite(context, &isDone) == REDIS_OK else { throw failure("send") }
    }
  }

  /// Sends what is in the output buffer and reads the next answer.
  /// - Throws: `.timedOut`, `.connectionLost`, `.protocolViolation`; the connection is of no use after each of them.
  mutating func nextReply() throws(RedisError) -> RedisReply {
    var reply: UnsafeMutableRawPointer?
    guard redisGetReply(context, &reply) == REDIS_OK, let reply else { throw failure("ask") }
    defer { freeReplyObject(reply) }
    return RedisReply(reply.assumingMemoryBound(to: redisReply.self))
  }

  private func failure(_ action: String) -> RedisError {
    // errno is still that of the failed read or write: nothing was called in between.
    let number = errno
    switch context.pointee.err {
    case REDIS_ERR_IO where number == EAGAIN || number == EWOULDBLOCK || number == ETIMEDOUT:
      return RedisError(.timedOut, "cannot \(action) Redis: no answer in time")
    case REDIS_ERR_IO, REDIS_ERR_EOF:
      return RedisError(.connectionLost, "cannot \(action) Redis: \(Self.reason(context))")
    default:
      return RedisError(.protocolViolation, "cannot \(action) Redis: \(Self.reason(context))")
    }
  }

  private static func reason(_ context: UnsafeMutablePointer<redisContext>) -> String {
    withUnsafeBytes(of: &context.pointee.errstr) { bytes in
      String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
  }
}

extension timeval {
  init(_ duration: Duration) {
    let microseconds = max(1_000, duration.inNanoseconds / 1_000)  // 0 would be no timeout at all
    self.init(tv_sec: Int(microseconds / 1_000_000), tv_usec: Int(microseconds % 1_000_000))
  }
}
