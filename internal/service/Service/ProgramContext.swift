public import Logger
public import Metrics
public import Runtime
public import Settings
public import Tracing

/// Program, log, metrics and stop flag, shared by the parts of a program.
public struct ProgramContext: Sendable {
  /// The program.
  public let program: Program
  /// The program's log.
  public let logger: Logger
  /// The registry behind `/metrics`.
  public let metrics: MetricsRegistry
  /// Records what the program does, for a collector.
  public let tracer: Tracer
  /// Set when the program is asked to stop; ends waits during start-up.
  public let stop: StopFlag
  /// Unique to this run of the process: host, process id and a random part.
  public let instance: String

  /// - Parameter instance: unique to this run of the process.
  public init(
    program: Program, logger: Logger, metrics: MetricsRegistry, tracer: Tracer = .off, stop: StopFlag,
    instance: String
  ) {
    self.program = program
    self.logger = logger
    self.metrics = metrics
    self.tracer = tracer
    self.stop = stop
    self.instance = instance
  }
}
