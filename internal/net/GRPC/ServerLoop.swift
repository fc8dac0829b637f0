internal import Gzip
internal import HTTP2
internal import Logger
internal import Runtime
internal import Synchronization
internal import Tracing
internal import Values

/// One of a server's loops: a listener and its connections. The loops share only counters.
final class ServerLoop: EventLoopTimerTarget, @unchecked Sendable {
  // @unchecked: the variables are touched on the loop's thread only.
  let loop: EventLoop
  let configuration: GRPCServerConfiguration
  let methods: MethodTable
  let interceptors: [any ServerInterceptor]
  let isIntercepted: Bool
  /// nil where nothing is recorded.
  let tracer: Tracer?
  let logger: Logger
  let gzip = GzipCodec()
  private let scratch = HTTP2Scratch()
  /// Connections beyond the limit that are being refused, and the most of them at a time.
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
  /// A handler's response until it is queued; the memory is reused.
  @exclusivity(unchecked) var answer: [UInt8] = []

  func clearAnswer() { answer.removeAll(keepingCapacity: answer.capacity <= 64 << 10) }

  /// The grace has passed: no call begins.
  @exclusivity(unchecked) private(set) var isStopping = false
  /// Bytes of requests that calls make this loop hold.
  @exclusivity(unchecked) private var held = 0
  /// The part of `heldBytes` that the shared total has.
  @exclusivity(unchecked) private var toldBytes = 0
  /// The budget for decompression in a turn, and the messages that wait for a later turn.
  let expansions: ExpansionQueue

  /// Counts how many more bytes of requests a call makes this loop hold.
  func hold(_ change: Int) {
    held += change
    tellHeldBytes()
  }

  /// Bytes that peers make this loop hold: incomplete requests and unread responses.
  var heldBytes: Int { held + scratch.queuedBytes }

  /// The share of `limit` bytes that a connection may have: an equal one while the process holds too much.
  func share(of limit: Int) -> Int {
    tellHeldBytes()
    guard totals.held.load(ordering: .relaxed) > configuration.maxHeldBytes else { return limit }
    return min(limit, max(Self.leastShare, configuration.maxHeldBytes / max(1, totals.connectionCount)))
  }

  /// Enough for a call with small messages.
  private static let leastShare = 8 << 10

  /// Adds the change of `heldBytes` to the shared total, once it is large enough.
  func tellHeldBytes() {
    let change = heldBytes - toldBytes
    guard change.magnitude >= Self.tellingStep else { return }
    toldBytes += change
    totals.held.add(change, ordering: .relaxed)
  }

  private static let tellingStep = 64 << 10
  /// TLS handshakes under way, the oldest first.
  var handshakes: [TLSHandshake] = []

  init(
    name: String, configuration: GRPCServerConfiguration, methods: MethodTable,
    interceptors: [any ServerInterceptor], logger: Logger, totals: ServerTotals, tls: ServerTLS?
  ) {
    loop = EventLoop(name: name)
    expansions = ExpansionQueue(loop, limit: configuration.maxExpandedPerTurn)
    self.configuration = configuration
    self.methods = methods
    self.interceptors = interceptors
    isIntercepted = !interceptors.isEmpty
    tracer = configuration.tracer.isOn ? configuration.tracer : nil
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
        logger.warning("cannot accept connections, pausing", ["reason": .string(reason)])
      }
      _ = loop.schedule(at: loop.now + sweepInterval, self)
    }
  }

  func accept(_ descriptor: Int32, _ peer: HTTP2Peer) {
    let admission = totals.connectionOpened(
      peer.network, limit: configuration.maxConnections, peerLimit: configuration.maxConnectionsPerPeer)
    switch admission {
    case .admitted(let account):
      if let tls { return beginHandshake(tls, descriptor, peer.address, account) }
      serve(.plain(descriptor), ServerPeer(address: peer.address, account: account))
    case .full: refuse(descriptor, "too many connections", peer, limit: configuration.maxConnections)
    case .peerIsFull:
      refuse(descriptor, "too many connections from this address", peer, limit: configuration.maxConnectionsPerPeer)
    }
  }

  /// Serves a connection that is counted already.
  func serve(_ transport: ByteTransport, _ peer: ServerPeer) {
    do throws(HTTP2Error) {
      let http2 = try http2(transport, configuration.http2)
      let connection = ServerConnection(self, http2, peer: peer)
      http2.setDelegate(connection)
      connections[ObjectIdentifier(connection)] = connection
      http2.readEarly()
    } catch {
      totals.connectionClosed(peer.account)
      logger.error("cannot serve a connection", ["error": .error(error)])
    }
  }

  private func http2(
    _ transport: ByteTransport, _ configuration: HTTP2Configuration
  ) throws(HTTP2Error) -> HTTP2Connection {
    try HTTP2Connection(
      transport: transport, role: .server, loop: loop, configuration: configuration, scratch: scratch)
  }

  /// Answers with the reason before it closes the connection; closes at once when too many are being refused already,
  /// and with TLS.
  private func refuse(_ descriptor: Int32, _ reason: String, _ peer: HTTP2Peer, limit: Int) {
    logger.warning("\(reason), refusing", ["peer": .string(peer.address), "limit": .number(limit)])
    guard refused.count < Self.maxRefused, tls == nil else { return closeDescriptor(descriptor) }
    let connection = RefusedConnection(reason) { [unowned self] in refused[ObjectIdentifier($0)] = nil }
    do throws(HTTP2Error) {
      connection.start(try http2(.plain(descriptor), RefusedConnection.configuration))
      refused[ObjectIdentifier(connection)] = connection
    } catch {
      logger.error("cannot refuse a connection", ["error": .error(error)])
    }
  }

  private var sweepInterval: Duration { configuration.requestTimeout / 4 }

  /// Looks for late requests and unused buffers now and then, so that calls in time pay nothing for it.
  func timerFired(_ token: UInt64) {
    let limit = loop.now - configuration.requestTimeout
    for connection in connections.values {
      connection.finishLateRequests(begunBefore: limit)
      connection.trim()
    }
    tellHeldBytes()
    _ = loop.schedule(at: loop.now + sweepInterval, self)
  }

  func closed(_ connection: ServerConnection, _ reason: String) {
    connections[ObjectIdentifier(connection)] = nil
    totals.connectionClosed(connection.peer.account)
    tellHeldBytes()
    let peer = connection.peer.address
    logger.debug("connection closed", ["peer": .string(peer), "reason": .string(reason)])
    if let failure = connection.http2.failure {
      logger.warning(
        "a connection was ended for its peer's fault", ["peer": .string(peer), "reason": .string(failure)])
    }
  }

  /// Closes the connections that are left, whether or not their peers have read the last frames.
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

  /// The grace is over: calls that have not finished get UNAVAILABLE, connections close.
  func cancel() {
    loop.execute { [self] in
      isStopping = true
      for connection in connections.values {
        connection.finishAll(GRPCStatus(.unavailable, "the server is shutting down"))
        connection.http2.terminate(.noError, "shutting down")
      }
    }
  }
}
