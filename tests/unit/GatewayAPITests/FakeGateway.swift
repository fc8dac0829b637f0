import Cards
import DirectDomain
import GatewayDomain
import HTTPClient
import LedgerDomain
import Logger
import Metrics
import Money
import ProcessingDomain
import ProcessingStore
import Runtime
import SagaClient
import Tracing
import Values

@testable import GatewayAPI
@testable import GatewayStore
@testable import HTTPServer
@testable import LedgerStore
@testable import ProcessingStore
@testable import Processor

/// `/v1` over stores in memory, and a caller.
final class FakeGateway: Sendable {
  let payments = FakePayments()
  let processor = FakeProcessor()
  let accounts = FakeAccounts()
  let saga = FakeSaga()
  let refunds = FakeRefunds()
  let places: WaiterPlaces
  let waiters: PaymentWaiters
  let limiter = FakeLimiter()
  let customers = FakeCustomers()
  let webhooks = FakeWebhooks()
  let refundWaiters: RefundWaiters
  let feed: LiveFeed
  let server: HTTPServer
  /// How many calls there are.
  let routeCount: Int
  private let handlers: RouteHandlers
  private let client = HTTPClient(HTTPClientConfiguration(userAgent: "tests"))

  init(
    maxWaiters: Int = 10, maxPeerWaiters: Int = 10, hasSaga: Bool = true, hasWebhooks: Bool = true,
    keys known: FakeKeys? = nil, capacity: Int = 128 << 10
  ) throws {
    places = WaiterPlaces(.init(all: maxWaiters, perPeer: maxPeerWaiters), metrics: MetricsRegistry())
    waiters = PaymentWaiters(at: places, metrics: MetricsRegistry(), isFinal: \.standing.state.isFinal) {
      [payments] in payments.load($0)
    }
    refundWaiters = RefundWaiters(at: places, metrics: MetricsRegistry(), isFinal: \.stored.payment.state.isFinal) {
      [refunds] in refunds.load($0)
    }
    let keys = try CardFingerprintKeys("test:" + String(repeating: "abcd", count: 16))
    let rules = PaymentRequest.Rules(merchant: UniqueID(high: 7, low: 7))
    let logger = Logger(label: "test", level: .error)
    handlers = RouteHandlers(APIAccess(keys: known, limiter: limiter, metrics: MetricsRegistry()), logger: logger)
    feed = LiveFeed(
      at: places, payments, handlers: handlers, metrics: MetricsRegistry(), capacity: capacity)
    var router = HTTPRouter()
    let desk = PaymentDesk(
      payments, processor: processor, waiters: waiters, accounts: accounts, customers: customers,
      saga: hasSaga ? saga : nil, fingerprintKeys: keys, claimTimeout: .seconds(30))
    PaymentRoutes(payments, processor: processor, desk: desk, rules: rules, handlers: handlers).add(to: &router)
    HistoryRoutes(payments, accounts, webhooks, handlers: handlers).add(to: &router)
    RefundRoutes(payments, processor: refunds, refunds: refunds, waiters: refundWaiters, handlers: handlers)
      .add(to: &router)
    AccountRoutes(accounts, handlers: handlers).add(to: &router)
    CustomerRoutes(customers, handlers: handlers).add(to: &router)
    LiveRoutes(feed, handlers: handlers).add(to: &router)
    WebhookRoutes(
      webhooks, secrets: hasWebhooks ? WebhookSecrets(keys) : nil, rules: WebhookRules(allowsPrivate: false),
      handlers: handlers
    ).add(to: &router)
    routeCount = router.routes.count
    server = HTTPServer(
      HTTPServerConfiguration(address: NetworkAddress(host: "127.0.0.1", port: 0), surface: "test"), router: router,
      logger: logger, metrics: MetricsRegistry())
    waiters.start()
    refundWaiters.start()
    feed.start()
    handlers.start()
    try server.start()
  }

  /// Stops what is started; `body` may have stopped the server before.
  static func with(
    maxWaiters: Int = 10, maxPeerWaiters: Int = 10, hasSaga: Bool = true, hasWebhooks: Bool = true,
    keys: FakeKeys? = nil, capacity: Int = 128 << 10, _ body: (FakeGateway) async throws -> Void
  ) async throws {
    let gateway = try FakeGateway(
      maxWaiters: maxWaiters, maxPeerWaiters: maxPeerWaiters, hasSaga: hasSaga, hasWebhooks: hasWebhooks, keys: keys,
      capacity: capacity)
    defer { gateway.end() }
    try await body(gateway)
  }

  private func end() {
    server.stop(until: .now())
    handlers.stop(until: .now())
    waiters.stop(until: .now())
    refundWaiters.stop(until: .now())
    feed.stop(until: .now())
    client.stop()
  }

  struct Answer {
    let status: Int
    let body: String
    private let headers: [(name: String, value: String)]

    init(_ response: HTTPClientResponse) {
      status = response.status
      body = String(decoding: response.body, as: UTF8.self)
      headers = response.headers
    }

    func header(_ name: String) -> String? { headers.first { $0.name.lowercased() == name.lowercased() }?.value }
    /// The value of a field that is a string.
    func text(_ field: String) -> String? {
      body.split(separator: "\"\(field)\":\"").dropFirst().first.map { String($0.prefix { $0 != "\"" }) }
    }
  }

  func send(
    _ method: String, _ path: String, _ body: String? = nil, key: String? = "k", authorization: [String] = [],
    lastEventID: String? = nil, operatorName: String? = nil
  ) async throws -> Answer {
    var headers = [(name: "Content-Type", value: "application/json")]
    if let key { headers.append(("Idempotency-Key", key)) }
    headers += authorization.map { ("Authorization", $0) }
    if let lastEventID { headers.append(("Last-Event-ID", lastEventID)) }
    if let operatorName { headers.append(("Paysaga-Operator", operatorName)) }
    let request = HTTPClientRequest(
      method, "http://127.0.0.1:\(server.boundPort ?? 0)\(path)", headers: headers, body: body.map { Array($0.utf8) },
      timeout: .seconds(20), maximumResponse: 1_000_000)
    return Answer(
      try await withCheckedContinuation { continuation in client.send(request) { continuation.resume(returning: $0) } }
        .get())
  }

  static let user = UniqueID(high: 1, low: 1)
  static func key(_ text: String) -> RequestKey { RequestKey(apiKeyID: nil, route: "POST /v1/payments", text: text) }
  static let cardMethod =
    #"{"type":"card","card":{"number":"4242424242424242","exp_month":12,"exp_year":2030,"cvv":"123"}}"#

  static func body(
    _ method: String = #"{"type":"account","number":"123456789"}"#, amount: Int = 1999, order: Int? = nil
  ) -> String {
    let order = order.map { ",\"order_id\":\($0)" } ?? ""
    return #"{"user_id":"\#(user)","method":\#(method),"amount":\#(amount),"currency":"EUR"\#(order)}"#
  }
}

/// Payments in memory.
final class FakePayments: PaymentKeeping, LiveReads {
  struct State {
    var rows: [UniqueID: GatewayPayment] = [:]
    var kept: [RequestKey: CreatedPayment] = [:]
    var failure: GatewayStoreError?
    var reads = 0
    var pageReads = 0
    var unreadable: Set<UniqueID> = []
    /// Whether payments are stored and their callers are not told.
    var losesAnswers = false
    /// How many looks at keys find nothing yet.
    var blindLooks = 0
    var looks = 0
  }
  let state = Monitor(State())
  static let fault = GatewayStoreError(.internal, "the row cannot be read")

  private func failing() throws(GatewayStoreError) {
    if let failure = state.withLock({ $0.failure }) { throw failure }
  }

  func replay(
    _ request: PaymentRequest, key: RequestKey, deadline: Instant
  ) async throws(GatewayStoreError) -> CreatedPayment? {
    try failing()
    return state.update { state in
      state.looks += 1
      return state.looks > state.blindLooks ? state.kept[key] : nil
    }
  }

  func create(
    _ request: PaymentRequest, key: RequestKey, apiKeyID: UniqueID?, traceparent: String?, deadline: Instant
  ) async throws(GatewayStoreError) -> CreatedPayment {
    try failing()
    let created = state.update { state in
      if let kept = state.kept[key] { return kept }
      let payment = GatewayPayment(request, apiKeyID: apiKeyID, at: .now())
      state.rows[payment.id] = payment
      state.kept[key] = CreatedPayment(body: payment.json(), paymentID: payment.id, payment: nil)
      return CreatedPayment(body: payment.json(), paymentID: payment.id, payment: payment)
    }
    if !created.isReplay, state.withLock({ $0.losesAnswers }) { throw GatewayStoreError(.outcomeUnknown, "") }
    return created
  }

  func payment(_ id: UniqueID, deadline: Instant) async throws(GatewayStoreError) -> GatewayPayment? {
    try failing()
    return state.withLock { $0.rows[id] }
  }

  func history(_ id: UniqueID, deadline: Instant) async throws(GatewayStoreError) -> [PaymentStanding] {
    state.withLock { $0.rows[id].map { [$0.standing] } ?? [] }
  }

  func list(_ filter: PaymentFilter, deadline: Instant) async throws(GatewayStoreError) -> PaymentPage {
    let all = state.withLock { $0.rows.values.sorted { $1.id < $0.id } }
    let page = Array(all.prefix(filter.limit))
    return PaymentPage(payments: page, next: all.count > page.count ? page.last.map { PaymentCursor($0.id) } : nil)
  }

  func load(_ ids: [UniqueID]) -> Result<FoundPayments, GatewayStoreError> {
    state.update { state in
      state.reads += 1
      if let failure = state.failure { return .failure(failure) }
      var found: FoundPayments = [:]
      for id in ids { found[id] = state.rows[id].map { .success($0) } }
      for id in state.unreadable where found[id] != nil { found[id] = .failure(Self.fault) }
      return .success(found)
    }
  }

  func pages(_ wanted: [UserPages.Wanted]) -> Result<[UserPages.Page], GatewayStoreError> {
    state.update { state in
      state.reads += 1
      state.pageReads += 1
      if let failure = state.failure { return .failure(failure) }
      return .success(
        wanted.map { wanted in
          let payments = state.rows.values.filter { row in
            let from = wanted.start ?? wanted.from ?? row.id
            let isWanted = row.id >= from || wanted.open.contains(row.id) || row.standing.since >= from.moment
            return isWanted && row.id >= wanted.from ?? row.id && wanted.user.map { row.userID == $0 } ?? true
          }
          return UserPages.Page(payments.sorted { $0.id < $1.id }, next: nil)
        })
    }
  }

  func complete(_ id: UniqueID) {
    state.update { state in
      state.rows[id]?.standing = PaymentStanding(state: .completed, reason: nil, version: 3, since: .now())
    }
  }

  /// Waits until `look` gives something. Does not block: the calls under test run on the same threads.
  func await<Value: Sendable>(_ look: @Sendable (State) -> Value?) async throws -> Value? {
    let deadline = Instant.now() + .seconds(60)
    while Instant.now() < deadline {
      if let value = state.withLock({ look($0) }) { return value }
      try await Task.sleep(for: .milliseconds(1))
    }
    return nil
  }
}

/// Takes cards, and answers what it is told to.
final class FakeProcessor: PaymentExecuting {
  struct State {
    var room = 1
    var cards: [CardPayment] = []
    var answer = PaymentAnswer.unavailable(mayHaveHappened: false)
    /// Who has reviewed.
    var reviewers: [String] = []
    /// Who has asked for cancels.
    var cancellers: [String?] = []
  }
  let state = Monitor(State())

  func reserveCard() -> CardPlace? {
    state.update { state in
      guard state.room > 0 else { return nil }
      state.room -= 1
      return CardPlace { [weak self] in self?.state.update { $0.room += 1 } }
    }
  }

  func submit(_ payment: CardPayment, at place: CardPlace) { state.update { $0.cards.append(payment) } }

  func cancel(_ terms: PaymentTerms, by requester: String?, deadline: Instant) async -> PaymentAnswer {
    state.update { state in
      state.cancellers.append(requester)
      return state.answer
    }
  }

  func review(_ id: UniqueID, approves: Bool, by person: String, deadline: Instant) async -> PaymentAnswer {
    state.update { state in
      state.reviewers.append(person)
      return state.answer
    }
  }
}

/// Keys that tests have made.
final class FakeKeys: APIKeyKnowing {
  struct State {
    var entries: [APIKeyBook.Entry] = []
    var isStale = false
  }
  let state = Monitor(State())

  /// - Returns: what a caller shows.
  func make(_ scopes: Set<APIKeyScope>, name: String = "shop", rate: Int? = nil) -> (key: APIKey, bearer: String) {
    let secret = APIKeySecret.random()
    let key = APIKey(
      id: .random(), name: name, scopes: scopes, rate: rate, createdAt: .now(), expiresAt: nil, revokedAt: nil)
    state.update { $0.entries.append(APIKeyBook.Entry(secret.digest, key, until: nil)) }
    return (key, "Bearer \(secret.text)")
  }

  func verdict(_ digest: APIKeyDigest) -> APIKeyBook.Verdict {
    let state = state.withLock { $0 }
    return state.isStale ? .stale : APIKeyBook(state.entries, readAt: .now()).verdict(digest, at: .now())
  }
}

/// Users and payment methods in memory.
final class FakeCustomers: CustomerKeeping {
  struct State {
    var users: [UniqueID: GatewayUser] = [:]
    var methods: [UniqueID: SavedMethod] = [:]
  }
  let state = Monitor(State())
  static let moment = Timestamp(microseconds: 0)

  private static func add<Value: Equatable>(_ value: Value, at place: inout Value?) -> CustomerStore.Added {
    if let there = place { return there == value ? .same(since: moment) : .differs }
    place = value
    return .new(at: moment)
  }

  func add(_ user: GatewayUser, deadline: Instant) async throws(StoreTrouble) -> CustomerStore.Added {
    state.update { Self.add(user, at: &$0.users[user.id]) }
  }

  func user(_ id: UniqueID, deadline: Instant) async throws(StoreTrouble) -> (user: GatewayUser, createdAt: Timestamp)?
  {
    state.withLock { $0.users[id] }.map { ($0, Self.moment) }
  }

  func users(
    _ filter: OwnedFilter, deadline: Instant
  ) async throws(StoreTrouble) -> [(user: GatewayUser, createdAt: Timestamp)] {
    let users = state.withLock { $0.users.values.sorted { $0.id < $1.id } }
    let wanted = users.filter { user in
      (filter.after.map { user.id > $0.id } ?? true) && (filter.externalID.map { $0 == user.externalID } ?? true)
    }
    return wanted.prefix(filter.limit + 1).map { ($0, Self.moment) }
  }

  func add(_ method: SavedMethod, deadline: Instant) async throws(StoreTrouble) -> CustomerStore.Added {
    state.update { Self.add(method, at: &$0.methods[method.id]) }
  }

  func method(
    _ id: UniqueID, deadline: Instant
  ) async throws(StoreTrouble) -> (method: SavedMethod, createdAt: Timestamp)? {
    state.withLock { $0.methods[id] }.map { ($0, Self.moment) }
  }

  func methods(
    _ filter: OwnedFilter, deadline: Instant
  ) async throws(StoreTrouble) -> [(method: SavedMethod, createdAt: Timestamp)] {
    let methods = state.withLock { $0.methods.values.sorted { $0.id < $1.id } }
    return methods.filter { $0.userID == filter.userID }.prefix(filter.limit + 1).map { ($0, Self.moment) }
  }

  func deleteMethod(_ id: UniqueID, deadline: Instant) async throws(StoreTrouble) -> Bool {
    state.update { $0.methods.removeValue(forKey: id) } != nil
  }
}

/// Grants what it is told to, and remembers who has asked.
final class FakeLimiter: CallLimiting {
  struct State {
    var grant = RateGrant(granted: 1, remaining: 1, wait: .zero)
    var asked: [UniqueID] = []
  }
  let state = Monitor(State())

  func take(_ key: UniqueID, rate: Int) async -> RateGrant {
    state.update { state in
      state.asked.append(key)
      return state.grant
    }
  }
}

/// Refunds in memory, of any payment that there is.
final class FakeRefunds: RefundExecuting, RefundKeeping {
  struct State {
    var rows: [UniqueID: StoredRefund] = [:]
    var answer: RefundAnswer?
  }
  let state = Monitor(State())

  func refund(_ wish: NewRefund, deadline: Instant) async -> RefundAnswer {
    state.update { state in
      if let answer = state.answer { return answer }
      if let known = state.rows[wish.order.id] {
        let isSame = known.note == wish.note && known.stored.payment.refundOf == wish.order.origin.payment
        return isSame ? .done(known, isRepetition: true) : .differs
      }
      let refund = Self.row(wish)
      state.rows[wish.order.id] = refund
      return .done(refund, isRepetition: false)
    }
  }

  private static func row(_ wish: NewRefund) -> StoredRefund {
    let ids = (1...4).map { UniqueID(high: 5, low: $0) }
    let amount = Money(minorUnits: wish.order.amount ?? 1_999, Currency("EUR")!)
    let now = Timestamp(microseconds: 1_000_000)
    let payment = ProcessedPayment(
      wish.order.id, .account, amount, ids[0], ids[1], now, .processing, .ready, refund: wish.order.origin)
    return StoredRefund(
      stored: StoredPayment(payment: payment, userID: ids[2], payeeID: ids[3], source: nil, orderID: nil),
      note: wish.note, takesRest: wish.order.amount == nil, updatedAt: now)
  }

  func list(of payment: UniqueID, deadline: Instant) async throws(StoreTrouble) -> [StoredRefund] {
    state.withLock { $0.rows.values.filter { $0.stored.payment.refundOf == payment } }
  }

  func load(_ ids: [UniqueID]) -> Result<RefundWaiters.Found, StoreTrouble> {
    .success(state.withLock { state in state.rows.filter { ids.contains($0.key) }.mapValues { .success($0) } })
  }

  /// The bank has given the money back.
  func complete(_ id: UniqueID) {
    state.update { state in
      state.rows[id]?.stored.payment.state = .completed
      state.rows[id]?.stored.payment.version = 3
    }
  }
}

/// One account, with money, and what the bank was asked about every payment.
final class FakeAccounts: AccountKeeping, TrailKeeping {
  let account = Account(
    id: UniqueID(high: 3, low: 3), kind: .user, owner: FakeGateway.user, currency: Currency("EUR")!,
    balance: Balance(posted: 100), openedAt: Timestamp(microseconds: 0))
  let moved = Monitor<[UniqueID: ExternalMovement]>([:])
  let isAway = Monitor(false)

  func open(
    owner: UniqueID, _ currency: Currency, deadline: Instant
  ) async throws(StoreTrouble) -> (account: Account, isNew: Bool) { (account, false) }

  func find(
    _ id: UniqueID, before moment: Timestamp?, deadline: Instant
  ) async throws(StoreTrouble) -> Account? {
    if isAway.withLock(\.self) { throw .unavailable }
    guard id == account.id else { return nil }
    guard moment != nil else { return account }
    return Account(
      id: id, kind: .user, owner: account.owner, currency: account.currency, balance: Balance(posted: 7),
      openedAt: account.openedAt)
  }

  func list(owner: UniqueID, deadline: Instant) async throws(StoreTrouble) -> [Account] { [account] }

  func move(_ movement: ExternalMovement, deadline: Instant) async throws(StoreTrouble) -> ExternalMovementResult {
    moved.update { moved in
      if let before = moved[movement.id] {
        return before == movement ? .done(at: account.openedAt, isRepetition: true) : .refused(.differs(.amount))
      }
      guard movement.account == account.id else { return .refused(.unknownAccount(movement.account)) }
      if movement.direction == .spend, movement.amount.minorUnits > 100 { return .refused(.insufficientFunds) }
      moved[movement.id] = movement
      return .done(at: account.openedAt, isRepetition: false)
    }
  }

  func entries(
    of account: UniqueID, from: Timestamp?, until: Timestamp?, after: EntryCursor?, limit: Int, deadline: Instant
  ) async throws(StoreTrouble) -> [AccountEntry] { [] }
}

extension FakeAccounts {
  func trail(of id: UniqueID, deadline: Instant) async throws(StoreTrouble) -> PaymentTrail {
    if isAway.withLock(\.self) { throw .unavailable }
    let (moment, refund) = (Timestamp(microseconds: 0), UniqueID(high: 5, low: 5))
    return PaymentTrail(
      reviewer: "anna",
      attempts: [id, refund].map { operation in
        PaymentTrail.Attempt(
          operationID: operation, call: operation == id ? "charge" : "refund", askedAt: moment,
          answeredAt: operation == id ? moment : nil, answer: operation == id ? "approved" : nil,
          detail: "the bank's words")
      },
      refunds: [
        PaymentTrail.Refund(
          id: refund, amount: Money(minorUnits: 5, account.currency), state: "UNKNOWN", reason: nil, cause: "caller",
          requester: "shop", since: moment, updatedAt: moment)
      ],
      exceptions: [
        PaymentTrail.Exception(
          operationID: id, kind: "order_dead", openedAt: moment, detail: "what the saga said", closedAt: moment,
          closedBy: "bert", note: "paid twice")
      ])
  }
}

/// Answers what it is told to.
final class FakeSaga: SagaAsking {
  let answer = Monitor<Result<SagaPayment?, SagaFailure>>(.success(nil))

  func payment(
    ofOrder order: Int64, trace: TraceContext?, deadline: Instant
  ) async -> Result<SagaPayment?, SagaFailure> {
    answer.withLock { $0 }
  }

  func settle(order: Int64, reason: String, trace: TraceContext?, deadline: Instant) async -> SettleAnswer {
    .unknownOrder
  }
}
