internal import Errors
public import Kafka
public import Logger
public import Metrics
public import Postgres
public import Runtime
internal import Synchronization
public import Values

/// An inbox: a member of a consumer group that turns messages into transactions.
///
/// Every message is executed at least once, whatever crashes: its offset is committed only after its transaction, or
/// after the broker has acknowledged its dead letter. Messages of one partition are executed in order.
///
/// One thread serves the group, one watches for obstacles, and each of `parallelism` lanes has a thread and a database
/// connection and works on some of the partitions. All functions may be called on any thread.
public final class InboxConsumer<Handler: InboxHandler>: ServicePart {
  private static var servePeriod: Duration { .milliseconds(250) }
  private static var watchPeriod: Duration { .seconds(3) }

  /// What runs between `start` and the end of the threads.
  private struct Running: Sendable {
    let member: GroupMember
    let deadLetters: DeadLetterWriter
    let health: [LaneHealth]
  }

  private enum State: Sendable {
    case idle
    case running(Running)
    case stopped
  }

  /// Obstacles to reading and to writing dead letters, and what the log has said about them.
  private struct Obstacles {
    var consuming: String?
    var burying: String?
    var consumingLog: ObstacleLog
    var buryingLog: ObstacleLog
  }

  private let configuration: InboxConfiguration
  private let kafka: KafkaConfiguration
  private let database: DatabaseConfiguration
  private let metrics: MetricsRegistry
  private let stopFlag: StopFlag
  private let logger: Logger
  private let makeHandler: @Sendable (_ lane: Int) throws -> Handler
  private let state = Mutex(State.idle)
  private let isFinished = Monitor(false)
  private let obstacles: Mutex<Obstacles>

  /// Prepares an inbox; it connects to nothing before `start`.
  /// - Parameters:
  ///   - kafka: how to reach the brokers; its client id becomes `<id>-<name>` for reading and `<id>-dead-letters` for
  ///     writing dead letters.
  ///   - database: how to connect; each lane has a connection.
  ///   - stop: ends the inbox as `stop` does, and at once ends its waits for the database. Several parts of a program
  ///     may share it.
  ///   - makeHandler: makes the handler of a lane, 0 and up; called by `start`.
  public init(
    _ configuration: InboxConfiguration, kafka: KafkaConfiguration, database: DatabaseConfiguration, logger: Logger,
    metrics: MetricsRegistry, stop: StopFlag = StopFlag(),
    makeHandler: @escaping @Sendable (_ lane: Int) throws -> Handler
  ) {
    precondition(configuration.batch > 0, "a batch has at least one message")
    precondition(configuration.parallelism > 0, "an inbox has at least one lane")
    self.configuration = configuration
    self.kafka = kafka
    self.database = database
    self.metrics = metrics
    self.logger = logger
    self.makeHandler = makeHandler
    stopFlag = stop
    obstacles = Mutex(
      Obstacles(
        consumingLog: ObstacleLog("\(configuration.name) messages do not come", logger),
        buryingLog: ObstacleLog("the dead-letter topic does not take messages", logger)))
  }

  /// Joins the group and starts to work; a broker or a database need not be there yet. Call it once; after `stop` it
  /// does nothing.
  /// - Throws: `KafkaError` `.invalidConfiguration`, and whatever `makeHandler` throws; then nothing runs.
  public func start() throws {
    let handlers = try (0..<configuration.parallelism).map { Handover(try makeHandler($0)) }
    let running = Running(
      member: try GroupMember(
        client(configuration.name), group: configuration.group, lanes: configuration.parallelism,
        lag: LagBook(metrics, configuration), logger: logger),
      deadLetters: try DeadLetterWriter(
        client("dead-letters"), topic: configuration.deadLetterTopic, logger: logger.labelled("dead-letters")),
      health: handlers.map { _ in LaneHealth() })
    KafkaClientGauges.register(metrics, client: client(configuration.name).clientID, isProducer: false) {
      [weak member = running.member] in member?.statistics
    }
    do {
      let isStopped = try state.withLock { state in
        switch state {
        case .running: preconditionFailure("an inbox is started once")
        case .stopped: return true
        case .idle:
          try running.member.join(topic: configuration.topic)
          state = .running(running)
          return false
        }
      }
      if !isStopped { return run(running, handlers) }
    } catch {
      close(running)
      throw error
    }
    close(running)
  }

  /// Takes no new messages, finishes the batches in flight, stores their offsets and leaves the group; blocks until
  /// then.
  ///
  /// Harmless when called again, and before `start`.
  /// - Parameter deadline: when to stop waiting; what is in flight then comes again after the process has ended.
  public func stop(until deadline: Instant) {
    let running: Running? = state.withLock { state in
      if case .running(let running) = state { return running }
      state = .stopped
      return nil
    }
    guard let running else { return }
    stopFlag.stop()
    running.member.wake()
    if isFinished.wait(until: deadline, { $0 ? true : nil }) == nil {
      logger.warning("stopped with a batch in flight; its messages come again")
    }
  }

  // MARK: - Readiness

  /// Whether a broker is connected.
  public var isConnected: Bool { running?.member.isConnected ?? false }
  /// Why no broker is connected; nil while one is, and while nothing is known.
  public var connectionProblem: String? { running?.member.connectionProblem }
  /// Whether every lane reaches its database, and no table needs repair.
  public var hasDatabase: Bool { running?.health.allSatisfy(\.hasDatabase) ?? false }
  /// Why no messages come although a broker is connected; nil when no reason is known.
  public var consumingObstacle: String? { obstacles.withLock { $0.consuming } }
  /// Why dead letters are not written although a broker is connected; nil when no reason is known.
  public var buryingObstacle: String? { obstacles.withLock { $0.burying } }

  private var running: Running? {
    state.withLock { if case .running(let running) = $0 { running } else { nil } }
  }

  /// Looks for obstacles.
  private func look(_ running: Running) -> Duration {
    let isConnected = running.member.isConnected
    let limit = Duration.seconds(2)
    let consuming =
      isConnected ? running.member.obstacle(topic: configuration.topic, until: .now() + limit) : nil
    let burying = isConnected ? running.deadLetters.obstacle(until: .now() + limit) : nil
    obstacles.withLock { obstacles in
      obstacles.consuming = consuming
      obstacles.burying = burying
      obstacles.consumingLog.note(consuming, at: .now())
      obstacles.buryingLog.note(burying, at: .now())
    }
    return Self.watchPeriod
  }

  // MARK: - Threads

  /// Carries a handler to the thread that owns it from then on.
  private struct Handover: @unchecked Sendable {
    // @unchecked: made by `start`, given to one thread, used by nobody else.
    let handler: Handler
    init(_ handler: Handler) { self.handler = handler }
  }

  /// Starts the threads: one per lane, the watch, and the group's thread, which ends after all others.
  private func run(_ running: Running, _ handlers: [Handover]) {
    let tools = InboxLane<Handler>.Tools(
      batch: configuration.batch, member: running.member, deadLetters: running.deadLetters, database: database,
      metrics: InboxMetrics(metrics, name: configuration.name), stop: stopFlag, logger: logger)
    let lanes = handlers.enumerated().map { number, handover in
      WorkerThread(name: "\(configuration.name)-\(number)") {
        InboxLane(tools, running.member.lanes[number], handover.handler, running.health[number]).run()
      }
    }
    let watch = PeriodicJob(name: "\(configuration.name)-watch") { [self] in look(running) }
    watch.start()
    metrics.gauge(
      "consumer_lag_seconds",
      help: "Age of the oldest message in hand, by its timestamp; 0 while no batch is in hand.",
      labels: configuration.lagLabels
    ) { [health = running.health] in
      // Of `running` only this: its member keeps these metrics.
      health.compactMap(\.oldest).min().map(Timestamp.now().seconds) ?? 0
    }
    _ = WorkerThread(name: "\(configuration.name)-group") { [self] in
      serve(running.member, tools)
      watch.stop()
      for lane in lanes { lane.join() }
      close(running)
      isFinished.update { $0 = true }
    }
  }

  private func serve(_ member: GroupMember, _ tools: InboxLane<Handler>.Tools) {
    while !stopFlag.isStopped {
      do throws(KafkaError) {
        try member.serve(until: .now() + Self.servePeriod)
      } catch {
        tools.fail(error)
      }
    }
  }

  private func close(_ running: Running) {
    running.member.leave(until: .now() + .seconds(5))
    running.deadLetters.close()
  }

  private func client(_ role: String) -> KafkaConfiguration {
    var configuration = kafka
    configuration.clientID += "-\(role)"
    return configuration
  }
}
