internal import CLinux

/// Readiness that a descriptor has or waits for: epoll's bits.
public struct Readiness: OptionSet, Sendable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// There is something to read, or the peer has ended its side.
  public static let readable = Readiness(rawValue: EPOLLIN.rawValue)
  /// There is room to write.
  public static let writable = Readiness(rawValue: EPOLLOUT.rawValue)
  /// The peer has ended its side; what it sent before may not have been read yet.
  public static let peerEnded = Readiness(rawValue: EPOLLRDHUP.rawValue)
  /// The peer is gone or the socket has an error; reported whether asked for or not.
  public static let broken = Readiness(rawValue: EPOLLERR.rawValue | EPOLLHUP.rawValue)
}

/// Something with a descriptor that an `EventLoop` watches.
public protocol EventSource: AnyObject {
  /// Called on the loop's thread while the descriptor is ready (level-triggered).
  func handle(_ readiness: Readiness)
}

/// Something that wants to act once when a turn of the loop is over.
public protocol TurnEndTarget: AnyObject {
  /// Called on the loop's thread.
  func turnEnded()
}

/// A watched descriptor, to change or forget it by.
public struct EventSourceID: Sendable {
  let slot: Int32
  let generation: UInt32
  let descriptor: Int32
}
