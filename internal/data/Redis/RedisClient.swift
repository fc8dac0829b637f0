public import Logger
internal import Values

/// A pipelined Redis connection for one thread of the owner's; it connects by itself, and again after a failure.
///
/// Not Sendable: one thread at a time. Each call blocks for at most the connect timeout plus the command timeout for
/// each wait on the socket, and while the breaker is open fails at once. Every failure costs speed only: the
/// database is the truth.
public final class RedisClient {
  /// How the client behaves.
  public struct Options: Sendable {
    /// For connecting, name resolution included.
    public var connectTimeout: Duration
    /// For each wait on the socket.
    public var commandTimeout: Duration
    /// The most keys in one round trip; longer calls are cut into several.
    public var pipelineLimit: Int
    /// Decides how long Redis is left alone after a failure.
    public var breaker: RedisBreaker

    /// Timeouts and limit are above zero.
    public init(
      connectTimeout: Duration = .milliseconds(500), commandTimeout: Duration = .milliseconds(500),
      pipelineLimit: Int = 10_000, breaker: RedisBreaker = RedisBreaker()
    ) {
      precondition(connectTimeout > .zero && commandTimeout > .zero && pipelineLimit > 0)
      self.connectTimeout = connectTimeout
      self.commandTimeout = commandTimeout
      self.pipelineLimit = pipelineLimit
      self.breaker = breaker
    }
  }

  private let dsn: RedisDSN
  private let options: Options
  private let logger: Logger
  private var breaker: RedisBreaker
  private var connection: RedisHandle?
  private var isClosed = false
  private var spell: BadSpell?
  /// How many writes have been sent whose answers were not read.
  private var unansweredWrites = 0

  /// What was refused, or why there was no answer, until that works again: for readiness.
  public var problem: RedisError? { spell?.error }

  /// What the log was told of and not yet of its end.
  private struct BadSpell {
    /// The newest failure.
    let error: RedisError
    /// What Redis refuses, while it may do all else: when it is full, or a replica; nil when it does not answer.
    let refused: String?
  }

  /// Connects to nothing yet.
  public init(_ dsn: RedisDSN, options: Options = Options(), logger: Logger) {
    self.dsn = dsn
    self.options = options
    self.logger = logger
    breaker = options.breaker
  }

  /// Where the breaker stands.
  var breakerState: RedisBreaker.State { breaker.state }

  /// Asks the server for a sign of life.
  public func ping() throws(RedisError) {
    _ = try exchange([[Array("PING".utf8)]], "ping")
  }

  /// The values of these keys, in their order; nil where there is none.
  public func mget(_ keys: [[UInt8]]) throws(RedisError) -> [[UInt8]?] {
    var values: [[UInt8]?] = []
    values.reserveCapacity(keys.count)
    let action = "read keys"
    for chunk in chunks(keys) {
      let replies = try exchange([[Array("MGET".utf8)] + chunk], action)
      guard case .array(let elements)? = replies.first, elements.count == chunk.count else {
        throw giveUp(
          RedisError(.protocolViolation, "MGET of \(chunk.count) keys gave another number of values"), action)
      }
      for element in elements {
        // A key that holds another type than a string is null in MGET, too.
        if case .bytes(let bytes) = element { values.append(bytes) } else { values.append(nil) }
      }
    }
    return values
  }

  /// Sets all keys, pipelined, each with its own time to live. A failure may leave some of them set.
  /// - Parameter ttl: at least 1 ms.
  public func setMany(_ entries: [(key: [UInt8], value: [UInt8])], ttl: Duration) throws(RedisError) {
    for chunk in chunks(Self.sets(entries, ttl)) { _ = try exchange(Array(chunk), Self.writing) }
  }

  /// Sets all keys as `setMany` does, and does not wait for the answers: `settle` reads them, as any other call does
  /// before it asks. Meanwhile Redis sets the keys. Waits as `setMany` does when Redis has failed shortly before, and
  /// when more keys than fit into one round trip are without an answer.
  public func startSetMany(_ entries: [(key: [UInt8], value: [UInt8])], ttl: Duration) throws(RedisError) {
    guard breaker.state == .closed, unansweredWrites + entries.count <= options.pipelineLimit else {
      return try setMany(entries, ttl: ttl)
    }
    try connected(Self.writing) { handle throws(RedisError) in
      for command in Self.sets(entries, ttl) { try handle.append(command) }
      try handle.flush()
    }
    unansweredWrites += entries.count
  }

  /// Reads the answers to what `startSetMany` has sent; does nothing when nothing was.
  /// - Throws: as `setMany`.
  public func settle() throws(RedisError) {
    let count = unansweredWrites
    guard count > 0 else { return }
    // Not through the breaker, which allowed it when it was sent.
    let replies = try attempt(Self.writing) { handle throws(RedisError) in try Self.replies(&handle, count) }
    unansweredWrites = 0
    try judge(replies, Self.writing)
  }

  private static let writing = "write keys"

  private static func sets(_ entries: [(key: [UInt8], value: [UInt8])], _ ttl: Duration) -> [[[UInt8]]] {
    let milliseconds = Array("\(max(1, ttl.inMilliseconds))".utf8)
    let (set, unit) = (Array("SET".utf8), Array("PX".utf8))
    return entries.map { [set, $0.key, $0.value, unit, milliseconds] }
  }

  /// Deletes keys.
  /// - Returns: how many there were.
  @discardableResult
  public func delete(_ keys: [[UInt8]]) throws(RedisError) -> Int {
    var count: Int64 = 0
    for chunk in chunks(keys) {
      if case .integer(let deleted)? = try exchange([[Array("DEL".utf8)] + chunk], "delete keys").first {
        count = count.adding(saturating: deleted)
      }
    }
    return Int(clamping: count)
  }

  /// Runs a script (Lua) once for each call, pipelined; Redis keeps it compiled.
  /// - Parameters:
  ///   - script: answers integers.
  ///   - calls: the key that the script works on, and its arguments.
  /// - Returns: the integers of each answer, in order. A failure may leave some of the calls made.
  public func evaluate(
    _ script: [UInt8], _ calls: [(key: [UInt8], arguments: [[UInt8]])]
  ) throws(RedisError) -> [[Int64]] {
    let (eval, one, action) = (Array("EVAL".utf8), Array("1".utf8), "run a script")
    var answers: [[Int64]] = []
    for chunk in chunks(calls) {
      for reply in try exchange(chunk.map { [eval, script, one, $0.key] + $0.arguments }, action) {
        guard case .array(let elements) = reply else {
          throw giveUp(RedisError(.protocolViolation, "the script gave no array"), action)
        }
        answers.append(elements.compactMap { if case .integer(let number) = $0 { number } else { nil } })
      }
    }
    return answers
  }

  /// Closes the connection for good, after what was sent has been answered.
  public func close() {
    // Whatever becomes of it, nobody asks any more.
    try? settle()
    isClosed = true
    connection = nil
  }

  private func chunks<Element>(_ elements: [Element]) -> [ArraySlice<Element>] {
    stride(from: 0, to: elements.count, by: options.pipelineLimit).map {
      elements[$0..<min($0 + options.pipelineLimit, elements.count)]
    }
  }

  /// Sends commands in one go and gives their answers; the first error reply among them is thrown after all were read.
  private func exchange(_ commands: [[[UInt8]]], _ action: String) throws(RedisError) -> [RedisReply] {
    // What it throws is noted, and is no failure of these commands.
    try? settle()
    let replies = try connected(action) { handle throws(RedisError) in
      for command in commands { try handle.append(command) }
      return try Self.replies(&handle, commands.count)
    }
    try judge(replies, action)
    return replies
  }

  /// Throws the first error among the replies.
  private func judge(_ replies: [RedisReply], _ action: String) throws(RedisError) {
    for case .error(let reply) in replies { throw giveUp(RedisError(reply: reply, action), action) }
    noteSuccess(action)
  }

  /// Uses the connection, unless Redis failed shortly before.
  private func connected<Value>(
    _ action: String, _ body: (inout RedisHandle) throws(RedisError) -> Value
  ) throws(RedisError) -> Value {
    if isClosed { throw RedisError(.closed, "the Redis client has been closed") }
    guard breaker.allows(at: .now()) else {
      throw RedisError(.circuitOpen, "Redis at \(dsn) failed shortly before and is left alone for a while")
    }
    return try attempt(action, body)
  }

  /// Uses the connection, a new one where there is none.
  private func attempt<Value>(
    _ action: String, _ body: (inout RedisHandle) throws(RedisError) -> Value
  ) throws(RedisError) -> Value {
    do throws(RedisError) {
      if connection == nil { connection = try open() }
      return try body(&connection!)  // made above
    } catch {
      throw giveUp(error, action)
    }
  }

  /// A new connection, authenticated and in its database.
  private func open() throws(RedisError) -> RedisHandle {
    var handle = try RedisHandle.connect(
      host: dsn.host, port: dsn.port, connectTimeout: options.connectTimeout, commandTimeout: options.commandTimeout)
    var commands: [[[UInt8]]] = []
    if let password = dsn.password {
      let words = ["AUTH"] + (dsn.user.map { [$0] } ?? []) + [password]
      commands.append(words.map { Array($0.utf8) })
    }
    if dsn.database != 0 { commands.append([Array("SELECT".utf8), Array("\(dsn.database)".utf8)]) }
    for command in commands {
      try handle.append(command)
      // Thrown before the connection is kept: a session in the wrong database must not be used.
      if case .error(let reply) = try handle.nextReply() {
        let error = RedisError(reply: reply, "open a session")
        throw RedisError(error.code == .server ? .notAuthorized : error.code, error.message)
      }
    }
    return handle
  }

  private static func replies(_ handle: inout RedisHandle, _ count: Int) throws(RedisError) -> [RedisReply] {
    var replies: [RedisReply] = []
    replies.reserveCapacity(count)
    for _ in 0..<count { replies.append(try handle.nextReply()) }
    return replies
  }

  private func noteSuccess(_ action: String) {
    breaker.succeeded()
    // A full server that is read between two refused writes is not back.
    guard let spell, spell.refused ?? action == action else { return }
    self.spell = nil
    logger.info("Redis is back", ["server": .describing(dsn)])
  }

  /// Notes a failure, once in the log for each bad spell.
  private func giveUp(_ error: RedisError, _ action: String) -> RedisError {
    if !error.keepsConnection {
      connection = nil
      unansweredWrites = 0
    }
    breaker.failed(at: .now())
    if spell == nil {
      logger.warning("Redis fails; going on without it", ["server": .describing(dsn), "error": .error(error)])
    }
    spell = BadSpell(error: error, refused: error.isRefusal ? action : nil)
    return error
  }
}
