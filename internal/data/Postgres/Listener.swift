internal import Errors
public import Logger
public import Runtime
public import Values

/// LISTENs on channels over a connection and a thread of its own, and comes back by itself after an outage.
///
/// Needs a direct connection: PgBouncer in transaction mode does not pass notifications. A notification sent while the
/// connection was away is lost, hence `onReconnect`; treat notifications as hints and poll as a net under them.
public final class Listener: ServicePart {
  private let stopFlag = StopFlag()
  private let thread: WorkerThread
  private let connected: Monitor<Bool>

  /// Starts listening at once.
  /// - Parameters:
  ///   - onNotification: called on the listener's thread with channel and payload; must be quick.
  ///   - onConnect: called on the listener's thread each time that listening has begun, the first time included: look
  ///     for what may have been missed.
  public init(
    configuration: DatabaseConfiguration, channels: [String], logger: Logger,
    onConnect: @escaping @Sendable () -> Void = {},
    onNotification: @escaping @Sendable (_ channel: String, _ payload: String) -> Void
  ) {
    precondition(!channels.isEmpty, "a listener needs a channel")
    let loop = ListenerLoop(
      configuration: configuration, channels: channels, logger: logger, stop: stopFlag, onConnect: onConnect,
      onNotification: onNotification)
    let connected = loop.connected
    self.connected = connected
    thread = WorkerThread(name: "db-listener") { loop.run() }
  }

  /// Whether it listens at present.
  public var isConnected: Bool { connected.withLock { $0 } }

  /// Stops listening and waits for the thread; not to be called from its own callbacks.
  public func stop(until deadline: Instant = .distantFuture) {
    stopFlag.stop()
    thread.join()
  }

  deinit { stopFlag.stop() }
}

private struct ListenerLoop: Sendable {
  let configuration: DatabaseConfiguration
  let channels: [String]
  let logger: Logger
  let stop: StopFlag
  let onConnect: @Sendable () -> Void
  let onNotification: @Sendable (String, String) -> Void
  let connected = Monitor(false)

  func run() {
    let reconnecting = ReconnectingConnection(configuration: configuration, logger: logger, stop: stop)
    while !stop.isStopped {
      do {
        let connection = try reconnecting.connected(until: .distantFuture)
        try connection.script(channels.map { "LISTEN \(quoteIdentifier($0))" }.joined(separator: "; "))
        connected.update { $0 = true }
        onConnect()
        try listen(connection)
      } catch {
        connected.update { $0 = false }
        if error.code == .closed { break }
        logger.warning("listening interrupted", ["error": .error(error)])
        // A server that accepts connections but refuses LISTEN must not be asked in a busy loop.
        if error.code == .server { stop.wait(until: Instant.now() + .seconds(1)) }
      }
    }
    reconnecting.disconnect()
    connected.update { $0 = false }
  }

  /// How often a silent server is asked whether it is still there and the one to listen to: nothing else would tell
  /// when it is frozen, or was taken out of service.
  private static let askInterval = Duration.seconds(5)

  private func listen(_ connection: Connection) throws(DatabaseError) {
    while true {
      let askAt = Instant.now() + Self.askInterval
      while Instant.now() < askAt {
        for (channel, payload) in connection.takeNotifications() { onNotification(channel, payload) }
        try connection.waitForInput(stop: stop, until: askAt)
      }
      try connection.requireWriting(asks: true, until: .now() + .seconds(2))
    }
  }
}
