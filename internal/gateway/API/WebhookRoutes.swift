package import GatewayDomain
package import GatewayStore
package import HTTPServer
internal import Values

/// `/v1/webhook_endpoints` and `/v1/webhook_deliveries`.
package struct WebhookRoutes: Sendable {
  private let webhooks: any WebhookKeeping
  private let secrets: WebhookSecrets?
  private let rules: WebhookRules
  private let handlers: RouteHandlers

  private static let endpoints = "/v1/webhook_endpoints"
  private static let deliveries = "/v1/webhook_deliveries"
  private static let missingEndpoint = Fault(404, .webhookEndpointNotFound, "there is no such webhook endpoint")
  private static let missingDelivery = Fault(404, .webhookDeliveryNotFound, "there is no such webhook delivery")
  private static let notEnabled = Fault(409, .webhookEndpointDisabled, "the endpoint is not enabled")

  /// - Parameter secrets: nil where there are no webhooks.
  package init(
    _ webhooks: any WebhookKeeping, secrets: WebhookSecrets?, rules: WebhookRules, handlers: RouteHandlers
  ) {
    self.webhooks = webhooks
    self.secrets = secrets
    self.rules = rules
    self.handlers = handlers
  }

  /// Adds the calls. Who decides what an endpoint is told, and by which secret, reads payments by it: that needs the
  /// scope of a reader as well.
  package func add(to router: inout HTTPRouter) {
    let (types, time, one) = (["application/json"], RouteHandlers.answerTime, "\(Self.endpoints)/{id}")
    router.add(
      .post, Self.endpoints, maxBody: 16_384, contentTypes: types, answerTime: time,
      handler: handlers.answer(.pay, and: .read, create))
    router.add(.get, Self.endpoints, answerTime: time, handler: handlers.answer(.read, list))
    router.add(.get, one, answerTime: time, handler: handlers.answer(.read, find))
    router.add(
      .patch, one, maxBody: 16_384, contentTypes: types, answerTime: time,
      handler: handlers.answer(.pay, and: .read, change))
    router.add(.delete, one, answerTime: time, handler: handlers.answer(.pay, delete))
    router.add(
      .post, "\(one)/rotate", maxBody: 1_024, answerTime: time, handler: handlers.answer(.pay, and: .read, rotate))
    router.add(.get, "\(one)/deliveries", answerTime: time, handler: handlers.answer(.read, listDeliveries))
    router.add(
      .post, "\(one)/redeliver", maxBody: 1_024, answerTime: time, handler: handlers.answer(.pay, redeliverFailed))
    router.add(
      .get, "\(Self.deliveries)/{id}", answerTime: time, handler: handlers.answer(.read, findDelivery))
    router.add(
      .post, "\(Self.deliveries)/{id}/redeliver", maxBody: 1_024, answerTime: time,
      handler: handlers.answer(.pay, redeliver))
  }

  // MARK: - Endpoints

  private func create(_ request: APIRequest) async throws(Fault) -> HTTPResponse {
    try request.query.requireOnly([])
    let wanted = try Fault.reading { () throws(RequestFault) in
      try WebhookEndpointRequest(request.body, rules: rules)
    }
    let secrets = try signing()
    let id = try request.derivedID(of: "POST \(Self.endpoints)") ?? .ordered(at: .now())
    let added = try await Fault.asking { () async throws(StoreTrouble) in
      try await webhooks.add(id, wanted, secrets.newOrigin(), deadline: RouteHandlers.deadline(request))
    }
    let (stored, isRepetition): (StoredWebhookEndpoint, Bool) =
      switch added {
      case .new(let stored): (stored, false)
      case .same(let stored): (stored, true)
      case .differs: throw .keyReused
      case .tooMany:
        throw Fault(
          409, .tooManyWebhookEndpoints, "there are \(WebhookEndpoint.maximumEndpoints) endpoints, and no more may be")
      }
    var response = HTTPResponse.json(201, try shown(stored, secrets))
    response.add("Location", "\(Self.endpoints)/\(id)")
    if isRepetition { response.add(IdempotencyKeyHeader.replayed, "true") }
    return response
  }

  private func signing() throws(Fault) -> WebhookSecrets {
    guard let secrets else {
      throw Fault(422, .webhooksNotSupported, "this gateway sends no webhooks: it has no WEBHOOK_SECRET_KEYS")
    }
    return secrets
  }

  /// An endpoint with its secret, which is shown in answer to calls that make one.
  private func shown(_ stored: StoredWebhookEndpoint, _ secrets: WebhookSecrets) throws(Fault) -> [UInt8] {
    guard let secret = secrets.secret(of: stored.endpoint.id, stored.origin) else {
      throw Fault(.faulty("WEBHOOK_SECRET_KEYS lacks the key \(stored.origin.keyID) of a webhook endpoint"))
    }
    return JSONWriter.object(reserving: 512) { object in
      stored.endpoint.write(into: &object)
      object.add("secret", secret.text)
      if let until = stored.oldUntil { object.add("previous_secret_until", until) }
    }
  }

  private func list(_ request: APIRequest) async throws(Fault) -> HTTPResponse {
    try request.query.requireOnly([])
    let found = try await Fault.asking { () async throws(StoreTrouble) in
      try await webhooks.endpoints(deadline: RouteHandlers.deadline(request))
    }
    return .json(
      200,
      JSONWriter.object(reserving: 384 * found.count) { object in
        object.add("data", found.map { stored in Part { stored.endpoint.write(into: &$0) } })
      })
  }

  private func find(_ request: APIRequest) async throws(Fault) -> HTTPResponse {
    try request.query.requireOnly([])
    let found = try await endpoint(request)
    return .json(200, JSONWriter.object { found.endpoint.write(into: &$0) })
  }

  private func endpoint(_ request: APIRequest) async throws(Fault) -> StoredWebhookEndpoint {
    let id = try RouteHandlers.id(request, missing: Self.missingEndpoint)
    let found = try await Fault.asking { () async throws(StoreTrouble) in
      try await webhooks.endpoint(id, deadline: RouteHandlers.deadline(request))
    }
    guard let found else { throw Self.missingEndpoint }
    return found
  }

  private func change(_ request: APIRequest) async throws(Fault) -> HTTPResponse {
    try request.query.requireOnly([])
    let id = try RouteHandlers.id(request, missing: Self.missingEndpoint)
    let wanted = try Fault.reading { () throws(RequestFault) in
      try WebhookEndpointChange(request.body, rules: rules)
    }
    let changed = try await Fault.asking { () async throws(StoreTrouble) in
      try await webhooks.change(id, wanted, deadline: RouteHandlers.deadline(request))
    }
    guard let changed else { throw Self.missingEndpoint }
    return .json(200, JSONWriter.object { changed.endpoint.write(into: &$0) })
  }

  private func rotate(_ request: APIRequest) async throws(Fault) -> HTTPResponse {
    try request.query.requireOnly([])
    let id = try RouteHandlers.id(request, missing: Self.missingEndpoint)
    let grace = try Fault.reading { () throws(RequestFault) in try WebhookRotation(request.body).grace }
    let secrets = try signing()
    // The receiver may have the secret of an answer that was lost on its way to somebody else: a call that comes again
    // makes the same one.
    let origin = secrets.newOrigin(of: try request.derivedID(of: "POST \(Self.endpoints)/\(id)/rotate"))
    let rotated = try await Fault.asking { () async throws(StoreTrouble) in
      try await webhooks.rotate(id, origin, grace: grace, deadline: RouteHandlers.deadline(request))
    }
    guard let rotated else { throw Self.missingEndpoint }
    return .json(200, try shown(rotated, secrets))
  }

  private func delete(_ request: APIRequest) async throws(Fault) -> HTTPResponse {
    try request.query.requireOnly([])
    let id = try RouteHandlers.id(request, missing: Self.missingEndpoint)
    let isDeleted = try await Fault.asking { () async throws(StoreTrouble) in
      try await webhooks.delete(id, deadline: RouteHandlers.deadline(request))
    }
    guard isDeleted else { throw Self.missingEndpoint }
    return HTTPResponse(204)
  }

  // MARK: - Deliveries

  private func listDeliveries(_ request: APIRequest) async throws(Fault) -> HTTPResponse {
    let filter = try Fault.reading { () throws(RequestFault) in
      try WebhookDeliveryFilter(request.query.items.map { ($0.name, $0.value) })
    }
    let id = try await endpoint(request).endpoint.id
    let found = try await Fault.asking { () async throws(StoreTrouble) in
      try await webhooks.deliveries(filter, of: id, deadline: RouteHandlers.deadline(request))
    }
    let page = found.prefix(filter.limit)
    let hasMore = found.count > filter.limit
    return .json(
      200,
      JSONWriter.object(reserving: 384 * page.count) { object in
        object.add("data", page.map { delivery in Part { WebhookAnswers.delivery(delivery, into: &$0) } })
        object.add("has_more", hasMore)
        object.add("next", hasMore ? page.last.map { PaymentCursor($0.id).text } : nil)
      })
  }

  private func findDelivery(_ request: APIRequest) async throws(Fault) -> HTTPResponse {
    try request.query.requireOnly([])
    let found = try await delivery(request)
    return .json(
      200,
      JSONWriter.object(reserving: 1_024) { object in
        WebhookAnswers.delivery(found.delivery, into: &object)
        object.add(
          "attempt_list", found.attempts.map { attempt in Part { WebhookAnswers.attempt(attempt, into: &$0) } })
      })
  }

  private func delivery(
    _ request: APIRequest
  ) async throws(Fault) -> (delivery: WebhookDelivery, attempts: [WebhookAttempt]) {
    let id = try RouteHandlers.id(request, missing: Self.missingDelivery)
    let found = try await Fault.asking { () async throws(StoreTrouble) in
      try await webhooks.delivery(id, deadline: RouteHandlers.deadline(request))
    }
    guard let found else { throw Self.missingDelivery }
    return found
  }

  private func redeliver(_ request: APIRequest) async throws(Fault) -> HTTPResponse {
    try request.query.requireOnly([])
    let id = try RouteHandlers.id(request, missing: Self.missingDelivery)
    try Fault.reading { () throws(RequestFault) in try EmptyRequest.require(request.body) }
    _ = try signing()
    let isQueued = try await Fault.asking { () async throws(StoreTrouble) in
      try await webhooks.redeliver(id, deadline: RouteHandlers.deadline(request))
    }
    let found = try await delivery(request)
    guard isQueued else { throw Self.notEnabled }
    // No attempts: who may pay need not read what receivers have answered.
    return .json(202, JSONWriter.object(reserving: 384) { WebhookAnswers.delivery(found.delivery, into: &$0) })
  }

  private func redeliverFailed(_ request: APIRequest) async throws(Fault) -> HTTPResponse {
    try request.query.requireOnly([])
    let since = try Fault.reading { () throws(RequestFault) in try WebhookRedelivery(request.body).since }
    let found = try await endpoint(request).endpoint
    guard found.state == .enabled else { throw Self.notEnabled }
    _ = try signing()
    let (count, hasMore) = try await Fault.asking { () async throws(StoreTrouble) in
      try await webhooks.redeliverFailed(of: found.id, since: since, deadline: RouteHandlers.deadline(request))
    }
    return .json(
      202,
      JSONWriter.object { object in
        object.add("redelivered", count)
        object.add("has_more", hasMore)
      })
  }
}

/// Deliveries as `/v1` shows them.
enum WebhookAnswers {
  static func delivery(_ delivery: WebhookDelivery, into object: inout JSONObjectWriter) {
    object.add("id", delivery.id)
    object.add("endpoint_id", delivery.endpointID)
    object.add("type", delivery.event.type)
    object.add("payment_id", delivery.event.paymentID)
    object.add("refund_id", delivery.event.refundID)
    object.add("version", delivery.event.standing.version)
    object.add("status", delivery.outcome.word)
    object.add("attempts", delivery.attempts)
    var (due, ended, failure): (Timestamp?, Timestamp?, String?)
    switch delivery.outcome {
    case .pending(let moment): due = moment
    case .delivered(let moment): ended = moment
    case .failed(let why, let moment): (ended, failure) = (moment, why.rawValue)
    }
    object.add("failure", failure)
    object.add("created_at", delivery.createdAt)
    object.add("due_at", due)
    object.add("ended_at", ended)
  }

  static func attempt(_ attempt: WebhookAttempt, into object: inout JSONObjectWriter) {
    object.add("number", attempt.number)
    object.add("at", attempt.at)
    object.add("ended_at", attempt.endedAt)
    object.add("status", attempt.status)
    object.add("error", attempt.error)
    object.add("answer", attempt.answer.isEmpty ? nil : String(decoding: attempt.answer, as: UTF8.self))
  }
}
