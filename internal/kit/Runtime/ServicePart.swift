public import Values

/// A part of a program that works in the background: a pool, a relay, a server.
///
/// The contract, for whoever starts and stops parts and for whoever writes one:
/// - `start` is called at most once, and not after `stop`. It may block; a part that waits for something there returns
///   early when the program's stop flag is set. When it throws, nothing of the part goes on.
/// - `stop` takes no new work, finishes what is in flight until the deadline, and returns when the part's threads have
///   ended. It may be called before `start` and again after `stop`; it then does nothing.
/// - Both are called on a thread that may block, and not by the part itself.
public protocol ServicePart: Sendable {
  /// Begins to work. A part that works from the moment it is made has nothing to do here.
  func start() throws
  /// Ends the work. Blocks until it has ended.
  /// - Parameter deadline: until when to wait for work in flight.
  func stop(until deadline: Instant)
}

extension ServicePart {
  /// Nothing to begin.
  public func start() throws {}
}
