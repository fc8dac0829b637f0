internal import GatewayDomain
internal import Idempotency
public import Postgres
public import Values

/// The idempotency keys of all calls: how long they are known, and how they are found.
///
/// A key is looked back for over three days, and a day longer in its table. `KeyCare` gives those whose payment is not
/// final by then, or only just, three days more, again and again. So a key is known until a day after its payment is
/// final, and for three days at least.
public struct GatewayKeys: Sendable {
  /// How long a key is known without anybody's doing.
  public static let retention = Duration.seconds(3 * 86_400)
  /// How many days are made ahead of today.
  public static let daysAhead = IdempotencyKeyTable.daysAhead

  let table: IdempotencyKeyTable

  /// - Parameter clock: the present moment, for tests; the database's own clock when nil.
  public init(_ tables: GatewayTables, clock: (@Sendable () -> Timestamp)? = nil) {
    table = IdempotencyKeyTable(name: tables.idempotencyKey, retention: Self.retention, clock: clock)
  }

  /// The table's days, for who takes care of them.
  public var days: DayPartitions { table.days }
}

extension ScopedKey {
  init(_ key: RequestKey) { self.init(scope: key.scope, text: key.text) }
}
