package import GatewayAPI
internal import GatewayDomain
internal import GatewayStore
package import HTTPServer
package import Money
package import Values

/// The surface of the card gateway: a payment is answered once its result is known.
package struct CardsSurface: Sendable {
  /// Its name in metrics and logs.
  package static let name = "cards"
  /// How long a caller waits for a result; then the payment is `processing`.
  private static let patience = Duration.seconds(10)
  private static let route = "cards POST /payment"

  private let desk: PaymentDesk
  private let handlers: RouteHandlers
  private let request: CardsRequest

  /// - Parameters:
  ///   - merchant: who is paid.
  ///   - currency: what the amounts are in.
  package init(_ desk: PaymentDesk, _ handlers: RouteHandlers, merchant: UniqueID, currency: Currency) {
    self.desk = desk
    self.handlers = handlers
    request = CardsRequest(merchant: merchant, currency: currency)
  }

  /// The calls.
  package var router: HTTPRouter {
    var router = HTTPRouter()
    router.ignoresQuery = true
    router.refusal = { refusal, refused in CardsOrigins.opened(Self.response(refusal), to: refused.origin) }
    router.options = CardsOrigins.options
    router.add(
      .post, "/payment", maxBody: CardsRequest.maximumBytes, answerTime: RouteHandlers.longAnswerTime,
      handler: handlers.open(pay))
    router.add(.get, "/payment/{operation_id}", answerTime: RouteHandlers.answerTime, handler: handlers.open(find))
    return router
  }

  /// The server's own answers in the words of this surface.
  private static func response(_ refusal: HTTPRefusal) -> HTTPResponse {
    let isUnclear = refusal == .noAnswerInTime || refusal == .failed
    let answer = CardsAnswer(refused: refusal.detail, user: nil, isUnclear: isUnclear)
    return refusal.completed(.json(refusal.status, answer.body))
  }

  // MARK: - POST /payment

  private func pay(_ call: HTTPRequest, _ exchange: HTTPExchange) async {
    defer { call.body.zeroInPlace() }
    let origin = call.headers["Origin"]
    var user: UniqueID?
    do {
      let wanted = try request.read(call.body, user: &user)
      let place = try desk.takePlace(for: WaitingPeer(call))
      let taken = try await desk.take(wanted, PaymentCall(call, of: Self.route))
      exchange.releaseBody()
      wait(for: taken, of: wanted.userID, until: call.arrived + Self.patience, at: place, exchange, origin)
    } catch let fault as CardsFault {
      let answer = CardsAnswer(refused: fault.message, user: user)
      exchange.respond(CardsOrigins.opened(.json(400, answer.body), to: origin))
    } catch let fault as Fault {
      exchange.respond(CardsOrigins.opened(response(fault, user), to: origin))
    } catch {
      exchange.respond(CardsOrigins.opened(Self.response(.failed), to: origin))
    }
  }

  private func wait(
    for taken: CreatedPayment, of user: UniqueID, until deadline: Instant, at place: WaiterPlace,
    _ exchange: HTTPExchange, _ origin: String?
  ) {
    let pending = CardsAnswer(pending: taken.paymentID, of: user)
    // From here on the payment is there, whatever becomes of the wait.
    desk.wait(for: taken.paymentID, until: deadline, at: place, exchange) { news in
      let answer = if case .row(let payment) = news { CardsAnswer(payment) } else { pending }
      return CardsOrigins.opened(SurfaceAnswer.marked(answer.toPost, isReplay: taken.isReplay), to: origin)
    }
  }

  /// A request that can be read and is refused all the same. Fields are wrong in one way here: 400.
  private func response(_ fault: Fault, _ user: UniqueID?) -> HTTPResponse {
    handlers.note(fault)
    let status = fault.problem.status == 422 ? 400 : fault.problem.status
    let answer = CardsAnswer(refused: SurfaceAnswer.words(fault), user: user, isUnclear: fault.mayHaveHappened)
    return SurfaceAnswer.completed(.json(status, answer.body), fault)
  }

  // MARK: - GET /payment/{operation_id}

  private func find(_ call: HTTPRequest, _ exchange: HTTPExchange) async {
    exchange.respond(CardsOrigins.opened(await found(call), to: call.headers["Origin"]))
  }

  private func found(_ call: HTTPRequest) async -> HTTPResponse {
    guard let id = call.parameters["operation_id"].flatMap({ UniqueID($0) }) else { return Self.missing(nil) }
    do throws(Fault) {
      let deadline = call.arrived + RouteHandlers.callTime
      guard let shown = try await desk.shown(id, of: .cards, deadline: deadline) else { return Self.missing(id) }
      return .json(200, CardsAnswer(shown.payment).body)
    } catch {
      return error.problem.status == 404 ? Self.missing(id) : response(error, nil)
    }
  }

  private static func missing(_ id: UniqueID?) -> HTTPResponse {
    var answer = CardsAnswer(refused: "there is no such payment", user: nil)
    if let id { answer.operationID = id }
    return .json(404, answer.body)
  }
}
