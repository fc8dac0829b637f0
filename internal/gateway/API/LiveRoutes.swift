internal import GatewayDomain
package import HTTPServer
internal import Values

/// `/v1/payments/{id}/events` and `/v1/users/{id}/events`.
package struct LiveRoutes: Sendable {
  private let feed: LiveFeed
  private let handlers: RouteHandlers

  /// Streams of a feed.
  package init(_ feed: LiveFeed, handlers: RouteHandlers) {
    self.feed = feed
    self.handlers = handlers
  }

  /// Adds the calls.
  package func add(to router: inout HTTPRouter) {
    router.add(
      .get, "\(PaymentRoutes.path)/{id}/events", answerTime: RouteHandlers.answerTime,
      handler: handlers.run(.read) { [self] request, exchange throws(Fault) in
        let id = try RouteHandlers.id(request, missing: PaymentDesk.missing)
        try follow(.payment(id), request, exchange)
      })
    router.add(
      .get, "\(CustomerRoutes.users)/{id}/events", answerTime: RouteHandlers.answerTime,
      handler: handlers.run(.read) { [self] request, exchange throws(Fault) in
        let id = try RouteHandlers.id(request, missing: CustomerRoutes.missingUser)
        try follow(.user(id), request, exchange)
      })
  }

  private func follow(_ subject: LiveSubject, _ request: APIRequest, _ exchange: HTTPExchange) throws(Fault) {
    try request.query.requireOnly([Self.parameter])
    let asked = try request.query.only(Self.parameter)
    let given = request.headers[LiveStream.lastEventID].flatMap { $0.isEmpty ? nil : $0 }
    try feed.subscribe(
      subject, from: given ?? asked, of: request.waitingPeer, isAllowed: handlers.right(of: request, to: .read),
      to: exchange)
  }

  /// What a page's first request goes on from: browsers set the header field by themselves only.
  private static let parameter = "last_event_id"
}
