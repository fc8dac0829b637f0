package import Cards
internal import DirectDomain
package import GatewayDomain
internal import GatewayStore
package import HTTPServer
internal import LedgerStore
internal import Money
internal import ProcessingDomain
internal import Processor
package import SagaClient
internal import Tracing
internal import Values

/// `/v1/payments`.
package struct PaymentRoutes: Sendable {
  private let payments: any PaymentKeeping
  private let processor: any PaymentExecuting
  private let waiters: PaymentWaiters
  private let orders: OrderCheck
  private let accounts: any AccountKeeping
  private let customers: any CustomerKeeping
  private let rules: PaymentRequest.Rules
  private let fingerprintKeys: CardFingerprintKeys
  private let claimTimeout: Duration
  private let handlers: RouteHandlers

  static let missing = Fault(404, .paymentNotFound, "there is no such payment")
  static let path = "/v1/payments"

  /// - Parameters:
  ///   - saga: nil where payments of orders are refused.
  ///   - rules: what is added to requests.
  ///   - fingerprintKeys: by which risk knows cards again.
  ///   - claimTimeout: after which a stored card payment that nobody executes ends.
  package init(
    _ payments: any PaymentKeeping, processor: any PaymentExecuting, waiters: PaymentWaiters,
    accounts: any AccountKeeping, customers: any CustomerKeeping, saga: (any SagaAsking)?, rules: PaymentRequest.Rules,
    fingerprintKeys: CardFingerprintKeys, claimTimeout: Duration, handlers: RouteHandlers
  ) {
    self.payments = payments
    self.processor = processor
    self.waiters = waiters
    self.accounts = accounts
    self.customers = customers
    orders = OrderCheck(saga)
    self.rules = rules
    self.fingerprintKeys = fingerprintKeys
    self.claimTimeout = claimTimeout
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
    wait(for: taken.payment.paymentID, until: taken.deadline, at: place, exchange) { news in
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
    let place = wait > .zero ? try self.place() : nil
    let payment = try await take(request, key, call)
    return Taken(payment: payment, deadline: call.arrived + wait, place: place)
  }

  /// The answer to a request that was right when it came first: its card has expired since.
  private func repetition(
    _ call: APIRequest, _ key: RequestKey, of fault: RequestFault
  ) async throws(Fault) -> CreatedPayment {
    guard fault.code == .cardExpired,
      let request = try? PaymentRequest(call.body, rules: rules, now: .now(), allowsExpired: true),
      let earlier = try await replay(request, key, RouteHandlers.deadline(call))
    else { throw Fault(fault) }
    return earlier
  }

  private func replay(
    _ request: PaymentRequest, _ key: RequestKey, _ deadline: Instant
  ) async throws(Fault) -> CreatedPayment? {
    try await stored { () async throws(GatewayStoreError) in
      try await payments.replay(request, key: key, deadline: deadline)
    }
  }

  private func take(
    _ asked: PaymentRequest, _ key: RequestKey, _ call: APIRequest
  ) async throws(Fault) -> CreatedPayment {
    let deadline = RouteHandlers.deadline(call)
    let (request, place): (PaymentRequest, CardPlace?)
    do throws(Fault) {
      request = try await lookedUp(asked, deadline)
      place = try await prepare(request, deadline)
    } catch {
      // What is in the way of a new payment is in the way of no repetition.
      if let earlier = try await replay(asked, key, deadline) { return earlier }
      throw error
    }
    if let order = request.orderID {
      // The saga is asked about new payments only: an order that this key has paid is payable no more.
      if let earlier = try await replay(request, key, deadline) { return earlier }
      try await orders.require(order, request.amount, deadline: deadline)
    }
    let created: CreatedPayment
    do throws(GatewayStoreError) {
      created = try await payments.create(
        request, key: key, apiKeyID: call.caller.keyID, traceparent: call.traceparent, deadline: deadline)
    } catch {
      if error.code == .outcomeUnknown, let card = request.card, let place {
        submitWhenStored(card, of: request, key, at: place)
      }
      throw Fault(error)
    }
    if created.payment != nil, let card = request.card, let place { submit(card, of: request, created, at: place) }
    return created
  }

  private func submit(
    _ card: PaymentCard, of request: PaymentRequest, _ payment: CreatedPayment, at place: CardPlace
  ) {
    let fingerprints = card.allFingerprints(fingerprintKeys)
    processor.submit(
      CardPayment(PaymentTerms(payment.paymentID, request), card: card, fingerprints: fingerprints), at: place)
  }

  /// Keeps a card whose payment may have been stored, or yet be, until that is known: the call comes again without
  /// effect, so that the number would be lost. Whoever is given the same payment twice executes it once, and finds it
  /// ended where the sweep was quicker. The look-ups create nothing: a payment that is not there after all stays so.
  private func submitWhenStored(
    _ card: PaymentCard, of request: PaymentRequest, _ key: RequestKey, at place: CardPlace
  ) {
    Task { [self] in
      let end = Instant.now() + claimTimeout
      var backoff = Backoff()
      while Instant.now() < end {
        do throws(GatewayStoreError) {
          if let stored = try await payments.replay(request, key: key, deadline: end) {
            return submit(card, of: request, stored, at: place)
          }
        } catch {
          // The key belongs to another request: this one was not stored.
          if error.code == .keyReused { return }
        }
        try? await Task.sleep(for: backoff.nextDelay())
      }
    }
  }

  /// The request with what its payment method stands for. Somebody else's is as unknown as one that is not there.
  private func lookedUp(_ request: PaymentRequest, _ deadline: Instant) async throws(Fault) -> PaymentRequest {
    guard case .saved(let id) = request.source else { return request }
    let found = try await Fault.asking { () async throws(StoreTrouble) in
      try await customers.method(id, deadline: deadline)
    }
    guard let found, found.method.userID == request.userID else {
      throw Fault(
        422, .unknownPaymentMethod, "expected a payment method of the user", field: "method.payment_method_id")
    }
    return request.paid(with: found.method)
  }

  /// Looks whether a payment can be taken in, orders aside.
  /// - Returns: the place of its card.
  private func prepare(_ request: PaymentRequest, _ deadline: Instant) async throws(Fault) -> CardPlace? {
    if case .balance(let id) = request.source { try await requireAccount(id, request, deadline) }
    guard request.card != nil else { return nil }
    guard let place = processor.reserveCard() else {
      throw Fault(503, .cardQueueFull, "too many cards wait for the bank; nothing was done", retryAfter: 5)
    }
    return place
  }

  /// Somebody else's account is as unknown as one that is not there.
  private func requireAccount(_ id: UniqueID, _ request: PaymentRequest, _ deadline: Instant) async throws(Fault) {
    let account = try await Fault.asking { () async throws(StoreTrouble) in
      try await accounts.find(id, before: nil, deadline: deadline)
    }
    guard let account, account.owner == request.userID else {
      throw Fault(422, .unknownAccount, "expected an account of the user", field: "method.account_id")
    }
    guard account.currency == request.amount.currency else {
      throw Fault(422, .currencyDiffers, "the account has another currency", field: "currency")
    }
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
    let id = try RouteHandlers.id(request, missing: Self.missing)
    let wait = try WaitTime.parse(request.query)
    guard wait > .zero else {
      exchange.respond(Self.one(try await payment(id, request)))
      return
    }
    self.wait(for: id, until: request.arrived + wait, at: try place(), exchange) { news in
      switch news {
      case .row(let payment): Self.one(payment)
      case .missing: Self.missing.response
      case .trouble(let error): handlers.response(Fault(error))
      case .left: nil
      }
    }
  }

  private static func one(_ payment: GatewayPayment) -> HTTPResponse { .json(200, payment.json()) }

  private func payment(_ id: UniqueID, _ request: APIRequest) async throws(Fault) -> GatewayPayment {
    let found = try await stored { () async throws(GatewayStoreError) in
      try await payments.payment(id, deadline: RouteHandlers.deadline(request))
    }
    guard let found else { throw Self.missing }
    return found
  }

  // MARK: - Waiting

  private func place() throws(Fault) -> WaiterPlace {
    guard let place = waiters.takePlace() else { throw .tooManyWaiters }
    return place
  }

  /// - Parameter response: of the news; nil where nobody is left to be answered.
  private func wait(
    for payment: UniqueID, until deadline: Instant, at place: WaiterPlace, _ exchange: HTTPExchange,
    _ response: @escaping @Sendable (PaymentWaiters.News) -> HTTPResponse?
  ) {
    let ticket = waiters.wait(for: payment, until: deadline, at: place) { news in
      if let response = response(news) { exchange.respond(response) } else { exchange.breakOff() }
    }
    exchange.whenInterrupted { [waiters] reason in
      if reason == .serverStops { waiters.drain() } else { waiters.leave(ticket) }
    }
  }

  // MARK: - Lists

  private func list(_ request: APIRequest) async throws(Fault) -> HTTPResponse {
    let filter = try Fault.reading { () throws(RequestFault) in
      try PaymentFilter(request.query.items.map { ($0.name, $0.value) })
    }
    let page = try await stored { () async throws(GatewayStoreError) in
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
    let payment = try await payment(try RouteHandlers.id(request, missing: Self.missing), request)
    let answer = await processor.cancel(PaymentTerms(payment), deadline: RouteHandlers.deadline(request))
    return try Self.answered(answer, payment)
  }

  private func review(_ request: APIRequest) async throws(Fault) -> HTTPResponse {
    try request.query.requireOnly([])
    let wanted = try Fault.reading { () throws(RequestFault) in try ReviewRequest(request.body) }
    let payment = try await payment(try RouteHandlers.id(request, missing: Self.missing), request)
    let answer = await processor.review(
      payment.id, approves: wanted.approves, by: request.caller.name, deadline: RouteHandlers.deadline(request))
    return try Self.answered(answer, payment)
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

  private func stored<Value>(
    _ body: () async throws(GatewayStoreError) -> Value
  ) async throws(Fault) -> Value {
    do throws(GatewayStoreError) {
      return try await body()
    } catch {
      throw Fault(error)
    }
  }
}

/// A value that is JSON already.
private struct RawJSON: JSONRepresentable {
  let bytes: [UInt8]

  func appendJSON(to target: inout [UInt8]) { target += bytes }
}
