public import Values

/// "There is something to do", from any thread to one waiting thread of ours; signals sent meanwhile fold into one.
public final class WakeSignal: Sendable {
  private let pending = Monitor(false)

  /// A signal that nobody has given yet.
  public init() {}

  /// Wakes the waiter, or lets its next wait return at once. Callable on any thread.
  public func notify() {
    pending.update { $0 = true }
  }

  /// Blocks the calling thread until `notify` or `deadline`.
  /// - Returns: true when it was notified, false when the deadline passed first.
  @discardableResult
  public func wait(until deadline: Instant) -> Bool {
    pending.wait(until: deadline) { pending in
      guard pending else { return nil }
      pending = false
      return true
    } ?? false
  }
}
