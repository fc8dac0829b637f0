public import Postgres
public import Values

/// A table of the keys that calls were made under, and the locks that keep each key to one transaction at a time.
///
/// Its user runs the commands in the transaction of the calls themselves, for a whole batch at once: `lockAndFind`
/// right after BEGIN, then the work of the calls whose keys are free, then `insert` with their answers, and COMMIT. So
/// a call and its answer commit together.
///
/// A key is unique over the whole retention, midnight included, although an index reaches over one day's table only:
/// a transaction first takes the key's advisory lock, which ends with the transaction (so it works behind PgBouncer,
/// and a crash leaves nothing behind), and only then, in a statement of its own and so with a snapshot of its own,
/// looks back. Whoever held the lock before has committed what it sees: PostgreSQL makes a commit visible before it
/// lets go of locks. Trying the lock never waits, so it cannot be part of a deadlock; of two programs with one key at
/// once, one is told that the key is in flight.
///
/// The locks of a batch are in the server's shared lock table, at most a batch's keys for each connection that writes:
/// batches of 512 on two connections take less than the share (`max_locks_per_transaction`) of a program's connections.
///
/// The table, made by a migration of its user, in a schema of its user:
/// ```sql
/// CREATE TABLE idempotency_key (
///   method      text COLLATE "C" NOT NULL,
///   key         text COLLATE "C" NOT NULL CHECK (octet_length(key) BETWEEN 1 AND 255),
///   fingerprint text NOT NULL,
///   used_at     timestamptz NOT NULL,
///   answer      jsonb NOT NULL
/// ) PARTITION BY RANGE (used_at);
/// ALTER TABLE idempotency_key REPLICA IDENTITY FULL;
/// ```
/// It is a value that any thread may use; make it once, since its statements are prepared on each connection.
public struct IdempotencyKeyTable: Sendable {
  /// How many days are made ahead of today. Few, since a look back passes through them; one that is missing is made
  /// when it is needed.
  public static let daysAhead = 2

  /// The table's days.
  public let days: DayPartitions

  private let retention: Duration
  private let clock: (@Sendable () -> Timestamp)?
  private let tryLocks: Statement
  private let waitForLocks: Statement
  private let find: Statement
  private let insertKeys: Statement

  /// - Parameters:
  ///   - name: the table as SQL names it, with its schema unless the sessions' `search_path` finds it.
  ///   - retention: how long a key is known after its use: whole days, so that a key which is used again after that
  ///     lies in another day's table.
  ///   - clock: the present moment, for tests; the database's own clock when nil.
  public init(name: String, retention: Duration, clock: (@Sendable () -> Timestamp)? = nil) {
    precondition(retention.inNanoseconds > 0 && retention.inNanoseconds % 86_400_000_000_000 == 0, "whole days")
    days = Self.days(of: name)
    self.retention = retention
    self.clock = clock
    tryLocks = Statement(Self.tryLocks(name))
    waitForLocks = Statement(Self.waitForLocks(name))
    find = Statement(Self.find(name), isReadOnly: true)
    insertKeys = Statement(Self.insertKeys(name))
  }

  /// The days of a table of this shape, for who takes care of them.
  /// - Parameter name: as SQL names it.
  public static func days(of name: String) -> DayPartitions {
    DayPartitions(table: name, column: "used_at", unique: ["method", "key"])
  }

  /// Makes the day tables that are missing, today's first of all. An insert that found none failed with
  /// `isMissingPartition`; its transaction may be run again after this.
  public func makeDays(on connection: Connection) throws(DatabaseError) {
    let troubles = try days.ensure(daysAhead: Self.daysAhead, now: clock?(), on: connection)
    if let trouble = troubles.first { throw trouble.error }
  }

  /// The commands, right after BEGIN, that lock keys and look them up; `findings` reads their answers.
  /// - Parameters:
  ///   - keys: each once.
  ///   - waits: waits for transactions that use the keys instead of passing over them. For what may be waiting for an
  ///     earlier attempt of its own; keys are then locked by ascending number of the lock.
  public func lockAndFind(_ keys: [ScopedKey], waits: Bool) -> [Command] {
    [Command(waits ? waitForLocks : tryLocks, Self.columns(keys)), find(keys)]
  }

  /// The command that looks keys up without locking them; `answers` reads its answer.
  public func find(_ keys: [ScopedKey]) -> Command {
    Command(find, Self.columns(keys) + [moment, .double(retention.inSeconds)])
  }

  /// Reads the answers to the two commands of `lockAndFind`.
  /// - Throws: `schema` or `content` when the table is not of the shape above.
  public func findings(
    _ keys: [ScopedKey], waits: Bool, locked: Rows, found: Rows
  ) throws(DatabaseError) -> KeyFindings {
    precondition(locked.count == keys.count, "\(keys.count) keys, but \(locked.count) locks")
    var findings = KeyFindings()
    findings.answers = try answers(keys, found: found)
    if !waits {
      for (key, row) in zip(keys, locked) where try !row.bool(0) { findings.inFlight.insert(key) }
    }
    return findings
  }

  /// Reads the answer to `find`: for each key that was used, the last answer within the retention.
  /// - Throws: as `findings`.
  public func answers(_ keys: [ScopedKey], found: Rows) throws(DatabaseError) -> [ScopedKey: KeptAnswer] {
    var answers: [ScopedKey: KeptAnswer] = [:]
    for row in found {
      let number = try row.int(FoundColumn.number)
      precondition(keys.indices.contains(number - 1), "a key was found that was not asked for")
      let key = keys[number - 1]
      // Of several the last counts: they come in the order of their use.
      answers[key] = KeptAnswer(
        key: key, fingerprint: try row.text(FoundColumn.fingerprint), answer: try row.bytes(FoundColumn.answer))
    }
    return answers
  }

  /// The command that keeps answers; it needs the locks of their keys.
  public func insert(_ answers: [KeptAnswer]) -> Command {
    Command(
      insertKeys,
      Self.columns(answers.map(\.key)) + [
        moment, .textArray(answers.map(\.fingerprint)),
        .textArray(answers.map { String(decoding: $0.answer, as: UTF8.self) }),
      ])
  }

  private var moment: Parameter { .timestampOrNull(clock?()) }

  /// `$1` and `$2` of every statement.
  private static func columns(_ keys: [ScopedKey]) -> [Parameter] {
    [.textArray(keys.map(\.scope)), .textArray(keys.map(\.text))]
  }
}

extension IdempotencyKeyTable {
  /// The number of a key's lock: a hash of scope and key, seeded with the table, so that two schemas of one database
  /// do not meet. Two keys with one number cost a needless refusal and nothing else.
  private static func lockNumber(_ name: String) -> String {
    "hashtextextended(u.method || ' ' || u.key, '\(name)'::regclass::bigint)"
  }

  private static func tryLocks(_ name: String) -> String {
    """
    SELECT pg_try_advisory_xact_lock(\(lockNumber(name)))
    FROM unnest($1::text[], $2::text[]) WITH ORDINALITY u(method, key, n) ORDER BY u.n
    """
  }

  private static func waitForLocks(_ name: String) -> String {
    """
    SELECT pg_advisory_xact_lock(o.number)
    FROM (SELECT \(lockNumber(name)) AS number FROM unnest($1::text[], $2::text[]) u(method, key) ORDER BY 1) o
    """
  }

  private enum FoundColumn: Int, AnswerColumn { case number, fingerprint, answer }

  /// One look into each day's index a key, however the planner estimates the arrays: OFFSET 0 keeps it from turning
  /// them into a join that reads the table.
  private static func find(_ name: String) -> String {
    """
    SELECT u.n AS number, p.fingerprint, p.answer
    FROM unnest($1::text[], $2::text[]) WITH ORDINALITY u(method, key, n)
    CROSS JOIN LATERAL (
      SELECT p.fingerprint, coalesce(p.answer::text, 'null') AS answer, p.used_at FROM \(name) p
      WHERE p.method = u.method AND p.key = u.key
        AND p.used_at > coalesce($3::timestamptz, now()) - make_interval(secs => $4) OFFSET 0) p
    ORDER BY p.used_at
    """
  }

  private static func insertKeys(_ name: String) -> String {
    """
    INSERT INTO \(name) (method, used_at, key, fingerprint, answer)
    SELECT u.method, coalesce($3::timestamptz, now()), u.key, u.fingerprint, u.answer::jsonb
    FROM unnest($1::text[], $2::text[], $4::text[], $5::text[]) u(method, key, fingerprint, answer)
    """
  }
}
