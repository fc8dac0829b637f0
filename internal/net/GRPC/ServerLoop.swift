internal import Gzip
internal import HTTP2
internal import Logger
internal import Runtime
internal import Synchronization
internal import Values

/// One of a server's loops: a listener and its connections. Nothing is shared with the other loops but counts.
final class ServerLoop: EventLoopTimerTarget, @unchecked Sendable {
  // @unchecked: what is not constant is touched on the loop's thread only.
  let loop: EventLoop
  let configuration: GRPCServerConfiguration
  let methods: MethodTable
  let interceptors: [any ServerInterceptor]
  let isIntercepted: Bool
  let logger: Logger
  let gzip = GzipCodec()
  private let scratch = HTTP2Scratch()
  /// Connections beyond the cap that are being told so, and the most of them at a time.
  private var refused: [ObjectIdentifier: RefusedConnection] = [:]
  private static let maxRefused = 64
  let totals: ServerTotals
  let tls: ServerTLS?
  private var listener: HTTP2Listener?
  private var connections: [ObjectIdentifier: ServerConnection] = [:]
  // Touched on the loop's thread only and never across a call out: no exclusivity checks at run time.
  /// Handlers that run as tasks.
  @exclusivity(unchecked) var running = 0
  @exclusivity(unchecked) private(set) var isDraining = false
  /// What a handler answers, until it is queued; its memory is used again.
  @exclusivity(unchecked) var answer: [UInt8] = []

  func clearAnswer() { answer.removeAll(keepingCapacity: answer.capacity <= 64 << 10) }

  /// The grace is over: nothing new is begun.
  @exclusivity(unchecked) private(set) var isStopping = false
  /// Bytes of requests that calls make this loop hold.
  @exclusivity(unchecked) var held = 0
  private var lastComplaint = Instant(nanoseconds: 0)

  /// Bytes that peers make this loop hold: requests not finished and answers not taken.
  var heldBytes: Int { held + scratch.queuedBytes }

  /// What a connection may have of `limit` bytes: little, while peers that neither finish nor read hold too much.
  func share(of limit: Int) -> Int {
    heldBytes > configuration.maxHeldBytesPerLoop ? limit / 64 : limit
  }
  /// TLS handshakes under way, the oldest first.
  var handshakes: [TLSHandshake] = []

  init(
    name: String, configuration: GRPCServerConfiguration, methods: MethodTable,
    interceptors: [any ServerInterceptor], logger: Logger, totals: ServerTotals, tls: ServerTLS?
  ) {
    loop = EventLoop(name: name)
    self.configuration = configuration
    self.methods = methods
    self.interceptors = interceptors
    isIntercepted = !interceptors.isEmpty
    self.logger = logger
    self.totals = totals
    self.tls = tls
  }

  func start(_ descriptor: Int32) {
    loop.start()
    loop.execute { [self] in
      listener = HTTP2Listener(descriptor: descriptor, loop: loop) { [unowned self] descriptor, peer in
        accept(descriptor, peer)
      } failed: { [unowned self] reason in
        complain { $0.error("cannot accept connections, pausing", ["reason": .string(reason)]) }
      }
      _ = loop.schedule(at: loop.now + sweepInterval, self)
    }
  }

  func accept(_ descriptor: Int32, _ address: String) {
    guard totals.connectionOpened(limit: configuration.maxConnections) else { return refuse(descriptor) }
    if let tls {
      beginHandshake(tls, descriptor, address)
    } else {
      serve(.plain(descriptor), ServerPeer(address: address))
    }
  }

  /// Takes up a connection that is counted already.
  func serve(_ transport: ByteTransport, _ peer: ServerPeer) {
    do throws(HTTP2Error) {
      let http2 = try http2(transport, configuration.http2)
      let connection = ServerConnection(self, http2, peer: peer)
      http2.setDelegate(connection)
      connections[ObjectIdentifier(connection)] = connection
      http2.readEarly()
    } catch {
      totals.connectionClosed()
      logger.error("cannot serve a connection", ["error": .error(error)])
    }
  }

  private func http2(
    _ transport: ByteTransport, _ configuration: HTTP2Configuration
  ) throws(HTTP2Error) -> HTTP2Connection {
    try HTTP2Connection(
      transport: transport, role: .server, loop: loop, configuration: configuration, scratch: scratch)
  }

  /// Says why before it closes; when too many have to be told already, or TLS would have to be
  /// spoken for it, it only closes.
  private func refuse(_ descriptor: Int32) {
    complain { $0.warning("too many connections, refusing", ["limit": .number(configuration.maxConnections)]) }
    guard refused.count < Self.maxRefused, tls == nil else { return closeDescriptor(descriptor) }
    let connection = RefusedConnection { [unowned self] in refused[ObjectIdentifier($0)] = nil }
    do throws(HTTP2Error) {
      connection.start(try http2(.plain(descriptor), RefusedConnection.configuration))
      refused[ObjectIdentifier(connection)] = connection
    } catch {
      logger.error("cannot refuse a connection", ["error": .error(error)])
    }
  }

  /// One line a second is enough to see it by.
  func complain(_ log: (Logger) -> Void) {
    guard loop.now > lastComplaint + .seconds(1) else { return }
    lastComplaint = loop.now
    log(logger)
  }

  private var sweepInterval: Duration { configuration.requestTimeout / 4 }

  /// Looks for requests that do not arrive, and for memory that nobody uses: once in a while, so that a call in time
  /// pays nothing for it.
  func timerFired(_ token: UInt64) {
    let limit = loop.now - configuration.requestTimeout
    for connection in connections.values {
      connection.endUnfinishedRequests(begunBefore: limit)
      connection.trim()
    }
    _ = loop.schedule(at: loop.now + sweepInterval, self)
  }

  func closed(_ connection: ServerConnection, _ reason: String) {
    connections[ObjectIdentifier(connection)] = nil
    totals.connectionClosed()
    logger.debug("connection closed", ["peer": .string(connection.peer.address), "reason": .string(reason)])
  }

  /// Closes what nothing else has ended, whether or not its peer has read the last frames.
  func closeAll() {
    loop.execute { [self] in
      for connection in connections.values { connection.http2.closeNow("shut down") }
      for connection in refused.values { connection.http2?.closeNow("shut down") }
    }
  }

  /// Stops accepting and lets every connection drain.
  func drain() {
    loop.execute { [self] in
      isDraining = true
      listener?.close()
      listener = nil
      for handshake in handshakes { handshake.cancel() }
      for connection in connections.values { connection.drain() }
    }
  }

  /// Ends what the grace has not: calls get UNAVAILABLE, connections end.
  func cancel() {
    loop.execute { [self] in
      isStopping = true
      for connection in connections.values {
        connection.cancelCalls(GRPCStatus(.unavailable, "the server is shutting down"))
        connection.http2.terminate(.noError, "shutting down")
      }
    }
  }
}

/// What the loops of a server count together.
final class ServerTotals: Sendable {
  private let connections = Monitor(0)

  var connectionCount: Int { connections.withLock { $0 } }

  func connectionOpened(limit: Int) -> Bool {
    connections.withLock { count in
      guard count < limit else { return false }
      count += 1
      return true
    }
  }

  func connectionClosed() { connections.update { $0 -= 1 } }

  /// Blocks until no connection is left; false when `deadline` came first.
  func waitUntilNone(_ deadline: Instant) -> Bool {
    connections.wait(until: deadline) { $0 == 0 ? true : nil } ?? false
  }
}
