public import Postgres
internal import SagaDomain
public import Values

/// The table of the keys that calls were made under, and the locks that keep each key to one transaction at a time.
///
/// A key is unique over the whole retention, midnight included, although an index reaches over one day's table only:
/// a transaction first takes the key's advisory lock, which ends with the transaction (so it works behind PgBouncer,
/// and a crash leaves nothing behind), and only then, in a statement of its own and so with a snapshot of its own,
/// looks back. Whoever held the lock before has committed what it sees: PostgreSQL makes a commit visible before it
/// lets go of locks. Trying the lock never waits, so it cannot be part of a deadlock; of two servers with one key at
/// once, one is told that the key is in flight.
///
/// The locks of a batch are in the server's shared lock table, at most `GroupCommitLimits.batch` for each connection
/// that writes: 512 a server, less than the share (`max_locks_per_transaction`) of the connections it has.
public struct IdempotencyKeyTable: Sendable {
  /// The table's days.
  public static let days = DayPartitions(
    table: "idempotency_key", column: "used_at", unique: ["method", "key"])
  /// How many days are made ahead of today. Few, since a look back passes through them; one that is missing is made
  /// when it is needed.
  public static let daysAhead = 2

  /// Keys are scoped by the method they were used with.
  private static let method = "CreatePayment"

  private let retention: Duration
  private let clock: (@Sendable () -> Timestamp)?

  /// - Parameters:
  ///   - retention: how long a key is known after its use: whole days, so that a key which is used again after that
  ///     lies in another day's table.
  ///   - clock: the present moment, for tests; the database's own clock when nil.
  public init(retention: Duration, clock: (@Sendable () -> Timestamp)? = nil) {
    precondition(retention.inNanoseconds > 0 && retention.inNanoseconds % 86_400_000_000_000 == 0, "whole days")
    self.retention = retention
    self.clock = clock
  }

  /// Makes the tables that are missing, today's first of all.
  func makeDays(on connection: Connection) throws(DatabaseError) {
    let troubles = try Self.days.ensure(daysAhead: Self.daysAhead, now: clock?(), on: connection)
    if let trouble = troubles.first { throw trouble.error }
  }

  /// The commands, right after BEGIN, that lock keys and look them up; `states` reads their answers.
  /// - Parameter waits: waits for transactions that use the keys instead of passing over them. For what may be waiting
  ///   for an earlier attempt of its own; keys are then locked by ascending number of the lock.
  func lockAndFind(_ keys: [IdempotencyKey], waits: Bool) -> [Command] {
    let texts = Parameter.textArray(keys.map(\.text))
    return [Command(waits ? Self.waitForLocks : Self.tryLocks, [texts, .text(Self.method)]), find(keys)]
  }

  /// The command that looks keys up; `answers` reads its answer.
  func find(_ keys: [IdempotencyKey]) -> Command {
    let texts = Parameter.textArray(keys.map(\.text))
    return Command(Self.find, [texts, .text(Self.method), moment, .double(retention.inSeconds)])
  }

  /// Reads the answer to `find`.
  func answers(_ keys: [IdempotencyKey], found: Rows) throws(DatabaseError) -> KeyStates {
    let byText = Dictionary(uniqueKeysWithValues: keys.map { ($0.text, $0) })
    var states = KeyStates()
    for row in found {
      // What was asked for by bytes is found by them.
      guard let key = byText[try row.text(11)] else { preconditionFailure("a key was found that was not asked for") }
      do throws(DatabaseError) {
        // Of several the last counts: they come in the order of their use.
        states.answered[key] = KeyedAnswer(
          key: key, fingerprint: try row.bytes(12), payment: try PaymentRow.decode(row))
        states.unreadable[key] = nil
      } catch  where error.code == .content {
        states.unreadable[key] = PaymentError(
          .internal, "the answer kept under the key cannot be read: \(error.message)")
      }
    }
    return states
  }

  /// Reads the answers to `lockAndFind`.
  func states(_ keys: [IdempotencyKey], waits: Bool, locked: Rows, found: Rows) throws(DatabaseError) -> KeyStates {
    precondition(locked.count == keys.count, "\(keys.count) keys, but \(locked.count) locks")
    var states = try answers(keys, found: found)
    if !waits {
      for (key, row) in zip(keys, locked) where try !row.bool(0) { states.inFlight.insert(key) }
    }
    return states
  }

  /// The command that keeps answers.
  func insert(_ answers: [KeyedAnswer]) -> Command {
    let payments = answers.map(\.payment)
    return Command(
      Self.insertKeys,
      [
        .text(Self.method), moment, .textArray(answers.map(\.key.text)),
        .textArray(answers.map { String(decoding: $0.fingerprint, as: UTF8.self) }), .int64Array(payments.map(\.id)),
        .int64Array(payments.map(\.orderID)), .textArray(payments.map(\.status.rawValue)),
        .textArray(payments.map(\.reason)), .int64Array(payments.map(\.version)),
        .int64Array(payments.map(\.amountMinor)),
        .optionalTextArray(payments.map { $0.currency.isEmpty ? nil : $0.currency }),
        .optionalUUIDArray(payments.map(\.idempotentKey)), .timestampArray(payments.map(\.createdAt)),
        .timestampArray(payments.map(\.updatedAt)), .optionalTimestampArray(payments.map(\.expiresAt)),
      ])
  }

  private var moment: Parameter { .timestampOrNull(clock?()) }
}

extension IdempotencyKeyTable {
  /// The number of a key's lock: a hash of method and key, seeded with the table, so that two schemas of one database
  /// do not meet. Two keys with one number cost a needless ABORTED and nothing else.
  private static let lockNumber = "hashtextextended($2::text || ' ' || u.key, 'idempotency_key'::regclass::bigint)"

  private static let tryLocks = Statement(
    """
    SELECT pg_try_advisory_xact_lock(\(lockNumber)) FROM unnest($1::text[]) WITH ORDINALITY u(key, n) ORDER BY u.n
    """)

  private static let waitForLocks = Statement(
    """
    SELECT pg_advisory_xact_lock(o.number)
    FROM (SELECT \(lockNumber) AS number FROM unnest($1::text[]) u(key) ORDER BY 1) o
    """)

  private static let find = Statement(
    """
    SELECT \(PaymentRow.columns(idColumn: "payment_id")), p.key, p.fingerprint FROM idempotency_key p
    WHERE p.method = $2::text AND p.key = ANY ($1::text[])
      AND p.used_at > coalesce($3::timestamptz, now()) - make_interval(secs => $4)
    ORDER BY p.used_at
    """, isReadOnly: true)

  private static let insertKeys = Statement(
    """
    INSERT INTO idempotency_key (method, used_at, key, fingerprint, payment_id, order_id, status, reason, version,
                                 amount_minor, currency, idempotent_key, created_at, updated_at, expires_at)
    SELECT $1::text, coalesce($2::timestamptz, now()), u.key, u.fingerprint, u.payment_id, u.order_id,
           u.status::payment_status, u.reason, u.version, u.amount_minor, u.currency, u.idempotent_key, u.created_at,
           u.updated_at, u.expires_at
    FROM unnest($3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::text[], $8::text[], $9::bigint[],
                $10::bigint[], $11::text[], $12::uuid[], $13::timestamptz[], $14::timestamptz[], $15::timestamptz[])
         u(key, fingerprint, payment_id, order_id, status, reason, version, amount_minor, currency, idempotent_key,
           created_at, updated_at, expires_at)
    """)
}
