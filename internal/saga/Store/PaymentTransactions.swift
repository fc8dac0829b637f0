internal import Errors
public import GroupCommit
public import Outbox
public import Postgres
public import SagaDomain
public import Tracing
public import Values

/// The transactions on payments, each over a batch: payments and their events commit together or not at all (G2).
///
/// Order of locks, so that writers never wait for each other in a circle: the keys of calls, which are tried and not
/// waited for (a repetition waits, by ascending number of the lock); then payments by ascending order id, inserts
/// included. Expiry passes over what is locked. What comes after, events and keys, belongs to payments and keys that
/// are locked already.
/// Each function uses the connection it is given and may run on any thread that owns it.
public struct PaymentTransactions: Sendable {
  private let outbox: OutboxWriter
  private let topic: String
  private let ttl: Duration?
  private let keys: PaymentKeys
  private let newID: @Sendable () -> UniqueID
  /// Counts the payments that were brought to a status; nil counts nothing.
  public var changes: PaymentChanges?

  /// The `ce_source` of our events.
  public static let eventSource = "/paysaga/payments"

  /// - Parameters:
  ///   - topic: where events go.
  ///   - ttl: how long a payment may stay unsettled; nil for ever.
  ///   - keys: where the keys of calls are kept; messages have none.
  ///   - newID: makes the identities of events.
  public init(
    outbox: OutboxWriter, topic: String, ttl: Duration?,
    keys: PaymentKeys = PaymentKeys(retention: .seconds(86_400)),
    newID: @escaping @Sendable () -> UniqueID = { UniqueID.random() }
  ) {
    self.outbox = outbox
    self.topic = topic
    self.ttl = ttl
    self.keys = keys
    self.newID = newID
  }

  /// Opens payments; an order that has one keeps it, and a key that was used before gives the answer it gave then.
  /// - Returns: an outcome for each command, in order.
  public func create(_ commands: [CreateCommand], mode: TransactionMode = TransactionMode(), on connection: Connection)
    throws(DatabaseError) -> [Result<CreateOutcome, PaymentError>]
  {
    let hasKeys = commands.contains { $0.callKey != nil }
    var archived = FoundPayments()
    while true {
      let attempt =
        hasKeys
        ? try createMakingDays(commands, archived, mode, on: connection)
        : try createWithoutKeys(CreateBatch(commands, archived: archived), mode, on: connection)
      switch attempt {
      case .done(let outcomes): return outcomes
      // Each round leaves out at least one order more.
      case .inArchive(let found):
        archived.payments += found.payments
        archived.unreadable += found.unreadable
      }
    }
  }

  /// What opening a batch came to.
  private enum CreateAttempt {
    case done([Result<CreateOutcome, PaymentError>])
    /// Payments were inserted for these orders, which have one in the archive. All was rolled back.
    case inArchive(FoundPayments)
  }

  private func createMakingDays(
    _ commands: [CreateCommand], _ archived: FoundPayments, _ mode: TransactionMode, on connection: Connection
  ) throws(DatabaseError) -> CreateAttempt {
    do throws(DatabaseError) {
      return try createWithKeys(commands, archived, mode, on: connection)
    } catch {
      guard error.isMissingPartition else { throw error }
      // No partition for today yet: it is made, and the batch, which was rolled back, is run again.
      try keys.makeDays(on: connection)
      return try createWithKeys(commands, archived, mode, on: connection)
    }
  }

  /// The answer that an earlier call with the command's key got, when it was the same request.
  public func replay(_ command: CreateCommand, on connection: Connection) throws(DatabaseError) -> CreateOutcome? {
    guard let key = command.callKey else { return nil }
    let results = try connection.run([keys.find([key]), ReplicationBarrier.command])
    let states = try keys.answers([key], found: results[0])
    guard let answer = states.answered[key], answer.fingerprint == command.fingerprint else { return nil }
    return .replayed(answer.payment)
  }

  /// Two round trips.
  private func createWithoutKeys(_ batch: CreateBatch, _ mode: TransactionMode, on connection: Connection)
    throws(DatabaseError) -> CreateAttempt
  {
    let inserts = batch.inserts
    return try connection.rollingBack { () throws(DatabaseError) in
      let begin = mode.begin
      let answers = try connection.run(begin + [insertPayments(inserts), findArchived(inserts)])
      let created = try PaymentRow.decodeAll(answers[begin.count])
      if let archived = try doubled(created, answers[begin.count + 1]) {
        try connection.run(.rollback)
        return .inArchive(archived)
      }
      var commands: [Command] = []
      if !created.isEmpty { commands.append(insertEvents(batch.events(of: created, newID: newID))) }
      let opened = Set(created.map(\.orderID))
      let others = inserts.map(\.orderID).filter { !opened.contains($0) }
      let find = commands.count
      if !others.isEmpty { commands.append(Command(Self.findPayments, [.int64Array(others)])) }
      let results = try connection.run(commands + commit(hasWritten: !created.isEmpty))
      changes?.count(created)
      let existing = others.isEmpty ? FoundPayments() : try PaymentRow.decode(results[find])
      return .done(batch.outcomes(created: created, existing: existing))
    }
  }

  /// Looks for the orders in the archive, after their payments were inserted: an INSERT that meets a payment which is
  /// just being archived waits for it to go, and only a later statement sees it in the archive.
  private func findArchived(_ inserts: [CreateCommand]) -> Command {
    Command(Self.findArchivedPayments, [.int64Array(inserts.map(\.orderID))])
  }

  /// What the archive has of orders whose payment was inserted; nil for nothing, as a rule.
  private func doubled(_ created: [Payment], _ rows: Rows) throws(DatabaseError) -> FoundPayments? {
    guard !rows.isEmpty else { return nil }
    var archived = try PaymentRow.decode(rows)
    let inserted = Set(created.map(\.orderID))
    archived.payments.removeAll { !inserted.contains($0.orderID) }
    archived.unreadable.removeAll { row in row.orderID.map { !inserted.contains($0) } ?? true }
    return archived.payments.isEmpty && archived.unreadable.isEmpty ? nil : archived
  }

  /// Three round trips: keys, payments, and what follows from both with the COMMIT.
  private func createWithKeys(
    _ commands: [CreateCommand], _ archived: FoundPayments, _ mode: TransactionMode, on connection: Connection
  ) throws(DatabaseError) -> CreateAttempt {
    let asked = Array(Set(commands.compactMap(\.callKey)))
    return try connection.rollingBack { () throws(DatabaseError) in
      let begin = mode.begin
      let answers = try connection.run(begin + keys.lockAndFind(asked, waits: mode.isRepetition))
      let states = try keys.states(
        asked, waits: mode.isRepetition, locked: answers[begin.count], found: answers[begin.count + 1])
      let batch = CreateBatch(commands, keys: states, archived: archived)
      let inserts = batch.inserts
      guard !inserts.isEmpty else {
        try connection.run(commit(hasWritten: false))
        return .done(batch.outcomes(created: [], existing: FoundPayments()))
      }
      // Looked up here and not beside the COMMIT: what is kept under a key is the payment as it is answered.
      let find = Command(Self.findPayments, [.int64Array(inserts.map(\.orderID))])
      let results = try connection.run([insertPayments(inserts), findArchived(inserts), find])
      let created = try PaymentRow.decodeAll(results[0])
      if let archived = try doubled(created, results[1]) {
        try connection.run(.rollback)
        return .inArchive(archived)
      }
      let outcomes = batch.outcomes(created: created, existing: try PaymentRow.decode(results[2]))
      var last: [Command] = []
      if !created.isEmpty { last.append(insertEvents(batch.events(of: created, newID: newID))) }
      let kept = batch.answers(outcomes)
      if !kept.isEmpty { last.append(keys.insert(kept)) }
      try connection.run(last + commit(hasWritten: !last.isEmpty))
      changes?.count(created)
      return .done(outcomes)
    }
  }

  /// Settles payments, as if the commands came one after another.
  /// - Returns: an outcome for each command, in order.
  public func settle(_ commands: [SettleCommand], mode: TransactionMode = TransactionMode(), on connection: Connection)
    throws(DatabaseError) -> [Result<Payment, PaymentError>]
  {
    try connection.rollingBack { () throws(DatabaseError) in
      let orders = Set(commands.map(\.orderID)).sorted()
      let begin = mode.begin
      let locked = try connection.run(begin + [Command(Self.lockPayments, [.int64Array(orders)])])[begin.count]
      let now = try locked.first?.timestamp(LockedColumn.now) ?? Timestamp(microseconds: 0)
      let found = try addingArchived(orders, to: try PaymentRow.decode(locked), on: connection)
      let batch = SettleBatch(commands, locked: found, now: now, newID: newID)
      try write(batch, on: connection)
      return batch.outcomes
    }
  }

  /// Archived payments are final, and nothing of them changes: they need no lock. By a statement of its own: whoever
  /// has waited for a payment that was being archived sees it only now.
  private func addingArchived(
    _ orders: [Int64], to locked: FoundPayments, on connection: Connection
  ) throws(DatabaseError) -> FoundPayments {
    guard locked.payments.count < orders.count else { return locked }
    let known = Set(locked.payments.map(\.orderID)).union(locked.unreadable.compactMap(\.orderID))
    let missing = orders.filter { !known.contains($0) }
    guard !missing.isEmpty else { return locked }
    let rows = try connection.run(Command(Self.findArchivedPayments, [.int64Array(missing)]))
    let archived = try PaymentRow.decode(rows)
    return FoundPayments(locked.payments + archived.payments, unreadable: locked.unreadable + archived.unreadable)
  }

  /// Fails payments that nobody settled in time, oldest first, passing over those that somebody is settling just now.
  /// - Parameters:
  ///   - limit: at most this many.
  ///   - from: where the sweep has come to; nothing that expired earlier is looked at.
  ///   - excluded: orders that are passed over.
  ///   - trace: of the sweep; passed on with the events.
  /// - Returns: how many were failed, and where the next sweep may start.
  public func expire(
    limit: Int, from: Timestamp?, excluding excluded: [Int64] = [], trace: TraceContext? = nil,
    on connection: Connection
  ) throws(DatabaseError) -> ExpirySweep {
    try connection.rollingBack { () throws(DatabaseError) in
      let parameters: [Parameter] = [.timestampOrNull(from), .int64(Int64(limit)), .int64Array(excluded)]
      let results = try connection.run([.begin, Command(Self.lockExpired, parameters), Command(Self.databaseNow)])
      let now = try results[2].only.timestamp(0)
      let locked = try PaymentRow.decode(results[1])
      // Every locked payment is open, so each command settles; the rule that says so is the same for all callers.
      let commands = try locked.payments.map { (payment) throws(DatabaseError) in
        do {
          return try SettleCommand(expiring: payment.orderID, trace: trace)
        } catch {
          preconditionFailure("a payment was read with an order id that no caller may use: \(error)")
        }
      }
      let batch = SettleBatch(commands, locked: locked, now: now, newID: newID)
      try write(batch, on: connection)
      return ExpirySweep(
        expired: batch.changed.count, unreadable: locked.unreadable, isComplete: results[1].count < limit, now: now)
    }
  }

  /// The orders that `expire` would look at, for trying them one by one.
  public func expiredOrders(
    limit: Int, from: Timestamp?, excluding excluded: [Int64], on connection: Connection
  ) throws(DatabaseError) -> [Int64] {
    let parameters: [Parameter] = [.timestampOrNull(from), .int64(Int64(limit)), .int64Array(excluded)]
    return try connection.run(Command(Self.findExpired, parameters)).map { (row) throws(DatabaseError) in
      try row.int64(0)
    }
  }

  /// The payment of each order that has one.
  public func find(orderIDs: [Int64], on connection: Connection) throws(DatabaseError) -> FoundPayments {
    try PaymentRow.decode(try connection.run(Command(Self.findPayments, [.int64Array(orderIDs)])))
  }

  /// The same, once a synchronous standby has what was found: for whoever drops something because a payment is there.
  public func findConfirmed(orderIDs: [Int64], on connection: Connection) throws(DatabaseError) -> FoundPayments {
    let find = Command(Self.findPayments, [.int64Array(orderIDs)])
    return try PaymentRow.decode(try connection.run([find, ReplicationBarrier.command])[0])
  }

  /// A page of payments by id. With a status it looks at `scanLimit` rows at most, so that a rare status costs no full
  /// scan: the page may then be short while there is a next one.
  /// - Parameter onUnreadable: told of each row that is left out.
  public func list(
    _ query: PaymentQuery, onUnreadable: (UnreadablePayment) -> Void = { _ in }, on connection: Connection
  ) throws(DatabaseError) -> PaymentPage {
    let scan = query.status == nil ? query.limit : Self.scanLimit
    let bounds: [Parameter] = [
      .int64(Int64(scan)), .textOrNull(query.status?.rawValue), .int64(Int64(query.limit)),
    ]
    let command =
      switch query.order {
      case .oldestFirst(let id): Command(Self.listPayments, [.int64(id)] + bounds)
      case .newestFirst(let id, let since):
        Command(Self.listNewest, [.int64(id ?? .max)] + bounds + [.timestampOrNull(since)])
      }
    let rows = try connection.run(command)
    var found = FoundPayments()
    // There is always a row, which holds the bounds.
    for row in rows where !row.isNull(PaymentRow.Column.id) { try PaymentRow.append(row, to: &found) }
    found.unreadable.forEach(onUnreadable)
    let isFull = found.payments.count + found.unreadable.count == query.limit
    let isCut = try rows[0].int64(ListColumn.scanned) == Int64(scan)
    let last = try rows[rows.count - 1].optionalInt64(PaymentRow.Column.id)
    let next = isFull ? last : isCut ? try rows[0].optionalInt64(ListColumn.last) : nil
    return PaymentPage(payments: found.payments, next: next)
  }

  /// Rows looked at for one page of one status.
  static let scanLimit = 10_000

  // MARK: - Parts

  /// The last statements of a transaction and its COMMIT, in one round trip.
  private func write(_ batch: SettleBatch, on connection: Connection) throws(DatabaseError) {
    let changed = batch.changed
    guard !changed.isEmpty else {
      _ = try connection.run(.commit)
      return
    }
    let update = Command(
      Self.updatePayments,
      [
        .int64Array(changed.map(\.orderID)), .textArray(changed.map(\.status.rawValue)),
        .textArray(changed.map(\.reason)), .int64Array(changed.map(\.version)),
        .timestampArray(changed.map(\.updatedAt)), .optionalTextArray(batch.origins),
      ])
    try connection.run([update, insertEvents(batch.events), .commit])
    changes?.count(changed)
  }

  /// The end of a transaction, which waits for synchronous standbys even if it has only found what others have written:
  /// its answers are acknowledgements.
  private func commit(hasWritten: Bool) -> [Command] {
    hasWritten ? [.commit] : [ReplicationBarrier.command, .commit]
  }

  private func insertPayments(_ inserts: [CreateCommand]) -> Command {
    Command(
      Self.insertPayments,
      [
        .int64Array(inserts.map(\.orderID)), .int64Array(inserts.map(\.amountMinor)),
        .optionalTextArray(inserts.map { $0.currency.isEmpty ? nil : $0.currency }),
        .optionalUUIDArray(inserts.map(\.idempotentKey)), ttl.map { .double($0.inSeconds) } ?? .typedNull(.double),
        .optionalTextArray(inserts.map(\.origin)),
      ])
  }

  private func insertEvents(_ events: [PaymentEvent]) -> Command {
    outbox.insert(
      events.map { event in
        NewEvent(
          eventID: event.eventID, key: event.key, sequence: event.sequence, topic: topic, payload: event.payload(),
          type: event.type, source: Self.eventSource, traceparent: event.trace?.traceparent, caller: event.caller)
      })
  }
}

/// What one sweep for expired payments did.
public struct ExpirySweep: Sendable, Hashable {
  /// The number of payments that were failed.
  public let expired: Int
  /// What has expired and cannot be read; passed over.
  public let unreadable: [UnreadablePayment]
  /// Whether nothing that has expired was left over.
  public let isComplete: Bool
  /// The database's clock during the sweep.
  public let now: Timestamp

  /// - Parameter now: the database's clock during the sweep.
  public init(expired: Int, unreadable: [UnreadablePayment], isComplete: Bool, now: Timestamp) {
    self.expired = expired
    self.unreadable = unreadable
    self.isComplete = isComplete
    self.now = now
  }
}

extension PaymentTransactions {
  private static let insertPayments = Statement(
    """
    INSERT INTO payment AS p (order_id, amount_minor, currency, idempotent_key, expires_at, opened_by)
    SELECT u.order_id, u.amount_minor, u.currency, u.idempotent_key, now() + make_interval(secs => $5), u.opened_by
    FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::uuid[], $6::text[])
         u(order_id, amount_minor, currency, idempotent_key, opened_by)
    ORDER BY u.order_id
    ON CONFLICT (order_id) DO NOTHING
    RETURNING \(PaymentRow.columns)
    """)

  // Orders are joined, not compared with an array: so each is looked for in its own part of the table alone.

  /// In one snapshot, so that a payment on its way to the archive is found in one place.
  private static let findPayments = Statement(
    """
    SELECT \(PaymentRow.columns)
    FROM (SELECT DISTINCT unnest($1::bigint[])) o(order_id) JOIN payment p ON p.order_id = o.order_id
    UNION ALL
    SELECT \(PaymentRow.columns)
    FROM (SELECT DISTINCT unnest($1::bigint[])) o(order_id) JOIN payment_archive p ON p.order_id = o.order_id
    WHERE EXISTS (SELECT FROM payment_archive)
    ORDER BY order_id
    """, isReadOnly: true)

  /// An empty archive is not looked into.
  private static let findArchivedPayments = Statement(
    """
    SELECT \(PaymentRow.columns) FROM unnest($1::bigint[]) o(order_id)
    JOIN payment_archive p ON p.order_id = o.order_id
    WHERE EXISTS (SELECT FROM payment_archive)
    """, isReadOnly: true)

  /// After the columns of `PaymentRow`.
  private enum LockedColumn: Int, AnswerColumn { case now = 11 }

  private static let lockPayments = Statement(
    """
    SELECT \(PaymentRow.columns), now() FROM unnest($1::bigint[]) o(order_id)
    JOIN payment p ON p.order_id = o.order_id ORDER BY p.order_id FOR NO KEY UPDATE OF p
    """)

  /// A locked payment that does not change, as when a trigger takes the change back, fails the transaction: no event
  /// may tell of what has not happened. The cast is what fails, with the numbers in its message.
  private static let updatePayments = Statement(
    """
    WITH changed AS (
      UPDATE payment p SET status = u.status::payment_status, reason = u.reason, version = u.version,
                           updated_at = u.updated_at, settled_by = u.settled_by
      FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::timestamptz[], $6::text[])
           u(order_id, status, reason, version, updated_at, settled_by)
      WHERE p.order_id = u.order_id AND p.status = 'CREATED' AND p.version = u.version - 1
      RETURNING 1)
    SELECT CASE WHEN count(*) = cardinality($1) THEN count(*)
                ELSE (count(*) || ' of ' || cardinality($1) || ' locked payments changed')::bigint END
    FROM changed
    """)

  private static let expired = """
    FROM payment p
    WHERE p.expires_at <= now() AND ($1::timestamptz IS NULL OR p.expires_at >= $1) AND p.status = 'CREATED'
      AND p.order_id <> ALL ($3::bigint[])
    ORDER BY p.expires_at LIMIT $2
    """

  private static let lockExpired = Statement(
    "SELECT \(PaymentRow.columns) \(expired) FOR NO KEY UPDATE OF p SKIP LOCKED")

  private static let findExpired = Statement("SELECT p.order_id \(expired)", isReadOnly: true)

  private static let databaseNow = Statement("SELECT now()", isReadOnly: true)

  /// After the columns of `PaymentRow`.
  private enum ListColumn: Int, AnswerColumn {
    case last = 11
    case scanned
  }

  private static let listPayments = Statement(
    """
    WITH scanned AS MATERIALIZED (SELECT * FROM all_payment WHERE id > $1::bigint ORDER BY id LIMIT $2::bigint),
    bounds AS (SELECT max(id) AS last, count(*) AS scanned FROM scanned)
    SELECT \(PaymentRow.columns), b.last, b.scanned
    FROM bounds b LEFT JOIN LATERAL (
      SELECT * FROM scanned s WHERE $3::text IS NULL OR s.status = $3::text::payment_status
      ORDER BY s.id LIMIT $4::bigint) p ON true
    ORDER BY p.id
    """, isReadOnly: true)

  /// Without bounds that lead on once all that is older than wanted is in sight: ids are drawn in about the order of
  /// `created_at`, which transactions that last a minute may change.
  private static let listNewest = Statement(
    """
    WITH scanned AS MATERIALIZED (SELECT * FROM all_payment WHERE id < $1::bigint ORDER BY id DESC LIMIT $2::bigint),
    bounds AS (
      SELECT min(id) AS last,
             CASE WHEN (SELECT created_at FROM scanned ORDER BY id LIMIT 1) < $5::timestamptz - interval '1 minute'
                  THEN 0 ELSE count(*) END AS scanned
      FROM scanned)
    SELECT \(PaymentRow.columns), b.last, b.scanned
    FROM bounds b LEFT JOIN LATERAL (
      SELECT * FROM scanned s WHERE ($3::text IS NULL OR s.status = $3::text::payment_status)
        AND ($5::timestamptz IS NULL OR s.created_at >= $5::timestamptz)
      ORDER BY s.id DESC LIMIT $4::bigint) p ON true
    ORDER BY p.id DESC
    """, isReadOnly: true)
}
