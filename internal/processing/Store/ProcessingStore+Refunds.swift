internal import DirectDomain
internal import LedgerDomain
internal import LedgerStore
internal import Outbox
public import Postgres
internal import ProcessingDomain
internal import Values

/// Refunds: how they are opened. What becomes of them then is a matter of steps, as for payments.
extension ProcessingStore {
  /// How many refunds are opened at once.
  public static let maximumRefunds = 64

  /// Opens refunds. The rows of their payments are locked first, so that the sum of a payment's refunds is known and
  /// stays until the commit: two at once never give back more than was paid. The refund, the reservation of its money
  /// and its event commit together; of what is refused nothing is written.
  /// - Parameter orders: at most `maximumRefunds`; those of one payment are seen to one after the other.
  /// - Returns: a result for each, in order.
  public func open(
    _ orders: [NewRefund], on connection: Connection
  ) throws(DatabaseError) -> [RefundResult] {
    precondition(orders.count <= Self.maximumRefunds, "at most \(Self.maximumRefunds) refunds are opened at once")
    return try connection.rollingBack { () throws(DatabaseError) in
      let ids = Set(orders.flatMap { [$0.order.id, $0.order.origin.payment] })
      guard let rows = try lock(ids, by: nil, on: connection) else { return [] }
      var work = try RefundWork(rows)
      let payments = Set(orders.map(\.order.origin.payment)).sorted()
      // After the locks, by statements of their own, so that they see what their holders committed.
      let answers = try connection.run(
        [refunds.totals(of: payments), refunds.find(orders.map(\.order.id))] + reads(orders, work))
      work.totals = try RefundStatements.totals(answers[0])
      try work.note(known: answers[1])
      var batch = try ledger.batch(answers.dropFirst(2))
      let results = orders.map { work.open($0, engine: engine, ledger: &batch) }
      // Also when nothing was written: the locks have given the transaction an id, and its COMMIT waits for a standby
      // to have what was read.
      try connection.run(writes(work, batch) + [.commit])
      return results
    }
  }

  /// Reads what refunds are decided over: accounts, and the transfers that they would make.
  private func reads(_ orders: [NewRefund], _ work: RefundWork) -> [Command] {
    var (debits, credits): (Set<UniqueID>, Set<UniqueID>) = ([], [])
    var requests: [TransferRequest] = []
    for order in orders.map(\.order) {
      guard let payment = work.payments[order.origin.payment]?.payment else { continue }
      let own = RefundAccounts(of: payment, order.origin.cause)
      debits.insert(own.debit)
      credits.insert(own.credit)
      requests.append(.void(hold: TransferID.of(order.id, .payment)))
      guard let putAside = own.putAside else { continue }
      requests += [.single(putAside), .void(hold: TransferID.of(payment.id, .release))]
    }
    return ledger.reads(debits: debits, credits: credits, requests: requests)
  }

  private func writes(_ work: RefundWork, _ batch: LedgerBatch) -> [Command] {
    guard !work.opened.isEmpty else { return [] }
    // Before anything that names it: a refund's row comes first.
    return [refunds.insert(work.opened)] + ledger.writes(batch) + statements.plan(work.opened.map(\.stored.payment))
      + statements.open(work.exceptions) + [outbox.insert(work.published.map(event))]
  }
}

/// The payments of one transaction that opens refunds, and what it has opened so far.
private struct RefundWork {
  private(set) var payments: [UniqueID: StoredPayment] = [:]
  var totals: [UniqueID: RefundTotal] = [:]
  private(set) var opened: [StoredRefund] = []
  private(set) var published: [PaymentResult] = []
  private(set) var exceptions: Set<FoundException> = []
  private var unreadable: [UniqueID: String] = [:]
  private var known: [UniqueID: StoredRefund] = [:]
  private var now = Timestamp(microseconds: 0)

  /// - Parameter rows: the locked rows.
  init(_ rows: Rows) throws(DatabaseError) {
    for row in rows {
      now = max(now, try PaymentRow.now(row))
      do throws(DatabaseError) {
        let stored = try PaymentRow.decode(row)
        payments[stored.payment.id] = stored
      } catch  where error.code == .content {
        unreadable[try PaymentRow.id(row)] = error.message
      }
    }
  }

  /// - Parameter rows: the refunds among the locked rows.
  mutating func note(known rows: Rows) throws(DatabaseError) {
    for row in rows {
      let id = try PaymentRow.id(row)
      guard unreadable[id] == nil else { continue }
      known[id] = try RefundRow.decode(row)
    }
  }

  mutating func open(_ new: NewRefund, engine: PaymentEngine, ledger: inout LedgerBatch) -> RefundResult {
    let order = new.order
    for id in [order.id, order.origin.payment] { if let fault = unreadable[id] { return .unreadable(fault) } }
    if let earlier = known[order.id] { return earlier.isOf(order, note: new.note) ? .known(earlier) : .differs }
    if payments[order.id] != nil { return .differs }
    guard let of = payments[order.origin.payment] else { return .missing }
    var total = totals[of.payment.id] ?? RefundTotal()
    switch engine.open(order, of: of.payment, total: total, at: now, ledger: &ledger) {
    case .refused(let refusal): return .refused(refusal)
    case .opened(var refund, let effects):
      refund.requester = new.requester
      total.add(refund)
      totals[of.payment.id] = total
      let stored = StoredRefund(
        stored: StoredPayment(payment: refund, userID: of.userID, payeeID: of.payeeID, source: nil, orderID: nil),
        note: new.note, takesRest: order.amount == nil, updatedAt: now)
      opened.append(stored)
      known[order.id] = stored
      publish(refund, effects)
      if let exception = effects.exception { exceptions.insert(FoundException(paymentID: refund.id, kind: exception)) }
      return .opened(stored)
    }
  }

  /// Its versions are told one by one, from the first.
  private mutating func publish(_ refund: ProcessedPayment, _ effects: StepEffects) {
    published.append(
      PaymentResult(
        paymentID: refund.id, version: 2, state: .processing, reason: nil, occurredAt: now, refundOf: refund.refundOf))
    if effects.isPublished { published.append(PaymentResult(refund, at: now)) }
  }
}
