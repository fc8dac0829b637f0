internal import Glibc
internal import Runtime
internal import Synchronization
internal import Values

/// Writes log lines to a file descriptor from a thread of its own, so that a reader who stalls stops nobody else.
///
/// At most `capacity` bytes wait. A line beyond that is dropped and counted, and once the reader goes on, a line in the
/// place of those that are missing tells their number. Lines keep their order. Warnings and errors that repeat are
/// written once a second: see `RepeatedLines`. Callable on any thread; nothing here waits for the reader but `flush`.
public final class LogWriter: Sendable {
  /// The log of programs.
  public static let standardError = LogWriter(descriptor: STDERR_FILENO)

  /// The most bytes that wait for the reader; as many again may be under way.
  static let capacity = 1 << 20
  /// Whole lines up to this long are written in one piece (PIPE_BUF), which a shared pipe does not tear apart.
  private static let pieceLength = 4_096

  private struct State {
    var repeats = RepeatedLines()
    /// Whole lines.
    var waiting: [UInt8] = []
    /// Lines dropped since the thread last took what waits: they belong behind it, and until then none may follow.
    var dropped = 0
    var isWriting = false
    var hasThread = false
    /// Of our own lines: those of the last line.
    var format = LogFormat.text
    var program: Logger.Program?

    /// Whether there is something for the thread: lines, or the number of those that are missing.
    var isPending: Bool { !waiting.isEmpty || dropped > 0 }

    mutating func append(_ line: [UInt8]) -> Bool {
      guard dropped == 0, waiting.count + line.count <= LogWriter.capacity else {
        dropped += 1
        return false
      }
      waiting += line
      return true
    }

    /// - Returns: how many of them were dropped.
    mutating func appendDue(_ lines: [LogLine]) -> Int {
      var dropped = 0
      for line in lines where !append(line.bytes(format)) { dropped += 1 }
      return dropped
    }
  }

  private struct Batch {
    let lines: [UInt8]
    let dropped: Int
    let format: LogFormat
    let program: Logger.Program?

    /// The line in the place of those that are missing.
    func notice(_ count: Int) -> [UInt8] {
      LogLine(
        level: .warning, label: "log", message: "lines are missing here: they could not be written in time",
        fields: ["count": .number(count)], program: program
      ).bytes(format)
    }
  }

  private let descriptor: Int32
  private let state = Monitor(State())
  private let lost = Atomic(0)
  /// Pieces given to the kernel, by which `flush` sees whether the reader reads.
  private let pieces = Atomic(0)

  /// - Parameter descriptor: is not closed, and keeps its flags: others may share it.
  public init(descriptor: Int32) { self.descriptor = descriptor }

  /// Lines that were dropped because nobody read, or that could not be written.
  public var droppedLines: Int { lost.load(ordering: .relaxed) }

  /// Writes `text` as a line of its own, as it is.
  public func write(line text: String) {
    submit { state in state.append(Array(text.utf8) + [UInt8(ascii: "\n")]) ? 0 : 1 }
  }

  func write(_ line: LogLine, _ format: LogFormat) {
    // Made before the lock is taken. Only a line that is held back would not have needed it.
    let bytes = line.bytes(format)
    submit { state in
      let now = Instant.now()
      (state.format, state.program) = (format, line.program)
      var lost = state.appendDue(state.repeats.takeDue(at: now))
      if state.repeats.admit(line, at: now), !state.append(bytes) { lost += 1 }
      return lost
    }
  }

  /// Waits until every line is written. Gives up when nothing is read for a second, or after five. Blocks.
  public func flush() {
    submit { state in state.appendDue(state.repeats.takeAll()) }
    let limit = Instant.now() + .seconds(5)
    var seen = -1
    while seen != pieces.load(ordering: .relaxed), Instant.now() < limit {
      seen = pieces.load(ordering: .relaxed)
      let isDone: Void? = state.wait(until: min(limit, .now() + .seconds(1))) { state in
        !state.isPending && !state.isWriting ? () : nil
      }
      if isDone != nil { return }
    }
  }

  /// - Parameter change: returns how many lines were dropped.
  private func submit(_ change: (inout State) -> Int) {
    let (mustWake, dropped) = state.withLock { state in
      let (wasIdle, due) = (!state.isPending && !state.isWriting, state.repeats.nextDue)
      let dropped = change(&state)
      if !state.hasThread, state.isPending || state.repeats.nextDue != .distantFuture {
        state.hasThread = true
        _ = WorkerThread(name: "log") { self.run() }
      }
      return (wasIdle && state.isPending || state.repeats.nextDue < due, dropped)
    }
    if dropped > 0 { lost.add(dropped, ordering: .relaxed) }
    if mustWake { state.update { _ in } }
  }

  /// The thread.
  private func run() {
    // A reader that went away is an error of the write, whatever the program does about the signal.
    var set = sigset_t()
    sigemptyset(&set)
    sigaddset(&set, SIGPIPE)
    pthread_sigmask(SIG_BLOCK, &set, nil)
    var untold = 0
    while true {
      let batch = nextBatch()
      if untold > 0, write(batch.notice(untold)) { untold = 0 }
      untold += write(lines: batch.lines)
      if batch.dropped > 0 {
        untold += batch.dropped
        if write(batch.notice(untold)) { untold = 0 }
      }
      state.update { $0.isWriting = false }
    }
  }

  private func nextBatch() -> Batch {
    while true {
      let due = state.withLock { $0.repeats.nextDue }
      let batch: Batch?? = state.wait(until: due) { state in
        lost.add(state.appendDue(state.repeats.takeDue(at: .now())), ordering: .relaxed)
        if !state.isPending { return state.repeats.nextDue < due ? .some(nil) : nil }
        defer { (state.waiting, state.dropped, state.isWriting) = ([], 0, true) }
        return Batch(
          lines: state.waiting, dropped: state.dropped, format: state.format, program: state.program)
      }
      if let batch = batch ?? nil { return batch }
    }
  }

  /// - Returns: how many lines could not be written.
  private func write(lines: [UInt8]) -> Int {
    var rest = lines[...]
    var failed = 0
    while !rest.isEmpty {
      let piece = rest.prefix(Self.pieceLength)
      // A longer line goes alone.
      let end = piece.lastIndex(of: UInt8(ascii: "\n")) ?? rest.firstIndex(of: UInt8(ascii: "\n")) ?? rest.endIndex - 1
      let whole = rest[...end]
      rest = rest[(end + 1)...]
      if !write(whole) { failed += whole.count { $0 == UInt8(ascii: "\n") } }
    }
    lost.add(failed, ordering: .relaxed)
    return failed
  }

  /// - Returns: false when the descriptor takes nothing any more, as when its reader went away or its disk is full.
  private func write(_ piece: some Collection<UInt8>) -> Bool {
    var rest = Array(piece)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count > 0 {
        rest = rest.dropFirst(count)
      } else if errno == EAGAIN {
        // Somebody who shares the descriptor made it non-blocking.
        var poll = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        _ = Glibc.poll(&poll, 1, -1)
      } else if errno != EINTR {
        return false
      }
    }
    pieces.add(1, ordering: .relaxed)
    return true
  }
}
