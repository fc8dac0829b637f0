internal import Admin
internal import FoundationEssentials
internal import Glibc
internal import Logger
internal import Metrics
internal import OTLP
internal import Runtime
public import Settings
internal import Tracing
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
  let arguments = parseArguments(program, help: { Settings.table.help(for: program) })
  let loaded: LoadedSettings<Settings> = loadSettings(program, arguments, contexts)
  let (settings, config) = (loaded.settings, ConfigPage(program: program, settings: loaded.inForce))
  if arguments.action == .printConfig {
    print(String(decoding: config.json, as: UTF8.self))
    exit(0)
  }
  let options = settings.service
  let logger = Logger(
    label: program.name, level: options.logLevel, format: options.logFormat,
    program: Logger.Program(name: program.name, version: BuildInfo.version))
  let host = ProcessInfo.processInfo.hostName
  let metrics = MetricsRegistry(namespace: "paysaga")
  let instance = "\(host):\(ProcessInfo.processInfo.processIdentifier):\(UniqueID.random().description.prefix(8))"
  let exporter = SpanExporter(options.traces, program, instance: instance, logger: logger, metrics: metrics)
  let context = ProgramContext(
    program: program, logger: logger, metrics: metrics, tracer: exporter?.tracer ?? .off, stop: StopFlag(),
    instance: instance)
  if arguments.action == .check {
    check(program) { for each in try make(settings, context).clientCertificates { each.warn(logger) } }
  }
  context.metrics.registerProcess(program: program.name, version: BuildInfo.version)
  context.metrics.counter(
    "log_lines_dropped_total", help: "Log lines that were not written, mostly because nobody read the log."
  ) { Double(LogWriter.standardError.droppedLines) }
  let memory = PeriodicJob(name: "memory") {
    ProcessMemory.giveBack()
    return .seconds(2)
  }
  memory.start()
  exporter?.start()
  do {
    // A wrong setting is then the one line that there is.
    let body = try make(settings, context)
    logger.info(
      "starting",
      [
        "version": .string(BuildInfo.version), "commit": .string(BuildInfo.commit),
        "instance": .string(context.instance), "settings": .string(config.changes),
      ])
    let service = RunningService(body, context, options)
    registerReadiness(service, context.metrics)
    registerCertificates(service.certificates, context.metrics)
    for each in service.certificates { each.warn(logger) }
    let admin = try startAdmin(context, service, config, options)
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
    let stopped = Instant.now()
    context.stop.stop()
    endAnyhow(after: options.shutdownTimeout + .seconds(2), options, logger)
    starter.join()
    service.stop()
    // The last spans are those of what has just been drained. A collector that is away holds nobody up.
    exporter?.stop(until: min(stopped + options.shutdownTimeout + .seconds(1), .now() + .seconds(2)))
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

/// The arguments of a program that loads its settings; ends the process for the others.
private func parseArguments(_ program: Program, help settings: () -> String) -> ProgramArguments {
  do {
    let arguments = try ProgramArguments(Array(CommandLine.arguments.dropFirst()))
    switch arguments.action {
    case .help:
      print(ProgramArguments.help(for: program, settings: settings()))
      exit(0)
    case .version:
      print("\(program.name) \(BuildInfo.version) (commit \(BuildInfo.commit))")
      exit(0)
    case .run, .check, .printConfig: return arguments
    }
  } catch {
    refuse(program, error)
  }
}

private func loadSettings<Settings: ServiceSettings>(
  _ program: Program, _ arguments: ProgramArguments, _ contexts: [SettingNames]
) -> LoadedSettings<Settings> {
  do {
    let loaded = try Settings.load(
      program: program, environment: ProcessInfo.processInfo.environment, file: arguments.configFile,
      contexts: contexts)
    try loaded.settings.check()
    return loaded
  } catch {
    refuse(program, error)
  }
}

/// Says whether the settings and the files that they name can be used, and ends the process.
/// - Parameter make: makes the program's inside, which reads those files.
private func check(_ program: Program, _ make: () throws -> Void) -> Never {
  do { try make() } catch { refuse(program, error) }
  LogWriter.standardError.flush()
  print("\(program.name): settings and the files that they name can be used")
  exit(0)
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

/// What `/readyz` says, as metrics.
private func registerReadiness(_ service: RunningService, _ metrics: MetricsRegistry) {
  metrics.gauge("ready", help: "Whether /readyz answers 200: 1 or 0.") { service.readiness.isReady ? 1 : 0 }
  metrics.gauges("dependency_up", help: "Whether a dependency of /readyz works: 1 or 0.", labels: ["dependency"]) {
    service.readiness.checks.map { MetricsRegistry.Sample([$0.name], $0.isReady ? 1 : 0) }
  }
}

/// When the certificates end that the program shows to servers.
private func registerCertificates(_ certificates: [ClientCertificate], _ metrics: MetricsRegistry) {
  for each in certificates {
    guard let end = each.end else { continue }
    metrics.gauge(
      "client_tls_certificate_end_seconds", help: "When the certificate ends that is shown to this server, Unix time.",
      labels: ["server": each.server]
    ) { Double(end) }
  }
}

private func startAdmin(
  _ context: ProgramContext, _ service: RunningService, _ config: ConfigPage, _ options: ServiceOptions
) throws -> AdminServer? {
  guard let address = options.adminAddress else { return nil }
  let facts = ProgramFacts(
    program: context.program.name, version: BuildInfo.version, commit: BuildInfo.commit, instance: context.instance,
    started: .now())
  let admin = AdminServer(
    address: address, facts: facts, registry: context.metrics, readiness: { service.readiness },
    pages: [config.page] + service.body.pages, token: try adminToken(options), logger: context.logger)
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
    logger.error("SIGHUP: the admin port's token stays as it was", ["error": .error(error)])
  }
}
