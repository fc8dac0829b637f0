internal import Runtime
internal import Synchronization
internal import Tracing
internal import Values

/// Why a handler that waits should come to an end.
public enum HTTPInterruption: Sendable, Hashable {
  /// The caller has closed its side of the connection: the answer may not reach it. What it asked for is not undone.
  case peerLeft
  /// The server drains.
  case serverStops
  /// The time of the route is over, and the caller has been told so.
  case timeIsOver
}

/// A request from its first line to the end of its answer.
///
/// Its way in is walked on the daemon's thread; its answer comes from any thread, once: from the handler, from the
/// guard when the time is over, or from the exchange that was dropped.
final class ServedRequest: Sendable {
  enum Answer: Sendable {
    case response(HTTPResponse)
    case refusal(HTTPRefusal)
    case stream(HTTPResponse, StreamBuffer)
    /// The end of the connection.
    case nothing
  }
  private enum Reply {
    /// The handler is running.
    case none
    /// The library waits until it is resumed.
    case suspended(SuspendedConnection)
    case ready(Answer)
    case taken
  }
  private struct State {
    var reply = Reply.none
    var stream: StreamBuffer?
    var interruption: (@Sendable (HTTPInterruption) -> Void)?
    var wasInterrupted: HTTPInterruption?
    /// Nobody can be interrupted any more.
    var isOver = false

    /// - Returns: whether it is the first answer.
    mutating func give(_ answer: Answer) -> Bool {
      switch reply {
      case .none: reply = .ready(answer)
      case .suspended(let connection):
        reply = .ready(answer)
        // With the lock held: from here on the daemon's thread may take the answer, which waits for the lock.
        connection.resume()
      case .ready, .taken: return false
      }
      if case .stream(_, let buffer) = answer { stream = buffer }
      return true
    }

    /// - Returns: what is to be called, without the lock.
    mutating func interrupt(_ reason: HTTPInterruption) -> (@Sendable (HTTPInterruption) -> Void)? {
      defer { (interruption, wasInterrupted) = (nil, wasInterrupted ?? reason) }
      return interruption
    }
  }

  let connection: HTTPConnection
  // Used on the daemon's thread only: libmicrohttpd serves a connection on one thread for all its life, and only its
  // callbacks come here. A part of the object, as many requests may wait.
  nonisolated(unsafe) var intake: Intake
  /// Bytes of its body that count in what all bodies hold together.
  let held = Atomic(0)
  // Not a Mutex, whose lock the thread sanitizer does not see: answers come from any thread.
  private let state = Monitor(State())

  /// What is known of it. Requests that wait keep it, so it holds no more than they need.
  struct Intake {
    enum Step {
      case head
      case body
      case handling
    }
    /// Until a handler runs; with the request where none does.
    var arrival: Arrival?
    var method = ""
    var origin: String?
    /// What it is a part of.
    var trace: TraceContext?
    var arrived = Instant.distantFuture
    /// Until an answer begins to leave; nil where it is not recorded.
    var span: Span?
    var route: Int?
    var step = Step.head
    /// Whether it counts in the requests that have no answer.
    var isCounted = false
    var mustClose = false
  }

  /// The way in, on the daemon's thread.
  final class Arrival {
    /// Path and query as they came, and whether they came whole; until the head is there.
    var target: [UInt8]
    let isPlain: Bool
    /// What a handler gets.
    var accepted: RequestIntake.Accepted?
    var head: RequestHead?
    /// The answer to a request that no handler sees.
    var answer: Answer?
    var body = BodyIntake(maxBody: 0)

    init(target: [UInt8], isPlain: Bool) {
      self.target = target
      self.isPlain = isPlain
    }
  }

  init(_ connection: HTTPConnection, target: [UInt8], isPlain: Bool) {
    self.connection = connection
    intake = Intake(arrival: Arrival(target: target, isPlain: isPlain))
  }

  // MARK: Any thread

  /// Gives the answer; the first one counts.
  /// - Returns: whether it was the first.
  func answer(_ answer: Answer) -> Bool { state.withLock { $0.give(answer) } }

  /// Ends the wait: of a handler that has not answered, or of a stream.
  func endNow(_ refusal: HTTPRefusal) {
    // Together, as the end of the request lets go of the closure.
    let (body, stream) = state.withLock { state in
      state.give(.refusal(refusal)) ? (state.interrupt(Self.reason(refusal)), nil) : (nil, state.stream)
    }
    body?(Self.reason(refusal))
    // A stream that began in time goes on: its writer has more to say, and a proper end would hide that.
    if refusal == .stopping { stream?.finish() }
  }

  /// The connection is broken: a stream that has nothing to send would not notice.
  func lost() {
    interrupt(.peerLeft)
    state.withLock { $0.stream }?.breakOff()
  }

  private static func reason(_ refusal: HTTPRefusal) -> HTTPInterruption {
    refusal == .noAnswerInTime ? .timeIsOver : .serverStops
  }

  /// Has `body` called at the first interruption, or at once when that was before. It replaces an earlier one.
  func whenInterrupted(_ body: @escaping @Sendable (HTTPInterruption) -> Void) {
    var replaced: (@Sendable (HTTPInterruption) -> Void)?
    let reason = state.withLock { state -> HTTPInterruption? in
      guard state.wasInterrupted == nil, !state.isOver else { return state.wasInterrupted }
      (replaced, state.interruption) = (state.interruption, body)
      return nil
    }
    Self.letGo(replaced)
    if let reason { body(reason) }
  }

  /// Without the lock: the closure may hold the last reference to the exchange, whose end answers the request.
  private static func letGo(_ body: (@Sendable (HTTPInterruption) -> Void)?) { withExtendedLifetime(body) {} }

  /// Tells whoever waits; the first time counts.
  func interrupt(_ reason: HTTPInterruption) { state.withLock { $0.interrupt(reason) }?(reason) }

  // MARK: The daemon's thread

  /// Whether the answer is there already.
  var isAnswered: Bool {
    state.withLock { if case .ready = $0.reply { true } else { false } }
  }

  /// Takes the answer, or suspends the connection until there is one.
  func takeAnswer(orSuspend connection: SuspendedConnection) -> Answer? {
    state.withLock { state in
      switch state.reply {
      case .ready(let answer):
        state.reply = .taken
        return answer
      case .none:
        connection.suspend()
        state.reply = .suspended(connection)
      case .suspended, .taken: break
      }
      return nil
    }
  }

  /// The request is over: whoever streams or waits for an interruption hears of it.
  func finished() {
    let stream = state.withLock { state in
      if case .taken = state.reply {} else { state.reply = .taken }
      return state.stream
    }
    if stream?.close() == true { interrupt(.peerLeft) }
    var unused: (@Sendable (HTTPInterruption) -> Void)?
    state.withLock { state in
      (unused, state.interruption) = (state.interruption, nil)
      state.isOver = true
    }
    Self.letGo(unused)
  }
}
