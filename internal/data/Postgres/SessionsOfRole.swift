/// What other sessions of the same program and role are at, as `pg_stat_activity` shows it.
public enum SessionsOfRole {
  /// A statement that another session executes.
  public struct Running: Sendable {
    /// The process id of the session's backend.
    public let backendID: Int
    /// How long the statement has run.
    public let duration: Duration
    /// What it waits for, as the server calls it; nil when it does not wait.
    public let wait: String?
  }

  /// The longest running statement of another session whose application name ends with `suffix`; nil for none.
  ///
  /// A client that has given a statement up may have left its server process at it.
  public static func running(suffix: String, on connection: Connection) throws(DatabaseError) -> Running? {
    guard let row = try connection.run(Command(oldest, [.text(suffix)])).first else { return nil }
    return Running(
      backendID: try row.int(Column.pid), duration: .milliseconds(try row.int64(Column.milliseconds)),
      wait: try row.optionalText(Column.waitEvent))
  }

  /// Cancels what a server process executes.
  public static func cancel(_ running: Running, on connection: Connection) throws(DatabaseError) {
    _ = try connection.run(Command(cancelStatement, [.int32(Int32(clamping: running.backendID))]))
  }

  private enum Column: Int, AnswerColumn { case pid, milliseconds, waitEvent }

  private static let oldest = Statement(
    """
    SELECT pid, (extract(epoch FROM clock_timestamp() - query_start) * 1000)::bigint AS milliseconds, wait_event
    FROM pg_stat_activity
    WHERE right(application_name, length($1::text)) = $1::text AND usename = session_user AND datname = current_database()
      AND pid <> pg_backend_pid() AND state = 'active'
    ORDER BY query_start LIMIT 1
    """, isReadOnly: true)

  private static let cancelStatement = Statement("SELECT pg_cancel_backend($1::int)")
}
