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
  private let remove: Statement

  /// Leases in these tables.
  public init(_ tables: ProcessingTables = ProcessingTables()) {
    let (owner, claim) = (tables.owner, tables.claim)
    register = Statement(
      "INSERT INTO \(owner) (id, leased_until, program) VALUES ($1, clock_timestamp() + $2, $3) RETURNING epoch")
    renew = Statement(
      "UPDATE \(owner) SET leased_until = clock_timestamp() + $3 WHERE id = $1 AND epoch = $2 RETURNING epoch")
    check = Statement("SELECT epoch FROM \(owner) WHERE id = $1 AND epoch = $2 FOR SHARE")
    raise = Statement(
      """
      UPDATE \(owner) o SET epoch = o.epoch + 1, leased_until = clock_timestamp() + $2
      WHERE o.id = ANY (ARRAY(
        SELECT id FROM \(owner) WHERE leased_until < clock_timestamp() AND id <> $1 ORDER BY id LIMIT 16
        FOR UPDATE SKIP LOCKED))
      RETURNING o.id
      """)
    claims = Statement("SELECT payment_id FROM \(claim) WHERE owner = $1 ORDER BY payment_id LIMIT $2")
    remove = Statement(
      """
      DELETE FROM \(owner) o WHERE o.id = $1 AND o.leased_until < clock_timestamp() + $2
      AND NOT EXISTS (SELECT FROM \(claim) c WHERE c.owner = o.id)
      """)
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

  /// The payments that a process has claimed, at most `limit`.
  public func claims(of owner: UniqueID, limit: Int, on connection: Connection) throws(DatabaseError) -> [UniqueID] {
    let rows = try connection.run(Command(claims, [.uuid(owner), .int64(Int64(limit))]))
    return try rows.map { (row) throws(DatabaseError) in try row.uuid(0) }
  }

  /// Forgets a process that has nothing left: its own at a clean stop, or a dead one's within `lease` of being taken.
  public func remove(_ owner: UniqueID, lease: Duration, on connection: Connection) throws(DatabaseError) {
    try connection.run(Command(remove, [.uuid(owner), .interval(lease)]))
  }
}
