import GRPC
import Glibc
import HTTP2
import Logger
import Metrics
import SagaMessages
import StandardMessages
import Values

// The server of the benchmarks that measure the gRPC core and nothing else: GetPing as `payments-server` has it,
// handler inline, and the same answer from an asynchronous handler, which runs as a task. One loop. It prints its port.

/// Ends the program with a message.
func fail(_ message: String) -> Never {
  let bytes = Array("bench-ping: \(message)\n".utf8)
  _ = write(STDERR_FILENO, bytes, bytes.count)
  exit(1)
}

do {
  let server = try GRPCServer(
    configuration: GRPCServerConfiguration(address: NetworkAddress(host: "127.0.0.1", port: 0), loops: 1),
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
    logger: Logger(label: "bench-ping"), metrics: MetricsRegistry())
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
