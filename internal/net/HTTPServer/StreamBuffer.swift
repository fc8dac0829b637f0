internal import Runtime

/// What is to be sent of a streamed answer: filled by any thread, emptied by the daemon's.
final class StreamBuffer: Sendable {
  enum Next {
    /// So many bytes were put into the library's memory.
    case bytes(Int)
    case end
    /// The connection was broken off by the writer.
    case broken
    /// The connection is suspended until there is more.
    case suspended
  }
  private struct State {
    var bytes = ByteQueue()
    var isFinished = false
    var isBroken = false
    var isClosed = false
    var suspended: SuspendedConnection?
    var whenDrained: (@Sendable () -> Void)?

    mutating func resume() {
      suspended?.resume()
      suspended = nil
    }
  }

  private let capacity: Int
  // Not a Mutex: the thread sanitizer does not see that lock, nor anything else between writer and daemon.
  private let state = Monitor(State())

  init(capacity: Int) { self.capacity = capacity }

  func write(_ bytes: [UInt8]) -> HTTPStream.Outcome {
    state.withLock { state in
      if state.isClosed || state.isFinished || state.isBroken { return .closed }
      // A part that is larger than all has its turn when nothing waits: it could never be written otherwise.
      guard state.bytes.count == 0 || bytes.count <= capacity - state.bytes.count else { return .full }
      guard !bytes.isEmpty else { return .written }
      state.bytes.append(bytes)
      state.resume()
      return .written
    }
  }

  func whenDrained(_ body: @escaping @Sendable () -> Void) {
    let isDrained = state.withLock { state -> Bool in
      if state.isClosed || state.isFinished || state.isBroken { return false }
      if state.bytes.count == 0 { return true }
      state.whenDrained = body
      return false
    }
    if isDrained { body() }
  }

  func finish() {
    state.withLock { state in
      state.isFinished = true
      state.resume()
    }
  }

  func breakOff() {
    state.withLock { state in
      state.isBroken = true
      state.resume()
    }
  }

  /// The connection takes no more.
  /// - Returns: whether the writer does not know yet.
  @discardableResult
  func close() -> Bool {
    state.withLock { state in
      defer { state.isClosed = true }
      state.bytes = ByteQueue()
      state.suspended = nil
      state.whenDrained = nil
      return !state.isFinished && !state.isBroken && !state.isClosed
    }
  }

  /// Fills the library's memory, or suspends the connection when there is nothing.
  func next(_ target: UnsafeMutableRawBufferPointer, orSuspend connection: SuspendedConnection) -> Next {
    let (next, drained) = state.withLock { state -> (Next, (@Sendable () -> Void)?) in
      if state.isBroken { return (.broken, nil) }
      let count = state.bytes.take(into: target)
      guard count > 0 else {
        if state.isFinished { return (.end, nil) }
        connection.suspend()
        state.suspended = connection
        return (.suspended, nil)
      }
      guard state.bytes.count == 0, !state.isFinished else { return (.bytes(count), nil) }
      defer { state.whenDrained = nil }
      return (.bytes(count), state.whenDrained)
    }
    drained?()
    return next
  }
}

/// Bytes in the order in which they came. Holds at most twice the most that ever waited.
struct ByteQueue {
  private var bytes: [UInt8] = []
  private var start = 0

  /// Bytes that wait.
  var count: Int { bytes.count - start }
  /// Bytes in memory, those taken already included.
  var held: Int { bytes.count }

  mutating func append(_ more: [UInt8]) {
    // No more bytes move than were taken since the last time.
    if start >= count {
      bytes.removeFirst(start)
      start = 0
    }
    bytes += more
  }

  /// Takes what fits.
  mutating func take(into target: UnsafeMutableRawBufferPointer) -> Int {
    let taken = min(count, target.count)
    target.copyBytes(from: bytes[start..<start + taken])
    start += taken
    if count == 0 {
      // Most streams wait for long with nothing to send.
      bytes = []
      start = 0
    }
    return taken
  }
}
