public import Admin

/// The inside of a program.
public protocol ProgramBody: AnyObject, Sendable {
  /// Waits for what the parts need, makes them and lists them in the order in which they start. Called once, on a
  /// thread that may block. When the context's stop flag is set meanwhile it throws or returns early, and no part
  /// starts.
  func assemble() throws -> ProgramParts
  /// The checks of the readiness report without which no call to the program's API can be answered; nil where it has no
  /// API.
  var neededForAPI: Set<String>? { get }
  /// The pages that the program adds to its admin endpoint; asked for once, before `assemble`. A page answers before
  /// the parts are there, too: that they are not.
  var pages: [AdminPage] { get }
  /// The certificates that the program shows to servers; asked for once, before `assemble`. Reading their files blocks.
  var clientCertificates: [ClientCertificate] { get }
  /// Reads again what may change while the program runs. Called at SIGHUP on the main thread, at any time.
  func reload()
}

extension ProgramBody {
  /// None.
  public var pages: [AdminPage] { [] }
  /// None.
  public var clientCertificates: [ClientCertificate] { [] }
}

/// The parts of a program, and the state of what they depend on.
public struct ProgramParts: Sendable {
  let entries: [ServiceEntry]
  let checks: @Sendable () -> [ReadinessReport.Check]

  /// - Parameters:
  ///   - entries: the parts in the order in which they start; they stop in reverse.
  ///   - checks: the state of each dependency; called on any thread at any time.
  public init(_ entries: [ServiceEntry], checks: @escaping @Sendable () -> [ReadinessReport.Check]) {
    self.entries = entries
    self.checks = checks
  }
}
