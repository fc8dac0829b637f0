internal import Metrics
internal import Synchronization
internal import Values

/// The metrics of one route: looked up in the registry once, so that a request only counts.
final class RouteInstruments: Sendable {
  private enum Code: Hashable {
    case status(Int)
    case gone

    var label: String {
      switch self {
      case .status(let status): "\(status)"
      case .gone: "gone"
      }
    }
  }

  private let registry: MetricsRegistry
  private let surface: String
  private let route: String
  private let method: String
  // Few codes occur: their counters are made when first needed.
  private let counters = Mutex<[Code: Counter]>([:])
  private let seconds: Histogram

  init(_ registry: MetricsRegistry, surface: String, route: String, method: String) {
    self.registry = registry
    self.surface = surface
    self.route = route
    self.method = method
    seconds = registry.histogram(
      "http_server_request_seconds", help: "Time from a request's header fields to its answer.",
      labels: ["surface": surface, "route": route, "method": method])
  }

  func record(_ status: Int, _ elapsed: Duration) {
    seconds.observe(elapsed.inSeconds)
    count(.status(status))
  }

  /// A request was accepted and its connection ended before the answer.
  func countGone() { count(.gone) }

  private func count(_ code: Code) {
    let counter = counters.withLock { counters in
      if let known = counters[code] { return known }
      let made = registry.counter(
        "http_server_requests_total", help: "Requests by status; gone where the caller left before the answer.",
        labels: ["surface": surface, "route": route, "method": method, "code": code.label])
      counters[code] = made
      return made
    }
    counter.add()
  }
}
