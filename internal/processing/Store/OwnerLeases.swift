public import Postgres
public import ProcessingDomain
public import Values

/// The leases of the processes that work on payments (`owner`). Time is the database's.
///
/// A value that any thread may use.
public struct OwnerLeases: Sendable {
  private let register: Statement
  private let renew: Statement
  private let check: Statement
  private let raise: Statement
  private let claims: Statement
  private let lock: Statement
  private let remove: Statement

  /// Leases in these tables.
  public init(_ tables: ProcessingTables = ProcessingTables()) {
    let (owner, claim) = (tables.owner, tables.claim)
    register = Statement(
      "INSERT INTO \(owner) (id, leased_until, program) VALUES ($1, clock_timestamp() + $2, $3) RETURNING epoch")
    renew = Statement(
      "UPDATE \(owner) SET leased_until = clock_timestamp() + $3 WHERE id = $1 AND epoch = $2 RETURNING epoch")
    // Not FOR SHARE: renewals would wait for transactions that follow each other without a gap. Whoever raises the
    // epoch locks FOR UPDATE first, which waits for these.
    check = Statement("SELECT epoch FROM \(owner) WHERE id = $1 AND epoch = $2 FOR KEY SHARE")
    raise = Statement(
      """
      UPDATE \(owner) o SET epoch = o.epoch + 1, leased_until = clock_timestamp() + $2
      WHERE o.id = ANY (ARRAY(
        SELECT id FROM \(owner) WHERE leased_until < clock_timestamp() AND id <> $1 ORDER BY id LIMIT 16
        FOR UPDATE SKIP LOCKED))
      RETURNING o.id
      """)
    claims = Statement(
      "SELECT payment_id FROM \(claim) WHERE owner = $1 AND payment_id > $2 ORDER BY payment_id LIMIT $3")
    lock = Statement("SELECT id FROM \(owner) WHERE id = $1 FOR UPDATE")
    remove = Statement(
      "DELETE FROM \(owner) o WHERE o.id = $1 AND NOT EXISTS (SELECT FROM \(claim) c WHERE c.owner = o.id)")
  }

  /// Registers a process. - Parameter program: for people.
  public func register(
    _ owner: UniqueID, lease: Duration, program: String, on connection: Connection
  ) throws(DatabaseError) -> Claim {
    let rows = try connection.run(Command(register, [.uuid(owner), .interval(lease), .text(program)]))
    return Claim(owner: owner, epoch: try rows.only.int64(0))
  }

  /// - Returns: false when somebody has taken the process's work over.
  public func renew(_ claim: Claim, lease: Duration, on connection: Connection) throws(DatabaseError) -> Bool {
    try connection.run(Command(renew, [.uuid(claim.owner), .int64(claim.epoch), .interval(lease)])).count == 1
  }

  /// For the beginning of a transaction: no row in the answer means that the lease is lost.
  func check(_ claim: Claim) -> Command { Command(check, [.uuid(claim.owner), .int64(claim.epoch)]) }

  /// Takes the leases that are over, in the caller's name for `lease`.
  /// - Returns: the processes whose payments are to be taken over.
  public func takeExpired(
    by claim: Claim, lease: Duration, on connection: Connection
  ) throws(DatabaseError) -> [UniqueID] {
    let rows = try connection.run(Command(raise, [.uuid(claim.owner), .interval(lease)]))
    return try rows.map { (row) throws(DatabaseError) in try row.uuid(0) }
  }

  /// The payments that a process has claimed, by ascending id, at most `limit` of those above `after`.
  public func claims(
    of owner: UniqueID, after: UniqueID = UniqueID(high: 0, low: 0), limit: Int, on connection: Connection
  ) throws(DatabaseError) -> [UniqueID] {
    let rows = try connection.run(Command(claims, [.uuid(owner), .uuid(after), .int64(Int64(limit))]))
    return try rows.map { (row) throws(DatabaseError) in try row.uuid(0) }
  }

  /// Forgets a process that has nothing left: one's own at a clean stop, or one that was taken over.
  public func remove(_ owner: UniqueID, on connection: Connection) throws(DatabaseError) {
    // The lock waits for transactions of that process; the statement after it sees what they claimed.
    try connection.run([.begin, Command(lock, [.uuid(owner)]), Command(remove, [.uuid(owner)]), .commit])
  }
}
