public import Archive
public import Postgres
internal import Values

/// Moves finished payments out of the table that payments are opened and settled in, by ascending id and so from the
/// oldest on: those that are final for an age, and whose events are published. The archive keeps them for ever, since
/// an order that has a payment never gets another (G1).
///
/// A batch is one statement: for everybody a payment is in exactly one place at any time. What others have locked stays
/// for the next time. Whoever waits for a payment that is being moved finds it gone, and has to look into the archive
/// with a statement of its own.
public struct PaymentArchive: ArchiveSteps {
  private let age: Duration
  private var last: Int64 = 0

  /// - Parameter age: how long a payment must have been final.
  public init(olderThan age: Duration) { self.age = age }

  /// What metrics call the archive.
  public var name: String { "saga" }
  /// What the log calls the rows.
  public var rows: String { "payments" }

  /// Moves the next batch; after the end begins anew.
  /// - Parameter size: the most payments to look at.
  public mutating func step(size: Int, on connection: Connection) throws(DatabaseError) -> ArchiveBatch {
    let (from, age) = (last, age)
    let answer = try connection.rollingBack { () throws(DatabaseError) in
      // What a crash of the server takes back is moved again.
      try connection.run([
        .begin, RelaxedCommit.command,
        Command(Self.move, [.int64(from), .int64(Int64(size)), .interval(age)]), .commit,
      ])[2].only
    }
    let isYoung = try answer.bool(Column.isYoung)
    let isOver = try answer.int(Column.seen) < size || isYoung
    last = isOver ? 0 : try answer.int64(Column.last)
    return ArchiveBatch(moved: try answer.int(Column.moved), isOver: isOver)
  }

  private enum Column: Int, AnswerColumn { case seen, last, isYoung, moved }

  /// Ids are drawn in the order of time: behind a payment that is young itself there is nothing old.
  private static let move = Statement(
    """
    WITH page AS MATERIALIZED (
      SELECT p.id, p.order_id, p.created_at FROM payment p WHERE p.id > $1 ORDER BY p.id LIMIT $2),
    held AS MATERIALIZED (
      SELECT p.order_id FROM page g JOIN payment p ON p.order_id = g.order_id
      WHERE p.status IN ('COMPLETED', 'FAILED') AND p.updated_at < clock_timestamp() - $3::interval
        AND NOT EXISTS (SELECT FROM event_wait e WHERE e.key = p.order_id::text)
        AND NOT EXISTS (SELECT FROM event_dead e WHERE e.key = p.order_id::text)
      FOR UPDATE OF p SKIP LOCKED),
    gone AS (DELETE FROM payment p USING held h WHERE p.order_id = h.order_id RETURNING p.*),
    kept AS (INSERT INTO payment_archive SELECT * FROM gone)
    SELECT count(*) AS seen, coalesce(max(g.id), 0) AS last,
           coalesce(max(g.created_at) >= clock_timestamp() - $3::interval, true) AS is_young,
           (SELECT count(*) FROM gone) AS moved
    FROM page g
    """)
}
