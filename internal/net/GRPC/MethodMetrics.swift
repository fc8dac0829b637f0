internal import Metrics
internal import Synchronization
internal import Values

/// The instruments of one method, with the labels that gRPC servers in other languages use (`grpc_type`,
/// `grpc_service`, `grpc_method`, `grpc_code`): looked up in the registry once, so that a call only counts.
final class MethodMetrics: Sendable {
  private struct Method: Sendable {
    let type: String
    let service: String
    let name: String

    var labels: MetricsRegistry.Labels { ["grpc_type": type, "grpc_service": service, "grpc_method": name] }
  }

  private let registry: MetricsRegistry
  private let method: Method
  private let started: Counter
  private let succeeded: Counter
  // Few calls fail, and few codes occur: their counters are made when first needed.
  private let failed = Mutex<[GRPCCode: Counter]>([:])
  private let seconds: Histogram

  init(_ registry: MetricsRegistry, service: String, method name: String, kind: ServerCallState.Kind) {
    let method = Method(type: kind.label, service: service, name: name)
    self.registry = registry
    self.method = method
    let started = registry.counter(
      "grpc_server_started_total", help: "Calls whose headers arrived.", labels: method.labels)
    let seconds = registry.histogram(
      "grpc_server_handling_seconds", help: "Time from a call's headers to its status.", labels: method.labels)
    registry.gauge("grpc_server_calls_in_flight", help: "Calls without a status.", labels: method.labels) {
      // Those that finished are read first: a call between the two readings is in flight.
      let finished = seconds.snapshot().count
      return Double(started.total) - Double(finished)
    }
    succeeded = Self.counter(registry, method, .ok)
    self.started = started
    self.seconds = seconds
  }

  /// A call's headers arrived; `record` follows once.
  func begin() { started.add() }

  func record(_ code: GRPCCode, nanoseconds: Int64) {
    seconds.observe(Double(nanoseconds) / 1e9)
    if code == .ok { return succeeded.add() }
    let counter = failed.withLock { failed in
      if let known = failed[code] { return known }
      let made = Self.counter(registry, method, code)
      failed[code] = made
      return made
    }
    counter.add()
  }

  private static func counter(_ registry: MetricsRegistry, _ method: Method, _ code: GRPCCode) -> Counter {
    registry.counter(
      "grpc_server_handled_total", help: "Calls answered, by status code.",
      labels: [
        "grpc_type": method.type, "grpc_service": method.service, "grpc_method": method.name, "grpc_code": code.name,
      ])
  }
}

extension ServerCallState.Kind {
  /// The value of the label `grpc_type`.
  fileprivate var label: String {
    switch self {
    case .unary: "unary"
    case .clientStreaming: "client_stream"
    case .serverStreaming: "server_stream"
    case .bidirectional: "bidi_stream"
    }
  }
}
