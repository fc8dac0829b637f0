package import GatewayAPI
package import GatewayDomain
internal import GatewayStore
package import HTTPServer
internal import LedgerStore
package import Money
internal import UserNames
package import Values

/// The surface of the Kafka pipeline: payments of users who are known by name.
package struct TransactionsSurface: Sendable {
  /// Its name in metrics and logs.
  package static let name = "transactions"
  /// The most payments of a page.
  static let longestPage = 1_000
  private static let path = "/api/payment_transactions"
  private static let route = "transactions POST \(path)"

  private let desk: PaymentDesk
  private let handlers: RouteHandlers
  private let rows: any TransactionKeeping
  private let accounts: any AccountKeeping
  private let merchant: UniqueID
  private let source: TransactionsSource
  private let unit: AmountUnit
  private let credentials: BasicCredentials

  /// - Parameters:
  ///   - merchant: who is paid.
  ///   - unit: of the amounts.
  ///   - credentials: `user:password` of HTTP Basic.
  package init(
    _ desk: PaymentDesk, _ handlers: RouteHandlers, rows: any TransactionKeeping, accounts: any AccountKeeping,
    merchant: UniqueID, source: TransactionsSource, unit: AmountUnit, credentials: String
  ) {
    self.desk = desk
    self.handlers = handlers
    self.rows = rows
    self.accounts = accounts
    self.merchant = merchant
    self.source = source
    self.unit = unit
    self.credentials = BasicCredentials(credentials)
  }

  /// The calls, and the surface's words for what no call answers.
  package var router: HTTPRouter {
    var router = HTTPRouter()
    router.refusal = { refusal, _ in TransactionsFault.response(refusal) }
    router.add(
      .post, Self.path, maxBody: TransactionsRequest.maximumBytes, contentTypes: ["application/json"],
      answerTime: RouteHandlers.answerTime, handler: answer(pay))
    router.add(.get, Self.path, answerTime: RouteHandlers.answerTime, handler: answer(find))
    router.add(.get, "\(Self.path)/list", answerTime: RouteHandlers.answerTime, handler: answer(list))
    router.add(.get, "/api/payment_statuses", answerTime: RouteHandlers.answerTime, handler: answer(status))
    return router
  }

  private func answer(
    _ body: @escaping @Sendable (HTTPRequest) async throws(TransactionsFault) -> HTTPResponse
  ) -> HTTPRoute.Handler {
    handlers.open { [credentials] request, exchange in
      do throws(TransactionsFault) {
        try credentials.check(request.headers)
        exchange.respond(try await body(request))
      } catch {
        exchange.respond(error.response)
      }
    }
  }

  private static func deadline(_ request: HTTPRequest) -> Instant { request.arrived + RouteHandlers.callTime }

  // MARK: - POST /api/payment_transactions

  private func pay(_ request: HTTPRequest) async throws(TransactionsFault) -> HTTPResponse {
    let wanted = try TransactionsRequest(request.body)
    guard let amount = unit.money(wanted.coin, wanted.currency) else {
      preconditionFailure("a coin has 31 bits, and no currency more than four decimals")
    }
    let deadline = Self.deadline(request)
    let taken = try await asking { () async throws(Fault) in
      let number = try await Fault.asking { () async throws(StoreTrouble) in
        try await rows.number(of: wanted.user, deadline: deadline)
      }
      let source = try await source(of: wanted.user, amount.currency, deadline)
      let details = TransactionsDetails(
        userNumber: number, userName: wanted.user.text, coin: wanted.coin, account: Self.shown(source))
      let payment = try Fault.reading { () throws(RequestFault) in
        try PaymentRequest(
          from: details.origin, userID: wanted.user.userID, merchant: merchant, source: source, amount: amount)
      }
      return try await desk.take(payment, PaymentCall(request, of: Self.route))
    }
    let answer = HTTPResponse.json(
      200,
      JSONWriter.object(reserving: 80) { object in
        object.add("id", taken.paymentID)
        object.add("status", "CREATED")
      })
    return SurfaceAnswer.marked(answer, isReplay: taken.isReplay)
  }

  /// What a user's payment is paid from; the account here is opened when it is missing, and is empty then.
  private func source(
    of user: UserName, _ currency: Currency, _ deadline: Instant
  ) async throws(Fault) -> PaymentRequest.Source {
    guard source == .balance else { return .account(number: user.text) }
    let opened = try await Fault.asking { () async throws(StoreTrouble) in
      try await accounts.open(owner: user.userID, currency, deadline: deadline)
    }
    return .balance(accountID: opened.account.id)
  }

  private static func shown(_ source: PaymentRequest.Source) -> String {
    switch source {
    case .account(let number): number
    case .balance(let accountID): accountID.description
    case .card, .token, .saved: preconditionFailure("nothing else is paid from on this surface")
    }
  }

  // MARK: - GET

  private func find(_ request: HTTPRequest) async throws(TransactionsFault) -> HTTPResponse {
    guard let found = try await payment(request), case .transactions(let details) = found.details else {
      throw .missing
    }
    return .json(200, JSONWriter.object(reserving: 96) { details.add(to: &$0, found.payment.amount.currency) })
  }

  private func status(_ request: HTTPRequest) async throws(TransactionsFault) -> HTTPResponse {
    let found = try await payment(request)
    let word = found?.payment.standing.state.transactionsWord ?? "NOT_FOUND"
    return .json(200, JSONWriter.object { $0.add("status", word) })
  }

  /// The payment that the query names, when it is one of this surface.
  private func payment(_ request: HTTPRequest) async throws(TransactionsFault) -> SurfacePayment? {
    let text = request.query["payment_id"]
    guard let text, let id = UniqueID(text) else {
      let message = text == nil ? "не должно равняться null" : "должно быть UUID"
      throw .invalid([.init("payment_id", parameter: text, message)])
    }
    return try await asking { () async throws(Fault) in
      do throws(Fault) {
        return try await desk.shown(id, of: .transactions, deadline: Self.deadline(request))
      } catch  where error.problem.status == 404 {
        return nil
      }
    }
  }

  private func list(_ request: HTTPRequest) async throws(TransactionsFault) -> HTTPResponse {
    let name = request.query["user_name"]
    guard let user = name.flatMap({ UserName($0) }) else {
      let lengths = UserName.lengths
      let size = "размер должен находиться в диапазоне от \(lengths.lowerBound) до \(lengths.upperBound)"
      throw .invalid([.init("user_name", parameter: name, name == nil ? "не должно равняться null" : size)])
    }
    let (limit, before) = try Self.page(request.query)
    let found = try await asking { () async throws(Fault) in
      try await Fault.asking { () async throws(StoreTrouble) in
        try await rows.payments(of: user, before: before, limit: limit + 1, deadline: Self.deadline(request))
      }
    }
    let shown = found.prefix(limit)
    var response = HTTPResponse.json(200, Self.body(shown.compactMap { PaymentDesk.shown($0, of: .transactions) }))
    if found.count > limit, let last = shown.last {
      let next = "user_name=\(PercentEncoding.encode(user.text))&limit=\(limit)&after=\(PaymentCursor(last.id).text)"
      response.add("Link", "<\(Self.path)/list?\(next)>; rel=\"next\"")
    }
    return response
  }

  private static func page(_ query: HTTPQuery) throws(TransactionsFault) -> (limit: Int, before: UniqueID?) {
    var page = (limit: longestPage, before: UniqueID?.none)
    if let text = query["limit"] {
      guard let limit = Int(text), (1...longestPage).contains(limit) else {
        throw .invalid([.init("limit", parameter: text, "должно быть целым числом от 1 до \(longestPage)")])
      }
      page.limit = limit
    }
    if let text = query["after"] {
      guard let cursor = PaymentCursor(text) else {
        throw .invalid([.init("after", parameter: text, "должно быть указателем страницы")])
      }
      page.before = cursor.id
    }
    return page
  }

  private static func body(_ payments: [SurfacePayment]) -> [UInt8] {
    var body: [UInt8] = [UInt8(ascii: "[")]
    for payment in payments {
      guard case .transactions(let details) = payment.details else { continue }
      if body.count > 1 { body.append(UInt8(ascii: ",")) }
      JSONWriter.appendObject(to: &body) { object in
        object.add("id", payment.payment.id)
        details.add(to: &object, payment.payment.amount.currency)
        object.add("status", payment.payment.standing.state.transactionsWord)
        object.add("createDate", payment.payment.createdAt.localTime(decimals: false))
      }
    }
    body.append(UInt8(ascii: "]"))
    return body
  }

  // MARK: - Faults

  private func asking<Value>(
    _ body: () async throws(Fault) -> Value
  ) async throws(TransactionsFault) -> Value {
    do throws(Fault) {
      return try await body()
    } catch {
      handlers.note(error)
      let (status, detail) = (error.problem.status, SurfaceAnswer.words(error))
      switch status {
      case 400...499 where error.problem.field == IdempotencyKeyHeader.name && status != 400:
        throw .refused(status, detail)
      case 400, 422: throw .invalid([], detail)
      default: throw .failed(detail, retryAfter: error.retryAfter)
      }
    }
  }
}

extension TransactionsDetails {
  /// What callers see of a payment.
  fileprivate func add(to object: inout JSONObjectWriter, _ currency: Currency) {
    object.add("userName", userName)
    object.add("coin", coin)
    object.add("currency", currency.code)
  }
}
