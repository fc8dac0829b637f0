public import Postgres
public import Tracing
public import Values

/// An order that has been paid here and is to be settled in the saga.
public struct Settlement: Sendable, Hashable {
  /// The payment.
  public let paymentID: UniqueID
  /// The saga's order.
  public let orderID: Int64
  /// When the payment was completed.
  public let since: Timestamp
  /// How often the saga was asked, this time included.
  public let attempts: Int
  /// For how long the saga has been asked and has not known the order: the sum of the pauses after such answers. An
  /// outage, of the saga or of ours, says nothing of the order and is not counted.
  public let unknownFor: Duration
  /// The recorded trace of the payment's request.
  public let trace: TraceContext?

  /// A settlement.
  public init(
    paymentID: UniqueID, orderID: Int64, since: Timestamp, attempts: Int, unknownFor: Duration,
    trace: TraceContext? = nil
  ) {
    self.paymentID = paymentID
    self.orderID = orderID
    self.since = since
    self.attempts = attempts
    self.unknownFor = unknownFor
    self.trace = trace
  }
}

/// What is to be done with a settlement once the saga has been asked.
public enum SettlementVerdict: Sendable, Hashable {
  /// The order is settled by this payment.
  case finished
  /// It never will be; `detail` says why.
  case dead(detail: String)
  /// Ask again.
  case again(after: Duration, error: String, isUnknown: Bool)
}

/// The orders that have been paid here and are to be settled in the saga (`settlement`).
///
/// A value that any thread may use.
public struct SettlementStore: Sendable {
  private let take: Statement
  private let lock: Statement
  private let finish: Statement
  private let bury: Statement
  private let retry: Statement
  private let waiting: Statement

  /// Settlements in these tables.
  public init(_ tables: ProcessingTables = ProcessingTables()) {
    let (settlement, exception) = (tables.settlement, tables.exception)
    take = Statement(
      """
      UPDATE \(settlement) s SET at = clock_timestamp() + $2, attempts = least(s.attempts, 2147483646) + 1
      WHERE s.payment_id = ANY (ARRAY(
        SELECT payment_id FROM \(settlement) WHERE at <= clock_timestamp() ORDER BY at LIMIT $1 FOR UPDATE SKIP LOCKED))
      RETURNING s.payment_id, s.order_id, s.since, s.attempts, s.unknown_for,
                (SELECT p.traceparent FROM \(tables.payment) p WHERE p.id = s.payment_id) AS traceparent
      """)
    lock = Statement(
      "SELECT payment_id FROM \(settlement) WHERE payment_id = ANY ($1) ORDER BY payment_id FOR UPDATE")
    finish = Statement("DELETE FROM \(settlement) WHERE payment_id = ANY ($1)")
    bury = Statement(
      """
      WITH gone AS (DELETE FROM \(settlement) WHERE payment_id = ANY ($1) RETURNING payment_id)
      INSERT INTO \(exception) (payment_id, kind, detail)
      SELECT g.payment_id, 'order_dead', u.detail
      FROM gone g JOIN unnest($1::uuid[], $2::text[]) AS u(payment_id, detail) ON u.payment_id = g.payment_id
      ORDER BY g.payment_id
      ON CONFLICT (payment_id, kind) DO UPDATE
      SET opened_at = clock_timestamp(), closed_at = NULL, detail = excluded.detail
      WHERE \(exception).closed_at IS NOT NULL
      """)
    retry = Statement(
      """
      UPDATE \(settlement) s
      SET at = clock_timestamp() + u.pause, last_error = u.error,
          unknown_for = s.unknown_for + CASE WHEN u.is_unknown THEN u.microseconds ELSE 0 END
      FROM (SELECT payment_id, pause AS microseconds, pause * interval '1 microsecond' AS pause, error, is_unknown
            FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::boolean[])
                 AS v(payment_id, pause, error, is_unknown)) u
      WHERE s.payment_id = u.payment_id
      """)
    waiting = Statement(
      """
      SELECT count(*) AS count, coalesce(extract(epoch FROM clock_timestamp() - min(since)), 0)::float8 AS oldest
      FROM \(settlement)
      """, isReadOnly: true)
  }

  /// Takes settlements whose time has come, oldest first. Nobody else gets them for `pause`, and no lock is kept.
  public func take(
    limit: Int, for pause: Duration, on connection: Connection
  ) throws(DatabaseError) -> [Settlement] {
    let rows = try connection.run(Command(take, [.int64(Int64(limit)), .interval(pause)]))
    return try rows.map { (row) throws(DatabaseError) in
      Settlement(
        paymentID: try row.uuid(TakenColumn.paymentID), orderID: try row.int64(TakenColumn.orderID),
        since: try row.timestamp(TakenColumn.since), attempts: try row.int(TakenColumn.attempts),
        unknownFor: .microseconds(try row.int64(TakenColumn.unknownFor)),
        trace: try row.optionalText(TakenColumn.traceparent).flatMap { TraceContext(traceparent: $0) })
    }
  }

  /// Writes what became of settlements, in one transaction. One that somebody else has ended stays ended.
  public func write(_ verdicts: [(Settlement, SettlementVerdict)], on connection: Connection) throws(DatabaseError) {
    if verdicts.isEmpty { return }
    try connection.transaction { (connection) throws(DatabaseError) in
      // First, and by ascending id: who was slow writes what somebody else has taken meanwhile, in another mixture.
      let ids = verdicts.map(\.0.paymentID).sorted()
      let there = Set(
        try connection.run(Command(lock, [.uuidArray(ids)])).map { (row) throws(DatabaseError) in try row.uuid(0) })
      let commands = changes(verdicts.filter { there.contains($0.0.paymentID) })
      if !commands.isEmpty { try connection.run(commands) }
    }
  }

  /// - Parameter verdicts: on settlements that are locked.
  private func changes(_ verdicts: [(Settlement, SettlementVerdict)]) -> [Command] {
    var finished: [UniqueID] = []
    var dead: [(id: UniqueID, detail: String)] = []
    var again: [(id: UniqueID, pause: Duration, error: String, isUnknown: Bool)] = []
    for (settlement, verdict) in verdicts {
      switch verdict {
      case .finished: finished.append(settlement.paymentID)
      case .dead(let detail): dead.append((settlement.paymentID, ColumnText.clean(detail)))
      case .again(let pause, let error, let isUnknown):
        again.append((settlement.paymentID, pause, ColumnText.clean(error), isUnknown))
      }
    }
    var commands: [Command] = []
    if !finished.isEmpty { commands.append(Command(finish, [.uuidArray(finished)])) }
    if !dead.isEmpty { commands.append(Command(bury, [.uuidArray(dead.map(\.id)), .textArray(dead.map(\.detail))])) }
    if !again.isEmpty {
      let pauses = again.map { $0.pause.inNanoseconds / 1_000 }
      commands.append(
        Command(
          retry,
          [
            .uuidArray(again.map(\.id)), .int64Array(pauses), .textArray(again.map(\.error)),
            .boolArray(again.map(\.isUnknown)),
          ]))
    }
    return commands
  }

  /// How many wait, and for how many seconds the oldest has.
  public func waiting(on connection: Connection) throws(DatabaseError) -> (count: Int, oldestSeconds: Double) {
    let row = try connection.run(Command(waiting)).only
    return (try row.int(WaitingColumn.count), try row.double(WaitingColumn.oldest))
  }

  private enum TakenColumn: Int, AnswerColumn { case paymentID, orderID, since, attempts, unknownFor, traceparent }
  private enum WaitingColumn: Int, AnswerColumn { case count, oldest }
}
