internal import Logger
internal import Metrics
internal import OTLP
internal import Settings
internal import Tracing

extension SpanExporter {
  /// The exporter that the settings ask for, with a tracer; nil where no collector is named.
  convenience init?(
    _ options: TraceOptions, _ program: Program, instance: String, logger: Logger, metrics: MetricsRegistry
  ) {
    guard let endpoint = options.endpoint else { return nil }
    var resource: [String: String] = [:]
    for attribute in options.attributes { resource[attribute.name] = attribute.text }
    let name = options.serviceName.isEmpty ? resource["service.name"] ?? program.name : options.serviceName
    resource["service.name"] = name
    resource["service.version"] = resource["service.version"] ?? BuildInfo.version
    resource["service.instance.id"] = instance
    self.init(
      SpanExporterConfiguration(
        endpoint: endpoint, headers: options.headers.map { ($0.name, $0.text) }, resource: resource),
      sampler: TraceSampler(options.sampler.rawValue, ratio: options.ratio), scope: "paysaga", logger: logger,
      metrics: metrics)
  }
}
