internal import DirectDomain
package import GatewayDomain
internal import GatewayStore
package import HTTPServer
internal import LedgerStore
internal import Money
internal import ProcessingDomain
internal import Processor
internal import Tracing
internal import Values

/// `/v1/payments`.
package struct PaymentRoutes: Sendable {
  private let payments: any PaymentKeeping
  private let processor: any PaymentExecuting
  private let desk: PaymentDesk
  private let rules: PaymentRequest.Rules
  private let handlers: RouteHandlers

  static let path = "/v1/payments"

  /// - Parameters:
  ///   - desk: takes payments in, and shows them.
  ///   - rules: what is added to requests.
  package init(
    _ payments: any PaymentKeeping, processor: any PaymentExecuting, desk: PaymentDesk, rules: PaymentRequest.Rules,
    handlers: RouteHandlers
  ) {
    self.payments = payments
    self.processor = processor
    self.desk = desk
    self.rules = rules
    self.handlers = handlers
  }

  /// Adds the calls.
  package func add(to router: inout HTTPRouter) {
    let (types, one) = (["application/json"], "\(Self.path)/{id}")
    let (time, longTime) = (RouteHandlers.answerTime, RouteHandlers.longAnswerTime)
    router.add(.post, Self.path, contentTypes: types, answerTime: longTime, handler: handlers.run(.pay, create))
    router.add(.get, Self.path, answerTime: time, handler: handlers.answer(.read, list))
    router.add(.get, one, answerTime: longTime, handler: handlers.run(.read, find))
    router.add(.post, "\(one)/cancel", maxBody: 1_024, answerTime: time, handler: handlers.answer(.pay, cancel))
    router.add(
      .post, "\(one)/review", contentTypes: types, answerTime: time, handler: handlers.answer(.review, review))
  }

  // MARK: - POST /v1/payments

  /// A payment that was asked for, and how long the caller wants to wait for its end.
  private struct Taken {
    let payment: CreatedPayment
    let deadline: Instant
    /// A place among those that wait; nil for who does not.
    let place: WaiterPlace?
  }

  private func create(_ request: APIRequest, _ exchange: HTTPExchange) async throws(Fault) {
    let taken = try await take(request)
    let created = Self.created(taken.payment)
    guard let place = taken.place else {
      exchange.respond(created)
      return
    }
    // Of those that wait there may be many.
    exchange.releaseBody()
    // From here on the payment is there, whatever becomes of the wait.
    desk.wait(for: taken.payment.paymentID, until: taken.deadline, at: place, exchange) { news in
      if case .row(let payment) = news { Self.updated(created, payment) } else { created }
    }
  }

  /// Takes a payment in. Whatever may be missing is looked for before: room for the wait and for the card.
  private func take(_ call: APIRequest) async throws(Fault) -> Taken {
    defer { call.body.zeroInPlace() }
    try call.query.requireOnly(["wait"])
    let wait = try WaitTime.parse(call.query)
    let key = try call.requiredKey(of: "POST \(Self.path)")
    let request: PaymentRequest
    do throws(RequestFault) {
      request = try PaymentRequest(call.body, rules: rules, now: .now())
    } catch {
      let payment = try await repetition(call, key, of: error)
      return Taken(payment: payment, deadline: call.arrived, place: nil)
    }
    let place = wait > .zero ? try desk.takePlace(for: call.waitingPeer) : nil
    let payment = try await desk.take(request, PaymentCall(call, key))
    return Taken(payment: payment, deadline: call.arrived + wait, place: place)
  }

  /// The answer to a request that was right when it came first: its card has expired since.
  private func repetition(
    _ call: APIRequest, _ key: RequestKey, of fault: RequestFault
  ) async throws(Fault) -> CreatedPayment {
    guard fault.code == .cardExpired,
      let request = try? PaymentRequest(call.body, rules: rules, now: .now(), allowsExpired: true),
      let earlier = try await desk.replay(request, PaymentCall(call, key))
    else { throw Fault(fault) }
    return earlier
  }

  private static func created(_ payment: CreatedPayment) -> HTTPResponse {
    var response = HTTPResponse.json(201, payment.body)
    response.add("Location", "\(path)/\(payment.paymentID)")
    if payment.isReplay { response.add(IdempotencyKeyHeader.replayed, "true") }
    return response
  }

  private static func updated(_ created: HTTPResponse, _ payment: GatewayPayment) -> HTTPResponse {
    var response = created
    response.body = payment.json()
    return response
  }

  // MARK: - GET /v1/payments/{id}

  private func find(_ request: APIRequest, _ exchange: HTTPExchange) async throws(Fault) {
    try request.query.requireOnly(["wait"])
    let id = try RouteHandlers.id(request, missing: PaymentDesk.missing)
    let wait = try WaitTime.parse(request.query)
    guard wait > .zero else {
      exchange.respond(Self.one(try await desk.payment(id, deadline: RouteHandlers.deadline(request))))
      return
    }
    let place = try desk.takePlace(for: request.waitingPeer)
    desk.wait(for: id, until: request.arrived + wait, at: place, exchange) { [handlers] news in
      switch news {
      case .row(let payment): Self.one(payment)
      case .missing: PaymentDesk.missing.response
      case .trouble(let error): handlers.response(Fault(error))
      case .left: nil
      }
    }
  }

  private static func one(_ payment: GatewayPayment) -> HTTPResponse { .json(200, payment.json()) }

  // MARK: - Lists

  private func list(_ request: APIRequest) async throws(Fault) -> HTTPResponse {
    let filter = try Fault.reading { () throws(RequestFault) in
      try PaymentFilter(request.query.items.map { ($0.name, $0.value) })
    }
    let page = try await Fault.storing { () async throws(GatewayStoreError) in
      try await payments.list(filter, deadline: RouteHandlers.deadline(request))
    }
    // One row that cannot be read keeps nobody from the others.
    for error in page.unreadable { _ = handlers.response(Fault(error)) }
    return .json(200, Self.page(page))
  }

  /// The bytes after which a page ends, whatever was asked for: answers wait in memory for callers that read slowly.
  private static let pageBytes = 131_072

  private static func page(_ page: PaymentPage) -> [UInt8] {
    var shown: [RawJSON] = []
    var size = 0
    for payment in page.payments where size < pageBytes {
      shown.append(RawJSON(bytes: payment.json()))
      size += shown[shown.count - 1].bytes.count
    }
    let next = shown.count < page.payments.count ? PaymentCursor(page.payments[shown.count - 1].id) : page.next
    return JSONWriter.object(reserving: size + shown.count + 128) { object in
      object.add("data", shown)
      object.add("has_more", next != nil)
      object.add("next", next?.text)
    }
  }

  // MARK: - What people do

  private func cancel(_ request: APIRequest) async throws(Fault) -> HTTPResponse {
    try request.query.requireOnly([])
    try Fault.reading { () throws(RequestFault) in try EmptyRequest.require(request.body) }
    let payment = try await payment(request)
    let answer = await processor.cancel(
      PaymentTerms(payment), by: request.requester, deadline: RouteHandlers.deadline(request))
    return try Self.answered(answer, payment)
  }

  private func review(_ request: APIRequest) async throws(Fault) -> HTTPResponse {
    try request.query.requireOnly([])
    let wanted = try Fault.reading { () throws(RequestFault) in try ReviewRequest(request.body) }
    let payment = try await payment(request)
    let answer = await processor.review(
      payment.id, approves: wanted.approves, by: request.caller.name, deadline: RouteHandlers.deadline(request))
    return try Self.answered(answer, payment)
  }

  /// The payment in the path.
  private func payment(_ request: APIRequest) async throws(Fault) -> GatewayPayment {
    try await desk.payment(
      try RouteHandlers.id(request, missing: PaymentDesk.missing), deadline: RouteHandlers.deadline(request))
  }

  /// The payment as the processor left it, which the gateway's own row may say a moment later.
  private static func answered(_ answer: PaymentAnswer, _ payment: GatewayPayment) throws(Fault) -> HTTPResponse {
    switch answer {
    case .done(let processed):
      var payment = payment
      if processed.version > payment.standing.version {
        payment.standing = PaymentStanding(
          state: processed.state, reason: processed.reason, version: processed.version, since: .now())
      }
      return one(payment)
    case .refused(let refusal): throw Fault(409, code: refusal.rawValue, words(refusal))
    // The processor has not heard of it yet.
    case .missing: throw Fault(409, code: StepRefusal.notInReview.rawValue, words(.notInReview))
    case .faulty(let text): throw Fault(.faulty(text))
    case .unavailable(let mayHaveHappened): throw Fault(mayHaveHappened ? .outcomeUnknown : .unavailable)
    }
  }

  private static func words(_ refusal: StepRefusal) -> String {
    switch refusal {
    case .bankAlreadyAsked: "the bank has been asked already"
    case .alreadyFinal: "the payment is final"
    case .notInReview: "the payment does not wait for a review"
    }
  }
}

/// A value that is JSON already.
private struct RawJSON: JSONRepresentable {
  let bytes: [UInt8]

  func appendJSON(to target: inout [UInt8]) { target += bytes }
}
