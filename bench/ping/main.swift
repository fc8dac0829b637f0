import GRPC
import Glibc
import HTTP2
import Logger
import Metrics
import OTLP
import SagaMessages
import StandardMessages
import Tracing
import Values

// The server of the benchmarks that measure the gRPC core and nothing else: GetPing as `payments-server` has it,
// handler inline, and the same answer from an asynchronous handler, which runs as a task. One loop. It prints its port.
// bench-ping [RATIO COLLECTOR]: records that part of the calls and sends the spans there.

/// Ends the program with a message.
func fail(_ message: String) -> Never {
  let bytes = Array("bench-ping: \(message)\n".utf8)
  _ = write(STDERR_FILENO, bytes, bytes.count)
  exit(1)
}

/// Records calls where the command line says so; nil otherwise.
func exporter(_ metrics: MetricsRegistry) -> SpanExporter? {
  let arguments = CommandLine.arguments.dropFirst()
  guard let first = arguments.first else { return nil }
  guard arguments.count == 2, let ratio = Double(first),
    let sampler = TraceSampler("parentbased_traceidratio", ratio: ratio), let collector = arguments.last
  else { fail("expected nothing, or RATIO COLLECTOR") }
  return SpanExporter(
    SpanExporterConfiguration(endpoint: collector, resource: ["service.name": "bench-ping"]), sampler: sampler,
    scope: "bench-ping", logger: Logger(label: "bench-ping"), metrics: metrics)
}

do {
  let metrics = MetricsRegistry()
  let exporter = exporter(metrics)
  exporter?.start()
  var configuration = GRPCServerConfiguration(address: NetworkAddress(host: "127.0.0.1", port: 0), loops: 1)
  if let exporter { configuration.tracer = exporter.tracer }
  let server = try GRPCServer(
    configuration: configuration,
    services: [
      ServiceDefinition(
        "paymentsapi.PaymentsApi",
        [
          .unaryInline("/paymentsapi.PaymentsApi/GetPing") { (_: GoogleProtobuf.Empty, _) in
            PaymentsAPI.Pong(pong: true)
          }
        ]),
      ServiceDefinition(
        "bench.Task",
        [
          .unary("/bench.Task/GetPing") { (_: GoogleProtobuf.Empty, _) async in PaymentsAPI.Pong(pong: true) }
        ]),
    ],
    logger: Logger(label: "bench-ping"), metrics: metrics)
  try server.start()
  print(server.boundPort)
  fflush(nil)
  // Until a signal ends it. A server that nobody holds any more is gone.
  withExtendedLifetime(server) {
    while true { pause() }
  }
} catch {
  fail("\(error)")
}
