internal import GatewayDomain
internal import GroupCommit
internal import Idempotency
public import Postgres
public import Values

/// The idempotency keys of all calls: how long they are known, and how they are found.
///
/// A key is looked back for over three days. On the third day `KeyCare` gives those whose payment is not final, or has
/// been for less than a day, three days more, again and again. So a key is known until a day after its payment is
/// final, and for three days at least.
public struct GatewayKeys: Sendable {
  /// How long a key is known without anybody's doing.
  public static let retention = Duration.seconds(3 * 86_400)
  /// How long a day's table is kept after its end: longer than keys are looked back for, so that a care that was away
  /// finds those that it has to move.
  public static let daysKept = Duration.seconds(5 * 86_400)
  /// How many days are made ahead of today.
  public static let daysAhead = IdempotencyKeyTable.daysAhead

  let table: IdempotencyKeyTable
  private let clock: (@Sendable () -> Timestamp)?

  /// - Parameter clock: the present moment, for tests; the database's own clock when nil.
  public init(_ tables: GatewayTables, clock: (@Sendable () -> Timestamp)? = nil) {
    self.clock = clock
    table = IdempotencyKeyTable(name: tables.idempotencyKey, retention: Self.retention, clock: clock)
  }

  /// The table's days, for who takes care of them.
  public var days: DayPartitions { table.days }

  /// The present moment of tests; nil for the database's own clock.
  var now: Timestamp? { clock?() }

  /// What is kept under a key, once a synchronous standby has it.
  func find(
    _ key: ScopedKey, in readers: ConnectionPool, _ deadline: Instant
  ) async throws(GatewayStoreError) -> KeptAnswer? {
    let giveUp = GroupCommitLimits().giveUp(before: deadline, now: .now())
    do throws(DatabaseError) {
      return try await readers.withConnection(deadline: giveUp.time) { [table] connection throws(DatabaseError) in
        let found = try connection.run([table.find([key]), ReplicationBarrier.command])[0]
        return try table.answers([key], found: found)[key]
      }
    } catch {
      throw GatewayStoreError(reading: error)
    }
  }
}

extension ScopedKey {
  init(_ key: RequestKey) { self.init(scope: key.scope, text: key.text) }
}
