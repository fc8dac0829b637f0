internal import GatewayAPI
package import GatewayDomain
package import HTTPServer
package import Logger
internal import Values

/// The operators' pages, beside `/v1`. Each is whole without a script; the script keeps it up to date.
package struct PageRoutes: Sendable {
  let sources: PageSources
  let handlers: PageHandlers
  let rules: PaymentRequest.Rules
  let hasTestCards: Bool

  /// - Parameters:
  ///   - rules: what is added to payments.
  ///   - hasTestCards: whether the cards of the imitated bank are offered.
  package init(
    _ sources: PageSources, access: PageAccess, rules: PaymentRequest.Rules, hasTestCards: Bool, logger: Logger
  ) {
    self.sources = sources
    handlers = PageHandlers(access: access, logger: logger, language: .english)
    self.rules = rules
    self.hasTestCards = hasTestCards
  }

  /// Adds the pages, what their forms do, and their files.
  package func add(to router: inout HTTPRouter) {
    PageAssets.add(to: &router)
    addSessions(to: &router)
    addPayments(to: &router)
    addAccounts(to: &router)
    addQueues(to: &router)
    handlers.stream("/live", to: &router, follow)
  }

  /// Tells the script when to look again: what it shows comes with the page.
  private func follow(
    _ call: PageCall, _ isAllowed: @escaping @Sendable () -> Bool, _ exchange: HTTPExchange
  ) throws(Fault) {
    let payment = call.request.query["payment"].flatMap { UniqueID($0) }
    try sources.live.subscribe(
      payment.map { .payment($0) } ?? .all, from: call.request.headers["Last-Event-ID"],
      of: WaitingPeer(call.request), isAllowed: isAllowed, body: { _ in Array("{}".utf8) }, to: exchange)
  }

  /// A page with its places and the visitor.
  func frame(_ call: PageCall, _ title: String, at place: String? = nil, live: String? = nil) -> PageFrame {
    var frame = PageFrame(words: call.words, title: "\(title) · Paysaga", current: place, live: live)
    frame.hasPlaces = call.visitor.isKnown
    if let key = call.visitor.key { frame.visitor = leaveForm(call, key.name) }
    return frame
  }

  /// A form with the visit's token.
  func form(_ call: PageCall, _ id: String, _ path: String) -> FormView {
    FormView(words: call.words, id: id, path: path, token: call.visitor.session.token(handlers.access.seals))
  }

  /// A page that says what went wrong, and nothing else.
  func refusal(_ call: PageCall, _ fault: PageFault) -> HTTPResponse {
    let words = call.words
    let title = words("That did not work", "Не получилось")
    return frame(call, title).response(
      fault.status,
      """
      <h1>\(title)</h1>
      <p class="problem" role="alert">\(words.problem(fault.code, fault.detail))</p>
      <p><code>\(fault.code)</code></p>
      <p><a href="/">\(words("To the payments", "К платежам"))</a></p>
      """)
  }

  /// `refusal` as a handler.
  var refused: PageHandlers.Failed { { call, fault in refusal(call, fault) } }

  /// What pages about one payment do with a person's wish.
  func key(_ call: PageCall, _ route: String) throws(PageFault) -> RequestKey {
    guard let text = try call.sent().text("key"), UniqueID(text) != nil else { throw .unreadable }
    return RequestKey(apiKeyID: call.visitor.key?.id, route: "page \(route)", text: text)
  }
}
