internal import DirectDomain
package import GatewayAPI
internal import GatewayDomain
internal import GatewayStore
package import HTTPServer
package import Money
package import Values

/// The surface of the payment API with its page: a payment is answered as it was taken in, and its end can be waited
/// for.
package struct PaymentsSurface: Sendable {
  /// Its name in metrics and logs.
  package static let name = "payments"
  /// How long a caller waits for the end of a payment.
  private static let patience = Duration.seconds(10)
  private static let route = "payments POST /payments/"
  private static let missing = detail(404, "Payment not found")

  private let desk: PaymentDesk
  private let handlers: RouteHandlers
  private let request: PaymentsRequest

  /// - Parameters:
  ///   - merchant: who is paid.
  ///   - currency: what the amounts are in.
  package init(_ desk: PaymentDesk, _ handlers: RouteHandlers, merchant: UniqueID, currency: Currency) {
    self.desk = desk
    self.handlers = handlers
    request = PaymentsRequest(merchant: merchant, currency: currency)
  }

  /// The calls.
  package var router: HTTPRouter {
    var router = Self.makeRouter()
    let (time, longTime) = (RouteHandlers.answerTime, RouteHandlers.longAnswerTime)
    router.add(.get, "/") { _, exchange in exchange.respond(Self.greeting("payment")) }
    router.add(
      .post, "/payments/", maxBody: PaymentsRequest.maximumBytes, answerTime: time, handler: handlers.open(create))
    router.add(.post, "/payments", maxBody: PaymentsRequest.maximumBytes) { _, exchange in
      exchange.respond(Self.moved)
    }
    router.add(.get, "/payments/{id}", answerTime: time, handler: handlers.open(find))
    router.add(.get, "/payments/lp/{id}", answerTime: longTime, handler: handlers.open(wait))
    return router
  }

  /// What was a program of its own: it greets.
  package static var updaterRouter: HTTPRouter {
    var router = makeRouter()
    router.add(.get, "/") { _, exchange in exchange.respond(greeting("updater")) }
    return router
  }

  private static func makeRouter() -> HTTPRouter {
    var router = HTTPRouter()
    router.ignoresQuery = true
    router.refusal = { refusal, _ in response(refusal) }
    return router
  }

  private static func greeting(_ name: String) -> HTTPResponse {
    .json(200, JSONWriter.object { $0.add("message", "Hello my friend :) It's a \(name) service") })
  }

  private static var moved: HTTPResponse {
    var response = HTTPResponse(307)
    response.add("Location", "/payments/")
    return response
  }

  // MARK: - Errors

  private static func detail(_ status: Int, _ text: String) -> HTTPResponse {
    .json(status, JSONWriter.object { $0.add("detail", text) })
  }

  /// The server's own answers in the words of this surface.
  private static func response(_ refusal: HTTPRefusal) -> HTTPResponse {
    let text =
      switch refusal {
      case .unknownPath: "Not Found"
      case .methodNotAllowed: "Method Not Allowed"
      default: refusal.detail
      }
    return refusal.completed(detail(refusal.status, text))
  }

  private func response(_ fault: Fault) -> HTTPResponse {
    handlers.note(fault)
    let status = fault.problem.status
    return status == 404
      ? Self.missing : SurfaceAnswer.completed(Self.detail(status, SurfaceAnswer.words(fault)), fault)
  }

  // MARK: - POST /payments/

  private func create(_ call: HTTPRequest, _ exchange: HTTPExchange) async {
    // A card number may have been typed where none belongs.
    defer { call.body.zeroInPlace() }
    do {
      // A page may send any other type to any server without asking (fetch standard, section 2.2.2).
      guard call.hasJSON else { throw FieldErrors([.noObject(Self.string(call.body))]) }
      let taken = try await desk.take(try request.read(call.body), PaymentCall(call, of: Self.route))
      let shown = try await Self.asTaken(taken, desk, call)
      exchange.respond(SurfaceAnswer.marked(.json(201, shown), isReplay: taken.isReplay))
    } catch let errors as FieldErrors {
      exchange.respond(.json(422, errors.body))
    } catch let fault as Fault {
      exchange.respond(response(fault))
    } catch {
      exchange.respond(Self.response(.failed))
    }
  }

  /// The payment as it was taken in, also when it has a result by now.
  private static func asTaken(
    _ taken: CreatedPayment, _ desk: PaymentDesk, _ call: HTTPRequest
  ) async throws(Fault) -> [UInt8] {
    var payment: GatewayPayment
    if let new = taken.payment {
      payment = new
    } else {
      payment = try await desk.payment(taken.paymentID, deadline: call.arrived + RouteHandlers.callTime)
      payment.standing = PaymentStanding(createdAt: payment.createdAt)
    }
    return view(payment) ?? []
  }

  private static func string(_ body: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = []
    String(decoding: body, as: UTF8.self).appendJSON(to: &bytes)
    return bytes
  }

  // MARK: - GET

  /// - Returns: nil for a payment of another surface.
  private static func view(_ payment: GatewayPayment) -> [UInt8]? {
    guard let shown = PaymentDesk.shown(payment, of: .payments), case .payments(let details) = shown.details else {
      return nil
    }
    return PaymentsView(payment, details).json()
  }

  private static func one(_ payment: GatewayPayment) -> HTTPResponse { view(payment).map { .json(200, $0) } ?? missing }

  private func find(_ call: HTTPRequest, _ exchange: HTTPExchange) async {
    do throws(Fault) {
      exchange.respond(Self.one(try await payment(call)))
    } catch {
      exchange.respond(response(error))
    }
  }

  private func payment(_ call: HTTPRequest) async throws(Fault) -> GatewayPayment {
    guard let id = call.parameters["id"].flatMap({ UniqueID($0) }) else { throw PaymentDesk.missing }
    return try await desk.payment(id, deadline: call.arrived + RouteHandlers.callTime)
  }

  /// Answers once the payment has a result. What is there already, or is not there, nobody waits for.
  private func wait(_ call: HTTPRequest, _ exchange: HTTPExchange) async {
    do throws(Fault) {
      let payment = try await payment(call)
      guard !payment.standing.state.isFinal, Self.view(payment) != nil else {
        exchange.respond(Self.one(payment))
        return
      }
      let deadline = call.arrived + Self.patience
      let place = try desk.takePlace(for: WaitingPeer(call))
      desk.wait(for: payment.id, until: deadline, at: place, exchange) { news in
        switch news {
        case .row(let payment) where payment.standing.state.isFinal: Self.one(payment)
        case .row: Instant.now() < deadline ? Self.response(.stopping) : Self.timeout
        case .missing: Self.missing
        case .trouble(let error): response(Fault(error))
        case .left: nil
        }
      }
    } catch {
      exchange.respond(response(error))
    }
  }

  private static let timeout = detail(
    408, "Timeout: Payment status did not change from pending within 10 seconds")
}

extension HTTPRequest {
  /// Whether the body says that it is JSON.
  var hasJSON: Bool {
    let type = headers["Content-Type"]?.split(separator: ";").first?.split { $0 == " " || $0 == "\t" }.first
    guard let name = type?.lowercased() else { return false }
    return name == "application/json" || name.hasPrefix("application/") && name.hasSuffix("+json")
  }
}
