internal import DirectDomain
internal import GatewayAPI
internal import GatewayDomain
internal import HTTPServer
internal import Values

/// The one shape of all answers of the cards surface.
struct CardsAnswer: Hashable {
  /// What is known of no payment or user.
  private static let nobody = UniqueID(high: 0, low: 0)

  var operationID = nobody
  var userID = nobody
  var state = PaymentState.error
  var error = ""

  /// What became of a payment.
  init(_ payment: GatewayPayment) {
    operationID = payment.id
    userID = payment.userID
    state = payment.standing.state
    guard state.cardsWord == "error" else { return }
    error = payment.standing.reason?.surfaceWords ?? "the payment was declined"
  }

  /// A payment of which nothing is known but that it was taken in.
  init(pending id: UniqueID, of user: UniqueID) {
    (operationID, userID, state) = (id, user, .processing)
  }

  /// A refused request.
  /// - Parameter isUnclear: what was asked for may have happened: then it is no error of the payment.
  init(refused message: String, user: UniqueID?, isUnclear: Bool = false) {
    userID = user ?? Self.nobody
    state = isUnclear ? .processing : .error
    error = message
  }

  /// The body, whose keys are in this order.
  var body: [UInt8] {
    JSONWriter.object(reserving: 192) { answer in
      answer.add("operation_id", operationID)
      answer.add("user_id", userID)
      answer.add("status", state.cardsWord)
      answer.add("error", error)
    }
  }

  /// The answer to a payment that was asked for: one that failed is 500.
  var toPost: HTTPResponse { .json(state.cardsWord == "error" ? 500 : 200, body) }
}
