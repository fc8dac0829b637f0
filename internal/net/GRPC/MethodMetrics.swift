internal import Metrics
internal import Synchronization
internal import Values

/// The instruments of one method: looked up in the registry once, so that a call only counts.
final class MethodMetrics: Sendable {
  private let registry: MetricsRegistry
  private let service: String
  private let method: String
  private let succeeded: Counter
  // Few calls fail, and few codes occur: their counters are made when first needed.
  private let failed = Mutex<[GRPCCode: Counter]>([:])
  private let seconds: Histogram

  init(_ registry: MetricsRegistry, service: String, method: String) {
    self.registry = registry
    self.service = service
    self.method = method
    succeeded = Self.counter(registry, service, method, .ok)
    seconds = registry.histogram(
      "grpc_server_handling_seconds", help: "Time from a call's headers to its status.",
      labels: ["service": service, "method": method])
  }

  func record(_ code: GRPCCode, nanoseconds: Int64) {
    seconds.observe(Double(nanoseconds) / 1e9)
    if code == .ok { return succeeded.add() }
    let counter = failed.withLock { failed in
      if let known = failed[code] { return known }
      let made = Self.counter(registry, service, method, code)
      failed[code] = made
      return made
    }
    counter.add()
  }

  private static func counter(
    _ registry: MetricsRegistry, _ service: String, _ method: String, _ code: GRPCCode
  ) -> Counter {
    registry.counter(
      "grpc_server_handled_total", help: "Calls answered, by status code.",
      labels: ["service": service, "method": method, "code": code.name])
  }
}
