public import Postgres

/// A way of finished rows into their archive, a batch at a time: what an `ArchiveMover` does on its thread.
public protocol ArchiveSteps: Sendable {
  /// What metrics and log lines call the archive.
  var name: String { get }
  /// What the rows are, for the log.
  var rows: String { get }
  /// Moves the next batch in a transaction of its own; after the end begins anew.
  /// - Parameter size: the most rows to look at.
  mutating func step(size: Int, on connection: Connection) throws(DatabaseError) -> ArchiveBatch
  /// Drops what the archive no longer keeps. Asked once an hour.
  func dropOld(on connection: Connection) throws(DatabaseError) -> [OldPartitions.Dropped]
}

extension ArchiveSteps {
  /// Keeps everything.
  public func dropOld(on connection: Connection) throws(DatabaseError) -> [OldPartitions.Dropped] { [] }
}

/// What a batch came to.
public struct ArchiveBatch: Sendable, Hashable {
  /// Rows of the live table that were moved.
  public var moved: Int
  /// Whether the way has come to the end of the old rows.
  public var isOver: Bool

  /// A batch.
  public init(moved: Int = 0, isOver: Bool = false) {
    self.moved = moved
    self.isOver = isOver
  }
}
