import FoundationEssentials
import Glibc
import Logger
package import Migrator
import Runtime
import SagaSettings
package import Settings
import Values

/// Runs the command line: exit status 0 for success, 1 for a failure, 2 for a wrong command line or setting.
/// - Parameters:
///   - contexts: the settings of all contexts, which may share a file or an environment.
///   - migrations: those of all contexts, in their order.
package func runPaysaga(
  contexts: [SettingNames], migrations: @escaping () throws(MigratorError) -> [ContextMigrations]
) -> Never {
  ProcessProtection.begin()
  // Before any thread exists. A closed pipe is an error of the write from here on, not the end of the program.
  let signals = TerminationSignals()
  do {
    let line = try CommandParser(Array(CommandLine.arguments.dropFirst()), commands: Subcommands.usages)
    let output = Output(wantsJSON: line.wantsJSON)
    switch line.outcome {
    case .help(let text): output.print(text)
    case .version: output.print("\(Program.cli.name) \(BuildInfo.version) (commit \(BuildInfo.commit))")
    case .run(let name, let arguments):
      let command = try Subcommands.named(name).init(arguments)
      try run(command, line, output, signals, contexts, migrations)
    }
    output.flush()
    if let failure = output.failure { throw CommandError.failure(failure) }
    leave(0)
  } catch {
    let failure = explain(error)
    notice("\(Program.cli.name): \(oneLine(failure.message))")
    leave(failure.exitStatus)
  }
}

private func run(
  _ command: some Subcommand, _ line: CommandParser, _ output: Output, _ signals: TerminationSignals,
  _ contexts: [SettingNames], _ migrations: @escaping () throws(MigratorError) -> [ContextMigrations]
) throws {
  let environment = ProcessInfo.processInfo.environment
  let settings = try SagaSettings.load(
    program: .cli, environment: environment, file: line.configFile, contexts: contexts
  ).settings
  let session = Session(
    settings: settings, given: try GivenSettings(environment: environment, file: line.configFile),
    migrations: migrations, output: output, interruption: Interruption(signals), timeout: line.timeout)
  // Results of work done before a failure are still printed.
  defer { output.flush() }
  do { try command.run(session) } catch { throw explain(error, in: session) }
}

/// Ends the process once its log is written.
func leave(_ status: Int32) -> Never {
  LogWriter.standardError.flush()
  exit(status)
}
