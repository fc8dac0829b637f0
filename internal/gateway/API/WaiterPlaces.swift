package import Metrics
internal import Synchronization

/// How many may wait for payments and refunds at a time. Callable on any thread.
package final class WaiterPlaces: Sendable {
  private let limit: Int
  private let count = Atomic(0)

  /// - Parameter limit: the most that wait.
  package init(_ limit: Int, metrics: MetricsRegistry) {
    self.limit = limit
    metrics.gauge("gateway_waiters", help: "Requests that wait for a payment or refund.") { [weak self] in
      self.map { Double($0.taken) }
    }
  }

  /// Places that somebody has.
  var taken: Int { count.load(ordering: .relaxed) }

  /// - Returns: nil when there is none.
  func take() -> WaiterPlace? {
    guard count.add(1, ordering: .relaxed).newValue <= limit else {
      count.subtract(1, ordering: .relaxed)
      return nil
    }
    return WaiterPlace(self)
  }

  fileprivate func giveBack() { count.subtract(1, ordering: .relaxed) }
}

/// A place among those that wait, taken before anything is done for a call; given back when the last reference goes.
package final class WaiterPlace: Sendable {
  private let places: WaiterPlaces

  fileprivate init(_ places: WaiterPlaces) { self.places = places }

  deinit { places.giveBack() }
}
