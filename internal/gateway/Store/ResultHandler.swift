public import DirectDomain
public import GatewayDomain
public import Inbox
public import Kafka
public import Outbox
public import Postgres
public import Tracing
public import Values

/// What became of a result.
public enum ResultOutcome: String, InboxOutcome {
  /// The payment has the state.
  case applied
  /// The payment had this state, or a later one.
  case late
  /// The payment had a final state, which stays.
  case contradicted
  /// It is about a refund, of which the gateway keeps nothing; those who wait for it are told.
  case refund
  /// There is no such payment here: another installation's on the same topic, or one that a restore has lost.
  case notOurs = "not_ours"
}

/// The updater: takes results of payments from `direct.results` into the gateway's tables; one for each lane of the
/// inbox.
///
/// State, history, webhooks, the order's claim, the card's place in the queue, and what readers of older systems are
/// told change together. The commit tells the waiters of every gateway (`GatewayTables.channel`): at most a batch at a
/// time does so, unlike the transactions of intake.
public struct ResultHandler: InboxHandler {
  private let tables: GatewayTables
  private let outbox: OutboxWriter
  private let output: SurfaceOutput
  private let traces: TraceBook
  private let onChange: @Sendable ([UniqueID]) -> Void
  private let lock: Statement
  private let findShown: Statement
  private let findArchived: Statement
  private let update: Statement
  private let insertStates: Statement
  private let insertArchivedStates: Statement
  private let insertRefundEvents: Statement
  private let takeID: Statement
  private let freeOrders: Statement
  private let endWaiting: Statement
  private let notify: Statement

  /// - Parameters:
  ///   - outbox: of the gateway.
  ///   - output: what readers of older systems are told.
  ///   - traces: learns which payments belong to recorded traces.
  ///   - onChange: called on the lane's thread after each commit, with the payments and refunds that have changed.
  public init(
    _ tables: GatewayTables, outbox: OutboxWriter, output: SurfaceOutput, traces: TraceBook = .off,
    onChange: @escaping @Sendable ([UniqueID]) -> Void = { _ in }
  ) {
    self.tables = tables
    self.outbox = outbox
    self.output = output
    self.traces = traces
    self.onChange = onChange
    lock = Statement(
      """
      SELECT id, state, reason, version, since, order_id, method, user_id, surface, events FROM \(tables.payment)
      WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE
      """)
    findShown = Statement("SELECT \(PaymentRow.columns) FROM \(tables.payment) p WHERE p.id = ANY ($1)")
    findArchived = Statement(
      """
      SELECT a.id, a.state, a.reason, a.version, a.since, a.order_id, a.method, a.user_id, a.surface, a.events
      FROM unnest($1::uuid[]) u(id)
      CROSS JOIN LATERAL (SELECT * FROM \(tables.paymentArchive) a WHERE a.id = u.id OFFSET 0) a
      """, isReadOnly: true)
    update = Statement(
      """
      UPDATE \(tables.payment) p SET state = u.state, reason = u.reason, version = u.version, since = u.since,
             bank_token = coalesce(u.bank_token, p.bank_token), events = u.events
      FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::timestamptz[], $6::text[], $7::bigint[])
           AS u(id, state, reason, version, since, bank_token, events)
      WHERE p.id = u.id
      """)
    insertStates = Statement(Self.insertStates(into: tables.paymentState, tables))
    insertArchivedStates = Statement(Self.insertStates(into: tables.paymentStateArchive, tables))
    insertRefundEvents = Statement(WebhookEvents.insertRefunds(tables))
    takeID = Statement("SELECT pg_current_xact_id() IS NOT NULL AS has_id")
    freeOrders = Statement(
      """
      DELETE FROM \(tables.orderClaim) c USING unnest($1::bigint[], $2::uuid[]) AS u(order_id, payment_id)
      WHERE c.order_id = u.order_id AND c.payment_id = u.payment_id
      """)
    endWaiting = Statement("DELETE FROM \(tables.cardWaiting) WHERE payment_id = ANY ($1)")
    notify = Statement("SELECT pg_notify($1, u.payload) FROM unnest($2::text[]) u(payload)")
  }

  private static func insertStates(into table: String, _ t: GatewayTables) -> String {
    WebhookEvents.insert(
      "SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::timestamptz[])", into: table,
      traces: 6, t)
  }

  /// Reads a result.
  public func sort(_ message: ConsumedMessage) -> InboxSorting<PaymentResult, ResultOutcome> {
    do throws(UnreadableMessage) {
      let result = try PaymentResult(message.value)
      traces.note(result.refundOf ?? result.paymentID, of: message)
      return .work(result)
    } catch {
      return .unusable(reason: error.description)
    }
  }

  /// Takes the results in, in one transaction.
  public func execute(
    _ results: [PaymentResult], on connection: Connection
  ) throws(DatabaseError) -> [InboxResult<ResultOutcome>] {
    let parents = { results.map { traces.trace(of: $0.refundOf ?? $0.paymentID) } }
    return try traces.tracer.recording("take results in", results.count, parents()) { () throws(DatabaseError) in
      try take(results, on: connection)
    }
  }

  private func take(
    _ results: [PaymentResult], on connection: Connection
  ) throws(DatabaseError) -> [InboxResult<ResultOutcome>] {
    try connection.rollingBack { () throws(DatabaseError) in
      let ids = Set(results.filter { $0.refundOf == nil }.map(\.paymentID)).sorted()
      let locked = try connection.run([.begin, Command(lock, [.uuidArray(ids)])])[1]
      var batch = try ResultBatch(locked, output)
      let shown = batch.withReaders
      if !shown.isEmpty { try batch.add(shown: connection.run(Command(findShown, [.uuidArray(shown)]))) }
      // The archive is looked into after the locks were waited for: what was moved meanwhile is there.
      let missing = batch.missing(of: ids)
      if !missing.isEmpty {
        try batch.add(archived: connection.run(Command(findArchived, [.uuidArray(missing)])))
      }
      let outcomes = results.map { $0.refundOf == nil ? batch.apply($0) : .done(.refund) }
      let refundResults = results.filter { $0.refundOf != nil }
      let refunds = Set(refundResults.map(\.paymentID)).sorted()
      // Also when nothing was written: the locks have given the transaction an id, and its COMMIT waits for a standby
      // to have what was read.
      let changes = batch.changed.map { PaymentChange($0.id, of: $0.userID) }
      let told = tell(changes + refunds.map { PaymentChange($0, of: nil) })
      try connection.run(writes(batch) + webhooks(refundResults) + told + [.commit])
      return outcomes
    }
  }

  /// Tells what has changed.
  public func committed(_ items: [PaymentResult], _ results: [InboxResult<ResultOutcome>]) {
    let changed = zip(items, results).filter { _, result in
      switch result {
      case .done(.applied), .done(.refund): true
      case .done, .unusable: false
      }
    }
    if !changed.isEmpty { onChange(changed.map(\.0.paymentID)) }
  }

  private func writes(_ batch: ResultBatch) -> [Command] {
    var commands: [Command] = []
    let changed = batch.changed
    if !changed.isEmpty {
      commands.append(
        Command(
          update,
          [
            .uuidArray(changed.map(\.id)), .textArray(changed.map(\.standing.state.rawValue)),
            .optionalTextArray(changed.map { $0.standing.reason?.rawValue }),
            .int64Array(changed.map(\.standing.version)), .timestampArray(changed.map(\.standing.since)),
            .optionalTextArray(changed.map(\.token)), .int64Array(changed.map(\.events)),
          ]))
    }
    for (statement, states) in [(insertStates, batch.states), (insertArchivedStates, batch.archivedStates)]
    where !states.isEmpty {
      commands.append(
        Command(
          statement,
          [
            .uuidArray(states.map(\.paymentID)), .int64Array(states.map(\.version)),
            .textArray(states.map(\.state.rawValue)), .optionalTextArray(states.map { $0.reason?.rawValue }),
            .timestampArray(states.map(\.occurredAt)),
          ] + WebhookEvents.traces(of: states.map(\.paymentID), traces)))
    }
    let orders = changed.compactMap { payment in payment.freedOrder.map { ($0, payment.id) } }
    if !orders.isEmpty {
      commands.append(Command(freeOrders, [.int64Array(orders.map(\.0)), .uuidArray(orders.map(\.1))]))
    }
    let cards = changed.filter(\.isCard)
    if !cards.isEmpty { commands.append(Command(endWaiting, [.uuidArray(cards.map(\.id))])) }
    if !batch.events.isEmpty {
      commands.append(outbox.insert(batch.events))
      // The commit tells the relays of every gateway, this one's too.
      commands.append(Command(notify, [.text(outbox.channel), .textArray([""])]))
    }
    return commands
  }

  /// Webhooks of refunds, of which no history is kept here. An event that comes again has the same id.
  private func webhooks(_ refunds: [PaymentResult]) -> [Command] {
    guard !refunds.isEmpty else { return [] }
    return [
      // Who changes endpoints waits for transactions with an id (`WebhookEndpointStore.writers`). One of refunds alone
      // has locked nothing, and would get its id after it has read the endpoints.
      Command(takeID),
      Command(
        insertRefundEvents,
        [
          .uuidArray(refunds.map(\.paymentID)), .uuidArray(refunds.compactMap(\.refundOf)),
          .int64Array(refunds.map(\.version)), .textArray(refunds.map(\.state.rawValue)),
          .optionalTextArray(refunds.map { $0.reason?.rawValue }), .timestampArray(refunds.map(\.occurredAt)),
        ] + WebhookEvents.traces(of: refunds.compactMap(\.refundOf), traces)),
    ]
  }

  /// Tells the waiters of every gateway.
  private func tell(_ changes: [PaymentChange]) -> [Command] {
    guard !changes.isEmpty else { return [] }
    return [Command(notify, [.text(GatewayTables.channel), .textArray(PaymentNotice.payloads(changes))])]
  }
}
