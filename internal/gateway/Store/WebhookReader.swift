internal import DirectDomain
public import GatewayDomain
public import Postgres
public import Values

/// Shows deliveries, and has them sent again.
public struct WebhookReader: Sendable {
  /// The most deliveries of a payment, and attempts of a delivery, that are shown.
  private static let most: Int64 = 500
  /// Deliveries that are put into the queue again in one transaction.
  public static let pageSize = 1_000

  private let pending: Statement
  private let ended: Statement
  private let failed: Statement
  private let find: Statement
  private let ofPayment: Statement
  private let attempts: Statement
  private let hurry: Statement
  private let again: Statement
  private let allAgain: Statement

  /// The deliveries of a schema.
  public init(_ t: GatewayTables) {
    let pending = "SELECT \(WebhookDeliveryRow.pending) FROM \(t.webhookQueue) d"
    let ended = "SELECT \(WebhookDeliveryRow.ended) FROM \(t.webhookDelivery) d"
    let page = "WHERE d.endpoint_id = $1 AND d.id < $2"
    self.pending = Statement("\(pending) \(page) ORDER BY d.id DESC LIMIT $3", isReadOnly: true)
    self.ended = Statement(
      "\(ended) \(page) AND ($4 OR d.failure IS NULL) ORDER BY d.id DESC LIMIT $3", isReadOnly: true)
    failed = Statement("\(ended) \(page) AND d.failure IS NOT NULL ORDER BY d.id DESC LIMIT $3", isReadOnly: true)
    // An id has the time of its event: what was sent of it has ended since then, whatever the clocks.
    find = Statement(
      """
      \(ended) WHERE d.id = $1 AND d.ended_at >= $2::timestamptz - interval '1 hour'
      UNION ALL
      \(pending) JOIN \(t.webhookEndpoint) e ON e.id = d.endpoint_id WHERE d.id = $1
      """, isReadOnly: true)
    ofPayment = Statement(
      """
      (\(ended) WHERE d.payment_id = $1 LIMIT \(Self.most)) UNION ALL (\(pending) WHERE d.payment_id = $1
      LIMIT \(Self.most)) ORDER BY at, version, endpoint_id
      """, isReadOnly: true)
    attempts = Statement(
      """
      SELECT a.number, a.at, a.ended_at, a.status, a.error, a.answer FROM \(t.webhookAttempt) a
      WHERE a.delivery_id = $1 AND a.ended_at >= $2::timestamptz - interval '1 hour'
      ORDER BY a.number DESC, a.at DESC LIMIT \(Self.most)
      """, isReadOnly: true)
    hurry = Statement(
      """
      UPDATE \(t.webhookQueue) q SET due_at = least(q.due_at, clock_timestamp()), spent = q.attempts
      FROM \(t.webhookEndpoint) e WHERE q.endpoint_id = e.id AND e.state = 'enabled' AND q.id = $1
      RETURNING q.id
      """)
    again = Statement(
      Self.again(t, "d.id = $1 AND d.ended_at >= $2::timestamptz - interval '1 hour' LIMIT 1"))
    allAgain = Statement(
      Self.again(
        t,
        """
        d.endpoint_id = $1 AND d.failure IS NOT NULL AND d.ended_at >= coalesce($2::timestamptz, '-infinity')
        ORDER BY d.id LIMIT $3
        """))
  }

  private static func again(_ t: GatewayTables, _ which: String) -> String {
    """
    WITH page AS MATERIALIZED (SELECT d.id, d.ended_at FROM \(t.webhookDelivery) d WHERE \(which)),
    gone AS (
      DELETE FROM \(t.webhookDelivery) d USING page p WHERE d.id = p.id AND d.ended_at = p.ended_at
        AND EXISTS (SELECT FROM \(t.webhookEndpoint) e WHERE e.id = d.endpoint_id AND e.state = 'enabled')
      RETURNING d.*)
    INSERT INTO \(t.webhookQueue)
      (endpoint_id, id, payment_id, refund_id, version, state, reason, at, created_at, attempts, spent)
    SELECT g.endpoint_id, g.id, g.payment_id, g.refund_id, g.version, g.state, g.reason, g.at, g.created_at, g.attempts,
           g.attempts
    FROM gone g ON CONFLICT DO NOTHING RETURNING id
    """
  }

  // MARK: - Reading

  /// Deliveries of an endpoint by descending id, one more than the limit when there are more.
  public func list(
    _ filter: WebhookDeliveryFilter, of endpoint: UniqueID, on connection: Connection
  ) throws(DatabaseError) -> [WebhookDelivery] {
    let page: [Parameter] = [
      .uuid(endpoint), .uuid(filter.after?.id ?? UniqueID(high: .max, low: .max)), .int64(Int64(filter.limit) + 1),
    ]
    let commands: [Command] =
      switch filter.status {
      case "pending": [Command(pending, page)]
      case "failed": [Command(failed, page)]
      case "delivered": [Command(ended, page + [.bool(false)])]
      default: [Command(pending, page), Command(ended, page + [.bool(true)])]
      }
    var found: [WebhookDelivery] = []
    for rows in try connection.run(commands) { found += try rows.map(WebhookDeliveryRow.decode) }
    // One that was put into the queue between the two readings is in both.
    var seen: Set<UniqueID> = []
    return Array(found.filter { seen.insert($0.id).inserted }.sorted { $0.id > $1.id }.prefix(filter.limit + 1))
  }

  /// A delivery; nil where there is none.
  public func delivery(_ id: UniqueID, on connection: Connection) throws(DatabaseError) -> WebhookDelivery? {
    try connection.run(Command(find, [.uuid(id), .timestamp(id.time)])).first.map(WebhookDeliveryRow.decode)
  }

  /// The attempts of a delivery that are kept, the last one first.
  public func attempts(of id: UniqueID, on connection: Connection) throws(DatabaseError) -> [WebhookAttempt] {
    try connection.run(Command(attempts, [.uuid(id), .timestamp(id.time)])).map(WebhookDeliveryRow.attempt)
  }

  /// What was or will be sent of a payment and its refunds, in the order of their events.
  public func deliveries(ofPayment id: UniqueID, on connection: Connection) throws(DatabaseError) -> [WebhookDelivery] {
    try connection.run(Command(ofPayment, [.uuid(id)])).map(WebhookDeliveryRow.decode)
  }

  // MARK: - Once more

  /// Has a delivery sent again, at once and with all the attempts of the schedule, whatever became of it.
  /// - Returns: false when it is not there, or its endpoint is not enabled.
  public func redeliver(_ id: UniqueID, on connection: Connection) throws(DatabaseError) -> Bool {
    let answers = try connection.run([
      Command(hurry, [.uuid(id)]), Command(again, [.uuid(id), .timestamp(id.time)]),
    ])
    return answers.contains { !$0.isEmpty }
  }

  /// Has failed deliveries of an endpoint that is enabled sent again, in one transaction.
  /// - Parameter since: those that have failed since then; nil for all.
  /// - Returns: how many; more may be left when these are as many as `pageSize`.
  public func redeliverFailed(
    of endpoint: UniqueID, since: Timestamp?, on connection: Connection
  ) throws(DatabaseError) -> Int {
    try connection.run(
      Command(allAgain, [.uuid(endpoint), .timestampOrNull(since), .int64(Int64(Self.pageSize))])
    ).count
  }
}

/// How deliveries lie in their tables.
private enum WebhookDeliveryRow {
  private enum Column: Int, AnswerColumn {
    case endpointID, id, paymentID, refundID, version, state, reason, at, createdAt, attempts, failure, endedAt, dueAt
  }
  private enum AttemptColumn: Int, AnswerColumn { case number, at, endedAt, status, error, answer }

  private static let common = """
    d.endpoint_id, d.id, d.payment_id, d.refund_id, d.version, d.state, d.reason, d.at, d.created_at, d.attempts
    """
  /// The SELECT list of a queue, of an alias named `d`.
  static let pending = "\(common), NULL::text AS failure, NULL::timestamptz AS ended_at, d.due_at"
  /// The SELECT list of deliveries that are over, of an alias named `d`.
  static let ended = "\(common), d.failure, d.ended_at, NULL::timestamptz AS due_at"

  /// - Throws: `content` for what no delivery of ours has.
  static func decode(_ row: Row) throws(DatabaseError) -> WebhookDelivery {
    WebhookDelivery(
      id: try row.uuid(Column.id), endpointID: try row.uuid(Column.endpointID),
      event: WebhookEvent(
        paymentID: try row.uuid(Column.paymentID), refundID: try row.optionalUUID(Column.refundID),
        standing: try PaymentRow.standing(
          state: row.text(Column.state), reason: row.optionalText(Column.reason), version: row.int64(Column.version),
          since: row.timestamp(Column.at))), createdAt: try row.timestamp(Column.createdAt),
      attempts: try row.int64(Column.attempts), outcome: try outcome(row))
  }

  private static func outcome(_ row: Row) throws(DatabaseError) -> WebhookDelivery.Outcome {
    if let due = try row.optionalTimestamp(Column.dueAt) { return .pending(dueAt: due) }
    let moment = try row.timestamp(Column.endedAt)
    guard let word = try row.optionalText(Column.failure) else { return .delivered(at: moment) }
    guard let failure = WebhookDelivery.Failure(rawValue: word) else {
      throw .content("failure is \(word), which this version does not know")
    }
    return .failed(failure, at: moment)
  }

  static func attempt(_ row: Row) throws(DatabaseError) -> WebhookAttempt {
    WebhookAttempt(
      number: try row.int64(AttemptColumn.number), at: try row.timestamp(AttemptColumn.at),
      endedAt: try row.timestamp(AttemptColumn.endedAt),
      status: try row.optionalInt64(AttemptColumn.status).map { Int(clamping: $0) },
      error: try row.optionalText(AttemptColumn.error),
      answer: row.isNull(AttemptColumn.answer) ? [] : try row.bytes(AttemptColumn.answer))
  }
}

extension UniqueID {
  /// The time that a UUID of version 7 tells.
  fileprivate var time: Timestamp { Timestamp(microseconds: Int64(high >> 16) * 1_000) }
}
