internal import GatewayDomain
package import Values

/// What a body of the demo surface asks for: a record that has an id, or gets one.
package struct DemoDraft<Record> {
  /// The caller's id; nil where one is to be made.
  package let id: UniqueID?
  /// The record under an id.
  package let record: (UniqueID) -> Record
}

extension DemoDraft<DemoUser> {
  /// Reads a user.
  /// - Parameter type: of the content, as the caller names it.
  package static func user(_ body: [UInt8], type: String?) throws(DemoFault) -> DemoDraft {
    var body = try DemoBody(body, type: type)
    let id = body.uniqueID("user_id", isRequired: false)
    let (first, last) = (body.prose("first_name"), body.prose("last_name"))
    try body.check()
    return DemoDraft(id: id) { DemoUser(id: $0, firstName: first, lastName: last) }
  }
}

extension DemoDraft<DemoMethod> {
  /// Reads a payment method.
  /// - Parameter type: of the content, as the caller names it.
  package static func method(_ body: [UInt8], type: String?) throws(DemoFault) -> DemoDraft {
    var body = try DemoBody(body, type: type)
    let id = body.uniqueID("payment_method_id", isRequired: false)
    let name = body.prose("name")
    try body.check()
    return DemoDraft(id: id) { DemoMethod(id: $0, name: name) }
  }
}

extension DemoDraft<DemoRequest> {
  /// Reads a payment request.
  /// - Parameter type: of the content, as the caller names it.
  package static func request(_ body: [UInt8], type: String?) throws(DemoFault) -> DemoDraft {
    var body = try DemoBody(body, type: type)
    let id = body.uniqueID("payment_request_id", isRequired: false)
    let (user, payee) = (body.uniqueID("user_id"), body.uniqueID("payee_id"))
    let method = body.uniqueID("payment_method_id")
    let (amount, currency) = (body.amount("amount"), body.currency("currency"))
    try body.check()
    guard let user, let payee, let method, let amount, let currency else {
      preconditionFailure("a field that is required and absent is a fault")
    }
    return DemoDraft(id: id) {
      DemoRequest(id: $0, userID: user, payeeID: payee, methodID: method, amount: amount, currency: currency)
    }
  }
}
