internal import HTTP2
public import Logger
public import Metrics
public import Runtime
internal import Synchronization
public import Values

/// A gRPC server over HTTP/2, in clear (prior knowledge) or with TLS.
///
/// Each of its loops has a thread, a listener on the shared port, and connections of its own. Methods may be called on
/// any thread that may block.
///
///     let server = try GRPCServer(
///       configuration: GRPCServerConfiguration(address: NetworkAddress(host: "127.0.0.1", port: 8_081)),
///       services: [ServiceDefinition("echo.Echo", [
///         .unaryInline("/echo.Echo/Say", decode: { $0 }, encode: { $0 }) { request, _ in request }
///       ])],
///       logger: Logger(label: "grpc"), metrics: MetricsRegistry())
///     try server.start()
///     …
///     server.stop(until: .now() + .seconds(10))
public final class GRPCServer: ServicePart {
  private let configuration: GRPCServerConfiguration
  let loops: [ServerLoop]
  let totals = ServerTotals()
  private let logger: Logger
  private let port = Mutex<UInt16>(0)

  /// - Throws: `GRPCError` when a path is malformed or registered twice.
  public init(
    configuration: GRPCServerConfiguration, services: [ServiceDefinition],
    interceptors: [any ServerInterceptor] = [], logger: Logger, metrics: MetricsRegistry
  ) throws(GRPCError) {
    self.configuration = configuration
    self.logger = logger
    let methods = try Self.table(services, metrics, maxRequestSize: configuration.maxRequestSize)
    let totals = totals
    let tls = configuration.tls.map { ServerTLS($0, metrics) }
    loops = (0..<configuration.loops).map { index in
      ServerLoop(
        name: "grpc-\(index)", configuration: configuration, methods: methods, interceptors: interceptors,
        logger: logger, totals: totals, tls: tls)
    }
    metrics.gauge("grpc_server_connections", help: "Open connections.") { Double(totals.connectionCount) }
  }

  private static func table(
    _ services: [ServiceDefinition], _ metrics: MetricsRegistry, maxRequestSize: Int
  ) throws(GRPCError) -> MethodTable {
    var known: Set<String> = []
    var methods: [RegisteredMethod] = []
    for service in services {
      for method in service.methods {
        guard method.path.hasPrefix("/\(service.name)/") else {
          throw GRPCError(.invalidService, "expected a path /\(service.name)/METHOD, found '\(method.path)'")
        }
        guard known.insert(method.path).inserted else {
          throw GRPCError(.invalidService, "\(method.path) is registered twice")
        }
        let name = String(method.path.dropFirst(service.name.count + 2))
        let instruments = MethodMetrics(metrics, service: service.name, method: name, kind: method.kind)
        methods.append(RegisteredMethod(method, instruments, maxRequestSize: maxRequestSize))
      }
    }
    let unknown = MethodDefinition(
      path: "unknown", kind: .unary, handler: .inline { _, _, _ in throw GRPCStatus(.unimplemented) })
    return MethodTable(
      methods,
      unknown: RegisteredMethod(
        unknown, MethodMetrics(metrics, service: "unknown", method: "unknown", kind: .unary),
        maxRequestSize: maxRequestSize))
  }

  /// The port that is listened on; 0 before `start`.
  public var boundPort: UInt16 { port.withLock { $0 } }

  /// Listens and serves; once. Returns as soon as connections are accepted.
  public func start() throws(GRPCError) {
    var address = configuration.address
    var descriptors: [Int32] = []
    do throws(HTTP2Error) {
      try HTTP2Listener.requireFree(address)
      for _ in loops {
        let (descriptor, port) = try HTTP2Listener.open(address)
        descriptors.append(descriptor)
        // The first listener fixes the port that the others share.
        address = NetworkAddress(host: address.host, port: port)
      }
    } catch {
      for descriptor in descriptors { closeDescriptor(descriptor) }
      throw GRPCError(.cannotListen, "the gRPC server cannot listen", cause: error)
    }
    let bound = address.port
    port.withLock { $0 = bound }
    for (loop, descriptor) in zip(loops, descriptors) { loop.start(descriptor) }
    logger.info("gRPC server listens", ["address": .describing(address), "loops": .number(loops.count)])
  }

  /// Refuses new connections and calls, and answers UNAVAILABLE to the calls that have not finished at the deadline.
  /// Blocks until all connections have closed and the threads have ended; not to be called from a handler.
  public func stop(until deadline: Instant) {
    for loop in loops { loop.drain() }
    if !totals.waitUntilNone(deadline) {
      logger.warning("calls still run after the grace, cancelling", ["connections": .number(totals.connectionCount)])
      for loop in loops { loop.cancel() }
      // The last frames get a moment to leave; a peer that does not read them delays nothing.
      _ = totals.waitUntilNone(.now() + .seconds(2))
    }
    for loop in loops {
      loop.closeAll()
      loop.loop.stop()
    }
    for loop in loops { loop.loop.join() }
    logger.info("gRPC server stopped")
  }
}
