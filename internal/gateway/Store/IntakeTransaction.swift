internal import DirectDomain
internal import GatewayDomain
internal import GroupCommit
internal import Idempotency
internal import Outbox
internal import Postgres
internal import Tracing
internal import Values

/// The transaction that takes payments in: payment, first state with its webhooks, order claim, event, and the answer
/// under its key commit together or not at all.
///
/// Order of locks, so that writers never wait for each other in a circle: keys, which are tried and not waited for (a
/// repetition waits, by ascending number of the lock); then orders, ascending; then external ids, ascending. What comes
/// after is new. Results lock payments first, and of the orders only those that their payments have.
struct IntakeTransaction: BatchTransaction {
  private let keys: IdempotencyKeyTable
  private let traces: TraceBook
  private let outbox: OutboxWriter
  private let findOwn: Statement
  private let claimOrders: Statement
  private let freeOrders: Statement
  private let claimNames: Statement
  private let findNames: Statement
  private let insertPayments: Statement
  private let insertStates: Statement
  private let insertWaiting: Statement
  private let onCommit: @Sendable ([IntakeCall], [IntakeBatch.Result]) -> Void

  /// - Parameters:
  ///   - traces: those of payments.
  ///   - onCommit: called on a pool thread with the outcomes of each transaction.
  init(
    _ t: GatewayTables, keys: GatewayKeys, outbox: OutboxWriter, traces: TraceBook,
    onCommit: @escaping @Sendable ([IntakeCall], [IntakeBatch.Result]) -> Void
  ) {
    self.keys = keys.table
    self.outbox = outbox
    self.traces = traces
    self.onCommit = onCommit
    findOwn = Statement("SELECT id FROM \(t.payment) WHERE id = ANY ($1)", isReadOnly: true)
    claimOrders = Statement(
      """
      INSERT INTO \(t.orderClaim) (order_id, payment_id) SELECT * FROM unnest($1::bigint[], $2::uuid[]) u ORDER BY 1
      ON CONFLICT DO NOTHING RETURNING order_id
      """)
    freeOrders = Statement("DELETE FROM \(t.orderClaim) WHERE order_id = ANY ($1) AND payment_id = ANY ($2)")
    claimNames = Statement(
      """
      INSERT INTO \(t.externalClaim) (api_key_id, external_id, payment_id)
      SELECT * FROM unnest($1::uuid[], $2::text[] COLLATE "C", $3::uuid[]) u(k, e, p) ORDER BY k, e
      ON CONFLICT DO NOTHING RETURNING payment_id
      """)
    // A statement of its own: what ON CONFLICT has waited for is not in the snapshot of that INSERT.
    findNames = Statement(
      """
      SELECT u.p AS asking, c.payment_id AS owner FROM unnest($1::uuid[], $2::text[], $3::uuid[]) u(k, e, p)
      JOIN \(t.externalClaim) c ON c.api_key_id = u.k AND c.external_id = u.e
      """)
    insertPayments = Statement(
      """
      INSERT INTO \(t.payment) (\(PaymentRow.written), since)
      SELECT u.id, u.user_id, u.payee_id, u.method, u.card_brand, u.card_last4, u.masked, u.account_id, u.amount,
             u.currency, u.order_id, u.external_id, u.description, u.metadata::json, u.created_at, u.api_key_id,
             u.surface, u.surface_details::json, u.events, u.created_at
      FROM \(PaymentRow.unnested) AS u(\(PaymentRow.written))
      """)
    insertStates = Statement(
      WebhookEvents.insert(
        "SELECT u.id, 1, 'CREATED', NULL, u.at FROM unnest($1::uuid[], $2::timestamptz[]) u(id, at)",
        into: t.paymentState, traces: 3, t))
    insertWaiting = Statement(
      "INSERT INTO \(t.cardWaiting) (payment_id, at) SELECT u.id, now() FROM unnest($1::uuid[]) u(id)")
  }

  func subject(of call: IntakeCall) -> Int64 { call.payment.orderID ?? Int64(bitPattern: call.payment.id.low) }

  func execute(
    _ calls: [IntakeCall], mode: TransactionMode, on connection: Connection
  ) throws(DatabaseError) -> [IntakeBatch.Result] {
    try traces.tracer.recording("take payments in", calls.count, calls.map { traces.trace(of: $0.payment.id) }) {
      () throws(DatabaseError) in try runMakingDays(calls, mode, on: connection)
    }
  }

  private func runMakingDays(
    _ calls: [IntakeCall], _ mode: TransactionMode, on connection: Connection
  ) throws(DatabaseError) -> [IntakeBatch.Result] {
    do throws(DatabaseError) {
      return try run(calls, mode, on: connection)
    } catch {
      guard error.isMissingPartition else { throw error }
      // No partition for today yet: it is made, and the batch, which was rolled back, is run again.
      try keys.makeDays(on: connection)
      return try run(calls, mode, on: connection)
    }
  }

  func committed(_ calls: [IntakeCall], _ results: [IntakeBatch.Result]) { onCommit(calls, results) }

  func concernsEveryCall(_ error: DatabaseError) -> Bool { error.isOfTables }

  func failure(_ failure: GroupCommitFailure) -> GatewayStoreError { GatewayStoreError(failure) }

  /// Two round trips; one more where payments have orders, and one where they have external ids.
  private func run(
    _ calls: [IntakeCall], _ mode: TransactionMode, on connection: Connection
  ) throws(DatabaseError) -> [IntakeBatch.Result] {
    try connection.rollingBack { () throws(DatabaseError) in
      var batch = try begin(calls, mode, on: connection)
      let claims = batch.claims
      if !claims.isEmpty {
        let free = try connection.run(
          Command(claimOrders, [.int64Array(claims.map(\.orderID)), .uuidArray(claims.map(\.paymentID))]))
        batch.claimed(Set(try free.map { (row) throws(DatabaseError) in try row.int64(0) }))
      }
      try claimNames(&batch, on: connection)
      let writes = writes(batch.executed)
      // What was found is acknowledged, so that it must be confirmed also when nothing is written.
      try connection.run((writes.isEmpty ? [ReplicationBarrier.command] : writes) + [.commit])
      return batch.outcomes
    }
  }

  /// Claims the external ids. A payment whose id is another's gives its order back.
  private func claimNames(_ batch: inout IntakeBatch, on connection: Connection) throws(DatabaseError) {
    let names = batch.takeNames()
    guard !names.isEmpty else { return }
    let parameters: [Parameter] = [
      .uuidArray(names.map(\.name.apiKeyID)), .textArray(names.map(\.name.text)), .uuidArray(names.map(\.paymentID)),
    ]
    let claimed = try connection.run(Command(claimNames, parameters))
    if claimed.count < names.count {
      var owners: [UniqueID: UniqueID] = [:]
      for row in try connection.run(Command(findNames, parameters)) {
        owners[try row.uuid(OwnerColumn.asking)] = try row.uuid(OwnerColumn.owner)
      }
      batch.named(owners)
    }
    let freed = batch.ordersToFree
    if !freed.isEmpty {
      try connection.run(
        Command(freeOrders, [.int64Array(freed.map(\.orderID)), .uuidArray(freed.map(\.paymentID))]))
    }
  }

  private enum OwnerColumn: Int, AnswerColumn { case asking, owner }

  /// Locks the keys and looks them up; in a repetition also the calls' own payments, once their first run has ended.
  private func begin(
    _ calls: [IntakeCall], _ mode: TransactionMode, on connection: Connection
  ) throws(DatabaseError) -> IntakeBatch {
    let asked = Array(Set(calls.map(\.key)))
    let begin = mode.begin
    var commands = begin + keys.lockAndFind(asked, waits: mode.isRepetition)
    if mode.isRepetition { commands.append(Command(findOwn, [.uuidArray(calls.map(\.payment.id))])) }
    let answers = try connection.run(commands)
    let findings = try keys.findings(
      asked, waits: mode.isRepetition, locked: answers[begin.count], found: answers[begin.count + 1])
    var own: Set<UniqueID> = []
    if mode.isRepetition { for row in answers[begin.count + 2] { own.insert(try row.uuid(0)) } }
    return IntakeBatch(calls, findings, own: own)
  }

  private func writes(_ calls: [IntakeCall]) -> [Command] {
    guard !calls.isEmpty else { return [] }
    let payments = calls.map(\.payment)
    var commands = [
      Command(insertPayments, PaymentRow.values(payments, events: calls.map(\.events.count))),
      Command(
        insertStates,
        [.uuidArray(payments.map(\.id)), .timestampArray(payments.map(\.createdAt))]
          + WebhookEvents.traces(of: payments.map(\.id), traces)),
    ]
    let cards = payments.filter { $0.source.method == .card }
    if !cards.isEmpty { commands.append(Command(insertWaiting, [.uuidArray(cards.map(\.id))])) }
    let events = calls.flatMap(\.events)
    if !events.isEmpty { commands.append(outbox.insert(events)) }
    let kept = calls.compactMap(\.kept)
    if !kept.isEmpty { commands.append(keys.insert(kept)) }
    return commands
  }
}
