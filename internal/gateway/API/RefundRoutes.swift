internal import DirectDomain
internal import GatewayDomain
internal import GatewayStore
package import HTTPServer
internal import ProcessingDomain
internal import ProcessingStore
internal import Processor
internal import Values

/// `/v1/payments/{id}/refunds`.
package struct RefundRoutes: Sendable {
  private let payments: any PaymentKeeping
  private let processor: any RefundExecuting
  private let refunds: any RefundKeeping
  private let waiters: RefundWaiters
  private let handlers: RouteHandlers

  private static let path = "/v1/payments/{id}/refunds"

  /// The calls on refunds of these payments.
  package init(
    _ payments: any PaymentKeeping, processor: any RefundExecuting, refunds: any RefundKeeping, waiters: RefundWaiters,
    handlers: RouteHandlers
  ) {
    self.payments = payments
    self.processor = processor
    self.refunds = refunds
    self.waiters = waiters
    self.handlers = handlers
  }

  /// Adds the calls.
  package func add(to router: inout HTTPRouter) {
    router.add(
      .post, Self.path, maxBody: 4_096, contentTypes: ["application/json"], answerTime: RouteHandlers.longAnswerTime,
      handler: handlers.run(.refund, create))
    router.add(.get, Self.path, answerTime: RouteHandlers.answerTime, handler: handlers.answer(.read, list))
  }

  private func create(_ request: APIRequest, _ exchange: HTTPExchange) async throws(Fault) {
    try request.query.requireOnly(["wait"])
    let wait = try WaitTime.parse(request.query)
    let key = try request.requiredKey(of: "POST \(Self.path)")
    let id = try RouteHandlers.id(request, missing: PaymentDesk.missing)
    let wanted = try Fault.reading { () throws(RequestFault) in try RefundRequest(request.body) }
    // Whatever may be missing is looked for before.
    let place = wait > .zero ? try waiters.takePlace(for: request.waitingPeer) : nil
    let order = RefundOrder(
      id: AccountRoutes.id(of: key), origin: RefundOrigin(of: id, cause: .caller), amount: wanted.amount)
    let answer = await processor.refund(
      NewRefund(order, note: wanted.reason, requester: request.requester), deadline: RouteHandlers.deadline(request))
    let (refund, isRepetition) = try await opened(answer, of: id, request)
    guard let place, !refund.stored.payment.state.isFinal else {
      exchange.respond(
        place == nil
          ? RefundAnswers.opened(refund, isRepetition: isRepetition)
          : RefundAnswers.now(refund, isRepetition: isRepetition))
      return
    }
    self.wait(for: refund, isRepetition: isRepetition, until: request.arrived + wait, at: place, exchange)
  }

  private func opened(
    _ answer: RefundAnswer, of payment: UniqueID, _ request: APIRequest
  ) async throws(Fault) -> (StoredRefund, isRepetition: Bool) {
    switch answer {
    case .done(let refund, let isRepetition): return (refund, isRepetition)
    case .refused(let refusal): throw Self.fault(refusal)
    case .differs:
      throw .keyReused
    case .missing:
      // Taken in, and not claimed yet.
      guard try await isKnown(payment, request) else { throw PaymentDesk.missing }
      throw Self.fault(.notRefundable)
    case .faulty(let text): throw Fault(.faulty(text))
    case .unavailable(let mayHaveHappened): throw Fault(mayHaveHappened ? .outcomeUnknown : .unavailable)
    }
  }

  private static func fault(_ refusal: RefundRefusal) -> Fault {
    switch refusal {
    case .notRefundable: Fault(409, code: refusal.rawValue, "the payment is not COMPLETED, or is a refund")
    case .exceedsPayment:
      Fault(409, code: refusal.rawValue, "the refunds would be more than was paid", field: "amount")
    case .tooMany: Fault(409, code: refusal.rawValue, "the payment has \(RefundTotal.maximum) refunds already")
    case .insufficientFunds:
      Fault(409, code: refusal.rawValue, "the payee has less than that available", field: "amount")
    case .ledgerRefused: Fault(.faulty("the ledger refuses a refund"))
    }
  }

  private func list(_ request: APIRequest) async throws(Fault) -> HTTPResponse {
    try request.query.requireOnly([])
    let id = try RouteHandlers.id(request, missing: PaymentDesk.missing)
    let found = try await Fault.asking { () async throws(StoreTrouble) in
      try await refunds.list(of: id, deadline: RouteHandlers.deadline(request))
    }
    if found.isEmpty, try await !isKnown(id, request) { throw PaymentDesk.missing }
    return RefundAnswers.list(found)
  }

  private func isKnown(_ payment: UniqueID, _ request: APIRequest) async throws(Fault) -> Bool {
    do throws(GatewayStoreError) {
      return try await payments.payment(payment, deadline: RouteHandlers.deadline(request)) != nil
    } catch {
      throw Fault(error)
    }
  }

  // MARK: - Waiting

  private func wait(
    for refund: StoredRefund, isRepetition: Bool, until deadline: Instant, at place: WaiterPlace,
    _ exchange: HTTPExchange
  ) {
    let ticket = waiters.wait(for: refund.stored.payment.id, until: deadline, at: place) { news in
      switch news {
      case .row(let row): exchange.respond(RefundAnswers.now(row, isRepetition: isRepetition))
      // It is there, whatever becomes of the wait.
      case .missing, .trouble: exchange.respond(RefundAnswers.opened(refund, isRepetition: isRepetition))
      case .left: exchange.breakOff()
      }
    }
    exchange.whenInterrupted { [waiters] reason in
      if reason == .serverStops { waiters.drain() } else { waiters.leave(ticket) }
    }
  }
}
