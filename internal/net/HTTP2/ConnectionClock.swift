internal import Values

/// The timeouts of a connection as a value: events in, actions out.
///
/// Traffic only notes times; the one timer a connection has fires at `nextDeadline`, asks `expire`, and is set again.
struct ConnectionClock {
  enum Action: Equatable {
    case sendKeepalivePing
    /// GOAWAY twice, then wait for the streams.
    case drain
    /// The PING between the two GOAWAYs was not answered in time: send the second GOAWAY.
    case finishDrain
    case close(String)
  }

  private let configuration: HTTP2Configuration
  private var handshakeDeadline: Instant
  private var lastRead: Instant
  private var pingDeadline = Instant.distantFuture
  private var stallDeadline = Instant.distantFuture
  private var ageDeadline = Instant.distantFuture
  private var idleSince: Instant?
  private let idleLimit: Duration?
  private var drainDeadline = Instant.distantFuture
  private(set) var isDraining = false

  /// - Parameter jitter: from -0.1 to 0.1 of age and idleness, so that clients that connected together do not
  ///   reconnect together.
  init(_ configuration: HTTP2Configuration, now: Instant, jitter: Double) {
    self.configuration = configuration
    handshakeDeadline = now + configuration.handshakeTimeout
    lastRead = now
    idleSince = now
    if let age = configuration.maxAge { ageDeadline = now + age * (1 + jitter) }
    idleLimit = configuration.maxIdle.map { $0 * (1 + jitter) }
  }

  mutating func handshakeDone() { handshakeDeadline = .distantFuture }
  /// An incomplete header block has begun; its deadline is that of a handshake.
  mutating func headerBlockBegun(_ now: Instant) { handshakeDeadline = now + configuration.handshakeTimeout }
  mutating func headerBlockEnded() { handshakeDeadline = .distantFuture }
  mutating func received(_ now: Instant) { lastRead = now }
  mutating func keepaliveAnswered() { pingDeadline = .distantFuture }
  mutating func streamsChanged(active: Int, _ now: Instant) {
    if active > 0 { idleSince = nil } else if idleSince == nil { idleSince = now }
  }

  /// Bytes wait for the peer; the timeout starts with the first such call after progress.
  mutating func waitingForPeer(_ now: Instant) {
    if stallDeadline == .distantFuture { stallDeadline = now + configuration.stalledPeerTimeout }
  }

  mutating func peerMadeProgress() { stallDeadline = .distantFuture }

  mutating func drainStarted(_ now: Instant) {
    isDraining = true
    drainDeadline = now + configuration.drainPingTimeout
  }

  mutating func drainPingAnswered() { drainDeadline = .distantFuture }

  private var keepaliveDue: Instant {
    pingDeadline == .distantFuture ? lastRead + configuration.keepaliveInterval : .distantFuture
  }

  private var idleDue: Instant {
    guard let idleSince, let idleLimit, !isDraining else { return .distantFuture }
    return idleSince + idleLimit
  }

  var nextDeadline: Instant {
    let age = isDraining ? Instant.distantFuture : ageDeadline
    return min(
      min(min(handshakeDeadline, pingDeadline), min(stallDeadline, age)),
      min(min(idleDue, drainDeadline), keepaliveDue))
  }

  /// The next action that is due; call it again until it returns nil.
  mutating func expire(_ now: Instant) -> Action? {
    if handshakeDeadline <= now { return .close("no HTTP/2 preface or no end of a header block in time") }
    if pingDeadline <= now { return .close("keepalive ping not answered") }
    if stallDeadline <= now { return .close("the peer does not take what waits for it") }
    if drainDeadline <= now {
      drainDeadline = .distantFuture
      return .finishDrain
    }
    if !isDraining, ageDeadline <= now || idleDue <= now {
      drainStarted(now)
      return .drain
    }
    if keepaliveDue <= now {
      pingDeadline = now + configuration.keepaliveTimeout
      return .sendKeepalivePing
    }
    return nil
  }
}
