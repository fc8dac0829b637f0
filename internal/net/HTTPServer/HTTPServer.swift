internal import Glibc
public import Logger
public import Metrics
public import Runtime
internal import Synchronization
public import Values

/// An HTTP/1.1 server, in clear or with TLS, on a thread of libmicrohttpd.
///
/// Handlers run on that thread and must not block; they may answer later, from any thread, while the connection takes
/// no thread and about 6 KiB.
///
///     var router = HTTPRouter()
///     router.add(.get, "/v1/orders/{id}", name: "order") { request, exchange in
///       exchange.respond(.json(200, …))
///     }
///     let server = HTTPServer(
///       HTTPServerConfiguration(address: address, surface: "gateway", addressName: "GATEWAY_ADDR"),
///       router: router, logger: logger, metrics: metrics)
///     try server.start()
///     …
///     server.stop(until: .now() + .seconds(10))
public final class HTTPServer: ServicePart {
  private struct Running {
    let daemon: DaemonHandle
    let port: UInt16
  }

  private let core: ServerCore
  private let logger: Logger
  private let running = Mutex<Running?>(nil)

  /// - Parameters:
  ///   - configuration: where to listen, and the limits.
  ///   - router: what is served.
  ///   - logger: gets a line a request at level debug, and one a request answered 5xx as a warning.
  ///   - metrics: `http_server_…`, with the surface as a label.
  public init(_ configuration: HTTPServerConfiguration, router: HTTPRouter, logger: Logger, metrics: MetricsRegistry) {
    self.logger = logger
    core = ServerCore(configuration, router, logger, metrics)
    core.register(metrics)
  }

  deinit { stop(until: .now()) }

  /// The port it listens on; nil while it does not.
  public var boundPort: UInt16? { running.withLock { $0?.port } }

  /// Open connections.
  public var connectionCount: Int { core.connections.count }

  /// Binds the address and starts the server's threads.
  public func start() throws(HTTPServerError) {
    let configuration = core.configuration
    let socket = try Self.listen(configuration)
    guard let daemon = DaemonHandle(core, listeningOn: socket.descriptor) else {
      close(socket.descriptor)
      throw HTTPServerError(.cannotStart, "libmicrohttpd did not start on \(configuration.addressName)")
    }
    core.connections.start()
    running.withLock { $0 = Running(daemon: daemon, port: socket.port) }
    logger.info(
      "HTTP server listens",
      [
        "surface": .string(configuration.surface), "host": .string(configuration.address.host),
        "port": .number(socket.port), "tls": .bool(configuration.tls != nil),
      ])
  }

  /// Stops: no new connections; each answer ends its connection; handlers that wait hear of it. Whoever has no answer
  /// at the deadline gets 503, and streams end.
  public func stop(until deadline: Instant) {
    let stopped = running.withLock { running in
      defer { running = nil }
      return running
    }
    guard let stopped else { return }
    let listening = stopped.daemon.quiesce()
    // Refuses connections in the backlog now, not when the others are done.
    shutdown(listening, Int32(SHUT_RDWR))
    core.connections.drain()
    if !core.connections.waitUntilNone(deadline) {
      core.connections.endWaiting()
      // The last answers get a moment to leave; nobody reading them is no reason to stay.
      _ = core.connections.waitUntilNone(.now() + .seconds(1))
    }
    core.connections.endWaiting()
    stopped.daemon.stop()
    core.connections.stop()
    close(listening)
  }

  /// A socket of our own: the library tells the bound port only through a variadic function, and no reason when binding
  /// fails.
  private static func listen(
    _ configuration: HTTPServerConfiguration
  ) throws(HTTPServerError) -> (descriptor: Int32, port: UInt16) {
    let (address, name) = (configuration.address, configuration.addressName)
    do throws(SocketError) {
      return try TCPSocket.listen(address, backlog: 4_096)
    } catch {
      throw error.isUnknownHost
        ? HTTPServerError(.unknownHost, "\(name) \(address): \(error.reason)")
        : HTTPServerError(.cannotListen, "cannot listen on \(name) \(address): \(error.reason)")
    }
  }
}
