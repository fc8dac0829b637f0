internal import Glibc
public import Values

/// Tells threads to stop, once and from any thread; it also ends waits on sockets.
public final class StopFlag: Sendable {
  /// Becomes readable when stopped and stays so, because nothing ever reads it.
  package let readEnd: Int32
  private let writeEnd: Int32

  /// Opens a pipe; traps when the process has no descriptors left.
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
