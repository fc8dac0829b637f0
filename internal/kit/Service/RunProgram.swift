public import Admin
internal import Errors
internal import FoundationEssentials
internal import Glibc
internal import Kafka
internal import Logger
internal import Metrics
internal import Postgres
internal import Runtime
internal import SagaSettings
public import Settings
internal import Values

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
  /// Reads again what may change while the program runs; at SIGHUP, on the main thread, also before `start` is done.
  func reload()
}

/// Runs a service from its command line to its exit: settings, log, admin endpoint, signals.
///
/// Exit codes: 0 after a clean stop, 1 when it could not start, 2 for a wrong command line or setting.
public func runProgram(_ program: Program, _ make: (ProgramContext) throws -> any ProgramBody) -> Never {
  ProcessProtection.begin()
  ProcessMemory.returnLargeBlocks()
  let signals = TerminationSignals()
  let settings = loadSettings(program)
  let logger = Logger(label: program.name, level: settings.log.level, format: settings.log.format)
  let host = ProcessInfo.processInfo.hostName
  let context = ProgramContext(
    settings: settings, logger: logger, metrics: MetricsRegistry(), stop: StopFlag(),
    instance: "\(host):\(ProcessInfo.processInfo.processIdentifier):\(UniqueID.random().description.prefix(8))")
  context.metrics.registerProcess(program: program.name, version: BuildInfo.version)
  context.metrics.counter(
    "log_lines_dropped_total", help: "Log lines that were not written, mostly because nobody read the log."
  ) { Double(LogWriter.standardError.droppedLines) }
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
        end(1)
      }
    }
    let signal = signals.wait { body.reload() }
    logger.info("stopping", ["signal": .number(signal)])
    context.stop.stop()
    endAnyhow(after: settings.server.shutdownTimeout + .seconds(2), logger)
    starter.join()
    body.stop(grace: settings.server.shutdownTimeout)
    admin?.stop()
    logger.info("stopped")
    end(0)
  } catch let error as WrongSetting {
    refuse(program, error)
  } catch {
    logger.error("cannot start", ["error": .error(error)])
    end(1)
  }
}

/// Ends the process when a stop takes too long, as when a statement never returns: what was not acknowledged is rolled
/// back by the database, and leases run out.
private func endAnyhow(after limit: Duration, _ logger: Logger) {
  let deadline = Instant.now() + limit
  _ = WorkerThread(name: "stop-limit") {
    WakeSignal().wait(until: deadline)
    logger.warning("stopped with work under way; it took longer than SERVER_SHUTDOWN_TIMEOUT")
    end(0)
  }
}

private func loadSettings(_ program: Program) -> SagaSettings {
  do {
    let arguments = try ProgramArguments(Array(CommandLine.arguments.dropFirst()))
    switch arguments.action {
    case .help:
      print(ProgramArguments.help(for: program, settings: SagaSettings.table.help(for: program)))
      exit(0)
    case .version:
      print("\(program.name) \(BuildInfo.version)")
      exit(0)
    case .run:
      let settings = try SagaSettings.load(
        program: program, environment: ProcessInfo.processInfo.environment, file: arguments.configFile)
      try checkLibraries(settings)
      return settings
    }
  } catch {
    refuse(program, error)
  }
}

private func refuse(_ program: Program, _ error: any Error) -> Never {
  LogWriter.standardError.write(line: VisibleText.escaped("\(program.name): \(error)"))
  end(2)
}

/// Ends the process once its log is written, or nobody reads it.
private func end(_ status: Int32) -> Never {
  LogWriter.standardError.flush()
  // Not exit: what libraries registered for it would run beside their own threads.
  _exit(status)
}

/// Has libpq and librdkafka read what is theirs now, so that a mistake in it stops the program as any other does.
/// - Throws: `WrongSetting`; values are left to the libraries' messages, which hide secrets.
private func checkLibraries(_ settings: SagaSettings) throws {
  for (name, dsn) in [("DB_DSN", settings.database.dsn), ("DB_DIRECT_DSN", settings.database.directDSN)] {
    do throws(DatabaseError) {
      _ = try DatabaseConfiguration(dsn: dsn, applicationName: settings.program.name)
    } catch {
      throw WrongSetting(description: "\(name): \(error)")
    }
  }
  let kafka = settings.kafka
  do throws(KafkaError) {
    try KafkaConfiguration(brokers: kafka.brokers, clientID: settings.program.name, properties: kafka.properties)
      .validate()
  } catch {
    let property = kafka.properties.keys.filter { error.message.contains($0) }.max { $0.count < $1.count }
    let name = property.map { "KAFKA_" + $0.uppercased().split(separator: ".").joined(separator: "_") }
    throw WrongSetting(description: "\(name ?? "KAFKA_BROKERS"): \(error)")
  }
}

/// A setting that a library refuses; thrown while a body is made, it ends the program as other wrong settings do.
public struct WrongSetting: Error, CustomStringConvertible {
  /// Names the setting, its value unless it is secret, and the reason.
  public let description: String

  public init(description: String) { self.description = description }
}

private func startAdmin(_ context: ProgramContext, _ body: any ProgramBody) throws -> AdminServer? {
  guard let address = context.settings.admin.address else { return nil }
  let admin = AdminServer(
    address: address, registry: context.metrics, readiness: { body.readiness }, logger: context.logger)
  try admin.start()
  return admin
}
