internal import Admin
public import BankStubSettings
internal import Logger
internal import Metrics
public import Service

/// The inside of the program.
public final class BankStubBody: ProgramBody {
  private let settings: BankStubSettings
  private let context: ProgramContext

  /// A body by these settings.
  public init(_ settings: BankStubSettings, _ context: ProgramContext) {
    self.settings = settings
    self.context = context
  }

  /// Its API needs nothing but itself.
  public var neededForAPI: Set<String>? { [] }

  /// Nothing to read again.
  public func reload() { context.logger.info("SIGHUP: nothing to reload") }

  /// One part.
  public func assemble() throws -> ProgramParts {
    let stub = try BankStub(
      address: settings.address, file: settings.file, logger: context.logger, metrics: context.metrics)
    return ProgramParts([.part(stub)], checks: { [ReadinessReport.Check("bank", isReady: stub.boundPort != nil)] })
  }
}
