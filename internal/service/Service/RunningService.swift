internal import Admin
internal import Runtime
internal import Settings
internal import Synchronization
internal import Values

/// A program's inside with the stack of its parts, from the moment it is made to its end.
final class RunningService: Sendable {
  private struct Assembled {
    let stack: ServiceStack
    let parts: ProgramParts
  }

  let body: any ProgramBody
  private let context: ProgramContext
  /// Those that the program shows to servers.
  let certificates: [ClientCertificate]
  private let grace: Duration
  private let assembled = Mutex<Assembled?>(nil)

  init(_ body: any ProgramBody, _ context: ProgramContext, _ options: ServiceOptions) {
    self.body = body
    self.context = context
    certificates = body.clientCertificates
    grace = options.shutdownTimeout
  }

  /// Makes the parts and starts them; blocks while the program waits for something.
  func start() throws {
    let parts = try body.assemble()
    let stack = ServiceStack(parts.entries, stop: context.stop)
    assembled.withLock { $0 = Assembled(stack: stack, parts: parts) }
    try stack.start(grace: grace)
  }

  /// Stops the parts, once `start` has returned.
  func stop() { assembled.withLock { $0 }?.stack.stop(until: .now() + grace) }

  /// The state of each dependency, callable at any time on any thread.
  var readiness: ReadinessReport {
    let checks = assembled.withLock { $0 }?.parts.checks
    return ReadinessReport(
      (checks?() ?? []) + certificates.map(\.check), isServing: checks != nil && !context.stop.isStopped,
      neededForAPI: body.neededForAPI)
  }
}
