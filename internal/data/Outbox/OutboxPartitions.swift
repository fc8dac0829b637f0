public import Postgres

/// The tables of an outbox that time changes: the DONE partitions, one a UTC day, and the list of living relays.
public struct OutboxPartitions: Sendable {
  /// How many days are made ahead of today.
  public static let daysAhead = 7

  /// The days of published events.
  public let days: DayPartitions
  /// What finds published events: those of a key or with an identity in days that are over, and today's by when they
  /// were published. Today's rows are written by the relay, which pays for no index that it has to search.
  let indexes: DayIndexes
  private let goneRelays: Statement

  /// - Parameter tables: the outbox to care for.
  public init(_ tables: OutboxTables) {
    days = DayPartitions(table: tables.done, column: "done_at", check: "status IS NOT NULL AND status = 'DONE'")
    indexes = DayIndexes(
      table: tables.done,
      [
        .init("by_key", "btree (key)", .isOver), .init("by_event_id", "btree (event_id)", .isOver),
        .init("by_done_at", "brin (done_at) WITH (autosummarize = on)", .isOpen),
      ])
    goneRelays = Statement("DELETE FROM \(tables.relay) WHERE alive_to < clock_timestamp() - interval '1 hour'")
  }

  /// Makes today's partition and those of the days ahead where they are missing. Safe to run on several connections.
  /// - Throws: also when one of them could not be made.
  public func ensureDays(on connection: Connection) throws(DatabaseError) {
    if let trouble = try days.ensure(daysAhead: Self.daysAhead, on: connection).first { throw trouble.error }
  }

  /// Forgets relays that have been gone for an hour.
  public func forgetGoneRelays(on connection: Connection) throws(DatabaseError) {
    _ = try connection.run(Command(goneRelays))
  }
}
