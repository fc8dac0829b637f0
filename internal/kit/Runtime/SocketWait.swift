internal import Glibc
package import Values

/// Why a wait on a socket ended.
package enum SocketWait { case ready, timedOut, stopped }

/// poll(2) on one socket and, when given, a stop flag; blocks the calling thread.
package func waitForSocket(
  _ socket: Int32, read: Bool, write: Bool, stop: StopFlag?, until deadline: Instant
) -> SocketWait {
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
