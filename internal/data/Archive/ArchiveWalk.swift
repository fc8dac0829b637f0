public import Postgres
internal import Values

/// A way through the rows of a live table that are old enough for their archive, from the oldest on, a batch at a time.
///
/// Each batch is a transaction of its own: what it locks, it deletes and has written elsewhere, so that a row is in
/// exactly one place for everybody at any time. Whoever waits for a row that is being moved finds it gone afterwards,
/// and has to look into the archive with a statement of its own: the waiting one has an older snapshot.
public struct ArchiveWalk: ArchiveSteps {
  private let plan: ArchivePlan
  private let age: Duration
  private let retention: Duration
  private var last = UniqueID(high: 0, low: 0)
  private var made: Set<ArchiveMonth> = []

  /// - Parameters:
  ///   - age: how long ago a row must have been written, and how long it must have been finished.
  ///   - retention: how long a month is kept after its end.
  public init(_ plan: ArchivePlan, olderThan age: Duration, retention: Duration = .seconds(36_500 * 86_400)) {
    self.plan = plan
    self.age = age
    self.retention = retention
  }

  /// What metrics and log lines call the archive.
  public var name: String { plan.name }
  /// What the rows are.
  public var rows: String { plan.rows }

  /// Drops old months.
  public func dropOld(on connection: Connection) throws(DatabaseError) -> [OldPartitions.Dropped] {
    try plan.drop(olderThan: retention, on: connection)
  }

  /// Moves the next batch; after the end begins anew.
  /// - Parameter size: the most rows to look at.
  public mutating func step(size: Int, on connection: Connection) throws(DatabaseError) -> ArchiveBatch {
    let next = try connection.run(Command(plan.next, [.uuid(last), .interval(age)]))
    guard let row = next.first else {
      last = UniqueID(high: 0, low: 0)
      return ArchiveBatch(isOver: true)
    }
    let month = ArchiveMonth(
      name: try row.text(NextColumn.month), first: try row.uuid(NextColumn.first),
      end: try row.uuid(NextColumn.endOfMonth))
    if !made.contains(month) {
      try plan.months.make(month, on: connection)
      made.insert(month)
    }
    let end = min(month.end, try row.uuid(NextColumn.bound))
    let (moved, seen) = try connection.rollingBack { () throws(DatabaseError) in
      try move(between: last, end, size: size, on: connection)
    }
    last = seen.count < size ? end : seen[seen.count - 1]
    return ArchiveBatch(moved: moved)
  }

  /// - Returns: how many rows were moved, and all that were looked at.
  private func move(
    between first: UniqueID, _ end: UniqueID, size: Int, on connection: Connection
  ) throws(DatabaseError) -> (moved: Int, seen: [UniqueID]) {
    // What a crash of the server takes back is moved again.
    let rows = try connection.run([
      .begin, RelaxedCommit.command,
      Command(plan.lock, [.uuid(first), .uuid(end), .int64(Int64(size)), .interval(age)]),
    ])[2]
    var (seen, held): ([UniqueID], [UniqueID]) = ([], [])
    for row in rows {
      let id = try row.uuid(LockColumn.id)
      seen.append(id)
      if try row.bool(LockColumn.isHeld) { held.append(id) }
    }
    guard !held.isEmpty else {
      try connection.run(.commit)
      return (0, seen)
    }
    // By a statement of its own, so that it sees what others had committed when the rows were locked.
    let answer = try connection.run([Command(plan.move, [.uuidArray(held), .interval(age)]), .commit])[0]
    return (try answer.only.int(0), seen)
  }

  private enum NextColumn: Int, AnswerColumn { case month, first, endOfMonth, bound }
  private enum LockColumn: Int, AnswerColumn { case id, isHeld }
}
