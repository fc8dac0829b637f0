internal import DirectDomain
internal import GatewayDomain
internal import GatewayStore
package import HTTPServer
internal import Money
internal import ProcessingStore
internal import Values

/// `/v1/payments/{id}/history`.
package struct HistoryRoutes: Sendable {
  private let payments: any PaymentKeeping
  private let trails: any TrailKeeping
  private let webhooks: any WebhookKeeping
  private let handlers: RouteHandlers

  /// Histories of these payments.
  package init(
    _ payments: any PaymentKeeping, _ trails: any TrailKeeping, _ webhooks: any WebhookKeeping, handlers: RouteHandlers
  ) {
    self.payments = payments
    self.trails = trails
    self.webhooks = webhooks
    self.handlers = handlers
  }

  /// Adds the call.
  package func add(to router: inout HTTPRouter) {
    router.add(
      .get, "\(PaymentRoutes.path)/{id}/history", answerTime: RouteHandlers.answerTime,
      handler: handlers.answer(.read, history))
  }

  private func history(_ request: APIRequest) async throws(Fault) -> HTTPResponse {
    try request.query.requireOnly([])
    let id = try RouteHandlers.id(request, missing: PaymentDesk.missing)
    let deadline = RouteHandlers.deadline(request)
    let states: [PaymentStanding]
    do throws(GatewayStoreError) {
      states = try await payments.history(id, deadline: deadline)
    } catch {
      throw Fault(error)
    }
    guard !states.isEmpty else { throw PaymentDesk.missing }
    let trail = try await Fault.asking { () async throws(StoreTrouble) in
      try await trails.trail(of: id, deadline: deadline)
    }
    let deliveries = try await Fault.asking { () async throws(StoreTrouble) in
      try await webhooks.deliveries(ofPayment: id, deadline: deadline)
    }
    let requesters = Requesters(reviewer: trail.reviewer, canceller: trail.canceller).requesters(of: states)
    let body = JSONWriter.object { object in
      object.add("data", states.map { state in Part { Self.state(state, by: requesters[state.version], into: &$0) } })
      object.add("reviewed_by", trail.reviewer)
      object.add("attempts", trail.attempts.map { attempt in Part { Self.attempt(attempt, of: id, into: &$0) } })
      object.add("refunds", trail.refunds.map { refund in Part { Self.refund(refund, into: &$0) } })
      object.add("exceptions", trail.exceptions.map { found in Part { Self.exception(found, of: id, into: &$0) } })
      object.add(
        "webhooks", deliveries.map { delivery in Part { WebhookAnswers.delivery(delivery, into: &$0) } })
    }
    return .json(200, body)
  }

  private static func state(
    _ standing: PaymentStanding, by requester: String?, into object: inout JSONObjectWriter
  ) {
    object.add("version", standing.version)
    object.add("status", standing.state.rawValue)
    object.add("reason", standing.reason?.rawValue)
    object.add("at", standing.since)
    object.add("requested_by", requester)
  }

  /// What the bank said in words is for operators.
  private static func attempt(
    _ attempt: PaymentTrail.Attempt, of payment: UniqueID, into object: inout JSONObjectWriter
  ) {
    object.add("call", attempt.call)
    object.add("refund_id", attempt.operationID == payment ? nil : attempt.operationID)
    object.add("asked_at", attempt.askedAt)
    object.add("answered_at", attempt.answeredAt)
    object.add("answer", attempt.answer)
  }

  private static func refund(_ refund: PaymentTrail.Refund, into object: inout JSONObjectWriter) {
    object.add("id", refund.id)
    object.add("status", refund.state)
    object.add("reason", refund.reason)
    object.add("amount", refund.amount.minorUnits)
    object.add("currency", refund.amount.currency.code)
    object.add("cause", refund.cause)
    object.add("requested_by", refund.requester)
    object.add("created_at", refund.since)
    object.add("updated_at", refund.updatedAt)
  }

  private static func exception(
    _ exception: PaymentTrail.Exception, of payment: UniqueID, into object: inout JSONObjectWriter
  ) {
    object.add("kind", exception.kind)
    object.add("refund_id", exception.operationID == payment ? nil : exception.operationID)
    object.add("opened_at", exception.openedAt)
    object.add("closed_at", exception.closedAt)
    object.add("closed_by", exception.closedBy)
    object.add("note", exception.note)
  }
}
