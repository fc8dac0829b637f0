public import AdminHTTP
public import Config
internal import Database
internal import Errs
internal import FoundationEssentials
internal import Glibc
internal import Kafka
internal import Logger
internal import Metrics
internal import Runtime

/// A program's inside: started once, stopped once.
public protocol ProgramBody: AnyObject, Sendable {
  /// Waits for what it needs and begins to serve. Runs on a thread of its own, where it may block; it returns early
  /// when the context's stop flag is set.
  func start() throws
  /// Takes no new work, finishes what is under way within `grace`, and gives back what it holds. Blocks. Called once
  /// `start` has returned.
  func stop(grace: Duration)
  /// The state of each dependency, callable at any time on any thread.
  var readiness: ReadinessReport { get }
}

/// Runs a service from its command line to its exit: settings, log, admin endpoint, signals.
///
/// Exit codes: 0 after a clean stop, 1 when it could not start, 2 for a wrong command line or setting.
public func runProgram(_ program: Program, _ make: (ProgramContext) throws -> any ProgramBody) -> Never {
  let signals = TerminationSignals()
  let settings = loadSettings(program)
  let logger = Logger(label: program.name, level: settings.log.level, format: settings.log.format)
  let host = ProcessInfo.processInfo.hostName
  let context = ProgramContext(
    settings: settings, logger: logger, metrics: MetricsRegistry(), stop: StopFlag(),
    instance: "\(host):\(ProcessInfo.processInfo.processIdentifier):\(UniqueID.random().description.prefix(8))")
  context.metrics.registerProcess(program: program.name, version: BuildInfo.version)
  do {
    let body = try make(context)
    let admin = try startAdmin(context, body)
    let starter = WorkerThread(name: "start-up") {
      do {
        try body.start()
      } catch let error as DatabaseError where error.code == .closed && context.stop.isStopped {
        // Stopped before everything was there.
      } catch {
        logger.error("cannot start", ["error": .error(error)])
        exit(1)
      }
    }
    let signal = signals.wait { logger.info("SIGHUP: nothing to reload") }
    logger.info("stopping", ["signal": .number(signal)])
    context.stop.stop()
    limitStop(settings.server.shutdownTimeout, logger)
    starter.join()
    body.stop(grace: settings.server.shutdownTimeout)
    admin?.stop()
    logger.info("stopped")
    exit(0)
  } catch {
    logger.error("cannot start", ["error": .error(error)])
    exit(1)
  }
}

/// Ends the program when stopping it takes much longer than it may: a statement that waits for a lock, for instance. Its
/// caller has been refused by then, and the database undoes what was not committed.
private func limitStop(_ grace: Duration, _ logger: Logger) {
  _ = WorkerThread(name: "stop-limit") {
    _ = StopFlag().wait(until: .now() + grace + .seconds(3))
    logger.warning("stopping took too long; what still hangs is left")
    _exit(0)
  }
}

private func loadSettings(_ program: Program) -> Settings {
  do {
    let arguments = try ProgramArguments(Array(CommandLine.arguments.dropFirst()))
    switch arguments.action {
    case .help:
      print(ProgramArguments.help(for: program))
      exit(0)
    case .version:
      print("\(program.name) \(BuildInfo.version)")
      exit(0)
    case .run:
      let settings = try Settings.load(
        program: program, environment: ProcessInfo.processInfo.environment, file: arguments.configFile)
      try checkLibraries(settings)
      return settings
    }
  } catch {
    writeToStandardError(Array("\(program.name): \(error)\n".utf8))
    exit(2)
  }
}

/// Has libpq and librdkafka read what is theirs now, so that a mistake in it stops the program as any other does.
private func checkLibraries(_ settings: Settings) throws {
  for dsn in [settings.database.dsn, settings.database.directDSN] {
    _ = try DatabaseConfiguration(dsn: dsn, applicationName: settings.program.name)
  }
  try KafkaConfiguration(
    brokers: settings.kafka.brokers, clientID: settings.program.name, properties: settings.kafka.properties
  ).validate()
}

private func startAdmin(_ context: ProgramContext, _ body: any ProgramBody) throws -> AdminServer? {
  guard let address = context.settings.admin.address else { return nil }
  let admin = AdminServer(
    address: address, registry: context.metrics, readiness: { body.readiness }, logger: context.logger)
  try admin.start()
  return admin
}
