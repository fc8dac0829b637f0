package import Metrics
internal import Runtime
package import SagaDomain
internal import Synchronization
package import Values

/// Brings changes of payments to the calls that watch them.
///
/// It is told that something has committed, not what: it then reads all watched payments at once, at most every few
/// milliseconds. Each watcher keeps the newest state only, so a slow reader holds one payment and no more.
package final class WatchHub: Sendable {
  /// Reads the newest state of payments; blocks the hub's thread.
  package typealias Load = @Sendable (_ orderIDs: [Int64]) -> FoundPayments
  /// A payment as it is now, or why it cannot be read.
  package typealias Change = Result<Payment, PaymentError>

  /// Most calls that watch at a time.
  static let limit = 10_000
  /// Shortest time between two reads.
  package static let pause = Duration.milliseconds(10)
  /// Reading takes at most this part of the thread's time, so that thousands of watches do not keep a processor busy.
  private static let largestShare = 5
  /// How often to read when nothing wakes the hub: notifications may be lost.
  private static let poll = Duration.seconds(1)

  private struct State {
    var watchers: [Int64: [UInt64: AsyncStream<Change>.Continuation]] = [:]
    var count = 0
    var next: UInt64 = 0
    var isStopped = false
  }

  private let state = Monitor(State())
  private let wakeUp = WakeSignal()
  private let thread = Mutex<WorkerThread?>(nil)

  /// A hub that reads nothing until it is started.
  package init(metrics: MetricsRegistry) {
    metrics.gauge("payments_watches", help: "Calls that watch a payment.") { [weak self] in
      self.map { Double($0.state.withLock { $0.count }) }
    }
  }

  /// Starts the hub's thread.
  /// - Parameter load: reads payments; it runs on the hub's thread, where it may block.
  package func start(_ load: @escaping Load) {
    thread.withLock {
      $0 = WorkerThread(name: "watch") { [self] in
        while !state.withLock({ $0.isStopped }) {
          wakeUp.wait(until: .now() + Self.poll)
          let orders = state.withLock { Array($0.watchers.keys) }
          if orders.isEmpty { continue }
          let began = Instant.now()
          let found = load(orders)
          for payment in found.payments { deliver(.success(payment), of: payment.orderID) }
          for row in found.unreadable where row.orderID != nil { deliver(.failure(row.error), of: row.orderID ?? 0) }
          let now = Instant.now()
          let pause = max(Self.pause, (now - began) * (Self.largestShare - 1))
          _ = state.wait(until: now + pause) { $0.isStopped ? true : nil }
        }
      }
    }
  }

  /// Says that something has committed. Callable on any thread.
  package func wake() { wakeUp.notify() }

  /// The changes of a payment from now on, newest first kept; nil when too many calls watch. It ends when the hub
  /// stops. A failure says that the payment cannot be read any more.
  package func watch(orderID: Int64) -> AsyncStream<Change>? {
    let (stream, continuation) = AsyncStream.makeStream(of: Change.self, bufferingPolicy: .bufferingNewest(1))
    let id = state.withLock { state -> UInt64? in
      guard !state.isStopped, state.count < Self.limit else { return nil }
      state.next += 1
      state.count += 1
      state.watchers[orderID, default: [:]][state.next] = continuation
      return state.next
    }
    guard let id else { return nil }
    continuation.onTermination = { [weak self] _ in self?.forget(orderID, id) }
    return stream
  }

  /// Ends all watches, takes no new ones, and ends the thread.
  /// - Parameter deadline: has no effect: the read under way is let to return, which has a limit of its own.
  package func stop(until deadline: Instant) {
    let watchers = state.update { state in
      state.isStopped = true
      return state.watchers.values.flatMap(\.values)
    }
    for watcher in watchers { watcher.finish() }
    wakeUp.notify()
    thread.withLock { $0 }?.join()
  }

  private func deliver(_ change: Change, of orderID: Int64) {
    for watcher in state.withLock({ $0.watchers[orderID].map { Array($0.values) } ?? [] }) {
      watcher.yield(change)
    }
  }

  private func forget(_ orderID: Int64, _ id: UInt64) {
    state.withLock { state in
      guard state.watchers[orderID]?.removeValue(forKey: id) != nil else { return }
      state.count -= 1
      if state.watchers[orderID]?.isEmpty == true { state.watchers[orderID] = nil }
    }
  }
}
