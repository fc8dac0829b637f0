internal import Synchronization
public import Values

/// Which recorded trace the work on something belongs to, for as long as this process is at it: in memory, the oldest
/// forgotten first. For work that goes on after its call or message was answered. Callable on any thread.
public final class TraceBook: Sendable {
  /// Remembers nothing.
  public static let off = TraceBook(.off)

  private struct State {
    var traces: [UniqueID: TraceContext] = [:]
    /// The ids in the order in which they came, a ring once it is full.
    var order: [UniqueID] = []
    var next = 0
  }

  /// Makes the spans of that work.
  public let tracer: Tracer
  private let capacity: Int
  private let state = Mutex(State())

  /// - Parameter capacity: how many are remembered, above 0.
  public init(_ tracer: Tracer, capacity: Int = 4_096) {
    precondition(capacity > 0, "a book without pages")
    self.tracer = tracer
    self.capacity = capacity
  }

  /// Remembers a trace; without effect for one that is not recorded.
  public func note(_ id: UniqueID, _ trace: TraceContext?) {
    guard tracer.isOn, let trace, trace.isSampled else { return }
    state.withLock { state in
      guard state.traces.updateValue(trace, forKey: id) == nil else { return }
      if state.order.count < capacity { return state.order.append(id) }
      state.traces[state.order[state.next]] = nil
      state.order[state.next] = id
      state.next = (state.next + 1) % capacity
    }
  }

  /// The trace; nil when it is not known.
  public func trace(of id: UniqueID) -> TraceContext? {
    tracer.isOn ? state.withLock { $0.traces[id] } : nil
  }
}
