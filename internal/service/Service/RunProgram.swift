internal import Admin
internal import FoundationEssentials
internal import Glibc
internal import Logger
internal import Metrics
internal import Runtime
public import Settings
internal import Values

/// Runs a service from its command line to its exit: settings, log, admin endpoint, signals.
///
/// Exit codes: 0 after a clean stop, 1 when it could not start, 2 for a wrong command line or setting.
/// - Parameters:
///   - contexts: the settings of all contexts, which may share a file or an environment.
///   - make: makes the program's inside from the settings that it uses; a `SettingsError` is a wrong setting.
public func runProgram<Settings: ServiceSettings>(
  _ program: Program, contexts: [SettingNames], _ make: (Settings, ProgramContext) throws -> any ProgramBody
) -> Never {
  ProcessProtection.begin()
  ProcessMemory.returnLargeBlocks()
  let signals = TerminationSignals()
  let settings: Settings = loadSettings(program, contexts)
  let options = settings.service
  let logger = Logger(label: program.name, level: options.logLevel, format: options.logFormat)
  let host = ProcessInfo.processInfo.hostName
  let context = ProgramContext(
    program: program, logger: logger, metrics: MetricsRegistry(namespace: "paysaga"), stop: StopFlag(),
    instance: "\(host):\(ProcessInfo.processInfo.processIdentifier):\(UniqueID.random().description.prefix(8))")
  context.metrics.registerProcess(program: program.name, version: BuildInfo.version)
  context.metrics.counter(
    "log_lines_dropped_total", help: "Log lines that were not written, mostly because nobody read the log."
  ) { Double(LogWriter.standardError.droppedLines) }
  let memory = PeriodicJob(name: "memory") {
    ProcessMemory.giveBack()
    return .seconds(2)
  }
  memory.start()
  do {
    let service = RunningService(try make(settings, context), context, options)
    let admin = try startAdmin(context, service, options)
    let starter = WorkerThread(name: "start-up") {
      do {
        try service.start()
      } catch  where context.stop.isStopped {
        logger.info("stopped before everything was there", ["error": .error(error)])
      } catch {
        logger.error("cannot start", ["error": .error(error)])
        end(1)
      }
    }
    let signal = signals.wait {
      if let admin { readToken(options, admin, logger) }
      service.body.reload()
    }
    logger.info("stopping", ["signal": .number(signal)])
    context.stop.stop()
    endAnyhow(after: options.shutdownTimeout + .seconds(2), options, logger)
    starter.join()
    service.stop()
    admin?.stop()
    logger.info("stopped")
    end(0)
  } catch let error as SettingsError {
    refuse(program, error)
  } catch {
    logger.error("cannot start", ["error": .error(error)])
    end(1)
  }
}

/// Ends the process when a stop takes too long, as when a statement never returns: what was not acknowledged is rolled
/// back by the database, and leases run out.
private func endAnyhow(after limit: Duration, _ options: ServiceOptions, _ logger: Logger) {
  let deadline = Instant.now() + limit
  _ = WorkerThread(name: "stop-limit") {
    WakeSignal().wait(until: deadline)
    logger.warning("stopped with work under way; it took longer than \(options.shutdownSetting)")
    end(0)
  }
}

private func loadSettings<Settings: ServiceSettings>(_ program: Program, _ contexts: [SettingNames]) -> Settings {
  do {
    let arguments = try ProgramArguments(Array(CommandLine.arguments.dropFirst()))
    switch arguments.action {
    case .help:
      print(ProgramArguments.help(for: program, settings: Settings.table.help(for: program)))
      exit(0)
    case .version:
      print("\(program.name) \(BuildInfo.version)")
      exit(0)
    case .run:
      let settings = try Settings.load(
        program: program, environment: ProcessInfo.processInfo.environment, file: arguments.configFile,
        contexts: contexts)
      try settings.check()
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

private func startAdmin(
  _ context: ProgramContext, _ service: RunningService, _ options: ServiceOptions
) throws -> AdminServer? {
  guard let address = options.adminAddress else { return nil }
  let admin = AdminServer(
    address: address, registry: context.metrics, readiness: { service.readiness }, token: try adminToken(options),
    logger: context.logger)
  try admin.start()
  return admin
}

/// - Throws: `SettingsError` for a file that holds no token.
private func adminToken(_ options: ServiceOptions) throws(SettingsError) -> [UInt8]? {
  if options.adminTokenFile.isEmpty { return nil }
  return try SecretFile.token(
    options.adminTokenFile, of: "ADMIN_TOKEN_FILE", shortest: AdminAccess.shortestToken)
}

/// Reads the token again; where that fails, the one in force stays.
private func readToken(_ options: ServiceOptions, _ admin: AdminServer, _ logger: Logger) {
  do throws(SettingsError) {
    admin.access.change(token: try adminToken(options))
  } catch {
    logger.error("SIGHUP: the admin port's token stays as it was", ["reason": .error(error)])
  }
}
