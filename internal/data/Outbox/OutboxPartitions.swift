public import Postgres

/// The care of the outbox's tables: the DONE partitions, one a UTC day, and the list of living relays.
public enum OutboxPartitions {
  /// How many days are made ahead of today.
  public static let daysAhead = 7

  /// The days of published events.
  public static let days = DayPartitions(
    table: "event_done", column: "done_at", check: "status IS NOT NULL AND status = 'DONE'")

  /// Makes today's partition and those of the days ahead where they are missing. Safe to run on several connections.
  /// - Throws: also when one of them could not be made.
  public static func ensureDays(on connection: Connection) throws(DatabaseError) {
    if let trouble = try days.ensure(daysAhead: daysAhead, on: connection).first { throw trouble.error }
  }

  /// Forgets relays that have been gone for an hour.
  public static func forgetGoneRelays(on connection: Connection) throws(DatabaseError) {
    _ = try connection.run(Command(goneRelays))
  }

  private static let goneRelays = Statement(
    "DELETE FROM event_relay WHERE alive_to < clock_timestamp() - interval '1 hour'")
}
