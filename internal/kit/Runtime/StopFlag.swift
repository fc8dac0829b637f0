internal import Glibc
public import Values

/// "Stop now", told once from any thread to threads that wait for a database; it also ends a wait on a socket.
public final class StopFlag: Sendable {
  /// Becomes readable when stopped and stays so, because nothing ever reads it.
  let readEnd: Int32
  private let writeEnd: Int32

  public init() {
    var ends: [Int32] = [0, 0]
    let status = pipe(&ends)
    precondition(status == 0, "no pipe: the process is out of file descriptors")
    for end in ends {
      _ = fcntl(end, F_SETFD, FD_CLOEXEC)
      _ = fcntl(end, F_SETFL, O_NONBLOCK)
    }
    readEnd = ends[0]
    writeEnd = ends[1]
  }

  deinit {
    close(readEnd)
    close(writeEnd)
  }

  /// Ends all present and future waits. Harmless when called again; callable on any thread.
  public func stop() {
    var byte: UInt8 = 1
    _ = write(writeEnd, &byte, 1)
  }

  /// Whether `stop` was called.
  public var isStopped: Bool { waits(until: Instant(nanoseconds: 0)) }

  /// Blocks the calling thread until `stop` or `deadline`.
  /// - Returns: true when stopped.
  @discardableResult
  public func wait(until deadline: Instant) -> Bool { waits(until: deadline) }

  private func waits(until deadline: Instant) -> Bool {
    waitForSocket(readEnd, read: true, write: false, stop: nil, until: deadline) == .ready
  }
}

/// Why a wait on a socket ended.
enum SocketWait { case ready, timedOut, stopped }

/// poll(2) on one socket and, when given, a stop flag; blocks the calling thread.
func waitForSocket(_ socket: Int32, read: Bool, write: Bool, stop: StopFlag?, until deadline: Instant) -> SocketWait {
  let interest = Int16((read ? POLLIN : 0) | (write ? POLLOUT : 0))
  var entries = (
    pollfd(fd: socket, events: interest, revents: 0), pollfd(fd: stop?.readEnd ?? -1, events: Int16(POLLIN), revents: 0)
  )
  while true {
    let milliseconds = pollTimeout(until: deadline)
    let ready = withUnsafeMutableBytes(of: &entries) { bytes in
      // Homogeneous tuples are laid out as C arrays.
      Glibc.poll(bytes.baseAddress!.assumingMemoryBound(to: pollfd.self), 2, milliseconds)
    }
    if entries.1.revents != 0 { return .stopped }
    if ready > 0 { return .ready }
    // A signal handler ran, or the cap of one wait passed.
    if ready < 0 && errno != EINTR { return .ready }
    if Instant.now() >= deadline { return .timedOut }
  }
}

/// Milliseconds for poll(2), rounded up so as not to spin before the deadline, at most a minute at once.
private func pollTimeout(until deadline: Instant) -> Int32 {
  if deadline == .distantFuture { return 60_000 }
  let remaining = (deadline - Instant.now()).inNanoseconds
  return Int32(clamping: min(max(0, (remaining + 999_999) / 1_000_000), 60_000))
}
