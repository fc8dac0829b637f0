import Postgres
import Settings
import Values

/// Who waits for locks of a database, and who holds them. Works without rights to see what other sessions do.
struct LockCheck {
  /// A session that lets others wait.
  struct Holder: Sendable, Hashable {
    /// Of the session; 0 for a prepared transaction, which has none.
    let pid: Int
    /// Its program, role and state, the age of its transaction, and the first word of its statement.
    let words: String
    /// How many sessions wait for it, and for those that wait for it.
    let waiting: Int
    /// Programs of those that wait, and the tables whose locks they want.
    let waiters: String
    /// The longest wait.
    let longest: Duration
  }

  /// What counts as waiting. Rows are held for milliseconds while a transaction commits.
  private static let patience = Duration.milliseconds(300)

  /// - Parameter subject: how findings call the database.
  static func run(_ subject: String, on connection: Connection) throws -> [Finding] {
    let rows = try connection.run(Command(question, [.double(patience.inSeconds)]))
    return try rows.map { row in
      finding(
        subject,
        Holder(
          pid: try row.int(Column.holder), words: try row.text(Column.words), waiting: try row.int(Column.waiting),
          waiters: try row.text(Column.waiters), longest: .seconds(try row.double(Column.longest))))
    }
  }

  /// A finding with what to do about a holder.
  static func finding(_ subject: String, _ holder: Holder) -> Finding {
    let who = holder.pid == 0 ? "a prepared transaction" : "\(holder.words), pid \(holder.pid)"
    let remedy =
      holder.pid == 0
      ? "commit it or roll it back: see pg_prepared_xacts"
      : "when nobody needs it, end it: SELECT pg_terminate_backend(\(holder.pid))"
    let sessions = holder.waiting == 1 ? "1 session waits" : "\(holder.waiting) sessions wait"
    return Finding(
      subject,
      "\(sessions) for a lock, up to \(DurationText.format(holder.longest)): \(holder.waiters); it is held by \(who)",
      remedy)
  }

  private enum Column: Int, AnswerColumn { case holder, words, waiting, waiters, longest }

  /// Of a statement only the first word is read, as the rest may hold data.
  private static let question = Statement(
    """
    WITH RECURSIVE waiting AS (
      SELECT l.pid, clock_timestamp() - min(l.waitstart) AS waited,
             string_agg(DISTINCT coalesce(l.relation::regclass::text, 'a row'), ', ') AS wanted
      FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid AND a.datname = current_database()
      WHERE NOT l.granted GROUP BY l.pid),
    edge AS (SELECT DISTINCT pid, unnest(pg_blocking_pids(pid)) AS holder FROM waiting),
    path AS (SELECT pid, holder FROM edge UNION SELECT path.pid, edge.holder FROM path JOIN edge ON edge.pid = path.holder),
    root AS (SELECT pid, holder FROM path WHERE NOT EXISTS (SELECT FROM edge WHERE edge.pid = path.holder))
    SELECT root.holder,
           concat_ws(', ', (SELECT format('%s as %s', coalesce(nullif(application_name, ''), 'a session'), usename)
                              || coalesce(', ' || state || ', transaction open for '
                                          || extract(epoch FROM clock_timestamp() - xact_start)::bigint || ' s', '')
                              || coalesce(', statement ' || upper(substring(query FROM '^\\s*([A-Za-z]+)')), '')
                            FROM pg_stat_activity WHERE pid = root.holder)) AS words,
           count(DISTINCT root.pid) AS waiting,
           string_agg(DISTINCT format('%s wants %s', coalesce(nullif(a.application_name, ''), 'a session'), w.wanted), ', ')
             AS waiters,
           extract(epoch FROM max(w.waited))::float8 AS longest
    FROM root JOIN waiting w ON w.pid = root.pid JOIN pg_stat_activity a ON a.pid = root.pid
    GROUP BY root.holder HAVING max(w.waited) > make_interval(secs => $1) ORDER BY longest DESC LIMIT 8
    """, isReadOnly: true)
}
