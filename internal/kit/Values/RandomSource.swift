internal import Glibc
internal import Synchronization

/// Random numbers of the kernel's generator, fetched 256 bytes at a time: a system call for each number is a few
/// percent of what a call costs. Callable on any thread.
///
/// A number is erased once it was given out. A process that forks would give its numbers out twice; ours do not.
struct RandomSource: RandomNumberGenerator {
  private struct Pool {
    var words = [UInt64](repeating: 0, count: 32)
    var left = 0

    mutating func next() -> UInt64 {
      if left == 0 { refill() }
      left -= 1
      defer { words[left] = 0 }
      return words[left]
    }

    private mutating func refill() {
      let status = words.withUnsafeMutableBytes { bytes in bytes.baseAddress.map { getentropy($0, bytes.count) } }
      precondition(status == 0, "the kernel gives no random numbers: errno \(errno)")
      left = words.count
    }
  }

  private static let pool = Mutex(Pool())
  /// A variable without bytes has no address of its own, and the thread sanitizer takes those of two threads for one.
  private let byte: UInt8 = 0

  mutating func next() -> UInt64 { Self.pool.withLock { $0.next() } }
}
