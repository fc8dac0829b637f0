package import Cards
package import GatewayDomain
package import GatewayStore
package import HTTPServer
internal import LedgerStore
internal import Money
internal import Processor
package import SagaClient
internal import Tracing
package import Values

/// Who asks for a payment, and under which key.
package struct PaymentCall: Sendable {
  /// The payment has one effect however often it is asked for under it.
  package let key: RequestKey
  /// The caller's API key; nil where callers have none.
  package let apiKeyID: UniqueID?
  /// The W3C trace that the call belongs to.
  package let traceparent: String?
  /// When the call must be over.
  package let deadline: Instant

  /// A call under a key of its own making.
  /// - Parameter apiKeyID: the caller's API key; nil where callers have none.
  package init(key: RequestKey, apiKeyID: UniqueID?, traceparent: String?, deadline: Instant) {
    self.key = key
    self.apiKeyID = apiKeyID
    self.traceparent = traceparent
    self.deadline = deadline
  }

  /// A call of a surface whose callers have no API keys, and need no `Idempotency-Key`: each call without one has a key
  /// of its own.
  /// - Parameter route: method and path as the router has them, after the surface's name.
  /// - Throws: 400 for a key that is none.
  package init(_ request: HTTPRequest, of route: String) throws(Fault) {
    let text = try IdempotencyKeyHeader.optional(request.headers) ?? UniqueID.random().description
    key = RequestKey(apiKeyID: nil, route: route, text: text)
    apiKeyID = nil
    traceparent = request.trace?.traceparent
    deadline = request.arrived + RouteHandlers.callTime
  }

  init(_ request: APIRequest, _ key: RequestKey) {
    self.key = key
    apiKeyID = request.caller.keyID
    traceparent = request.traceparent
    deadline = RouteHandlers.deadline(request)
  }
}

/// What callers do with payments, whatever surface they use: taking one in, looking at it, waiting for it. Callable on
/// any thread.
package struct PaymentDesk: Sendable {
  private let payments: any PaymentKeeping
  private let processor: any PaymentExecuting
  private let waiters: PaymentWaiters
  private let orders: OrderCheck
  private let accounts: any AccountKeeping
  private let customers: any CustomerKeeping
  private let fingerprintKeys: CardFingerprintKeys
  private let claimTimeout: Duration

  /// There is no such payment.
  package static let missing = Fault(404, .paymentNotFound, "there is no such payment")

  /// - Parameters:
  ///   - saga: nil where payments of orders are refused.
  ///   - fingerprintKeys: by which risk knows cards again.
  ///   - claimTimeout: after which a stored card payment that nobody executes ends.
  package init(
    _ payments: any PaymentKeeping, processor: any PaymentExecuting, waiters: PaymentWaiters,
    accounts: any AccountKeeping, customers: any CustomerKeeping, saga: (any SagaAsking)?,
    fingerprintKeys: CardFingerprintKeys, claimTimeout: Duration
  ) {
    self.payments = payments
    self.processor = processor
    self.waiters = waiters
    self.accounts = accounts
    self.customers = customers
    orders = OrderCheck(saga)
    self.fingerprintKeys = fingerprintKeys
    self.claimTimeout = claimTimeout
  }

  // MARK: - Taking in

  /// Takes a payment in, or finds the one that an earlier call with the key has made. A card is executed here.
  /// - Throws: why it is refused; then nothing is kept, unless the code is `outcome_unknown`.
  package func take(_ asked: PaymentRequest, _ call: PaymentCall) async throws(Fault) -> CreatedPayment {
    let (request, place): (PaymentRequest, CardPlace?)
    do throws(Fault) {
      request = try await lookedUp(asked, call.deadline)
      place = try await prepare(request, call.deadline)
    } catch {
      // What is in the way of a new payment is in the way of no repetition.
      if let earlier = try await replay(asked, call) { return earlier }
      throw error
    }
    if let order = request.orderID {
      // The saga is asked about new payments only: an order that this key has paid is payable no more.
      if let earlier = try await replay(request, call) { return earlier }
      let trace = call.traceparent.flatMap { TraceContext(traceparent: $0) }
      try await orders.require(order, request.amount, trace: trace, deadline: call.deadline)
    }
    let created: CreatedPayment
    do throws(GatewayStoreError) {
      created = try await payments.create(
        request, key: call.key, apiKeyID: call.apiKeyID, traceparent: call.traceparent, deadline: call.deadline)
    } catch {
      if error.code == .outcomeUnknown, let card = request.card, let place {
        submitWhenStored(card, of: request, call.key, at: place)
      }
      throw Fault(error)
    }
    if created.payment != nil, let card = request.card, let place { submit(card, of: request, created, at: place) }
    return created
  }

  /// What an earlier call with the key has made; nil when there was none. Reads only.
  package func replay(_ request: PaymentRequest, _ call: PaymentCall) async throws(Fault) -> CreatedPayment? {
    try await Fault.storing { () async throws(GatewayStoreError) in
      try await payments.replay(request, key: call.key, deadline: call.deadline)
    }
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

  // MARK: - Looking

  /// A payment.
  /// - Throws: 404 where there is none.
  package func payment(_ id: UniqueID, deadline: Instant) async throws(Fault) -> GatewayPayment {
    let found = try await Fault.storing { () async throws(GatewayStoreError) in
      try await payments.payment(id, deadline: deadline)
    }
    guard let found else { throw Self.missing }
    return found
  }

  /// A place among those that wait, to be taken before anything is done for the call.
  /// - Throws: 503 when as many wait as there may.
  package func takePlace(for peer: WaitingPeer) throws(Fault) -> WaiterPlace { try waiters.takePlace(for: peer) }

  /// Answers once a payment is final, or its newest state once the time is up.
  /// - Parameter response: of the news; nil where nobody is left to be answered. Called once, on any thread; must not
  ///   block.
  package func wait(
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
}
