package import Cards
internal import DirectDomain
package import GatewayAPI
internal import GatewayDomain
internal import GatewayStore
package import HTTPServer
package import Logger
package import Money
internal import Tracing
package import Values

/// The page of the payment API: who visits it pays from an account, and sees what became of that. It needs no script.
///
/// A visitor is the UUID in the cookie `uuid`, which is made at the first visit.
package struct PaymentsPage: Sendable {
  /// Its name in metrics and logs.
  package static let name = "page"
  /// The cookie with the visitor's UUID.
  static let cookie = "uuid"
  private static let mostShown = 100
  private static let formType = "application/x-www-form-urlencoded"
  private static let answerTime = Duration.seconds(15)
  private static let callTime = Duration.seconds(10)
  private static let cookieAge = 365 * 86_400

  /// What the page is about, and for whom.
  package struct Terms: Sendable {
    let merchant: UniqueID
    let currency: Currency
    let seals: CardFingerprintKeys
    let hasTLS: Bool

    /// - Parameters:
    ///   - merchant: who is paid.
    ///   - currency: what the amounts are in.
    ///   - seals: sign the tokens of forms; the same for all gateways.
    ///   - hasTLS: whether browsers reach the page over TLS.
    package init(merchant: UniqueID, currency: Currency, seals: CardFingerprintKeys, hasTLS: Bool) {
      self.merchant = merchant
      self.currency = currency
      self.seals = seals
      self.hasTLS = hasTLS
    }
  }

  private let payments: any PaymentKeeping
  private let desk: PaymentDesk
  private let live: LiveFeed
  private let terms: Terms
  private let logger: Logger

  /// The page over these payments.
  package init(
    _ payments: any PaymentKeeping, _ desk: PaymentDesk, _ live: LiveFeed, _ terms: Terms, logger: Logger
  ) {
    self.payments = payments
    self.desk = desk
    self.live = live
    self.terms = terms
    self.logger = logger
  }

  /// The page, what its forms do, and its files.
  package var router: HTTPRouter {
    var router = HTTPRouter()
    PageAssets.add(to: &router)
    let show = { @Sendable (call: Call) async throws(PageFault) in try await page(call) }
    router.add(.get, "/", answerTime: Self.answerTime, handler: handler(show))
    let types = [Self.formType]
    router.add(
      .post, "/", maxBody: PaymentForm.maximumBytes, contentTypes: types, answerTime: Self.answerTime,
      handler: handler(pay))
    router.add(
      .post, "/renew", maxBody: 1_024, contentTypes: types, answerTime: Self.answerTime, handler: handler(renew))
    router.add(.get, "/live", answerTime: Self.answerTime, handler: follow)
    return router
  }

  /// Tells the script when to look again: what it shows comes with the page.
  @Sendable private func follow(_ request: HTTPRequest, _ exchange: HTTPExchange) {
    let user = Cookies.value(Self.cookie, in: request.headers.values("Cookie")).flatMap { UniqueID($0) }
    guard let user else {
      exchange.respond(HTTPResponse(403))
      return
    }
    do throws(Fault) {
      try live.subscribe(
        .user(user), from: request.headers["Last-Event-ID"], of: WaitingPeer(request),
        body: { _ in Array("{}".utf8) }, to: exchange)
    } catch {
      exchange.respond(error.response)
    }
  }

  // MARK: - Calls

  /// A call of a visitor.
  private struct Call: Sendable {
    let request: HTTPRequest
    let user: UniqueID
    let isNew: Bool
    let words: Words
    var deadline: Instant { request.arrived + callTime }
  }

  private func handler(
    _ body: @escaping @Sendable (Call) async throws(PageFault) -> HTTPResponse
  ) -> HTTPRoute.Handler {
    { [self] request, exchange in
      let known = Cookies.value(Self.cookie, in: request.headers.values("Cookie")).flatMap { UniqueID($0) }
      let call = Call(
        request: request, user: known ?? .random(), isNew: known == nil,
        words: Words(language: Language(accepting: request.headers["Accept-Language"], standard: .russian)))
      Task.immediate {
        var response: HTTPResponse
        do throws(PageFault) {
          response = try await body(call)
        } catch {
          if let cause = error.cause { logger.error("the page failed on what is stored", ["error": .string(cause)]) }
          response = await refusal(call, error)
        }
        if call.isNew, response.status != 303 { add(call.user, to: &response) }
        exchange.respond(response)
      }
    }
  }

  private func add(_ user: UniqueID, to response: inout HTTPResponse) {
    let attributes = "Path=/; Max-Age=\(Self.cookieAge); HttpOnly; SameSite=Strict\(terms.hasTLS ? "; Secure" : "")"
    response.add("Set-Cookie", "\(Self.cookie)=\(user); \(attributes)")
  }

  /// What each form of the visitor carries, so that no other site's form is taken for ours.
  private func token(_ user: UniqueID) -> String {
    PageSession.signature("payments \(user)", terms.seals)
  }

  private func sent(_ call: Call) throws(PageFault) -> FormBody {
    guard let form = try? FormBody(call.request.body) else { throw .unreadable }
    let site = call.request.headers["Sec-Fetch-Site"] ?? "same-origin"
    let token = form.text("csrf") ?? ""
    guard !call.isNew, site == "same-origin", PageSession.isSigned("payments \(call.user)", token, terms.seals) else {
      throw .expired
    }
    return form
  }

  // MARK: - What forms do

  private func renew(_ call: Call) async throws(PageFault) -> HTTPResponse {
    _ = try sent(call)
    var response = PageFrame.redirect(to: "/")
    add(.random(), to: &response)
    return response
  }

  private func pay(_ call: Call) async throws(PageFault) -> HTTPResponse {
    let form = try sent(call)
    guard let key = form.text("key"), UniqueID(key) != nil else { throw .unreadable }
    let account = form.text("account") ?? ""
    let amount: Int64?
    do throws(PaymentForm.Fault) {
      amount = try PaymentForm.minorUnits(form.text("amount"), terms.currency.code)
    } catch {
      throw PageFault(error)
    }
    guard let amount else { throw PageFault(422, "missing_field", "the field is required", field: "amount") }
    let details = PaymentsDetails(user: call.user.description, account: account, note: nil)
    let request = try PageFault.reading { () throws(RequestFault) in
      try PaymentRequest(
        from: details.origin, userID: call.user, merchant: terms.merchant, source: .account(number: account),
        amount: Money(minorUnits: amount, terms.currency), description: form.text("description"))
    }
    let wish = PaymentCall(
      key: RequestKey(apiKeyID: nil, route: "page payments", text: key), apiKeyID: nil,
      traceparent: call.request.trace?.traceparent, deadline: call.deadline)
    _ = try await PageFault.calling { () async throws(Fault) in try await desk.take(request, wish) }
    return PageFrame.redirect(to: "/")
  }

  // MARK: - The page

  private func refusal(_ call: Call, _ fault: PageFault) async -> HTTPResponse {
    // Who has come from elsewhere is shown nothing of a visitor's.
    if fault.status != 421, let page = try? await page(call, fault) { return page }
    let frame = frame(call.words)
    return frame.response(
      fault.status,
      "<h1>\(frame.title)</h1><p class=\"problem\" role=\"alert\">\(call.words.problem(fault.code, fault.detail))</p>")
  }

  private func frame(_ words: Words) -> PageFrame {
    var frame = PageFrame(words: words, title: "Payment Pet Project")
    frame.hasPlaces = false
    return frame
  }

  private func page(_ call: Call, _ fault: PageFault? = nil) async throws(PageFault) -> HTTPResponse {
    var filter = PaymentFilter()
    filter.userID = call.user
    filter.limit = Self.mostShown
    let found = try await PageFault.stored { () async throws(GatewayStoreError) in
      try await payments.list(filter, deadline: call.deadline)
    }
    let view = PaymentsPageView(words: call.words)
    var form = FormView(words: call.words, id: "pay", path: "/", token: token(call.user))
    if let fault {
      form.fault = fault
      let typed = try? FormBody(call.request.body)
      for name in ["account", "amount", "description"] { form.values[name] = typed?.text(name) }
      if fault.status >= 500, let key = typed?.text("key") { form.key = key }
    }
    var frame = frame(call.words)
    frame.live = "/live"
    return frame.response(fault?.status ?? 200, view.content(found.payments, form, user: call.user))
  }
}
