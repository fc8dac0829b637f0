internal import CMicrohttpd
internal import Glibc
public import Logger
public import Metrics
internal import Runtime
internal import Synchronization
public import Values

/// The admin endpoint of a program over HTTP/1.1: `/healthz`, `/readyz`, `/readyz/api` and `/metrics`, on one thread of
/// libmicrohttpd.
///
/// GET and HEAD only. A request and its answer may take ten seconds, as may the wait for the next one; at most 32
/// connections, 16 of them from one address: a further one replaces an older one.
public final class AdminServer: Sendable {
  private struct Running: @unchecked Sendable {
    // @unchecked: the daemon's handle is used once, by the one caller of stop that took it out.
    let daemon: OpaquePointer
    let context: Unmanaged<AdminHandler>
    let limiter: WorkerThread
    let port: UInt16
  }

  private let address: NetworkAddress
  private let handler: AdminHandler
  private let logger: Logger
  private let running = Mutex<Running?>(nil)

  /// - Parameters:
  ///   - address: where to listen; port 0 for any free one.
  ///   - readiness: called on the endpoint's own thread for each `/readyz`; it must not block, so it only reads states
  ///     that other threads maintain.
  public convenience init(
    address: NetworkAddress, registry: MetricsRegistry, readiness: @escaping @Sendable () -> ReadinessReport,
    logger: Logger
  ) {
    self.init(address: address, registry: registry, readiness: readiness, logger: logger, limits: .init())
  }

  init(
    address: NetworkAddress, registry: MetricsRegistry, readiness: @escaping @Sendable () -> ReadinessReport,
    logger: Logger, limits: ConnectionTable.Limits
  ) {
    self.address = address
    self.logger = logger
    handler = AdminHandler(registry: registry, readiness: readiness, connections: ConnectionGuard(limits))
  }

  deinit { stop() }

  /// The port it listens on; nil while it does not.
  public var boundPort: UInt16? { running.withLock { $0?.port } }

  /// Binds the address and starts the thread. Harmless when already started.
  public func start() throws(AdminError) {
    guard boundPort == nil else { return }
    let socket = try listen()
    let context = Unmanaged.passRetained(handler)
    guard let daemon = Self.startDaemon(listeningOn: socket.descriptor, context) else {
      context.release()
      throw AdminError(.cannotStart, "libmicrohttpd did not start on ADMIN_ADDR \(address)")
    }
    let limiter = handler.connections.start()
    running.withLock { $0 = Running(daemon: daemon, context: context, limiter: limiter, port: socket.port) }
    logger.info("admin endpoint listens", ["host": .string(address.host), "port": .number(socket.port)])
  }

  /// Made here and handed to the library, which tells the bound port only through a variadic function, and no reason
  /// when binding fails.
  private func listen() throws(AdminError) -> (descriptor: Int32, port: UInt16) {
    do throws(SocketError) {
      return try TCPSocket.listen(address, backlog: 64)
    } catch {
      throw error.isUnknownHost
        ? AdminError(.unknownHost, "ADMIN_ADDR \(address): \(error.reason)")
        : AdminError(.cannotListen, "cannot listen on ADMIN_ADDR \(address): \(error.reason)")
    }
  }

  /// Closes the socket and every connection and ends the thread. Harmless when not started.
  public func stop() {
    let stopped = running.withLock { running in
      defer { running = nil }
      return running
    }
    guard let stopped else { return }
    handler.connections.stop()
    stopped.limiter.join()
    MHD_stop_daemon(stopped.daemon)
    // Retained in start; the thread that used it has ended.
    stopped.context.release()
  }

  /// The library owns the socket from here on, and closes it when it stops.
  private static func startDaemon(
    listeningOn descriptor: Int32, _ context: Unmanaged<AdminHandler>
  ) -> OpaquePointer? {
    let completed: MHD_RequestCompletedCallback = noteCompletion
    let changed: MHD_NotifyConnectionCallback = noteConnection
    var options = [
      MHD_OptionItem(option: .LISTEN_SOCKET, value: Int(descriptor), ptr_value: nil),
      // Above our own limit, so that a new connection is accepted and replaces an older one.
      MHD_OptionItem(option: .CONNECTION_LIMIT, value: 128, ptr_value: nil),
      MHD_OptionItem(
        option: .NOTIFY_COMPLETED, value: unsafeBitCast(completed, to: Int.self), ptr_value: context.toOpaque()),
      MHD_OptionItem(
        option: .NOTIFY_CONNECTION, value: unsafeBitCast(changed, to: Int.self), ptr_value: context.toOpaque()),
      // Bytes for a request's line and headers: more than a scraper ever sends.
      MHD_OptionItem(option: .CONNECTION_MEMORY_LIMIT, value: 16_384, ptr_value: nil),
      MHD_OptionItem(option: .END, value: 0, ptr_value: nil),
    ]
    return options.withUnsafeMutableBufferPointer { options in
      // The plain start function is variadic, which Swift cannot call; options are copied before it returns.
      let arguments: [any CVarArg] = [
        Int32(bitPattern: MHD_OPTION.ARRAY.rawValue), options.baseAddress!, Int32(bitPattern: MHD_OPTION.END.rawValue),
      ]
      return withVaList(arguments) { list in
        MHD_start_daemon_va(
          MHD_USE_POLL_INTERNAL_THREAD.rawValue, 0, nil, nil, handleRequest, context.toOpaque(), list)
      }
    }
  }
}

/// The callback for each request, on the library's thread.
private final class AdminHandler: Sendable {
  private let registry: MetricsRegistry
  private let readiness: @Sendable () -> ReadinessReport
  let connections: ConnectionGuard

  init(
    registry: MetricsRegistry, readiness: @escaping @Sendable () -> ReadinessReport, connections: ConnectionGuard
  ) {
    self.registry = registry
    self.readiness = readiness
    self.connections = connections
  }

  func respond(method: String, path: String) -> AdminResponse {
    AdminResponse(method: method, path: path, readiness: readiness, metrics: registry.exposition)
  }
}

/// libmicrohttpd's MHD_AccessHandlerCallback: called once for the headers, then for each piece of a body, then once at
/// the end. A file-scope function, so that it inherits no actor.
private func handleRequest(
  _ context: UnsafeMutableRawPointer?, _ connection: OpaquePointer?, _ url: UnsafePointer<CChar>?,
  _ method: UnsafePointer<CChar>?, _ version: UnsafePointer<CChar>?, _ upload: UnsafePointer<CChar>?,
  _ uploadSize: UnsafeMutablePointer<Int>?, _ state: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> MHD_Result {
  guard let context, let connection, let url, let method, let uploadSize, let state else { return .NO }
  let name = String(cString: method)
  if state.pointee == nil, name == "GET" || name == "HEAD" {
    // Any pointer that is not nil will do: it marks the headers as seen and is never followed.
    state.pointee = context
    return .YES
  }
  // No request here may have a body: the connection is closed.
  guard uploadSize.pointee == 0 else { return .NO }
  // Retained until the daemon has stopped.
  let handler = Unmanaged<AdminHandler>.fromOpaque(context).takeUnretainedValue()
  return send(handler.respond(method: name, path: String(cString: url)), on: connection)
}

/// libmicrohttpd's MHD_RequestCompletedCallback, also called for requests that were broken off.
private func noteCompletion(
  _ context: UnsafeMutableRawPointer?, _ connection: OpaquePointer?,
  _ state: UnsafeMutablePointer<UnsafeMutableRawPointer?>?, _ how: MHD_RequestTerminationCode
) {
  guard let context, let connection, how == .REQUEST_TERMINATED_COMPLETED_OK else { return }
  Unmanaged<AdminHandler>.fromOpaque(context).takeUnretainedValue().connections.completed(connection)
}

/// libmicrohttpd's MHD_NotifyConnectionCallback.
private func noteConnection(
  _ context: UnsafeMutableRawPointer?, _ connection: OpaquePointer?,
  _ socketContext: UnsafeMutablePointer<UnsafeMutableRawPointer?>?, _ what: MHD_ConnectionNotificationCode
) {
  guard let context, let connection else { return }
  let connections = Unmanaged<AdminHandler>.fromOpaque(context).takeUnretainedValue().connections
  if what == .CONNECTION_NOTIFY_STARTED { connections.opened(connection) } else { connections.closed(connection) }
}

private func send(_ response: AdminResponse, on connection: OpaquePointer) -> MHD_Result {
  var body = response.body
  let made = body.withUnsafeMutableBytes { bytes in
    MHD_create_response_from_buffer(bytes.count, bytes.baseAddress, .RESPMEM_MUST_COPY)
  }
  guard let made else { return .NO }
  defer { MHD_destroy_response(made) }
  MHD_add_response_header(made, "Content-Type", response.contentType)
  MHD_add_response_header(made, "Cache-Control", "no-store")
  if let allow = response.allow { MHD_add_response_header(made, "Allow", allow) }
  return MHD_queue_response(connection, response.status, made)
}
