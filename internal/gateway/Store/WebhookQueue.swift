internal import DirectDomain
public import GatewayDomain
public import Postgres
public import Tracing
public import Values

/// A delivery that is due.
public struct DueDelivery: Sendable {
  /// The message's id.
  public let id: UniqueID
  /// Where it goes.
  public let endpointID: UniqueID
  /// What it tells.
  public let event: WebhookEvent
  /// The attempts so far.
  public let attempts: Int64
  /// Those of them that no longer count, since somebody has asked for more.
  public let spent: Int64
  /// Since when it is due.
  public let dueAt: Timestamp
  /// When it was read, by the database's clock.
  public let readAt: Timestamp
  /// The recorded trace of the payment's request; nil where it has none.
  public let trace: TraceContext?
  /// The payment as it is now; nil for a refund's event, or when the payment is neither live nor in the archive.
  public var payment: Result<GatewayPayment, GatewayStoreError>?
}

/// An attempt that has ended, with what comes next.
public struct EndedAttempt: Sendable {
  /// What comes next.
  public enum Next: Sendable, Hashable {
    /// It was delivered.
    case delivered
    /// It is due again after this pause.
    case retry(after: Duration)
    /// Nobody tries any more.
    case failed(WebhookDelivery.Failure)
  }

  /// Of which delivery.
  public let id: UniqueID
  /// Where it was sent.
  public let endpointID: UniqueID
  /// The attempts before it.
  public let attempts: Int64
  /// Those of them that did not count when it was read.
  public let spent: Int64
  /// When it began, by this machine's clock.
  public let at: Timestamp
  /// The status of the answer; nil without one.
  public let status: Int?
  /// Why there was no answer.
  public let error: String?
  /// The first bytes of the answer.
  public let answer: [UInt8]
  /// What comes next.
  public let next: Next

  /// - Parameter error: at most 1,000 bytes.
  public init(
    of delivery: DueDelivery, at: Timestamp, status: Int?, error: String?, answer: [UInt8], next: Next
  ) {
    id = delivery.id
    endpointID = delivery.endpointID
    attempts = delivery.attempts
    spent = delivery.spent
    self.at = at
    self.status = status
    self.error = error
    self.answer = answer
    self.next = next
  }
}

/// What attempts have shown of endpoints.
public struct EndpointHealth: Sendable, Hashable {
  /// Those that had failed, and have taken something.
  public var recovered: Set<UniqueID> = []
  /// Those that have taken nothing.
  public var failed: Set<UniqueID> = []
  /// Those that have answered 410, each with the URL that did: it counts while it is the endpoint's.
  public var gone: [UniqueID: String] = [:]

  /// Nothing.
  public init() {}

  var isEmpty: Bool { recovered.isEmpty && failed.isEmpty && gone.isEmpty }
}

/// The queues of webhook endpoints, for the one process that sends to each.
public struct WebhookQueue: Sendable {
  /// How many days are made ahead of today.
  public static let daysAhead = 3

  private let lease: Statement
  private let release: Statement
  private let due: Statement
  private let findArchived: Statement
  private let postpone: Statement
  private let oldest: Statement
  private let enabled: Statement
  private let record: Statement
  private let recover: Statement
  private let fail: Statement
  private let give: Statement
  private let disable: Statement
  private let close: Statement
  private let giveUp: Statement
  private let forget: Statement
  /// The tables with a partition a day.
  private let days: [DayPartitions]

  /// The queues of a schema.
  public init(_ t: GatewayTables) {
    days = Self.days(t)
    lease = Statement(Self.lease(t))
    release = Statement("DELETE FROM \(t.webhookLease) WHERE owner = $1")
    due = Statement(Self.due(t), isReadOnly: true)
    findArchived = Statement(ArchivedPayments.find(t), isReadOnly: true)
    postpone = Statement(
      """
      UPDATE \(t.webhookQueue) q SET due_at = clock_timestamp() + make_interval(secs => $3)
      FROM unnest($1::uuid[], $2::uuid[]) u(endpoint_id, id) WHERE q.endpoint_id = u.endpoint_id AND q.id = u.id
      """)
    oldest = Statement(
      """
      SELECT extract(epoch FROM now() - min(q.due_at))::float8 AS age FROM unnest($1::uuid[]) w(endpoint_id)
      CROSS JOIN LATERAL (
        SELECT q.due_at FROM \(t.webhookQueue) q WHERE q.endpoint_id = w.endpoint_id AND q.due_at <= now()
        ORDER BY q.due_at LIMIT 1) q
      """, isReadOnly: true)
    enabled = Statement(
      """
      SELECT e.id, e.key_id = ANY ($1) AS is_known, e.failing_since IS NOT NULL AS is_failing
      FROM \(t.webhookEndpoint) e WHERE e.state = 'enabled'
      """, isReadOnly: true)
    record = Statement(Self.record(t))
    recover = Statement(
      "UPDATE \(t.webhookEndpoint) SET failing_since = NULL WHERE id = ANY ($1) AND failing_since IS NOT NULL")
    fail = Statement(
      """
      UPDATE \(t.webhookEndpoint) SET failing_since = clock_timestamp() WHERE id = ANY ($1) AND failing_since IS NULL
      """)
    give = Statement(
      """
      UPDATE \(t.webhookEndpoint) SET state = 'disabled', disabled_reason = 'failing', since = clock_timestamp()
      WHERE id = ANY ($1) AND state = 'enabled' AND failing_since < clock_timestamp() - make_interval(secs => $2)
      RETURNING id
      """)
    disable = Statement(
      """
      UPDATE \(t.webhookEndpoint) e SET state = 'disabled', disabled_reason = 'gone', since = clock_timestamp()
      FROM unnest($1::uuid[], $2::text[]) g(id, url)
      WHERE e.id = g.id AND e.url = g.url AND e.state = 'enabled' RETURNING e.id
      """)
    close = Statement(Self.close(t))
    giveUp = Statement(Self.giveUp(t))
    // Payments that have read it while it was enabled have ended long ago.
    forget = Statement(
      """
      WITH gone AS (
        DELETE FROM \(t.webhookEndpoint) e
        WHERE e.id = ANY ($1) AND e.state = 'deleted' AND e.since < clock_timestamp() - interval '5 minutes'
          AND NOT EXISTS (SELECT FROM \(t.webhookQueue) q WHERE q.endpoint_id = e.id)
        RETURNING e.id)
      DELETE FROM \(t.webhookLease) l USING gone g WHERE l.endpoint_id = g.id
      """)
  }

  /// The tables of what was sent, for who takes care of their days.
  public static func days(_ t: GatewayTables) -> [DayPartitions] {
    [t.webhookDelivery, t.webhookAttempt].map { DayPartitions(table: $0, column: "ended_at") }
  }

  // MARK: - Leases

  /// What an owner has.
  public struct Leased: Sendable {
    /// The owner's endpoints.
    public var endpoints: [StoredWebhookEndpoint] = []
    /// Those of them whose rows are not as this version expects.
    public var unreadable: [UniqueID] = []
    /// The endpoints that are enabled, whosever they are.
    public var enabled: [UniqueID] = []
    /// Those of them that have taken nothing since they failed.
    public var failing: Set<UniqueID> = []
    /// Those of them whose secrets the owner cannot make.
    public var unknown: [UniqueID] = []
  }

  /// Takes the endpoints that nobody has, and renews those that the owner has: of those that are enabled the ones that
  /// it can sign for, so that an endpoint goes to a gateway that can.
  /// - Parameter keys: the ids of the keys that the owner has.
  public func lease(
    _ owner: UniqueID, keys: [String], for duration: Duration, on connection: Connection
  ) throws(DatabaseError) -> Leased {
    let answers = try connection.run([
      Command(lease, [.uuid(owner), .double(duration.inSeconds), .textArray(keys)]),
      Command(enabled, [.textArray(keys)]),
    ])
    var leased = Leased()
    for row in answers[1] {
      let id = try row.uuid(EnabledColumn.id)
      leased.enabled.append(id)
      if try !row.bool(EnabledColumn.isKnown) { leased.unknown.append(id) }
      if try row.bool(EnabledColumn.isFailing) { leased.failing.insert(id) }
    }
    for row in answers[0] {
      do throws(DatabaseError) {
        leased.endpoints.append(try WebhookEndpointRow.decode(row))
      } catch  where error.code == .content {
        leased.unreadable.append(try WebhookEndpointRow.id(row))
      }
    }
    return leased
  }

  /// Lets others have the owner's endpoints at once.
  public func release(_ owner: UniqueID, on connection: Connection) throws(DatabaseError) {
    try connection.run(Command(release, [.uuid(owner)]))
  }

  private enum EnabledColumn: Int, AnswerColumn { case id, isKnown, isFailing }

  private static func lease(_ t: GatewayTables) -> String {
    """
    WITH mine AS (
      INSERT INTO \(t.webhookLease) AS l (endpoint_id, owner, until)
      SELECT e.id, $1, clock_timestamp() + make_interval(secs => $2) FROM \(t.webhookEndpoint) e
      WHERE e.key_id = ANY ($3) OR e.state <> 'enabled' ORDER BY e.id
      ON CONFLICT (endpoint_id) DO UPDATE SET owner = excluded.owner, until = excluded.until
        WHERE l.owner = excluded.owner OR l.until < clock_timestamp()
      RETURNING endpoint_id)
    SELECT \(WebhookEndpointRow.columns) FROM \(t.webhookEndpoint) e JOIN mine m ON m.endpoint_id = e.id
    """
  }

  // MARK: - What is due

  /// Deliveries that are due, those that have waited longest first.
  /// - Parameter wanted: the endpoints, each with the most of its deliveries, and since when they are due at most.
  public func due(
    _ wanted: [(endpointID: UniqueID, floor: Timestamp?, limit: Int)], on connection: Connection
  ) throws(DatabaseError) -> [DueDelivery] {
    let rows = try connection.run(
      Command(
        due,
        [
          .uuidArray(wanted.map(\.endpointID)), .int64Array(wanted.map { Int64($0.limit) }),
          .timestampArray(wanted.map { $0.floor ?? Timestamp(microseconds: 0) }),
        ]))
    var found = try rows.map(Self.decode)
    let missing = Set(found.filter { $0.payment == nil && $0.event.refundID == nil }.map(\.event.paymentID)).sorted()
    guard !missing.isEmpty else { return found }
    var archived: FoundPayments = [:]
    for row in try connection.run(Command(findArchived, [.uuidArray(missing)])) {
      let (id, payment) = try PaymentRow.read(row)
      archived[id] = payment
    }
    for index in found.indices where found[index].payment == nil {
      found[index].payment = archived[found[index].event.paymentID]
    }
    return found
  }

  /// After the columns of `PaymentRow`.
  private enum DueColumn: Int, AnswerColumn {
    case endpointID = 23
    case deliveryID, paymentID, refundID, eventVersion, eventState, eventReason, at, attempts, spent
    case dueAt, traceparent, readAt
  }

  private static func due(_ t: GatewayTables) -> String {
    """
    SELECT \(PaymentRow.columns), q.endpoint_id, q.id AS delivery_id, q.payment_id, q.refund_id,
           q.version AS event_version, q.state AS event_state, q.reason AS event_reason, q.at, q.attempts, q.spent,
           q.due_at, q.traceparent, now() AS read_at
    FROM unnest($1::uuid[], $2::bigint[], $3::timestamptz[]) w(endpoint_id, most, floor)
    CROSS JOIN LATERAL (
      SELECT * FROM \(t.webhookQueue) q
      WHERE q.endpoint_id = w.endpoint_id AND q.due_at >= w.floor AND q.due_at <= now()
      ORDER BY q.due_at LIMIT w.most) q
    LEFT JOIN \(t.payment) p ON p.id = q.payment_id AND q.refund_id IS NULL
    ORDER BY q.due_at
    """
  }

  private static func decode(_ row: Row) throws(DatabaseError) -> DueDelivery {
    let event = WebhookEvent(
      paymentID: try row.uuid(DueColumn.paymentID), refundID: try row.optionalUUID(DueColumn.refundID),
      standing: try PaymentRow.standing(
        state: row.text(DueColumn.eventState), reason: row.optionalText(DueColumn.eventReason),
        version: row.int64(DueColumn.eventVersion), since: row.timestamp(DueColumn.at)))
    return DueDelivery(
      id: try row.uuid(DueColumn.deliveryID), endpointID: try row.uuid(DueColumn.endpointID), event: event,
      attempts: try row.int64(DueColumn.attempts), spent: try row.int64(DueColumn.spent),
      dueAt: try row.timestamp(DueColumn.dueAt), readAt: try row.timestamp(DueColumn.readAt),
      trace: try row.optionalText(DueColumn.traceparent).flatMap { TraceContext(traceparent: $0) },
      payment: PaymentRow.isMissing(row) ? nil : try PaymentRow.read(row).payment)
  }

  /// Leaves deliveries for later that cannot be sent just now; that is no attempt.
  public func postpone(
    _ deliveries: [DueDelivery], by pause: Duration, on connection: Connection
  ) throws(DatabaseError) {
    let values: [Parameter] = [
      .uuidArray(deliveries.map(\.endpointID)), .uuidArray(deliveries.map(\.id)), .double(pause.inSeconds),
    ]
    try connection.run(Command(postpone, values))
  }

  /// For how long the delivery of these endpoints that has waited longest has been due, in seconds; 0 for none.
  public func oldest(of endpoints: [UniqueID], on connection: Connection) throws(DatabaseError) -> Double {
    try connection.run(Command(oldest, [.uuidArray(endpoints)])).only.optionalDouble(0) ?? 0
  }

  // MARK: - What has ended

  /// Keeps attempts and what comes next, in one transaction. An attempt that was kept before is passed over; and what
  /// somebody has asked for again meanwhile is due at once, with all the attempts of the schedule.
  /// - Parameter patience: how long an endpoint may fail until it is disabled.
  /// - Returns: the endpoints that were disabled.
  public func record(
    _ ended: [EndedAttempt], _ health: EndpointHealth, patience: Duration, on connection: Connection
  ) throws(DatabaseError) -> Set<UniqueID> {
    let commands = [Command(record, Self.values(ended))] + changes(health, patience)
    return try makingDays(on: connection) { () throws(DatabaseError) in try run(commands, on: connection) }
  }

  private func run(_ commands: [Command], on connection: Connection) throws(DatabaseError) -> Set<UniqueID> {
    try connection.rollingBack { () throws(DatabaseError) in
      let answers = try connection.run([.begin] + commands + [.commit])
      var disabled: Set<UniqueID> = []
      for (command, rows) in zip(commands, answers.dropFirst()) where Self.isDisabling(command, give, disable) {
        for row in rows { disabled.insert(try row.uuid(0)) }
      }
      return disabled
    }
  }

  private static func isDisabling(_ command: Command, _ statements: Statement...) -> Bool {
    statements.contains { $0.sql == command.statement.sql }
  }

  private func changes(_ health: EndpointHealth, _ patience: Duration) -> [Command] {
    var commands: [Command] = []
    if !health.recovered.isEmpty { commands.append(Command(recover, [.uuidArray(health.recovered.sorted())])) }
    if !health.failed.isEmpty {
      let failed = Parameter.uuidArray(health.failed.sorted())
      commands += [Command(fail, [failed]), Command(give, [failed, .double(patience.inSeconds)])]
    }
    if !health.gone.isEmpty {
      let gone = health.gone.sorted { $0.key < $1.key }
      commands.append(Command(disable, [.uuidArray(gone.map(\.key)), .textArray(gone.map(\.value))]))
    }
    return commands
  }

  /// Does it again where it lacked the table of a day.
  private func makingDays<Value>(
    on connection: Connection, _ body: () throws(DatabaseError) -> Value
  ) throws(DatabaseError) -> Value {
    do throws(DatabaseError) {
      return try body()
    } catch {
      guard error.isMissingPartition else { throw error }
      for table in days {
        if let trouble = try table.ensure(daysAhead: Self.daysAhead, on: connection).first { throw trouble.error }
      }
      return try body()
    }
  }

  private static func values(_ ended: [EndedAttempt]) -> [Parameter] {
    let words = ended.map { attempt -> (verdict: String, failure: String?, pause: Int64) in
      switch attempt.next {
      case .delivered: ("delivered", nil, 0)
      case .failed(let failure): ("failed", failure.rawValue, 0)
      case .retry(let pause): ("retry", nil, pause.inMilliseconds)
      }
    }
    return [
      .uuidArray(ended.map(\.endpointID)), .uuidArray(ended.map(\.id)), .int64Array(ended.map(\.attempts)),
      .textArray(words.map(\.verdict)), .optionalTextArray(words.map(\.failure)), .int64Array(words.map(\.pause)),
      .timestampArray(ended.map(\.at)), .optionalInt64Array(ended.map { $0.status.map { Int64($0) } }),
      .optionalTextArray(ended.map(\.error)), .optionalBytesArray(ended.map { $0.answer.isEmpty ? nil : $0.answer }),
      .int64Array(ended.map(\.spent)),
    ]
  }

  /// What was recorded before has another number of attempts by now, or is no longer in the queue.
  private static func record(_ t: GatewayTables) -> String {
    """
    WITH u AS MATERIALIZED (
      SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::timestamptz[],
                           $8::bigint[], $9::text[], $10::bytea[], $11::bigint[])
        AS u(endpoint_id, id, attempts, verdict, failure, pause_ms, at, status, error, answer, spent)),
    gone AS (
      DELETE FROM \(t.webhookQueue) q USING u
      WHERE q.endpoint_id = u.endpoint_id AND q.id = u.id AND q.attempts = u.attempts AND q.spent = u.spent
        AND u.verdict <> 'retry'
      RETURNING q.*, u.failure),
    later AS (
      UPDATE \(t.webhookQueue) q
      SET attempts = q.attempts + 1, spent = CASE WHEN q.spent = u.spent THEN q.spent ELSE q.attempts + 1 END,
          due_at = CASE WHEN q.spent = u.spent THEN clock_timestamp() + make_interval(secs => u.pause_ms / 1000.0)
                        ELSE clock_timestamp() END
      FROM u WHERE q.endpoint_id = u.endpoint_id AND q.id = u.id AND q.attempts = u.attempts
        AND (q.spent <> u.spent OR u.verdict = 'retry')
      RETURNING q.id),
    tried AS (
      INSERT INTO \(t.webhookAttempt) (delivery_id, number, at, ended_at, status, error, answer)
      SELECT u.id, u.attempts + 1, u.at, now(), u.status, u.error, u.answer FROM u
      WHERE u.id IN (SELECT id FROM gone UNION ALL SELECT id FROM later))
    INSERT INTO \(t.webhookDelivery)
      (endpoint_id, id, payment_id, refund_id, version, state, reason, at, created_at, attempts, failure, ended_at)
    SELECT g.endpoint_id, g.id, g.payment_id, g.refund_id, g.version, g.state, g.reason, g.at, g.created_at,
           g.attempts + 1, g.failure, now()
    FROM gone g
    """
  }

  // MARK: - Endpoints that are told of nothing

  /// Shows deliveries as failed that nobody will send, since their endpoints are disabled or deleted, and forgets the
  /// endpoints that were deleted some minutes ago and that nothing waits for.
  /// - Parameter calling: deliveries that stay: their attempts are under way, and are recorded when they have ended.
  /// - Returns: how many there were; more are left when these are as many as `limit`.
  public func close(
    _ endpoints: [UniqueID], but calling: [UniqueID], limit: Int, on connection: Connection
  ) throws(DatabaseError) -> Int {
    let commands = [
      Command(close, [.uuidArray(endpoints), .uuidArray(calling), .int64(Int64(limit))]),
      Command(forget, [.uuidArray(endpoints)]),
    ]
    return try makingDays(on: connection) { () throws(DatabaseError) in try connection.run(commands)[0].count }
  }

  private static func close(_ t: GatewayTables) -> String {
    """
    WITH page AS MATERIALIZED (
      SELECT q.endpoint_id, q.id, CASE e.state WHEN 'deleted' THEN '\(WebhookDelivery.Failure.deleted.rawValue)'
                                               ELSE '\(WebhookDelivery.Failure.disabled.rawValue)' END AS failure
      FROM \(t.webhookEndpoint) e JOIN \(t.webhookQueue) q ON q.endpoint_id = e.id
      WHERE e.id = ANY ($1) AND e.state <> 'enabled' AND q.id <> ALL ($2) LIMIT $3),
    \(fail(t))
    """
  }

  /// Shows as failed what nobody tries any more; that is no attempt.
  /// - Returns: how many there were.
  public func giveUp(
    _ deliveries: [DueDelivery], _ failure: WebhookDelivery.Failure, on connection: Connection
  ) throws(DatabaseError) -> Int {
    let command = Command(
      giveUp,
      [.uuidArray(deliveries.map(\.endpointID)), .uuidArray(deliveries.map(\.id)), .text(failure.rawValue)])
    return try makingDays(on: connection) { () throws(DatabaseError) in try connection.run(command).count }
  }

  private static func giveUp(_ t: GatewayTables) -> String {
    """
    WITH page AS MATERIALIZED (
      SELECT u.endpoint_id, u.id, $3::text AS failure FROM unnest($1::uuid[], $2::uuid[]) u(endpoint_id, id)),
    \(fail(t))
    """
  }

  /// Moves the deliveries of `page`, each with its failure, out of the queue.
  private static func fail(_ t: GatewayTables) -> String {
    """
    gone AS (
      DELETE FROM \(t.webhookQueue) q USING page p WHERE q.endpoint_id = p.endpoint_id AND q.id = p.id
      RETURNING q.*, p.failure)
    INSERT INTO \(t.webhookDelivery)
      (endpoint_id, id, payment_id, refund_id, version, state, reason, at, created_at, attempts, failure, ended_at)
    SELECT g.endpoint_id, g.id, g.payment_id, g.refund_id, g.version, g.state, g.reason, g.at, g.created_at, g.attempts,
           g.failure, now()
    FROM gone g RETURNING id
    """
  }
}
