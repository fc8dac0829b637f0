internal import HTTPClient
public import Logger
public import Metrics
public import Runtime
internal import Synchronization
public import Tracing
public import Values

/// Where spans go.
public struct SpanExporterConfiguration: Sendable {
  /// The collector's URL, without a slash at the end; `/v1/traces` is appended.
  public var endpoint: String
  /// Header fields besides, such as a token.
  public var headers: [(name: String, value: String)]
  /// What is known of the process: `service.name` and further attributes.
  public var resource: [String: String]
  /// The most spans that wait; further ones are dropped and counted.
  public var capacity = 8_192
  /// How often is looked for spans that have ended; ten times as often while there are many.
  public var interval = Duration.seconds(1)
  /// How long the collector may take for an answer.
  public var timeout = Duration.seconds(10)

  /// - Parameters:
  ///   - endpoint: without a slash at the end.
  ///   - headers: header fields besides.
  ///   - resource: attributes of the process.
  public init(endpoint: String, headers: [(name: String, value: String)] = [], resource: [String: String]) {
    self.endpoint = endpoint
    self.headers = headers
    self.resource = resource
  }
}

/// Sends the spans of a tracer to an OpenTelemetry collector: OTLP over HTTP in protobuf
/// (https://opentelemetry.io/docs/specs/otlp/), a request at a time, from a thread of its own.
///
/// Nobody waits for it. While the collector is away, or asks for patience (429, 502, 503, 504), one request is kept and
/// sent again, and the tracer's buffer fills; what finds no room there is dropped and counted.
public final class SpanExporter: ServicePart {
  /// The most spans of a request.
  static let batch = 512

  /// Makes the spans.
  public let tracer: Tracer
  private let configuration: SpanExporterConfiguration
  private let scope: String
  private let client: HTTPClient
  private let logger: Logger
  private let exported: Counter
  private let refused: Counter
  private let unsent: Counter
  private let stopping = Monitor<Instant?>(nil)
  private let thread = Mutex<WorkerThread?>(nil)

  /// - Parameters:
  ///   - sampler: which traces are recorded; nil: none.
  ///   - scope: the name of who makes the spans.
  public init(
    _ configuration: SpanExporterConfiguration, sampler: TraceSampler?, scope: String, logger: Logger,
    metrics: MetricsRegistry
  ) {
    self.configuration = configuration
    self.scope = scope
    self.logger = logger.labelled("tracing")
    var client = HTTPClientConfiguration(userAgent: "\(scope)-otlp")
    client.maximumRequests = 1
    client.idleConnections = 1
    self.client = HTTPClient(client)
    let tracer = Tracer(sampler: sampler, capacity: configuration.capacity)
    self.tracer = tracer
    exported = metrics.counter("trace_spans_exported_total", help: "Spans that the collector has taken.")
    let dropped = { (reason: String) in
      metrics.counter(Self.droppedName, help: Self.droppedHelp, labels: ["reason": reason])
    }
    refused = dropped("refused")
    unsent = dropped("stopped")
    metrics.counter(Self.droppedName, help: Self.droppedHelp, labels: ["reason": "full"]) { Double(tracer.dropped) }
  }

  private static let droppedName = "trace_spans_dropped_total"
  private static let droppedHelp = """
    Spans that no collector has: full: too many waited; refused: the collector refused them; stopped: the program ended \
    before it answered.
    """

  /// Begins to send.
  public func start() {
    thread.withLock { $0 = WorkerThread(name: "span-exporter") { [self] in run() } }
  }

  /// Sends what waits, until the deadline; the rest is dropped and counted.
  public func stop(until deadline: Instant) {
    stopping.update { $0 = $0 ?? deadline }
    thread.withLock { $0 }?.join()
    client.stop()
  }

  // MARK: - The exporter's thread

  private struct Request {
    let body: [UInt8]
    let count: Int
  }
  private enum Verdict {
    case taken(rejected: Int)
    case refused(String)
    case away(String)
  }

  private func run() {
    var obstacle = ObstacleLog("spans are not exported", logger)
    var backoff = Backoff(first: .seconds(1), limit: .seconds(30))
    var kept: Request?
    var pause = configuration.interval
    while true {
      let end = stopping.wait(until: .now() + pause) { $0 }
      pause = configuration.interval
      var sent = 0
      while let request = kept ?? next() {
        if let end, end <= .now() { break }
        kept = nil
        switch send(request, until: end) {
        case .taken(let rejected):
          exported.add(request.count - min(rejected, request.count))
          refused.add(min(rejected, request.count))
          obstacle.note(nil, at: .now())
          backoff.reset()
          sent += request.count
          if sent >= configuration.capacity / 8 { pause = configuration.interval / 10 }
          continue
        case .refused(let reason):
          refused.add(request.count)
          obstacle.note(reason, at: .now())
          continue
        case .away(let reason):
          kept = request
          obstacle.note(reason, at: .now())
        }
        pause = backoff.nextDelay()
        break
      }
      guard let end else { continue }
      if kept == nil || .now() + .milliseconds(100) >= end {
        unsent.add((kept?.count ?? 0) + tracer.waiting)
        return
      }
      // Whoever waits for the program's end gives the collector a last chance or two.
      WakeSignal().wait(until: min(end, .now() + .milliseconds(100)))
    }
  }

  private func next() -> Request? {
    let spans = tracer.take(Self.batch)
    guard !spans.isEmpty else { return nil }
    return Request(
      body: SpanMessages.request(spans, resource: configuration.resource, scope: scope), count: spans.count)
  }

  private func send(_ request: Request, until end: Instant?) -> Verdict {
    let timeout = end.map { min(configuration.timeout, $0 - .now()) } ?? configuration.timeout
    let answer = Monitor<Result<HTTPClientResponse, HTTPClientError>?>(nil)
    client.send(
      HTTPClientRequest(
        "POST", "\(configuration.endpoint)/v1/traces",
        headers: [(name: "Content-Type", value: "application/x-protobuf")] + configuration.headers, body: request.body,
        timeout: timeout, maximumResponse: 64 << 10)
    ) { result in answer.update { $0 = result } }
    guard let result = answer.wait({ $0 }) else { return .away("no answer") }
    switch result {
    case .success(let response) where (200...299).contains(response.status):
      return .taken(rejected: SpanMessages.rejected(response.body))
    case .success(let response) where [429, 502, 503, 504].contains(response.status):
      return .away("the collector answers \(response.status)")
    case .success(let response): return .refused("the collector answers \(response.status)")
    case .failure(let error) where error.code == .invalidRequest: return .refused(error.message)
    case .failure(let error): return .away(error.message)
    }
  }
}
