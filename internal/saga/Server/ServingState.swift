/// Whether the service can do its work, told from the state of its parts. Pure.
public struct ServingState: Sendable, Hashable {
  /// Whether new calls are taken: true between start and stop.
  public var isAccepting: Bool
  /// Whether the database can be reached. Without it no call can be answered.
  public var hasDatabase: Bool

  public init(isAccepting: Bool, hasDatabase: Bool) {
    self.isAccepting = isAccepting
    self.hasDatabase = hasDatabase
  }

  /// Whether callers should be sent here. The broker does not count: payments can be settled while it is away, and
  /// their events wait in the outbox.
  public var isServing: Bool { isAccepting && hasDatabase }
}
