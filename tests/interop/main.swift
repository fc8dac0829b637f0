// The interop server of gRPC's implementations on this repository's core: `interop-server HOST:PORT`.
import GRPC
import HTTP2
import Logger
import Metrics
import Runtime
import Values

let signals = TerminationSignals()
let arguments = CommandLine.arguments
guard let address = NetworkAddress(arguments.count > 1 ? arguments[1] : "127.0.0.1:0") else {
  fatalError("usage: interop-server HOST:PORT")
}
let logger = Logger(label: "interop", level: .debug)
let service = TestService(logger).definition
let server = try GRPCServer(
  configuration: GRPCServerConfiguration(address: address),
  services: [service], interceptors: [CallLog(logger, .all)], logger: logger,
  metrics: MetricsRegistry())
try server.start()
logger.info("serving", ["port": .number(server.boundPort)])
_ = signals.wait()
server.stop(until: .now() + .seconds(5))
