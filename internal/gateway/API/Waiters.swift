package import GatewayDomain
package import GatewayStore
package import Metrics
package import ProcessingStore
internal import Runtime
internal import Synchronization
package import Values

/// What waits for payments of the gateway.
package typealias PaymentWaiters = Waiters<GatewayPayment, GatewayStoreError>
/// What waits for refunds, whose rows are processing's.
package typealias RefundWaiters = Waiters<StoredRefund, StoreTrouble>

/// Answers requests that wait for payments or refunds, from readings of many of them at once.
///
/// It is told which of them have changed, in this process or in another; between the changes nothing is read. A waiter
/// takes no thread and no task.
package final class Waiters<Row: Sendable, Trouble: Error>: ServicePart {
  /// What a waiter gets, once.
  package enum News: Sendable {
    /// The newest row: final, or the time is up.
    case row(Row)
    /// There is no such row.
    case missing
    /// The rows cannot be read.
    case trouble(Trouble)
    /// The waiter's own wish: see `leave`.
    case left
  }

  /// Gets the news, on the thread of the waiters or of whoever calls `leave`. Must not block.
  package typealias Answer = @Sendable (News) -> Void

  /// The rows that there are; one that cannot be read is an error of its own.
  package typealias Found = [UniqueID: Result<Row, Trouble>]

  /// Reads the newest rows; blocks the waiters' thread.
  package typealias Load = @Sendable ([UniqueID]) -> Result<Found, Trouble>

  private struct Waiter {
    let answer: Answer
    /// Given back when the waiter leaves the table.
    let place: WaiterPlace
  }
  private struct State {
    var table = WaiterTable<Waiter>()
    var isDraining = false
    var isStopped = false
  }

  private let state = Monitor(State())
  private let places: WaiterPlaces
  private let load: Load
  private let isFinal: @Sendable (Row) -> Bool
  private let sizes: Histogram
  private let thread = Mutex<WorkerThread?>(nil)

  /// - Parameters:
  ///   - places: shared with whoever else waits.
  ///   - isFinal: whether there is nothing more to wait for.
  package init(
    at places: WaiterPlaces, metrics: MetricsRegistry, isFinal: @escaping @Sendable (Row) -> Bool, load: @escaping Load
  ) {
    self.places = places
    self.load = load
    self.isFinal = isFinal
    sizes = metrics.histogram(
      "gateway_waiter_reads", help: "Payments or refunds of one reading for requests that wait.",
      bounds: Histogram.sizes)
  }

  /// Starts the thread.
  package func start() {
    thread.withLock { $0 = WorkerThread(name: "waiters") { [self] in run() } }
  }

  /// Answers those that still wait with what is known, and ends the thread.
  /// - Parameter deadline: has no effect: the readings under way have limits of their own.
  package func stop(until deadline: Instant) {
    state.update { state in
      state.table.drain()
      state.isStopped = true
    }
    thread.withLock { $0 }?.join()
  }

  /// Takes a place among those that wait. Callable on any thread.
  /// - Throws: 503 when as many wait as there may.
  func takePlace(for peer: WaitingPeer) throws(Fault) -> WaiterPlace { try places.take(for: peer) }

  /// Waits for a row to become final. Callable on any thread.
  /// - Parameters:
  ///   - deadline: when the newest row is good enough.
  ///   - answer: called once.
  package func wait(
    for payment: UniqueID, until deadline: Instant, at place: WaiterPlace, _ answer: @escaping Answer
  ) -> WaiterTicket {
    state.update { state in
      WaiterTicket(id: state.table.add(Waiter(answer: answer, place: place), for: payment, until: deadline, at: .now()))
    }
  }

  /// Gives the place of a waiter back, which is told `left` unless it had its news before. Callable on any thread.
  package func leave(_ ticket: WaiterTicket) { state.withLock { $0.table.remove(ticket.id) }?.answer(.left) }

  /// Says that rows have changed. Callable on any thread.
  package func changed(_ payments: [UniqueID]) { state.update { $0.table.changed(payments) } }

  /// Says that changes may have gone unnoticed. Callable on any thread.
  package func changedPerhaps() { state.update { $0.table.changedPerhaps() } }

  /// Answers everybody with what is known, from now on also those that come. Callable on any thread.
  package func drain() {
    state.update { state in
      guard !state.isDraining else { return }
      state.isDraining = true
      state.table.drain()
    }
  }

  // MARK: - The thread

  private enum Next {
    case read([UniqueID])
    case look
    case stop
  }

  private func run() {
    while true {
      let wakeup = state.withLock { $0.table.wakeup }
      let next = state.wait(until: wakeup) { state -> Next? in
        let batch = state.table.takeBatch(at: .now())
        if !batch.isEmpty { return .read(batch) }
        if state.isStopped { return .stop }
        // Whoever came while nothing is read has to be seen earlier than that.
        return state.table.wakeup < wakeup ? .look : nil
      }
      switch next {
      case .read(let batch): read(batch)
      case .look, nil: continue
      case .stop: return
      }
    }
  }

  private func read(_ batch: [UniqueID]) {
    sizes.observe(Double(batch.count))
    switch load(batch) {
    case .success(let found):
      // There is nothing to wait for where a row cannot be read.
      let answers = state.withLock { state in
        state.table.finish(batch) { id in found[id].map { row in (try? row.get()).map(isFinal) ?? true } }
      }
      for answer in answers { answer.waiter.answer(Self.news(found[answer.payment])) }
    case .failure(let trouble):
      let answers = state.withLock { $0.table.fail(batch, at: .now()) }
      for answer in answers { answer.waiter.answer(.trouble(trouble)) }
    }
  }

  private static func news(_ found: Result<Row, Trouble>?) -> News {
    switch found {
    case .success(let row): .row(row)
    case .failure(let error): .trouble(error)
    case nil: .missing
    }
  }
}

/// Names a waiter to `Waiters.leave`.
package struct WaiterTicket: Sendable {
  let id: UInt64
}
