import Migrator
import Postgres
import Settings
import Values

/// What is wrong with a database of a context, as its server tells it.
struct DatabaseCheck {
  /// A transaction that is open for longer keeps dead rows from being removed, and tables grow.
  private static let longestTransaction = Duration.seconds(300)

  let context: ContextMigrations
  let session: Session

  /// - Parameter known: the databases that were looked at: of another context of the same database only its own lines
  ///   of migrations are findings.
  /// - Returns: what the server says of itself, and what is wrong.
  func run(_ known: inout Set<String>) throws -> (facts: Record, findings: [Finding]) {
    let configuration = try session.database(of: context.settingPrefix)
    let subject = "database of \(context.settingPrefix)DSN"
    let connection = try Connection.open(configuration, logger: session.logger)
    defer { connection.close() }
    let row = try connection.run(Command(Self.question)).only
    // Locks first: what is asked later may wait for one.
    let isNew = known.insert(try row.text(Column.identity)).inserted
    var findings = try isNew ? LockCheck.run(subject, on: connection) : []
    findings += try lines(subject)
    if isNew { findings += try server(subject, row, on: connection) }
    return (try facts(subject, configuration, row), findings)
  }

  /// What is wrong with the server and the database as a whole.
  private func server(_ subject: String, _ row: Row, on connection: Connection) throws -> [Finding] {
    var findings: [Finding] = []
    let oldest = try row.optionalDouble(Column.oldest)
    if try row.bool(Column.isReadOnly) {
      findings.append(
        Finding(subject, "the server takes no writes", "name the primary in \(context.settingPrefix)DSN, or fail over"))
    } else if let refusal = try trial(subject, on: connection) {
      findings.append(refusal)
    }
    if let oldest, oldest > Self.longestTransaction.inSeconds {
      findings.append(
        Finding(
          subject,
          "a transaction of \(try row.optionalText(Column.holder) ?? "somebody") is open for \(Int(oldest)) s: rows that "
            + "were deleted since then are kept",
          "end it: SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE xact_start < now() - interval '5 min'"))
    }
    if try row.int(Column.prepared) > 0 {
      findings.append(
        Finding(
          subject, "\(try row.int(Column.prepared)) prepared transactions wait for more than five minutes",
          "commit them or roll them back: see pg_prepared_xacts"))
    }
    if try row.int(Column.slots) > 0 {
      findings.append(
        Finding(
          subject, "\(try row.int(Column.slots)) replication slots are not in use and keep the server's log",
          "start their consumers, or pg_drop_replication_slot: see pg_replication_slots"))
    }
    let (used, limit) = (try row.int(Column.sessions), try row.int(Column.maxSessions))
    if used * 10 >= limit * 9 {
      findings.append(
        Finding(subject, "\(used) of \(limit) sessions are in use", "raise max_connections, or use a pooler"))
    }
    return findings
  }

  private func facts(_ subject: String, _ configuration: DatabaseConfiguration, _ row: Row) throws -> Record {
    let oldest = try row.optionalDouble(Column.oldest)
    return [
      "checked": .text(subject), "server": .text(try row.text(Column.version)),
      "database": .text("\(configuration)"), "bytes": .number(try row.int64(Column.bytes)),
      "sessions": .number(try row.int64(Column.sessions)),
      "oldest_transaction_s": oldest.map { .number(Int64($0)) } ?? .null,
      "hidden_sessions": .number(try row.int64(Column.hidden)),
    ]
  }

  /// Writes a page that goes away with its transaction: a full disk, or a server that is broken, refuses it.
  private func trial(_ subject: String, on connection: Connection) throws -> Finding? {
    do throws(DatabaseError) {
      try connection.rollingBack { () throws(DatabaseError) in
        for command in [Command.begin, Command(Self.page), .rollback] { try connection.run(command) }
      }
      return nil
    } catch {
      return try Self.finding(subject, refused: error)
    }
  }

  /// What a refused write says; nil for a role that may write no temporary table.
  /// - Throws: what is no refusal by the server.
  static func finding(_ subject: String, refused error: DatabaseError) throws(DatabaseError) -> Finding? {
    guard let state = error.sqlState else { throw error }
    switch state {
    case "42501": return nil
    case "53100":
      return Finding(
        subject, "the server takes no writes, its disk is full: \(error)",
        "free some space where its data and pg_wal are; the programs go on by themselves")
    default:
      return Finding(subject, "the server takes no writes: \(error)", "the log of PostgreSQL, its disk and its memory")
    }
  }

  private static let page = Statement(
    "CREATE TEMPORARY TABLE paysaga_doctor ON COMMIT DROP AS SELECT repeat('x', 1000) AS filler FROM generate_series(1, 64)"
  )

  private func lines(_ subject: String) throws -> [Finding] {
    var findings: [Finding] = []
    for line in context.lines {
      let configuration = try session.database(of: context.settingPrefix, direct: true)
      let status = try Migrator(configuration: configuration, line: line, logger: session.logger).status()
      if status.isDirty {
        findings.append(
          Finding(
            subject, "the migrations of \(line.name) stopped half way", "mend the tables, then set dirty to false"))
      } else if !status.pending.isEmpty {
        findings.append(
          Finding(
            subject, "\(line.name) is at version \(status.version ?? 0) of \(status.latest)", "paysaga migrate up"))
      }
    }
    return findings
  }

  private enum Column: Int, AnswerColumn {
    case version, bytes, isReadOnly, oldest, holder, hidden, prepared, slots, sessions, maxSessions, identity
  }

  /// What other sessions do is hidden from a role without pg_read_all_stats.
  private static let question = Statement(
    """
    WITH others AS (
      SELECT * FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'),
    oldest AS (SELECT * FROM others WHERE xact_start IS NOT NULL ORDER BY xact_start LIMIT 1)
    SELECT current_setting('server_version') AS version, pg_database_size(current_database()) AS bytes,
           pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool AS is_read_only,
           (SELECT extract(epoch FROM clock_timestamp() - xact_start)::float8 FROM oldest) AS oldest,
           (SELECT format('%s (pid %s, %s)', application_name, pid, state) FROM oldest) AS holder,
           (SELECT count(*) FROM others WHERE state IS NULL) AS hidden,
           (SELECT count(*) FROM pg_prepared_xacts
            WHERE database = current_database() AND prepared < clock_timestamp() - interval '5 min') AS prepared,
           (SELECT count(*) FROM pg_replication_slots WHERE NOT active) AS slots,
           (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS sessions,
           current_setting('max_connections')::bigint AS max_sessions,
           format('%s of the server started at %s', current_database(), pg_postmaster_start_time()) AS identity
    """, isReadOnly: true)
}
