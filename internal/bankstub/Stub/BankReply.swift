internal import BankStubDomain
internal import HTTPServer
internal import Money
internal import Values

/// An answer that is due after a while, and what is wrong with it.
struct BankReply: Sendable {
  let exchange: HTTPExchange
  let fault: BankFault?
  var delay = Duration.zero
  private(set) var response = HTTPResponse.json(200, Array("{}".utf8))

  init(_ exchange: HTTPExchange, fault: BankFault?) {
    self.exchange = exchange
    self.fault = fault
  }

  /// The answer to a charge or refund says also what was asked for, where the bank has not kept that.
  mutating func answer(_ operation: BankOperation, asked: (userID: UniqueID?, amount: Money)? = nil) {
    let id = fault == .otherID ? UniqueID.random() : operation.id
    let amount = (operation.amount ?? asked?.amount).map { amount in
      fault == .otherAmount ? Money(minorUnits: amount.minorUnits ^ 1, amount.currency) : amount
    }
    // What was reversed before is refused.
    let isRefused = asked != nil && operation.status == .reversed
    response = .json(
      200,
      JSONWriter.object(reserving: 256) { body in
        body.add("operation_id", id)
        if let userID = operation.userID ?? asked?.userID { body.add("user_id", userID) }
        body.add("status", isRefused ? BankOperation.Status.error.rawValue : operation.status.rawValue)
        body.add("error", operation.error)
        if let amount {
          body.add("amount", MajorUnits(amount))
          body.add("currency", amount.currency.code)
        }
        if operation.status == .succeed, operation.refundOf == nil { body.add("card_token", "tok_\(id)") }
      })
  }

  mutating func answerNotFound(_ id: UniqueID) {
    response = .json(
      404,
      JSONWriter.object { body in
        body.add("operation_id", id)
        body.add("error", "no such payment")
      })
  }
}

/// Money as a JSON number in major units.
private struct MajorUnits: JSONRepresentable {
  let amount: Money

  init(_ amount: Money) { self.amount = amount }

  func appendJSON(to bytes: inout [UInt8]) { bytes += amount.decimal.utf8 }
}
