public import HTTPServer
public import Logger
public import Metrics
internal import Synchronization
public import Values

/// The admin endpoint of a program over HTTP/1.1, on a thread of its own: `/` with the program's state and links,
/// `/healthz`, `/readyz`, `/readyz/api`, `/metrics`, `/version`, and the pages that the program adds.
///
/// GET and HEAD only. A request may take ten seconds to come, as may its answer to be read and the wait for the next
/// request; at most 32 connections, 16 of them from one address: a further one takes the place of an older one.
public final class AdminServer: Sendable {
  private let configuration: HTTPServerConfiguration
  private let router: HTTPRouter
  private let logger: Logger
  private let running = Mutex<HTTPServer?>(nil)
  /// Who may see the pages that show data.
  public let access: AdminAccess

  /// - Parameters:
  ///   - address: where to listen; port 0 for any free one.
  ///   - facts: what the front page and `/version` show.
  ///   - readiness: called on the endpoint's own thread for each `/readyz`; must not block, so it reads states that
  ///     others keep.
  ///   - pages: those that the program adds.
  ///   - token: opens the pages that show data; nil for none (`AdminAccess`).
  ///   - time: what a request, its answer and the wait for the next one may take each.
  public init(
    address: NetworkAddress, facts: ProgramFacts, registry: MetricsRegistry,
    readiness: @escaping @Sendable () -> ReadinessReport, pages: [AdminPage] = [], token: [UInt8]? = nil,
    logger: Logger, time: Duration = .seconds(10)
  ) {
    var configuration = HTTPServerConfiguration(address: address, surface: "admin", addressName: "ADMIN_ADDR")
    configuration.maxConnections = 32
    configuration.maxConnectionsPerPeer = 16
    configuration.maxTarget = 256
    configuration.idleTime = time
    configuration.requestTime = time
    configuration.sendTime = time
    self.configuration = configuration
    self.logger = logger
    access = AdminAccess(address, token: token)
    router =
      AdminPages(facts: facts, registry: registry, readiness: readiness, others: pages, access: access).router
  }

  deinit { stop() }

  /// The port it listens on; nil while it does not.
  public var boundPort: UInt16? { running.withLock { $0?.boundPort } }

  /// Binds the address and starts the thread. Harmless when already started.
  public func start() throws(HTTPServerError) {
    guard boundPort == nil else { return }
    // A scrape is no traffic, and a probe that finds the program not ready no fault: neither counts nor is logged.
    let server = HTTPServer(
      configuration, router: router, logger: logger.atLeast(.error), metrics: MetricsRegistry())
    try server.start()
    running.withLock { $0 = server }
    logger.info(
      "admin endpoint listens",
      ["host": .string(configuration.address.host), "port": .number(server.boundPort ?? 0)])
  }

  /// Closes the socket and every connection and ends the thread. Harmless when not started.
  public func stop() {
    let stopped = running.withLock { running in
      defer { running = nil }
      return running
    }
    stopped?.stop(until: .now())
  }
}
