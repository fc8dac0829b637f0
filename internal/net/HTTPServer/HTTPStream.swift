/// An answer whose body is written part by part, as server-sent events are. Callable on any thread.
///
/// What is written waits in a buffer with a limit until the caller reads it. Dropping the stream finishes it.
public final class HTTPStream: Sendable {
  /// What became of a part.
  public enum Outcome: Sendable, Hashable {
    /// It is in the buffer.
    case written
    /// It is not: the caller has too much to read already.
    case full
    /// It is not: the stream is finished, or the caller is gone.
    case closed
  }

  private let buffer: StreamBuffer

  init(_ buffer: StreamBuffer) { self.buffer = buffer }

  deinit { buffer.finish() }

  /// Adds a part, whole or not at all; when nothing waits, whatever its size.
  public func write(_ bytes: [UInt8]) -> Outcome { buffer.write(bytes) }

  /// Calls `body` once when nothing waits, at once if so already; never after the stream has ended.
  /// - Parameter body: called on any thread, must not block; replaces the one before.
  public func whenDrained(_ body: @escaping @Sendable () -> Void) { buffer.whenDrained(body) }

  /// Ends the body as it should end; what was written before is still sent.
  public func finish() { buffer.finish() }

  /// Ends the connection in the middle of the body, so that the caller sees that something is missing.
  public func breakOff() { buffer.breakOff() }
}
